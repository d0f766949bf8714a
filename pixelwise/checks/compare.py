"""Whether what a student's function did is what it should have done, and if not, in which respect."""

from __future__ import annotations

import math
import numbers
import operator
from dataclasses import dataclass
from typing import Any

import torch

from .observe import REFUSED_IN_PLACE, Observation

# Relative to the largest expected value. Sums taken in another order, or by FFT, differ by a few hundred
# roundings of float32; in float64 the same freedom is far below 1e-6.
_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 5e-2}


_IN_PLACE = (
    "\nWhoever calls the function still needs its arguments. `+=`, assignments to slices and "
    "operators that end in "
    "an underscore work in place."
)


_OWN_LEAF = (
    "\nA tensor that your function makes itself needs no `requires_grad`: gradients follow from the "
    "arguments, through whatever is computed from them."
)
_DTYPE_OF_ARGUMENT = (
    "A function answers in the dtype it is asked in: new tensors can take theirs from an argument "
    "(`x.new_zeros(…)`, `dtype=x.dtype`)."
)


@dataclass(frozen=True)
class Difference:
    """The first respect in which a result differs from the expected one.

    kind    "error", "unsolved", "type", "shape", "dtype", "device", "values", "precision",
            "changed", "in place", "disconnected", "gradient"
    text    one or two sentences for the student
    actual, expected  the tensors to put side by side, if any; `of` says what they are
    """

    kind: str
    text: str
    actual: Any = None
    expected: Any = None
    of: str = "result"


def difference(
    actual: Observation, expected: Observation, strict: bool = True, from_tensors: bool = True
) -> Difference | None:
    """Compare what a function did with what it should have done. None: no difference.

    strict  whether dtype, device and untouched arguments count; without it, values count only up to the less
            precise of the two dtypes
    from_tensors  whether there is a tensor among the arguments to take dtype and device from
    """
    on_meta = isinstance(expected.value, torch.Tensor) and expected.value.is_meta
    if actual.unsolved:
        return Difference("unsolved", "It still raises NotImplementedError: there is no answer to check yet.")
    if actual.error and on_meta:
        # An operator that PyTorch has not written for this device is no mistake of the student's.
        return None if "Could not run" in actual.error else Difference("device", _device_text(actual))
    if REFUSED_IN_PLACE in actual.error and actual.changed:
        return Difference(
            "changed", f"The call changes its argument {_names(actual)} in place:{_raised(actual)}{_IN_PLACE}"
        )
    if REFUSED_IN_PLACE in actual.error:
        return Difference("in place", "It raised an error:" + _raised(actual) + _OWN_LEAF)
    if actual.error:
        return Difference("error", "It raised an error:" + _raised(actual))
    if isinstance(expected.value, int):
        return _number(actual.value, expected.value)
    if isinstance(expected.value, float):
        return _real(actual.value, expected.value)
    found = _tensor(actual.value, expected.value, strict, from_tensors)
    if found is None and strict and actual.changed:
        found = Difference(
            "changed",
            f"The result is right, but the call changed its argument {_names(actual)}.{_IN_PLACE}",
        )
    if found is None and expected.gradients:
        found = _gradients(actual, expected)
    return found


def changed_text(actual: Observation) -> str:
    """Beside a wrong result: that the call changed arguments, which may be why. Nothing if it did not."""
    if not actual.changed:
        return ""
    what = f"The call also changes its argument {_names(actual)}"
    return f"{what}: what it reads there later is not what was given."


def comparable(value: Any) -> bool:
    """Whether the value is a number, or a tensor that can be compared number by number."""
    if isinstance(value, torch.Tensor):
        return value.layout == torch.strided and not value.is_complex() and not value.is_quantized
    return isinstance(value, int | float)


