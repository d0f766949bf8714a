"""A task and its checks: what a notebook's test cells call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from .case import Case, Random
from .compare import Difference, changed_text, comparable, difference, same
from .misunderstanding import Explanation, Misunderstanding, explain
from .observe import Observation, observe, observe_all
from .report import CheckFailed, as_code, link, paragraph, side_by_side
from .rules import Rule

Function = Callable[..., Any]


@dataclass(frozen=True)
class Task:
    """A function that students write.

    problem_set  the set it belongs to ("ps2")
    name       what it is called
    right      what it should compute, by PyTorch
    bank       the misunderstandings to recognise, the most likely first
    rule       the calls it may not make
    page, section  where the book explains it
    secret     whether messages keep what is right to themselves: where the result is all there is to find
    """

    problem_set: str
    name: str
    right: Function
    bank: tuple[Misunderstanding, ...] = ()
    rule: Rule | None = None
    page: str = "index.html"
    section: str = ""
    secret: bool = False

    def forbidden_in(self, function: Function, seen: Iterable[Observation]) -> CheckFailed | None:
        """The rule broken, if any: by the source, or by what ran."""
        if self.rule is None:
            return None
        names = self.rule.found_in(function) or sorted({name for one in seen for name in one.operators})
        if not names:
            return None
        called = " and ".join(f"`{name}`" for name in names)
        text = f"✗ {self.name}: a call that this task does not allow\n\n" + paragraph(
            f"Your function uses {called}. {self.rule.reason}"
        )
        return CheckFailed(text, self.name, "forbidden")


@dataclass(frozen=True, eq=False)
class Check:
    """One aspect of a task, tested on examples and on random cases. Call it with the student's function.

    title     what is right when it passes
    examples  the cases to try first, by hand
    draw      makes a random case; `large` asks for one larger than is nice to read
    count     how many random cases
    strict    whether dtype, device and untouched arguments count
    anchor    where the book explains this aspect, if not where it explains the task
    """

    task: Task
    title: str
    examples: Sequence[Case] = ()
    draw: Callable[[Random, bool], Case] | None = None
    count: int = 8
    strict: bool = False
    anchor: str = ""

    @cached_property
    def cases(self) -> list[Case]:
        """Every case, the smallest first; those without numbers last. They are the same for everybody."""
        return sorted(
            [*self.examples, *self.random_cases(f"{self.task.name}: {self.title}", self.count)], key=_size
        )

    def random_cases(self, seed: str, count: int, large: bool = False) -> list[Case]:
        """Cases that depend on the seed alone."""
        rng = Random(seed)
        return [self.draw(rng, large) for _ in range(count)] if self.draw else []

    def __call__(self, function: Function) -> None:
        """Print a line if `function` passes, raise CheckFailed if not."""
        failure = self.failure(function, self.cases)
        if failure is not None:
            raise failure from None
        print(f"✓ {self.task.name}: {self.title} ({len(self.cases)} cases)")

    def __repr__(self) -> str:
        calls = "\n".join(_signature(self.task.name, case) for case in self.cases)
        return f"{self.task.name}: {self.title}. {len(self.cases)} cases:\n{calls}"

    def failure(self, function: Function, cases: Sequence[Case]) -> CheckFailed | None:
        """Why `function` fails on `cases`, shown on the smallest one, or None if it passes all."""
        seen = self.observations(function, cases)
        differences = [(case, found) for case, found in self.compare(seen) if found]
        unsolved = [found for _, found in differences if found.kind == "unsolved"]
        if not unsolved and (broken := self.task.forbidden_in(function, (one for _, one, _ in seen))):
            return broken
        if not differences:
            return None
        case, found = differences[0]
        mistakes: tuple[Misunderstanding, ...] = ()
        if any(one.kind in ("values", "shape", "error") for _, one in differences):
            explanation = self.explanation(seen)
            if explanation:
                mistakes, case = explanation.mistakes, explanation.case
                found = next(one for other, one in differences if other is case)
            elif _always_the_same(seen):
                found = replace(found, text=f"{_ALWAYS_THE_SAME} {found.text}")
        if found.kind in ("values", "shape"):
            also = changed_text(next(one for other, one, _ in seen if other is case))
            found = replace(found, text=f"{found.text} {also}".strip())
        return CheckFailed(
            self._message(case, found, mistakes), self._name, found.kind, [m.title for m in mistakes]
        )

    def observations(
        self, function: Function, cases: Sequence[Case], right: Sequence[Observation] = ()
    ) -> list[tuple[Case, Observation, Observation]]:
        """(case, what the function did, what it should have done); ends early if nothing is written yet.

        right  what it should have done in each case, where that is known already; then forbidden calls, which
               take longest to look for, are not looked for
        """
        rows = []
        forbidden = self.task.rule.operators if self.task.rule and not right else None
        answers = observe_all(function, cases, forbidden)
        if len(answers) != len(cases) and not (answers and answers[-1].unsolved):
            raise RuntimeError(f"{self._name}: {len(cases)} cases were asked, {len(answers)} answered")
        known = right or [
            self._right.get(id(case)) or observe(self.task.right, case) for case in cases[: len(answers)]
        ]
        for case, seen, expected in zip(cases, answers, known, strict=False):
            if expected.error:  # a mistake of the course, not of the student
                raise RuntimeError(
                    f"{self._name}: no right answer for\n{as_code(self.task.name, case)}\n{expected.error}"
                )
            rows.append((case, seen, expected))
        return rows

    @cached_property
    def _right(self) -> dict[int, Observation]:
        """What is right for the public cases, by their identity: computed once, whoever is checked."""
        return {id(case): observe(self.task.right, case) for case in self.cases}

    def compare(
        self, seen: Sequence[tuple[Case, Observation, Observation]]
    ) -> list[tuple[Case, Difference | None]]:
        return [
            (case, difference(actual, expected, self.strict, bool(case.tensors())))
            for case, actual, expected in seen
        ]

    def explanation(self, seen: Sequence[tuple[Case, Observation, Observation]]) -> Explanation | None:
        """The misunderstandings behind what was observed, if any in the bank are."""
        return explain(self.task.bank, self.task.right, seen)

    def section(self, case: Case, found: Difference) -> str:
        """The section that treats a failure that no misunderstanding explains; none: ""."""
        return "" if found.kind in _NOT_IN_THE_BOOK else self.anchor or self.task.section

    @property
    def _name(self) -> str:
        return f"{self.task.name}: {self.title}"

    def _message(self, case: Case, found: Difference, mistakes: Sequence[Misunderstanding]) -> str:
        parts = [f"✗ {self._name}"]
        if mistakes:
            parts.append(paragraph(f"This is what you get when {' and '.join(m.title for m in mistakes)}."))
            parts += [paragraph(advice) for advice in dict.fromkeys(m.advice for m in mistakes)]
        if found.text:
            parts.append(paragraph(found.text))
        if found.kind == "unsolved":
            return "\n\n".join(parts)
        about = f" ({case.about})" if case.about else ""
        parts.append(f"The smallest case that shows it{about}:\n{as_code(self.task.name, case)}")
        shown = side_by_side(found)
        if self.task.secret and shown:
            shown = f"    your result: {found.actual}"
        if shown:
            parts.append(shown)
        section = next((m.section for m in mistakes if m.section), self.section(case, found))
        if section:
            parts.append(f"Read again: {link(self.task.page, section)}")
        return "\n\n".join(parts)


def attempt(function: Function, *arguments: Any, **settings: Any) -> Any:
    """What `function` returns; None and a printed note if it is unwritten, raises or returns nothing."""
    try:
        value = function(*arguments, **settings)
        if value is None:
            print(f"{_name_of(function)} returned None: is its `return` missing?")
        return value
    except NotImplementedError:
        print(f"{_name_of(function)} is not written yet: there is no result to show.")
    except Exception as error:
        print(f"{_name_of(function)} raised {type(error).__name__}: {error}")
    return None


def _name_of(function: Callable[..., Any]) -> str:
    """A function's name; that of its class for a module."""
    return getattr(function, "__name__", type(function).__name__)


