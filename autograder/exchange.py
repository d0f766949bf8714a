"""Collecting what students handed in, where they share a machine.

Everybody can write to the exchange's inbound folder, and what lies there is collected with the rights of
the course. nbgrader believes the name in front of a submission, and follows links: a submission can stand
in another's name, and its notebook can be a link to the solution.
"""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from pathlib import Path
from typing import Any

from nbgrader.exchange.default import ExchangeCollect


class Collect(ExchangeCollect):
    """nbgrader's, but that a submission is its owner's, and no more than its owner's files."""

    def _path_to_record(self, path: str) -> dict[str, Any]:
        record = super()._path_to_record(path)
        if self.check_owner:
            owner = pwd.getpwuid(Path(path).lstat().st_uid).pw_name
            if owner != record["username"]:
                self.log.warning("%s is by %s, and taken as theirs", path, owner)
            record["username"] = owner
        return record

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "submission")
            left_out = copy_own_files(Path(src), copy, most_bytes=1000 * self.coursedir.max_dir_size)
            for name in left_out:
                self.log.warning("%s: %s is no readable file of its owner's, and left out", src, name)
            super().do_copy(str(copy), dest, log)


def copy_own_files(source: Path, target: Path, most_bytes: int) -> list[str]:
    """Copy the regular files below `source` that belong to its owner; the names of what was left out.

    No link is followed, also not one that takes a file's place meanwhile: every file is opened below its open
    folder, and checked once it is open.
    """
    left_out: list[str] = []
    owner = source.lstat().st_uid
    target.mkdir()
    for path, folders, files, descriptor in os.fwalk(source, follow_symlinks=False):
        below = Path(path).relative_to(source)
        for name in folders:
            (target / below / name).mkdir()
        for name in files:
            try:
                opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor)
            except OSError:  # a link, or not readable
                left_out.append(str(below / name))
                continue
            with os.fdopen(opened, "rb") as file:
                about = os.fstat(opened)
                own = stat.S_ISREG(about.st_mode) and about.st_uid == owner
                if not own or about.st_size > most_bytes:
                    left_out.append(str(below / name))
                    continue
                most_bytes -= about.st_size
                (target / below / name).write_bytes(file.read(about.st_size))
    return left_out
