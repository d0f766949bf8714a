"""One problem set from release to feedback, on a real hub, with real accounts, in a real browser.

`make hub-test` runs it, as root: it makes the accounts and removes them again. Pictures of every act are
saved in _build/hub. Plain `pytest` does not collect this file.

The tests are the acts of one story: each needs those before it.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import FLAGS, find_chromium
from tests.exercises.course import ROOT, answers, notebook, submission
from tests.hub.machine import CannotRun, Machine, hub
from tests.hub.people import Instructor, Person, Student, save_to

SET, NOTEBOOK = "ps2_transposed_convolution", "transposed_convolution"
AUTOMATIC, WRITTEN = 25, 5  # points
PENALTY = """
get_config().AssignLatePenalties.plugin_class = "autograder.late.PerDay"  # noqa: F821
get_config().PerDay.percent = 10  # noqa: F821
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    try:
        with hub(
            students=["pw-ada", "pw-grace", "pw-alan", "pw-mallory"], instructors=["pw-teacher"]
        ) as machine:
            with (machine.course / "nbgrader_config.py").open("a") as config:
                config.write(PENALTY)
            yield machine
    except CannotRun as reason:
        pytest.fail(str(reason), pytrace=False)


@pytest.fixture(scope="module")
def people(machine: Machine, request: pytest.FixtureRequest) -> Iterator[dict[str, Person]]:
    look = save_to(ROOT / "_build" / "hub")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        everybody = {
            name: (Instructor if name == "pw-teacher" else Student)(browser, machine, name, look)
            for name in machine.passwords
        }
        yield everybody
        if request.session.testsfailed:
            for person in everybody.values():
                person.look("where the story ended")
        browser.close()


@pytest.fixture
def teacher(people) -> Instructor:
    return people["pw-teacher"]


@pytest.fixture
def ada(people) -> Student:
    return people["pw-ada"]


@pytest.fixture
def grace(people) -> Student:
    return people["pw-grace"]


@pytest.fixture
def mallory(people) -> Student:
    """Who tries what is not allowed."""
    return people["pw-mallory"]


@pytest.fixture
def alan(people) -> Student:
    return people["pw-alan"]


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def right() -> nbformat.NotebookNode:
    return submission({**answers(SET), "checkerboard": "Kernels of 3 overlap by one at stride 2."}, SET)


def wrong() -> nbformat.NotebookNode:
    """Overlapping copies overwrite each other."""
    mistake = {"conv-transpose2d-single": ("] += x[i, j] * weight", "] = x[i, j] * weight")}
    mistake["conv-transpose2d"] = ("] += copies", "] = copies")
    changed = {**answers(SET), "checkerboard": "Because of the stride."}
    for cell, (old, new) in mistake.items():
        assert old in changed[cell]
        changed[cell] = changed[cell].replace(old, new)
    return submission(changed, SET)


# ---- the acts ---------------------------------------------------------------------------------------------


def test_the_instructor_releases_the_set_in_the_formgrader(teacher):
    teacher.sign_in()
    teacher.open_formgrader()
    teacher.look("formgrader")
    teacher.set_due_date(SET, (now() + datetime.timedelta(days=7)).strftime("%Y-%m-%dT%H:%M"))
    assert "Successfully created" in teacher.press(SET, "assign")
    assert "Successfully released" in teacher.press(SET, "release")
    expect(teacher.row(SET).locator("td.status")).to_have_text("released")


def test_a_student_fetches_solves_validates_and_submits(machine, ada):
    ada.sign_in()
    ada.open_assignments()
    ada.look("assignments")
    ada.fetch(SET)
    fetched = machine.home("pw-ada") / SET / f"{NOTEBOOK}.ipynb"
    assert nbformat.read(fetched, as_version=4) == notebook("exercises", SET)
    assert "still raises NotImplementedError" in ada.validate(SET)
    ada.look("validates the empty notebook")
    ada.close_dialog()

    ada.solve(SET, NOTEBOOK, right())
    ada.run_all(SET, NOTEBOOK)
    ada.look("runs the notebook")
    ada.open_assignments()
    assert "passes all the tests" in ada.validate(SET)
    ada.look("validates the solved notebook")
    ada.close_dialog()
    ada.submit(SET)
    ada.look("has submitted")


def test_another_submits_what_is_wrong(grace):
    grace.sign_in()
    grace.open_assignments()
    grace.fetch(SET)
    grace.solve(SET, NOTEBOOK, wrong())
    assert "overlapping copies overwrite each other" in grace.validate(SET)
    grace.look("validates a mistake")
    grace.close_dialog()
    grace.submit(SET)


