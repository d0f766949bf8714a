"""What one call of a student's function did.

This is the only place where the checks touch a student's function: tensors and numbers go in, and what comes
out, an `Observation`, is tensors, numbers and text. The function may therefore live in another process.
"""

from __future__ import annotations

import contextlib
import linecache
import sysconfig
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from .case import Case
from .remote import beside
from .rules import Watch

#: What PyTorch's error says about a change in place that autograd cannot follow.
REFUSED_IN_PLACE = "leaf Variable that requires grad"

# Frames of these files are not the student's: the last frame outside them is where the student's code failed.
_NOT_THE_STUDENTS = tuple(
    str(Path(path))
    for path in (*map(sysconfig.get_path, ("stdlib", "purelib", "platlib")), Path(__file__).parent)
)


@dataclass
class Observation:
    """What a call did.

    value       what was returned, tensors detached
    error       "ValueError: …" if it raised, and `line`, the student's line that did
    unsolved    whether it raised NotImplementedError: nothing is written yet
    connected   whether the returned tensor carries gradients back to the arguments
    gradients   the gradient with respect to each tensor argument, by name (None: not connected)
    changed     names of the arguments that the call changed in place
    operators   names of PyTorch operators that the rule forbids and that ran
    """

    value: Any = None
    error: str = ""
    line: str = ""
    unsolved: bool = False
    connected: bool = False
    gradients: dict[str, torch.Tensor | None] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()


@beside
def observe_all(
    function: Callable[..., Any], cases: Sequence[Case], forbidden: str | None = None
) -> list[Observation]:
    """Observe `function` on each case in turn; ends early if nothing is written yet."""
    rows: list[Observation] = []
    for case in cases:
        rows.append(observe(function, case, forbidden))
        if rows[-1].unsolved:
            break
    return rows


@beside
def observe(function: Callable[..., Any], case: Case, forbidden: str | None = None) -> Observation:
    """Call `function` on `case` and say what happened.

    forbidden  a regular expression: the names of PyTorch operators that must not run
    """
    own = case.copy()
    watch = Watch(forbidden) if forbidden else contextlib.nullcontext()
    seen = Observation()
    try:
        with watch:
            value = own.call(function)
            if case.gradients and isinstance(value, torch.Tensor) and value.requires_grad:
                seen.connected = True
                floats = {name: one for name, one in own.tensors().items() if one.requires_grad}
                sent = cotangent(value)
                gradients = torch.autograd.grad(value, list(floats.values()), sent, allow_unused=True)
                seen.gradients = dict(zip(floats, gradients, strict=True))
    except NotImplementedError as error:
        # PyTorch raises it too, about an operator that a device lacks; a stub's has no text.
        seen.unsolved = not str(error)
        seen.error, seen.line = f"{type(error).__name__}: {error}", _students_line(error)
    except (Exception, SystemExit) as error:
        seen.error, seen.line = f"{type(error).__name__}: {error}", _students_line(error)
    else:
        seen.value = value.detach() if isinstance(value, torch.Tensor) else value
    if REFUSED_IN_PLACE in seen.error and case.gradients:
        # PyTorch refuses before anything changes. Without gradients it does not: then it shows what would.
        own = replace(case, gradients=False).copy()
        with contextlib.suppress(Exception):
            own.call(function)
    seen.changed = tuple(
        name
        for name, before in case.tensors().items()
        if not before.is_meta and not torch.equal(own.tensors()[name].detach(), before)
    )
    seen.operators = tuple(getattr(watch, "seen", ()))
    return seen


def cotangent(value: torch.Tensor) -> torch.Tensor:
    """What is sent backward through a result of this shape: small whole numbers without symmetry."""
    count = torch.arange(value.numel(), dtype=torch.float64)
    pattern = (count * 7) % 5 - 2 + (count % 3)
    return pattern.reshape(value.shape).to(value.device, value.dtype)


def _students_line(error: BaseException) -> str:
    """The line of the student's code that raised, or nothing where it has no source."""
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        path = frame.f_code.co_filename
        if not path.startswith(_NOT_THE_STUDENTS):
            return linecache.getline(path, number).strip()
    return ""
