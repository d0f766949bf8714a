"""How convolution is misunderstood.

Each mistake is made from the right operator `op` by changing what goes in or what comes out, or is another
PyTorch call. So nothing here shows how the operator itself is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..convolutions import axis_mistakes, bias_mistakes, channel_mistakes, image_mistakes, kernel_mistakes
from ..misunderstanding import Fails, Misunderstanding, Operator, adapted, mistake

# What is right, once; several mistakes miss the same idea.
FLIP = (
    "The convolution of deep learning lays the kernel on the window as it stands (a cross-correlation). "
    "Textbooks of signal processing turn it first."
)
PLACE = "The window of output (i, j) starts at row i · stride and column j · stride of the padded input."
PRODUCT = (
    "Each element of the kernel multiplies the element of the window below it; all of these products add up."
)
SIDES = "Padding puts `padding` rows and columns of zeros on each of the four sides of the input."
ZEROS = "What padding adds is zero."
STRIDE = "With stride s each step in the output moves the window s elements, down as well as along."
DILATION = "Stride moves the window as a whole. Its elements stay neighbours; what spreads them is dilation."
DOWN = "A window has to fit into the padded input. What is left over at the end is not read: round down."
FIRST = "The kernel has n + 2p - k steps of 1 to go. The place where it starts counts as well: one more."
CHANNELS = (
    "The weight has the shape (C_out, C_in, kH, kW): every output channel has one kernel for each input "
    "channel, and is the sum over all of them."
)
POINTWISE = (
    "The matrix (C_out, C_in) multiplies the vector of input channels at each pixel. Pixels do not mix."
)
SQUARE = "A kernel has a height and a width, which need not be equal."
AFTER = (
    "Count the steps first and divide them by the stride. The place where the kernel starts is added after "
    "that."
)
ONE_OF_TWO = (
    "The size follows from the input as it comes and `padding`, or from the padded input and no more "
    "padding. Size and windows have to speak of the same border."
)
BACK = (
    "What brought the channels to where you wanted them has to be undone, step by step, in the opposite "
    "order."
)
MEMORY = (
    "`reshape` reads elements in the order in which the axes stand. Bring the channels to where you want "
    "them (`permute`, `movedim`) before you flatten, and back in the same way."
)
JUMP = (
    "One step in a layer's output is as many input elements long as the strides of this and all earlier "
    "layers multiply to. A layer's kernel steps over its own input, so only earlier strides count for it."
)
WIDEN = "A kernel of k elements sees k - 1 steps beyond the first element."


# --- The output size --------------------------------------------------------------------------------------

SIZE: list[Misunderstanding] = []


def _off_by(title: str, advice: str, change: Callable[[Operator, int, int, int, int], int]) -> None:
    """A size that is `change(op, n, kernel, stride, padding)`."""

    @mistake(SIZE, title, advice, "convolution-output-size")
    def _(op, n, kernel, stride=1, padding=0):
        return change(lambda n, k, s, p: op(n, k, stride=s, padding=p), n, kernel, stride, padding)


_off_by("the first place of the kernel is not counted", FIRST, lambda op, n, k, s, p: op(n, k, s, p) - 1)
_off_by("padding is ignored", SIDES, lambda op, n, k, s, p: op(n, k, s, 0))
_off_by("padding is counted on one side only", SIDES, lambda op, n, k, s, p: op(n + p, k, s, 0))
_off_by("padding is subtracted", SIDES, lambda op, n, k, s, p: (n - 2 * p - k) // s + 1)
_off_by("padding is counted twice on each side", SIDES, lambda op, n, k, s, p: op(n, k, s, 2 * p))
_off_by("stride is ignored", STRIDE, lambda op, n, k, s, p: op(n, k, 1, p))
_off_by(
    "the last, incomplete step is counted: the size is rounded up",
    DOWN,
    lambda op, n, k, s, p: op(n + s - 1, k, s, p),
)
_off_by(
    "the size is rounded to the nearest whole number instead of down",
    DOWN,
    lambda op, n, k, s, p: round((op(n, k, 1, p) - 1) / s) + 1,
)
_off_by(
    "stride divides the input before the kernel is taken off",
    STRIDE,
    lambda op, n, k, s, p: (n + 2 * p) // s - k + 1,
)
_off_by(
    "the 1 is added before stride divides",
    AFTER,
    lambda op, n, k, s, p: op(n, k, 1, p) // s,
)
_off_by(
    "stride divides the kernel alone: there are no parentheses around what it has to divide",
    "The stride divides all of n + 2p - k. Python divides before it adds and subtracts.",
    lambda op, n, k, s, p: n + 2 * p - k // s + 1,
)
_off_by("the size is n / stride, whatever the kernel and the padding", DOWN, lambda op, n, k, s, p: n // s)
_off_by(
    "the size is n / stride, rounded up, whatever the kernel and the padding",
    DOWN,
    lambda op, n, k, s, p: math.ceil(n / s),
)
_off_by(
    "the width of the kernel is left out",
    "The last window ends where the padded input ends, so it starts k - 1 elements earlier.",
    lambda op, n, k, s, p: op(n + k, k, s, p),
)
_off_by(
    "half of the kernel is taken off instead of the whole",
    "The last window ends where the padded input ends, so it starts k - 1 elements earlier.",
    lambda op, n, k, s, p: (n + 2 * p - k // 2) // s + 1,
)
_off_by(
    "the size is that of a transposed convolution",
    "A convolution goes from large to small: stride divides.",
    lambda op, n, k, s, p: (
        F.conv_transpose1d(torch.empty(1, 1, n), torch.empty(1, 1, k), stride=s).shape[-1] - 2 * p
    ),
)
_off_by("one element too many is counted", FIRST, lambda op, n, k, s, p: op(n, k, s, p) + 1)


# --- Space: kernel, window, padding, stride ---------------------------------------------------------------

SPACE: list[Misunderstanding] = []


def _space(title: str, advice: str, section: str, wrong: Callable[..., Tensor], stops: bool = False) -> None:
    """A mistake that no bias takes part in: `wrong(op, x, weight, stride, padding)`, the bias added after."""

    @mistake(SPACE, title, advice, section, stops=stops)
    def _(op, x, weight, bias=None, stride=1, padding=0):
        def unbiased(x, weight, stride=1, padding=0):
            return op(x, weight, bias=None, stride=stride, padding=padding)

        y = wrong(unbiased, x, weight, stride, padding)
        return y if bias is None else y + bias.reshape(1, -1, 1, 1)


_space(
    "the kernel is flipped (turned by 180°)",
    FLIP,
    "convolution-cross-correlation",
    lambda op, x, w, s, p: op(x, w.flip(-1, -2), s, p),
)
kernel_mistakes(SPACE, FLIP, "convolution-example")
axis_mistakes(SPACE, PLACE, "convolution-example")


def _padded(title: str, advice: str, pad: Callable[[Tensor, int], Tensor]) -> None:
    """Another border: `pad(x, padding)`."""
    _space(title, advice, "convolution-padding", lambda op, x, w, s, p: op(pad(x, p), w, s, 0))


def _over_the_edge(op: Operator, x: Tensor, w: Tensor, s: int, rows: int, columns: int) -> Tensor:
    """rows × columns windows, of which the last ones reach over the edges of x, where a slice ends.

    The rest of a window meets the kernel by broadcasting, or not at all.
    """
    sides = []
    for size, kernel, count in zip(x.shape[-2:], w.shape[-2:], (rows, columns), strict=True):
        left = [max(0, min(kernel, size - place * s)) for place in range(count)]
        if any(rest != kernel and rest != 1 and kernel != 1 for rest in left):
            raise Fails("RuntimeError")
        sides.append((max(0, (count - 1) * s + kernel - size), any(rest == 1 < kernel for rest in left)))
    (down, below), (along, right) = sides
    x = F.pad(x, (0, along, 0, 0), mode="replicate" if right else "constant")
    x = F.pad(x, (0, 0, 0, down), mode="replicate" if below else "constant")
    return op(x, w, s, 0)[..., :rows, :columns]


def _counts(x: Tensor, w: Tensor, s: int, p: int) -> tuple[int, int]:
    """Rows and columns of the output."""
    rows, columns = ((n + 2 * p - k) // s + 1 for n, k in zip(x.shape[-2:], w.shape[-2:], strict=True))
    return max(0, rows), max(0, columns)


def _beside_its_size(title: str, pad: Callable[[Tensor, int], Tensor], counted: int) -> None:
    """The input is `pad(x, padding)`, the size counts `counted` times the padding on each side."""

    def wrong(op: Operator, x: Tensor, w: Tensor, s: int, p: int) -> Tensor:
        if not p:
            return op(x, w, s, 0)
        return _over_the_edge(op, pad(x, p), w, s, *_counts(x, w, s, counted * p))

    _space(title, ONE_OF_TWO, "convolution-padding", wrong, stops=True)


_beside_its_size(
    "padding is counted twice: the size is computed from the padded input, with padding once more",
    lambda x, p: F.pad(x, (p,) * 4),
    2,
)
_beside_its_size("the output's size counts the padding, but the input is not padded", lambda x, p: x, 1)
_beside_its_size(
    "the input is padded, but the output's size does not count it", lambda x, p: F.pad(x, (p,) * 4), 0
)
for _title, _pad in {
    "only columns are padded": lambda x, p: F.pad(x, (p, p)),
    "only rows are padded": lambda x, p: F.pad(x, (0, 0, p, p)),
    "only the top and the left are padded": lambda x, p: F.pad(x, (p, 0, p, 0)),
    "only the bottom and the right are padded": lambda x, p: F.pad(x, (0, p, 0, p)),
}.items():
    _beside_its_size(_title, _pad, 1)


def _square(axis: int) -> Callable[..., Tensor]:
    """Windows are as high as wide, by one of the kernel's sizes; they meet the kernel by broadcasting."""

    def wrong(op: Operator, x: Tensor, w: Tensor, s: int, p: int) -> Tensor:
        size, other = w.shape[axis], w.shape[-3 - axis]
        if size != other and 1 not in (size, other):
            raise Fails("RuntimeError")
        if other == 1:
            w = w.expand(*w.shape[:2], size, size)
        elif size == 1:
            w = w.sum((-2, -1), keepdim=True)
        return op(x, w, s, p)

    return wrong


