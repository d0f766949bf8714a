"""Hidden cases: like the public ones, with numbers and sizes that no student has seen.

A hidden test cell calls `check` after the public check has passed:

    from autograder import hidden
    hidden.check(ps2.conv_transpose2d_overlaps, conv_transpose2d)

What is right is what the solution notebook computes. A failure shows nothing of a hidden case: it looks for a
public case with the same mistake and shows that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from pixelwise.checks import Check, CheckFailed
from pixelwise.checks.case import Case, Random
from pixelwise.checks.observe import Observation, observe
from pixelwise.checks.trained import NetworkCheck

from . import oracle

#: Change it for a new course: every hidden case depends on it, and nothing else that is random does.
SEED = "pixelwise 2026"

SMALL, LARGE = 6, 6  # hidden cases of each kind
SEARCHED = 30  # public cases to look for a mistake that a hidden case has shown


def check(public: Check | NetworkCheck, function: Callable[..., Any] | str) -> None:
    """Raise CheckFailed unless `function` gives what the solution gives on the hidden cases of `public`.

    For a trained network, `function` is the name of its file, and the hidden cases are images.
    """
    if isinstance(public, NetworkCheck):
        seed = Random(f"{SEED}: {public.problem_set}: {public.data}").randrange(2**31)
        if failure := replace(public, seed=seed).failure(function):
            raise failure from None
        return
    cases, right = _cases(public, oracle.function(public.task.problem_set, public.task.name))
    seen = public.observations(function, cases, right)
    if any(difference for _, difference in public.compare(seen)):
        raise _explanation(public, function) from None


@cache
def _cases(public: Check, solution: Callable[..., Any]) -> tuple[list[Case], list[Observation]]:
    """The hidden cases of a check, and what the solution does on them: the same for every submission."""
    task = public.task
    seed = f"{SEED}: {task.problem_set}: {task.name}: {public.title}"
    cases = public.random_cases(seed, SMALL) + public.random_cases(seed, LARGE, large=True)
    return cases, [observe(solution, case) for case in cases]


def _explanation(public: Check, function: Callable[..., Any]) -> CheckFailed:
    """The same mistake on a public case, or that there is none."""
    searched = public.random_cases("searched", SEARCHED) + public.random_cases(
        "searched", SEARCHED, large=True
    )
    found = public.failure(function, sorted([*public.cases, *searched], key=lambda case: case.size))
    if found is not None:
        return found
    name = f"{public.task.name}: {public.title}"
    return CheckFailed(
        f"✗ {name}: hidden cases\n\n"
        "Your function passes the public cases and fails hidden ones. They are of the same kind, "
        "with other sizes\n"
        "and numbers: does your code rest on a size or a number that the public cases happen to have?",
        check=name,
        kind="hidden",
    )
