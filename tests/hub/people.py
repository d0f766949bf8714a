"""Students and instructors in a browser, who click what people click."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, FrameLocator, Locator, Response, expect

from tests.hub.machine import Machine

_PATIENCE = 120_000  # milliseconds: two cores start several servers
expect.set_options(timeout=_PATIENCE)


class Person:
    """Someone signed in to the hub, with a window of their own.

    look  called with a name after each act; it takes a picture
    """

    def __init__(self, browser: Browser, machine: Machine, name: str, look: Callable[[Person, str], None]):
        self.name, self.machine = name, machine
        context = browser.new_context(viewport={"width": 1500, "height": 1000})
        self.page = context.new_page()
        self.page.set_default_timeout(_PATIENCE)
        self._look = look

    def look(self, name: str) -> None:
        self._look(self, name)

    def sign_in(self) -> None:
        self.page.goto(self.machine.url)
        self.page.get_by_label("Username").fill(self.name)
        self.page.get_by_label("Password").fill(self.machine.passwords[self.name])
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/lab**")
        self.wait_for_lab()

    def wait_for_lab(self) -> None:
        self.page.locator("#jp-MainLogo").wait_for()
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def choose(self, item: str) -> None:
        """From the Nbgrader menu."""
        self.page.locator(".lm-MenuBar-item", has_text="Nbgrader").click()
        self.page.locator(".lm-Menu-item", has_text=item).click()

    def go(self, path: str) -> Response:
        """The answer to an address of the hub, as this person's browser gets it."""
        response = self.page.goto(f"{self.machine.url}{path}")
        assert response
        return response

    def call(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        """Status and JSON (or text) of Jupyter's HTTP interface, called by the page that is open."""
        script = """async ([method, path, content]) => {
          const token = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] ?? "";
          const body = content === null ? undefined : JSON.stringify(content);
          const answer = await fetch(path, {method, body, headers: {"X-XSRFToken": token}});
          return [answer.status, await answer.text()];
        }"""
        status, text = self.page.evaluate(script, [method, path, content])
        try:
            return status, json.loads(text)
        except json.JSONDecodeError:
            return status, text


class Student(Person):
    """In a server of their own, with nbgrader's list of assignments."""

    @property
    def base(self) -> str:
        return f"/user/{self.name}"

    def open_assignments(self) -> None:
        self.choose("Assignment List")
        self.page.locator("#assignments").wait_for()

    def refresh(self) -> None:
        self.page.locator("#refresh_assignments_list").click()

    def list(self, kind: str) -> Locator:
        """`released`, `fetched` or `submitted`."""
        return self.page.locator(f"#{kind}_assignments_list")

    def fetch(self, assignment: str) -> None:
        self.refresh()
        self.list("released").locator(".list_item", has_text=assignment).get_by_role(
            "button", name="Fetch"
        ).click()
        expect(self.list("fetched")).to_contain_text(assignment)

    def solve(self, assignment: str, notebook: str, work: nbformat.NotebookNode) -> None:
        """Save the notebook with answers in it, as Lab saves."""
        path = f"{self.base}/api/contents/{assignment}/{notebook}.ipynb"
        status, answer = self.call("PUT", path, {"type": "notebook", "format": "json", "content": work})
        assert status in (200, 201), answer

    def run_all(self, assignment: str, notebook: str) -> None:
        """Open the notebook in Lab and run its cells, until the last one has run."""
        link = self.list("fetched").get_by_text(notebook, exact=True)
        if not link.is_visible():
            self.list("fetched").locator(".assignment-notebooks-link", has_text=assignment).click()
        link.click()
        self.page.locator(".jp-Notebook").wait_for()
        self.page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
        path = self.machine.home(self.name) / assignment / f"{notebook}.ipynb"
        for wait in range(_PATIENCE // 500):
            if wait % 30 == 0:  # Lab may not have heard of its kernel when it is first asked
                self.page.locator(".lm-MenuBar-item", has_text="Run").click()
                self.page.locator(".lm-Menu-item", has_text="Run All Cells").first.click()
            self.page.wait_for_timeout(500)
            self.page.keyboard.press("Control+s")
            cells = nbformat.read(path, as_version=4).cells
            if all(cell.execution_count for cell in cells if cell.cell_type == "code"):
                return
        raise AssertionError(f"{path.name} has not run to its end")

    def validate(self, assignment: str) -> str:
        """What the button says; the notebook runs for it."""
        fetched = self.list("fetched")
        button = fetched.get_by_role("button", name="Validate")
        if not button.is_visible():
            fetched.locator(".assignment-notebooks-link", has_text=assignment).click()
        button.click()
        dialog = self.page.locator(".jp-Dialog, .nbgrader-validate-dialog").first
        dialog.wait_for()
        return dialog.inner_text()

    def close_dialog(self) -> None:
        dialog = self.page.locator(".jp-Dialog")
        dialog.get_by_role("button").last.click()
        dialog.wait_for(state="detached")

    def submit(self, assignment: str) -> None:
        self.list("fetched").get_by_role("button", name="Submit").click()
        expect(self.list("submitted")).to_contain_text(assignment)

    def fetch_feedback(self, assignment: str) -> str:
        """The path of the page that has come."""
        self.refresh()
        self.list("submitted").get_by_role("button", name="Fetch Feedback").click()
        self.list("submitted").get_by_text("(view feedback)").wait_for()
        (page,) = (self.machine.home(self.name) / assignment / "feedback").rglob("*.html")
        return str(page.relative_to(self.machine.home(self.name)))

    def in_terminal(self, script: str) -> str:
        """What a script prints in a terminal of Lab, where it runs with this student's rights."""
        home = self.machine.home(self.name)
        (home / "try.sh").write_text(script)
        self.page.goto(f"{self.machine.url}{self.base}/lab?reset")
        self.wait_for_lab()
        self.page.locator(".jp-LauncherCard", has_text="Terminal").click()
        self.page.locator(".jp-Terminal .xterm-screen").wait_for()
        self.page.wait_for_timeout(1500)  # the shell's first prompt is drawn, not in the page
        self.page.keyboard.type("bash try.sh 2>&1 | tee said.txt; touch said.all\n")
        for _ in range(240):
            if (home / "said.all").exists():
                break
            self.page.wait_for_timeout(500)
        (home / "said.all").unlink()
        return (home / "said.txt").read_text()


class Instructor(Person):
    """In the course's server, with the formgrader."""

    @property
    def form(self) -> FrameLocator:
        return self.page.frame_locator("iframe")

    def open_formgrader(self) -> None:
        """As the course list leads there, in a new tab."""
        self.choose("Course List")
        self.page.get_by_role("link", name="pixelwise").wait_for()
        self.look("course list")
        with self.page.expect_popup() as opened:
            self.page.get_by_role("link", name="pixelwise").click()
        self.page = opened.value
        self.page.set_default_timeout(_PATIENCE)
        self.wait_for_lab()
        self.form.get_by_role("heading", name="Manage Assignments").wait_for()

    def visit(self, tab: str) -> None:
        self.form.get_by_role("link", name=tab, exact=True).click()

    def row(self, text: str) -> Locator:
        return self.form.locator("tr", has_text=text)

    def press(self, row: str, column: str) -> str:
        """Click a row's symbol and confirm; what the page says."""
        self.row(row).locator(f"td.{column} a").first.click()
        box = self.form.locator(".modal.in")
        box.wait_for()
        said = box.inner_text()
        self.page.wait_for_timeout(500)  # it fades in
        self.look(f"{column} {row}")
        box.get_by_role("button", name="OK").click()
        box.wait_for(state="hidden")
        return said

    def grade_written(self, submission: str, cell: str, points: float, comment: str) -> None:
        """On the page of one submission's notebook, from the list of all."""
        fetched = [lambda answer, what=what: f"api/{what}" in answer.url for what in ("grades", "comments")]
        with self.page.expect_response(fetched[0]), self.page.expect_response(fetched[1]):
            self.form.locator(f"a[href*='{submission}']").first.click()
        self.page.wait_for_timeout(500)  # they are shown, over what has been typed
        score = self.form.locator(f"input.score[id='{cell}']")
        score.fill(f"{points}")
        score.blur()
        box = self.form.locator(f"textarea[id='{cell}-comment']")
        box.fill(comment)
        box.blur()
        self.page.wait_for_timeout(1000)  # both are saved when they are left
        expect(score).to_have_value(f"{points}")
        self.look("grades the written answer")
        self.form.get_by_role("link", name="transposed_convolution", exact=True).click()

    def set_due_date(self, assignment: str, when: str) -> None:
        """When: as an input of type datetime-local has it, in UTC."""
        self.row(assignment).locator("td.edit a").click()
        box = self.form.locator(".modal.in")
        box.locator(".modal-duedate").fill(when)
        box.locator(".modal-timezone").fill("+0000")
        self.look("due date")
        box.get_by_role("button", name="Save").click()
        box.wait_for(state="hidden")


def save_to(folder: Path) -> Callable[[Person, str], None]:
    """Pictures, numbered as they are taken."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()

    def look(person: Person, name: str) -> None:
        number = len(list(folder.glob("*.png"))) + 1
        person.page.screenshot(path=folder / f"{number:02} {person.name} {name}.png")

    return look
