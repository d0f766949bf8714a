"""How the U-Net is misunderstood: its parts as other designs of them, its sizes as other readings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..misunderstanding import Misunderstanding, mistake
from ..modules import Count
from .given import Reading
from .networks import Net, Plan, cropped

# What is right, once; several mistakes miss the same idea.
PAIR = "Each level has two 3 × 3 convolutions, and each of the two is followed by a ReLU."
WIDEN = "The first convolution of a pair brings the new number of channels, the second keeps it."
PADDING = "`padding` belongs to both convolutions: 0 takes a row off every side, 1 keeps the size."
REACHED = "`padding` is that of all 3 × 3 convolutions: on the way down, at the bottom and on the way up."
CENTRE = (
    "The map from below has lost the same number of rows at both ends. Only the centre of the copy "
    "shows the same pixels."
)
JOIN = (
    "The copy and the map from below keep their own channels: they are stacked, and the next "
    "convolution reads both."
)
ORDER = (
    "The copied features come first. The shapes are the same either way, but the weights behind the "
    "join are not."
)
UP = (
    "The way up has weights of its own: a transposed 2 × 2 convolution with stride 2, from the "
    "channels below to those of this level, and no ReLU behind it."
)
COPY = "What is copied is the map behind the two convolutions of its level, before the pooling."
DOUBLE = "Behind every pooling there are twice the channels, and half of them again on the way up."
DEPTH = "`depth` counts the poolings. Behind the last one stand the two convolutions of the bottom."
POOL = "Max pooling 2 × 2 halves the map, without weights."
HEAD = (
    "The head is a 1 × 1 convolution from base_channels to num_classes. Scores may have any sign: what "
    "makes probabilities of them belongs to the loss."
)
PLAIN = "The layers are plain: convolutions with a bias, and no normalisation."
ORDERS = "The way up meets the levels in reverse order: the last map that was kept is the first one needed."
CHANNELS = (
    "In (N, C, H, W), axis 1 has the channels. Both maps have the same N, H and W, and the pair behind the "
    "join reads the channels of both."
)
CROPPED = (
    "The copy is larger than the map from below wherever convolutions have no padding, and maps of "
    "different sizes cannot be stacked."
)
LEARN = "The copy path carries gradients back as well: the early layers learn through it."


def _designs(*rows: tuple[str, str, str, dict[str, Any]]) -> list[Misunderstanding]:
    """(title, advice, section, what is different about the design); all but slow to try in pairs."""
    return [
        Misunderstanding(title, advice, lambda plan, new=new: plan.but(**new), section, costly=True)
        for title, advice, section, new in rows
    ]


def _impossible(plan: Any) -> Any:
    """What is seen when the module is built, and not by its results."""

    def build(**settings: Any) -> Any:
        raise TypeError("no results")

    return build


UNREGISTERED = Misunderstanding(
    "layers are held where PyTorch does not look for them",
    "PyTorch finds the parameters of layers that are attributes of the module, and it does not look into "
    "Python's lists and dictionaries. `torch.nn.ModuleList` is a list that it does look into, and "
    "`torch.nn.Sequential` another. What it does not find, no training would change.",
    _impossible,
    "unet-code",
    costly=True,
)

# --- DoubleConv -------------------------------------------------------------------------------------------

PAIRS = _designs(
    ("no ReLU follows the second convolution", PAIR, "unet-code", {"relus": (True, False)}),
    ("no ReLU stands between the two convolutions", PAIR, "unet-code", {"relus": (False, True)}),
    ("there is no ReLU at all", PAIR, "unet-code", {"relus": (False, False)}),
    ("a ReLU stands before the first convolution, too", PAIR, "unet-code", {"relu_before": True}),
    (
        "the ReLUs stand before the convolutions, not behind them",
        PAIR,
        "unet-code",
        {"relu_before": True, "relus": (True, False)},
    ),
    ("there is one convolution instead of two", PAIR, "unet-code", {"relus": (True,)}),
    ("there is one convolution, without a ReLU", PAIR, "unet-code", {"relus": (False,)}),
    ("there are three convolutions instead of two", PAIR, "unet-code", {"relus": (True, True, True)}),
    ("the second convolution brings the new channels, not the first", WIDEN, "unet-code", {"late": True}),
    ("`padding` is ignored and the convolutions are valid", PADDING, "unet-padded", {"padding": 0}),
    ("`padding` is ignored and the convolutions are padded", PADDING, "unet-padded", {"padding": 1}),
    ("only the first convolution of a pair is padded", PADDING, "unet-padded", {"padded": (True, False)}),
    ("only the second convolution of a pair is padded", PADDING, "unet-padded", {"padded": (False, True)}),
    ("the convolutions are 5 × 5", PAIR, "unet-code", {"kernel": 5}),
    ("the convolutions are 1 × 1", PAIR, "unet-code", {"kernel": 1}),
    ("batch norm stands behind the convolutions", PLAIN, "unet-batch-norm", {"norm": "before ReLU"}),
    ("batch norm stands behind the ReLUs", PLAIN, "unet-batch-norm", {"norm": "behind ReLU"}),
    (
        "batch norm stands behind the convolutions, which have no bias",
        PLAIN,
        "unet-batch-norm",
        {"norm": "before ReLU", "bias": False},
    ),
    ("the convolutions have no bias", PLAIN, "unet-parameters", {"bias": False}),
    ("rows and columns of the result are swapped", PAIR, "unet-code", {"out": "swapped"}),
)

# --- UpBlock ----------------------------------------------------------------------------------------------

LEVELS = _designs(
    (
        "the copied features are joined behind the others, not before them",
        ORDER,
        "unet-copy-paths",
        {"join": "copied last"},
    ),
    ("copied features are added instead of being concatenated", JOIN, "unet-copy-paths", {"join": "added"}),
    ("the copied features are not used", JOIN, "unet-copy-paths", {"join": "nothing"}),
    ("the top left corner of the copy is cropped, not its centre", CENTRE, "unet-crop", {"crop": "top left"}),
    (
        "the bottom right corner of the copy is cropped, not its centre",
        CENTRE,
        "unet-crop",
        {"crop": "bottom right"},
    ),
    ("the copy is not cropped", CROPPED, "unet-crop", {"crop": "nothing"}),
    ("the copy is resized instead of being cropped", CENTRE, "unet-crop", {"crop": "resized"}),
    ("the copy is resized to the nearest values, not cropped", CENTRE, "unet-crop", {"crop": "nearest"}),
    ("the map from below is padded to the size of the copy", CENTRE, "unet-crop", {"crop": "enlarged"}),
    ("columns are cropped by what belongs to rows", CENTRE, "unet-crop", {"crop": "rows for both"}),
    ("rows are cropped by what belongs to columns", CENTRE, "unet-crop", {"crop": "columns for both"}),
    *(
        (
            f"the copy and the map from below are joined along {what}, not along the channels",
            CHANNELS,
            "unet-copy-paths",
            {"join": f"along {axis}", "pair_reads": "twice"},
        )
        for axis, what in ((0, "the images of the batch"), (2, "the rows"), (3, "the columns"))
    ),
    ("the up-convolution has no bias", UP, "unet-parameters", {"up_bias": False}),
    ("the up-convolution has stride 1", UP, "unet-build", {"up": "stride 1"}),
    *(
        (
            f"the way up only {what}, without weights",
            UP,
            "unet-build",
            {"up": f"{how} alone", "pair_reads": reads},
        )
        for how, what in (("nearest", "repeats values"), ("bilinear", "interpolates"))
        for reads in ("what comes", "twice")
    ),
    ("a ReLU follows the up-convolution", UP, "unet-build", {"up_relu": True}),
    ("the up-convolution has a 3 × 3 kernel", UP, "unet-build", {"up": "3 × 3"}),
    ("the way up is bilinear interpolation and a 1 × 1 convolution", UP, "unet-build", {"up": "bilinear"}),
    ("the way up repeats the nearest value and has a 1 × 1 convolution", UP, "unet-build", {"up": "nearest"}),
    ("no gradient passes the copy path", LEARN, "unet-copy-paths", {"copied": "detached"}),
)

# --- UNet -------------------------------------------------------------------------------------------------

NETWORKS = _designs(
    ("a ReLU follows the head", HEAD, "unet-head", {"head": "ReLU"}),
    ("a softmax follows the head", HEAD, "unet-head", {"head": "softmax"}),
    ("a sigmoid follows the head", HEAD, "unet-head", {"head": "sigmoid"}),
    ("the head is missing", HEAD, "unet-head", {"head": "missing"}),
    ("the head is a 3 × 3 convolution", HEAD, "unet-head", {"head": "3 × 3"}),
    ("the channels are not doubled from level to level", DOUBLE, "unet-build", {"doubled": False}),
    ("there is a pooling too few", DEPTH, "unet-build", {"deeper": -1}),
    ("there is a pooling too many", DEPTH, "unet-build", {"deeper": 1}),
    ("the bottom has no convolutions", DEPTH, "unet-build", {"bottom": False}),
    (
        "the copies are taken before the convolutions of their level",
        COPY,
        "unet-copy-paths",
        {"source": "before convolutions"},
    ),
    ("the pooled maps are copied", COPY, "unet-copy-paths", {"source": "pooled"}),
    ("the first copy made is the first one used", ORDERS, "unet-copy-paths", {"order": "queue"}),
    ("the bottom is pooled, too", DEPTH, "unet-build", {"pooled_on": True}),
    ("the pooling has stride 1", POOL, "unet-build", {"pool": "step 1"}),
    *(
        (f"`padding` does not reach {where}", REACHED, "unet-padded", {"reached": reached})
        for where, reached in (
            ("the way up", ("down", "bottom")),
            ("the way down", ("up",)),
            ("the levels of the way down", ("bottom", "up")),
            ("the bottom", ("down", "up")),
        )
    ),
    ("the pooling takes averages", POOL, "unet-build", {"pool": "average"}),
    ("convolutions with stride 2 stand in for the poolings", POOL, "unet-build", {"pool": "stride"}),
)

# --- center_crop ------------------------------------------------------------------------------------------

CROP: list[Misunderstanding] = []


def _crop(title: str, wrong: Callable[[Tensor, int, int], Tensor], advice: str = CENTRE) -> None:
    mistake(CROP, title, advice, "unet-crop")(lambda op, x, height, width: wrong(x, height, width))


def _cut(x: Tensor, height: int, width: int) -> tuple[int, int]:
    return x.shape[-2] - height, x.shape[-1] - width


def _cut_twice(x: Tensor, height: int, width: int) -> Tensor:
    rows, columns = _cut(x, height, width)
    return x[..., rows : max(rows, height), columns : max(columns, width)]


def _slices_from_the_end(x: Tensor, height: int, width: int) -> Tensor:
    rows, columns = (cut // 2 for cut in _cut(x, height, width))
    return x[..., rows:-rows, columns:-columns]


_crop("the top left corner is cropped, not the centre", lambda x, h, w: cropped(x, h, w, "top left"))
_crop("the bottom right corner is cropped, not the centre", lambda x, h, w: cropped(x, h, w, "bottom right"))
_crop("columns are cropped by what belongs to rows", lambda x, h, w: cropped(x, h, w, "rows for both"))
_crop("rows are cropped by what belongs to columns", lambda x, h, w: cropped(x, h, w, "columns for both"))
_crop(
    "rows are cropped by what belongs to columns, and columns by what belongs to rows",
    lambda x, h, w: cropped(x, h, w, "swapped"),
)
_crop("the crop begins one row and one column too late", lambda x, h, w: cropped(x, h, w, "half a pixel"))
_crop("height and width are swapped", lambda x, h, w: cropped(x, w, h), "The last axis is the width.")
_crop("all that is too many is cut at both ends", _cut_twice, "What is too many is shared: half at each end.")
_crop(
    "the result is empty where nothing is cut",
    _slices_from_the_end,
    "`x[0:-0]` is `x[0:0]`. Count the end of the slice from the start.",
)
_crop(
    "the map is resized instead of being cropped",
    lambda x, h, w: F.interpolate(x, (h, w), mode="bilinear", align_corners=False),
)
_crop(
    "the map is resized to the nearest values instead of being cropped",
    lambda x, h, w: F.interpolate(x, (h, w)),
)
_crop("nothing is cropped", lambda x, h, w: x)


# --- Predictions ------------------------------------------------------------------------------------------

VALID = (
    "A convolution without padding places its kernel k wide only where it fits: k - 1 rows are lost, "
    "half of them at each side."
)
FACTORS = "A pooling divides by its size, an up-convolution multiplies with its stride: here not always 2."
SIDES = "A crop is shared: half of what is too many is cut at the top, half at the bottom."
STACKED = "A join stacks the channels of both maps, so the convolution behind it reads their sum."
LEGAL = (
    "Every pooling has to divide what it meets. Go from the bottom to the image: one row more there, "
    "how many more here?"
)
WEIGHTS = (
    "A convolution has a kernel for each pair of an input and an output channel, and one bias for each "
    "output channel."
)

PREDICTED: list[Misunderstanding] = []


def _reading(title: str, advice: str, section: str, **changes: Any) -> None:
    PREDICTED.append(
        Misunderstanding(title, advice, lambda op: Reading(**changes).answer, section, costly=True)
    )


_reading("convolutions keep the size", VALID, "unet-build", lost="none")
_reading("a convolution loses rows at one side only", VALID, "unet-build", lost="k // 2")
_reading("every convolution loses two rows, the 5 × 5 ones too", VALID, "unet-build", lost="2")
_reading("a convolution loses as many rows as its kernel has", VALID, "unet-build", lost="k")
_reading("every pooling halves", FACTORS, "unet-build", pooling=2)
_reading("every up-convolution doubles", FACTORS, "unet-build", raising=2)
_reading("every pooling halves and every up-convolution doubles", FACTORS, "unet-build", pooling=2, raising=2)
_reading("all that a copy has too many is cut at each side", SIDES, "unet-crop", sides=1)
_reading("nothing is cropped", SIDES, "unet-crop", sides=0)
_reading("a join keeps the number of channels", STACKED, "unet-copy-paths", stacked=False)
for _step, _why in (
    (1, "every size is taken for legal"),
    (2, "every even size is taken for legal"),
    (3, "only the pooling by 3 is heeded"),
    (4, "both poolings are taken for halvings"),
    (5, "the two poolings are added: 2 + 3"),
    (12, "the legal sizes are taken to lie twice as far apart as they do"),
):
    _reading(_why, LEGAL, "unet-sizes", step=_step)
_reading("the biases are forgotten", WEIGHTS, "unet-parameters", biases=0)
_reading("a kernel is counted as one weight", WEIGHTS, "unet-parameters", weights=1)
_reading("there is a bias for each pair of channels", WEIGHTS, "unet-parameters", biases=24)


def _in_one(letter: str, title: str, advice: str, section: str, answer: int) -> None:
    """A slip in one answer, where the others are right."""

    def slipped(op: Callable[[str], int]) -> Callable[[str], int]:
        return lambda question: answer if question == letter else op(question)

    PREDICTED.append(Misunderstanding(f"{title} (question {letter})", advice, slipped, section, costly=True))


for _whole in list(PREDICTED):
    for _letter in "abcdefghi":
        if (_answer := _whole.mistaken(None)(_letter)) != Reading().answer(_letter):
            _in_one(_letter, _whole.title, _whole.advice, _whole.section, _answer)
_in_one("i", "biases are counted among what is saved", WEIGHTS, "unet-parameters", 1308)

# --- legal_input_sizes ------------------------------------------------------------------------------------

POSITIVE = (
    "Half of nothing is no map, and Python divides negative numbers, too. Ask of each map whether it has at "
    "least one row."
)
BOTTOM = (
    "Start at the bottom with b rows and go up to the image: each level doubles them and, without "
    "padding, adds the four that its two convolutions take off."
)
LEFT = "What comes out has to have at least one row."
LIMITS = "Both limits belong to the range, and no size outside it is asked for."

LEGAL_SIZES: list[Misunderstanding] = []


def _takes(
    size: int,
    depth: int,
    lost: int = 4,
    bottom: int | None = None,
    levels: int | None = None,
    output: bool = True,
    least: int | None = 1,
    even: str = "all",
) -> bool:
    """Whether a network takes the size.

    lost    rows that the two convolutions of a level take off, and `bottom` those of the bottom
    levels  how many poolings are looked at
    output  whether something has to be left at the end, or at the bottom only
    least   how many rows that is; None: no map needs any
    even    which poolings have to meet an even number of rows: "all", or the "last"
    """
    levels = depth if levels is None else levels
    bottom = lost if bottom is None else bottom
    for level in range(1, levels + 1):
        size -= lost
        if (least is not None and size < 1) or (size % 2 and (even == "all" or level == depth)):
            return False
        size //= 2
    if levels < depth or least is None:
        return True
    size -= bottom
    for _ in range(depth if output else 0):
        size = 2 * size - lost
    return size >= least


def _sizes(title: str, advice: str, wrong: Callable[..., list[int]], section: str = "unet-sizes") -> None:
    """wrong(takes, depth, padding, smallest, largest); takes(size, **reading) by `_takes`"""

    def mistaken(op: Any, depth: int, padding: int = 0, smallest: int = 1, largest: int = 600) -> list[int]:
        lost = 4 * (1 - padding)

        def among(first: int, last: int, **reading: Any) -> list[int]:
            return [s for s in range(first, last + 1) if _takes(s, depth, **({"lost": lost} | reading))]

        return wrong(among, depth, padding, smallest, largest)

    mistake(LEGAL_SIZES, title, advice, section)(mistaken)


_sizes(
    "the smallest output is not looked at, only the bottom",
    LEFT,
    lambda among, d, p, a, b: among(a, b, output=False),
)
_sizes(
    "no map is asked whether it has any rows left",
    POSITIVE,
    lambda among, d, p, a, b: among(a, b, least=None, output=False),
)
_sizes(
    "scores without any rows are taken for legal: 0 is no size",
    LEFT,
    lambda among, d, p, a, b: among(a, b, least=0),
)
_sizes(
    "the bottom's two convolutions are forgotten",
    BOTTOM,
    lambda among, d, p, a, b: among(a, b, bottom=0),
)
_sizes(
    "only the last pooling is asked whether it meets an even number of rows",
    BOTTOM,
    lambda among, d, p, a, b: among(a, b, even="last"),
)
_sizes(
    "the sizes are listed in descending order",
    "In ascending order, the smallest size comes first.",
    lambda among, d, p, a, b: among(a, b)[::-1],
)
_sizes("the largest size is left out", LIMITS, lambda among, d, p, a, b: among(a, b - 1))
_sizes("the smallest size is left out", LIMITS, lambda among, d, p, a, b: among(a + 1, b))
_sizes("sizes below the smallest are listed too", LIMITS, lambda among, d, p, a, b: among(1, b))
_sizes(
    "multiples of 2 to the depth are taken for legal, whatever the padding",
    BOTTOM,
    lambda among, d, p, a, b: among(a, b, lost=0),
)
_sizes(
    "`padding` is ignored and the convolutions are valid",
    BOTTOM,
    lambda among, d, p, a, b: among(a, b, lost=4),
)
_sizes(
    "every even size is taken for legal",
    BOTTOM,
    lambda among, d, p, a, b: [s for s in range(a, b + 1) if s % 2 == 0],
)
_sizes("only the first pooling is looked at", BOTTOM, lambda among, d, p, a, b: among(a, b, levels=1))
_sizes("the last pooling is not looked at", BOTTOM, lambda among, d, p, a, b: among(a, b, levels=d - 1))
_sizes(
    "one pooling too many is counted",
    BOTTOM,
    lambda among, d, p, a, b: [s for s in range(a, b + 1) if _takes(s, d + 1, 4 * (1 - p))],
)
_sizes(
    "each level has one convolution instead of two",
    BOTTOM,
    lambda among, d, p, a, b: among(a, b, lost=2 * (1 - p)),
)
_sizes(
    "sizes at the bottom are listed, not those of the image",
    BOTTOM,
    lambda among, d, p, a, b: [_at_the_bottom(s, d, 4 * (1 - p)) for s in among(a, b)],
)
_sizes(
    "the sizes of the scores are listed, not those of the image",
    BOTTOM,
    lambda among, d, p, a, b: [s - (0 if p else _margin(d)) for s in among(a, b)],
)
_sizes(
    "the bottom's convolutions are counted twice",
    BOTTOM,
    lambda among, d, p, a, b: among(a, b, bottom=8 * (1 - p)),
)


def _at_the_bottom(size: int, depth: int, lost: int) -> int:
    for _ in range(depth):
        size = (size - lost) // 2
    return size


def _margin(depth: int) -> int:
    """Rows that the scores lack without padding, at both sides together."""
    return 2 * sum(4 * 2**level for level in range(depth)) + 4 * 2**depth


# --- count_parameters -------------------------------------------------------------------------------------

COUNT = (
    "A convolution has a kernel of k · k weights for each pair of an input and an output channel, and "
    "one bias for each output channel."
)

COUNTED: list[Misunderstanding] = []


def total(plan: Plan, in_channels: int, num_classes: int, base_channels: int = 64, depth: int = 4) -> int:
    """The parameters of a design."""
    settings = {"in_channels": in_channels, "num_classes": num_classes}
    return Count({}, settings | {"base_channels": base_channels, "depth": depth}).call(plan)


def _counted(title: str, advice: str, section: str = "unet-parameters", **changes: Any) -> None:
    plan = Plan(Net).but(**changes)
    mistake(COUNTED, title, advice, section)(lambda op, *a, **settings: total(plan, *a, **settings))


def _off_by(title: str, advice: str, change: Callable[..., int], section: str = "unet-parameters") -> None:
    """A count that is `right + change(in_channels, num_classes, base_channels, depth)`."""

    def wrong(op: Any, in_channels: int, num_classes: int, base_channels: int = 64, depth: int = 4) -> int:
        right = op(in_channels, num_classes, base_channels=base_channels, depth=depth)
        return right + change(in_channels, num_classes, base_channels, depth)

    mistake(COUNTED, title, advice, section)(wrong)


_counted("the biases are forgotten", COUNT, bias=False)
_counted("the convolutions behind a join read half of the channels", JOIN, "unet-copy-paths", join="added")


@mistake(
    COUNTED,
    "the bottom is forgotten, or each level has one convolution instead of two",
    f"{PAIR} {DEPTH} At depth 1, either of the two leaves out the same number.",
    "unet-parameters",
)
def _one_of_two(op: Any, in_channels: int, num_classes: int, base_channels: int = 64, depth: int = 4) -> int:
    if depth != 1:
        raise ValueError("two numbers from depth 2 on")
    settings = {"base_channels": base_channels, "depth": depth}
    return total(Plan(Net).but(relus=(True,)), in_channels, num_classes, **settings)


_counted("each level has one convolution instead of two", PAIR, "unet-code", relus=(True,))
_off_by(
    "the bottom is forgotten",
    DEPTH,
    lambda i, k, c, d: -(3 * 9 * 2 ** (2 * d - 1) * c * c + 2 * 2**d * c),
    "unet-build",
)
_counted(
    "the bottom is forgotten, and the lowest up-convolution reads half", DEPTH, "unet-build", bottom=False
)
_counted("the head is forgotten", HEAD, "unet-head", head="missing")
_counted("the head has a 3 × 3 kernel", HEAD, "unet-head", head="3 × 3")
_counted("the up-convolutions have a 3 × 3 kernel", UP, "unet-build", up="3 × 3")
_counted("the up-convolutions have a 1 × 1 kernel", UP, "unet-build", up="bilinear")
_counted("the channels are not doubled from level to level", DOUBLE, "unet-build", doubled=False)
_counted("there is a level too many", DEPTH, "unet-build", deeper=1)
_counted("poolings have weights", POOL, "unet-build", pool="stride")
_counted("batch norm is counted", PLAIN, "unet-batch-norm", norm="before ReLU")
_counted("the second convolution of a pair brings the new channels", WIDEN, "unet-code", late=True)
_off_by(
    "the up-convolutions are forgotten", UP, lambda i, k, c, d: -sum(8 * n * n + n for n in _levels(c, d))
)
_off_by(
    "a 3 × 3 kernel is counted as 3 weights, and a 2 × 2 kernel as 2",
    COUNT,
    lambda i, k, c, d: -_weights_beyond_one_side(i, c, d),
)
_off_by("the biases of the up-convolutions are forgotten", COUNT, lambda i, k, c, d: -sum(_levels(c, d)))
_off_by("the biases of the head are forgotten", HEAD, lambda i, k, c, d: -k, "unet-head")
_off_by(
    "the up-convolutions keep the number of channels",
    UP,
    lambda i, k, c, d: sum(8 * n * n + n for n in _levels(c, d)),
)
_off_by("the image is taken to have one channel", COUNT, lambda i, k, c, d: -9 * (i - 1) * c)


def _levels(base_channels: int, depth: int) -> list[int]:
    """The channels of each level above the bottom."""
    return [base_channels * 2**level for level in range(depth)]


def _weights_beyond_one_side(in_channels: int, base_channels: int, depth: int) -> int:
    """What lacks if a kernel's side stands for its square: 6 of the 9 weights, and 2 of the 4."""
    levels = _levels(base_channels, depth)
    pairs = [in_channels * base_channels, *(2 * c * c for c in levels)]  # behind the image and each pooling
    pairs += [
        c * c for c in [*levels, 2 * levels[-1]]
    ]  # second convolutions on the way down and at the bottom
    pairs += [3 * c * c for c in levels]  # on the way up
    return 6 * sum(pairs) + 2 * sum(2 * c * c for c in levels)
