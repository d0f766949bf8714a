"""New training examples from old ones: crops, flips, elastic deformation, light and noise.

Ronneberger et al. 2015, section 3.1: with few annotated images, deforming them teaches the invariances that
microscopy needs. Whatever moves pixels moves the class map alike, and class maps are never interpolated:
between class 1 and class 3 there is no class 2.

All functions take an image `(C, H, W)`, its class map `(H, W)` and a `torch.Generator`, and return a pair.
The generator is the only source of chance: the same state, the same example.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from pixelwise.inference import mirrored

Example = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Augmentation:
    """What happens to an example before the network sees it, in this order.

    mirror         pixels by which the image is continued beyond its borders, with a void class map: the
                   `margin` of a network without padding, whose scores lack as much (see `extend`)
    crop           height and width (or one number for both) of a random crop; None keeps the size
    flip           mirror left and right, in half of the cases
    flip_vertical  mirror top and bottom, in half of the cases: right for cells, wrong for cows
    elastic        s.d. in pixels of the elastic deformation's grid points; the paper takes 10. 0: none
    light          s.d. of a random factor on the contrast and of a random shift of the brightness
    noise          s.d. of Gaussian noise on every pixel
    ignore_index   the void that `mirror` writes
    """

    mirror: int = 0
    crop: int | tuple[int, int] | None = None
    flip: bool = True
    flip_vertical: bool = False
    elastic: float = 0
    light: float = 0
    noise: float = 0
    ignore_index: int = 255

    def __call__(self, image: torch.Tensor, class_map: torch.Tensor, generator: torch.Generator) -> Example:
        if self.elastic:
            image, class_map = elastic_deformation(image, class_map, generator, sigma=self.elastic)
        if self.mirror:
            image, class_map = extend(image, class_map, self.mirror, self.ignore_index)
        if self.crop is not None:
            size = (self.crop, self.crop) if isinstance(self.crop, int) else self.crop
            image, class_map = random_crop(image, class_map, generator, size)
        if self.flip:
            image, class_map = random_flip(image, class_map, generator)
        if self.flip_vertical:
            image, class_map = random_flip(image, class_map, generator, vertical=True)
        if self.light:
            factor, shift = self.light * torch.randn(2, generator=generator)
            image = image * (1 + factor) + shift
        if self.noise:
            image = image + self.noise * torch.randn(image.shape, generator=generator)
        return image, class_map


def elastic_deformation(
    image: torch.Tensor,
    class_map: torch.Tensor,
    generator: torch.Generator,
    sigma: float = 10,
    grid: int = 3,
) -> Example:
    """The paper's deformation: random displacements on a coarse grid, bicubic in between.

    "random displacement vectors on a coarse 3 by 3 grid … sampled from a Gaussian distribution with 10
    pixels standard deviation. Per-pixel displacements are then computed using bicubic interpolation." (The
    idea is that of Simard et al., ICDAR 2003.) 10 pixels belong to the paper's images of 512: take fewer on
    smaller ones.
    """
    check_example(image, class_map)
    if not sigma >= 0 or grid < 2:
        raise ValueError(f"sigma is not negative and grid at least 2; got sigma={sigma}, grid={grid}")
    points = sigma * torch.randn(1, 2, grid, grid, generator=generator)
    size = image.shape[-2:]
    displacement = F.interpolate(points, size=size, mode="bicubic", align_corners=True)[0]
    return warp(image, class_map, displacement)


def warp(image: torch.Tensor, class_map: torch.Tensor, displacement: torch.Tensor) -> Example:
    """What stands at (y, x) + displacement[:, y, x] comes to (y, x); beyond the border, the mirror image.

    displacement   `(2, H, W)` in pixels: down, right

    The image is read between pixels by bicubic interpolation (kept within its own range, as a cubic
    overshoots), the class map at the nearest pixel.
    """
    check_example(image, class_map)
    height, width = class_map.shape
    if tuple(displacement.shape) != (2, height, width):
        raise ValueError(f"displacement has shape (2, {height}, {width}), got {tuple(displacement.shape)}")
    displacement = displacement.to(image.device)
    y = torch.arange(height, device=image.device)[:, None] + displacement[0]
    x = torch.arange(width, device=image.device) + displacement[1]
    # grid_sample counts from −1 (the first pixel's centre) to 1 (the last one's), x before y.
    where = torch.stack([2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], dim=-1)[None]
    how = {"padding_mode": "reflection", "align_corners": True}
    warped = F.grid_sample(image[None], where.to(image.dtype), mode="bicubic", **how)[0]
    warped = warped.clamp(image.amin(), image.amax())
    # Class indices are small whole numbers, which floats hold exactly.
    labels = F.grid_sample(class_map[None, None].float(), where.float(), mode="nearest", **how)[0, 0]
    return warped, labels.to(class_map.dtype)


def extend(image: torch.Tensor, class_map: torch.Tensor, pixels: int, ignore_index: int = 255) -> Example:
    """`pixels` more at every side: the mirror image, and void in the class map.

    A network without padding scores the centre of what it sees. Extended by its margin, every position of
    the image comes to lie in a centre, and nothing is learnt from labels that nobody drew.
    """
    check_example(image, class_map)
    if not isinstance(pixels, int) or pixels < 0:
        raise ValueError(f"pixels is a whole number, not negative; got {pixels!r}")
    rows, columns = (mirrored(torch.arange(-pixels, n + pixels), n).to(image.device) for n in class_map.shape)
    image = image[:, rows[:, None], columns]
    return image, F.pad(class_map, (pixels,) * 4, value=ignore_index)


def random_crop(
    image: torch.Tensor, class_map: torch.Tensor, generator: torch.Generator, size: tuple[int, int]
) -> Example:
    """A window of `size` = (height, width), anywhere."""
    check_example(image, class_map)
    room = [have - want for have, want in zip(class_map.shape, size, strict=True)]
    if min(room) < 0 or min(size) < 1:
        raise ValueError(f"cannot crop {size[0]} × {size[1]} out of an image of {tuple(class_map.shape)}")
    top, left = (int(torch.randint(r + 1, (1,), generator=generator)) for r in room)
    window = (..., slice(top, top + size[0]), slice(left, left + size[1]))
    return image[window], class_map[window]


def random_flip(
    image: torch.Tensor, class_map: torch.Tensor, generator: torch.Generator, vertical: bool = False
) -> Example:
    """The mirror image, in half of the cases."""
    check_example(image, class_map)
    if torch.rand(1, generator=generator) < 0.5:
        return image, class_map
    axis = -2 if vertical else -1
    return image.flip(axis), class_map.flip(axis)


def check_example(image: torch.Tensor, class_map: torch.Tensor) -> None:
    """Raise an error that says what is wrong with an image and its class map."""
    if image.ndim != 3 or not image.is_floating_point():
        raise ValueError(
            f"an image is floating point (C, H, W); got {image.dtype}, shape {tuple(image.shape)}"
        )
    if class_map.ndim != 2 or class_map.is_floating_point():
        raise ValueError(
            f"a class map holds class indices (H, W); got {class_map.dtype}, shape {tuple(class_map.shape)}"
        )
    if image.shape[1:] != class_map.shape:
        raise ValueError(f"image {tuple(image.shape)} and class map {tuple(class_map.shape)} differ in size")
