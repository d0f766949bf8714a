"""From grading to feedback with a gradebook on a real PostgreSQL server. Part of `make scale-test`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbgrader.apps.api import NbGraderAPI
from traitlets.config import Config

from tests.exercises.course import copy_course, nbgrader
from tests.hostile.corpus import SET

from .classes import grade, gradebook, hand_in, lasting

VARIABLE = "PIXELWISE_DB_URL"
STUDENTS = 3


def programs() -> Path | None:
    """The folder with initdb and postgres: Debian keeps it out of the path."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


@pytest.fixture(scope="module")
def db_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty database on a server that lives as long as these tests."""
    if (folder := programs()) is None:
        pytest.skip("there is no PostgreSQL server here: apt install postgresql")
    home = tmp_path_factory.mktemp("postgresql")
    other: dict[str, Any] = {}
    if os.geteuid() == 0:  # the server refuses to be root
        shutil.chown(home, 65534, 65534)
        for parent in home.parents[:2]:
            parent.chmod(0o755)
        other = {"user": 65534, "group": 65534, "extra_groups": []}
    password = home / "password"
    password.write_text("a secret")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = home / "data"
    make = [folder / "initdb", "-D", data, "-U", "course", f"--pwfile={password}", "--auth=scram-sha-256"]
    subprocess.run([*make, "--no-sync"], check=True, capture_output=True, cwd=home, **other)
    start = [folder / "postgres", "-D", data, "-p", str(port), "-k", home, "-h", "127.0.0.1", "-F"]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(start, stdout=log, stderr=log, cwd=home, **other)
    try:
        asked = [folder / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
        for _ in range(300):
            if subprocess.run(asked, capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        yield f"postgresql+psycopg://course:a%20secret@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def courses(tmp_path_factory: pytest.TempPathFactory, db_url: str) -> dict[str, Path]:
    """The same class, graded with both kinds of gradebook: address → course."""
    graded = {}
    for name, address in {"sqlite": "", "postgresql": db_url}.items():
        course = copy_course(tmp_path_factory.mktemp(name) / "course")
        hand_in(course, STUDENTS)
        environment = {**os.environ, **({VARIABLE: address} if address else {})}
        done = grade(course, "--workers", "2", env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "a secret" not in done.stdout + done.stderr
        graded[address] = course
    return graded


@pytest.fixture
def both(courses: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """Each course in turn, as if its address had been set by the instructor."""

    def each() -> Iterator[tuple[Path, str]]:
        for address, course in courses.items():
            monkeypatch.setenv(VARIABLE, address)
            yield course, address

    return each()


def test_the_gradebooks_are_the_same(both: Iterator[tuple[Path, str]]):
    sqlite, postgresql = (gradebook(course, address) for course, address in both)
    assert len(sqlite) == STUDENTS
    assert sqlite == postgresql


def test_postgresql_leaves_no_file(courses: dict[str, Path], db_url: str):
    assert not (courses[db_url] / "gradebook.db").exists()


def test_feedback_is_the_same(both: Iterator[tuple[Path, str]]):
    pages = []
    for course, _ in both:
        nbgrader(course, "generate_feedback", SET)
        pages.append([lasting(path.read_text()) for path in sorted((course / "feedback").rglob("*.html"))])
    assert len(pages[0]) == STUDENTS
    assert pages[0] == pages[1]


def test_the_export_is_the_same(both: Iterator[tuple[Path, str]]):
    tables = []
    for course, _ in both:
        nbgrader(course, "export")
        tables.append(sorted((course / "grades.csv").read_text().splitlines()))  # nbgrader has no order
    assert tables[0] == tables[1]


def test_the_formgrader_sees_the_same(both: Iterator[tuple[Path, str]]):
    """All that the formgrader's pages ask for."""
    seen = []
    for course, address in both:
        config = Config()
        config.CourseDirectory.root, config.CourseDirectory.course_id = str(course), "pixelwise"
        if address:
            config.CourseDirectory.db_url = address
        api = NbGraderAPI(config=config)
        (notebook,) = api.get_notebooks(SET)
        pages = [
            api.get_submissions(SET),
            api.get_notebook_submissions(SET, notebook["name"]),
            api.get_students(),
            api.get_student_submissions("student-000"),
            api.get_student_notebook_submissions("student-000", SET),
        ]
        seen.append([sorted((without_ids(row) for row in page), key=str) for page in pages])
    assert seen[0] == seen[1]


def without_ids(row: Any) -> Any:
    """A row of the formgrader without its key and its place, which every gradebook makes anew."""
    if isinstance(row, dict):
        return {key: without_ids(value) for key, value in row.items() if key not in ("id", "index")}
    return [without_ids(one) for one in row] if isinstance(row, list) else row


def test_it_is_graded_once(both: Iterator[tuple[Path, str]]):
    for course, _ in both:
        done = grade(course)
        assert "Everything that was handed in is graded" in done.stdout
