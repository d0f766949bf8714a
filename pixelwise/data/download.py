"""Downloads that go on where they broke off, and that are what was published."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from tqdm.auto import tqdm

from pixelwise.data.errors import DownloadError

_CHUNK = 1 << 18


def download(url: str, path: Path, md5: str, timeout: float = 30) -> Path:
    """Fetch `url` to `path`, with a progress bar, and compare its MD5 sum with the published one.

    What has arrived is kept in `<path>.part`; when the connection breaks, the next call asks the server for
    the rest (HTTP Range) and starts again where the server cannot. A file that is there and right is not
    fetched.

    Raises `DownloadError` when the server cannot be reached, when the connection breaks, or when the sum is
    another: then what arrived is deleted, since nothing right can be made of it.
    """
    if path.exists() and _md5(path) == md5:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        _fetch(url, part, timeout)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        have = f"; {part.stat().st_size:,} bytes are kept, call again to go on" if part.exists() else ""
        raise DownloadError(f"{url}: {getattr(error, 'reason', None) or error}{have}") from error
    if (found := _md5(part)) != md5:
        part.unlink()
        raise DownloadError(
            f"{url}: what arrived has the MD5 sum {found}, published is {md5}. It was deleted; call again, "
            "and if the sum is wrong again, the file on the server has changed."
        )
    part.replace(path)
    return path


def _fetch(url: str, part: Path, timeout: float) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is left to send: the sum will tell whether that is right
            return
        raise
    with answer:
        if answer.status != 206:  # a server that knows no ranges sends all of it
            have = 0
        left = answer.headers.get("Content-Length")
        total = have + int(left) if left else None
        with (
            part.open("ab" if have else "wb") as file,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=part.stem) as bar,
        ):
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    if total is not None and part.stat().st_size < total:
        raise OSError(f"the connection broke at {part.stat().st_size:,} of {total:,} bytes")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .tar.gz so that what it holds appears in `folder` complete or not at all; then delete it.

    Raises `DownloadError` when it is no archive, or would write outside of `folder`.
    """
    half = folder / f".{archive.name}.unpacking"
    shutil.rmtree(half, ignore_errors=True)
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(half, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        shutil.rmtree(half, ignore_errors=True)
        raise DownloadError(f"{archive} cannot be unpacked: {error}") from error
    for entry in half.iterdir():
        entry.replace(folder / entry.name)
    half.rmdir()
    archive.unlink()


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
