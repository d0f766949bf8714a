"""Known misunderstandings, and which of them a wrong function shows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .case import Case
from .compare import same
from .observe import Observation

Operator = Callable[..., Any]


@dataclass(frozen=True)
class Misunderstanding:
    """One way to get an operator wrong.

    title      completes the sentence "This is what you get when …"
    advice     the right idea, in a sentence or two, never the code
    mistaken   makes the mistaken operator from the right one: `lambda op: lambda x, w: op(x, w.flip(0, 1))`.
               Two mistakes can be made at once by applying one after the other.
    section    the anchor of the chapter's section that explains it
    costly     whether it is too slow to be tried together with every other one
    """

    title: str
    advice: str
    mistaken: Callable[[Operator], Operator]
    section: str = ""
    costly: bool = False


def recognise(
    bank: Sequence[Misunderstanding],
    right: Operator,
    observations: Sequence[tuple[Case, Observation, Observation]],
) -> tuple[Misunderstanding, ...]:
    """The misunderstandings that explain what a function did, or none.

    An explanation agrees with the function on every case, where it is right as where it is wrong. Single
    mistakes are tried before pairs.

    right         the right operator
    observations  (case, what the function did, what it should have done)
    """
    evidence = _failing_first(observations)
    if not evidence:
        return ()
    for mistakes in _singles_then_pairs(bank):
        operator = right
        for mistake in mistakes:
            operator = mistake.mistaken(operator)
        if all(_agree(case, seen, operator) for case, seen in evidence):
            return mistakes
    return ()


def recognise_size(
    bank: Sequence[Misunderstanding],
    right: Operator,
    observations: Sequence[tuple[Case, Observation, Observation]],
) -> tuple[Misunderstanding, ...]:
    """Like `recognise`, by the sizes of results alone: for results that are wrong in other ways too."""
    evidence = [
        (case, seen)
        for case, seen, expected in observations
        if isinstance(seen.value, torch.Tensor) and not expected.value.is_meta
    ]
    if not evidence:
        return ()
    for mistake in bank:
        operator = mistake.mistaken(right)
        if all(_agree(case, seen, operator, size_only=True) for case, seen in evidence):
            return (mistake,)
    return ()


def _singles_then_pairs(bank: Sequence[Misunderstanding]) -> Iterator[tuple[Misunderstanding, ...]]:
    """One mistake, then two: the second is made in terms of the first."""
    yield from ((one,) for one in bank)
    cheap = [one for one in bank if not one.costly]
    yield from itertools.permutations(cheap, 2)
    yield from itertools.product((one for one in bank if one.costly), cheap)


def _failing_first(
    observations: Sequence[tuple[Case, Observation, Observation]],
) -> list[tuple[Case, Observation]]:
    """What a call returned is evidence, what it raised is not. The failing cases rule most candidates out."""
    wrong, right = [], []
    for case, seen, expected in observations:
        if seen.error or not isinstance(seen.value, int | torch.Tensor):
            continue
        if isinstance(seen.value, torch.Tensor) and (seen.value.is_meta or expected.value.is_meta):
            continue  # no numbers to compare
        (right if _alike(seen.value, expected.value) else wrong).append((case, seen))
    return wrong + right if wrong else []


def _agree(case: Case, seen: Observation, operator: Operator, size_only: bool = False) -> bool:
    try:
        value = case.copy().call(operator)
    except Exception:  # the mistake is impossible here, yet the function returned something
        return False
    if size_only:
        return isinstance(value, torch.Tensor) and value.shape == seen.value.shape
    return _alike(seen.value, value)


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return same(a, b)
    return not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor) and a == b
