"""Colab: the first lines of every notebook there, and what they do once the package is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixelwise import course

if TYPE_CHECKING:  # nbgrader's configuration imports this module: without torch it starts 2 s sooner
    import torch

_FIRST = """\
import importlib.util
import sys

if "google.colab" in sys.modules:
    if importlib.util.find_spec("pixelwise") is None:
        # Colab has no pixelwise yet. Naming torch's version keeps pip from replacing the one that Colab has.
        import torch

        package = "{package}"
        get_ipython().run_line_magic("pip", f'install -q "{{package}}" torch=={{torch.__version__}}')
    from pixelwise import colab

    colab.prepare()"""


def first_lines() -> str:
    """The code with which a notebook begins. Outside Colab it does nothing."""
    return _FIRST.format(package=course.package())


def badge(path: str) -> str:
    """Markdown: the badge that opens a notebook of the students' branch."""
    picture = "https://colab.research.google.com/assets/colab-badge.svg"
    return f"[![Open in Colab]({picture})]({course.colab(path)})"


def prepare() -> None:
    """Let Colab show widgets that are not its own, and say what computes."""
    from google.colab import output

    from pixelwise.device import best_device

    output.enable_custom_widget_manager()
    print(_what_computes(best_device()))


def _what_computes(device: torch.device) -> str:
    if device.type == "cuda":
        import torch

        return f"This runtime computes on a GPU, {torch.cuda.get_device_name()}."
    return (
        "This runtime has no GPU. Everything here works without one. To train faster, choose one under "
        "Runtime → Change runtime type; what the notebook has computed so far is then lost."
    )
