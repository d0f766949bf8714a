"""Metrics by hand and against slow references."""

from __future__ import annotations

import math

import pytest
import torch

from pixelwise.metrics import BoundaryF1, ConfusionMatrix

VOID = 255


def test_confusion_by_hand():
    matrix = ConfusionMatrix(4)
    target = torch.tensor([[[0, 0, 1, 1], [1, 2, VOID, VOID]]])
    prediction = torch.tensor([[[0, 1, 1, 1], [0, 1, 2, 0]]])
    matrix.update(prediction, target)
    assert matrix.counts.tolist() == [[1, 1, 0, 0], [1, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert matrix.iou()[:3].tolist() == pytest.approx([1 / 3, 2 / 5, 0])
    assert matrix.dice()[:3].tolist() == pytest.approx([2 / 4, 4 / 7, 0])
    assert matrix.iou()[3].isnan() and matrix.dice()[3].isnan()  # neither there nor predicted
    assert matrix.mean_iou() == pytest.approx((1 / 3 + 2 / 5) / 3)
    assert matrix.pixel_accuracy() == pytest.approx(3 / 6)


def test_a_class_predicted_where_it_never_is_has_iou_0():
    matrix = ConfusionMatrix(2)
    matrix.update(torch.tensor([[[0, 1]]]), torch.tensor([[[0, 0]]]))
    assert matrix.iou().tolist() == [0.5, 0]


def test_confusion_against_counting(device):
    matrix, k = ConfusionMatrix(3), 3
    expected = torch.zeros(k, k, dtype=torch.int64)
    for n, height, width in ((2, 7, 5), (1, 9, 9), (3, 4, 6)):  # batches of different sizes
        prediction, target = torch.randint(k, (n, height, width)), torch.randint(k, (n, height, width))
        target[torch.rand(target.shape) < 0.2] = VOID
        for p, t in zip(prediction.flatten().tolist(), target.flatten().tolist(), strict=True):
            if t != VOID:
                expected[t, p] += 1
        matrix.update(prediction.to(device), target.to(device))
    assert matrix.counts.equal(expected)


def test_scores_count_as_their_largest():
    scores, target = torch.randn(2, 3, 5, 5), torch.randint(3, (2, 5, 5))
    a, b = ConfusionMatrix(3), ConfusionMatrix(3)
    a.update(scores, target)
    b.update(scores.argmax(dim=1), target)
    assert a.counts.equal(b.counts)


def test_nothing_counted_is_nan():
    matrix = ConfusionMatrix(2)
    matrix.update(torch.zeros(1, 2, 2).long(), torch.full((1, 2, 2), VOID))
    assert math.isnan(matrix.mean_iou()) and math.isnan(matrix.pixel_accuracy())
    assert math.isnan(BoundaryF1(2).mean_f1())


def slow_boundary_counts(prediction, target, k, tolerance):
    """Outlines as lists of positions, distances one by one."""
    counts = torch.zeros(4, k, dtype=torch.int64)
    for p, t in zip(prediction, target, strict=True):
        height, width = t.shape

        def known(y, x, t=t):
            return all(
                t[v, u] != VOID
                for v in range(max(y - 1, 0), min(y + 2, len(t)))
                for u in range(max(x - 1, 0), min(x + 2, len(t[0])))
            )

        def outline(c, classes, height=height, width=width, known=known):
            found = []
            for y in range(height):
                for x in range(width):
                    around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
                    inside = [(v, u) for v, u in around if 0 <= v < height and 0 <= u < width]
                    if classes[y, x] == c and any(classes[v, u] != c for v, u in inside) and known(y, x):
                        found.append((y, x))
            return found

        def near(some, others):
            return sum(any(math.dist(a, b) <= tolerance for b in others) for a in some)

        for c in range(k):
            predicted, true = outline(c, p), outline(c, t)
            counts[:, c] += torch.tensor(
                [near(predicted, true), len(predicted), near(true, predicted), len(true)]
            )
    return counts


@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 3])
def test_boundary_f1_against_the_slow_reference(device, tolerance):
    k = 3
    target = torch.randint(k, (2, 4, 5)).repeat_interleave(4, 1).repeat_interleave(4, 2)
    prediction = target.roll((1, 2), dims=(1, 2))
    target[0, 5:8, 3:6] = VOID
    expected = slow_boundary_counts(prediction, target, k, tolerance)
    metric = BoundaryF1(k, tolerance)
    for n in range(2):  # streamed
        metric.update(prediction[n : n + 1].to(device), target[n : n + 1].to(device))
    assert metric.counts.equal(expected)
    assert 0 < expected[0].sum() <= expected[1].sum()


def test_boundary_f1_by_hand():
    """Two halves, the border one column off: far with tolerance 0, near with 1."""
    target = torch.zeros(1, 4, 8, dtype=torch.int64)
    target[:, :, 4:] = 1
    prediction = torch.zeros_like(target)
    prediction[:, :, 5:] = 1
    for tolerance, f1 in ((0, 0.0), (1, 1.0)):
        metric = BoundaryF1(3, tolerance)
        metric.update(prediction, target)
        assert metric.f1()[:2].tolist() == [f1, f1] and metric.f1()[2].isnan()
        assert metric.precision()[0] == f1 and metric.mean_f1() == f1


def test_the_images_border_is_no_outline():
    metric = BoundaryF1(2)
    metric.update(torch.ones(1, 5, 5).long(), torch.ones(1, 5, 5).long())
    assert metric.counts.sum() == 0 and metric.f1().isnan().all()


def test_an_outline_missed_altogether_is_0():
    target = torch.zeros(1, 6, 6, dtype=torch.int64)
    target[:, :3] = 1
    metric = BoundaryF1(2)
    metric.update(torch.zeros_like(target), target)
    assert metric.f1().tolist() == [0, 0]


def test_scores_may_lie_in_memory_in_any_order():
    """A channels-last network, or a table of scores by colour, gives such scores."""
    torch.manual_seed(0)
    scores, target = torch.randn(2, 8, 9, 3).movedim(-1, 1), torch.randint(3, (2, 8, 9))
    for metric in (BoundaryF1, ConfusionMatrix):
        one, other = metric(3), metric(3)
        one.update(scores, target)
        other.update(scores.contiguous(), target)
        assert torch.equal(one.counts, other.counts)
