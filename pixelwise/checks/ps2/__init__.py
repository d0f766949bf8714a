"""The checks of problem set 2, transposed convolution."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..check import Check, Task
from ..convolutions import RULE, call, of_one_channel
from . import mistakes
from .cases import (
    KERNEL,
    KERNEL_2,
    X_2,
    X,
    factor,
    matrix,
    random_call,
    random_even,
    random_matrix,
    random_odd,
    random_size,
    size,
)

_PAGE = "transposed_convolution.html"

# --- What is right, by PyTorch ----------------------------------------------------------------------------


def _output_size(n: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0) -> int:
    x, weight = torch.empty(1, 1, n, device="meta"), torch.empty(1, 1, kernel, device="meta")
    settings = {"stride": stride, "padding": padding, "output_padding": output_padding}
    return F.conv_transpose1d(x, weight, **settings).shape[-1]


def _single(x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    return F.conv_transpose2d(x[None, None], weight[None, None], stride=stride, padding=padding)[0, 0]


def _matrix(weight: Tensor, height: int, width: int, stride: int = 1, padding: int = 0) -> Tensor:
    """The convolution of each image that is 1 at one place and 0 elsewhere is a column of the matrix."""
    images = torch.eye(height * width, dtype=weight.dtype, device=weight.device).reshape(-1, 1, height, width)
    return F.conv2d(images, weight[None, None], stride=stride, padding=padding).flatten(1).T


def _bilinear(factor: int) -> Tensor:
    """What bilinear interpolation makes of a single 1 among zeros."""
    one = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    one[..., 2, 2] = 1
    image = F.interpolate(one, scale_factor=factor, mode="bilinear", align_corners=False)[0, 0]
    reached = image.sum(0) > 1e-9  # not what rounding leaves
    return image[reached][:, reached].float()


# --- The tasks --------------------------------------------------------------------------------------------

_one_channel = of_one_channel(mistakes.SPACE)

_SIZE = Task(
    "ps2", "transposed_output_size", _output_size, tuple(mistakes.SIZE), RULE, _PAGE, "transposed-output-size"
)
_SINGLE = Task(
    "ps2", "conv_transpose2d_single", _single, tuple(_one_channel), RULE, _PAGE, "transposed-overlaps"
)
_FULL = Task(
    "ps2",
    "conv_transpose2d",
    F.conv_transpose2d,
    (*mistakes.CHANNEL, *mistakes.SPACE),
    RULE,
    _PAGE,
    "transposed-channels",
)
_MATRIX = Task(
    "ps2", "convolution_matrix", _matrix, tuple(mistakes.AS_MATRIX), RULE, _PAGE, "transposed-matrix"
)
_BY_MATRIX = Task(
    "ps2",
    "conv_transpose2d_by_matrix",
    _single,
    (*mistakes.BY_MATRIX, *_one_channel),
    replace(
        RULE,
        own=r"conv_transpose2d(_single|_fast)?",
        reason="Here the transpose of your `convolution_matrix` is to do the work: no convolution that "
        "somebody else wrote, and none of your functions of tasks 2 and 3.",
    ),
    _PAGE,
    "transposed-matrix",
)
_BILINEAR = Task(
    "ps2", "bilinear_kernel", _bilinear, tuple(mistakes.BILINEAR), RULE, _PAGE, "transposed-bilinear"
)


# --- transposed_output_size -------------------------------------------------------------------------------

transposed_output_size = Check(
    _SIZE,
    "kernel, stride and padding",
    [
        size(4, 3, about="the lecture's example"),
        size(4, 3, padding=1, about="the lecture's crop"),
        size(4, 3, stride=2, about="the lecture's stride 2"),
        size(2, 2, stride=4, about="stride larger than the kernel"),
        size(28, 2, stride=2, about="U-Net's upsampling doubles"),
    ],
    random_size,
)
transposed_output_size_output_padding = Check(
    _SIZE,
    "output padding",
    [size(6, 3, 3, 1, extra, about="sizes 16, 17 and 18 all shrink to 6") for extra in (0, 1, 2)],
    partial(random_size, output_padding=True),
    anchor="transposed-output-padding",
)


# --- conv_transpose2d_single ------------------------------------------------------------------------------

#: Part of the lecture's kernel; turned, mirrored and transposed it gives five different ones.
_corner = KERNEL[1:, :2]

conv_transpose2d_single_places = Check(
    _SINGLE,
    "each copy of the kernel has its place",
    [
        call(X[:2, :2], _corner, stride=2, about="part of the lecture's input and kernel"),
        call(X, _corner, stride=2, about="the lecture's input, part of its kernel"),
        call(X[:1, :3], torch.tensor([[2.0]]), stride=3, about="kernel 1 × 1: gaps between the copies"),
        call(X[:2, :3], _corner[:1], stride=3, about="stride larger than the kernel"),
        call(torch.tensor([[3.0]]), KERNEL[:2, :3], about="one element"),
    ],
    partial(random_call, flat=True),
    anchor="transposed-stride",
)
conv_transpose2d_single_overlaps = Check(
    _SINGLE,
    "overlaps add up",
    [
        call(X[:1, :2], torch.tensor([[1.0, 2.0]]), about="one row, two elements"),
        call(X, KERNEL, about="the lecture's example"),
        call(X, KERNEL, stride=2, about="the lecture's stride 2"),
        call(F.pad(X[:2, :2], (1, 1, 1, 1)), KERNEL, stride=2, about="a border of zeros"),
    ],
    partial(random_call, overlap=True, flat=True),
)
conv_transpose2d_single_padding = Check(
    _SINGLE,
    "padding crops",
    [
        call(X[:2, :2], _corner, stride=2, padding=1, about="one row and one column vanish on each side"),
        call(X[:2, :2], _corner, stride=2, about="nothing to crop"),
        call(X[:3, :2], torch.tensor([[2.0]]), stride=3, padding=1, about="stride larger than the kernel"),
        call(X[:3, :3], KERNEL, stride=3, padding=3, about="a large crop"),
    ],
    partial(random_call, flat=True, padding=True),
    anchor="transposed-padding",
)
conv_transpose2d_single_dtype = Check(
    _SINGLE,
    "float64 stays float64, and x stays as it was",
    [call(X[:2, :2].double(), _corner.double(), stride=2)],
    partial(random_call, flat=True, precise=True),
    count=6,
    strict=True,
)


# --- conv_transpose2d -------------------------------------------------------------------------------------

_x, _weight = X[None, None], KERNEL[None, None]
_two_images = torch.stack([X, X_2])[:, None]
_two_inputs, _two_input_kernels = torch.stack([X, X_2])[None], torch.stack([KERNEL, KERNEL_2])[:, None]
_two_output_kernels = torch.stack([KERNEL, KERNEL_2])[None]
_three_output_kernels = torch.cat([_two_output_kernels, _two_output_kernels.mT])[..., 1:, :2][:, [0, 1, 0]]
_small_x, _small_weight = X[None, None, :2, :2], KERNEL[None, None, 1:, :2]

conv_transpose2d_places = Check(
    _FULL,
    "each copy of the kernel has its place, in each image",
    [
        call(_small_x, _small_weight, stride=2, about="one image, one channel"),
        call(_two_images, _small_weight, stride=2, about="two images"),
        call(_x[..., :2, :3], _small_weight[..., :1, :], stride=3, about="stride larger than the kernel"),
    ],
    partial(random_call, batch=True),
    anchor="transposed-stride",
)
conv_transpose2d_overlaps = Check(
    _FULL,
    "overlaps add up",
    [
        call(_x[..., :1, :2], torch.tensor([[[[1.0, 2.0]]]]), about="one row, two elements"),
        call(_x, _weight, about="the lecture's example"),
        call(_x, _weight, stride=2, about="the lecture's stride 2"),
        call(F.pad(_small_x, (1, 1, 1, 1)), _weight, stride=2, about="a border of zeros"),
    ],
    partial(random_call, overlap=True),
    anchor="transposed-overlaps",
)
conv_transpose2d_channels = Check(
    _FULL,
    "input channels add up, output channels are stacked",
    [
        call(
            _two_inputs[..., :2, :2],
            _two_input_kernels[..., 1:, :2],
            stride=2,
            about="part of the lecture's two input channels",
        ),
        call(_small_x, _two_output_kernels[..., 1:, :2], stride=2, about="two output channels"),
        call(
            _two_inputs[..., :2, :2],
            torch.cat([_two_output_kernels, _two_output_kernels.mT])[..., 1:, :2],
            stride=2,
            about="two input and two output channels",
        ),
    ],
    partial(random_call, channels=True),
)
conv_transpose2d_bias = Check(
    _FULL,
    "the bias is added once",
    [
        call(_small_x, _small_weight, torch.tensor([10.0]), stride=2, about="one channel"),
        call(_small_x, _small_weight, torch.tensor([10.0]), stride=3, about="gaps get it too"),
        call(
            _two_inputs[..., :2, :2],
            _three_output_kernels,
            torch.tensor([10.0, -10.0, 20.0]),
            stride=2,
            about="two input and three output channels",
        ),
    ],
    partial(random_call, channels=(2, 3), bias=True, batch=True),
    anchor="transposed-bias",
)
conv_transpose2d_padding = Check(
    _FULL,
    "padding crops",
    [
        call(
            _small_x, _small_weight, stride=2, padding=1, about="one row and one column vanish on each side"
        ),
        call(_small_x, _small_weight, stride=2, about="nothing to crop"),
        call(
            _x[..., :3, :2],
            torch.tensor([[[[2.0]]]]),
            stride=3,
            padding=1,
            about="stride larger than the kernel",
        ),
        call(_x[..., :3, :3], _weight, stride=3, padding=3, about="a large crop"),
    ],
    partial(random_call, padding=True),
    anchor="transposed-padding",
)
conv_transpose2d_learns = Check(
    _FULL,
    "gradients, dtype and device are kept, and arguments stay as they were",
    [
        call(_small_x, _small_weight, stride=2, gradients=True, about="gradients by autograd"),
        call(_small_x.double(), _small_weight.double(), stride=2, about="float64"),
        call(
            _small_x,
            _small_weight,
            torch.tensor([10.0]),
            stride=2,
            gradients=True,
            about="with a bias",
        ),
        call(_small_x.to("meta"), _small_weight.to("meta"), stride=2, about="another device"),
    ],
    partial(random_call, channels=(1, 1), bias=True, precise=True, gradients=True),
    count=6,
    strict=True,
)
conv_transpose2d_together = Check(
    _FULL,
    "everything together",
    [call(_two_inputs, _two_input_kernels, about="the lecture's two input channels")],
    partial(
        random_call,
        overlap=None,
        padding=True,
        channels=True,
        bias=True,
        batch=True,
        precise=None,
        gradients=True,
    ),
)


# --- convolution_matrix -----------------------------------------------------------------------------------

convolution_matrix = Check(
    _MATRIX,
    "stride 1, no padding",
    [
        matrix(torch.tensor([[1.0, 2.0]]), 1, 3, about="one row"),
        matrix(_corner, 3, 3),
        matrix(KERNEL, 4, 4, about="the lecture's kernel"),
        matrix(KERNEL, 3, 5, about="not square"),
    ],
    random_matrix,
)
convolution_matrix_stride = Check(
    _MATRIX,
    "stride",
    [
        matrix(_corner, 4, 4, stride=2),
        matrix(_corner, 3, 3, stride=2, about="a row and a column are left over"),
        matrix(torch.tensor([[2.0]]), 4, 4, stride=3, about="stride larger than the kernel"),
    ],
    partial(random_matrix, stride=True),
)
_without_zeros = torch.tensor([[1.0, 2.0], [3.0, 4.0]])

convolution_matrix_padding = Check(
    _MATRIX,
    "padding",
    [
        matrix(_without_zeros, 1, 2, padding=1, about="one row"),
        matrix(_without_zeros, 2, 2, padding=1),
        matrix(KERNEL, 4, 4, padding=1, about="the lecture's kernel: as large as the input"),
        matrix(KERNEL, 3, 2, stride=2, padding=1, about="with stride"),
    ],
    partial(random_matrix, padding=True),
)
convolution_matrix_dtype = Check(
    _MATRIX,
    "float64 stays float64, and the weight stays as it was",
    [matrix(_corner.double(), 3, 3)],
    partial(random_matrix, stride=True, padding=True, precise=True),
    count=6,
    strict=True,
)

conv_transpose2d_by_matrix = Check(
    _BY_MATRIX,
    "the transposed matrix goes back",
    [
        call(X[:1, :2], torch.tensor([[1.0, 2.0]]), about="one row, two elements"),
        call(X, KERNEL, about="the lecture's example"),
        call(X, KERNEL, padding=1, about="the lecture's crop"),
        call(X, KERNEL, stride=2, about="the lecture's stride 2"),
    ],
    partial(random_call, overlap=None, flat=True, padding=True),
)
conv_transpose2d_by_matrix_dtype = Check(
    _BY_MATRIX,
    "float64 stays float64, and x stays as it was",
    [],
    partial(random_call, overlap=None, flat=True, precise=True),
    count=6,
    strict=True,
)


# --- bilinear_kernel --------------------------------------------------------------------------------------

bilinear_kernel_even = Check(
    _BILINEAR, "even factors", [factor(2), factor(4), factor(6)], random_even, count=0, strict=True
)
bilinear_kernel_odd = Check(
    _BILINEAR, "odd factors", [factor(1), factor(3), factor(5)], random_odd, count=0, strict=True
)