_space(
    "the kernel's height is taken for its width too", SQUARE, "convolution-example", _square(-2), stops=True
)
_space(
    "the kernel's width is taken for its height too", SQUARE, "convolution-example", _square(-1), stops=True
)


def _swapped_reading(op: Operator, x: Tensor, w: Tensor, s: int, p: int) -> Tensor:
    rows, columns = _counts(x, w, s, p)
    return _over_the_edge(op, F.pad(x, (p,) * 4), w, s, columns, rows).mT


_space(
    "the row i and the column j are swapped where a window is read",
    "The first index is the row, the second the column, in the input and in the output.",
    "convolution-example",
    _swapped_reading,
    stops=True,
)
_space(
    "the windows start at every element of the input, those too that reach over its edge",
    "A window has to fit into the padded input. Fewer windows fit than the input has elements.",
    "convolution-output-size",
    lambda op, x, w, s, p: _over_the_edge(op, F.pad(x, (p,) * 4), w, 1, *x.shape[-2:]),
    stops=True,
)


def _unwritten(title: str, rows: int, columns: int) -> None:
    def wrong(op: Operator, x: Tensor, w: Tensor, s: int, p: int) -> Tensor:
        y = op(x, w, s, p)
        kept = torch.zeros_like(y)
        (height, width) = y.shape[-2:]
        kept[..., : height - rows, : width - columns] = y[..., : height - rows, : width - columns]
        return kept

    _space(
        title,
        "`range(n)` ends at n - 1, the last index of n elements: the loops go over the whole output.",
        "convolution-output-size",
        wrong,
    )


