"""Reads a chapter as a reader does: its prose as plain sentences, its code cells run from top to bottom."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

BOOK = Path(__file__).resolve().parents[2] / "book"

#: A number in a sentence. Digits inside a name (conv2d, x2) are none.
NUMBER = re.compile(r"(?<![A-Za-z_\d.])\d+(?:\.\d+)?")
#: Numbers that are written as words are checked from three on.
WORD = re.compile(
    r"\b(three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|sixteen|twenty)\b", re.I
)


@dataclass
class Run:
    """What the code cells did."""

    names: dict[str, Any] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)
    shown: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Chapter:
    name: str

    @property
    def source(self) -> str:
        return (BOOK / f"{self.name}.md").read_text(encoding="utf-8")

    @property
    def body(self) -> str:
        return re.sub(r"\A---\n.*?\n---\n", "", self.source, flags=re.DOTALL)

    @cached_property
    def cells(self) -> list[tuple[str, set[str]]]:
        """The code of each cell and its tags."""
        found = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", self.body, re.DOTALL | re.MULTILINE)
        cells = []
        for text in found:
            options, code = re.match(r"((?::\w+:[^\n]*\n)*)(.*)", text, re.DOTALL).groups()
            tags = re.search(r":tags: \[(.*)\]", options)
            cells.append((code.strip(), set(re.split(r",\s*", tags[1])) if tags else set()))
        return cells

    @cached_property
    def labels(self) -> set[str]:
        return set(re.findall(r"^\(([\w-]+)\)=$", self.body, re.MULTILINE))

    @cached_property
    def run(self) -> Run:
        """The cells, run in order in one namespace. What a cell ends with is what it shows."""
        run = Run()
        for number, (code, _) in enumerate(self.cells):
            tree = ast.parse(code)
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(tree, f"cell {number}", "exec"), run.names)
                shown = last and eval(
                    compile(ast.Expression(last.value), f"cell {number}", "eval"), run.names
                )
            run.printed.append(output.getvalue())
            run.shown.append(shown)
        return run

    @cached_property
    def prose(self) -> str:
        """All that one reads but code: paragraphs, tables, formulas, and the figures' descriptions."""
        descriptions = [f"{x.alt} {getattr(x, 'caption', '')}" for x in self.run.shown if hasattr(x, "alt")]
        return plain("\n\n".join([self.body, *descriptions]))


def plain(markdown: str) -> str:
    """Markdown without code cells, labels, citations and the targets of links, on one line."""
    text = re.sub(r"^```.*?^```$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^(?:\([\w-]+\)=|:::.*|:class:.*)$", "", text, flags=re.MULTILINE)
    text = re.sub(r"^\*\*\d+\.\*\*", "", text, flags=re.MULTILINE)  # a question's own number
    text = re.sub(r"\{cite:\w\}`[^`]*`|<a [^>]*>|</a>", "", text)
    text = re.sub(r"\{download\}`([^<`]*?)\s*<[^`]*>`", r"\1", text)
    text = re.sub(r"\[([^\]]*)\]\((?:#|http|\w+\.md)[^)]*\)", r"\1", text)
    return re.sub(r"\s+", " ", text)


def statement(pattern: str, *values: Any) -> str:
    """`pattern` with a value in place of every @, as the book writes numbers."""
    parts = pattern.split("@")
    assert len(parts) == len(values) + 1, f"{len(values)} values for {pattern!r}"
    return parts[0] + "".join(written(v) + part for v, part in zip(values, parts[1:], strict=True))


def written(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value != int(value):
        return f"{value:.2f}".replace("-", "−")
    return str(int(value)).replace("-", "−")


def unproved(prose: str, statements: list[str]) -> list[str]:
    """The numbers of the prose that no statement accounts for, each with its surroundings."""
    known = [m.span() for sentence in statements for m in re.finditer(re.escape(sentence), prose)]
    found = [m.span() for pattern in (NUMBER, WORD) for m in pattern.finditer(prose)]
    return [
        prose[max(0, start - 50) : end + 40]
        for start, end in found
        if not any(first <= start and end <= last for first, last in known)
    ]
