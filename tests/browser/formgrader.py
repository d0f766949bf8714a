"""The formgrader of a real Jupyter server: nothing that a student wrote becomes alive there, all of it can be
read, and the instructor's controls work. Part of `make hostile`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.api import Gradebook
from playwright.sync_api import Browser, Page, expect

from autograder.course import Course
from tests.exercises.course import answers, copy_course, notebook, submission
from tests.hostile.test_feedback import PICTURE

pytestmark = pytest.mark.slow

SET, NAME, STUDENT = "ps2_transposed_convolution", "transposed_convolution", "mallory"
WRITTEN = "checkerboard"  # the question that a person grades
#: {trap} is a server that counts who comes.
EVIL = [
    "<script>window.evil = 1; fetch('{trap}/script')</script>",
    "<img src='{trap}/picture' onerror='window.evil = 1'>",
    "<img src=x onerror='window.evil = 1'>",
    "<iframe src='{trap}/frame'></iframe>",
    "<svg onload='window.evil = 1'><use href='{trap}/use'/></svg>",
    "<style>@import '{trap}/style'; body { background: url({trap}/url) }</style>",
    "<link rel='stylesheet' href='{trap}/link'><object data='{trap}/object'></object>",
    "<form action='{trap}/form'><button class='full-credit'>Full credit</button></form>",
    "![picture]({trap}/markdown)",
    "![picture][1]\n\n[1]: {trap}/reference",
    "[press](javascript:window.evil=1)",
    "[press](java\\script\\:window.evil=1)",
    "[press][2]\n\n[2]: <javascript:window.evil=1>",
    "<javascript:window.evil=1>",
    "$\\href{javascript:window.evil=1}{x}$",
    "$\\require{html}\\style{background: url({trap}/math)}{x}$",
    "</textarea></pre></div><script>window.evil = 1</script>",
]


@dataclass
class Formgrader:
    course: Path
    address: str
    trapped: list[str]

    @property
    def gradebook(self) -> Gradebook:
        return Gradebook(f"sqlite:///{self.course / 'gradebook.db'}", "pixelwise")


@pytest.fixture(scope="module")
def formgrader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Formgrader]:
    course = copy_course(tmp_path_factory.mktemp("formgrader") / "course")
    trapped: list[str] = []
    trap = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_listen, args=(trap, trapped), daemon=True).start()
    _hand_in(course, f"http://127.0.0.1:{trap.getsockname()[1]}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "server", "--allow-root", "--no-browser", f"--port={port}"]
    command += ["--ip=127.0.0.1", "--IdentityProvider.token=", "--ServerApp.open_browser=False"]
    environment = os.environ | {"JUPYTER_CONFIG_DIR": str(course / "no-settings"), "HOME": str(course)}
    with (course / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=course, env=environment, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(f"{address}/api", server, course / "server.log")
        yield Formgrader(course, address, trapped)
    finally:
        server.terminate()
        server.wait()


def _listen(trap: socket.socket, trapped: list[str]) -> None:
    while True:
        connection, _ = trap.accept()
        with connection:
            trapped.append(connection.recv(200).decode(errors="replace").split("\r")[0])


def _wait(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            urllib.request.urlopen(address).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])


def _hand_in(course: Path, trap: str) -> None:
    """A graded notebook full of what must not become alive, and the gradebook that knows it."""
    evil = [text.replace("{trap}", trap) for text in EVIL]
    book = submission(answers(SET), SET)
    for cell in book.cells:
        if cell.id == WRITTEN:
            cell.source = "My own words, with $x^2$.\n\n" + "\n\n".join(evil)
    outputs = [new_output("stream", text="My own output.\n" + "\n".join(evil))]
    outputs += [new_output("display_data", data={"image/png": PICTURE})]
    for text in evil:
        for kind in ("text/html", "text/markdown", "text/latex", "image/svg+xml", "text/plain"):
            outputs.append(
                new_output("display_data", data={kind: text}, metadata={"image/png": {"alt": text}})
            )
        outputs.append(new_output("error", ename=text, evalue=text, traceback=[text]))
    script = f"window.evil = 1; fetch('{trap}/application')"
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "x", "version_major": 2}}
    outputs += [new_output("display_data", data={"application/javascript": script})]
    outputs += [new_output("display_data", data=widget)]
    book.cells += [new_code_cell("print('mine')", outputs=outputs), *map(new_markdown_cell, evil)]
    book.cells += [nbformat.v4.new_raw_cell(text) for text in evil]
    book.metadata["title"] = book.metadata["widgets"] = "</title><script>window.evil = 1</script>"
    folder = course / "autograded" / STUDENT / SET
    folder.mkdir(parents=True)
    (folder / f"{NAME}.ipynb").write_text(json.dumps(book))
    address = Course.at(course, SET).directory.db_url
    with Gradebook(address, "pixelwise") as gradebook:
        gradebook.add_assignment(SET)
        gradebook.add_notebook(NAME, SET)
        for cell in notebook("solutions", SET).cells:
            entry = cell.metadata.get("nbgrader", {})
            if entry.get("grade"):
                gradebook.add_grade_cell(
                    cell.id, NAME, SET, max_score=entry["points"], cell_type=cell.cell_type
                )
            if entry.get("solution"):
                gradebook.add_solution_cell(cell.id, NAME, SET)
        gradebook.add_student(STUDENT)
        gradebook.add_submission(SET, STUDENT)


@pytest.fixture
def page(browser: Browser, formgrader: Formgrader) -> Iterator[Page]:
    context = browser.new_context()
    context.route("https://**", lambda route: route.abort())  # nbgrader's MathJax
    page = context.new_page()
    page.on("dialog", lambda dialog: dialog.dismiss())
    with formgrader.gradebook as gradebook:
        identifier = gradebook.find_submission_notebook(NAME, SET, STUDENT).id
    page.goto(f"{formgrader.address}/formgrader/submissions/{identifier}/")
    expect(page.locator("#notebook").first).to_be_visible()
    yield page
    context.close()


def test_nothing_becomes_alive(page, formgrader):
    page.wait_for_timeout(500)
    student = page.locator("#notebook").first
    addresses = student.locator("a[href]").evaluate_all("all => all.map(one => one.protocol)")
    assert set(addresses) <= {"http:", "https:"}
    assert student.locator("script, iframe, object, embed, link, form, svg").count() == 0
    assert page.evaluate("window.evil") is None
    assert not formgrader.trapped


def test_what_the_student_wrote_can_be_read(page):
    answer = page.locator(".nbgrader_cell", has=page.locator(f"#{WRITTEN}"))
    expect(answer).to_contain_text("My own words")
    expect(answer).to_contain_text("<script>window.evil = 1")
    expect(page.locator("#notebook").first).to_contain_text("My own output.")
    picture = page.locator(f"#notebook img[src*='{PICTURE[:20]}']")
    assert picture.count() == 1
    assert picture.evaluate("it => it.naturalWidth") == 1


def test_the_instructors_controls_work(page, formgrader):
    answer = page.locator(".nbgrader_cell", has=page.locator(f"#{WRITTEN}"))
    score = answer.locator("input.score")
    with page.expect_response(lambda response: "/api/grade/" in response.url and response.ok):
        score.fill("3")
        score.blur()
    with page.expect_response(lambda response: "/api/comment/" in response.url and response.ok):
        answer.locator("textarea").fill("Well said.")
        answer.locator("textarea").blur()
    graded = page.locator(".nbgrader_cell", has=page.locator("input.score")).first
    with page.expect_response(lambda response: "/api/grade/" in response.url and response.ok):
        graded.get_by_role("button", name="Full credit").click()
    with formgrader.gradebook as gradebook:
        recorded = gradebook.find_submission_notebook(NAME, SET, STUDENT)
        scores = {one.cell.name: one.manual_score for one in recorded.grades}
        comments = {one.cell.name: one.manual_comment for one in recorded.comments}
        points = {one.cell.name: one.max_score for one in recorded.grades}
    assert scores[WRITTEN] == 3
    assert comments[WRITTEN] == "Well said."
    assert [name for name, score in scores.items() if score == points[name] and name != WRITTEN]