def fits(result: Any, *shape: int) -> bool:
    """Whether a result has the shape that a picture needs; a printed note if not.

    result  what `attempt` returned; of None it has said already why there is nothing
    shape   the sizes needed; none: a whole number
    """
    if result is None:
        return False
    if not shape and isinstance(result, int):
        return True
    if shape and isinstance(result, torch.Tensor) and tuple(result.shape) == shape:
        return True
    needed = f"a tensor of shape {shape}" if shape else "a whole number"
    found = f"one of shape {tuple(result.shape)}" if isinstance(result, torch.Tensor) else repr(result)[:60]
    print(f"There is no picture of this result: {needed} is needed, and yours is {found}.")
    return False


#: What goes wrong in PyTorch, not in the task's idea: the task's section says nothing about it.
_NOT_IN_THE_BOOK = ("dtype", "device", "precision", "changed", "in place", "disconnected", "gradient")
_ALWAYS_THE_SAME = "Your function returns the same result whatever its arguments are."


def _always_the_same(seen: Sequence[tuple[Case, Observation, Observation]]) -> bool:
    values = [one.value for _, one, _ in seen]
    if len(values) < 3 or any(value is None for value in values):
        return False
    if all(comparable(value) and isinstance(value, torch.Tensor) for value in values):
        return all(same(value, values[0]) for value in values)
    return all(isinstance(value, int) and value == values[0] for value in values)


def _size(case: Case) -> tuple[bool, int]:
    """What goes wrong on every device is shown on the CPU, with numbers."""
    return any(tensor.is_meta for tensor in case.tensors().values()), case.size


def _signature(name: str, case: Case) -> str:
    def short(value: Any) -> str:
        return f"{tuple(value.shape)}" if isinstance(value, torch.Tensor) else repr(value)

    written = {key: short(value) for key, value in (case.arguments | case.settings).items()}
    return f"  {Case.shown(case, name, written)[0]}" + (f"  # {case.about}" if case.about else "")
