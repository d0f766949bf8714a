"""The checks of problem set 1, convolution."""

from __future__ import annotations

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
    pointwise,
    random_call,
    random_pointwise,
    random_size,
    random_stack,
    size,
    stack,
)

_PAGE = "convolution.html"


# --- What is right, by PyTorch ----------------------------------------------------------------------------


def _output_size(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    x, weight = torch.empty(1, 1, n, device="meta"), torch.empty(1, 1, kernel, device="meta")
    return F.conv1d(x, weight, stride=stride, padding=padding).shape[-1]


def _single(x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    return F.conv2d(x[None, None], weight[None, None], stride=stride, padding=padding)[0, 0]


def _pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.conv2d(x, weight[:, :, None, None], bias)


def _receptive_field(layers: list[tuple[int, int]]) -> int:
    """What reaches one output, followed back through the layers; the way back is the transpose."""
    seen = torch.empty(1, 1, 1, device="meta")
    for kernel, stride in reversed(layers):
        seen = F.conv_transpose1d(seen, torch.empty(1, 1, kernel, device="meta"), stride=stride)
    return seen.shape[-1]


# --- The tasks --------------------------------------------------------------------------------------------

_SIZE = Task("ps1", "output_size", _output_size, tuple(mistakes.SIZE), RULE, _PAGE, "convolution-output-size")
_SINGLE = Task(
    "ps1",
    "conv2d_single",
    _single,
    tuple(of_one_channel(mistakes.SPACE)),
    RULE,
    _PAGE,
    "convolution-example",
)
_FULL = Task(
    "ps1",
    "conv2d",
    F.conv2d,
    (*mistakes.CHANNEL, *mistakes.SPACE),
    RULE,
    _PAGE,
    "convolution-channels",
)
_POINTWISE = Task(
    "ps1", "pointwise_conv", _pointwise, tuple(mistakes.POINT), RULE, _PAGE, "convolution-pointwise"
)
_FIELD = Task(
    "ps1",
    "receptive_field",
    _receptive_field,
    tuple(mistakes.FIELD),
    RULE,
    "architectures.html",
    "architectures-receptive-field",
)


# --- output_size ------------------------------------------------------------------------------------------

output_size = Check(
    _SIZE,
    "kernel and padding",
    [
        size(4, 3, padding=1, about="the lecture's example: as large as the input"),
        size(6, 3, about="the same without naming the border: 6 inputs, two of them zero"),
        size(3, 3, about="one place only"),
        size(572, 3, about="U-Net's first convolution"),
    ],
    random_size,
)
output_size_stride = Check(
    _SIZE,
    "stride, rounded down",
    [
        size(4, 3, stride=2, padding=1, about="the lecture's example with stride 2"),
        size(5, 2, stride=2, about="one element is left over"),
        size(7, 2, stride=3, about="stride larger than the kernel"),
        size(568, 2, stride=2, about="U-Net's pooling halves"),
    ],
    partial(random_size, stride=True),
)


# --- conv2d_single ----------------------------------------------------------------------------------------

#: Part of the lecture's kernel; turned, mirrored and transposed it gives five different ones.
_corner = KERNEL[1:, :2]

conv2d_single_windows = Check(
    _SINGLE,
    "each output is the weighted sum of its window",
    [
        call(X[:1, :3], torch.tensor([[1.0, 2.0]]), about="one row"),
        call(X[:3, :3], _corner, about="part of the lecture's input and kernel"),
        call(X, KERNEL, about="the lecture's input and kernel, without the border"),
        call(F.pad(X, (1, 1, 1, 1)), KERNEL, about="the lecture's example, 6 × 6"),
        call(X[:2, :3], KERNEL[:2, :3], about="one window"),
    ],
    partial(random_call, flat=True),
)
conv2d_single_padding = Check(
    _SINGLE,
    "padding surrounds the input with zeros",
    [
        call(X[:2, :2], _corner, padding=1, about="part of the lecture's input and kernel"),
        call(X[:2, :2], torch.tensor([[2.0]]), padding=1, about="kernel 1 × 1"),
        call(X, KERNEL, padding=1, about="the lecture's example"),
        call(X[:2, :3], KERNEL[:2, :2], padding=3, about="padding wider than the kernel"),
    ],
    partial(random_call, flat=True, padding=True),
    anchor="convolution-padding",
)
conv2d_single_stride = Check(
    _SINGLE,
    "stride moves the window",
    [
        call(X[:3, :3], torch.tensor([[1.0]]), stride=2, about="kernel 1 × 1"),
        call(X, _corner, stride=2, about="the lecture's input, part of its kernel"),
        call(X[:3, :4], _corner, stride=2, about="a row is left over"),
        call(X, _corner[:1], stride=3, about="stride larger than the kernel"),
    ],
    partial(random_call, flat=True, stride=True),
    anchor="convolution-stride",
)
conv2d_single_dtype = Check(
    _SINGLE,
    "float64 stays float64, and x stays as it was",
    [call(X[:3, :3].double(), _corner.double())],
    partial(random_call, flat=True, precise=True),
    count=6,
    strict=True,
)


# --- conv2d -----------------------------------------------------------------------------------------------

_x, _weight = X[None, None], KERNEL[None, None]
_two_images = torch.stack([X, X_2])[:, None]
_two_inputs, _two_input_kernels = torch.stack([X, X_2])[None], torch.stack([KERNEL, KERNEL_2])[None]
_two_output_kernels = torch.stack([KERNEL, KERNEL_2])[:, None]
_two_and_two_kernels = torch.cat([_two_input_kernels, _two_input_kernels.mT])
_small_x, _small_weight = X[None, None, :3, :3], _weight[..., 1:, :2]
_small_inputs = _two_inputs[..., :3, :3]

conv2d_windows = Check(
    _FULL,
    "each output is the weighted sum of its window, in each image",
    [
        call(_x[..., :1, :3], torch.tensor([[[[1.0, 2.0]]]]), about="one row"),
        call(_small_x, _small_weight, about="one image, one channel"),
        call(_two_images[..., :3, :3], _small_weight, about="two images"),
        call(F.pad(_x, (1, 1, 1, 1)), _weight, about="the lecture's example, 6 × 6"),
    ],
    partial(random_call, batch=True),
)
conv2d_channels = Check(
    _FULL,
    "input channels add up, output channels are stacked",
    [
        call(_small_inputs, _two_input_kernels[..., 1:, :2], about="two input channels"),
        call(_small_x, _two_output_kernels[..., 1:, :2], about="two output channels"),
        call(_small_inputs, _two_and_two_kernels[..., 1:, :2], about="two input and two output channels"),
    ],
    partial(random_call, channels=True),
)
conv2d_bias = Check(
    _FULL,
    "the bias is added once",
    [
        call(_small_x, _small_weight, torch.tensor([10.0]), about="one channel"),
        call(
            _small_inputs,
            torch.cat([_two_and_two_kernels, _two_input_kernels])[..., 1:, :2],
            torch.tensor([10.0, -10.0, 20.0]),
            about="two input and three output channels",
        ),
    ],
    partial(random_call, channels=(2, 3), bias=True, batch=True),
)
conv2d_padding = Check(
    _FULL,
    "padding surrounds the input with zeros",
    [
        call(_x[..., :2, :2], _small_weight, padding=1, about="part of the lecture's input and kernel"),
        call(_x[..., :2, :2], torch.tensor([[[[2.0]]]]), padding=1, about="kernel 1 × 1"),
        call(_x, _weight, padding=1, about="the lecture's example"),
        call(_x[..., :2, :3], _weight[..., :2, :2], padding=3, about="padding wider than the kernel"),
    ],
    partial(random_call, padding=True),
    anchor="convolution-padding",
)
conv2d_stride = Check(
    _FULL,
    "stride moves the window",
    [
        call(_small_x, torch.tensor([[[[1.0]]]]), stride=2, about="kernel 1 × 1"),
        call(_x, _small_weight, stride=2, about="the lecture's input, part of its kernel"),
        call(_x[..., :3, :], _small_weight, stride=2, about="a row is left over"),
        call(_x, _small_weight[..., :1, :], stride=3, about="stride larger than the kernel"),
    ],
    partial(random_call, stride=True),
    anchor="convolution-stride",
)
conv2d_learns = Check(
    _FULL,
    "gradients, dtype and device are kept, and arguments stay as they were",
    [
        call(_small_x, _small_weight, gradients=True, about="gradients by autograd"),
        call(_small_x.double(), _small_weight.double(), about="float64"),
        call(_small_x, _small_weight, torch.tensor([10.0]), gradients=True, about="with a bias"),
        call(_small_x.to("meta"), _small_weight.to("meta"), about="another device"),
    ],
    partial(random_call, channels=(1, 1), bias=True, precise=True, gradients=True),
    count=6,
    strict=True,
)
conv2d_together = Check(
    _FULL,
    "everything together",
    [
        call(_x, _weight, stride=2, padding=1, about="the lecture's example with stride 2"),
        call(_two_inputs, _two_input_kernels, padding=1, about="two input channels"),
    ],
    partial(
        random_call,
        stride=True,
        padding=True,
        channels=True,
        bias=True,
        batch=True,
        precise=None,
        gradients=True,
    ),
)


# --- pointwise_conv ---------------------------------------------------------------------------------------

_matrix = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.0, 1.0]])

