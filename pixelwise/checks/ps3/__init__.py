"""The checks of problem set 3, the U-Net."""

from __future__ import annotations

from functools import cache, partial

import torch

from pixelwise.unet import UNet

from ..check import Check, Task
from ..rules import Rule
from . import mistakes
from .cases import (
    block,
    counted,
    crop,
    legal,
    level,
    network,
    pair,
    parameters,
    question,
    random_block,
    random_counted,
    random_crop,
    random_legal,
    random_level,
    random_network,
    random_outline,
    random_pair,
)
from .crashes import ModuleCheck
from .given import Reading, mended
from .networks import Net, Plan, Up, cropped, double_conv

_PAGE = "unet.html"
_OWN = ("pixelwise", "torchvision", "segmentation_models_pytorch", "monai")

#: Layers are PyTorch's here; networks, and the parts of a U-Net, are the student's.
RULE = Rule(
    calls=r"^(hub|center_crop|CenterCrop)$",
    operators="",
    modules=_OWN,
    reason="The layers of `torch.nn` are yours to use; the U-Net and its parts are what you are to write.",
)
#: Sizes and counts are to be worked out, not asked of a network.
ARITHMETIC = Rule(
    calls=r"^hub$|Conv|conv[23_]|[pP]ool",
    operators=r"conv|pool|uniform|normal",
    modules=_OWN,
    reason="This is arithmetic on whole numbers, and no network is to be built for it.",
)

# --- What is right ----------------------------------------------------------------------------------------


@cache
def _network(depth: int, padding: int) -> UNet:
    with torch.device("meta"):
        return UNet(1, 1, base_channels=1, depth=depth, padding=padding)


def _legal(depth: int, padding: int = 0, smallest: int = 1, largest: int = 600) -> list[int]:
    return _network(depth, padding).legal_input_sizes(smallest, largest)


# --- The tasks --------------------------------------------------------------------------------------------

_PAIRS = (*mistakes.PAIRS, mistakes.UNREGISTERED)
_LEVELS = (*mistakes.LEVELS, *_PAIRS)

_PAIR = Task("ps3", "DoubleConv", Plan(double_conv), _PAIRS, RULE, _PAGE, "unet-code")
_CROP = Task("ps3", "center_crop", cropped, tuple(mistakes.CROP), RULE, _PAGE, "unet-crop")
_LEVEL = Task("ps3", "UpBlock", Plan(Up), _LEVELS, RULE, _PAGE, "unet-code")
_NET = Task(
    "ps3",
    "UNet",
    Plan(Net),
    (*mistakes.NETWORKS, *_LEVELS),
    RULE,
    _PAGE,
    "unet-code",
)
_PREDICTED = Task(
    "ps3",
    "predicted",
    Reading().answer,
    tuple(mistakes.PREDICTED),
    ARITHMETIC,
    _PAGE,
    "unet-build",
    secret=True,
)
_LEGAL = Task(
    "ps3", "legal_input_sizes", _legal, tuple(mistakes.LEGAL_SIZES), ARITHMETIC, _PAGE, "unet-sizes"
)
_COUNTED = Task(
    "ps3",
    "count_parameters",
    partial(mistakes.total, Plan(Net)),
    tuple(mistakes.COUNTED),
    ARITHMETIC,
    _PAGE,
    "unet-parameters",
)
_MENDED = Task(
    "ps3",
    "MendedUpBlock",
    Plan(mended),
    _LEVELS,
    RULE,
    _PAGE,
    "unet-code",
)


# --- DoubleConv -------------------------------------------------------------------------------------------

double_conv_layers = ModuleCheck(
    _PAIR,
    "two convolutions, a ReLU behind each",
    [
        parameters("the number of parameters", in_channels=1, out_channels=2),
        parameters("… of the network's first pair", in_channels=1, out_channels=64),
        pair(1, 1, 5, 5, about="one number comes out"),
        pair(2, 3, 6, 7),
        pair(3, 2, 6, 5, images=2, about="two images"),
    ],
    random_pair,
)
double_conv_padding = ModuleCheck(
    _PAIR,
    "padding, gradients, dtype and device",
    [
        pair(1, 2, 3, 4, padding=1, about="as large as the image"),
        pair(1, 2, 6, 5, gradients=True, about="gradients by autograd"),
        pair(1, 2, 6, 5, dtype=torch.float64, about="float64"),
        pair(1, 2, 6, 5, 1, device="meta", about="another device"),
    ],
    partial(random_pair, padded=True),
    count=6,
    strict=True,
)

