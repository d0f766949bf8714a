"""How transposed convolution is misunderstood.

Each mistake is made from the right operator `op` by changing what goes in or what comes out, or is another
PyTorch call. So nothing here shows how the operator itself is written.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..convolutions import (
    axis_mistakes,
    bias_mistakes,
    biased,
    channel_mistakes,
    image_mistakes,
    kernel_mistakes,
)
from ..misunderstanding import Fails, Misunderstanding, Operator, mistake

# What is right, once; several mistakes miss the same idea.
CROPS = (
    "In a transposed convolution padding crops: `padding` rows and columns vanish on each side of the output."
)
STEPS = (
    "Stride is the step between two copies of the kernel in the output; n copies have n - 1 "
    "steps between them."
)
WIDTH = "The last copy of the kernel belongs to the output with its whole width."
ADD_UP = "Where two weighted copies of the kernel meet in the output, both count: they add up."
COPY = "Each input element copies the kernel into the output as it is, multiplied by that element."
PLACE = (
    "The copy of input element (i, j) starts at row i · stride and column j · stride of the uncropped output."
)
STRIDE = "Stride s moves the kernel s elements further in the output for each step in the input."
ZEROS = "Zeros stand between neighbours only, s - 1 of them: so neighbours are s apart."
CHANNELS = (
    "The weight has the shape (C_in, C_out, kH, kW): every input channel has one kernel for every "
    "output channel. "
    "Each output channel is the sum over all input channels."
)
OUTPUT_PADDING = (
    "Output padding is added once, at the end, to choose between the sizes that the stride leaves open."
)
MATRIX = (
    "Row r of the matrix holds the weights with which the flattened input enters element r of "
    "the flattened output."
)
FLATTEN = (
    "`flatten` goes row by row: element (i, j) of an image that is `width` wide stands at i · width + j."
)
UNPADDED = (
    "The matrix acts on the image without its padding: what the kernel reads from the padding "
    "is zero, and drops out."
)
TENT = (
    "The kernel of bilinear upsampling is a tent in each direction; its weights say how near an "
    "output is to an input."
)


# --- The output size --------------------------------------------------------------------------------------

SIZE: list[Misunderstanding] = []


def _off_by(title: str, advice: str, change: Callable[[int, int, int, int, int, int], int]) -> None:
    """A size that is `change(right, n, kernel, stride, padding, output_padding)`."""

    def wrong(op, n, kernel, stride=1, padding=0, output_padding=0):
        right = op(n, kernel, stride=stride, padding=padding, output_padding=output_padding)
        return change(right, n, kernel, stride, padding, output_padding)

    mistake(SIZE, title, advice, "transposed-output-size")(wrong)


_off_by(
    "the size is that of an ordinary convolution",
    "A convolution shrinks its input; its transpose goes the other way, from small to large.",
    lambda y, n, k, s, p, o: (n + 2 * p - k) // s + 1,
)
_off_by("padding makes the output larger", CROPS, lambda y, n, k, s, p, o: y + 4 * p)
_off_by("padding is cropped on one side only", CROPS, lambda y, n, k, s, p, o: y + p)
_off_by("padding is added on one side", CROPS, lambda y, n, k, s, p, o: y + 3 * p)
_off_by("padding is ignored", CROPS, lambda y, n, k, s, p, o: y + 2 * p)
_off_by("padding is cropped twice on each side", CROPS, lambda y, n, k, s, p, o: y - 2 * p)
_off_by("padding is counted in steps of the stride", CROPS, lambda y, n, k, s, p, o: y + 2 * p * (1 - s))
_off_by("the width of the kernel is left out", WIDTH, lambda y, n, k, s, p, o: y - k)
_off_by("the kernel is taken as one element wide", WIDTH, lambda y, n, k, s, p, o: y - k + 1)
_off_by("the size is n · stride, whatever the kernel", WIDTH, lambda y, n, k, s, p, o: y - k + s)
_off_by("the size is n · stride, whatever the kernel and the padding", WIDTH, lambda y, n, k, s, p, o: n * s)
_off_by("there are n steps between n copies", STEPS, lambda y, n, k, s, p, o: y + s)
_off_by("stride is ignored", STEPS, lambda y, n, k, s, p, o: y - (n - 1) * (s - 1))
_off_by(
    "stride divides the size, as in a convolution",
    STEPS,
    lambda y, n, k, s, p, o: (n - 1) // s + k - 2 * p + o,
)
_off_by("stride multiplies the kernel too", STEPS, lambda y, n, k, s, p, o: y + k * (s - 1))
_off_by("zeros are inserted after the last element too", ZEROS, lambda y, n, k, s, p, o: y + s - 1)
_off_by("s zeros are inserted between neighbours instead of s - 1", ZEROS, lambda y, n, k, s, p, o: y + n - 1)
_off_by("output padding is ignored", OUTPUT_PADDING, lambda y, n, k, s, p, o: y - o)
_off_by("output padding is subtracted", OUTPUT_PADDING, lambda y, n, k, s, p, o: y - 2 * o)
_off_by("output padding is added on both sides", OUTPUT_PADDING, lambda y, n, k, s, p, o: y + o)
_off_by(
    "output padding is counted in steps of the stride",
    OUTPUT_PADDING,
    lambda y, n, k, s, p, o: y + o * (s - 1),
)
_off_by("one element too many is counted", WIDTH, lambda y, n, k, s, p, o: y + 1)
_off_by("one element too few is counted", WIDTH, lambda y, n, k, s, p, o: y - 1)


# --- Space: kernel, overlaps, stride, padding -------------------------------------------------------------

SPACE: list[Misunderstanding] = []


@mistake(
    SPACE,
    "the kernel is flipped (turned by 180°)",
    f"{COPY} Only the view by inserted zeros and a direct convolution turns it.",
    "transposed-five-views",
)
def _flipped(op, x, weight, bias=None, stride=1, padding=0):
    return op(x, weight.flip(-1, -2), bias=bias, stride=stride, padding=padding)


def _overwritten(op, x, weight, bias, stride, padding, order, channels):
    """Copies replace what they meet, in the order of the student's loops.

    order     "rows" or "columns" of the input, or positions in the "kernel"; "reversed …": the first stays
    channels  "summed", or only the "last" is left
    """
    if channels == "last":
        x, weight = x[:, -1:], weight[-1:]
    over_kernel = order.endswith("kernel")
    height, width = (weight if over_kernel else x).shape[-2:]
    places = list(itertools.product(range(height), range(width)))
    if order.endswith("columns"):
        places.sort(key=lambda place: place[1])
    if order.startswith("reversed"):
        places.reverse()
    y = torch.zeros_like(op(x, weight, bias=None, stride=stride, padding=padding))
    for i, j in places:
        one = torch.zeros(1, 1, height, width, dtype=x.dtype)
        one[..., i, j] = 1
        copied = (x, weight * one) if over_kernel else (x * one, weight)
        stamped = (torch.ones_like(x[:1, :1]), one) if over_kernel else (one, torch.ones_like(weight[:1, :1]))
        touched = F.conv_transpose2d(*stamped, stride=stride, padding=padding) > 0
        y = torch.where(touched, op(*copied, bias=None, stride=stride, padding=padding), y)
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


def _overwrites(title: str, advice: str, order: str, channels: str) -> None:
    @mistake(SPACE, title, advice, "transposed-overlaps", costly=True)
    def _(op, x, weight, bias=None, stride=1, padding=0):
        return _overwritten(op, x, weight, bias, stride, padding, order, channels)


for _order in ("rows", "kernel", "columns"):
    _overwrites("overlapping copies overwrite each other", ADD_UP, _order, "summed")
for _order in ("rows", "kernel", "columns"):
    _overwrites(
        "copies overwrite each other, those of other input channels too",
        f"{ADD_UP} {CHANNELS}",
        _order,
        "last",
    )
_overwrites("only the first of overlapping copies is kept", ADD_UP, "reversed rows", "summed")


@mistake(SPACE, "overlapping copies are averaged", ADD_UP, "transposed-overlaps")
def _averaged(op, x, weight, bias=None, stride=1, padding=0):
    y = op(x, weight, bias=None, stride=stride, padding=padding)
    y = y / _copies_meeting(x, weight, stride, padding).clamp(min=1)
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


def _copies_meeting(x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    ones = torch.ones_like(x[:1, :1]), torch.ones_like(weight[:1, :1])
    return F.conv_transpose2d(*ones, stride=stride, padding=padding)


def _crops(title: str, change: Callable[[Tensor, int, int], Tensor]) -> None:
    """A wrong crop: `change(y, padding, stride)` of the uncropped output."""

    @mistake(SPACE, title, CROPS, "transposed-padding")
    def _(op, x, weight, bias=None, stride=1, padding=0):
        return change(op(x, weight, bias=bias, stride=stride, padding=0), padding, stride)


_crops("padding adds zeros around the output instead of cropping it", lambda y, p, s: F.pad(y, (p, p, p, p)))


@mistake(SPACE, "padding adds zeros around the output instead of cropping it", CROPS, "transposed-padding")
def _padded_before_bias(op, x, weight, bias=None, stride=1, padding=0):
    y = F.pad(op(x, weight, bias=None, stride=stride, padding=0), (padding,) * 4)
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


_crops("padding is ignored", lambda y, p, s: y)
_crops("only the top and the left are cropped", lambda y, p, s: y[..., p:, p:])
_crops(
    "only the bottom and the right are cropped", lambda y, p, s: y[..., : y.shape[-2] - p, : y.shape[-1] - p]
)
_crops("only rows are cropped", lambda y, p, s: y[..., p : y.shape[-2] - p, :])
_crops("only columns are cropped", lambda y, p, s: y[..., p : y.shape[-1] - p])
_crops(
    "the whole crop is taken from the end",
    lambda y, p, s: y[..., : y.shape[-2] - 2 * p, : y.shape[-1] - 2 * p],
)
_crops("the whole crop is taken from the start", lambda y, p, s: y[..., 2 * p :, 2 * p :])
_crops("half of the padding is cropped on each side", lambda y, p, s: _trim(y, p // 2))
_crops("twice the padding is cropped", lambda y, p, s: _trim(y, 2 * p))
_crops(
    "one row and one column too many are cropped on each side", lambda y, p, s: _trim(y, p + 1 if p else 0)
)
_crops("one row and one column too few are cropped on each side", lambda y, p, s: _trim(y, max(0, p - 1)))
_crops("one row and one column are cropped, whatever the padding", lambda y, p, s: _trim(y, min(p, 1)))
_crops("the crop is counted in steps of the stride", lambda y, p, s: _trim(y, p * s))
_crops("the border is set to zero instead of being cropped", lambda y, p, s: F.pad(_trim(y, p), (p, p, p, p)))
_crops(
    "the crop is `y[p:-p]` and p is 0: `y[0:-0]` is empty",
    lambda y, p, s: y[..., p:-p, p:-p],
)


_crops(
    "the crop ends 2 · padding before the end, and starts at padding too",
    lambda y, p, s: y[..., p : max(p, y.shape[-2] - 2 * p), p : max(p, y.shape[-1] - 2 * p)],
)


def _trim(y: Tensor, amount: int) -> Tensor:
    """`y` without that many rows and columns on each side, never fewer than none."""
    return y[..., amount : max(amount, y.shape[-2] - amount), amount : max(amount, y.shape[-1] - amount)]


@mistake(SPACE, "padding surrounds the input with zeros, as in a convolution", CROPS, "transposed-padding")
def _padded_input(op, x, weight, bias=None, stride=1, padding=0):
    return op(F.pad(x, (padding,) * 4), weight, bias=bias, stride=stride, padding=0)


@mistake(SPACE, "padding crops the input instead of the output", CROPS, "transposed-padding")
def _cropped_input(op, x, weight, bias=None, stride=1, padding=0):
    return op(_trim(x, padding), weight, bias=bias, stride=stride, padding=0)


@mistake(SPACE, "stride is ignored", STRIDE, "transposed-stride")
def _no_stride(op, x, weight, bias=None, stride=1, padding=0):
    return op(x, weight, bias=bias, stride=1, padding=padding)


@mistake(
    SPACE,
    "stride counts for the output's size, but not for the places of the copies",
    STRIDE,
    "transposed-stride",
)
def _places_without_stride(op, x, weight, bias=None, stride=1, padding=0):
    y, right = (op(x, weight, bias=None, stride=s, padding=0) for s in (1, stride))
    y = F.pad(y, (0, right.shape[-1] - y.shape[-1], 0, right.shape[-2] - y.shape[-2]))
    return _trim(y if bias is None else y + bias.reshape(1, -1, 1, 1), padding)


@mistake(SPACE, "stride skips elements of the input", STRIDE, "transposed-stride")
def _stride_in_input(op, x, weight, bias=None, stride=1, padding=0):
    return op(x[..., ::stride, ::stride], weight, bias=bias, stride=1, padding=padding)


@mistake(SPACE, "stride skips elements of the output", STRIDE, "transposed-stride")
def _stride_skips_output(op, x, weight, bias=None, stride=1, padding=0):
    return op(x, weight, bias=bias, stride=1, padding=padding)[..., ::stride, ::stride]


@mistake(SPACE, "stride moves the kernel along rows, but not down columns", STRIDE, "transposed-stride")
def _stride_along_rows(op, x, weight, bias=None, stride=1, padding=0):
    return F.conv_transpose2d(x, weight, bias, stride=(1, stride), padding=padding)


@mistake(SPACE, "stride moves the kernel down columns, but not along rows", STRIDE, "transposed-stride")
def _stride_down_columns(op, x, weight, bias=None, stride=1, padding=0):
    return F.conv_transpose2d(x, weight, bias, stride=(stride, 1), padding=padding)


@mistake(SPACE, "stride is fixed at 2, whatever is asked for", STRIDE, "transposed-stride")
def _stride_two(op, x, weight, bias=None, stride=1, padding=0):
    return op(x, weight, bias=bias, stride=2, padding=padding)


@mistake(SPACE, "s zeros are inserted between neighbours instead of s - 1", ZEROS, "transposed-five-views")
def _too_many_zeros(op, x, weight, bias=None, stride=1, padding=0):
    return op(x, weight, bias=bias, stride=stride + 1, padding=padding)


@mistake(SPACE, "zeros are inserted after the last element too", ZEROS, "transposed-five-views")
def _zeros_at_end(op, x, weight, bias=None, stride=1, padding=0):
    y = F.pad(op(x, weight, bias=None, stride=stride), (0, stride - 1, 0, stride - 1))
    return _trim(y if bias is None else y + bias.reshape(1, -1, 1, 1), padding)


@mistake(SPACE, "each element is repeated instead of being spread by zeros", ZEROS, "transposed-five-views")
def _repeated(op, x, weight, bias=None, stride=1, padding=0):
    x = x.repeat_interleave(stride, -1).repeat_interleave(stride, -2)
    return op(x, weight, bias=bias, stride=1, padding=padding)


@mistake(
    SPACE,
    "a convolution is computed, not its transpose",
    "A convolution gathers: each output is a weighted sum of a window of the input. Its transpose "
    "scatters: each "
    "input element writes a weighted copy of the kernel into the output.",
    "transposed-five-views",
)
def _convolution(op, x, weight, bias=None, stride=1, padding=0):
    room = [n + 2 * padding - k for n, k in zip(x.shape[2:], weight.shape[2:], strict=True)]
    if min(room) < 0:  # PyTorch refuses; a student's loops just do not run
        return x.new_zeros(len(x), weight.shape[1], *(max(0, size // stride + 1) for size in room))
    return F.conv2d(x, weight.transpose(0, 1), bias, stride=stride, padding=padding)


kernel_mistakes(SPACE, COPY, "transposed-overlaps")
axis_mistakes(SPACE, PLACE, "transposed-overlaps")


@mistake(SPACE, "the output is one row and one column too small", WIDTH, "transposed-output-size")
def _too_small(op, x, weight, bias=None, stride=1, padding=0):
    return op(x, weight, bias=bias, stride=stride, padding=padding)[..., :-1, :-1]


@mistake(SPACE, "the output is one row and one column too large", WIDTH, "transposed-output-size")
def _too_large(op, x, weight, bias=None, stride=1, padding=0):
    y = F.pad(op(x, weight, bias=None, stride=stride, padding=padding), (0, 1, 0, 1))
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


@mistake(
    SPACE,
    "there are n steps between n copies: the output is one stride too large",
    STEPS,
    "transposed-output-size",
)
def _a_step_too_large(op, x, weight, bias=None, stride=1, padding=0):
    y = F.pad(op(x, weight, bias=None, stride=stride), (0, stride, 0, stride))
    return _trim(y if bias is None else y + bias.reshape(1, -1, 1, 1), padding)


@mistake(
    SPACE, "the output is n · stride wide and what reaches beyond is lost", WIDTH, "transposed-output-size"
)
def _lost_beyond(op, x, weight, bias=None, stride=1, padding=0):
    height, width = (stride * size for size in x.shape[-2:])
    y = op(x, weight, bias=None, stride=stride)
    y = F.pad(y, (0, max(0, width - y.shape[-1]), 0, max(0, height - y.shape[-2])))[..., :height, :width]
    return _trim(y if bias is None else y + bias.reshape(1, -1, 1, 1), padding)


@mistake(
    SPACE, "the kernel is centred on its position instead of starting there", PLACE, "transposed-overlaps"
)
def _centred(op, x, weight, bias=None, stride=1, padding=0):
    y = op(x, weight, bias=None, stride=stride)
    up, left = (size // 2 for size in weight.shape[-2:])
    y = _trim(F.pad(y[..., up:, left:], (0, left, 0, up)), padding)
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


@mistake(SPACE, "only as much of the output is kept as the input is large", WIDTH, "transposed-output-size")
def _as_large_as_input(op, x, weight, bias=None, stride=1, padding=0):
    return op(x, weight, bias=bias, stride=stride, padding=padding)[..., : x.shape[-2], : x.shape[-1]]


@mistake(
    SPACE, "only the middle of the output is kept, as large as the input", WIDTH, "transposed-output-size"
)
def _middle(op, x, weight, bias=None, stride=1, padding=0):
    y = op(x, weight, bias=bias, stride=stride, padding=padding)
    top, left = (max(0, (a - b) // 2) for a, b in zip(y.shape[-2:], x.shape[-2:], strict=True))
    return y[..., top : top + x.shape[-2], left : left + x.shape[-1]]


_RANGE = "`range(n)` ends at n - 1, the last index of n elements: the loops go over the whole input."


def _input_left_out(title: str, rows: int, columns: int) -> None:
    @mistake(SPACE, title, _RANGE, "transposed-overlaps")
    def _(op, x, weight, bias=None, stride=1, padding=0):
        kept, (height, width) = torch.zeros_like(x), x.shape[-2:]
        kept[..., : height - rows, : width - columns] = x[..., : height - rows, : width - columns]
        return op(kept, weight, bias=bias, stride=stride, padding=padding)


_input_left_out("the last row and the last column of the input are left out", 1, 1)
_input_left_out("the last row of the input is left out", 1, 0)
_input_left_out("the last column of the input is left out", 0, 1)


@mistake(
    SPACE,
    "the row i and the column j are swapped where a copy is written",
    "The first index is the row, the second the column, in the input and in the output.",
    "transposed-overlaps",
    stops=True,
)
def _swapped_writing(op, x, weight, bias=None, stride=1, padding=0):
    """A slice ends at the edge of the output: what is left of it takes no copy that is higher or wider."""
    y = op(x.mT, weight, bias=None, stride=stride, padding=0)
    (height, width), (down, along) = x.shape[-2:], weight.shape[-2:]
    if (width > height and down > 1) or (height > width and along > 1):
        raise Fails("RuntimeError")
    height, width = (height - 1) * stride + down, (width - 1) * stride + along
    y = F.pad(y, (0, max(0, width - y.shape[-1]), 0, max(0, height - y.shape[-2])))[..., :height, :width]
    return _trim(y if bias is None else y + bias.reshape(1, -1, 1, 1), padding)


@mistake(SPACE, "the last row and the last column of the kernel are left out", COPY, "transposed-overlaps")
def _kernel_without_last(op, x, weight, bias=None, stride=1, padding=0):
    kept = torch.zeros_like(weight)
    kept[..., :-1, :-1] = weight[..., :-1, :-1]
    return op(x, kept, bias=bias, stride=stride, padding=padding)


@mistake(
    SPACE, "the kernel is copied without being multiplied by the input element", COPY, "transposed-overlaps"
)
def _unweighted(op, x, weight, bias=None, stride=1, padding=0):
    return op(torch.ones_like(x), weight, bias=bias, stride=stride, padding=padding)


@mistake(SPACE, "the input element is spread without the kernel's weights", COPY, "transposed-overlaps")
def _kernel_of_ones(op, x, weight, bias=None, stride=1, padding=0):
    return op(x, torch.ones_like(weight), bias=bias, stride=stride, padding=padding)


@mistake(SPACE, "nothing is written: the output is zero everywhere", COPY, "transposed-overlaps")
def _zero(op, x, weight, bias=None, stride=1, padding=0):
    return torch.zeros_like(op(x, weight, bias=bias, stride=stride, padding=padding))


# --- Channels, bias, batch --------------------------------------------------------------------------------

CHANNEL: list[Misunderstanding] = []

channel_mistakes(
    CHANNEL,
    CHANNELS,
    "transposed-channels",
    inputs=0,
    swapped="the weight's channel axes are taken as (C_out, C_in), as in a convolution",
    layout="transposed-weight-layout",
)
image_mistakes(CHANNEL, "transposed-channels")
bias_mistakes(CHANNEL, "transposed-bias")
biased(
    CHANNEL,
    "the bias is added once for every copy of the kernel",
    "transposed-bias",
    lambda y, b, x, w, s, p: y + b * _copies_meeting(x, w, s, p),
)
biased(
    CHANNEL,
    "the bias is added once for every copy of the kernel and every input channel",
    "transposed-bias",
    lambda y, b, x, w, s, p: y + b * _copies_meeting(x, w, s, p) * x.shape[1],
)
biased(
    CHANNEL,
    "the bias is added only where a copy of the kernel lies",
    "transposed-bias",
    lambda y, b, x, w, s, p: y + b * (_copies_meeting(x, w, s, p) > 0),
)


# --- The convolution as a matrix --------------------------------------------------------------------------

AS_MATRIX: list[Misunderstanding] = []


@mistake(AS_MATRIX, "the matrix is the transposed one", MATRIX, "transposed-matrix")
def _transposed(op, weight, height, width, stride=1, padding=0):
    return op(weight, height, width, stride=stride, padding=padding).T


@mistake(
    AS_MATRIX,
    "the kernel is flipped (turned by 180°)",
    "The convolution of deep learning does not flip its kernel.",
    "transposed-matrix",
)
def _flipped_in_matrix(op, weight, height, width, stride=1, padding=0):
    return op(weight.flip(0, 1), height, width, stride=stride, padding=padding)


@mistake(AS_MATRIX, "the rows and columns of the kernel are swapped", MATRIX, "transposed-matrix")
def _kernel_swapped_in_matrix(op, weight, height, width, stride=1, padding=0):
    return op(weight.T, height, width, stride=stride, padding=padding)


@mistake(AS_MATRIX, "height and width are swapped", FLATTEN, "transposed-matrix")
def _height_for_width(op, weight, height, width, stride=1, padding=0):
    return op(weight, width, height, stride=stride, padding=padding)


@mistake(AS_MATRIX, "padding is ignored", UNPADDED, "transposed-matrix")
def _padding_ignored(op, weight, height, width, stride=1, padding=0):
    return op(weight, height, width, stride=stride)


@mistake(AS_MATRIX, "the matrix has columns for the padding too", UNPADDED, "transposed-matrix")
def _padded_columns(op, weight, height, width, stride=1, padding=0):
    return op(weight, height + 2 * padding, width + 2 * padding, stride=stride)


@mistake(
    AS_MATRIX,
    "the padding is cut from the image instead of being put around it",
    UNPADDED,
    "transposed-matrix",
)
def _padding_cut(op, weight, height, width, stride=1, padding=0):
    return op(weight, height - 2 * padding, width - 2 * padding, stride=stride)


@mistake(AS_MATRIX, "the image is padded on one side only", UNPADDED, "transposed-matrix")
def _padded_once(op, weight, height, width, stride=1, padding=0):
    matrix = op(weight, height + padding, width + padding, stride=stride)
    return matrix.reshape(-1, height + padding, width + padding)[:, padding:, padding:].flatten(1)


@mistake(
    AS_MATRIX,
    "stride is ignored",
    "With stride s the next row of the matrix moves the kernel s elements.",
    "transposed-matrix",
)
def _stride_ignored(op, weight, height, width, stride=1, padding=0):
    return op(weight, height, width, stride=1, padding=padding)


@mistake(
    AS_MATRIX,
    "the last, incomplete step is counted",
    "Rows and columns that are left over at the end are not read: the size is rounded down.",
    "transposed-matrix",
)
def _rounded_up(op, weight, height, width, stride=1, padding=0):
    down, along = (
        size + -(size + 2 * padding - kernel) % stride
        for size, kernel in zip((height, width), weight.shape, strict=True)
    )
    matrix = op(weight, down, along, stride=stride, padding=padding)
    return matrix.reshape(-1, down, along)[:, :height, :width].flatten(1)


@mistake(
    AS_MATRIX,
    "stride counts for the number of rows, but not for the places that the kernel reads",
    "With stride s the next row of the matrix moves the kernel s elements.",
    "transposed-matrix",
)
def _rows_without_stride(op, weight, height, width, stride=1, padding=0):
    down, along = (
        _places(size, kernel, stride, padding)
        for size, kernel in zip((height, width), weight.shape, strict=True)
    )
    matrix = op(weight, height, width, stride=1, padding=padding)
    matrix = matrix.reshape(_places(height, weight.shape[0], 1, padding), -1, height * width)
    return matrix[:down, :along].flatten(0, 1)


def _numbered(
    title: str,
    advice: str,
    number: Callable[[int, int, int, int], int | None],
    shifted: bool = False,
    stops: bool = False,
) -> None:
    """What the kernel reads at (i, j), in the padding too, goes to column `number(i, j, height, width)`.

    shifted  whether rows and columns are counted from the start of the padding, not of the image
    """

    @mistake(AS_MATRIX, title, advice, "transposed-matrix", stops=stops)
    def _(op, weight, height, width, stride=1, padding=0):
        down, along = height + 2 * padding, width + 2 * padding
        values = op(weight, down, along, stride=stride, padding=0)
        reads = op(torch.ones_like(weight), down, along, stride=stride, padding=0) > 0
        matrix = values.new_zeros(len(values), height * width)
        for place in range(down * along):
            start = 0 if shifted else padding
            column = number(place // along - start, place % along - start, height, width)
            if column is not None:
                if not -height * width <= column < height * width and reads[:, place].any():
                    raise Fails("IndexError", f"with size {height * width}")
                matrix[:, column] = torch.where(reads[:, place], values[:, place], matrix[:, column])
        return matrix


_EDGE = "nothing asks whether the kernel reads the image or the padding around it"
_FORGOTTEN = "the kernel's position is counted from the start of the padding, not from that of the image"
_START = "The image starts `padding` rows and columns after the padded one."
_AROUND = "positions outside the image wrap around to its other side"
_numbered(
    "element (i, j) is taken as number i · height + j",
    "Each row above holds `width` elements: element (i, j) is number i · width + j.",
    lambda i, j, height, width: i * height + j if 0 <= i < height and 0 <= j < width else None,
)
_numbered(_EDGE, UNPADDED, lambda i, j, height, width: i * width + j, stops=True)
_numbered(
    "only the number of the column is kept within the matrix: what the kernel reads beside the image goes to "
    "the neighbouring row",
    f"{UNPADDED} Row and column each have to lie within the image.",
    lambda i, j, height, width: i * width + j if 0 <= i * width + j < height * width else None,
)
_numbered(
    _FORGOTTEN,
    _START,
    lambda i, j, height, width: i * width + j if i < height and j < width else None,
    shifted=True,
)
_numbered(
    _FORGOTTEN,
    _START,
    lambda i, j, height, width: i * width + j if i * width + j < height * width else None,
    shifted=True,
)
_numbered(_AROUND, UNPADDED, lambda i, j, height, width: i % height * width + j % width)
_numbered(_AROUND, UNPADDED, lambda i, j, height, width: (i * width + j) % (height * width))


def _strided(vertical: bool, title: str) -> None:
    @mistake(AS_MATRIX, title, "Stride moves the kernel in both directions.", "transposed-matrix")
    def _(op, weight, height, width, stride=1, padding=0):
        basis = torch.eye(height * width, dtype=weight.dtype).reshape(-1, 1, height, width)
        steps = (stride, 1) if vertical else (1, stride)
        return F.conv2d(basis, weight[None, None], stride=steps, padding=padding).flatten(1).T


_strided(False, "stride moves the kernel along rows, but not down columns")
_strided(True, "stride moves the kernel down columns, but not along rows")


def _by_columns(rows: bool, columns: bool, title: str) -> None:
    @mistake(AS_MATRIX, title, FLATTEN, "transposed-matrix")
    def _(op, weight, height, width, stride=1, padding=0):
        matrix = op(weight, height, width, stride=stride, padding=padding)
        down = _places(height, weight.shape[0], stride, padding)
        matrix = matrix.reshape(down, -1, height, width)
        matrix = matrix.transpose(0, 1) if rows else matrix
        matrix = matrix.transpose(2, 3) if columns else matrix
        return matrix.flatten(2).flatten(0, 1)


@mistake(
    AS_MATRIX,
    "output (r, c) is taken as number r · rows + c",
    "Each row of the output above holds `columns` elements: output (r, c) is number r · columns + c.",
    "transposed-matrix",
    stops=True,
)
def _numbered_by_rows(op, weight, height, width, stride=1, padding=0):
    values = op(weight, height, width, stride=stride, padding=padding)
    reads = op(torch.ones_like(weight), height, width, stride=stride, padding=padding) > 0
    rows = _places(height, weight.shape[0], stride, padding)
    matrix, columns = torch.zeros_like(values), len(values) // rows
    for place in range(len(values)):
        number = place // columns * rows + place % columns
        if number >= len(values) and reads[place].any():
            raise Fails("IndexError", f"with size {len(values)}")
        if number < len(values):
            matrix[number] = torch.where(reads[place], values[place], matrix[number])
    return matrix


def _places(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1


_by_columns(True, True, "images are flattened column by column")
_by_columns(True, False, "the output is flattened column by column")
_by_columns(False, True, "the input is flattened column by column")


@mistake(AS_MATRIX, "the kernel runs over the right edge into the next row", FLATTEN, "transposed-matrix")
def _runs_over(op, weight, height, width, stride=1, padding=0):
    spread = F.pad(weight, (0, width - weight.shape[1])).flatten()[: 1 - width + weight.shape[1] - 1 or None]
    basis = torch.eye(height * width, dtype=weight.dtype)[:, None]
    return F.conv1d(basis, spread[None, None], stride=stride).flatten(1).T


def _starts(height: int, width: int, weight: Tensor, stride: int) -> list[int]:
    down, along = _places(height, weight.shape[0], stride, 0), _places(width, weight.shape[1], stride, 0)
    return [i * stride * width + j * stride for i in range(down) for j in range(along)]


@mistake(AS_MATRIX, "the kernel's rows follow each other without a gap", FLATTEN, "transposed-matrix")
def _without_gaps(op, weight, height, width, stride=1, padding=0):
    matrix = torch.zeros(len(_starts(height, width, weight, stride)), height * width, dtype=weight.dtype)
    for row, start in enumerate(_starts(height, width, weight, stride)):
        matrix[row, start : start + weight.numel()] = weight.flatten()
    return matrix


@mistake(
    AS_MATRIX,
    "the kernel moves by one element per row of the matrix, also at the end of an image row",
    FLATTEN,
    "transposed-matrix",
)
def _one_by_one(op, weight, height, width, stride=1, padding=0):
    matrix = op(weight, height, width, stride=stride, padding=padding)
    return torch.stack([matrix[0].roll(row * stride) for row in range(len(matrix))])


@mistake(
    AS_MATRIX,
    "the matrix is that of a transposed convolution with this kernel",
    "The matrix of the convolution goes from many elements to few; it is its transpose that goes back.",
    "transposed-matrix",
)
def _of_transposed(op, weight, height, width, stride=1, padding=0):
    basis = torch.eye(height * width, dtype=weight.dtype).reshape(-1, 1, height, width)
    return F.conv_transpose2d(basis, weight[None, None], stride=stride, padding=padding).flatten(1).T


@mistake(
    AS_MATRIX,
    "the kernel's weights are left out: there is a 1 for each element that is read",
    MATRIX,
    "transposed-matrix",
)
def _ones_in_matrix(op, weight, height, width, stride=1, padding=0):
    return op(torch.ones_like(weight), height, width, stride=stride, padding=padding)


def _left_out(title: str, first: int, last: int) -> None:
    @mistake(AS_MATRIX, title, "Each output has its row: H_out · W_out of them.", "transposed-matrix")
    def _(op, weight, height, width, stride=1, padding=0):
        matrix = op(weight, height, width, stride=stride, padding=padding)
        return matrix[first : len(matrix) - last]


_left_out("the last row of the matrix is missing", 0, 1)
_left_out("the first row of the matrix is missing", 1, 0)


def _too_few(title: str, rows: int, columns: int) -> None:
    @mistake(
        AS_MATRIX,
        title,
        "Along one axis, the kernel has (size + 2 · padding - kernel) // stride + 1 places.",
        "transposed-matrix",
    )
    def _(op, weight, height, width, stride=1, padding=0):
        matrix = op(weight, height, width, stride=stride, padding=padding)
        places = matrix.reshape(_places(height, weight.shape[0], stride, padding), -1, height * width)
        return places[: len(places) - rows, : places.shape[1] - columns].flatten(0, 1)


_too_few("the kernel's last place is left out along both axes", 1, 1)
_too_few("the kernel's last place from top to bottom is left out", 1, 0)
_too_few("the kernel's last place from left to right is left out", 0, 1)


# --- The transposed convolution by the matrix -------------------------------------------------------------

BY_MATRIX: list[Misunderstanding] = []


@mistake(
    BY_MATRIX,
    "M is multiplied, not its transpose",
    "The matrix M goes from the large image to the small one. Its transpose, with rows and columns "
    "swapped, goes back.",
    "transposed-matrix",
)
def _not_transposed(op, x, weight, stride=1, padding=0):
    """Possible where M is square."""
    y = op(x, weight, stride=stride, padding=padding)
    return F.conv2d(x.reshape(1, 1, *y.shape), weight[None, None], stride=stride, padding=padding).reshape(
        y.shape
    )


@mistake(
    BY_MATRIX,
    "the matrix is inverted instead of being transposed",
    "A transposed convolution gives the size back, not the numbers: it multiplies by the transpose, "
    "which is not the "
    "inverse.",
    "transposed-not-an-inverse",
)
def _inverted(op, x, weight, stride=1, padding=0):
    y = op(x, weight, stride=stride, padding=padding)
    basis = torch.eye(y.numel(), dtype=x.dtype).reshape(-1, 1, *y.shape)
    matrix = F.conv2d(basis, weight[None, None], stride=stride, padding=padding).flatten(1).T
    return (torch.linalg.pinv(matrix) @ x.flatten()).reshape(y.shape)


@mistake(
    BY_MATRIX,
    "padding counts for the size of the result or for the matrix, but not for both",
    "The matrix belongs to the convolution with the same stride and the same padding. The image that it is "
    "built for is the result, which padding has made smaller.",
    "transposed-matrix",
    stops=True,
)
def _matrix_unpadded(op, x, weight, stride=1, padding=0):
    if padding:
        raise Fails("RuntimeError")
    return op(x, weight, stride=stride)


@mistake(
    BY_MATRIX,
    "the matrix is built for the small image, x, instead of the large one",
    "The matrix belongs to the ordinary convolution, which starts from the large image: your result.",
    "transposed-matrix",
    stops=True,
)
def _matrix_of_the_small(op, x, weight, stride=1, padding=0):
    y = op(x, weight, stride=stride, padding=padding)
    if y.shape != x.shape:
        raise Fails("RuntimeError")
    return y


@mistake(
    BY_MATRIX,
    "the matrix is built for the small image, x, and not transposed: this is the convolution",
    "The matrix belongs to the ordinary convolution, which starts from the large image: your result. Its "
    "transpose goes back.",
    "transposed-matrix",
)
def _matrix_of_the_small_forward(op, x, weight, stride=1, padding=0):
    return F.conv2d(x[None, None], weight[None, None], stride=stride, padding=padding)[0, 0]


@mistake(BY_MATRIX, "x is flattened column by column", FLATTEN, "transposed-matrix")
def _flattened_by_columns(op, x, weight, stride=1, padding=0):
    return op(x.T.reshape(x.shape), weight, stride=stride, padding=padding)


@mistake(BY_MATRIX, "the result is read column by column", FLATTEN, "transposed-matrix")
def _read_by_columns(op, x, weight, stride=1, padding=0):
    y = op(x, weight, stride=stride, padding=padding)
    return y.reshape(y.shape[1], y.shape[0]).T


@mistake(BY_MATRIX, "height and width of the result are swapped", FLATTEN, "transposed-matrix")
def _reshaped_wrongly(op, x, weight, stride=1, padding=0):
    y = op(x, weight, stride=stride, padding=padding)
    return y.reshape(y.shape[1], y.shape[0])


@mistake(
    BY_MATRIX,
    "the result is left flat",
    "The last step gives the flat result its rows and columns back.",
    "transposed-matrix",
)
def _left_flat(op, x, weight, stride=1, padding=0):
    return op(x, weight, stride=stride, padding=padding).flatten()


# --- The bilinear kernel ----------------------------------------------------------------------------------

BILINEAR: list[Misunderstanding] = []


def _tent(op: Operator, factor: int) -> Tensor:
    """The right kernel along one axis."""
    kernel = op(factor)
    return kernel.sum(0) / factor


def _bilinear(title: str, change: Callable[[Tensor, Tensor, int], Tensor], advice: str = TENT) -> None:
    """A wrong kernel, `change(right, tent, factor)`; the tent is the right kernel along one axis."""

    @mistake(BILINEAR, title, advice, "transposed-bilinear")
    def _(op, factor):
        return change(op(factor), _tent(op, factor), factor)


def _tent_around(centre: float, size: int, factor: int) -> Tensor:
    """A tent of another size or with another summit."""
    return (1 - (torch.arange(size) - centre).abs() / factor).clamp(min=0)


_SUM = (
    "The weights sum to factor², because each input spreads over that many outputs. Averages "
    "would darken the image."
)
_SUMMIT = (
    "The kernel is 2 · factor wide with its summit between two elements if the factor is even, and "
    "2 · factor - 1 wide with its summit on an element if it is odd."
)

_bilinear("the kernel repeats the nearest input instead of interpolating", lambda k, t, f: torch.ones(f, f))
_bilinear("the kernel repeats the nearest input, at full size", lambda k, t, f: torch.ones_like(k))
_bilinear("the weights are scaled to sum to 1", lambda k, t, f: k / k.sum(), _SUM)
_bilinear("the weights are not divided by the factor", lambda k, t, f: k * f * f, _SUM)
_bilinear("the weights are divided by the factor in one direction only", lambda k, t, f: k * f, _SUM)
_bilinear("the weights are scaled so that the largest is 1", lambda k, t, f: k / k.max(), _SUM)
_bilinear(
    "the kernel is that along one axis only", lambda k, t, f: t, "The kernel is the product of two tents."
)
_bilinear(
    "the two tents are added instead of being multiplied",
    lambda k, t, f: t[:, None] + t,
    "Weights of two axes multiply.",
)
_bilinear(
    "the two tents are averaged instead of being multiplied",
    lambda k, t, f: (t[:, None] + t) / 2,
    "Weights of two axes multiply.",
)
_bilinear(
    "the smaller of the two tents is taken",
    lambda k, t, f: torch.minimum(t[:, None], t),
    "Weights of two axes multiply.",
)
_bilinear(
    "the larger of the two tents is taken",
    lambda k, t, f: torch.maximum(t[:, None], t),
    "Weights of two axes multiply.",
)
_bilinear("the tent is squared", lambda k, t, f: k * k)
_bilinear(
    "the summit is 1 and lies on an element for even factors too",
    lambda k, t, f: _square(_tent_around(f - 1, 2 * f - 1, f)),
    _SUMMIT,
)
_bilinear(
    "the kernel is 2 · factor wide for odd factors too",
    lambda k, t, f: _square(_tent_around(f - 0.5, 2 * f, f)),
    _SUMMIT,
)
_bilinear(
    "the summit lies half an element beside the middle",
    lambda k, t, f: _square(_tent_around((len(t) - 1) / 2 + 0.5, len(t), f)),
    _SUMMIT,
)
_bilinear(
    "the summit lies half an element before the middle",
    lambda k, t, f: _square(_tent_around((len(t) - 1) / 2 - 0.5, len(t), f)),
    _SUMMIT,
)
_bilinear("a border of zeros surrounds the tent", lambda k, t, f: F.pad(k, (1, 1, 1, 1)), _SUMMIT)
_bilinear("a row and a column of zeros follow the tent", lambda k, t, f: F.pad(k, (0, 1, 0, 1)), _SUMMIT)
_bilinear(
    "the kernel is as wide as the factor",
    lambda k, t, f: _square(_tent_around((f - 1) / 2, f, f)),
    "An output lies between two inputs, so each input reaches a whole factor to both sides.",
)
_bilinear(
    "the kernel is factor + 1 wide",
    lambda k, t, f: _square(_tent_around(f / 2, f + 1, f)),
    "An output lies between two inputs, so each input reaches a whole factor to both sides.",
)
_bilinear(
    "the tent falls too slowly: the distance is divided by the kernel's size, not by the factor",
    lambda k, t, f: _square(1 - (torch.arange(len(t)) - (len(t) - 1) / 2).abs() / len(t)),
)
_bilinear(
    "the distance to the summit keeps its sign: before the summit the weights grow beyond 1",
    lambda k, t, f: _square(1 - (torch.arange(len(t)) - (len(t) - 1) / 2) / f),
    "A distance is never negative: the tent falls to both sides.",
)
_bilinear(
    "the tent falls twice as fast",
    lambda k, t, f: _square(_tent_around((len(t) - 1) / 2, len(t), f / 2 or 1)),
)


def _square(tent: Tensor) -> Tensor:
    return tent[:, None] * tent
