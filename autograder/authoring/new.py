"""A new problem set from the template: a small one that is whole, to be changed into one's own.

What it makes lies where the others lie: the notebook with its solution in `solutions/`, the visible checks in
`pixelwise/checks/`, the bank of right and wrong answers in `tests/exercises/answers/`.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..course import CannotGrade
from . import edit

_TEMPLATE = Path(__file__).parent / "template"


def make(root: Path, name: str) -> str:
    """Write the files of the set `name` ("ps6_mean_filter"); a text that says what to do with them."""
    found = re.fullmatch(r"(ps\d+)_([a-z][a-z0-9_]*)", name)
    if not found:
        raise CannotGrade(
            f"A problem set is called ps, a number and words, as ps6_mean_filter is; not {name!r}."
        )
    short, words = found.groups()
    notebook = root / "solutions" / name / f"{words}.ipynb"
    checks = root / "pixelwise" / "checks" / short / "__init__.py"
    answers = root / "tests" / "exercises" / "answers" / f"{short}.py"
    taken = [*(root / "solutions").glob(f"{short}_*"), *(path for path in (checks, answers) if path.exists())]
    if taken:
        raise CannotGrade(f"{short} is taken: there is {taken[0].relative_to(root)}.")

    def filled(part: str) -> str:
        text = (_TEMPLATE / part).read_text(encoding="utf-8")
        title = f"# Problem set {short[2:]}: {words.replace('_', ' ')}\n"
        return re.sub(r"\bps0\b", short, text).replace("# Problem set 0: the template\n", title)

    for path, part in ((checks, "checks.py"), (answers, "answers.py")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(filled(part), encoding="utf-8")
    edit.write(edit.as_notebook(filled("notebook.txt")), notebook)
    made = "\n".join(f"  {path.relative_to(root)}" for path in (notebook, checks, answers))
    return f"Made, for you to change:\n{made}\nThen run make exercises."
