"""The files that come with a notebook, as far as they are files."""

from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path

_MOST_BYTES = 100 << 20  # of one submission's files


def archive(*folders: Path) -> bytes:
    """The folders' ordinary files as one tar archive: no links, no devices, and no notebooks.

    A ValueError says that they are too many or too large.
    """
    buffer, size = io.BytesIO(), 0
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in folders:
            for path in ordinary_files(folder):
                if path.suffix == ".ipynb":
                    continue
                size += path.stat().st_size
                if size > _MOST_BYTES:
                    raise ValueError(f"its files are larger than {_MOST_BYTES >> 20} MB")
                tar.add(path, path.relative_to(folder), recursive=False, filter=_plain)
    return buffer.getvalue()


def ordinary_files(folder: Path) -> list[Path]:
    """The files below `folder` that are files: links and devices are passed over, never followed."""
    found = []
    for here, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        paths = (Path(here, name) for name in sorted(names))
        found += [path for path in paths if path.is_file() and not path.is_symlink()]
        if len(found) > 2000:
            raise ValueError("more than 2000 files")
        if len(Path(here).relative_to(folder).parts) > 20:
            raise ValueError("more than 20 folders within folders")
    return found


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode, entry.uid, entry.gid, entry.uname, entry.gname = 0o644, 0, 0, "", ""
    entry.mtime = int(time.time())
    return entry
