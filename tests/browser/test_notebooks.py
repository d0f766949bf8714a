"""Widgets in JupyterLab 4 and Notebook 7, with a kernel: traits go both ways."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from pixelwise import widgets

from .conftest import Stepper

CELLS = [
    "from pixelwise.widgets import TransposedConvolution\nw = TransposedConvolution(stride=2)\nw",
    'print("step is", w.step)',
    "w.step = 3",
    'print("input is", w.input[0][0], "and stride", w.stride)',
]

BEFORE_OTHERS = """
import torch
from pixelwise import UNet
from pixelwise.data import load
from pixelwise.data.classes import SCENES
from pixelwise.recording import Recording
from pixelwise.training import train
from pixelwise.widgets import *
torch.manual_seed(0)
data = list(load("scenes", n=8, size=(24, 16)))
net = UNet(3, 4, base_channels=4, depth=1, padding=1, norm="batch")
recording = Recording(net, data, 4, moments=[0, 2, 3, 4])
history = train(net, data, steps=4, device="cpu", progress=False)
"""


@dataclass(frozen=True)
class Other:
    """A widget besides the stepper.

    made     the expression that makes it
    button   a button or a box that is pressed …
    then     … and what is true of `w` in the kernel from then on
    given    a change in the kernel …
    seen     … and what is true of its element `root` in the page from then on
    """

    made: str
    button: str
    then: str
    given: str
    seen: str


_SLIDER_AT_2 = "root.querySelector('input[type=range]').value === '2'"
OTHERS = [
    Other("Convolution()", "Next step", "w.step == 1", "w.step = 2", _SLIDER_AT_2),
    Other("FiveViews()", "Next step", "w.step == 1", "w.step = 2", _SLIDER_AT_2),
    Other("UNetExplorer(step=3)", "Next step", "w.step == 4", "w.step = 2", _SLIDER_AT_2),
    Other(
        "Checkerboard()",
        "enlarge the pictures",
        "w.enlarge",
        "w.stride = 3",
        "root.textContent.includes('divisible by stride 3')",
    ),
    Other(
        "ReceptiveField()",
        "+ pooling",
        "w.layers.endswith('pool')",
        "w.layers = 'conv'",
        "root.textContent.includes('sees 3 × 3')",
    ),
    Other(
        "PixelLoss(scores=[0, -1, 1, 2], target=2)",
        "all scores + 1",
        "w.scores[0][0][0] == 1",
        "w.target = [[3]]",
        "root.textContent.includes('s[grass]')",
    ),
    Other(
        "PixelInspector(*data[0], {'made up': torch.randn(4, 24, 16)}, SCENES)",
        "errors only",
        "w.errors",
        "w.pixel = [5, 7]",
        "root.textContent.includes('x[5, 7]')",
    ),
    Other(
        "LiveUNet(net, data[:2], SCENES)",
        "Flip",
        "w.mirrored",
        "w.picture = 1",
        "root.querySelectorAll('input[type=radio]')[1].checked",
    ),
    Other(
        "TrainingPlayback(recording.finish(), history, SCENES)",
        "Next step",
        "w.step == 1",
        "w.step = 2",
        _SLIDER_AT_2,
    ),
]


def write(folder: Path, name: str, sources: list[str]) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / f"{name}.ipynb")


PATIENCE = 180_000  # milliseconds; two of these servers beside other tests can be slow
KERNEL = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"


def cells_of(other: Other) -> list[str]:
    """Show it; say whether the page's change has come; change it."""
    return [f"w = {other.made}\nw", f"print('in the kernel:', bool({other.then}))", other.given]