# --- center_crop ------------------------------------------------------------------------------------------

_rows = torch.arange(1.0, 17).reshape(4, 4)

center_crop_square = Check(
    _CROP,
    "the centre, and not a corner",
    [
        crop(_rows, 2, 2, "the inner four of sixteen"),
        crop(_rows[:3, :3], 1, 1, "the middle"),
        crop(_rows[None, None], 2, 2, "a batch of one image with one channel"),
    ],
    partial(random_crop, square=True),
)
center_crop_oblong = Check(
    _CROP,
    "rows and columns have centres of their own",
    [
        crop(_rows[:, :3], 2, 1, "not square"),
        crop(_rows[:3], 1, 2, "one row off each end, one column off each end"),
        crop(_rows, 2, 4, "only rows are cut"),
        crop(_rows, 4, 2, "only columns are cut"),
        crop(_rows, 4, 4, "nothing is cut"),
        crop(_rows[:3].double() / 10, 1, 2, "float64"),
        crop(_rows.reshape(1, 2, 8, 1).expand(1, 2, 8, 3), 2, 1, "three rows off each end, one column"),
    ],
    random_crop,
    strict=True,
)

# --- UpBlock ----------------------------------------------------------------------------------------------

up_block_joins = ModuleCheck(
    _LEVEL,
    "up, join, two convolutions",
    [
        parameters("the number of parameters", in_channels=2, out_channels=1),
        parameters("… of the network's lowest level", in_channels=1024, out_channels=512),
        level(2, 1, (3, 3), about="the copy has the size already"),
        level(4, 2, (3, 4), about="not square"),
        level(4, 2, (3, 3), images=2, about="two images"),
    ],
    random_level,
)
up_block_crops = ModuleCheck(
    _LEVEL,
    "the copy is cropped at its centre",
    [
        level(2, 1, (3, 3), (1, 1), about="one row and one column too many on each side"),
        level(2, 1, (3, 3), (2, 1), about="two rows and one column too many on each side"),
        level(2, 1, (3, 4), (0, 2), about="only columns are cut"),
    ],
    partial(random_level, crops=True),
    anchor="unet-crop",
)
up_block_learns = ModuleCheck(
    _LEVEL,
    "padding, gradients on both paths, dtype and device",
    [
        level(2, 1, (2, 2), padding=1, about="padded"),
        level(2, 1, (3, 3), (1, 1), gradients=True, about="gradients by autograd"),
        level(2, 1, (3, 3), (1, 1), dtype=torch.float64, about="float64"),
        level(1024, 512, (28, 28), (4, 4), device="meta", about="another device, the network's lowest level"),
    ],
    partial(random_level, learns=True),
    count=6,
    strict=True,
)

# --- UNet -------------------------------------------------------------------------------------------------

unet_outline = ModuleCheck(
    _NET,
    "sizes, channels and number of parameters",
    [
        parameters("depth 1", in_channels=1, num_classes=2, base_channels=2, depth=1),
        parameters("depth 2", in_channels=1, num_classes=2, base_channels=2, depth=2),
        parameters("the paper's network", in_channels=1, num_classes=2),
        network(1, 2, 2, 1, (18, 18), device="meta", about="depth 1"),
        network(1, 2, None, None, (572, 572), device="meta", about="the paper's network: 388 × 388 scores"),
        network(3, 5, 4, 2, (16, 24), 1, device="meta", about="padded: as large as the image"),
    ],
    random_outline,
    count=4,
    anchor="unet-build",
)
unet_shallow = ModuleCheck(
    _NET,
    "depth 1: down, bottom, up, head",
    [
        network(1, 2, 2, 1, (18, 18), about="the smallest image"),
        network(3, 2, 3, 1, (20, 24), images=2, about="three channels, not square, two images"),
    ],
    random_network,
    count=4,
)
unet_deep = ModuleCheck(
    _NET,
    "depth 2 and 3: every copy meets its own level",
    [
        network(1, 2, 2, 2, (44, 44), about="the smallest image at depth 2"),
        network(1, 2, 2, 2, (48, 52), about="not square"),
        network(1, 2, 2, 3, (92, 92), about="the smallest image at depth 3"),
    ],
    partial(random_network, depths=(2,)),
    count=3,
)
unet_padded = ModuleCheck(
    _NET,
    "padded: scores for every pixel",
    [
        network(1, 2, 2, 1, (2, 4), 1, about="depth 1"),
        network(1, 2, 2, 2, (8, 12), 1, about="depth 2"),
        network(1, 2, 2, 1, (20, 24), 1, about="so large that a valid network would take it"),
    ],
    partial(random_network, depths=(1, 2), padding=1),
    count=4,
)
unet_learns = ModuleCheck(
    _NET,
    "gradients, dtype and device",
    [
        network(1, 2, 2, 1, (18, 18), gradients=True, about="gradients by autograd"),
        network(1, 2, 2, 1, (18, 18), dtype=torch.float64, about="float64"),
        network(1, 2, 4, 4, (188, 188), device="meta", about="another device"),
    ],
    partial(random_network, gradients=True, padding=None, dtype=torch.float64),
    count=3,
    strict=True,
)

