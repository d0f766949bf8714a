"""Synthetic meadows: the lecture's classes {trees, sky, cow, grass}, drawn by a program.

A drawn picture knows the class of each of its pixels exactly, there are as many of them as one asks for, and
nothing has to be downloaded. They are no photographs, and no claim about photographs follows from them.

They are drawn so that colour is not enough. Cows are white, black and brown; so are clouds, stones, bare
earth, peat, old snow, trunks and autumn leaves. What tells a cow is its shape and where it stands: a network
has to look at the surroundings of a pixel.

Everything that lies on the meadow is grass (stones, puddles, earth, shadows), and everything in the air is
sky (clouds, birds, the sun): the lecture has four classes, and a class map gives one to each pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelwise.data.classes import SCENES
from pixelwise.data.dataset import SegmentationData
from pixelwise.data.errors import DataError, WrongSize

NOTICE = "Synthetic: drawn by a program, no photographs."

SPLITS = ("train", "val", "test")

#: The picture is drawn with 2 × 2 samples a pixel. The first gives the pixel's class, and the mean over the
#: samples of that class its colour: no pixel shows a mixture of two classes, and class maps are exact.
SAMPLES = 2

TREES, SKY, COW, GRASS = (SCENES.index(name) for name in ("trees", "sky", "cow", "grass"))

Array = np.ndarray
Rng = np.random.Generator


@dataclass(frozen=True)
class Family:
    """What the scenes of one family have in common. Colours are RGB in [0, 1]."""

    zenith: tuple  # the sky's colour above …
    horizon: tuple  # … and at the horizon
    clouds: tuple
    meadows: tuple  # colours that grass may have, by season
    leaves: tuple  # colours that crowns may have
    coats: tuple  # (ground colour, colour of the patches or None)
    light: tuple  # the colour of the light
    exposure: tuple  # darkest and brightest picture
    shadow: float  # how long shadows are, in heights of what throws them


FAMILIES = {
    "day": Family(
        zenith=((0.22, 0.47, 0.86), (0.35, 0.58, 0.88), (0.60, 0.68, 0.76)),
        horizon=((0.72, 0.84, 0.95), (0.86, 0.90, 0.92), (0.78, 0.80, 0.82)),
        clouds=((0.97, 0.97, 0.98), (0.80, 0.82, 0.86), (0.90, 0.88, 0.86)),
        meadows=((0.34, 0.52, 0.18), (0.45, 0.58, 0.24), (0.56, 0.53, 0.26), (0.58, 0.64, 0.55)),
        leaves=(
            (0.16, 0.34, 0.12),
            (0.26, 0.42, 0.14),
            (0.62, 0.34, 0.10),
            (0.45, 0.24, 0.12),
            (0.70, 0.55, 0.16),
        ),
        coats=(
            ((0.93, 0.92, 0.89), (0.10, 0.09, 0.09)),
            ((0.93, 0.91, 0.86), (0.46, 0.24, 0.11)),
            ((0.42, 0.23, 0.12), None),
            ((0.66, 0.43, 0.22), (0.90, 0.87, 0.80)),
            ((0.13, 0.11, 0.11), None),
            ((0.86, 0.80, 0.68), None),
        ),
        light=((1.0, 1.0, 1.0), (1.05, 1.0, 0.92), (0.95, 0.99, 1.06)),
        exposure=(0.85, 1.12),
        shadow=0.35,
    ),
    "evening": Family(
        zenith=((0.24, 0.24, 0.50), (0.38, 0.30, 0.52), (0.16, 0.28, 0.50)),
        horizon=((0.98, 0.66, 0.36), (0.95, 0.52, 0.42), (0.92, 0.74, 0.56)),
        clouds=((0.98, 0.72, 0.58), (0.52, 0.40, 0.52), (0.86, 0.58, 0.46)),
        meadows=((0.30, 0.36, 0.16), (0.44, 0.40, 0.18), (0.50, 0.38, 0.20)),
        leaves=((0.14, 0.20, 0.12), (0.30, 0.26, 0.10), (0.46, 0.22, 0.10)),
        coats=(
            ((0.62, 0.32, 0.14), None),
            ((0.16, 0.11, 0.10), None),
            ((0.80, 0.64, 0.44), None),
            ((0.84, 0.76, 0.68), (0.16, 0.11, 0.10)),
            ((0.40, 0.20, 0.12), (0.84, 0.74, 0.62)),
        ),
        light=((1.10, 0.94, 0.78), (1.06, 0.90, 0.86)),
        exposure=(0.72, 1.0),
        shadow=0.9,
    ),
}


def scenes(
    split: str = "train",
    n: int = 512,
    *,
    size: tuple[int, int] = (64, 64),
    seed: int = 0,
    family: str = "day",
    grey: bool = False,
) -> SegmentationData:
    """`n` synthetic meadows. Scene i of a split and a seed is always the same picture, whatever `n`.

    split   "train", "val" or "test": three streams of scenes that share none
    size    (height, width) in pixels
    family  "day", or "evening": another sky, other coats and leaves, lower light
    grey    brightness alone, one channel
    """
    if split not in SPLITS:
        raise DataError(f"scenes has the splits {', '.join(SPLITS)}, not {split!r}")
    if family not in FAMILIES:
        raise DataError(f"scenes has the families {', '.join(FAMILIES)}, not {family!r}")
    if n < 1 or seed < 0:
        raise DataError(f"scenes: n = {n} and seed = {seed}; at least one scene, and a seed from 0 on")
    if len(size) != 2 or min(size) < 16:
        raise WrongSize(f"scenes: size is (height, width), each at least 16, not {size}")
    stream = (seed, SPLITS.index(split), list(FAMILIES).index(family))

    def read(index: int) -> tuple[Array, Array]:
        picture, classes = scene(np.random.default_rng((*stream, index)), *size, family)
        return (brightness(picture) if grey else picture), classes

    names = [f"{family}-{seed}-{index}" for index in range(n)]
    return SegmentationData("scenes", split, SCENES, names, read, NOTICE)


def brightness(picture: Array) -> Array:
    """The grey version of an RGB picture, uint8 (H, W): 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)."""
    red, green, blue = (picture[..., channel].astype(np.int64) for channel in range(3))
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint8)


def scene(rng: Rng, height: int = 64, width: int = 64, family: str = "day") -> tuple[Array, Array]:
    """Draw one scene with the numbers that `rng` gives.

    Returns the picture, uint8 (height, width, 3), and its class map, uint8 (height, width), with the classes
    0 trees, 1 sky, 2 cow, 3 grass.
    """
    look = FAMILIES[family]
    canvas = Canvas(height, width)
    sun = float(rng.choice((-1.0, 1.0)))  # where the light comes from: left or right
    horizon = rng.uniform(0.28, 0.5)

    _sky(canvas, rng, look, horizon, sun)
    ridge = _meadow(canvas, rng, look, horizon)
    leaves = _pick(rng, look.leaves, 0.05)
    _wood(canvas, rng, ridge, leaves)
    _litter(canvas, rng, look, horizon)

    # Things share the width, so that most stand apart; a tree in front hides a part of a cow now and then.
    places = (rng.permutation(4) + rng.uniform(0.25, 0.75, 4)) * canvas.aspect / 4
    cows = 1 if rng.random() < 0.8 else 2
    boulders = rng.integers(0, 3)
    things = [(rng.uniform(horizon + 0.2, 0.97), x, _cow) for x in places[:cows]]
    things += [(rng.uniform(horizon + 0.12, 0.97), x, _boulder) for x in places[4 - boulders :]]
    for _ in range(rng.integers(1, 4)):
        things.append((rng.uniform(horizon + 0.02, horizon + 0.1), rng.uniform(0, canvas.aspect), _tree))
    if rng.random() < 0.1:
        things.append((rng.uniform(0.8, 1.05), rng.uniform(0, canvas.aspect), _tree))
    for base, x, draw in sorted(things, key=lambda thing: thing[0]):  # far things first
        draw(canvas, rng, look, x, base, (base - horizon) / (1 - horizon), sun, leaves)
    return canvas.develop(rng, _pick(rng, look.light, 0.02) * rng.uniform(*look.exposure))


class Canvas:
    """A picture while it is drawn. Lengths are in picture heights: y runs from 0 to 1, downwards."""

    def __init__(self, height: int, width: int) -> None:
        self.scale = SAMPLES * height
        self.aspect = width / height
        rows, columns = SAMPLES * height, SAMPLES * width
        self.colour = np.empty((rows, columns, 3), np.float32)
        self.classes = np.empty((rows, columns), np.uint8)
        self.y = ((np.arange(rows, dtype=np.float32) + 0.5) / self.scale)[:, None]
        self.x = ((np.arange(columns, dtype=np.float32) + 0.5) / self.scale)[None, :]

    def window(self, left: float, top: float, right: float, bottom: float) -> Window:
        """The part of the picture inside a box, so that a small thing costs little to draw."""
        rows, columns = self.classes.shape
        top, bottom = (min(max(int(edge * self.scale), 0), rows) for edge in (top, bottom + 1 / self.scale))
        left, right = (
            min(max(int(edge * self.scale), 0), columns) for edge in (left, right + 1 / self.scale)
        )
        return Window(self, slice(top, max(top, bottom)), slice(left, max(left, right)))

    def develop(self, rng: Rng, light: Array) -> tuple[Array, Array]:
        """The mean over each pixel's samples of its own class, the light, and the sensor's noise."""
        rows, columns = (size // SAMPLES for size in self.classes.shape)
        colour = self.colour.reshape(rows, SAMPLES, columns, SAMPLES, 3)
        classes = self.classes.reshape(rows, SAMPLES, columns, SAMPLES)
        own = np.ascontiguousarray(classes[:, 0, :, 0])
        total, count = np.zeros((rows, columns, 3), np.float32), np.zeros((rows, columns, 1), np.float32)
        for i, j in np.ndindex(SAMPLES, SAMPLES):  # in a fixed order: the same bytes on every machine
            same = (classes[:, i, :, j] == own)[..., None]
            total += same * colour[:, i, :, j]
            count += same
        pixels = total / count
        noise = rng.uniform(0.005, 0.02) * rng.standard_normal(pixels.shape, dtype=np.float32)
        pixels = pixels * light.astype(np.float32) + noise
        picture = np.round(255 * np.clip(pixels, 0, 1)).astype(np.uint8)
        return picture, own


class Window:
    """A box of a canvas: the coordinates of its samples, and painting on them."""

    def __init__(self, canvas: Canvas, rows: slice, columns: slice) -> None:
        self.colour = canvas.colour[rows, columns]
        self.classes = canvas.classes[rows, columns]
        self.y, self.x = canvas.y[rows], canvas.x[:, columns]
        self.shape = self.classes.shape
        self.scale = canvas.scale

    def paint(self, mask: Array, colour: Any, label: int | None = None) -> None:
        """Colour what lies in `mask`; without a label the pixels keep their class (a shadow on grass)."""
        self.colour[mask] = colour[mask] if np.ndim(colour) == 3 else colour
        if label is not None:
            self.classes[mask] = label

    def shade(self, mask: Array, factor: Any) -> None:
        self.colour[mask] *= np.float32(factor)

    def noise(self, rng: Rng, size: float, stretch: float = 1.0) -> Array:
        """Smooth noise with mean 0 and blobs about `size` high and `size * stretch` wide."""
        return value_noise(rng, self.shape, size * self.scale, size * stretch * self.scale)


def value_noise(rng: Rng, shape: tuple[int, int], tall: float, wide: float) -> Array:
    """Random numbers on a coarse grid, and a smooth surface through them."""
    (y, t), (x, s) = (_grid(rng, size, cell) for size, cell in zip(shape, (tall, wide), strict=True))
    rows, columns = (int(i[-1]) + 2 if len(i) else 2 for i in (y, x))
    knots = rng.standard_normal((rows, columns), dtype=np.float32)
    lines = knots[:, x] + (knots[:, x + 1] - knots[:, x]) * s
    return lines[y] + (lines[y + 1] - lines[y]) * t[:, None]


def _grid(rng: Rng, size: int, cell: float) -> tuple[Array, Array]:
    at = np.arange(size, dtype=np.float32) / np.float32(max(cell, 1.0)) + rng.random(dtype=np.float32)
    knot = at.astype(np.intp)
    t = at - knot
    return knot, t * t * (3 - 2 * t)


def ellipse(x: Array, y: Array, at: tuple, radii: tuple) -> Array:
    """A number that is below 1 inside the ellipse."""
    return ((x - at[0]) / radii[0]) ** 2 + ((y - at[1]) / radii[1]) ** 2


def stroke(x: Array, y: Array, start: tuple, end: tuple, thick: float, thin: float | None = None) -> Array:
    """A straight brush stroke with round ends, of radius `thick` at its start and `thin` at its end."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy), 0, 1)
    radius = thick + ((thick if thin is None else thin) - thick) * along
    return (x - start[0] - along * dx) ** 2 + (y - start[1] - along * dy) ** 2 < radius**2


