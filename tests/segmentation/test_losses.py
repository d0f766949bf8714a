"""Losses against torch.nn.functional, against hand calculation and against literal readings."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from pixelwise.losses import (
    balanced_class_weights,
    border_weight_map,
    connected_components,
    dice_loss,
    pixelwise_cross_entropy,
    weighted_cross_entropy,
)

VOID = 255


def pair(n=2, k=4, height=5, width=7) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(n, k, height, width), torch.randint(k, (n, height, width))


def test_it_is_the_lectures_sum():
    """Position by position, as the slide has it."""
    scores, target = pair()
    expected = 0.0
    for n in range(2):
        for y in range(5):
            for x in range(7):
                powers = [math.exp(s) for s in scores[n, :, y, x].tolist()]
                expected -= math.log(powers[target[n, y, x]] / sum(powers))
    assert pixelwise_cross_entropy(scores, target).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scale", [1, 100, 1e4])
def test_torch_has_the_same(device, scale):
    scores, target = (t.to(device) for t in pair())
    torch.testing.assert_close(
        pixelwise_cross_entropy(scale * scores, target),
        F.cross_entropy(scale * scores, target, reduction="sum"),
    )


def test_extreme_scores_by_hand():
    """+10 000 and −10 000: right without loss, wrong with their difference."""
    scores = torch.tensor([1e4, -1e4]).view(1, 2, 1, 1)
    assert pixelwise_cross_entropy(scores, torch.tensor([[[0]]])).item() == 0
    assert pixelwise_cross_entropy(scores, torch.tensor([[[1]]])).item() == 2e4


def test_the_gradient_is_softmax_minus_one_hot():
    scores, target = pair()
    scores.requires_grad_()
    pixelwise_cross_entropy(scores, target).backward()
    one_hot = F.one_hot(target, 4).movedim(-1, 1)
    torch.testing.assert_close(scores.grad, scores.detach().softmax(dim=1) - one_hot)


def test_the_gradient_by_finite_differences():
    scores, target = pair(1, 3, 2, 2)
    weights = torch.rand(3, dtype=torch.float64)
    target[0, 0, 0] = VOID
    assert torch.autograd.gradcheck(
        lambda s: weighted_cross_entropy(s, target, weights, VOID), scores.double().requires_grad_()
    )


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("void", [False, True])
def test_weights_and_void(device, reduction, weighted, void):
    scores, target = (t.to(device) for t in pair())
    weights = torch.tensor([0.2, 1.0, 0.0, 3.0], device=device) if weighted else None
    if void:
        target[0, 1:3] = VOID
    torch.testing.assert_close(
        weighted_cross_entropy(scores, target, weights, VOID, reduction=reduction),
        F.cross_entropy(scores, target, weights, ignore_index=VOID, reduction=reduction),
    )


def test_void_gets_no_gradient_and_does_not_count():
    scores, target = pair()
    target[:, 0] = VOID
    scores.requires_grad_()
    loss = weighted_cross_entropy(scores, target, ignore_index=VOID)
    loss.backward()
    assert (scores.grad[:, :, 0] == 0).all() and (scores.grad[:, :, 1:] != 0).all()
    torch.testing.assert_close(loss, pixelwise_cross_entropy(scores[:, :, 1:], target[:, 1:]))


def test_nothing_but_void_is_zero():
    scores, target = torch.randn(1, 2, 3, 3, requires_grad=True), torch.full((1, 3, 3), VOID)
    for reduction in ("sum", "mean"):
        loss = weighted_cross_entropy(scores, target, ignore_index=VOID, reduction=reduction)
        loss.backward()
        assert loss.item() == 0 and (scores.grad == 0).all()


def test_pixel_weights_multiply():
    scores, target = pair()
    weights = torch.rand(target.shape)
    expected = (weights * F.cross_entropy(scores, target, reduction="none")).sum()
    torch.testing.assert_close(weighted_cross_entropy(scores, target, pixel_weights=weights), expected)
    # A weight of two is the position, twice.
    doubled = weighted_cross_entropy(scores, target, pixel_weights=torch.full(target.shape, 2.0))
    torch.testing.assert_close(doubled, 2 * pixelwise_cross_entropy(scores, target))


def test_half_precision_is_summed_in_float32():
    scores, target = torch.zeros(1, 2, 400, 400, dtype=torch.float16), torch.zeros(1, 400, 400).long()
    assert pixelwise_cross_entropy(scores, target).item() == pytest.approx(160_000 * math.log(2), rel=1e-4)


def test_balanced_weights_by_hand():
    target = torch.tensor([[0, 0, 0, 0, 0, 0], [1, 1, VOID, VOID, VOID, VOID]])
    weights = balanced_class_weights(target, 3, VOID)  # six of class 0, two of class 1, none of class 2
    torch.testing.assert_close(weights, torch.tensor([8 / (2 * 6), 8 / (2 * 2), 0]))
    counted = target[target != VOID]
    assert weights[counted].mean().item() == pytest.approx(1)


def test_dice_by_hand():
    """Two classes, four positions, one of them void."""
    p1 = torch.tensor([0.9, 0.6, 0.2, 0.5])  # probabilities of class 1; the scores are their logarithms
    scores = torch.stack([1 - p1, p1]).log().view(1, 2, 2, 2)
    target = torch.tensor([[[1, 0], [0, VOID]]])
    dice0 = (2 * (0.4 + 0.8) + 1) / ((0.1 + 0.4 + 0.8) + 2 + 1)
    dice1 = (2 * 0.9 + 1) / ((0.9 + 0.6 + 0.2) + 1 + 1)
    assert dice_loss(scores, target, VOID).item() == pytest.approx(1 - (dice0 + dice1) / 2, abs=1e-6)


def test_dice_of_right_and_wrong(device):
    target = torch.randint(3, (2, 8, 8), device=device)
    right = 100.0 * F.one_hot(target, 3).movedim(-1, 1)
    assert dice_loss(right, target).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(-right, target, smooth=0).item() > 0.6
    # A class that is neither there nor predicted is right; void is not class 0.
    one_more = F.pad(right, (0, 0, 0, 0, 0, 1), value=-100.0)
    assert dice_loss(one_more, target).item() == pytest.approx(0, abs=1e-6)
    void = target.clone()
    void[:, :2] = VOID
    right[:, :, :2] = -right[:, :, :2]
    assert dice_loss(right, void, VOID).item() == pytest.approx(0, abs=1e-6)


def literal_weight_map(instances, w0, sigma, class_weights):
    """Equation 2, pixel by pixel and cell by cell."""
    height, width = instances.shape
    cells = [c for c in instances.unique().tolist() if c != 0]
    weights = torch.empty(height, width)
    for y in range(height):
        for x in range(width):
            distances = sorted(
                min(math.hypot(y - v, x - u) for v, u in (instances == cell).nonzero().tolist())
                for cell in cells
            )
            border = 0.0
            if len(cells) >= 2:
                border = w0 * math.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))
            weights[y, x] = class_weights[int(instances[y, x] != 0)] + border
    return weights


@pytest.mark.parametrize(("sigma", "w0"), [(5, 10), (1.5, 4), (0.3, 10)])
def test_the_weight_map_is_equation_2(sigma, w0):
    """0.3 is the case in which most distances lie beyond what the map looks at."""
    instances = torch.zeros(14, 19, dtype=torch.int64)
    instances[1:5, 1:6] = 1
    instances[2:6, 8:10] = 7
    instances[9:13, 3:12] = 2
    instances[8:10, 15:] = 5
    instances[0, 18] = 3
    expected = literal_weight_map(instances, w0, sigma, (0.5, 2))
    torch.testing.assert_close(
        border_weight_map(instances, w0, sigma, (0.5, 2)), expected, atol=1e-5, rtol=1e-5
    )
    assert expected.unique().numel() > 20 or sigma < 1


def test_the_weight_map_by_hand():
    """Two cells with three pixels between them: d₁ + d₂ = 4 at each, with w₀ = 10 and σ = 5."""
    row = torch.tensor([[1, 1, 0, 0, 0, 2]])
    weights = border_weight_map(row)
    assert weights.shape == row.shape and weights.dtype == torch.float32
    between = 1 + 10 * math.exp(-16 / 50)
    assert weights[0, 2:5].tolist() == pytest.approx([between] * 3)


def test_one_cell_has_no_border_to_keep_free():
    instances = torch.zeros(2, 6, 6, dtype=torch.int64)
    instances[0, 2:4, 2:4] = 9
    assert (border_weight_map(instances) == 1).all()


def test_connected_components_by_hand():
    mask = torch.tensor(
        [
            [1, 1, 0, 1, 0],
            [0, 1, 0, 0, 1],
            [0, 0, 0, 0, 1],
            [1, 1, 1, 1, 1],
        ]
    )
    found = connected_components(mask)
    assert (found == 0).equal(mask == 0)
    groups = {frozenset((found == n).nonzero().flatten().tolist()) for n in (1, 2, 3)}
    expected = [[(0, 0), (0, 1), (1, 1)], [(0, 3)], [(1, 4), (2, 4), *((3, x) for x in range(5))]]
    assert groups == {frozenset(torch.tensor(cells).flatten().tolist()) for cells in expected}
    assert found.max() == 3 and [int((found == n).sum()) for n in found[0, [0, 3]]] == [3, 1]


@pytest.mark.parametrize("turns", range(4))
def test_connected_components_round_a_corner(turns):
    """Two legs that meet at one end only: a name has to travel both ways."""
    mask = torch.tensor([[1, 1, 1], [1, 0, 1], [1, 0, 1], [1, 0, 0]]).rot90(turns)
    assert connected_components(mask).equal(mask)


def test_connected_components_of_a_snake():
    """The longest way through a mask, and masks without inside or outside."""
    mask = torch.zeros(31, 31, dtype=torch.bool)
    mask[::2] = True
    mask[1::4, -1] = True
    mask[3::4, 0] = True
    assert connected_components(mask).equal(mask.long())
    assert connected_components(torch.ones(3, 4)).equal(torch.ones(3, 4).long())
    assert connected_components(torch.zeros(3, 4)).equal(torch.zeros(3, 4).long())
