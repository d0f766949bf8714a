"""Solutions run, under nbval, and chapters ran, in the book's build; both print what is stored for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from .outputs import (
    EXPECTED,
    FILES,
    RECORD,
    ROOT,
    SANITIZE,
    Stale,
    chapters,
    environment,
    executed,
    expected,
    read,
    sources,
    to_store,
    with_expected,
    without_varying,
)


def nbval(
    folder: Path, notebook: nbformat.NotebookNode, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `pytest --nbval` on the notebook, in a folder of its own."""
    nbformat.write(notebook, folder / "notebook.ipynb")
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "--nbval-current-env",
        "--nbval-sanitize-with",
        str(SANITIZE),
    ]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    # What somebody asks of these tests is not asked of that run.
    environment = os.environ | variables | {"PYTHONPATH": path, "PYTEST_ADDOPTS": ""}
    return subprocess.run(
        [*command, "-q", "--no-header", "-p", "no:cacheprovider", "--color=no", "notebook.ipynb"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.mark.parametrize("name", [name for name in sources() if name not in chapters()])
def test_a_solution_prints_what_is_stored(name, tmp_path):
    if (FILES / name).exists():
        shutil.copytree(FILES / name, tmp_path, dirs_exist_ok=True)
    done = nbval(tmp_path, with_expected(read(sources()[name]), expected(name), name), **environment(name))
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.parametrize("name", chapters())
def test_a_chapter_printed_what_is_stored(name):
    """What the built page shows. To execute it once more would take minutes and say nothing new."""
    notebook = executed(name)
    shown, stored = (without_varying(one, notebook) for one in (to_store(notebook), expected(name)))
    assert shown["code cells"] == stored["code cells"], f"look at what changed, then run {RECORD} {name}"
    for now, then in zip(shown["outputs"], stored["outputs"], strict=True):
        assert (now["cell"], now["outputs"]) == (then["cell"], then["outputs"])


def test_nothing_is_stored_for_notebooks_that_are_gone():
    assert {path.stem for path in EXPECTED.glob("*.json")} <= set(sources())


# --- These tests can fail ---------------------------------------------------------------------------------

SMALL = [
    "print('sum', 1 + 1)\n41 + 1",
    "object()",
    "import time\nprint(f'{time.perf_counter():.3f} s')",
    "from IPython.display import display, Markdown\ndisplay(Markdown('*text*'))",
]
STORED = {
    "code cells": 4,
    "outputs": [
        {
            "cell": 0,
            "name": "",
            "outputs": [{"stdout": ["sum 2", ""]}, {"text/plain": ["42"], "result": True}],
        },
        {"cell": 1, "name": "", "outputs": [{"text/plain": ["<object at 0x1234>"], "result": True}]},
        {"cell": 2, "name": "", "outputs": [{"stdout": ["TIME s", ""]}]},
        {
            "cell": 3,
            "name": "",
            "outputs": [
                {"text/markdown": ["*text*"], "text/plain": ["<IPython.core.display.Markdown object>"]}
            ],
        },
    ],
}


def small(sources: list[str] = SMALL) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


def test_addresses_and_times_may_change(tmp_path):
    done = nbval(tmp_path, with_expected(small(), STORED, "small"))
    assert done.returncode == 0, done.stdout


def test_a_changed_number_fails(tmp_path):
    done = nbval(tmp_path, with_expected(small([SMALL[0].replace("41", "40"), *SMALL[1:]]), STORED, "small"))
    assert done.returncode == 1
    assert "1 failed, 3 passed" in done.stdout
    assert "'42'" in done.stdout


def test_another_number_of_cells_says_what_to_do():
    with pytest.raises(Stale, match=r"small has 3 code cells, .* for 4: .* record them again with"):
        with_expected(small(SMALL[:3]), STORED, "small")


def test_a_notebook_without_stored_outputs_says_what_to_do():
    with pytest.raises(Stale, match="nothing is stored for missing"):
        expected("missing")


def test_what_is_recorded_is_what_is_compared():
    """Streams in pieces, images and errors."""
    notebook = small(["one", "two", "three"])
    stream = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in ("a ", "b\n", "c\n")]
    data = {"text/plain": "<Figure size 640x480 with 1 Axes>", "image/png": "AAAA"}
    notebook.cells[0].outputs = [*stream, nbformat.v4.new_output("display_data", data=data)]
    notebook.cells[2].outputs = [
        nbformat.v4.new_output("error", ename="ValueError", evalue="no\nreally", traceback=["…"])
    ]
    stored = to_store(notebook)
    assert stored == {
        "code cells": 3,
        "outputs": [
            {
                "cell": 0,
                "name": "one",
                "outputs": [
                    {"stdout": ["a b", "c", ""]},
                    {"text/plain": ["<Figure size 640x480 with 1 Axes>"]},
                ],
            },
            {"cell": 2, "name": "three", "outputs": [{"error": ["ValueError", "no", "really"]}]},
        ],
    }
    again = with_expected(small(["one", "two", "three"]), stored, "small")
    assert to_store(again) == stored