def close(a: float, b: float) -> bool:
    """Whether two numbers, computed in float32, are the same up to rounding."""
    return math.isclose(a, b, rel_tol=_TOLERANCE[torch.float32], abs_tol=1e-6)


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors have the same shape and, up to rounding, the same values, if they have values."""
    if a.shape != b.shape or a.is_meta or b.is_meta:
        return a.shape == b.shape and a.is_meta == b.is_meta
    return not wrong(a, b).any()


def wrong(actual: torch.Tensor, expected: torch.Tensor, precision: float = 0.0) -> torch.Tensor:
    """Where `actual` differs from `expected` by more than rounding: a bool tensor of their common shape.

    NaN is right where NaN is expected, and nowhere else.
    """
    precision = precision or max(_TOLERANCE.get(tensor.dtype, 0.0) for tensor in (actual, expected))
    actual, expected = actual.detach().cpu().double(), expected.detach().cpu().double()
    scale = expected.abs().where(expected.isfinite(), 0).max().clamp(min=1) if expected.numel() else 1.0
    right = ((actual - expected).abs() <= precision * scale) | (actual == expected)  # ∞ − ∞ is NaN
    return ~(right | (actual.isnan() & expected.isnan()))


def _number(actual: Any, expected: int) -> Difference | None:
    if actual is None:
        return Difference("type", "It returned nothing (None). Is there a `return`?")
    try:
        if isinstance(actual, bool):
            raise TypeError
        number = operator.index(actual)
    except TypeError:
        hint = (
            " Python's `/` makes a float; `//` keeps whole numbers whole."
            if isinstance(actual, float)
            else ""
        )
        return Difference(
            "type", f"A whole number (int) is expected, not {type(actual).__name__} ({actual!r:.40}).{hint}"
        )
    if number == expected:
        return None
    return Difference("values", "", number, expected)


def _real(actual: Any, expected: float) -> Difference | None:
    if actual is None:
        return Difference("type", "It returned nothing (None). Is there a `return`?")
    if isinstance(actual, torch.Tensor):
        return Difference(
            "type",
            "A number (float) is expected, not a tensor. A tensor can hold on to all that it was computed "
            "from: whoever collects a thousand losses keeps a thousand steps in memory. `.item()` takes the "
            "number out.",
        )
    if isinstance(actual, bool) or not isinstance(actual, numbers.Real):
        return Difference(
            "type", f"A number (float) is expected, not {type(actual).__name__} ({actual!r:.40})."
        )
    return None if close(float(actual), expected) else Difference("values", "", float(actual), expected)


def _tensor(actual: Any, expected: torch.Tensor, strict: bool, from_tensors: bool) -> Difference | None:
    if actual is None:
        return Difference("type", "It returned nothing (None). Is there a `return`?")
    if not isinstance(actual, torch.Tensor):
        return Difference(
            "type", f"A torch.Tensor is expected, not {type(actual).__module__}.{type(actual).__name__}."
        )
    if not comparable(actual):
        what = "complex" if actual.is_complex() else str(actual.layout).removeprefix("torch.")
        return Difference("type", f"An ordinary tensor of real numbers is expected; yours is {what}.")
    if actual.shape != expected.shape:
        text = f"Your result has the shape {tuple(actual.shape)}; expected is {tuple(expected.shape)}."
        return Difference("shape", text, actual, expected)
    if strict and actual.dtype != expected.dtype:
        return Difference(
            "dtype",
            f"Your result is {_short(actual.dtype)}, and {_short(expected.dtype)} is expected. "
            + (
                _DTYPE_OF_ARGUMENT
                if from_tensors
                else "With no tensor to take it from, PyTorch's default is right."
            ),
        )
    if actual.is_meta and not expected.is_meta:
        return Difference(
            "device",
            "Your result lives on the device 'meta': it has a shape, and no numbers. New tensors can take "
            "their device from an argument (`x.new_zeros(…)`, `device=x.device`).",
        )
    if strict and actual.device != expected.device:
        return Difference(
            "device",
            f"Your result lives on the device {actual.device.type!r}, the arguments on "
            f"{expected.device.type!r}. "
            "On a GPU this call would fail. New tensors can take their device from an argument "
            "(`x.new_zeros(…)`, `device=x.device`).",
        )
    if expected.is_meta or same(actual, expected):
        return None
    if not wrong(actual, expected, _TOLERANCE[torch.float32]).any():
        if not strict:
            return None
        return Difference(
            "precision",
            "Your result agrees in the first six or seven digits only: float64 numbers have been "
            "rounded to float32 "
            "on the way. `torch.zeros(…)` makes float32; new tensors can take their dtype from an argument "
            "(`x.new_zeros(…)`, `dtype=x.dtype`).",
        )
    return Difference("values", "", actual, expected)


def _gradients(actual: Observation, expected: Observation) -> Difference | None:
    if not actual.connected:
        return Difference(
            "disconnected",
            "The values are right, but the result carries no gradient back to the arguments, so a "
            "network could "
            "not learn through it. `.item()`, `.tolist()`, `.detach()`, `float(…)`, NumPy and a new "
            "`torch.tensor(…)` cut the graph.",
        )
    for name, right in expected.gradients.items():
        if right is None:  # nothing is learned through this one: class weights
            continue
        gradient = actual.gradients.get(name)
        if gradient is None:
            return Difference(
                "disconnected",
                f"The values are right, but the result carries no gradient back to `{name}`, so "
                f"{_cannot_learn(name)}. `.item()`, `.tolist()`, `.detach()`, `float(…)` and "
                "`torch.no_grad()` cut the graph.",
            )
        if gradient.shape != right.shape or not same(gradient, right):
            text = f"The values are right, but the gradient with respect to `{name}` is not."
            return Difference("gradient", text, gradient, right, of=f"gradient of {name}")
    return None


def _cannot_learn(name: str) -> str:
    """What a missing gradient keeps from being learned: weights themselves, or what data is computed from."""
    if name in ("weight", "bias"):
        return "it could not be learned"
    return f"the layers of a network that compute `{name}` could not learn"


def _names(seen: Observation) -> str:
    return " and ".join(f"`{name}`" for name in seen.changed)


def _raised(seen: Observation) -> str:
    return f"\n    {seen.error}" + (f"\nin the line\n    {seen.line}" if seen.line else "")


def _device_text(seen: Observation) -> str:
    return (
        'It raised an error when its arguments live on another device than the CPU (here "meta", which knows '
        f"shapes but no numbers):{_raised(seen)}\nA new tensor can take its device from an argument "
        "(`x.new_zeros(…)`, `device=x.device`), one that comes from elsewhere is moved by `.to(…)`; "
        "`float(…)`, `.tolist()` and NumPy bring numbers back to the CPU."
    )


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