# --- predicted --------------------------------------------------------------------------------------------

predicted_down = Check(_PREDICTED, "the way down", [question("a"), question("b")])
predicted_crops = Check(_PREDICTED, "the crops", [question("c"), question("d")], anchor="unet-crop")
predicted_sizes = Check(
    _PREDICTED,
    "the scores, and the next legal size",
    [question("e"), question("f")],
    anchor="unet-sizes",
)
predicted_weights = Check(
    _PREDICTED,
    "channels and parameters",
    [question("g"), question("h"), question("i")],
    anchor="unet-parameters",
)

# --- legal_input_sizes ------------------------------------------------------------------------------------

legal_input_sizes_padded = Check(
    _LEGAL,
    "padded",
    [
        legal(1, 1, 1, 8, "depth 1"),
        legal(2, 1, 1, 20, "depth 2"),
        legal(4, 1, 1, 100, "the paper's depth"),
        legal(3, 1, 8, 24, "both limits are legal"),
    ],
    partial(random_legal, padding=1),
)
legal_input_sizes_valid = Check(
    _LEGAL,
    "valid: which sizes the poolings take",
    [
        legal(1, 0, 100, 110, "depth 1"),
        legal(2, 0, 200, 220, "depth 2"),
        legal(4, 0, 500, 600, "the paper's network"),
        legal(4, 0, 572, 588, "both limits are legal"),
    ],
    partial(random_legal, padding=0),
)
legal_input_sizes_smallest = Check(
    _LEGAL,
    "valid: something is left",
    [
        legal(1, 0, 1, 24, "depth 1"),
        legal(2, 0, 1, 60, "depth 2"),
        legal(3, 0, 1, 100, "depth 3"),
        legal(4, 0, 1, 187, "none is"),
    ],
    partial(random_legal, padding=0, from_one=True),
)

# --- count_parameters -------------------------------------------------------------------------------------

count_parameters_shallow = Check(
    _COUNTED,
    "depth 1",
    [
        counted(1, 1, 1, 1, "every channel once"),
        counted(1, 2, 2, 1),
        counted(3, 5, 4, 1, "three channels, five classes"),
    ],
    random_counted,
)
count_parameters_deep = Check(
    _COUNTED,
    "any depth",
    [
        counted(1, 2, 2, 2),
        counted(1, 2, about="the paper's network"),
        counted(3, 4, 8, 3, "the size that this course trains"),
    ],
    partial(random_counted, depths=(2, 5)),
)

# --- MendedUpBlock ----------------------------------------------------------------------------------------

mended_up_block_shifted = ModuleCheck(
    _MENDED,
    "first report: images that are not square",
    [
        block(2, 1, 1, (2, 3), (1, 0), about="only rows are cut"),
        block(2, 1, 1, (3, 2), (2, 1), about="two rows and one column are cut at each side"),
        block(2, 3, 1, (2, 2), (0, 1), about="only columns are cut"),
    ],
    partial(random_block, oblong=True),
    anchor="unet-crop",
)
mended_up_block_learns = ModuleCheck(
    _MENDED,
    "second report: the early layers learn slowly",
    [
        block(1, 1, 1, (2, 2), (0, 0), gradients=True, about="nothing is cut"),
        block(2, 1, 2, (2, 2), (1, 1), gradients=True, about="one row and one column are cut at each side"),
    ],
    partial(random_block, gradients=True),
    count=6,
)
mended_up_block_moves = ModuleCheck(
    _MENDED,
    "third report: other devices and other dtypes",
    [
        block(2, 1, 2, (2, 2), (1, 1), device="meta", about="another device"),
        block(2, 1, 2, (2, 2), (1, 1), dtype=torch.float64, about="float64"),
    ],
    partial(random_block, precise=True),
    count=6,
    strict=True,
)
