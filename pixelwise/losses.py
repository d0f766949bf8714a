"""Losses of segmentation: what is summed, over what, and with which weights.

Scores are `(N, K, H, W)`, one score for each class at each position; targets are class maps `(N, H, W)` of
int64. The classes exclude each other, so that the scores pass through one softmax over K, not K sigmoids.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F


def pixelwise_cross_entropy(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The lecture's loss, ℓ = −Σ log p(y[x, y]): summed over the positions *and* over the images.

    scores    `(N, K, H, W)` floating point; p is their softmax over K
    target    `(N, H, W)` int64 in 0 … K − 1
    returns   a scalar. Its gradient with respect to the scores is softmax − one-hot.

    Raises `TypeError` for a wrong dtype, `ValueError` for wrong shapes, labels out of range and NaN. A sum
    grows with the number of pixels: divide by it (or take `weighted_cross_entropy(…, reduction="mean")`)
    before you compare images of different sizes or keep a learning rate.
    """
    return weighted_cross_entropy(scores, target)


def weighted_cross_entropy(
    scores: torch.Tensor,
    target: torch.Tensor,
    class_weights: torch.Tensor | None = None,
    ignore_index: int = -100,
    *,
    pixel_weights: torch.Tensor | None = None,
    reduction: str = "sum",
) -> torch.Tensor:
    """−Σ w · log p over positions and images; positions labelled `ignore_index` count nothing.

    class_weights   `(K,)` non-negative, the weight of a position by its true class; None: 1
    pixel_weights   `(N, H, W)` non-negative, the w(x) of Ronneberger et al. 2015, equation 1 (see
                    `border_weight_map`); multiplied with the class weight. None: 1
    reduction       "sum"; or "mean", which divides by the sum of the weights that counted, not by the number
                    of positions (as `torch.nn.functional.cross_entropy` does). Nothing counted: 0.

    Raises as `pixelwise_cross_entropy` does, and for weights of a wrong shape, negative or not finite.
    """
    counted = check_scores_and_target(scores, target, ignore_index)
    if reduction not in ("sum", "mean"):
        raise ValueError(f'reduction is "sum" or "mean", got {reduction!r}')
    labels = torch.where(counted, target, 0)
    # Half precision cannot hold a sum over a million pixels; log_softmax subtracts the largest score first,
    # so that scores of ±10 000 overflow nowhere.
    log_p = F.log_softmax(scores.float() if scores.dtype != torch.float64 else scores, dim=1)
    log_p = log_p.gather(1, labels[:, None])[:, 0]

    weights = counted.to(log_p.dtype)
    if class_weights is not None:
        _check_weights("class_weights", class_weights, (scores.shape[1],))
        weights = weights * class_weights.to(log_p)[labels]
    if pixel_weights is not None:
        _check_weights("pixel_weights", pixel_weights, tuple(target.shape))
        weights = weights * pixel_weights.to(log_p)
    # A position without weight must not contribute 0 · ∞ = NaN.
    total = -(weights * torch.where(weights > 0, log_p, 0)).sum()
    if reduction == "mean":
        return total / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)
    return total


def dice_loss(
    scores: torch.Tensor, target: torch.Tensor, ignore_index: int = -100, smooth: float = 1.0
) -> torch.Tensor:
    """1 − Dice, with probabilities in place of decisions, averaged over the classes.

    Dice of a class = (2 Σ p·g + smooth) / (Σ p + Σ g + smooth), with p its probability and g ∈ {0, 1} its
    ground truth, summed over the positions of the whole batch (Milletari et al. 2016, with p instead of p²).
    Every class weighs the same, however few its pixels. `smooth` lets a class that is absent from the batch
    and not predicted count as right. The loss lies in 0 … 1.

    Shapes and errors as in `pixelwise_cross_entropy`.
    """
    counted = check_scores_and_target(scores, target, ignore_index)[:, None]
    p = scores.float().softmax(dim=1) * counted
    labels = torch.where(counted[:, 0], target, 0)
    truth = F.one_hot(labels, scores.shape[1]).movedim(-1, 1).to(p.dtype) * counted
    both = (p * truth).sum(dim=(0, 2, 3))
    sizes = p.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3))
    return (1 - (2 * both + smooth) / (sizes + smooth)).mean()