_unwritten("the last row and the last column of the output are never written", 1, 1)
_unwritten("the last row of the output is never written", 1, 0)
_unwritten("the last column of the output is never written", 0, 1)
_padded("padding is ignored", SIDES, lambda x, p: x)
_padded("only the top and the left are padded", SIDES, lambda x, p: F.pad(x, (p, 0, p, 0)))
_padded("only the bottom and the right are padded", SIDES, lambda x, p: F.pad(x, (0, p, 0, p)))
_padded("all padding stands at the top and the left", SIDES, lambda x, p: F.pad(x, (2 * p, 0, 2 * p, 0)))
_padded("all padding stands at the bottom and the right", SIDES, lambda x, p: F.pad(x, (0, 2 * p, 0, 2 * p)))
_padded("only rows are padded", SIDES, lambda x, p: F.pad(x, (0, 0, p, p)))
_padded("only columns are padded", SIDES, lambda x, p: F.pad(x, (p, p, 0, 0)))
_padded("half of the padding stands on each side", SIDES, lambda x, p: F.pad(x, (p // 2,) * 4))
_padded("twice the padding stands on each side", SIDES, lambda x, p: F.pad(x, (2 * p,) * 4))
_padded("one row and one column are padded, whatever is asked for", SIDES, lambda x, p: F.pad(x, (1,) * 4))
_padded(
    "one row and one column are padded, however many are asked for",
    SIDES,
    lambda x, p: F.pad(x, (min(p, 1),) * 4),
)
_padded(
    "the border repeats the edge instead of being zero",
    ZEROS,
    lambda x, p: F.pad(x, (p,) * 4, mode="replicate"),
)
_padded(
    "the border mirrors the image instead of being zero",
    ZEROS,
    lambda x, p: F.pad(x, (p,) * 4, mode="reflect"),
)
_padded(
    "the border wraps around to the other side instead of being zero",
    ZEROS,
    lambda x, p: F.pad(x, (p,) * 4, mode="circular"),
)
_padded("the border is filled with ones", ZEROS, lambda x, p: F.pad(x, (p,) * 4, value=1.0))
_padded(
    "padding crops the input, as it would crop a transposed convolution's output",
    SIDES,
    lambda x, p: _trim(x, p),
)


def _trim(y: Tensor, amount: int) -> Tensor:
    return y[..., amount : y.shape[-2] - amount, amount : y.shape[-1] - amount]


_space(
    "zeros are put around the output instead of the input",
    SIDES,
    "convolution-padding",
    lambda op, x, w, s, p: F.pad(op(x, w, s, 0), (p,) * 4),
)
_space(
    "the output is given the size of the input, whatever padding is asked for",
    "The size follows from the padding that is asked for. It stays the same for padding (k - 1) / 2 only.",
    "convolution-padding",
    lambda op, x, w, s, p: op(F.pad(x, _shared_out(w)), w, 1, 0)[..., ::s, ::s],
)
_space(
    "the kernel is centred on its element, with zeros around the image, whatever padding is asked for",
    PLACE,
    "convolution-padding",
    lambda op, x, w, s, p: op(F.pad(x, _halves(w)), w, s, p),
)


def _shared_out(weight: Tensor) -> tuple[int, int, int, int]:
    """k - 1 zeros along each axis, the odd one at the end."""
    height, width = (size - 1 for size in weight.shape[-2:])
    return width // 2, width - width // 2, height // 2, height - height // 2


def _halves(weight: Tensor) -> tuple[int, int, int, int]:
    height, width = (size // 2 for size in weight.shape[-2:])
    return width, width, height, height


_space(
    "the border of the output is left out",
    SIDES,
    "convolution-padding",
    lambda op, x, w, s, p: _trim(op(x, w, s, p), p),
)

_space("stride is ignored", STRIDE, "convolution-stride", lambda op, x, w, s, p: op(x, w, 1, p))


def _strided(title: str, down: bool, along: bool) -> None:
    def wrong(op: Operator, x: Tensor, w: Tensor, s: int, p: int) -> Tensor:
        return op(x, w, 1, p)[..., :: s if down else 1, :: s if along else 1]

    _space(title, STRIDE, "convolution-stride", wrong)


_strided("stride moves the kernel along rows, but not down columns", False, True)
_strided("stride moves the kernel down columns, but not along rows", True, False)
_space(
    "stride spreads the kernel's elements, as dilation does",
    DILATION,
    "convolution-stride",
    lambda op, x, w, s, p: F.conv2d(x, w, padding=p, dilation=s),
)
_space(
    "stride is fixed at 2, whatever is asked for",
    STRIDE,
    "convolution-stride",
    lambda op, x, w, s, p: op(x, w, 2, p),
)
_space(
    "stride is one more than what is asked for",
    STRIDE,
    "convolution-stride",
    lambda op, x, w, s, p: op(x, w, s + 1, p),
)
_space(
    "windows stand side by side: the kernel's size is taken for the stride",
    STRIDE,
    "convolution-stride",
    lambda op, x, w, s, p: F.conv2d(x, w, stride=tuple(w.shape[-2:]), padding=p),
)
_space(
    "stride skips elements of the input before the kernel sees them",
    STRIDE,
    "convolution-stride",
    lambda op, x, w, s, p: op(x[..., ::s, ::s], w, 1, p),
)
_space(
    "stride skips elements of the padded input before the kernel sees them",
    STRIDE,
    "convolution-stride",
    lambda op, x, w, s, p: op(F.pad(x, (p,) * 4)[..., ::s, ::s], w, 1, 0),
)
_space(
    "the first window stands s - 1 elements too far in",
    PLACE,
    "convolution-stride",
    lambda op, x, w, s, p: op(x, w, 1, p)[..., s - 1 :: s, s - 1 :: s],
)


def _first_places(op: Operator, x: Tensor, w: Tensor, s: int, p: int) -> Tensor:
    height, width = op(x, w, s, p).shape[-2:]
    return op(x, w, 1, p)[..., :height, :width]


_space(
    "stride counts for the output's size, but not for the places of the windows",
    STRIDE,
    "convolution-stride",
    _first_places,
)


def _far_apart(op: Operator, x: Tensor, w: Tensor, s: int, p: int) -> Tensor:
    """Results stand at every s-th place of an output that has the size for stride 1."""
    y = torch.zeros_like(op(x, w, 1, p))
    y[..., ::s, ::s] = op(x, w, s, p)
    return y


_space(
    "the output is as large as for stride 1: what the stride skips is left at zero",
    STRIDE,
    "convolution-stride",
    _far_apart,
)


def _rounded_up(op: Operator, x: Tensor, w: Tensor, s: int, p: int) -> Tensor:
    x = F.pad(x, (p,) * 4)
    down, along = (-(n - k) % s for n, k in zip(x.shape[-2:], w.shape[-2:], strict=True))
    return op(F.pad(x, (0, along, 0, down)), w, s, 0)


_space(
    "the size is rounded up: a window that does not fit is counted",
    DOWN,
    "convolution-output-size",
    _rounded_up,
)
_space(
    "the output is one row and one column too small",
    FIRST,
    "convolution-output-size",
    lambda op, x, w, s, p: op(x, w, s, p)[..., :-1, :-1],
)
_space(
    "the output is one row and one column too large",
    FIRST,
    "convolution-output-size",
    lambda op, x, w, s, p: F.pad(op(x, w, s, p), (0, 1, 0, 1)),
)


_space(
    "a transposed convolution is computed",
    "A convolution gathers: each output is a weighted sum of a window of the input. Its transpose scatters.",
    "convolution-example",
    lambda op, x, w, s, p: F.conv_transpose2d(x, w.transpose(0, 1), stride=s, padding=p),
)
_space(
    "the mean of the products is taken instead of their sum",
    PRODUCT,
    "convolution-example",
    lambda op, x, w, s, p: op(x, w, s, p) / w[0, 0].numel(),
)
_space(
    "the mean over the window and the channels is taken instead of the sum",
    PRODUCT,
    "convolution-channels",
    lambda op, x, w, s, p: op(x, w, s, p) / w[0].numel(),
)
_space(
    "window and kernel are multiplied as matrices instead of element by element",
    PRODUCT,
    "convolution-example",
    lambda op, x, w, s, p: op(x, _as_matrix_product(w), s, p),
)
_space(
    "the window's elements are added up without the kernel's weights",
    PRODUCT,
    "convolution-example",
    lambda op, x, w, s, p: op(x, torch.ones_like(w), s, p),
)
_space(
    "products overwrite each other: only the kernel's last element counts",
    PRODUCT,
    "convolution-example",
    lambda op, x, w, s, p: op(x, _only(w, w.shape[-2] - 1, w.shape[-1] - 1), s, p),
)
_space(
    "only the kernel's first element counts",
    PRODUCT,
    "convolution-example",
    lambda op, x, w, s, p: op(x, _only(w, 0, 0), s, p),
)
_space(
    "the last row and the last column of the kernel are left out",
    PRODUCT,
    "convolution-example",
    lambda op, x, w, s, p: op(x, _without_last(w), s, p),
)
_space(
    "the kernel is divided by the sum of its weights",
    PRODUCT,
    "convolution-example",
    lambda op, x, w, s, p: op(x, w / w.sum((-2, -1), keepdim=True), s, p),
)
_space(
    "nothing is written: the output is zero everywhere",
    PRODUCT,
    "convolution-example",
    lambda op, x, w, s, p: torch.zeros_like(op(x, w, s, p)),
)


def _as_matrix_product(weight: Tensor) -> Tensor:
    """The kernel whose convolution is the sum over `window @ weight`; possible where the kernel is square."""
    if weight.shape[-2] != weight.shape[-1]:
        raise ValueError
    return weight.sum(-1)[..., None, :].expand_as(weight)


def _only(weight: Tensor, u: int, v: int) -> Tensor:
    kept = torch.zeros_like(weight)
    kept[..., u, v] = weight[..., u, v]
    return kept


def _without_last(weight: Tensor) -> Tensor:
    kept = torch.zeros_like(weight)
    kept[..., :-1, :-1] = weight[..., :-1, :-1]
    return kept


# --- Channels, bias, batch --------------------------------------------------------------------------------

CHANNEL: list[Misunderstanding] = []

channel_mistakes(
    CHANNEL,
    CHANNELS,
    "convolution-channels",
    inputs=1,
    swapped="the weight's channel axes are taken as (C_in, C_out), as in a transposed convolution",
)
image_mistakes(CHANNEL, "convolution-channels")
bias_mistakes(CHANNEL, "convolution-channels")


@mistake(
    CHANNEL,
    "the bias is added once for every element of the kernel",
    "The bias is added once to each output, when the sum over the window is done.",
    "convolution-channels",
)
def _bias_for_each_element(op, x, weight, bias=None, stride=1, padding=0):
    count = weight[0, 0].numel()
    return op(x, weight, bias=None if bias is None else bias * count, stride=stride, padding=padding)


@mistake(
    CHANNEL,
    "the bias is added once for every product, of each kernel element and each input channel",
    "The bias is added once to each output, when the sum over the window is done.",
    "convolution-channels",
)
def _bias_for_each_product(op, x, weight, bias=None, stride=1, padding=0):
    count = weight[0].numel()
    return op(x, weight, bias=None if bias is None else bias * count, stride=stride, padding=padding)


# --- 1 × 1 convolution ------------------------------------------------------------------------------------

POINT: list[Misunderstanding] = []


def _point(title: str, wrong: Callable[..., Tensor], advice: str = MEMORY) -> None:
    """A wrong order of axes: `wrong(op, x, weight)`, the bias added in front (…, C_out, …) by `op`."""

    @mistake(POINT, title, advice, "convolution-pointwise")
    def _(op, x, weight, bias=None):
        return wrong(lambda x, weight: op(x, weight, bias=bias), x, weight)


def _scrambled(op: Operator, x: Tensor, weight: Tensor) -> Tensor:
    (n, c, h, w), outputs = x.shape, len(weight)
    y = op(x.reshape(n, h, w, c).permute(0, 3, 1, 2), weight)
    return y.permute(0, 2, 3, 1).reshape(n, outputs, h, w)


def _read_wrongly(op: Operator, x: Tensor, weight: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return op(x.reshape(n, h, w, c).permute(0, 3, 1, 2), weight)


def _as_columns(op: Operator, x: Tensor, weight: Tensor) -> Tensor:
    """Images and pixels are mixed: (C_in, N · H · W) by reshape."""
    (n, c, h, w), outputs = x.shape, len(weight)
    y = op(x.reshape(1, c, n * h, w), weight)
    return y.reshape(n, outputs, h, w)


def _joined_right(op: Operator, x: Tensor, weight: Tensor) -> Tensor:
    """(C_in, N · H · W) is right, and the result (C_out, N · H · W) is reshaped without its axes moved."""
    y = op(x, weight)
    return y.transpose(0, 1).reshape(y.shape)


_point("`reshape` is asked to move the channels, which scrambles the pixels", _scrambled)
_point("`reshape` is asked to move the channels, which scrambles the pixels", _read_wrongly)
_point("the images of the batch are mixed by `reshape`", _as_columns)
_point("the result's images and channels are mixed by `reshape`", _joined_right)
_point(
    "the result's channels are still last: (N, H, W, C_out)",
    lambda op, x, w: op(x, w).permute(0, 2, 3, 1),
    BACK,
)
_point(
    "the result's channels are brought back by `reshape`, which scrambles them",
    lambda op, x, w: op(x, w).permute(0, 2, 3, 1).reshape(op(x, w).shape),
)
_point(
    "the result is left flat: (N, C_out, H · W)",
    lambda op, x, w: op(x, w).flatten(2),
    "Height and width, which were made one axis for the product, become two again at the end.",
)
_point(
    "the result is left flat, channels last: (N, H · W, C_out)",
    lambda op, x, w: op(x, w).flatten(2).mT,
    BACK,
)
_point(
    "the result's axes stand in the wrong order: (N, W, H, C_out)",
    lambda op, x, w: op(x, w).permute(0, 3, 2, 1),
    BACK,
)
_point("rows and columns are swapped", lambda op, x, w: op(x, w).mT, BACK)
_point(
    "the matrix is transposed: (C_in, C_out)",
    lambda op, x, w: op(x, w.T),
    "The weight has the shape (C_out, C_in): one row of weights for each output channel.",
)


def _of_matrices(bank: list[Misunderstanding]) -> list[Misunderstanding]:
    """The same mistakes for an operator whose weight is a matrix (C_out, C_in)."""

    def wide(op: Operator) -> Operator:
        return lambda x, weight, bias=None, stride=1, padding=0: op(x, weight[:, :, 0, 0], bias=bias)

    def narrow(op: Operator) -> Operator:
        return lambda x, weight, bias=None: op(x, weight[:, :, None, None], bias=bias)

    return adapted(bank, wide, narrow)


_POINT_CHANNEL: list[Misunderstanding] = []
channel_mistakes(
    _POINT_CHANNEL,
    POINTWISE,
    "convolution-pointwise",
    inputs=1,
    swapped="the matrix is transposed: (C_in, C_out)",
)
image_mistakes(_POINT_CHANNEL, "convolution-pointwise")
bias_mistakes(_POINT_CHANNEL, "convolution-pointwise")
POINT += _of_matrices(_POINT_CHANNEL)


# --- The receptive field ----------------------------------------------------------------------------------

FIELD: list[Misunderstanding] = []
Layers = list[tuple[int, int]]


def _field(title: str, advice: str, wrong: Callable[[Callable[[Layers], int], Layers], Any]) -> None:
    mistake(FIELD, title, advice, "architectures-receptive-field")(wrong)


def _product_of_strides(op: Callable[[Layers], int], layers: Layers) -> int:
    if all(stride == 1 for _, stride in layers):
        raise ValueError  # other mistakes give 1 as well
    return math.prod(stride for _, stride in layers)


def _counting_own_stride(op: Callable[[Layers], int], layers: Layers) -> int:
    """A layer 1 wide takes the step first."""
    return op([part for kernel, stride in layers for part in ((1, stride), (kernel, 1))])


_PAIRS = "Each layer is a pair (kernel, stride), in this order."


def _pairs_swapped(op: Callable[[Layers], int], layers: Layers) -> int:
    if all(stride == 1 for _, stride in layers):
        raise ValueError  # other mistakes give 1 as well
    return op([(stride, kernel) for kernel, stride in layers])


def _stays_1(op: Callable[[Layers], int], layers: Layers) -> int:
    if any(stride != 1 for _, stride in layers):
        raise ValueError
    return 1


_field("kernel and stride of each layer change places", _PAIRS, _pairs_swapped)
_field(
    "the widths of the kernels have no effect: with stride 1 everywhere the result stays 1",
    f"{_PAIRS} A kernel of k elements sees k - 1 steps further, whatever its stride.",
    _stays_1,
)
_field("strides are ignored", JUMP, lambda op, layers: op([(kernel, 1) for kernel, _ in layers]))
_field("a layer's own stride is counted for its own kernel", JUMP, _counting_own_stride)
_field("the layers are taken in the wrong order", JUMP, lambda op, layers: op(layers[::-1]))
_field(
    "strides are added up instead of being multiplied",
    JUMP,
    lambda op, layers: (
        1 + sum((k - 1) * (1 + sum(s - 1 for _, s in layers[:i])) for i, (k, _) in enumerate(layers))
    ),
)
_field(
    "strides are added up, from 0, instead of being multiplied",
    JUMP,
    lambda op, layers: (
        1 + sum((k - 1) * max(1, sum(s for _, s in layers[:i])) for i, (k, _) in enumerate(layers))
    ),
)
_field(
    "only the stride of the layer just before is counted",
    JUMP,
    lambda op, layers: (
        1 + sum((k - 1) * s for (k, _), (_, s) in zip(layers, [(1, 1), *layers], strict=False))
    ),
)
_field(
    "a layer's own stride is counted, and no earlier one",
    JUMP,
    lambda op, layers: 1 + sum((k - 1) * s for k, s in layers),
)
_field(
    "the strides of all layers, later ones too, are counted for each kernel",
    JUMP,
    lambda op, layers: 1 + (op([(k, 1) for k, _ in layers]) - 1) * math.prod(s for _, s in layers),
)
_field(
    "the widths of the kernels are added up, without the stride",
    WIDEN,
    lambda op, layers: sum(k for k, _ in layers),
)
_field(
    "the whole width of each kernel is added, not k - 1",
    WIDEN,
    lambda op, layers: op([(k + 1, s) for k, s in layers]) - 1,
)
_field(
    "the whole width of each kernel is added to the first element, not k - 1",
    WIDEN,
    lambda op, layers: op([(k + 1, s) for k, s in layers]),
)
_field("the first element is not counted", WIDEN, lambda op, layers: op(layers) - 1)
_field("the widths of the kernels are multiplied", WIDEN, lambda op, layers: math.prod(k for k, _ in layers))
_field("widths and strides are multiplied", WIDEN, lambda op, layers: math.prod(k * s for k, s in layers))
_field("the last layer is left out", WIDEN, lambda op, layers: op(layers[:-1]))
_field("the first layer is left out", WIDEN, lambda op, layers: op(layers[1:]))
_field("only the last layer is counted", WIDEN, lambda op, layers: layers[-1][0])
_field("only the first layer is counted", WIDEN, lambda op, layers: layers[0][0])
_field("only the widest kernel is counted", WIDEN, lambda op, layers: max(k for k, _ in layers))
_field(
    "the result is the product of the strides, the step between two outputs",
    JUMP,
    _product_of_strides,
)
_field(
    "the area is returned, not the width along one axis",
    "The receptive field is asked for along one axis.",
    lambda op, layers: op(layers) ** 2,
)
