"""What is said of a module that cannot be built or run: which misunderstanding ends in this error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..case import Case
from ..check import Check
from ..compare import Difference, difference, same
from ..misunderstanding import Explanation
from ..modules import Count, Run, numbers
from ..observe import Observation, observe
from .mistakes import UNREGISTERED

#: (case, what the class did, what it should have done)
Observed = tuple[Case, Observation, Observation]


class Anywhere(Observation):
    """An error on the device "meta" that the CPU raises, too: the device is not to blame."""


class ModuleCheck(Check):
    """A check of a student's `torch.nn.Module`."""

    def observations(
        self, function: Any, cases: Sequence[Case], right: Sequence[Observation] = ()
    ) -> list[Observed]:
        rows = super().observations(function, cases, right)
        return [(case, _anywhere(function, case, seen), expected) for case, seen, expected in rows]

    def compare(self, seen: Sequence[Observed]) -> list[tuple[Case, Difference | None]]:
        rows = []
        for (case, found), (_, actual, _) in zip(super().compare(seen), seen, strict=True):
            if lost := _unregistered(actual):
                found = Difference("error", lost)
            elif isinstance(actual, Anywhere):
                found = difference(actual, Observation())
            rows.append((case, found))
        return rows

    def explanation(self, seen: Sequence[Observed]) -> Explanation | None:
        for case, actual, _ in seen:
            if _unregistered(actual):
                return Explanation((UNREGISTERED,), case)
        return super().explanation(seen) or self._ends_alike(seen)

    def section(self, case: Case, found: Difference) -> str:
        if isinstance(case, Count):
            return "unet-parameters"
        if "Sizes of tensors must match except in dimension 1" in found.text:  # a join without a crop
            return "unet-crop"
        if found.kind == "shape" and "padding" in case.settings:
            return "unet-padded"
        return super().section(case, found)

    def _ends_alike(self, seen: Sequence[Observed]) -> Explanation | None:
        """The misunderstanding that ends in the same errors, whose texts hold all sizes, in the same cases.

        Where the class runs, the misunderstanding has to put out the same, on the device "meta" a map of the
        same size.
        """
        failed = sorted((row for row in seen if row[1].error), key=lambda row: row[0].size)
        if not failed:
            return None
        rest = [row for row in seen if not row[1].error]
        for mistake in self.task.bank:
            mistaken = mistake.mistaken(self.task.right)
            if all(_alike(actual, observe(mistaken, case)) for case, actual, _ in [*failed, *rest]):
                return Explanation((mistake,), failed[0][0])
        return None


def _anywhere(function: Any, case: Case, seen: Observation) -> Observation:
    on_meta = any(one.is_meta for one in case.tensors().values())
    if not (isinstance(case, Run) and on_meta and seen.error) or seen.unsolved:
        return seen
    return Anywhere(**vars(seen)) if observe(function, _on_cpu(case)).error else seen


def _on_cpu(case: Run) -> Run:
    """The same case with numbers; a whole network gets few channels, which cost less and change no size."""
    few = {"base_channels": 2} if "num_classes" in case.settings else {}
    inputs = {name: numbers(*one.shape).to(one.dtype) for name, one in case.arguments.items()}
    return replace(case, arguments=inputs, settings=case.settings | few)


def _alike(one: Observation, other: Observation) -> bool:
    if one.error or other.error:
        return one.error == other.error
    if isinstance(one.value, int) or isinstance(other.value, int):
        return one.value == other.value
    return same(one.value, other.value)


def _unregistered(seen: Observation) -> str:
    """What was found out about parameters that PyTorch does not find, or nothing."""
    kind, _, text = seen.error.partition(": ")
    return text if kind == "Unregistered" else ""