def balanced_class_weights(target: torch.Tensor, num_classes: int, ignore_index: int = -100) -> torch.Tensor:
    """Weights `(K,)` that let every class of a class map count alike: n / (K' · n_c), 0 where n_c is 0.

    n_c is the number of positions of class c, K' the number of classes that occur; the average weight of a
    position is 1. This is the w_c of Ronneberger et al. 2015, which "balances the class frequencies".
    """
    labels = target[target != ignore_index]
    _check_labels(labels, num_classes, ignore_index)
    counts = torch.bincount(labels.flatten(), minlength=num_classes).float()
    occurs = counts > 0
    weights = counts.sum() / (occurs.sum().clamp(min=1) * counts.clamp(min=1))
    return torch.where(occurs, weights, 0)


def border_weight_map(
    instances: torch.Tensor,
    w0: float = 10,
    sigma: float = 5,
    class_weights: tuple[float, float] = (1, 1),
) -> torch.Tensor:
    """Ronneberger et al. 2015, equation 2: w(x) = w_c(x) + w₀ · exp(−(d₁(x) + d₂(x))² / 2σ²).

    instances       `(H, W)` or `(N, H, W)` of integers: 0 is background, every cell has its own positive
                    number. From a mask of cells: `connected_components(mask)`
    w0, sigma       as in the paper; sigma in pixels
    class_weights   w_c of background and of cells
    returns         float32 of the same shape

    d₁ and d₂ are the distances of x to the nearest and to the second nearest cell, 0 inside a cell. With
    fewer than two cells there is no border to keep free, and w = w_c. The equation is taken at every
    position, as it stands; many programs keep the second term on the background alone: multiply by
    `instances == 0` for that.

    In a loss for `train`, after the augmentation has moved the cells:

        def loss(scores, target):
            maps = [border_weight_map(connected_components(cells)) for cells in target == 1]
            return weighted_cross_entropy(scores, target, pixel_weights=torch.stack(maps), reduction="mean")
    """
    if not isinstance(instances, torch.Tensor) or instances.ndim not in (2, 3):
        raise ValueError("instances has shape (H, W) or (N, H, W); got " + _what(instances))
    if instances.is_floating_point() or instances.is_complex():
        raise TypeError(f"instances holds whole numbers, one for each cell; got {instances.dtype}")
    if not (sigma > 0 and w0 >= 0):
        raise ValueError(f"sigma is positive and w0 not negative; got sigma={sigma}, w0={w0}")
    if instances.ndim == 3:
        maps = [border_weight_map(single, w0, sigma, class_weights) for single in instances]
        return torch.stack(maps) if maps else torch.empty(instances.shape)
    cells = instances.cpu().numpy().astype(np.int64)
    if cells.size and cells.min() < 0:
        raise ValueError("instances numbers the cells from 1, background is 0; got a negative number")

    # Beyond nine σ the second term is below w₀ · 10⁻¹⁷: no float can tell it from 0.
    reach = int(np.ceil(9 * sigma))
    nearest = np.full(cells.shape, np.inf)
    second = np.full(cells.shape, np.inf)
    for cell in np.unique(cells[cells > 0]):
        mask = cells == cell
        window = _window(mask, reach)
        distance = np.sqrt(_squared_distance(mask[window], reach))
        second[window] = np.minimum(second[window], np.maximum(nearest[window], distance))
        nearest[window] = np.minimum(nearest[window], distance)
    w_c = np.where(cells > 0, class_weights[1], class_weights[0])
    weights = w_c + w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return torch.from_numpy(weights.astype(np.float32)).to(instances.device)


