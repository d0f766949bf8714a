"""What several folders of tests use: the lecture's numbers and a way to call the widgets' JavaScript."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

CALL_ALL = """
import { readFileSync } from "node:fs";
const { module, calls } = JSON.parse(readFileSync(0, "utf8"));
const functions = await import(module);
process.stdout.write(JSON.stringify(calls.map(([name, ...values]) => functions[name](...values))));
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: processes that share the files out then end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def worked_examples() -> dict[str, Any]:
    """The numbers on the lecture's slides, as arrays."""
    return json.loads((ROOT / "tests" / "worked_examples.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def call_js() -> Callable[[str, list], list]:
    """`call_js("core/transposed.js", [[function, argument, …], …])`: the results, in one run of Node."""
    node = shutil.which("node")
    assert node, "the widgets' arithmetic is tested with Node: install Node 20 or newer"

    def call(module: str, calls: list) -> list:
        address = (ROOT / "pixelwise" / "widgets" / "js" / module).as_uri()
        done = subprocess.run(
            [node, "--input-type=module", "--eval", CALL_ALL],
            input=json.dumps({"module": address, "calls": calls}),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call


@pytest.fixture(scope="session")
def draw_widgets() -> Callable[..., list[str]]:
    """`draw_widgets(widget, …)`: the HTML of each, drawn as the book draws it, in one run of Node."""

    def draw(*widgets: Any) -> list[str]:
        models = {}
        for number, widget in enumerate(widgets):
            state = {**widget.get_state(), "layout": None}
            binary = [name for name, value in state.items() if isinstance(value, bytes)]
            buffers = [{"path": [b], "data": base64.b64encode(state.pop(b)).decode()} for b in binary]
            models[str(number)] = {"state": state, "buffers": buffers}
        done = subprocess.run(
            ["node", str(ROOT / "book" / "site" / "draw_widgets.mjs")],
            input=json.dumps(models),
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout).values())

    return draw
