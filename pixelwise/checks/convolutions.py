"""What the checks of ordinary and of transposed convolutions share: the rule, calls as cases, and mistakes
about the kernel, channels, images and the bias."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from .case import Case, Random, integers, reals
from .misunderstanding import Misunderstanding, Operator, adapted, mistake
from .rules import Rule

RULE = Rule(
    calls=r"(?i)conv(?!ert)|correlate",
    operators=r"conv(?!ert)",
    modules=("scipy", "pixelwise"),
    reason="Convolutions of every kind are what you are to write yourself. `unfold`, `fold`, `pad` "
    "and `einsum` are welcome.",
)

BIAS = "The bias holds one number for each output channel, added once to every element of that channel."
BATCH = "The images of a batch do not touch each other: each is treated as if it were alone."


# --- Cases ------------------------------------------------------------------------------------------------


def not_default(stride: int, padding: int) -> dict[str, int]:
    """The settings that have to be passed."""
    return ({"stride": stride} if stride != 1 else {}) | ({"padding": padding} if padding else {})


def call(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    about: str = "",
    gradients: bool = False,
) -> Case:
    """A case of a convolution of either kind; settings at their default are not passed."""
    settings = ({} if bias is None else {"bias": bias}) | not_default(stride, padding)
    return Case({"x": x, "weight": weight}, settings, about, gradients)


def random_tensors(
    rng: Random,
    large: bool,
    shape: Sequence[int],
    kernel: Sequence[int],
    inputs_first: bool,
    channels: bool | tuple[int, int] = False,
    bias: bool = False,
    batch: bool = False,
    flat: bool = False,
    precise: bool | None = False,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Random x, weight and bias for images of `shape` and kernels of the size `kernel`.

    inputs_first  whether the weight is (C_in, C_out, kH, kW), as for a transposed convolution
    channels  whether there are several input channels; output channels come with them; or how many of both
    flat      whether x is (H, W) and the weight (kH, kW)
    precise   whether the numbers are real and float64, not small and whole; None: either
    """
    if precise is None:
        precise = rng.random() < 0.5
    numbers = reals if precise else integers
    if isinstance(channels, tuple):
        inputs, outputs = channels
    else:
        inputs = rng.randint(2, 4 if large else 3) if channels else 1
        outputs = rng.randint(1, 4 if large else 3) if channels or bias else 1
    images = rng.randint(2, 3) if batch else 1
    axes = (inputs, outputs) if inputs_first else (outputs, inputs)
    x, weight = numbers(rng, images, inputs, *shape), numbers(rng, *axes, *kernel)
    if flat:
        x, weight = x[0, 0], weight[0, 0]
    return x, weight, numbers(rng, outputs) if bias else None


# --- Mistakes ---------------------------------------------------------------------------------------------


def kernel_mistakes(bank: list[Misunderstanding], advice: str, section: str) -> None:
    """The kernel is laid down in another way than it stands."""
    axes = "In an image and in a kernel alike, the first index counts rows from the top, the second columns."
    _with_kernel(bank, "the rows and columns of the kernel are swapped", axes, section, lambda w: w.mT)
    for title, change in {
        "the kernel is mirrored left to right": lambda w: w.flip(-1),
        "the kernel is mirrored top to bottom": lambda w: w.flip(-2),
        "the kernel is turned by 90°": lambda w: w.rot90(1, (-2, -1)),
    }.items():
        _with_kernel(bank, title, advice, section, change)


def _with_kernel(
    bank: list[Misunderstanding], title: str, advice: str, section: str, change: Callable[[Tensor], Tensor]
) -> None:
    @mistake(bank, title, advice, section)
    def _(op, x, weight, bias=None, stride=1, padding=0):
        return op(x, change(weight), bias=bias, stride=stride, padding=padding)


def axis_mistakes(bank: list[Misunderstanding], advice: str, section: str) -> None:
    """Rows and columns of the input or the output are swapped."""

    @mistake(bank, "the rows and columns of the input are swapped", advice, section)
    def _(op, x, weight, bias=None, stride=1, padding=0):
        return op(x.mT, weight, bias=bias, stride=stride, padding=padding)

    @mistake(bank, "the rows and columns of the output are swapped", advice, section)
    def _(op, x, weight, bias=None, stride=1, padding=0):
        return op(x, weight, bias=bias, stride=stride, padding=padding).mT