def connected_components(mask: torch.Tensor) -> torch.Tensor:
    """Numbers the connected regions of a `(H, W)` mask 1, 2, …; 0 stays background. int64.

    Neighbours share a side: cells that touch at a corner only are two.
    """
    if not isinstance(mask, torch.Tensor) or mask.ndim != 2:
        raise ValueError("a mask has shape (H, W); got " + _what(mask))
    inside = mask.cpu().numpy() != 0
    names = np.arange(1, inside.size + 1).reshape(inside.shape) * inside
    while True:  # every pixel takes the largest name among its neighbours …
        spread = names.copy()
        np.maximum(spread[1:], names[:-1], out=spread[1:])
        np.maximum(spread[:-1], names[1:], out=spread[:-1])
        np.maximum(spread[:, 1:], names[:, :-1], out=spread[:, 1:])
        np.maximum(spread[:, :-1], names[:, 1:], out=spread[:, :-1])
        spread *= inside
        # … and then the name that the pixel of that name has: names travel far in few rounds.
        spread = np.append(0, spread)[spread]
        if np.array_equal(spread, names):
            break
        names = spread
    numbers = np.searchsorted(np.unique(names[inside]), names, side="right") * inside
    return torch.from_numpy(numbers.astype(np.int64)).to(mask.device)


def check_scores_and_target(scores: torch.Tensor, target: torch.Tensor, ignore_index: int) -> torch.Tensor:
    """Raise an error that says what is wrong with a pair; return where it counts, `(N, H, W)` bool."""
    if not isinstance(scores, torch.Tensor) or scores.ndim != 4:
        raise ValueError("scores have shape (N, K, H, W); got " + _what(scores))
    if not scores.is_floating_point():
        raise TypeError(f"scores are floating point, not class indices; got {scores.dtype}")
    if not isinstance(target, torch.Tensor) or target.ndim != 3:
        raise ValueError("a target has shape (N, H, W), a class index a position; got " + _what(target))
    if target.is_floating_point() or target.dtype == torch.bool:
        raise TypeError(f"a target holds class indices, not one-hot or probabilities; got {target.dtype}")
    if target.dtype != torch.int64:
        raise TypeError(f"a target is int64: write target.long(); got {target.dtype}")
    if (scores.shape[0], *scores.shape[2:]) != tuple(target.shape):
        raise ValueError(
            f"scores {tuple(scores.shape)} and target {tuple(target.shape)} differ in N, H or W; "
            "a network without padding needs centre_crop(target, scores.shape[-2:])"
        )
    if scores.numel() == 0:
        raise ValueError(f"scores are empty: shape {tuple(scores.shape)}")
    if scores.isnan().any():
        raise ValueError("scores hold NaN")
    counted = target != ignore_index
    _check_labels(target[counted], scores.shape[1], ignore_index)
    return counted


def _check_labels(labels: torch.Tensor, num_classes: int, ignore_index: int) -> None:
    if labels.numel() == 0:
        return
    low, high = (int(v) for v in labels.aminmax())
    if low < 0 or high >= num_classes:
        wrong = low if low < 0 else high
        hint = "" if wrong != 255 else "; 255 is the usual mark of void pixels: pass ignore_index=255"
        raise ValueError(
            f"label {wrong} is out of range: {num_classes} classes are 0 … {num_classes - 1}, "
            f"ignore_index is {ignore_index}{hint}"
        )


def _check_weights(name: str, weights: torch.Tensor, shape: tuple[int, ...]) -> None:
    if not isinstance(weights, torch.Tensor) or tuple(weights.shape) != shape:
        raise ValueError(f"{name} have shape {shape}; got " + _what(weights))
    if not weights.isfinite().all() or (weights < 0).any():
        raise ValueError(f"{name} are finite and not negative")


def _squared_distance(mask: np.ndarray, reach: int) -> np.ndarray:
    """The squared Euclidean distance to the mask, exact up to `reach` along each axis, infinite beyond.

    d² is a sum over the axes, so that its minimum can be taken one axis after the other.
    """
    squared = np.where(mask, 0.0, np.inf)
    for _ in range(2):
        before = squared.T  # the transpose turns the other axis to the front, and back the second time
        squared = before.copy()
        for step in range(1, min(reach, len(before) - 1) + 1):
            np.minimum(squared[step:], before[:-step] + step**2, out=squared[step:])
            np.minimum(squared[:-step], before[step:] + step**2, out=squared[:-step])
    return squared


def _window(mask: np.ndarray, reach: int) -> tuple[slice, slice]:
    """The rectangle around the mask, `reach` pixels wider at every side."""
    sides = (np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0)))
    return tuple(slice(max(int(s[0]) - reach, 0), int(s[-1]) + reach + 1) for s in sides)


def _what(value: object) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
