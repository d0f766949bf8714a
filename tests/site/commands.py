"""The commands on the pages that say how to use the repository, read from the pages themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README, CONTRIBUTING = "README.md", "CONTRIBUTING.md"
TEACHING, OWN_COURSE = "book/for_instructors.md", "book/own_course.md"
PAGES = (README, CONTRIBUTING, TEACHING, OWN_COURSE)

_FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROGRAM = r"make|pip|conda|git|npm|nbgrader|python(?:3[.\d]*)?|jupyter(?:-\w+)?|\.venv/bin/\w+|[A-Z_]+=\S+"
_INLINE = re.compile(rf"`((?:{_PROGRAM}) [^`\n]+)`")


@dataclass(frozen=True)
class Shown:
    """A file that a page shows: the caption of a code block is its name."""

    name: str
    text: str


def steps(page: str) -> list[str | Shown]:
    """What the page tells its reader to do: the commands of its bash blocks and the files it shows."""
    found: list[str | Shown] = []
    for kind, body in _FENCE.findall(_text(page)):
        if kind == "bash":
            lines = (re.sub(r"\s+#.*$", "", line).strip() for line in body.replace("\\\n", " ").splitlines())
            found += [line for line in lines if line]
        elif kind == "{code-block}" and body.startswith(":caption: "):
            caption, _, text = body.partition("\n")
            found.append(Shown(caption.removeprefix(":caption: "), text))
    return found


def in_prose(page: str) -> list[str]:
    """Commands within sentences."""
    return _INLINE.findall(_FENCE.sub("", _text(page)))


def all_commands(page: str) -> list[str]:
    return [step for step in steps(page) if isinstance(step, str)] + in_prose(page)


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")
