"""The cases of problem set 3: networks small enough to run in a millisecond, and sizes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..case import Case, Random, integers, reals
from ..modules import Count, Run, run_case


@dataclass(frozen=True)
class Sizes(Case):
    """A case whose result is a list of whole numbers; it is compared as a tensor."""

    def call(self, function: Any) -> Tensor | None:
        sizes = super().call(function)
        if sizes is None:
            return None
        if not isinstance(sizes, Sequence) or isinstance(sizes, str):
            raise TypeError(f"a list of whole numbers is expected, not {type(sizes).__name__}")
        for size in sizes:
            if not hasattr(size, "__index__"):
                raise TypeError(f"whole numbers are expected in the list, not {size!r:.40}")
        return torch.tensor([operator.index(size) for size in sizes], dtype=torch.int64)


# --- center_crop ------------------------------------------------------------------------------------------


def crop(x: Tensor, height: int, width: int, about: str = "", gradients: bool = False) -> Case:
    return Case({"x": x, "height": height, "width": width}, about=about, gradients=gradients)


def random_crop(rng: Random, large: bool, square: bool = False) -> Case:
    """What is cut is even; `square`: the same from rows and columns."""
    most = 12 if large else 4
    height, rows = rng.randint(1, most), 2 * rng.randint(1, most // 2)
    width, columns = (height, rows) if square else (rng.randint(1, most), 2 * rng.randint(0, most // 2))
    leading = (rng.randint(1, 2), 1) if square else (rng.randint(1, 3), rng.randint(1, 3))
    draw = reals if large else integers
    x = draw(rng, *leading, height + rows, width + columns)
    return crop(x, height, width, gradients=not square and rng.random() < 0.5)


# --- DoubleConv -------------------------------------------------------------------------------------------


def pair(
    in_channels: int,
    out_channels: int,
    height: int,
    width: int,
    padding: int = 0,
    images: int = 1,
    **rest: Any,
) -> Run:
    settings = {"in_channels": in_channels, "out_channels": out_channels} | _padded(padding)
    return run_case(settings, {"x": (images, in_channels, height, width)}, **rest)


def random_pair(rng: Random, large: bool, padded: bool = False) -> Run:
    size = [rng.randint(5, 14 if large else 8) for _ in range(2)]
    channels = [rng.randint(1, 8 if large else 4) for _ in range(2)]
    settings = {"gradients": True, "dtype": rng.choice((torch.float32, torch.float64))} if padded else {}
    return pair(*channels, *size, int(padded and rng.random() < 0.7), rng.randint(1, 3), rng=rng, **settings)


def parameters(about: str = "", **settings: int) -> Count:
    return Count({}, settings, about)


# --- UpBlock ----------------------------------------------------------------------------------------------


def level(
    in_channels: int,
    out_channels: int,
    size: tuple[int, int],
    surplus: tuple[int, int] = (0, 0),
    padding: int = 0,
    images: int = 1,
    **rest: Any,
) -> Run:
    """size: rows and columns of x; surplus: of how many rows and columns the copy loses at each side."""
    height, width = 2 * size[0] + 2 * surplus[0], 2 * size[1] + 2 * surplus[1]
    shapes = {"x": (images, in_channels, *size), "copied": (images, out_channels, height, width)}
    return run_case(
        {"in_channels": in_channels, "out_channels": out_channels} | _padded(padding), shapes, **rest
    )


def random_level(rng: Random, large: bool, crops: bool = False, learns: bool = False) -> Run:
    channels = rng.randint(1, 4 if large else 2)
    size = tuple(rng.randint(3, 6 if large else 4) for _ in range(2))
    surplus = tuple(rng.randint(1, 4 if large else 2) for _ in range(2)) if crops or learns else (0, 0)
    settings = {"gradients": True, "dtype": rng.choice((torch.float32, torch.float64))} if learns else {}
    padding = int(learns and rng.random() < 0.7)
    return level(2 * channels, channels, size, surplus, padding, rng.randint(1, 2), rng=rng, **settings)


# --- UNet -------------------------------------------------------------------------------------------------


def network(
    in_channels: int,
    num_classes: int,
    base_channels: int | None,
    depth: int | None,
    size: tuple[int, int],
    padding: int = 0,
    images: int = 1,
    **rest: Any,
) -> Run:
    """None: the paper's, by default."""
    settings = {"in_channels": in_channels, "num_classes": num_classes}
    settings |= {} if base_channels is None else {"base_channels": base_channels}
    settings |= {} if depth is None else {"depth": depth}
    return run_case(settings | _padded(padding), {"x": (images, in_channels, *size)}, **rest)


