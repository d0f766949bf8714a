"""What is collected from an inbound folder where a student put more than a submission."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from traitlets.config import Config

from autograder.exchange import Collect, copy_own_files

PLENTY = 10_000  # bytes


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "solutions").mkdir()
    path = tmp_path / "solutions" / "solution.ipynb"
    path.write_text("the solution")
    return path


@pytest.fixture
def handed_in(tmp_path: Path) -> Path:
    folder = tmp_path / "grace+ps2+2026-11-22 20:00:00 UTC+x"
    (folder / "pictures").mkdir(parents=True)
    (folder / "work.ipynb").write_text("work")
    (folder / "pictures" / "one.png").write_bytes(b"\x89")
    return folder


def collected(source: Path, target: Path, most_bytes: int = PLENTY) -> tuple[dict[str, bytes], list[str]]:
    left_out = copy_own_files(source, target, most_bytes)
    files = {str(path.relative_to(target)): path for path in target.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items()}, left_out


def test_files_are_copied(handed_in, tmp_path):
    assert collected(handed_in, tmp_path / "copy") == (
        {"work.ipynb": b"work", "pictures/one.png": b"\x89"},
        [],
    )


def test_links_are_left_out(handed_in, tmp_path, secret):
    (handed_in / "solution.ipynb").symlink_to(secret)
    (handed_in / "all").symlink_to(secret.parent)
    files, left_out = collected(handed_in, tmp_path / "copy")
    assert set(files) == {"work.ipynb", "pictures/one.png"}
    assert left_out == ["solution.ipynb"]


def test_a_submission_that_is_a_link_is_empty(tmp_path, secret):
    link = tmp_path / "grace+ps2+2026-11-22 20:00:00 UTC+y"
    link.symlink_to(secret.parent)
    assert collected(link, tmp_path / "copy") == ({}, [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_files_of_others_are_left_out(handed_in, tmp_path):
    os.chown(handed_in / "work.ipynb", 12345, 12345)
    assert collected(handed_in, tmp_path / "copy") == ({"pictures/one.png": b"\x89"}, ["work.ipynb"])


def test_a_pipe_stops_nobody(handed_in, tmp_path):
    os.mkfifo(handed_in / "pipe.ipynb")
    assert collected(handed_in, tmp_path / "copy")[1] == ["pipe.ipynb"]


def test_what_is_too_large_is_left_out(handed_in, tmp_path):
    with (handed_in / "large.bin").open("wb") as file:
        file.truncate(1 << 40)  # a file with a hole: a terabyte that takes no place
    assert collected(handed_in, tmp_path / "copy")[1] == ["large.bin"]


@pytest.mark.parametrize("check_owner", [True, False])
def test_a_submission_is_its_owners(handed_in, check_owner):
    """Unless the owner is not to be checked, as where files come from elsewhere."""
    collect = Collect(config=Config({"ExchangeCollect": {"check_owner": check_owner}}))
    owner = pwd.getpwuid(os.getuid()).pw_name
    assert collect._path_to_record(str(handed_in))["username"] == (owner if check_owner else "grace")