def _pick(rng: Rng, colours: tuple, spread: float) -> Array:
    return np.clip(rng.normal(colours[rng.integers(len(colours))], spread), 0.02, 1.1).astype(np.float32)


def _mix(a: Any, b: Any, t: Array) -> Array:
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    return a + (b - a) * np.asarray(t, np.float32)[..., None]


def _lit(colour: Any, light: Array) -> Array:
    return np.asarray(colour, np.float32) * light.astype(np.float32)[..., None]


# ---- what a scene is made of ----------------------------------------------------------------------------


def _sky(canvas: Canvas, rng: Rng, look: Family, horizon: float, sun: float) -> None:
    window = canvas.window(0, 0, canvas.aspect, horizon + 0.1)
    kind = rng.integers(len(look.zenith))
    down = np.broadcast_to(np.clip(window.y / horizon, 0, 1), window.shape)
    window.colour[:] = _mix(look.zenith[kind], look.horizon[kind], down * down)
    window.classes[:] = SKY
    if rng.random() < 0.4:
        at = (canvas.aspect * (0.5 + 0.4 * sun), rng.uniform(0.04, horizon))
        window.paint(ellipse(window.x, window.y, at, (0.04, 0.04)) < 1, (1.0, 0.97, 0.85))
    puffs = window.noise(rng, 0.13, 2.2) + 0.5 * window.noise(rng, 0.05, 1.8)
    cover = np.clip((puffs - rng.uniform(-0.1, 1.2)) * 1.8, 0, 1)
    white = _pick(rng, look.clouds, 0.02)
    window.colour += cover[..., None] * (white * (1 - 0.12 * np.clip(down, 0, 1))[..., None] - window.colour)
    for _ in range(rng.integers(0, 4)):
        x, y, span = rng.uniform(0, canvas.aspect), rng.uniform(0.03, horizon * 0.8), rng.uniform(0.02, 0.045)
        bird = canvas.window(x - 2 * span, y - 2 * span, x + 2 * span, y + 2 * span)
        for side in (-1, 1):
            tip = (x + side * span, y - span * rng.uniform(0.2, 0.7))
            bird.paint(stroke(bird.x, bird.y, (x, y), tip, 0.009, 0.004), (0.12, 0.12, 0.14))


