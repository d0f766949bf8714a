"""The cases of problem set 2: the lecture's examples, and random ones."""

from __future__ import annotations

import torch
from torch import Tensor

from ..case import Case, Random, integers, reals

#: The lecture's input and kernel, and their second channels.
X = torch.tensor([[1.0, 2, 1, 0], [-1, 1, 0, 1], [0, 2, -2, 1], [1, 1, 2, -1]])
KERNEL = torch.tensor([[1.0, 0, -1], [2, 1, 0], [0, 1, 2]])
X_2 = torch.tensor([[2.0, 1, 0, -1], [0, 1, 2, 2], [1, -2, 1, 2], [0, 2, 1, 1]])
KERNEL_2 = torch.tensor([[2.0, -1, 1], [0, 1, 2], [-2, 0, 1]])


def size(
    n: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0, about: str = ""
) -> Case:
    """A case of `transposed_output_size`; settings at their default are not passed."""
    settings = _not_default(stride, padding) | ({"output_padding": output_padding} if output_padding else {})
    return Case({"n": n, "kernel": kernel}, settings, about)


def random_size(rng: Random, large: bool, output_padding: bool = False) -> Case:
    n, kernel = rng.randint(1, 200 if large else 12), rng.randint(1, 11 if large else 5)
    stride = rng.randint(2 if output_padding else 1, 9 if large else 4)
    padding = rng.randint(0, ((n - 1) * stride + kernel - 1) // 2)
    return size(n, kernel, stride, padding, rng.randint(1, stride - 1) if output_padding else 0)


def call(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    about: str = "",
    gradients: bool = False,
) -> Case:
    """A case of a transposed convolution; settings at their default are not passed."""
    settings = ({} if bias is None else {"bias": bias}) | _not_default(stride, padding)
    return Case({"x": x, "weight": weight}, settings, about, gradients)


def random_call(
    rng: Random,
    large: bool,
    overlap: bool | None = False,
    padding: bool = False,
    channels: bool | tuple[int, int] = False,
    bias: bool = False,
    batch: bool = False,
    flat: bool = False,
    precise: bool | None = False,
    gradients: bool = False,
) -> Case:
    """A random case of a transposed convolution.

    overlap   whether the kernel is larger than the stride, so that its copies meet; None: either
    channels  whether there are several input channels; output channels come with them; or how many of both
    flat      whether x is (H, W) and the weight (kH, kW)
    precise   whether the numbers are real and float64, not small and whole; None: either
    """
    stride = rng.randint(1, 5 if large else 3)
    if overlap is None:
        overlap = rng.random() < 0.6
    if overlap:
        kernel = [stride + rng.randint(1, 3 if large else 2) for _ in range(2)]
    else:
        stride = max(stride, rng.randint(1, 4))
        kernel = [rng.randint(1, stride) for _ in range(2)]
    shape = [rng.randint(1, 6 if large else 4) for _ in range(2)]
    if overlap:
        shape = [max(2, size) for size in shape]  # one element alone meets nobody
    if precise is None:
        precise = rng.random() < 0.5
    numbers = reals if precise else integers
    if isinstance(channels, tuple):
        inputs, outputs = channels
    else:
        inputs = rng.randint(2, 4 if large else 3) if channels else 1
        outputs = rng.randint(1, 4 if large else 3) if channels or bias else 1
    images = rng.randint(2, 3) if batch else 1
    smallest = min((n - 1) * stride + k for n, k in zip(shape, kernel, strict=True))
    crop = rng.randint(0, (smallest - 1) // 2) if padding else 0
    x, weight = numbers(rng, images, inputs, *shape), numbers(rng, inputs, outputs, *kernel)
    if flat:
        x, weight = x[0, 0], weight[0, 0]
    return call(x, weight, numbers(rng, outputs) if bias else None, stride, crop, gradients=gradients)


def matrix(
    weight: Tensor, height: int, width: int, stride: int = 1, padding: int = 0, about: str = ""
) -> Case:
    """A case of `convolution_matrix`."""
    return Case({"weight": weight, "height": height, "width": width}, _not_default(stride, padding), about)


def random_matrix(
    rng: Random, large: bool, stride: bool = False, padding: bool = False, precise: bool = False
) -> Case:
    kernel = [rng.randint(1, 4 if large else 3) for _ in range(2)]
    height, width = (rng.randint(size, size + (5 if large else 2)) for size in kernel)
    step = rng.randint(2, 4 if large else 3) if stride else 1
    border = rng.randint(0 if stride else 1, 3 if large else 2) if padding else 0
    return matrix((reals if precise else integers)(rng, *kernel), height, width, step, border)


def factor(value: int) -> Case:
    """A case of `bilinear_kernel`."""
    return Case({"factor": value})


def random_even(rng: Random, large: bool) -> Case:
    return factor(2 * rng.randint(1, 8 if large else 4))


def random_odd(rng: Random, large: bool) -> Case:
    return factor(2 * rng.randint(0, 8 if large else 4) + 1)


def _not_default(stride: int, padding: int) -> dict[str, int]:
    return ({"stride": stride} if stride != 1 else {}) | ({"padding": padding} if padding else {})
