"""What a student reads when a check fails."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import torch

from pixelwise import course

from .case import Case
from .compare import Difference, wrong

_WIDTH = 96
_LARGEST_LITERAL = 72  # numbers; larger tensors are described by their shape
_ROWS, _COLUMNS = 9, 12


class CheckFailed(AssertionError):
    """A check that failed, with a message written for the student.

    check             what was checked
    kind              in which respect it failed (`Difference.kind`, or "forbidden")
    misunderstandings titles of those that explain it
    """

    def __init__(self, message: str, check: str = "", kind: str = "", misunderstandings: Sequence[str] = ()):
        super().__init__(message)
        self.check, self.kind, self.misunderstandings = check, kind, tuple(misunderstandings)

    def _render_traceback_(self) -> list[str]:
        """IPython shows these lines in place of a traceback: where the check raised is no news to anybody."""
        first, *rest = str(self).splitlines()
        return [f"\x1b[1;31m{first}\x1b[0m", *rest]


def paragraph(text: str) -> str:
    """Prose, wrapped; indented lines (code) are kept as they are."""
    lines = text.splitlines()
    return "\n".join(line if line.startswith(" ") else textwrap.fill(line, _WIDTH) for line in lines)


def link(page: str, section: str) -> str:
    """The address of a section of the book."""
    return course.page(page.removesuffix(".html"), section)


def as_code(name: str, case: Case) -> str:
    """The case as code to paste into a cell; tensors that are too large as their shape."""
    lines: list[str] = []
    both = case.arguments | case.settings
    lines += [f"{key} = {code}" for key, code in case.made.items()]
    written = {key: key if key in case.made else _argument(key, both[key], lines) for key in both}
    return textwrap.indent("\n".join([*lines, *case.shown(name, written)]), "    ")


def side_by_side(difference: Difference) -> str:
    """Actual beside expected; wrong numbers carry a star."""
    actual, expected = difference.actual, difference.expected
    if actual is None:
        return ""
    if isinstance(expected, int | float):
        return f"    your result: {_number(actual)}    expected: {_number(expected)}"
    if actual.is_meta or not actual.numel() or not expected.numel():
        return ""
    marks = wrong(actual, expected) if actual.shape == expected.shape else None
    where = tuple(marks.nonzero()[0].tolist()) if marks is not None else (0,) * expected.dim()
    blocks = [_map(actual, marks, where), _map(expected, None, where)]
    if None in blocks:
        return ""
    left, right = blocks
    titles = (f"your {difference.of}{_index(actual, where)}", f"expected{_index(expected, where)}")
    width = max(len(titles[0]), *map(len, left)) + 4
    rows = [(titles[0], titles[1])]
    for number in range(max(len(left), len(right))):
        rows.append(
            (left[number] if number < len(left) else "", right[number] if number < len(right) else "")
        )
    text = "\n".join(f"    {a:<{width}}{b}".rstrip() for a, b in rows)
    if marks is not None:
        text += f"\n    * {int(marks.sum())} of {marks.numel()} numbers differ"
    return text


def _argument(name: str, value: Any, lines: list[str]) -> str:
    """How the value is written in the call; a tensor's own line of code is added to `lines`."""
    if not isinstance(value, torch.Tensor):
        return repr(value)
    dtype = "" if value.dtype in (torch.float32, torch.int64) else f", dtype={value.dtype}"
    if value.is_meta:
        dimensions = ", ".join(map(str, value.shape))
        lines.append(f'{name} = torch.empty({dimensions}{dtype}, device="meta")')
    elif value.numel() <= _LARGEST_LITERAL:
        code = f"{name} = torch.tensor({_literal(value.tolist())}{dtype})"
        lines.append(textwrap.fill(code, _WIDTH - 4, subsequent_indent="    ", break_long_words=False))
    else:
        lines.append(f"{name} = …  # {str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}")
    return name


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, int):
        return str(value)
    return f"{value:g}." if float(value).is_integer() and abs(value) < 1e6 else f"{value:.10g}"


def _index(tensor: torch.Tensor, where: tuple[int, ...]) -> str:
    """Which map of `tensor` is shown, as an index that it can take; nothing where it is the whole."""
    if tensor.dim() <= 2:
        return ""
    leading = where[:-2] if len(where) == tensor.dim() else (0,) * (tensor.dim() - 2)
    return f"[{', '.join(map(str, leading))}]"


def _map(tensor: torch.Tensor, marks: torch.Tensor | None, where: tuple[int, ...]) -> list[str] | None:
    """The two-dimensional map of `tensor` that holds the index `where`, as lines of text."""
    if tensor.dim() < 2:
        tensor, where = tensor.reshape(1, -1), (0, *where) if where else (0, 0)
        marks = marks.reshape(1, -1) if marks is not None else None
    if len(where) != tensor.dim():
        where = (0,) * tensor.dim()
    if any(index >= size for index, size in zip(where[:-2], tensor.shape[:-2], strict=True)):
        return None
    top, left = max(0, where[-2] - _ROWS + 2), max(0, where[-1] - _COLUMNS + 2)
    region = (*where[:-2], slice(top, top + _ROWS), slice(left, left + _COLUMNS))
    part = tensor[region].detach().cpu().double()
    stars = marks[region].cpu().tolist() if marks is not None else [[False] * part.shape[1]] * part.shape[0]
    numbers = [[_number(value) for value in row] for row in part.tolist()]
    width = max(len(number) for row in numbers for number in row)
    lines = [
        " ".join(
            f"{number:>{width}}{'*' if star else ' '}" for number, star in zip(row, row_stars, strict=True)
        )
        for row, row_stars in zip(numbers, stars, strict=True)
    ]
    if left + _COLUMNS < tensor.shape[-1]:
        lines = [f"{line} …" for line in lines]
    if top + _ROWS < tensor.shape[-2]:
        lines.append("…")
    return lines


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e9 else f"{value:.4g}"
