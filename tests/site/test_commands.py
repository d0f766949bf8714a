"""No command stands on a page that nobody has run.

Those of the instructor's pages and of the README are run by `make guide-test` (walk_the_guide.py), others by
the tests named here. What cannot be run here is listed with the reason.
"""

from __future__ import annotations

import re

import pytest

from tests.site.commands import OWN_COURSE, PAGES, README, ROOT, TEACHING, all_commands, steps

#: Pages whose bash blocks walk_the_guide.py executes, but for what is NOT_HERE.
WALKED = (README, TEACHING, OWN_COURSE)

BUILT = "`make test` and CI build the book before the first test starts"
#: Commands that no test executes, and why.
NOT_HERE = {
    "make book": BUILT,
    "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make book": "needs the internet",
    "conda env create -f environment.yml": "needs conda; test_repository.py reads the file",
    ".venv/bin/jupyter lab": "runs until it is stopped; tests/browser opens the notebooks in a JupyterLab",
    "make format exercises outputs": "changes the repository; `make exercises` is run by walk_the_guide.py",
    "make outputs": "records what tests/notebooks compares with",
    "make lock": "asks the package index for new versions",
    "python -m benchmarks.grading": "measures for half an hour, and needs what `make bench` installs",
    "make answers": "takes minutes; its module is run for one set by walk_the_guide.py",
}
#: Targets that are tests themselves.
A_TEST = re.compile(r"make (test|[a-z]+-test|test-[a-z]+|hostile)")
#: Commands that a test executes, or whose work it does in the same words: the test's file and name.
ELSEWHERE = {
    "nbgrader autograde": "tests/exercises/test_round_trip.py::course",
    "pip install": "tests/test_repository.py::test_a_student_installs_the_package_alone",
    "make student-release": "tests/site/test_release.py::test_leaks_are_named_and_nothing_is_left",
}


def walked() -> set[str]:
    return {step for page in WALKED for step in steps(page) if isinstance(step, str)}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_run_or_it_is_said_why_not(page):
    unknown = [
        command
        for command in all_commands(page)
        if command not in NOT_HERE | ELSEWHERE and command not in walked() and not A_TEST.fullmatch(command)
    ]
    assert unknown == [], f"let a test run it, or say in {__file__} why none can"


def test_the_lists_hold_nothing_that_no_page_says():
    said = {command for page in PAGES for command in all_commands(page)}
    assert NOT_HERE.keys() - said == set()
    assert ELSEWHERE.keys() - said == set()


@pytest.mark.parametrize("test", sorted(set(ELSEWHERE.values())))
def test_the_tests_that_are_named_exist(test):
    file, _, name = test.partition("::")
    assert re.search(
        rf"^def {name}\b|^class {name}\b", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE
    )
