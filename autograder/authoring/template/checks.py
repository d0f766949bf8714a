"""The checks of problem set 0: what is right by PyTorch, how it is misunderstood, and what is tried."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..case import Case, Random, integers, reals
from ..check import Check, Task
from ..misunderstanding import Misunderstanding, mistake
from ..rules import Rule


def _mean_filter(x: Tensor, size: int) -> Tensor:
    """What is right. Students cannot read an operator here, only PyTorch's name for it."""
    return F.avg_pool2d(x[None, None], size, stride=1)[0, 0]


# --- Misunderstandings: made from what is right, `op`, the most likely first --------------------------------

_BANK: list[Misunderstanding] = []


@mistake(_BANK, "the sum of the window is taken", "The mean is the sum divided by the number of pixels.")
def _(op, x, size):
    return op(x, size) * size**2


@mistake(_BANK, "the window moves by its own size", "A filter moves by one pixel: windows overlap.")
def _(op, x, size):
    return op(x, size)[::size, ::size]


@mistake(_BANK, "rows and columns are swapped", "The first axis counts rows, the second columns.")
def _(op, x, size):
    return op(x.mT, size)


_RULE = Rule(
    calls=r"(?i)pool|conv|filter|interpolate",
    operators=r"pool|conv(?!ert)",
    modules=("scipy", "pixelwise"),
    reason="The mean over windows is what you are to write yourself. `unfold` and `mean` are welcome.",
)

_TASK = Task("ps0", "mean_filter", _mean_filter, tuple(_BANK), _RULE)


# --- Cases: some by hand, which a student reads when a check fails, and random ones -------------------------


def _case(x: Tensor, size: int, about: str = "") -> Case:
    return Case({"x": x, "size": size}, about=about)


def _random(rng: Random, large: bool, precise: bool = False) -> Case:
    size = rng.randint(1, 5 if large else 3)
    height, width = (size + rng.randint(0, 20 if large else 3) for _ in range(2))
    return _case((reals if precise else integers)(rng, height, width), size)


mean_filter_windows = Check(
    _TASK,
    "each output is the mean of its window",
    [
        _case(torch.tensor([[1.0, 3, 5], [2, 4, 6]]), 2, about="two windows"),
        _case(torch.arange(12.0).reshape(3, 4), 3, about="windows as high as the image"),
        _case(torch.arange(12.0).reshape(3, 4), 1, about="a window of one pixel changes nothing"),
    ],
    _random,
)
mean_filter_dtype = Check(
    _TASK,
    "float64 stays float64, and x stays as it was",
    [_case(torch.tensor([[1.0, 3], [2, 4]], dtype=torch.float64), 2)],
    partial(_random, precise=True),
    count=6,
    strict=True,
)