def _meadow(canvas: Canvas, rng: Rng, look: Family, horizon: float) -> Array:
    """Grass up to a wavy ridge; returns the height of the ridge over each column."""
    ridge = horizon + 0.02 * value_noise(rng, (1, canvas.x.size), 1, 0.3 * canvas.scale)[0]
    window = canvas.window(0, horizon - 0.1, canvas.aspect, 1)
    mask = window.y > ridge
    near = np.clip((window.y - horizon) / (1 - horizon), 0, 1)
    grass = _pick(rng, look.meadows, 0.03)
    # Through the green shows grass of another kind, or heath, peat, straw or snow in the colours of coats.
    other = _pick(rng, _coat_colours(look) if rng.random() < 0.25 else look.meadows, 0.02)
    patches = np.clip(rng.uniform(0.1, 0.6) + 1.2 * window.noise(rng, 0.09, 3.0), 0, 1)
    blades = window.noise(rng, 0.03, 0.35) * (0.02 + 0.07 * near) + 0.03 * window.noise(rng, 0.012, 1.5)
    far = np.asarray(look.horizon[0], np.float32)
    colour = _mix(grass, _mix(grass, other, np.float32(0.9)), patches) * (0.92 + 0.16 * near)[..., None]
    colour = _mix_far(colour, far, 0.35 * (1 - near) ** 3) + blades[..., None]
    window.paint(mask, colour, GRASS)
    return ridge