def channel_mistakes(
    bank: list[Misunderstanding], advice: str, section: str, inputs: int, swapped: str, layout: str = ""
) -> None:
    """Channels go astray.

    inputs   the weight's axis of input channels: 1 for a convolution, 0 for a transposed one
    swapped  the title of the mistake that takes one channel axis for the other
    layout   where the book explains the order of the weight's axes, if not in `section`
    """
    outputs = 1 - inputs

    def put(title: str) -> Callable[[Callable], Callable]:
        about_layout = title == swapped or "channel axes" in title
        return mistake(bank, title, advice, layout if layout and about_layout else section)

    def first(weight: Tensor, axis: int) -> Tensor:
        return weight.narrow(axis, 0, 1)

    def last(weight: Tensor, axis: int) -> Tensor:
        return weight.narrow(axis, weight.shape[axis] - 1, 1)

    @put(swapped)
    def _(op, x, weight, bias=None, stride=1, padding=0):
        return op(x, weight.transpose(0, 1), bias=bias, stride=stride, padding=padding)

    def all_the_same(broadcast: bool) -> None:
        """Where the swapped axes do not fit, one channel is broadcast, or those too many are left out."""

        @put(swapped)
        def _(op, x, weight, bias=None, stride=1, padding=0):
            weight = weight.transpose(0, 1)
            most, least = (pick(x.shape[1], weight.shape[inputs]) for pick in (max, min))
            if broadcast:
                shape = list(weight.shape)
                shape[inputs] = most
                x, weight = x.expand(-1, most, -1, -1), weight.expand(shape)
            else:
                x, weight = x[:, :least], weight.narrow(inputs, 0, least)
            y = op(x, weight, bias=None, stride=stride, padding=padding)
            return y if bias is None else y + bias.reshape(1, -1, 1, 1)

    all_the_same(broadcast=True)
    all_the_same(broadcast=False)

    @put("the weight's channel axes are reshaped instead of being transposed")
    def _(op, x, weight, bias=None, stride=1, padding=0):
        one, other = weight.shape[:2]
        weight = weight.reshape(other, one, *weight.shape[2:]).transpose(0, 1)
        return op(x, weight, bias=bias, stride=stride, padding=padding)

    @put("only the first input channel counts")
    def _(op, x, weight, bias=None, stride=1, padding=0):
        return op(x[:, :1], first(weight, inputs), bias=bias, stride=stride, padding=padding)

    @put("input channels overwrite each other: only the last one counts")
    def _(op, x, weight, bias=None, stride=1, padding=0):
        return op(x[:, -1:], last(weight, inputs), bias=bias, stride=stride, padding=padding)

    @put("input channels are averaged instead of being summed")
    def _(op, x, weight, bias=None, stride=1, padding=0):
        return op(x / x.shape[1], weight, bias=bias, stride=stride, padding=padding)

    @put("input channels are summed before each meets its own kernel")
    def _(op, x, weight, bias=None, stride=1, padding=0):
        return op(x.sum(1, keepdim=True), first(weight, inputs), bias=bias, stride=stride, padding=padding)

    @put("every input channel uses the kernel of the first")
    def _(op, x, weight, bias=None, stride=1, padding=0):
        shared = first(weight, inputs).expand_as(weight)
        return op(x, shared, bias=bias, stride=stride, padding=padding)

    @put("every output channel uses the kernels of the first")
    def _(op, x, weight, bias=None, stride=1, padding=0):
        shared = first(weight, outputs).expand_as(weight)
        return op(x, shared, bias=bias, stride=stride, padding=padding)

    @put("every output channel uses the kernels of the last")
    def _(op, x, weight, bias=None, stride=1, padding=0):
        shared = last(weight, outputs).expand_as(weight)
        return op(x, shared, bias=bias, stride=stride, padding=padding)

    @put("all output channels are summed into one")
    def _(op, x, weight, bias=None, stride=1, padding=0):
        return op(x, weight, bias=bias, stride=stride, padding=padding).sum(1, keepdim=True)

    @put("channel c of the output uses channel c of the input alone")
    def _(op, x, weight, bias=None, stride=1, padding=0):
        eye = torch.eye(*weight.shape[:2], dtype=weight.dtype)[:, :, None, None]
        return op(x, weight * eye, bias=bias, stride=stride, padding=padding)


