"""The cases of problem set 2: the lecture's examples, and random ones."""

from __future__ import annotations

import torch
from torch import Tensor

from ..case import Case, Random, integers, reals
from ..convolutions import call, not_default, random_tensors

#: The lecture's input and kernel, and their second channels.
X = torch.tensor([[1.0, 2, 1, 0], [-1, 1, 0, 1], [0, 2, -2, 1], [1, 1, 2, -1]])
KERNEL = torch.tensor([[1.0, 0, -1], [2, 1, 0], [0, 1, 2]])
X_2 = torch.tensor([[2.0, 1, 0, -1], [0, 1, 2, 2], [1, -2, 1, 2], [0, 2, 1, 1]])
KERNEL_2 = torch.tensor([[2.0, -1, 1], [0, 1, 2], [-2, 0, 1]])


def size(
    n: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0, about: str = ""
) -> Case:
    """A case of `transposed_output_size`; settings at their default are not passed."""
    settings = not_default(stride, padding) | ({"output_padding": output_padding} if output_padding else {})
    return Case({"n": n, "kernel": kernel}, settings, about)


def random_size(rng: Random, large: bool, output_padding: bool = False) -> Case:
    n, kernel = rng.randint(1, 200 if large else 12), rng.randint(1, 11 if large else 5)
    stride = rng.randint(2 if output_padding else 1, 9 if large else 4)
    padding = rng.randint(0, ((n - 1) * stride + kernel - 1) // 2)
    return size(n, kernel, stride, padding, rng.randint(1, stride - 1) if output_padding else 0)


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
    padding   whether there is a crop; the other settings are those of `random_tensors`
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
    smallest = min((n - 1) * stride + k for n, k in zip(shape, kernel, strict=True))
    crop = rng.randint(0, (smallest - 1) // 2) if padding else 0
    tensors = random_tensors(rng, large, shape, kernel, True, channels, bias, batch, flat, precise)
    return call(*tensors, stride, crop, gradients=gradients)


def matrix(
    weight: Tensor, height: int, width: int, stride: int = 1, padding: int = 0, about: str = ""
) -> Case:
    """A case of `convolution_matrix`."""
    return Case({"weight": weight, "height": height, "width": width}, not_default(stride, padding), about)


def random_matrix(
    rng: Random, large: bool, stride: bool = False, padding: bool = False, precise: bool = False
) -> Case:
    smallest = 2 if padding and not large else 1
    kernel = [rng.randint(smallest, 4 if large else 3) for _ in range(2)]
    height, width = (rng.randint(size, size + (5 if large else 2)) for size in kernel)
    step = rng.randint(2, 4 if large else 3) if stride else 1
    widest = 3 if large else min(kernel) - 1  # each window of a case to look at meets the image
    border = rng.randint(0 if stride else 1, widest) if padding else 0
    return matrix((reals if precise else integers)(rng, *kernel), height, width, step, border)


def factor(value: int) -> Case:
    """A case of `bilinear_kernel`."""
    return Case({"factor": value})


def random_even(rng: Random, large: bool) -> Case:
    return factor(2 * rng.randint(1, 8 if large else 4))


def random_odd(rng: Random, large: bool) -> Case:
    return factor(2 * rng.randint(0, 8 if large else 4) + 1)