def _mix_far(colour: Array, far: Array, t: Array) -> Array:
    """Air makes what is far away pale."""
    return colour + (far - colour) * t[..., None]


def _wood(canvas: Canvas, rng: Rng, ridge: Array, leaves: Array) -> None:
    """A line of trees far away on the ridge, over a part of its width."""
    if rng.random() < 0.35:
        return
    tops = value_noise(rng, (1, canvas.x.size), 1, 0.05 * canvas.scale)[0]
    where = value_noise(rng, (1, canvas.x.size), 1, 0.5 * canvas.scale)[0] + rng.uniform(-0.3, 0.6)
    tall = np.clip(0.065 + 0.015 * tops, 0.02, None) * np.clip(where * 4, 0, 1)
    window = canvas.window(0, float(ridge.min()) - 0.15, canvas.aspect, float(ridge.max()) + 0.02)
    mask = (window.y > ridge - tall) & (window.y < ridge + 0.006) & (tall > 0.008)
    colour = _mix(leaves * 0.9, (0.55, 0.62, 0.68), np.float32(0.3))
    window.paint(mask, colour + 0.05 * window.noise(rng, 0.02)[..., None], TREES)


def _litter(canvas: Canvas, rng: Rng, look: Family, horizon: float) -> None:
    """What lies on the meadow and stays grass: bare earth, peat, old snow, puddles, stones, flowers."""

    def place(low: float = 0.05) -> tuple[float, float, float]:
        y = rng.uniform(horizon + low, 1)
        return rng.uniform(0, canvas.aspect), y, 0.35 + 0.9 * (y - horizon) / (1 - horizon)

    for _ in range(rng.integers(1, 4)):
        x, y, near = place()
        wide, tall = near * rng.uniform(0.25, 0.5), near * rng.uniform(0.05, 0.11)
        window = canvas.window(x - 1.5 * wide, y - 1.5 * tall, x + 1.5 * wide, y + 1.5 * tall)
        inside = ellipse(window.x, window.y, (x, y), (wide, tall)) + 0.4 * window.noise(rng, 0.03, 2.5) < 1
        puddle = _mix(look.horizon[0], look.zenith[0], np.float32(rng.random())) * 0.9
        colour = _pick(rng, _coat_colours(look), 0.015) if rng.random() < 0.8 else puddle
        grain = 1 + 0.08 * window.noise(rng, 0.02, 2)
        window.paint(inside & (window.classes == GRASS), _lit(colour, grain))
    for _ in range(rng.integers(1, 6)):
        x, y, near = place()
        radii = (near * rng.uniform(0.015, 0.06), near * rng.uniform(0.012, 0.04))
        window = canvas.window(x - 1.3 * radii[0], y - 1.3 * radii[1], x + 1.3 * radii[0], y + 1.3 * radii[1])
        inside = ellipse(window.x, window.y, (x, y), radii) + 0.25 * window.noise(rng, 0.02) < 1
        stone = rng.choice((0.12, 0.45, 0.7, 0.92)) + rng.normal(0, 0.02, 3)
        light = 1 - 0.25 * (window.y - y) / radii[1]
        window.paint(inside & (window.classes == GRASS), _lit(stone, light + 0 * window.x))
    if rng.random() < 0.5:
        flower = _pick(
            rng, ((0.95, 0.95, 0.92), (0.95, 0.85, 0.25), (0.75, 0.25, 0.3), (0.6, 0.45, 0.8)), 0.03
        )
        for _ in range(rng.integers(5, 30)):
            x, y, near = place(0.1)
            size = 0.011 * near
            window = canvas.window(x - size, y - size, x + size, y + size)
            inside = ellipse(window.x, window.y, (x, y), (size, size)) < 1
            window.paint(inside & (window.classes == GRASS), flower)


