"""A browser that reaches nothing outside this computer, and a small book to try the widgets in.

The browser closes after the last test of this folder: as long as Playwright runs, other tests cannot start
an event loop.
"""

from __future__ import annotations

import base64
import copy
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def find_chromium() -> str:
    """The installed Chromium or Chrome; `CHROMIUM` names another one."""
    names = [
        os.environ.get("CHROMIUM"),
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ]
    for name in filter(None, names):
        if path := shutil.which(name):
            return path
    pytest.fail(
        "no Chromium found. Debian and Ubuntu: `apt-get install chromium`; macOS: "
        "`brew install --cask chromium`; or set CHROMIUM to the program of an installed Chrome.",
        pytrace=False,
    )


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


# ---- pages ----------------------------------------------------------------------------------------------


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`visit(address, **options of a browser context)` opens a page and waits until its widgets live.

    `prepare` gets the page before it loads; `live=False` does not wait, and `arrive` says what is waited for.
    Requests that leave this computer are aborted, and the test fails if there was one, or any error on the
    page: with `ours`, any error whose text or stack matches it.
    """
    contexts, problems = [], []

    def open_page(
        address: str,
        *,
        prepare: Callable[[Page], Any] | None = None,
        live: bool = True,
        arrive: str = "load",
        ours: str = "",
        **options: Any,
    ) -> Page:
        context = browser.new_context(**{"permissions": ["clipboard-read", "clipboard-write"]} | options)
        contexts.append(context)

        def report(problem: str) -> None:
            if re.search(ours, problem):
                problems.append(problem)

        def guard(route: Route) -> None:
            if re.match(r"(file|data|blob):|https?://(127\.0\.0\.1|localhost)[:/]", route.request.url):
                route.continue_()
            else:
                problems.append(f"asks for {route.request.url}")
                route.abort()

        context.route("**/*", guard)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: report(f"page error: {error.message}\n{error.stack}"))
        page.on("console", lambda m: report(f"console: {m.text} {m.location}") if m.type == "error" else None)
        if prepare:
            prepare(page)
        page.goto(address, wait_until=arrive)
        if live:
            page.wait_for_selector("html[data-widgets]", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems, "\n".join(problems)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="package")
def serve() -> Iterator[Callable[[Path], str]]:
    """`serve(folder)`: the address of a loopback server for it."""
    servers = []

    def start(folder: Path) -> str:
        handler = functools.partial(QuietHandler, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


HEADER = """\
---
jupytext:
  text_representation: {extension: .md, format_name: myst, format_version: 0.13}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""

STEPPERS = """
# Steppers

```{code-cell} ipython3
from pixelwise.widgets import TransposedConvolution

TransposedConvolution(name="plain")
```
```{code-cell} ipython3
TransposedConvolution(padding=1, name="cropped")
```
```{code-cell} ipython3
TransposedConvolution(stride=2, name="strided")
```
```{code-cell} ipython3
TransposedConvolution(input=<two inputs>, kernel=<two kernels>, name="channels")
```
```{code-cell} ipython3
TransposedConvolution(yours=<one cell wrong>, name="compared")
```
```{code-cell} ipython3
TransposedConvolution(stride=2, step=2, predict=True, name="predicted")
```
"""

MIXED = """
# Our widgets, one linked to a slider of ipywidgets, one with arrays

```{code-cell} ipython3
import ipywidgets
from pixelwise.widgets import TransposedConvolution

stepper = TransposedConvolution(name="linked")
slider = ipywidgets.IntSlider(max=16)
ipywidgets.jslink((slider, "value"), (stepper, "step"))
stepper
```
```{code-cell} ipython3
slider
```
```{code-cell} ipython3
import torch
from pixelwise.data import load
from pixelwise.widgets import PixelInspector

meadows = load("scenes", n=1)
PixelInspector(*meadows[0], torch.zeros(4, 64, 64), meadows.classes, pixel=[20, 30])
```
"""


CONVOLUTIONS = """
# Convolutions

```{code-cell} ipython3
import torch
from pixelwise.widgets import Convolution

Convolution(name="lecture")
```
```{code-cell} ipython3
Convolution(input=torch.arange(48).reshape(3, 4, 4) % 5, kernel=torch.ones(2, 3, 3, 3), name="many")
```
```{code-cell} ipython3
Convolution(yours=[[-2, 1, 11, 7], [-2, 2, 4, 7], [3, -1, 3, 8], [1, 0, 1, 5]], name="checked")
```
```{code-cell} ipython3
Convolution(predict=True, step=1, name="guessed")
```
"""


