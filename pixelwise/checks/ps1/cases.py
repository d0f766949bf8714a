"""The cases of problem set 1: the lecture's example, and random ones."""

from __future__ import annotations

import torch
from torch import Tensor

from ..case import Case, Random
from ..convolutions import call, not_default, random_tensors

#: The lecture's input, without its border of zeros, and its kernel; a second channel for both.
X = torch.tensor([[-1.0, 2, 2, 1], [1, -1, 1, 2], [-1, 0, 2, 1], [1, 1, 0, 2]])
KERNEL = torch.tensor([[1.0, 0, -1], [2, 1, 0], [0, 1, 2]])
X_2 = torch.tensor([[2.0, 1, 0, -1], [0, 1, 2, 2], [1, -2, 1, 2], [0, 2, 1, 1]])
KERNEL_2 = torch.tensor([[2.0, -1, 1], [0, 1, 2], [-2, 0, 1]])


def size(n: int, kernel: int, stride: int = 1, padding: int = 0, about: str = "") -> Case:
    """A case of `output_size`; settings at their default are not passed."""
    return Case({"n": n, "kernel": kernel}, not_default(stride, padding), about)


def random_size(rng: Random, large: bool, stride: bool = False) -> Case:
    kernel, padding = rng.randint(1, 11 if large else 5), rng.randint(0, 6 if large else 3)
    n = max(1, kernel - 2 * padding) + rng.randint(0, 200 if large else 10)
    return size(n, kernel, rng.randint(2, 9 if large else 4) if stride else 1, padding)


def random_call(
    rng: Random,
    large: bool,
    stride: bool = False,
    padding: bool = False,
    channels: bool | tuple[int, int] = False,
    bias: bool = False,
    batch: bool = False,
    flat: bool = False,
    precise: bool | None = False,
    gradients: bool = False,
) -> Case:
    """A random case of a convolution.

    stride    whether it may be larger than 1, and larger than the kernel
    padding   whether there is a border of zeros, which may be wider than the kernel; the other settings are
              those of `random_tensors`
    """
    step = rng.randint(2, 5 if large else 3) if stride else 1
    kernel = [rng.randint(1, 4 if large else 3) for _ in range(2)]
    border = rng.randint(0 if stride else 1, 4 if large else 3) if padding else 0
    more = (7 if large else 3) + (step if stride else 0)
    shape = [max(1, k - 2 * border) + rng.randint(1, more) for k in kernel]
    tensors = random_tensors(rng, large, shape, kernel, False, channels, bias, batch, flat, precise)
    return call(*tensors, step, border, gradients=gradients)


def pointwise(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, about: str = "", gradients: bool = False
) -> Case:
    """A case of `pointwise_conv`."""
    return Case({"x": x, "weight": weight}, {} if bias is None else {"bias": bias}, about, gradients)


def random_pointwise(
    rng: Random,
    large: bool,
    bias: bool | None = False,
    batch: bool = False,
    precise: bool | None = False,
    gradients: bool = False,
) -> Case:
    """A random case of `pointwise_conv`. bias: None: either"""
    if bias is None:
        bias = rng.random() < 0.5
    shape = [rng.randint(1, 7 if large else 4) for _ in range(2)]
    channels = rng.randint(1, 5 if large else 3), rng.randint(1, 5 if large else 3)
    x, weight, offsets = random_tensors(
        rng, large, shape, (1, 1), False, channels, bias, batch, precise=precise
    )
    return pointwise(x, weight[:, :, 0, 0], offsets, gradients=gradients)


def stack(*layers: tuple[int, int], about: str = "") -> Case:
    """A case of `receptive_field`: layers of (kernel, stride)."""
    return Case({"layers": list(layers)}, about=about)


def random_stack(rng: Random, large: bool, stride: bool = False) -> Case:
    layers = [
        (rng.randint(1, 7 if large else 5), rng.randint(1, 3) if stride else 1)
        for _ in range(rng.randint(1, 8 if large else 4))
    ]
    if stride and all(step == 1 for _, step in layers[:-1]):
        layers = [(rng.randint(1, 5), rng.randint(2, 3)), *layers]  # a stride that counts for what follows
    return stack(*layers)
