"""Store the notebooks' text outputs: `python -m tests.notebooks.record [name …]`.

Solutions are run; chapters were, by `make book`. Read the difference before you commit it: it is what
readers will see change.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from unittest import mock

from nbclient import NotebookClient
from nbformat import NotebookNode

from .outputs import EXPECTED, FILES, ROOT, chapters, environment, executed, read, sources, to_store


def record(name: str) -> None:
    """Store the outputs of one notebook."""
    notebook = executed(name) if name in chapters() else run(name)
    EXPECTED.mkdir(exist_ok=True)
    text = json.dumps(to_store(notebook), indent=1, ensure_ascii=False)
    (EXPECTED / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(f"tests/notebooks/expected/{name}.json")


def run(name: str) -> NotebookNode:
    """A solution, run with the kernel of this Python."""
    notebook = read(sources()[name])
    with tempfile.TemporaryDirectory() as folder:
        if (FILES / name).exists():
            shutil.copytree(FILES / name, folder, dirs_exist_ok=True)
        client = NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        with mock.patch.dict(os.environ, environment(name)):
            client.execute()
    return notebook


def main(names: list[str]) -> None:
    unknown = set(names) - set(sources())
    if unknown:
        sys.exit(f"no notebook {', '.join(sorted(unknown))}; there are {', '.join(sources())}")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    for name in names or sources():
        record(name)
    if not names:
        for path in EXPECTED.glob("*.json"):
            if path.stem not in sources():
                path.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