@pytest.fixture(scope="package")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A Jupyter server on loopback that offers both front ends; `jupyter("lab/tree/x.ipynb")`: an address."""
    root = tmp_path_factory.mktemp("jupyter")
    write(root, "stepper", CELLS)
    write(root, "others", [BEFORE_OTHERS, *chain.from_iterable(cells_of(other) for other in OTHERS)])
    # otherwise JupyterLab holds only those cells that are in sight, and some twice
    settings_of_notebooks = root / "config/lab/user-settings/@jupyterlab/notebook-extension"
    settings_of_notebooks.mkdir(parents=True)
    (settings_of_notebooks / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    token = secrets.token_hex(16)
    own = {f"JUPYTER_{name}_DIR": str(root / name.lower()) for name in ("CONFIG", "RUNTIME", "DATA")}
    settings = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": 0,
        "ServerApp.open_browser": False,
        "ServerApp.root_dir": str(root),
        "ServerApp.allow_root": True,
        "IdentityProvider.token": token,
        "LabApp.expose_app_in_browser": True,
        "JupyterNotebookApp.expose_app_in_browser": True,
        "LabApp.extension_manager": "readonly",
        "LabApp.news_url": None,
    }
    command = [sys.executable, "-m", "jupyter", "server"]
    command += [f"--{name}={value}" for name, value in settings.items()]
    log = root / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command,
            env=os.environ | own | {"IPYTHONDIR": str(root / "ipython")},
            stdout=output,
            stderr=output,
        )
    try:
        address = wait_for_address(server, root / "runtime", log)
        yield lambda path: f"{address}{path}?token={token}"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
            raise


def wait_for_address(server: subprocess.Popen, runtime: Path, log: Path) -> str:
    """Where the server listens, as it says in its runtime folder."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            return json.loads(file.read_text(encoding="utf-8"))["url"]
        time.sleep(0.1)
    pytest.fail(f"the Jupyter server did not start:\n{log.read_text()}", pytrace=False)


class Notebook:
    """A notebook that is open in a front end."""

    def __init__(self, page: Page, cells: int):
        self.page = page
        page.set_default_timeout(PATIENCE)
        self.cells = page.locator(".jp-Notebook .jp-CodeCell")
        expect(self.cells).to_have_count(cells, timeout=PATIENCE)
        # a cell that is run before the kernel is connected is not run at all
        page.wait_for_function(f"{KERNEL}?.connectionStatus === 'connected'")

    def run(self, k: int) -> None:
        cell = self.cells.nth(k)
        cell.locator(".cm-content").click()
        expect(cell).to_contain_class("jp-mod-active", timeout=PATIENCE)
        self.page.get_by_role("button", name="Run this cell and advance").click()
        expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=PATIENCE)

    def printed(self, k: int, text: str) -> None:
        expect(self.cells.nth(k).locator(".jp-OutputArea")).to_contain_text(text, timeout=PATIENCE)


@pytest.mark.parametrize("folder", ["lab/tree", "notebooks"])
def test_traits_go_both_ways(visit: Callable[..., Page], jupyter: Callable[[str], str], folder: str) -> None:
    # a view runs from a blob; the front ends have errors of their own
    page = visit(jupyter(f"{folder}/stepper.ipynb"), live=False, ours="blob:|widget")
    notebook = Notebook(page, len(CELLS))

    notebook.run(0)
    root = notebook.cells.nth(0).locator(".pw-widget")
    expect(root).to_be_visible()
    widget = Stepper(page, root)
    assert len(widget.arrays("output")[0]) == 9

    widget.next.click()
    widget.at(1)
    notebook.run(1)
    notebook.printed(1, "step is 1")

    notebook.run(2)
    widget.at(3)

    field = root.get_by_role("spinbutton", name="input x[0, 0]", exact=True)
    field.fill("8")
    field.press("Tab")
    widget.option("stride", 1).check(force=True)
    notebook.run(3)
    notebook.printed(3, "input is [8, 2, 1, 0] and stride 1")


def test_every_other_widget_lives_in_a_notebook(
    visit: Callable[..., Page], jupyter: Callable[[str], str]
) -> None:
    # a workspace of its own: JupyterLab opens again what was open in the one before
    page = visit(jupyter("lab/workspaces/others/tree/others.ipynb"), live=False, ours="blob:|widget")
    notebook = Notebook(page, 1 + 3 * len(OTHERS))
    notebook.run(0)
    for number, other in enumerate(OTHERS):
        show, say, change = (1 + 3 * number + k for k in range(3))
        notebook.run(show)
        root = notebook.cells.nth(show).locator(".pw-widget")
        pressed = root.get_by_role("button", name=other.button, exact=True)
        pressed.or_(root.get_by_role("checkbox", name=other.button)).click()
        output = notebook.cells.nth(say).locator(".jp-OutputArea")
        for _ in range(20):  # what was pressed may still be on its way to the kernel
            notebook.run(say)
            notebook.printed(say, "in the kernel:")
            if "True" in output.inner_text():
                break
            page.wait_for_timeout(500)
        notebook.printed(say, "in the kernel: True")
        notebook.run(change)
        page.wait_for_function(f"(root) => {other.seen}", arg=root.element_handle())


def test_no_widget_is_left_out() -> None:
    tried = {other.made.partition("(")[0] for other in OTHERS} | {"TransposedConvolution"}
    assert tried == {name for name in widgets.__all__ if name[0].isupper()}