def image_mistakes(bank: list[Misunderstanding], section: str) -> None:
    """The images of a batch touch each other."""

    @mistake(bank, "the images of the batch are added up", BATCH, section)
    def _(op, x, weight, bias=None, stride=1, padding=0):
        y = op(x.sum(0, keepdim=True), weight, bias=bias, stride=stride, padding=padding)
        return y.repeat(len(x), 1, 1, 1)

    @mistake(bank, "every image of the batch gets the result of the first", BATCH, section)
    def _(op, x, weight, bias=None, stride=1, padding=0):
        return op(x[:1].expand_as(x), weight, bias=bias, stride=stride, padding=padding)

    @mistake(bank, "every image of the batch gets the result of the last", BATCH, section)
    def _(op, x, weight, bias=None, stride=1, padding=0):
        return op(x[-1:].expand_as(x), weight, bias=bias, stride=stride, padding=padding)

    @mistake(bank, "only the first image of the batch is worked on, the others stay zero", BATCH, section)
    def _(op, x, weight, bias=None, stride=1, padding=0):
        y = op(x, weight, bias=bias, stride=stride, padding=padding)
        return torch.cat([y[:1], torch.zeros_like(y[1:])])

    @mistake(bank, "only the first image of the batch is returned", BATCH, section)
    def _(op, x, weight, bias=None, stride=1, padding=0):
        return op(x[:1], weight, bias=bias, stride=stride, padding=padding)


def biased(
    bank: list[Misunderstanding],
    title: str,
    section: str,
    change: Callable[[Tensor, Tensor, Tensor, Tensor, int, int], Tensor],
) -> None:
    """A wrong bias: `change(y, bias, x, weight, stride, padding)`, y without one, bias (1, C_out, 1, 1)."""

    @mistake(bank, title, BIAS, section)
    def _(op, x, weight, bias=None, stride=1, padding=0):
        y = op(x, weight, bias=None, stride=stride, padding=padding)
        return y if bias is None else change(y, bias.reshape(1, -1, 1, 1), x, weight, stride, padding)


def bias_mistakes(bank: list[Misunderstanding], section: str) -> None:
    """The bias goes astray, whatever kind of convolution it belongs to."""
    for title, change in {
        "the bias is ignored": lambda y, b, x, w, s, p: y,
        "the bias is added once for every input channel": lambda y, b, x, w, s, p: y + b * x.shape[1],
        "the bias is added twice": lambda y, b, x, w, s, p: y + 2 * b,
        "the bias is added once for every image of the batch": lambda y, b, x, w, s, p: y + b * len(x),
        "the bias is subtracted": lambda y, b, x, w, s, p: y - b,
        "the bias multiplies the result": lambda y, b, x, w, s, p: y * b,
        "every channel gets the bias of the first": lambda y, b, x, w, s, p: y + b[:, :1],
        "every channel gets the bias of the last": lambda y, b, x, w, s, p: y + b[:, -1:],
        "every channel gets the sum of all biases": lambda y, b, x, w, s, p: y + b.sum(),
        "every channel gets the mean of all biases": lambda y, b, x, w, s, p: y + b.mean(),
        "the bias is spread along the columns instead of the channels": lambda y, b, x, w, s, p: (
            y + b.flatten()
        ),
        "the bias is spread along the rows instead of the channels": lambda y, b, x, w, s, p: (
            y + b.reshape(1, 1, -1, 1)
        ),
        "the bias is spread over the images instead of the channels": lambda y, b, x, w, s, p: (
            y + b.reshape(-1, 1, 1, 1)
        ),
    }.items():
        biased(bank, title, section, change)

    @mistake(bank, "the bias is added to the input instead of the output", BIAS, section)
    def _(op, x, weight, bias=None, stride=1, padding=0):
        x = x if bias is None else x + bias.reshape(1, -1, 1, 1)
        return op(x, weight, bias=None, stride=stride, padding=padding)


def of_one_channel(bank: Iterable[Misunderstanding]) -> list[Misunderstanding]:
    """The same mistakes for an operator on (H, W) and (kH, kW), without a bias."""

    def wide(op: Operator) -> Operator:
        def four(x, weight, bias=None, stride=1, padding=0):
            return op(x[0, 0], weight[0, 0], stride=stride, padding=padding)[None, None]

        return four

    def narrow(op: Operator) -> Operator:
        return lambda x, weight, stride=1, padding=0: op(
            x[None, None], weight[None, None], stride=stride, padding=padding
        )[0, 0]

    return adapted(bank, wide, narrow)