LOSSES = """
# Losses

```{code-cell} ipython3
from pixelwise.widgets import PixelLoss

PixelLoss([0, -1, 1, 2], 2, name="one")
```
```{code-cell} ipython3
PixelLoss(name="meadow")
```
"""


LIVE = """
# A U-Net, live

```{code-cell} ipython3
import torch
from pixelwise import UNet
from pixelwise.data import load
from pixelwise.training import train
from pixelwise.widgets import LiveUNet

torch.manual_seed(0)
net = UNet(3, 4, base_channels=8, depth=3, padding=1, norm="batch")
pictures = load("scenes", n=64, family="evening", size=(64, 48))
train(net, list(pictures), steps=40, learning_rate=1e-2, progress=False)
LiveUNet(net, [pictures[i] for i in range(3)], pictures.classes, name="live")
```
"""


PIXELS = """
# Pixels and what they see

```{code-cell} ipython3
import torch
from pixelwise.data import load
from pixelwise.widgets import PixelInspector

meadows = load("scenes", n=1)
image, truth = meadows[0]
torch.manual_seed(0)
scores = {"chance": torch.randn(4, 64, 64), "the truth": torch.nn.functional.one_hot(truth, 4).movedim(-1, 0)}
PixelInspector(image, truth, scores, meadows.classes, pixel=[20, 30], name="pixels")
```
"""


NETWORKS = """
# Networks

```{code-cell} ipython3
from pixelwise.widgets import ReceptiveField, UNetExplorer

UNetExplorer(name="paper")
```

```{code-cell} ipython3
ReceptiveField(name="sees")
```
"""


PLAYBACK = """
# A training, played back

```{code-cell} ipython3
import torch
from pixelwise import UNet
from pixelwise.data import load
from pixelwise.recording import Recording
from pixelwise.training import train
from pixelwise.widgets import TrainingPlayback

torch.manual_seed(0)
net = UNet(3, 4, base_channels=4, depth=2, padding=1, norm="batch")
pictures, held_out = (load("scenes", split, n=16, size=(32, 48)) for split in ("train", "val"))
recording = Recording(net, list(held_out), steps=30, moments=[0, 1, 3, 8, 15, 30])
history = train(net, list(pictures), steps=30, learning_rate=3e-2, progress=False)
TrainingPlayback(recording.finish(), history, pictures.classes, name="playback")
```
"""


#: The pages below the first one, `steppers`, whose numbers come from the worked examples.
PAGES = {
    "convolutions": CONVOLUTIONS,
    "losses": LOSSES,
    "mixed": MIXED,
    "live": LIVE,
    "networks": NETWORKS,
    "pixels": PIXELS,
    "playback": PLAYBACK,
}