pointwise_conv_channels = Check(
    _POINTWISE,
    "the same matrix at every pixel",
    [
        pointwise(_two_inputs[..., :1, :1], _matrix, about="one pixel"),
        pointwise(_two_inputs[..., :1, :2], _matrix[:2], about="two pixels, two output channels"),
        pointwise(_two_inputs[..., :2, :3], _matrix, about="two input and three output channels"),
        pointwise(_two_inputs[..., :2, :3], _matrix[:1], about="one output channel"),
        pointwise(_two_images[..., :2, :2], _matrix[:, 1:], about="two images, one input channel"),
    ],
    partial(random_pointwise, batch=True),
)
pointwise_conv_bias = Check(
    _POINTWISE,
    "the bias is added once",
    [
        pointwise(_two_inputs[..., :1, :2], _matrix, torch.tensor([10.0, -10.0, 20.0])),
        pointwise(_two_images[..., :2, :2], _matrix[:, 1:], torch.tensor([10.0, -10.0, 20.0])),
    ],
    partial(random_pointwise, batch=True, bias=True),
)
pointwise_conv_learns = Check(
    _POINTWISE,
    "gradients, dtype and device are kept, and arguments stay as they were",
    [
        pointwise(_two_inputs[..., :1, :1], _matrix, gradients=True, about="gradients by autograd"),
        pointwise(_two_inputs[..., :1, :1].double(), _matrix.double(), about="float64"),
        pointwise(_two_inputs[..., :1, :1].to("meta"), _matrix.to("meta"), about="another device"),
    ],
    partial(random_pointwise, bias=None, precise=True, gradients=True),
    count=6,
    strict=True,
)


# --- receptive_field --------------------------------------------------------------------------------------

receptive_field = Check(
    _FIELD,
    "stride 1",
    [
        stack((3, 1), about="one layer"),
        stack((3, 1), (3, 1), about="two layers see as much as one kernel 5 wide"),
        stack((1, 1), (3, 1), about="a kernel 1 wide adds nothing"),
        stack(*[(3, 1)] * 10, about="ten layers at full resolution"),
    ],
    random_stack,
)
receptive_field_stride = Check(
    _FIELD,
    "with strides",
    [
        stack((3, 1), (2, 2), about="pooling after a convolution"),
        stack((2, 2), (3, 1), about="a convolution after pooling"),
        stack((2, 2), (2, 2), (3, 1), about="strides multiply"),
        stack((1, 3), (3, 1), about="stride larger than the kernel: from the first element to the last"),
        stack(*[(3, 1), (3, 1), (2, 2)] * 4, (3, 1), (3, 1), about="U-Net's contracting path: 4 times down"),
    ],
    partial(random_stack, stride=True),
)
