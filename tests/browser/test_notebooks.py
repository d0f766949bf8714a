"""The stepper in JupyterLab 4 and Notebook 7, with a kernel: traits go both ways."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from .conftest import Stepper

CELLS = [
    "from pixelwise.widgets import TransposedConvolution\nw = TransposedConvolution(stride=2)\nw",
    'print("step is", w.step)',
    "w.step = 3",
    'print("input is", w.input[0][0], "and stride", w.stride)',
]

KERNEL = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"


@pytest.fixture(scope="package")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A Jupyter server on loopback that offers both front ends; `jupyter("lab/tree/x.ipynb")`: an address."""
    root = tmp_path_factory.mktemp("jupyter")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, root / "stepper.ipynb")
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


@pytest.mark.parametrize("folder", ["lab/tree", "notebooks"])
def test_traits_go_both_ways(visit: Callable[..., Page], jupyter: Callable[[str], str], folder: str) -> None:
    # a view runs from a blob; the front ends have errors of their own
    page = visit(jupyter(f"{folder}/stepper.ipynb"), live=False, ours="blob:|widget")
    page.set_default_timeout(30_000)
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    expect(cells).to_have_count(len(CELLS), timeout=30_000)
    # a cell that is run before the kernel is connected is not run at all
    page.wait_for_function(f"{KERNEL}?.connectionStatus === 'connected'")

    def run(k: int) -> None:
        cell = cells.nth(k)
        cell.locator(".cm-content").click()
        expect(cell).to_contain_class("jp-mod-active")
        page.get_by_role("button", name="Run this cell and advance").click()
        expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=30_000)

    run(0)
    root = cells.nth(0).locator(".pw-widget")
    expect(root).to_be_visible()
    widget = Stepper(page, root)
    assert len(widget.arrays("output")[0]) == 9

    widget.next.click()
    widget.at(1)
    run(1)
    expect(cells.nth(1).locator(".jp-OutputArea")).to_contain_text("step is 1")

    run(2)
    widget.at(3)

    field = root.get_by_role("spinbutton", name="input x[0, 0]", exact=True)
    field.fill("8")
    field.press("Tab")
    widget.option("stride", 1).check(force=True)
    run(3)
    expect(cells.nth(3).locator(".jp-OutputArea")).to_contain_text("input is [8, 2, 1, 0] and stride 1")
