"""Scores for images of any size: tile by tile, with mirrored borders.

Ronneberger et al. 2015, figure 2, the overlap-tile strategy: the network sees, around the tile it has to
segment, all the context that its scores depend on; where the image ends, its mirror image goes on.
"""

from __future__ import annotations

import itertools

import torch

from pixelwise.unet import Network


@torch.no_grad()
def predict(net: Network, images: torch.Tensor, tile: int | None = None, batch_size: int = 8) -> torch.Tensor:
    """Class scores `(N, K, H, W)` for images `(N, C, H, W)` of any height and width.

    tile         None: the image at once. Or the side of the square that is segmented at a time (it is rounded
                 up to what the network can do), for images that do not fit into memory.
    batch_size   how many tiles go through the network together

    The scores come back on the images' device; the network's train or eval mode stays as it is.

    At least `net.edge` pixels away from the image's border, tiles give the scores of the whole image (to
    rounding). For that they have to sit on the same pooling grid: they step by multiples of `net.multiple`.
    The paper's tiles of 388 do not; 384 do. Within `net.edge` of the border a padded network sees zeros
    where the image is taken at once, and the mirror image where it is tiled.
    """
    if not isinstance(images, torch.Tensor) or images.ndim != 4:
        shape = tuple(images.shape) if isinstance(images, torch.Tensor) else type(images).__name__
        raise ValueError(f"images have shape (N, C, H, W): write image[None] for a single one; got {shape}")
    if images.shape[1] != net.in_channels:
        raise ValueError(f"the network takes {net.in_channels} channels, the images have {images.shape[1]}")
    if not images.is_floating_point():
        raise TypeError(f"images are floating point in [0, 1], got {images.dtype}: divide by 255 first")
    if min(images.shape) < 1:
        raise ValueError(f"the images are empty: shape {tuple(images.shape)}")
    if not images.isfinite().all():
        raise ValueError("the images hold NaN or infinite values")
    if tile is not None and (not isinstance(tile, int) or tile < 1):
        raise ValueError(f"tile is a whole number of pixels of at least 1, or None; got {tile!r}")

    size = images.shape[-2:]
    if tile is None:
        steps, cut = tuple(size), 0
    else:
        steps = (_round_up(tile, net.multiple),) * 2
        cut = _round_up(net.edge, net.multiple)
    before = cut + net.margin
    windows = [_legal(net, step + 2 * before) for step in steps]

    device = next(net.parameters()).device
    corners = [(y, x) for y in range(0, size[0], steps[0]) for x in range(0, size[1], steps[1])]
    jobs = [(n, y, x) for n in range(len(images)) for y, x in corners]
    scores = images.new_empty(len(images), net.num_classes, *size)
    was_training = net.training
    net.eval()
    try:
        for start in range(0, len(jobs), batch_size):
            batch = jobs[start : start + batch_size]
            tiles = [_window(images[n], y - before, x - before, windows) for n, y, x in batch]
            results = net(torch.stack(tiles).to(device)).to(scores)
            for (n, y, x), result in zip(batch, results, strict=True):
                place = scores[n, :, y : y + steps[0], x : x + steps[1]]
                place.copy_(result[:, cut : cut + place.shape[1], cut : cut + place.shape[2]])
    finally:
        net.train(was_training)
    return scores


def mirrored(positions: torch.Tensor, size: int) -> torch.Tensor:
    """Where positions beyond 0 … size − 1 are found when the border is a mirror: −1 → 1, size → size − 2.

    Mirrors face each other, so that any distance is reached: … 2 1 | 0 1 2 3 | 2 1 0 1 …
    """
    period = max(2 * (size - 1), 1)
    positions = positions % period
    return torch.minimum(positions, period - positions) if size > 1 else torch.zeros_like(positions)


def _window(image: torch.Tensor, top: int, left: int, size: list[int]) -> torch.Tensor:
    rows = mirrored(torch.arange(top, top + size[0], device=image.device), image.shape[-2])
    columns = mirrored(torch.arange(left, left + size[1], device=image.device), image.shape[-1])
    return image[:, rows[:, None], columns]


def _legal(net: Network, size: int) -> int:
    """The smallest legal size that is no smaller."""
    return next(s for s in itertools.count(size) if net.legal_input_sizes(s, s))


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