@pytest.fixture(scope="session")
def small_book(tmp_path_factory: pytest.TempPathFactory, worked_examples: dict[str, Any]) -> Path:
    """The pages above, built with the configuration and the extension of the real book.

    Once, where several processes share the tests out.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    root = shared / "small_book"
    with FileLock(shared / "small_book.lock"):
        if not (root / "_build" / "html" / "index.html").exists():
            build_small_book(root, worked_examples)
    return root / "_build" / "html"


def build_small_book(root: Path, worked_examples: dict[str, Any]) -> None:
    book = root / "book"
    shutil.copytree(ROOT / "book" / "site", book / "site")
    for name in ("_config.yml", "requirements.lock"):
        shutil.copy2(ROOT / name, root)
    for name in ("node_modules", "pixelwise"):
        (root / name).symlink_to(ROOT / name)
    (book / "references.bib").touch()
    chapters = "".join(f"- file: {page}\n" for page in PAGES)
    (book / "_toc.yml").write_text(f"format: jb-book\nroot: steppers\nchapters:\n{chapters}")
    two = worked_examples["transposed_two_input_channels"]
    wrong = copy.deepcopy(worked_examples["transposed_stride_1"]["final"])
    wrong[2][3] += 1
    steppers = HEADER + STEPPERS
    for place, array in [
        ("<two inputs>", two["input"]),
        ("<two kernels>", [[kernel] for kernel in two["kernel"]]),
        ("<one cell wrong>", wrong),
    ]:
        steppers = steppers.replace(place, json.dumps(array))
    (book / "steppers.md").write_text(steppers, encoding="utf-8")
    for page, text in PAGES.items():
        (book / f"{page}.md").write_text(HEADER + text, encoding="utf-8")
    build = [Path(sys.executable).with_name("jupyter-book"), "build", "book", "-W", "-n", "--keep-going"]
    done = subprocess.run(build, cwd=root, capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(root)
        pytest.fail(f"the small book cannot be built:\n{done.stdout}\n{done.stderr}", pytrace=False)


@pytest.fixture
def site(request: pytest.FixtureRequest, small_book: Path) -> str:
    """The address of the small book: on a server, or as files where a test asks for `on_http_and_file`."""
    if getattr(request, "param", "http") == "file":
        return small_book.as_uri()
    return request.getfixturevalue("small_site")


on_http_and_file = pytest.mark.parametrize("site", ["http", "file"], indirect=True)


@pytest.fixture(scope="package")
def small_site(serve: Callable[[Path], str], small_book: Path) -> str:
    """The small book on a server, where a test needs one."""
    return serve(small_book)


# ---- what a reader sees ---------------------------------------------------------------------------------

READ = """
(root) => {
  const cells = (table, read) => [...table.rows].map((row) => [...row.cells].map(read));
  return {
    step: Number(root.dataset.step),
    says: root.querySelector(".pw-says").textContent,
    code: root.querySelector(".pw-code code").textContent,
    tables: [...root.querySelectorAll("table")].filter((table) => table.checkVisibility()).map((table) => ({
      role: table.className.match(/pw-role-(\\w+)/)[1] + (table.querySelector("input") ? "" : " shown"),
      caption: table.caption.textContent,
      text: cells(table, (td) => td.querySelector("input")?.value ?? td.textContent),
      marks: cells(table, (td) => [...td.classList]),
    })),
  };
}
"""

# Pixels and bytes travel as base64: as a list of numbers, Playwright takes seconds for them.
READ_PIXELS = """
(canvas) => {
  const { height, width } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  return [height, width, btoa(String.fromCharCode(...data))];
}
"""


def pixels_of(canvas: Locator) -> np.ndarray:
    """(H, W, 3), uint8."""
    height, width, encoded = canvas.evaluate(READ_PIXELS)
    return bytes_of(encoded).reshape(height, width, 4)[..., :3].copy()


def bytes_of(encoded: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(encoded), np.uint8)


#: What tells the arrays apart: the role, and whether the numbers can be edited; "yours" by its caption.
KINDS = {"input": "input", "kernel": "kernel", "weighted": "kernel shown", "output": "output shown"}


def number(text: str) -> float:
    return float(text.replace("−", "-"))


class Stepper:
    """A stepper on a page, read and moved as a reader does."""

    def __init__(self, page: Page, root: Locator) -> None:
        self.page, self.root = page, root
        expect(root).to_be_visible()
        self.next = root.get_by_role("button", name="Next step")
        self.previous = root.get_by_role("button", name="Previous step")
        self.first = root.get_by_role("button", name="Back to the start")
        self.slider = root.get_by_role("slider", name="Step")
        self.says = root.locator(".pw-says")
        self.output = root.get_by_role("grid", name="output y")

    def read(self) -> dict[str, Any]:
        return self.root.evaluate(READ)

    def _tables(self, kind: str) -> list[dict[str, Any]]:
        tables = self.read()["tables"]
        yours = [table for table in tables if table["caption"].startswith("yours")]
        return (
            yours if kind == "yours" else [t for t in tables if t["role"] == KINDS[kind] and t not in yours]
        )

    def arrays(self, kind: str) -> list[list[list[float]]]:
        """The numbers as they stand on the page: of `input`, `kernel`, `weighted`, `output` or `yours`."""
        return [[[number(cell) for cell in row] for row in table["text"]] for table in self._tables(kind)]

    def marked(self, kind: str, mark: str) -> set[tuple[int, int]]:
        """The cells of the first such table that have a mark."""
        rows = self._tables(kind)[0]["marks"]
        return {(i, j) for i, row in enumerate(rows) for j, marks in enumerate(row) if mark in marks}

    def cell(self, row: int, column: int) -> Locator:
        return self.output.first.locator(f'td[data-row="{row}"][data-column="{column}"]')

    def option(self, setting: str, value: int) -> Locator:
        group = self.root.get_by_role("group", name=setting, exact=True)
        return group.get_by_role("radio", name=str(value), exact=True)

    def at(self, step: int) -> Stepper:
        """Waits until the widget shows this step."""
        expect(self.root).to_have_attribute("data-step", str(step))
        return self


@pytest.fixture
def stepper(visit: Callable[..., Page], site: str) -> Callable[..., Stepper]:
    """`stepper(name, link="step=5", on="steppers")`: that widget of the small book, on its page."""

    def open_stepper(name: str, *, link: str = "", on: str = "steppers", **options: Any) -> Stepper:
        page = visit(f"{site}/{on}.html#{name}" + (f"?{link}" if link else ""), **options)
        return Stepper(page, page.locator(f"#{name} .pw-widget"))

    return open_stepper
