"""Oxford-IIIT Pet: its layout, and a download that breaks off, goes on and is checked (a local server)."""

from __future__ import annotations

import hashlib
import http.server
import re
import tarfile
import threading
from pathlib import Path

import pytest
import torch

from pixelwise.data import (
    DataError,
    DownloadError,
    MissingFiles,
    UnknownLabel,
    WrongSize,
    download,
    load,
    pets,
)

from .conftest import picture, save

# ---- the folder -----------------------------------------------------------------------------------------


def test_the_outline_is_void_and_never_background(pets_root: Path):
    for k, animal in enumerate((1, 2)):  # a cat and a dog
        _, target = load("oxford_pet", "test", root=pets_root, size=None)[k]
        assert torch.equal(target, torch.tensor([[animal, animal, animal, 255, 0, 0]] * 4))


def test_train_and_val_share_the_published_list_and_no_photograph(pets_root: Path):
    train, val, test = (load("oxford_pet", split, root=pets_root) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (8, 2, 2)
    names = [name for data in (train, val, test) for name in data.identifiers]
    assert len(set(names)) == 12


def test_photographs_of_all_sizes_come_in_one(pets_root: Path):
    save(
        pets_root / "oxford-iiit-pet" / "images" / "Beagle_1.jpg", picture(4, 6)[..., 0]
    )  # a grey photograph
    images, targets = load("oxford_pet", root=pets_root, size=(32, 40)).tensors()
    assert images.shape == (8, 3, 32, 40) and set(targets.unique().tolist()) == {0, 1, 2, 255}


@pytest.mark.parametrize("gone", ["images/Abyssinian_4.jpg", "annotations/trimaps/Beagle_3.png"])
def test_a_half_copied_folder(pets_root: Path, gone: str):
    (pets_root / "oxford-iiit-pet" / gone).unlink()
    split = "val" if "_4" in gone else "train"
    with pytest.raises(MissingFiles, match=rf"1 of .* files are missing: .*{Path(gone).name}.*https://"):
        load("oxford_pet", split, root=pets_root)


def test_a_missing_folder_says_how_to_get_it(tmp_path: Path):
    with pytest.raises(
        MissingFiles, match=r'oxford-iiit-pet.images.*load\("oxford_pet", fetch=True\).*https://'
    ):
        load("oxford_pet", root=tmp_path)


def test_a_list_that_is_no_list(pets_root: Path):
    (pets_root / "oxford-iiit-pet" / "annotations" / "trainval.txt").write_text("<html>\n")
    with pytest.raises(MissingFiles, match="lines read `name breed species number`, found `<html>`"):
        load("oxford_pet", root=pets_root)


def test_a_wrong_trimap(pets_root: Path):
    path = pets_root / "oxford-iiit-pet" / "annotations" / "trimaps" / "Abyssinian_0.png"
    save(path, picture(4, 6)[..., 0])
    with pytest.raises(UnknownLabel, match=r"Abyssinian_0\.png: labels .* known are 1–3"):
        load("oxford_pet", root=pets_root)[0]
    save(path, picture(5, 6)[..., 0] % 3 + 1)
    with pytest.raises(WrongSize, match=r"Abyssinian_0\.jpg is \(4, 6\)"):
        load("oxford_pet", root=pets_root)[0]


def test_a_split_that_does_not_exist(pets_root: Path):
    with pytest.raises(DataError, match="train, val, test"):
        load("oxford_pet", "trainval", root=pets_root)


# ---- the download ---------------------------------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`. Can break off after some bytes, ignore ranges, or change what it sends."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.break_after: int | None = None
        self.knows_ranges = True
        self.asked: list[str | None] = []
        self.sent = 0

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        content = self.server.files.get(self.path.lstrip("/"))
        if content is None:
            return self.send_error(404)
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and self.server.knows_ranges else 0
        if start and start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        stop = len(content) if self.server.break_after is None else start + self.server.break_after
        self.wfile.write(content[start:stop])
        self.server.sent += len(content[start:stop])

    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


CONTENT = bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENT).hexdigest()


def test_a_download_shows_its_progress_and_is_not_repeated(server: Server, tmp_path: Path, capfd):
    server.files["pets.bin"] = CONTENT
    path = download(server.url("pets.bin"), tmp_path / "new" / "pets.bin", MD5)
    assert path.read_bytes() == CONTENT and "pets.bin: 100%" in capfd.readouterr().err
    download(server.url("pets.bin"), path, MD5)
    assert server.asked == [None] and [entry.name for entry in path.parent.iterdir()] == ["pets.bin"]


