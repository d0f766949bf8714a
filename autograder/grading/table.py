"""What a run says at its end: who could not be graded and why, who needs a look, how many are simply done."""

from __future__ import annotations

from collections.abc import Sequence

from .writer import Result

_MOST_ROWS = 40  # of those without a remark
_WIDEST_REMARK = 200


def table(results: Sequence[Result], dry_run: bool = False) -> str:
    """The results as text: failures first, then those with remarks, then the others if they are few."""
    if not results:
        return "Everything that was handed in is graded. (--force grades it again.)"
    failed = [one for one in results if one.failed]
    manual = sum(one.needs_manual and not one.failed for one in results)
    odd = [one for one in results if one.notes and not one.failed]
    plain = [one for one in results if not (one.notes or one.failed)]
    shown = [*failed, *odd, *(plain if len(plain) <= _MOST_ROWS else ())]
    width = max(len("student"), *(len(one.student) for one in shown)) if shown else 0
    lines = [f"{'student':<{width}}  {'points':<12}  remarks"] if shown else []
    for one in shown:
        points = "not graded" if one.failed else "" if dry_run else f"{one.points:g} of {one.possible:g}"
        remarks = "; ".join([one.failed] if one.failed else one.notes)
        lines.append(_printable(f"{one.student:<{width}}  {points:<12}  {remarks}").rstrip())
    if len(shown) < len(results):
        lines.append(f"… and {len(plain)} students without a remark")
    done = "would be graded" if dry_run else "graded"
    some = "all" if manual == len(results) - len(failed) > 0 else f"{manual}"
    lines.append(
        f"\n{len(plain) + len(odd)} {done}, {some} of them need manual grading; {len(failed)} failed"
    )
    return "\n".join(lines)


def _printable(text: str) -> str:
    """One line, without what would command the terminal: names of files and errors are a student's."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= _WIDEST_REMARK else line[: _WIDEST_REMARK - 1] + "…"