def _shadow(
    canvas: Canvas, look: Family, x: float, base: float, wide: float, tall: float, sun: float
) -> None:
    """Away from the sun. A shadow darkens the grass and changes no class."""
    reach = look.shadow * tall
    at = (x - sun * 0.5 * reach, base)
    radii = (wide + 0.5 * reach, 0.1 * wide + 0.02)
    window = canvas.window(at[0] - radii[0], base - radii[1], at[0] + radii[0], base + radii[1])
    inside = ellipse(window.x, window.y, at, radii) < 1
    window.shade(inside & (window.classes == GRASS), 0.68)


def _tree(
    canvas: Canvas, rng: Rng, look: Family, x: float, base: float, near: float, sun: float, leaves: Array
) -> None:
    tall = (0.30 + 0.45 * near) * rng.uniform(0.75, 1.3)
    wide = tall * rng.uniform(0.22, 0.4)
    _shadow(canvas, look, x, base, wide * 0.5, tall, sun)
    window = canvas.window(x - 1.5 * wide, base - 1.25 * tall, x + 1.5 * wide, base + 0.02)
    bark = (
        rng.normal((0.30, 0.21, 0.14), 0.04) if rng.random() < 0.8 else rng.normal((0.75, 0.74, 0.70), 0.03)
    )
    trunk = stroke(window.x, window.y, (x, base), (x, base - 0.6 * tall), 0.06 * tall, 0.045 * tall)
    light = np.clip(1 + 0.35 * sun * (window.x - x) / (0.06 * tall), 0.6, 1.3) + 0 * window.y
    window.paint(trunk, _lit(bark, light), TREES)
    own = np.clip(leaves + rng.normal(0, 0.03, 3), 0.02, 1)
    rough = window.noise(rng, 0.04)
    if rng.random() < 0.3:  # a fir: a cone of drooping layers
        down = np.clip((window.y - (base - tall)) / (0.88 * tall), 0, 2)
        layers = rng.integers(4, 8)
        half = 0.7 * wide * down * (0.72 + 0.42 * ((down * layers) % 1)) + 0.008 * rough
        inside = (np.abs(window.x - x) < half) & (down > 0) & (down < 1)
        own = _mix(own, (0.08, 0.22, 0.16), np.float32(0.7))
    else:
        crown = window.noise(rng, 0.07 * tall / 0.5) * 0.3 + 0.1 * rough
        inside = ellipse(window.x, window.y, (x, base - 0.66 * tall), (wide, 0.36 * tall)) + crown < 1
    light = 1 + 0.28 * sun * (window.x - x) / wide + 0.22 * (base - 0.6 * tall - window.y) / tall
    light = np.clip(light + 0.16 * rough + 0.14 * window.noise(rng, 0.05), 0.4, 1.6)
    window.paint(inside, _lit(own, light), TREES)