def test_a_broken_download_goes_on_where_it_stopped(server: Server, tmp_path: Path):
    server.files["pets.bin"] = CONTENT
    server.break_after = 400_000
    for have in (400_000, 800_000):
        with pytest.raises(
            DownloadError, match=rf"broke at {have:,} of 1,024,000 bytes.*call again to go on"
        ):
            download(server.url("pets.bin"), tmp_path / "pets.bin", MD5)
        assert not (tmp_path / "pets.bin").exists(), "a part never passes for the whole"
    assert download(server.url("pets.bin"), tmp_path / "pets.bin", MD5).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=400000-", "bytes=800000-"]
    assert server.sent == len(CONTENT), "no byte was sent twice"


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path):
    server.files["pets.bin"], server.knows_ranges = CONTENT, False
    (tmp_path / "pets.bin.part").write_bytes(CONTENT[:1000])
    assert download(server.url("pets.bin"), tmp_path / "pets.bin", MD5).read_bytes() == CONTENT


def test_a_part_that_is_the_whole_only_has_to_be_checked(server: Server, tmp_path: Path):
    server.files["pets.bin"] = CONTENT
    (tmp_path / "pets.bin.part").write_bytes(CONTENT)
    assert download(server.url("pets.bin"), tmp_path / "pets.bin", MD5).read_bytes() == CONTENT
    assert server.sent == 0


def test_a_wrong_checksum_deletes_what_arrived(server: Server, tmp_path: Path):
    server.files["pets.bin"] = CONTENT[:-1] + b"!"
    with pytest.raises(DownloadError, match=f"MD5 sum .*, published is {MD5}. It was deleted"):
        download(server.url("pets.bin"), tmp_path / "pets.bin", MD5)
    assert not list(tmp_path.iterdir())
    server.files["pets.bin"] = CONTENT
    assert download(server.url("pets.bin"), tmp_path / "pets.bin", MD5).read_bytes() == CONTENT


def test_a_damaged_beginning_is_found_at_the_end(server: Server, tmp_path: Path):
    server.files["pets.bin"] = CONTENT
    (tmp_path / "pets.bin.part").write_bytes(b"x" * 1000)
    with pytest.raises(DownloadError, match="It was deleted"):
        download(server.url("pets.bin"), tmp_path / "pets.bin", MD5)


def test_a_damaged_file_is_fetched_again(server: Server, tmp_path: Path):
    server.files["pets.bin"] = CONTENT
    (tmp_path / "pets.bin").write_bytes(CONTENT[:-5])
    assert download(server.url("pets.bin"), tmp_path / "pets.bin", MD5).read_bytes() == CONTENT


def test_a_server_that_does_not_have_it_or_does_not_answer(server: Server, tmp_path: Path):
    with pytest.raises(DownloadError, match=r"nothing\.bin: Not Found"):
        download(server.url("nothing.bin"), tmp_path / "nothing.bin", MD5)
    with pytest.raises(DownloadError, match="refused"):
        download("http://127.0.0.1:9/pets.bin", tmp_path / "pets.bin", MD5)


def test_pets_are_fetched_unpacked_and_read(server: Server, pets_root: Path, tmp_path_factory, monkeypatch):
    archives, fresh = {}, tmp_path_factory.mktemp("fresh")
    for part in ("images", "annotations"):
        archive = fresh / f"{part}.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(pets_root / "oxford-iiit-pet" / part, part)
        server.files[archive.name] = archive.read_bytes()
        archives[part] = server.url(archive.name), hashlib.md5(archive.read_bytes()).hexdigest()
        archive.unlink()
    monkeypatch.setattr(pets, "ARCHIVES", archives)
    fetched = load("oxford_pet", root=fresh, fetch=True)
    there = load("oxford_pet", root=pets_root)
    assert all(torch.equal(a, b) for a, b in zip(fetched.tensors(), there.tensors(), strict=True))
    load("oxford_pet", root=fresh, fetch=True)
    assert len(server.asked) == 2, "what is there is not fetched again"
    left = sorted(path.name for path in (fresh / "oxford-iiit-pet").iterdir())
    assert left == ["annotations", "images"], "the archives are unpacked and gone"


def test_an_archive_cannot_write_elsewhere(tmp_path: Path):
    save(tmp_path / "evil.png", picture(2, 2))
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "evil.png", "../outside.png")
    with pytest.raises(DownloadError, match="outside"):
        pets.unpack(tmp_path / "evil.tar.gz", tmp_path / "home" / "deep")
    assert not list(tmp_path.rglob("outside.png"))
