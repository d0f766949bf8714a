"""How good a segmentation is, added up batch by batch: nothing but counts is kept.

    matrix = ConfusionMatrix(num_classes=4)
    for image, target in batches:
        matrix.update(net(image), target)
    matrix.mean_iou(), matrix.iou()

Counts are added over the whole set before any ratio is taken, so that the batch size changes nothing. A
class that neither occurs in the ground truth nor is predicted has no IoU: it is nan and no part of a mean.
(As 0 it would punish the absent, as 1 reward it.) A class that is predicted where it never occurs has IoU 0.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


class ConfusionMatrix:
    """`counts[t, p]`: how many positions of class t were predicted as class p. `(K, K)` int64.

    Positions whose ground truth is `ignore_index` are left out, whatever is predicted there.
    """

    def __init__(self, num_classes: int, ignore_index: int = 255) -> None:
        self.num_classes, self.ignore_index = _checked_classes(num_classes), ignore_index
        self.counts = torch.zeros(num_classes, num_classes, dtype=torch.int64)

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        """Add a batch: class indices `(N, H, W)` or scores `(N, K, H, W)`, and the target `(N, H, W)`."""
        prediction = classes_of(prediction, target, self.num_classes, self.ignore_index)
        counted = target != self.ignore_index
        pairs = self.num_classes * target[counted] + prediction[counted]
        counts = torch.bincount(pairs, minlength=self.num_classes**2)
        self.counts += counts.view(self.num_classes, self.num_classes).cpu()

    def iou(self) -> torch.Tensor:
        """Intersection over union of every class, `(K,)`: right / (right + missed + false)."""
        right, missed, false = self._parts()
        return right / (right + missed + false)

    def mean_iou(self) -> float:
        """The mean of the IoU over the classes that have one; nan if nothing was counted."""
        return self.iou().nanmean().item()

    def dice(self) -> torch.Tensor:
        """Dice (F1) of every class, `(K,)`: 2 · right / (2 · right + missed + false)."""
        right, missed, false = self._parts()
        return 2 * right / (2 * right + missed + false)

    def pixel_accuracy(self) -> float:
        """The share of positions that are right; nan if nothing was counted."""
        return (self.counts.diagonal().sum().double() / self.counts.sum()).item()

    def _parts(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        counts = self.counts.double()
        right = counts.diagonal()
        return right, counts.sum(dim=1) - right, counts.sum(dim=0) - right


class BoundaryF1:
    """F1 of the outlines: how many of their pixels lie within `tolerance` pixels of the other outline.

    Csurka et al., *What is a good evaluation measure for semantic segmentation?*, BMVC 2013, with the counts
    added over all images. The outline of a class are its pixels that have one of another class above, below,
    to the left or to the right; the border of the image is no outline. Distances are Euclidean. Pixels of an
    outline that are void, or touch void even at a corner, are not counted: nobody knows where it runs there.
    """

    def __init__(self, num_classes: int, tolerance: float = 2, ignore_index: int = 255) -> None:
        if not tolerance >= 0 or math.isinf(tolerance):
            raise ValueError(f"tolerance is a number of pixels, at least 0; got {tolerance}")
        self.num_classes, self.ignore_index = _checked_classes(num_classes), ignore_index
        self.tolerance = tolerance
        #: Rows: predicted outline near the true one, predicted outline, true one near the predicted, true.
        self.counts = torch.zeros(4, num_classes, dtype=torch.int64)

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        """Add a batch: class indices `(N, H, W)` or scores `(N, K, H, W)`, and the target `(N, H, W)`."""
        prediction = classes_of(prediction, target, self.num_classes, self.ignore_index)
        void = target == self.ignore_index
        known = F.max_pool2d(void[:, None].float(), 3, 1, 1) == 0
        predicted = self._outlines(prediction) & known
        true = self._outlines(torch.where(void, 0, target)) & known
        near_true, near_predicted = self._widened(true), self._widened(predicted)
        rows = (predicted & near_true, predicted, true & near_predicted, true)
        self.counts += torch.stack([row.sum(dim=(0, 2, 3)) for row in rows]).cpu()

    def precision(self) -> torch.Tensor:
        """Of every class, the share of its predicted outline that is near the true one, `(K,)`."""
        return self.counts[0].double() / self.counts[1]

    def recall(self) -> torch.Tensor:
        """Of every class, the share of its true outline that is near the predicted one, `(K,)`."""
        return self.counts[2].double() / self.counts[3]

    def f1(self) -> torch.Tensor:
        """2 · precision · recall / (precision + recall), `(K,)`; nan for a class without any outline."""
        near_true, predicted, near_predicted, true = self.counts.double()
        precision, recall = near_true / predicted.clamp(min=1), near_predicted / true.clamp(min=1)
        f1 = 2 * precision * recall / (precision + recall).clamp(min=1e-12)
        return torch.where(predicted + true > 0, f1, math.nan)

    def mean_f1(self) -> float:
        """The mean of `f1` over the classes that have one."""
        return self.f1().nanmean().item()

    def _outlines(self, classes: torch.Tensor) -> torch.Tensor:
        """`(N, H, W)` class indices → `(N, K, H, W)` bool."""
        differs = torch.zeros_like(classes, dtype=torch.bool)
        down = classes[:, 1:] != classes[:, :-1]
        right = classes[:, :, 1:] != classes[:, :, :-1]
        differs[:, 1:] |= down
        differs[:, :-1] |= down
        differs[:, :, 1:] |= right
        differs[:, :, :-1] |= right
        return F.one_hot(classes, self.num_classes).movedim(-1, 1).bool() & differs[:, None]

    def _widened(self, outlines: torch.Tensor) -> torch.Tensor:
        """All positions within `tolerance` of an outline: a convolution with a disc."""
        reach = int(self.tolerance)
        steps = torch.arange(-reach, reach + 1, device=outlines.device)
        disc = (steps[:, None] ** 2 + steps**2 <= self.tolerance**2).float()[None, None]
        n, k, height, width = outlines.shape
        flat = outlines.reshape(n * k, 1, height, width).float()
        return (F.conv2d(flat, disc, padding=reach) > 0.5).view(n, k, height, width)


def classes_of(
    prediction: torch.Tensor, target: torch.Tensor, num_classes: int, ignore_index: int
) -> torch.Tensor:
    """Class indices `(N, H, W)` from class indices or scores; errors say what does not fit the target."""
    for name, value in (("a prediction", prediction), ("a target", target)):
        if not isinstance(value, torch.Tensor):
            raise ValueError(f"{name} is a tensor, got {type(value).__name__}")
    if target.ndim != 3 or target.is_floating_point():
        raise ValueError(
            f"a target holds class indices (N, H, W); got {target.dtype} of shape {tuple(target.shape)}"
        )
    if prediction.ndim == 4:
        if prediction.shape[1] != num_classes:
            raise ValueError(f"scores of {num_classes} classes are expected, got {tuple(prediction.shape)}")
        if prediction.isnan().any():
            raise ValueError("scores hold NaN: the largest of them is not defined")
        prediction = prediction.argmax(dim=1)
    if prediction.is_floating_point():
        raise ValueError(f"a prediction of shape {tuple(prediction.shape)} holds class indices, not floats")
    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} differ in shape"
        )
    counted = target != ignore_index
    for name, values in (("target", target[counted]), ("prediction", prediction[counted])):
        if values.numel() and not (values.min() >= 0 and values.max() < num_classes):
            wrong = values[(values < 0) | (values >= num_classes)][0].item()
            raise ValueError(
                f"the {name} holds {wrong}, which is neither one of {num_classes} classes, 0 … "
                f"{num_classes - 1}, nor void, {ignore_index}"
            )
    return prediction.long()


def _checked_classes(num_classes: int) -> int:
    if not isinstance(num_classes, int) or num_classes < 1:
        raise ValueError(f"num_classes is a whole number of at least 1, got {num_classes!r}")
    return num_classes
