"""What the steppers of convolution and transposed convolution share: traits, and an array to compare with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import traitlets

from pixelwise.widgets.base import Array, Widget


class Compared(Array):
    """An array to compare with, whatever it is: NaN and infinities as text, [] where it cannot be drawn."""

    def validate(self, obj: Any, value: Any) -> list:
        try:
            nested = self._nested(value)
            if nested in (None, []):
                return []
            super().validate(obj, _each(nested, lambda number: number if math.isfinite(number) else 0))
        except (traitlets.TraitError, RuntimeError, TypeError, ValueError):
            return []
        nested = _each(nested, lambda number: number if math.isfinite(number) else str(number))
        for _ in range(self.ndim - len(_shape_of(nested))):
            nested = [nested]
        return nested


def _each(nested: Any, change: Callable[[float], Any]) -> Any:
    """The nested lists with `change(number)` in place of each number; True is 1."""
    if isinstance(nested, list):
        return [_each(part, change) for part in nested]
    return change(float(nested) if isinstance(nested, str) else nested + 0)


def _shape_of(nested: Any) -> tuple[int, ...]:
    """The shape of nested lists, as far as their first elements tell."""
    return (len(nested), *_shape_of(nested[0])) if isinstance(nested, (list, tuple)) and nested else ()


class Stepper(Widget):
    """An operation on `input` with `kernel` that goes one position a step."""

    yours = Compared(ndim=3, largest=(3, 30, 30), optional=True)
    #: Why `yours` is not drawn, or nothing.
    incomparable = traitlets.Unicode("").tag(sync=True)
    stride = traitlets.Int(1, min=1, max=3).tag(sync=True)
    in_channels = traitlets.Int(0, min=0, max=3).tag(sync=True)
    out_channels = traitlets.Int(0, min=0, max=3).tag(sync=True)
    step = traitlets.Int(0, min=0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    #: What the pointer is on, and what a click holds: [], ["input", row, column],
    #: ["output", channel, row, column] or ["kernel", …] with the four indices of a weight.
    hovered = traitlets.List().tag(sync=True)
    pinned = traitlets.List().tag(sync=True)
    predict = traitlets.Bool(False).tag(sync=True)
    guess = traitlets.Unicode("").tag(sync=True)

    def _compare(self, given: Any, channels: int, output: list[int]) -> None:
        """Say so where `yours` cannot be compared with the right output, `channels` times `output`."""
        if given is None or (isinstance(given, list) and not given):
            return
        shape = tuple(given.shape) if hasattr(given, "shape") else _shape_of(given)
        if len(shape) not in (2, 3) or len(self.yours) != channels:
            self.yours = []
            right = (channels, *output) if channels > 1 else tuple(output)
            self.incomparable = f"shape {shape}: nothing to compare with {right}"