def _boulder(
    canvas: Canvas, rng: Rng, look: Family, x: float, base: float, near: float, sun: float, leaves: Array
) -> None:
    """Chalk, sandstone or basalt: a cow's colours and nearly its size, but no legs."""
    tall = (0.05 + 0.05 * near) * rng.uniform(0.8, 1.2)
    wide = tall * rng.uniform(0.8, 1.3)
    _shadow(canvas, look, x, base, wide, tall, sun)
    window = canvas.window(x - 1.4 * wide, base - 1.4 * tall, x + 1.4 * wide, base + 0.02)
    rough = window.noise(rng, 0.04)
    inside = ellipse(window.x, window.y, (x, base), (wide, tall)) + 0.22 * rough < 1
    inside &= window.y < base + 0.01 * window.noise(rng, 0.05)
    facets = np.sign(window.noise(rng, 0.05)) * 0.1 + 0.08 * rough
    light = 0.72 + 0.35 * (base - window.y) / tall + 0.2 * sun * (window.x - x) / wide + facets
    window.paint(inside, _lit(_pick(rng, _coat_colours(look), 0.015), np.clip(light, 0.5, 1.25)), GRASS)


def _coat_colours(look: Family) -> tuple:
    return tuple(colour for coat in look.coats for colour in coat if colour)