def test_a_third_student_submits_after_the_due_date(teacher, alan):
    due = now().replace(second=0, microsecond=0) + datetime.timedelta(minutes=1)  # its field has no seconds
    teacher.set_due_date(SET, due.strftime("%Y-%m-%dT%H:%M"))
    alan.sign_in()
    alan.open_assignments()
    alan.fetch(SET)
    alan.solve(SET, NOTEBOOK, right())
    time.sleep(max(0.0, (due - now()).total_seconds()) + 1)
    alan.submit(SET)
    alan.look("has submitted late")


def test_nobody_hands_in_for_others_or_what_is_not_theirs(machine):
    """The inbound folder takes files from everybody, and they are collected with the course's rights."""
    inbound = machine.exchange / "pixelwise" / "inbound"
    solution = machine.course / "solutions" / SET / f"{NOTEBOOK}.ipynb"
    for minutes, (name, make) in enumerate(
        [("pw-grace", "touch"), ("pw-mallory", f"ln -s {solution}")], start=1
    ):
        later = (now() + datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
        script = f"""
            mkdir "{inbound}/{name}+{SET}+{later}+x" && cd "{inbound}/{name}+{SET}+{later}+x"
            echo -n "{later}" > timestamp.txt
            {make} {NOTEBOOK}.ipynb
            chmod a+rx .
        """
        done = machine.as_user("pw-mallory", "bash", "-c", script)
        assert done.returncode == 0, done.stderr


def test_the_instructor_collects(machine, teacher):
    assert "Successfully collected" in teacher.press(SET, "collect")
    expect(teacher.row(SET).locator("td.num-submissions")).to_have_text("4")
    submitted = machine.course / "submitted"
    handed_in = {path.parts[-3]: path for path in submitted.glob(f"*/{SET}/*.ipynb")}
    assert set(handed_in) == {"pw-ada", "pw-alan", "pw-grace"}
    for name, path in handed_in.items():
        assert path.read_bytes() == (machine.home(name) / SET / path.name).read_bytes()
    assert (submitted / "pw-mallory" / SET / "timestamp.txt").exists()


def points(machine: Machine) -> dict[str, dict[str, float]]:
    """What the gradebook says of each student: points, penalty, and the notebook's id."""
    with Gradebook(f"sqlite:///{machine.course / 'gradebook.db'}", "pixelwise") as gradebook:
        return {
            one.student.id: {
                "automatic": sum(grade.auto_score or 0 for grade in one.notebooks[0].grades),
                "penalty": one.late_submission_penalty,
                "all": one.score,
                "notebook": one.notebooks[0].id,
            }
            for one in gradebook.assignment_submissions(SET)
        }


def test_the_instructor_autogrades(machine, teacher):
    teacher.row(SET).locator("td.num-submissions a").click()
    for name in ("pw-ada", "pw-grace", "pw-alan"):
        teacher.press(name, "autograde")
        expect(teacher.row(name).locator("td.status")).to_have_text("needs manual grading")
    teacher.look("submissions")
    graded = points(machine)
    overlaps = 6
    assert graded["pw-ada"]["automatic"] == graded["pw-alan"]["automatic"] == AUTOMATIC
    assert graded["pw-grace"]["automatic"] == AUTOMATIC - overlaps
    assert [graded[name]["penalty"] for name in ("pw-ada", "pw-grace", "pw-alan")] == [0, 0, AUTOMATIC / 10]


WRITTEN_POINTS = {"pw-ada": 5, "pw-grace": 1, "pw-alan": 4}


def test_the_instructor_grades_the_written_answer(machine, teacher):
    teacher.visit("Manual Grading")
    teacher.form.get_by_role("link", name=SET).click()
    teacher.form.get_by_role("link", name=NOTEBOOK, exact=True).click()
    before = points(machine)
    for name, given in WRITTEN_POINTS.items():
        teacher.grade_written(before[name]["notebook"], "checkerboard", given, f"For {name}: see chapter 4.")
    after = points(machine)
    for name, given in WRITTEN_POINTS.items():
        assert after[name]["all"] == before[name]["automatic"] + given


def test_the_instructor_releases_feedback(teacher):
    teacher.visit("Manage Assignments")
    assert "Successfully generated feedback" in teacher.press(SET, "generate-feedback")
    assert "Successfully released feedback" in teacher.press(SET, "release-feedback")


@pytest.mark.parametrize("name", WRITTEN_POINTS)
def test_students_read_their_feedback(machine, people, name):
    student = people[name]
    student.open_assignments()
    page = student.fetch_feedback(SET)
    student.look("has feedback")
    student.go(f"{student.base}/files/{page}")
    student.look("reads feedback")
    text = student.page.inner_text("body")
    earned = AUTOMATIC + WRITTEN_POINTS[name] - (6 if name == "pw-grace" else 0)
    earned -= AUTOMATIC / 10 if name == "pw-alan" else 0
    assert f"{earned:g} of {AUTOMATIC + WRITTEN} points" in text
    assert f"For {name}: see chapter 4." in text
    assert ("overlapping copies overwrite each other" in text) == (name == "pw-grace")


# ---- what is refused --------------------------------------------------------------------------------------


def test_a_student_is_refused_by_the_hub(machine, mallory):
    mallory.sign_in()
    for path in (
        "/services/pixelwise/",
        "/services/pixelwise/formgrader/manage_assignments",
        "/services/pixelwise/api/contents/solutions",
        "/services/pixelwise/files/gradebook.db",
        "/user/pw-grace/lab",
        f"/user/pw-grace/files/{SET}/{NOTEBOOK}.ipynb",
        "/user/pw-teacher/lab",
        "/hub/admin",
        "/hub/spawn/pw-grace",
    ):
        status = mallory.go(path).status
        mallory.look("refused " + path.strip("/").replace("/", " "))
        assert status in (403, 404), f"{path}: {status}"
    mallory.go(f"{mallory.base}/lab")
    mallory.wait_for_lab()
    for path in ("formgrader", "formgrader/api/assignments", "formgraders"):
        assert mallory.call("GET", f"{mallory.base}/{path}")[0] == 404
    climb = "..%2F" * 6
    for place in (machine.course / "gradebook.db", machine.home("pw-grace") / SET):
        status, answer = mallory.call("GET", f"{mallory.base}/api/contents/{climb}{str(place)[1:]}")
        assert status in (403, 404), answer


TRY = """
try() {{ echo "== $*"; if "$@" > /dev/null 2>&1 < /dev/null; then echo GOT IT; else echo refused; fi; }}
hub() {{ curl --silent --fail --header "Authorization: token $JUPYTERHUB_API_TOKEN" "$@"; }}
try ls {course}
try cat {course}/solutions/{set}/{notebook}.ipynb
try cat {course}/gradebook.db
try cat {course}/autograder/hidden.py
try ls {grace}
try cat {grace}/{set}/{notebook}.ipynb
try ls {exchange}/pixelwise/inbound
try rm -rf {exchange}/pixelwise
try mv {exchange}/pixelwise {exchange}/gone
try touch {exchange}/pixelwise/outbound/{set}/{notebook}.ipynb
try ls {exchange}/pixelwise/feedback
try ls {state}
try cat {state}/cookie_secret
try cat {state}/jupyterhub.sqlite
try touch {environment}/lib/pixelwise
try python -c "import autograder"
try sudo -n true
try su pw-grace -c true
for process in $(pgrep -u pixelwise-course) $(pgrep -u pw-grace); do
  try cat /proc/$process/environ
  try kill $process
done
try hub $JUPYTERHUB_API_URL/users
try hub $JUPYTERHUB_API_URL/users/pw-grace
try hub --request POST $JUPYTERHUB_API_URL/users/pw-mallory/tokens
try hub --data '{{"users": ["pw-mallory"]}}' $JUPYTERHUB_API_URL/groups/formgrade-pixelwise/users
try hub {url}/user/pw-grace/api/contents
try hub {url}/services/pixelwise/api/contents/solutions
try hub {url}/services/pixelwise/formgrader/api/assignments
echo "== and what is allowed"
python -c "import pixelwise; print('pixelwise')"
hub {url}/user/pw-mallory/api/status > /dev/null && echo "own server"
"""


def test_a_student_is_refused_by_the_system(machine, mallory):
    script = TRY.format(
        course=machine.course,
        grace=machine.home("pw-grace"),
        exchange=machine.exchange,
        state=machine.folder / "state",
        environment=machine.environment,
        url=machine.url,
        set=SET,
        notebook=NOTEBOOK,
    )
    said = mallory.in_terminal(script)
    mallory.look("is refused in a terminal")
    tried, allowed = said.split("== and what is allowed")
    assert "GOT IT" not in tried, said
    assert tried.count("refused") == tried.count("==") > 24, said
    assert allowed.split("\n")[1:3] == ["pixelwise", "own server"], said


def test_nothing_of_the_course_lies_open(machine, mallory):
    """Files of the deployment that a student can read: the release, and no solution, test or gradebook."""
    done = machine.as_user(
        "pw-mallory", "find", str(machine.folder), "-path", str(machine.environment), "-prune", "-o",
        "-type", "f", "-readable", "-print",
    )  # fmt: skip
    own = str(machine.home("pw-mallory"))
    found = {Path(path) for path in done.stdout.splitlines() if not path.startswith(own)}
    outbound = machine.exchange / "pixelwise" / "outbound" / SET
    assert found == {path for path in outbound.rglob("*") if path.is_file()}
    packages = machine.as_user("pw-mallory", "python", "-m", "pip", "list", "--format", "freeze").stdout
    assert "pixelwise==" in packages
    for name in ("autograder", "solutions"):
        assert not list(machine.environment.rglob(f"site-packages/{name}*"))
