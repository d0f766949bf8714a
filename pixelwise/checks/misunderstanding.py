"""Known misunderstandings, and which of them a wrong function shows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from .case import Case
from .compare import close, comparable, same
from .observe import Observation

Operator = Callable[..., Any]
#: (case, what the function did, what it should have done)
Observed = tuple[Case, Observation, Observation]
#: (case, what the function returned, what is right)
Evidence = tuple[Case, Any, Any]


@dataclass(frozen=True)
class Misunderstanding:
    """One way to get an operator wrong.

    title      completes the sentence "This is what you get when …"
    advice     the right idea, in a sentence or two, never the code
    mistaken   makes the mistaken operator from the right one: `lambda op: lambda x, w: op(x, w.flip(0, 1))`.
               Two mistakes can be made at once by applying one after the other. It raises `Fails` where a
               student's code with this mistake stops.
    section    the anchor of the chapter's section that explains it
    costly     whether it is too slow to be tried together with every other one
    stops      whether a student's code with it can stop with an error: then `mistaken` raises `Fails`
    """

    title: str
    advice: str
    mistaken: Callable[[Operator], Operator]
    section: str = ""
    costly: bool = False
    stops: bool = False


class Fails(Exception):
    """What a mistaken operator raises where a student's code with this mistake stops with an error.

    kind  the name of that error: "RuntimeError" where sizes do not go together, "IndexError"
    says  part of its text, where that tells the mistake from others
    """

    def __init__(self, kind: str, says: str = ""):
        super().__init__(kind, says)
        self.kind, self.says = kind, says


def mistake(
    bank: list[Misunderstanding],
    title: str,
    advice: str,
    section: str = "",
    costly: bool = False,
    stops: bool = False,
) -> Callable[[Callable], Callable]:
    """Put `wrong(op, …)`, a mistaken operator that may call the right one, `op`, into the bank."""

    def put(wrong: Callable) -> Callable:
        def mistaken(op: Operator) -> Operator:
            return lambda *arguments, **settings: wrong(op, *arguments, **settings)

        bank.append(Misunderstanding(title, advice, mistaken, section, costly, stops))
        return wrong

    return put


def adapted(
    bank: Iterable[Misunderstanding],
    wide: Callable[[Operator], Operator],
    narrow: Callable[[Operator], Operator],
) -> list[Misunderstanding]:
    """The same mistakes for an operator with fewer arguments or axes.

    wide    makes the operator that the bank is written for from the narrower one
    narrow  makes the narrower operator from the one that the bank is written for
    """

    def one(mistake: Misunderstanding) -> Misunderstanding:
        return replace(mistake, mistaken=lambda op: narrow(mistake.mistaken(wide(op))))

    return [one(mistake) for mistake in bank]


@dataclass(frozen=True)
class Explanation:
    """The misunderstandings, one or two, that explain what a function did, and the smallest case for it."""

    mistakes: tuple[Misunderstanding, ...]
    case: Case


def explain(
    bank: Sequence[Misunderstanding], right: Operator, observed: Sequence[Observed]
) -> Explanation | None:
    """The misunderstandings that explain what a function did, if any in the bank do.

    An explanation agrees with the function where it is wrong and where it is right, value by value. Where
    the mistake is impossible (shapes do not go together), or the function raised, nothing can be compared,
    unless the mistake says that code with it raises there. Single mistakes are tried before pairs; both of a
    pair have to show in one case. A size alone explains nothing: too many mistakes share it.
    """
    wrong_or_raised, fine = _evidence(observed)
    wrong = [one for one in wrong_or_raised if not isinstance(one[1], Fails)]
    for mistake in bank:
        rows = wrong_or_raised if mistake.stops else wrong
        case = _explained(mistake.mistaken(right), rows, fine) if rows else None
        if case is not None:
            return Explanation((mistake,), case)
    if not wrong:
        return None
    bank = [one for one in bank if not one.stops and _has_effect(one.mistaken(right), wrong)]
    for mistakes in _pairs(bank):
        if _explained(_together(mistakes, right), wrong, fine) is not None:
            case = _showing_each(mistakes, right, wrong)
            if case is not None:
                return Explanation(mistakes, case)
    return None


def _together(mistakes: Sequence[Misunderstanding], right: Operator) -> Operator:
    for mistake in mistakes:
        right = mistake.mistaken(right)
    return right


def _pairs(bank: Sequence[Misunderstanding]) -> Iterator[tuple[Misunderstanding, ...]]:
    """Two mistakes of different names: the second is made in terms of the first."""
    cheap = [one for one in bank if not one.costly]
    costly = [one for one in bank if one.costly]
    for pair in itertools.chain(itertools.permutations(cheap, 2), itertools.product(costly, cheap)):
        if pair[0].title != pair[1].title:
            yield pair


def _evidence(observed: Sequence[Observed]) -> tuple[list[Evidence], list[Evidence]]:
    """Where the function is wrong, and where it is right, as far as that can be compared."""
    wrong, fine = [], []
    for case, seen, expected in observed:
        if any(one.is_meta for one in case.tensors().values()):
            continue
        if seen.error:
            wrong.append((case, Fails(*seen.error.split(": ", 1)), expected.value))
            continue
        if not comparable(seen.value):
            continue
        row = (case, seen.value, expected.value)
        (fine if _alike(seen.value, expected.value) else wrong).append(row)
    return wrong, fine


def _has_effect(operator: Operator, wrong: Sequence[Evidence]) -> bool:
    """Whether the mistake changes anything where the function is wrong; without a bias, bias is not it."""
    return any(not _alike(_call(operator, case), right) for case, _, right in wrong)


def _explained(operator: Operator, wrong: Sequence[Evidence], fine: Sequence[Evidence]) -> Case | None:
    """The first wrong case that the mistaken operator explains; None if any case speaks against it."""
    first = None
    raises, returns = False, False  # whether the mistake does so where the function raised
    for case, value, _ in wrong:
        result = _call(operator, case)
        if result is None:
            continue
        if isinstance(value, Fails) and not isinstance(result, Fails):
            returns = True
            continue
        if not _alike(value, result):
            return None
        raises = raises or isinstance(value, Fails)
        first = first or case
    if first is None or (raises and returns):
        return None
    for case, value, _ in fine:
        result = _call(operator, case)
        if result is None or not _alike(value, result):
            return None
    return first


def _showing_each(
    mistakes: Sequence[Misunderstanding], right: Operator, wrong: Sequence[Evidence]
) -> Case | None:
    """The first wrong case in which each of the mistakes changes the result, alone and beside the others.

    Two that change the size and give it back together undo each other: they name nobody's mistake.
    """
    together = _together(mistakes, right)
    for case, value, expected in wrong:
        result = _call(together, case)
        if result is None or not _alike(value, result):
            continue
        alone = [_call(one.mistaken(right), case) for one in mistakes]
        if any(_alike(one, expected) or _alike(one, result) for one in alone):
            continue
        if _same_size(result, expected) and not any(
            one is None or _same_size(one, expected) for one in alone
        ):
            continue
        return case
    return None


@torch.no_grad()
def _call(operator: Operator, case: Case) -> Any:
    """What the mistaken operator gives (it changes no argument), `Fails`, or None where it is impossible."""
    try:
        return case.call(operator)
    except Fails as failure:
        return failure
    except Exception:
        return None


def _alike(a: Any, b: Any) -> bool:
    """Whether what the function did, `a`, is what is right or mistaken, `b`."""
    if isinstance(a, Fails) or isinstance(b, Fails):
        return isinstance(a, Fails) and isinstance(b, Fails) and a.kind == b.kind and b.says in a.says
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return same(a, b)
    if isinstance(a, float) and isinstance(b, float):
        return close(a, b)
    return not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor) and a == b


def _same_size(a: Any, b: Any) -> bool:
    return isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and a.shape == b.shape
