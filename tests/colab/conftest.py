"""A stand-in for Colab: its packages in its versions, torch that is there already, and no file of the course.

GitHub is stood in for by a repository on this computer, which holds what `make student-release` writes.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from packaging.requirements import Requirement

from autograder.publishing import release
from pixelwise import course

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = Path(__file__).with_name("colab.txt")

#: What Colab's own package does of which the course knows: once others' widgets are allowed, what is
#: displayed names the manager that draws them. Colab's ipywidgets 7 leaves it to that.
OUTPUT = """
from types import SimpleNamespace

from IPython import get_ipython

VIEW = "application/vnd.jupyter.widget-view+json"
_widgets = SimpleNamespace(_installed_url=None)


def enable_custom_widget_manager():
    if not _widgets._installed_url:
        _widgets._installed_url = "https://example.org/manager.js"
        get_ipython().display_pub.register_hook(name_manager)


def name_manager(message):
    content = message.get("content", {})
    if VIEW in content.get("data", {}):
        content["metadata"][VIEW] = {"colab": {"custom_widget_manager": {"url": _widgets._installed_url}}}
    return message
"""


@dataclass(frozen=True)
class Runtime:
    """A Python as a Colab session has it, and the settings of its processes."""

    folder: Path
    environment: dict[str, str]

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def pip(self, *arguments: str) -> str:
        """What pip says."""
        return call([self.python, "-m", "pip", *arguments], self.environment)

    def run(self, notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
        """The notebook run from the top to the bottom, over errors, in a folder."""
        manager = AsyncKernelManager()
        argv = [self.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        manager._kernel_spec = KernelSpec(argv=argv, display_name="Colab", language="python")
        resources = {"metadata": {"path": str(folder)}}
        client = NotebookClient(
            notebook, km=manager, resources=resources, allow_errors=True, timeout=900, startup_timeout=120
        )
        return client.execute(cleanup_kc=True, env=self.environment)


def call(command: list[str], environment: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The students' branch, without the pages of the book."""
    folder = tmp_path_factory.mktemp("github")
    (folder / "html").mkdir()
    release.write_tree(ROOT, folder / "html", folder / "tree")
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for arguments in (
        ["init", "--initial-branch", course.BRANCH],
        ["add", "."],
        ["commit", "--message", "x"],
    ):
        call([*git, *arguments], cwd=folder / "tree")
    return folder / "tree"


@pytest.fixture(scope="session")
def runtime(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """A new session. The first notebook that runs in it installs the course, as in Colab."""
    folder = tmp_path_factory.mktemp("session")
    made = colab()
    call(
        [
            "cp",
            "-al" if made.stat().st_dev == folder.stat().st_dev else "-a",
            str(made),
            str(folder / "python"),
        ]
    )
    elsewhere = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))
    }
    settings = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{tree.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://github.com/{course.repository()}",
        "HOME": str(folder),
        "PATH": os.pathsep.join([str(folder / "python" / "bin"), os.environ["PATH"]]),
        "PIP_CACHE_DIR": call([sys.executable, "-m", "pip", "cache", "dir"]).strip(),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    return Runtime(folder / "python", elsewhere | settings)


def colab() -> Path:
    """The Python of the stand-in, made once for each list of packages."""
    key = hashlib.sha256(PACKAGES.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:12]
    folder = ROOT / "_build" / "colab" / key
    if not (folder / "finished").exists():
        shutil.rmtree(folder.parent, ignore_errors=True)
        call([sys.executable, "-m", "venv", str(folder)])
        (packages,) = folder.glob("lib/python*/site-packages")
        copy_packages("torch", packages)
        python = str(folder / "bin" / "python")
        call([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(PACKAGES)])
        (packages / "google" / "colab").mkdir(parents=True)
        (packages / "google" / "colab" / "output.py").write_text(OUTPUT)
        (packages / "colab.pth").write_text(
            "import google.colab.output\n"
        )  # Colab's kernel has it from the start
        (folder / "finished").touch()
    return folder


def copy_packages(name: str, target: Path, copied: set[str] | None = None) -> None:
    """A package and what it needs, from this Python."""
    copied = copied if copied is not None else set()
    if name in copied:
        return
    copied.add(name)
    package = importlib.metadata.distribution(name)
    for file in package.files:
        if ".." not in file.parts:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(package.locate_file(file), target / file)
    for line in package.requires or ():
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            copy_packages(needed.name, target, copied)