def random_network(
    rng: Random,
    large: bool,
    depths: tuple[int, ...] = (1,),
    padding: int | None = 0,
    device: str = "cpu",
    **settings: Any,
) -> Run:
    """padding: None for either"""
    depth = rng.choice(depths)
    padding = rng.randint(0, 1) if padding is None else padding
    lowest = [rng.randint(1, 3) if padding else rng.randint(0, 2) for _ in range(2)]
    smallest = 0 if padding else {1: 18, 2: 44, 3: 92}[depth]
    size = tuple(smallest + 2**depth * one for one in lowest)
    channels = rng.randint(2, 4 if large and depth < 3 else 3)
    shape = rng.randint(1, 3), rng.randint(1, 4)
    return network(
        *shape, channels, depth, size, padding, rng.randint(1, 2), rng=rng, device=device, **settings
    )


def random_outline(rng: Random, large: bool) -> Run | Count:
    """Shapes or parameters of a network, without numbers."""
    if rng.random() < 0.5:
        return random_network(rng, large, (1, 2), None, "meta")
    return parameters(
        in_channels=rng.randint(1, 4),
        num_classes=rng.randint(1, 5),
        base_channels=rng.randint(1, 32 if large else 8),
        depth=rng.randint(1, 4),
    )


# --- MendedUpBlock ----------------------------------------------------------------------------------------


def block(
    in_channels: int,
    copied_channels: int,
    out_channels: int,
    size: tuple[int, int],
    surplus: tuple[int, int],
    images: int = 1,
    **rest: Any,
) -> Run:
    height, width = 2 * size[0] + 2 * surplus[0], 2 * size[1] + 2 * surplus[1]
    shapes = {"x": (images, in_channels, *size), "copied": (images, copied_channels, height, width)}
    settings = {
        "in_channels": in_channels,
        "copied_channels": copied_channels,
        "out_channels": out_channels,
    }
    return run_case(settings, shapes, **rest)


def random_block(
    rng: Random, large: bool, oblong: bool = False, gradients: bool = False, precise: bool = False
) -> Run:
    """oblong: other rows than columns are cut; everything else would hide the first report's cause"""
    most = 5 if large else 3
    size = tuple(rng.randint(2, most) for _ in range(2))
    rows = rng.randint(0, most)
    columns = rng.choice([one for one in range(most + 1) if one != rows]) if oblong else rows
    channels = [rng.randint(1, 4) for _ in range(3)]
    dtype = torch.float64 if precise else torch.float32
    return block(
        *channels, size, (rows, columns), rng.randint(1, 2), rng=rng, gradients=gradients, dtype=dtype
    )


# --- Sizes and counts -------------------------------------------------------------------------------------


def question(letter: str) -> Case:
    return Case({"question": letter})


def legal(depth: int, padding: int, smallest: int, largest: int, about: str = "") -> Sizes:
    settings = {"padding": padding, "smallest": smallest, "largest": largest}
    return Sizes({"depth": depth}, settings, about)


def random_legal(rng: Random, large: bool, padding: int | None = None, from_one: bool = False) -> Sizes:
    """Without `from_one`, the range begins where valid networks have something left."""
    depth = rng.randint(1, 5 if large else 3)
    padding = rng.randint(0, 1) if padding is None else padding
    smallest = rng.randint(1, 4) if from_one else (50 * 2**depth) + rng.randint(0, 40)
    width = rng.randint(2, 6) * 2**depth + rng.randint(0, 3)
    return legal(depth, padding, smallest, smallest + width + (14 * 2**depth if from_one else 0))


def counted(
    in_channels: int,
    num_classes: int,
    base_channels: int | None = None,
    depth: int | None = None,
    about: str = "",
) -> Case:
    """None: the paper's, by default."""
    settings = {} if base_channels is None else {"base_channels": base_channels}
    settings |= {} if depth is None else {"depth": depth}
    return Case({"in_channels": in_channels, "num_classes": num_classes}, settings, about)


def random_counted(rng: Random, large: bool, depths: tuple[int, int] = (1, 1)) -> Case:
    most = 64 if large else 8
    return counted(rng.randint(1, 5), rng.randint(1, 21), rng.randint(1, most), rng.randint(*depths))


def _padded(padding: int) -> dict[str, int]:
    return {"padding": padding} if padding else {}