def _cow(
    canvas: Canvas, rng: Rng, look: Family, x: float, base: float, near: float, sun: float, leaves: Array
) -> None:
    long = (0.26 + 0.20 * near) * rng.uniform(0.9, 1.15)
    facing = float(rng.choice((-1.0, 1.0)))
    pose = "grazing" if rng.random() < 0.35 else "standing"
    _shadow(canvas, look, x, base, 0.55 * long, 0.8 * long, sun)
    window = canvas.window(x - 0.95 * long, base - 1.15 * long, x + 0.95 * long, base + 0.06 * long)
    # The cow's own coordinates, in lengths of its body: u forwards, v upwards from the ground.
    u, v = facing * (window.x - x) / long, (base - window.y) / long

    def line(start: tuple, end: tuple, thick: float, thin: float | None = None) -> Array:
        return stroke(u, v, start, end, thick, thin)

    coat, patch = look.coats[rng.integers(len(look.coats))]
    coat, patch = (None if c is None else np.clip(rng.normal(c, 0.025), 0.03, 1) for c in (coat, patch))
    hide = np.broadcast_to(coat.astype(np.float32), (*window.shape, 3))
    if patch is not None:
        blots = value_noise(rng, window.shape, 0.26 * long * window.scale, 0.26 * long * window.scale)
        hide = np.where((blots > rng.uniform(-0.2, 0.4))[..., None], patch.astype(np.float32), hide)
    light = np.clip(0.92 + 0.55 * (v - 0.55) + 0.18 * sun * facing * u, 0.55, 1.25)
    hide = _lit(hide, light + 0.05 * window.noise(rng, 0.02))
    horn, hoof = np.array((0.86, 0.80, 0.66), np.float32), np.array((0.16, 0.13, 0.11), np.float32)

    step = rng.uniform(-0.06, 0.06)
    for at, near_side in ((-0.27, 0), (0.22, 0), (-0.38, 1), (0.32, 1)):
        foot = at + (step if near_side else -step)
        leg = line((at, 0.48), (foot, 0.045), 0.08, 0.052) & (v > 0)
        window.paint(leg, hide * (0.95 if near_side else 0.62), COW)
        window.paint(leg & (v < 0.06), hoof, COW)
    swing = rng.uniform(-0.1, 0.06)
    window.paint(line((-0.54, 0.70), (-0.59 + swing, 0.36), 0.026), hide * 0.85, COW)
    window.paint(line((-0.59 + swing, 0.36), (-0.59 + swing, 0.27), 0.04), hide * 0.5, COW)
    body = line((-0.36, 0.58), (0.32, 0.59), 0.195) | (ellipse(u, v, (-0.02, 0.52), (0.42, 0.2)) < 1)
    body |= line((-0.46, 0.70), (-0.36, 0.62), 0.09)
    if pose == "grazing":
        neck, head = ((0.36, 0.62), (0.57, 0.36)), ((0.58, 0.30), (0.68, 0.10))
        ears, horns = (((0.53, 0.34), (0.46, 0.28)),), (((0.60, 0.36), (0.70, 0.38)),)
    else:
        neck, head = ((0.36, 0.64), (0.55, 0.82)), ((0.57, 0.84), (0.77, 0.72))
        ears = (((0.52, 0.87), (0.42, 0.88)),)
        horns = (((0.55, 0.90), (0.54, 1.03)), ((0.60, 0.90), (0.67, 1.02)))
    if rng.random() < 0.6:
        window.paint(
            ellipse(u, v, (-0.22, 0.36), (0.09, 0.07)) < 1, np.float32((0.82, 0.60, 0.55)) * 0.9, COW
        )
    window.paint(body, hide, COW)
    window.paint(line(*neck, 0.15, 0.10), hide * 0.97, COW)
    for ear in ears:
        window.paint(line(*ear, 0.035), hide * 0.75, COW)
    if rng.random() < 0.75:
        for spike in horns:
            window.paint(line(*spike, 0.028, 0.018), horn, COW)
    window.paint(line(*head, 0.10, 0.07), hide * 1.02, COW)
    muzzle = line(head[1], (head[1][0] + 0.01, head[1][1] - 0.01), 0.062)
    window.paint(muzzle, np.float32((0.70, 0.52, 0.47)) if coat.mean() > 0.3 else hide * 0.7, COW)
