"""The loss in the page is PyTorch's: softmax, loss, gradient, sums, means, weights, void."""

from __future__ import annotations

import html
import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from traitlets import TraitError

from pixelwise.data.classes import ISBI2012
from pixelwise.widgets import PixelLoss
from pixelwise.widgets.pixel_loss import MEADOW, STONE, made_up_scores

CORE = "core/cross_entropy.js"
VOID = 255


def cases(number: int = 60):
    """Scores (K, H, W), target (H, W) with void, weights (K,), among them 0; some scores are extreme."""
    torch.manual_seed(0)
    for n in range(number):
        classes, height, width = (int(v) for v in (torch.randint(2, 7, ()), *torch.randint(1, 7, (2,))))
        scores = torch.randn(classes, height, width).double() * (1, 5, 400)[n % 3]
        target = torch.randint(classes, (height, width))
        target[torch.rand(height, width) < (n % 2) * 0.3] = VOID
        weights = torch.randint(0, 5, (classes,)).double() if n % 4 == 3 else torch.ones(classes).double()
        yield scores, target, weights


def test_a_map_costs_what_pytorch_says(call_js):
    given = list(cases())
    calls = [["mapLoss", s.tolist(), t.tolist(), w.tolist()] for s, t, w in given]
    for (scores, target, weights), result in zip(given, call_js(CORE, calls), strict=True):
        leaf = scores[None].clone().requires_grad_()
        settings = {"weight": weights, "ignore_index": VOID}
        total = F.cross_entropy(leaf, target[None], reduction="sum", **settings)
        (gradient,) = torch.autograd.grad(total, leaf)
        each = F.cross_entropy(leaf, target[None], reduction="none", **settings)[0]
        assert result["sum"] == pytest.approx(total.item(), rel=1e-12)
        mean = F.cross_entropy(leaf, target[None], **settings).item()
        if math.isnan(mean):
            assert result["mean"] is None and result["weight"] == 0  # JSON has no NaN
        else:
            assert result["mean"] == pytest.approx(mean, rel=1e-12)
        assert result["counted"] == int((target != VOID).sum())
        for key, want in [
            ("loss", each),
            ("gradient", gradient[0].movedim(0, -1)),
            ("probabilities", scores.softmax(0).movedim(0, -1)),
        ]:
            got = torch.tensor(
                [[pixel[key] for pixel in row] for row in result["pixels"]], dtype=torch.float64
            )
            torch.testing.assert_close(got, want.detach(), rtol=1e-9, atol=1e-12)


def test_a_step_down_the_gradient(call_js):
    scores = torch.tensor([0.5, -1, 2], dtype=torch.float64, requires_grad=True)
    loss = 3 * F.cross_entropy(scores, torch.tensor(1))
    (gradient,) = torch.autograd.grad(loss, scores)
    (got,) = call_js(CORE, [["descend", scores.tolist(), 1, 3]])
    torch.testing.assert_close(torch.tensor(got, dtype=torch.float64), (scores - gradient).detach())


# ---- what is drawn --------------------------------------------------------------------------------------


def read(text: str) -> dict:
    """The numbers and sentences of a drawn widget."""
    return {
        "values": re.findall(r'<span class="pw-value">([^<]*)</span>', text),
        "says": [html.unescape(re.sub(r"<[^>]*>", "", s)) for s in re.findall(r"<output.*?</output>", text)],
        "code": html.unescape(re.search(r"<code>(.*?)</code>", text)[1]),
        "sum": float(re.search(r'data-sum="([^"]*)"', text)[1]),
    }


def test_the_pixel_of_the_chapters_question(draw_widgets):
    drawn = read(*draw_widgets(PixelLoss([0, -1, 1, 2], 2)))
    p = torch.tensor([0.0, -1, 1, 2]).softmax(0)
    assert drawn["values"][0::2] == [f"{v:.3f}" for v in p]
    assert drawn["values"][1::2] == ["0.087", "0.032", "−0.763", "0.644"]
    assert drawn["says"][0] == "ℓ = log Σ exp s − s[cow] = 2.44 − 1 = 1.44 = −log 0.237."


def test_the_meadow_and_its_stone(draw_widgets):
    weighted = PixelLoss(pixel=[5, 0], class_weights=[1, 1, 5, 1])
    first, second = (read(text) for text in draw_widgets(PixelLoss(pixel=[5, 0]), weighted))
    scores, target = torch.tensor(made_up_scores())[None], torch.tensor(MEADOW)[None]
    total = F.cross_entropy(scores, target, ignore_index=VOID, reduction="sum").item()
    mean = F.cross_entropy(scores, target, ignore_index=VOID).item()
    assert first["says"][1].startswith(
        f"The sum over 34 pixels is {total:.2f}, the mean {total:.2f} / 34 = {mean:.2f}."
    )
    assert first["says"][1].endswith("Pixel [5, 0] alone pays 8.00: 33 % of the sum.")
    assert first["code"] == 'F.cross_entropy(scores, target, ignore_index=255, reduction="sum")'
    names = {"torch": torch, "F": F, "scores": scores.float(), "target": target}
    for drawn in (first, second):
        assert eval(drawn["code"], names).item() == pytest.approx(drawn["sum"], rel=1e-5)
    assert "/ 62 = 0.60 (divided by the sum of their weights)" in second["says"][1]


@pytest.mark.parametrize("label", [0, 1])
def test_the_line_of_a_single_pixel_computes_its_loss(draw_widgets, label):
    drawn = read(*draw_widgets(PixelLoss([1.5, -2], label, classes=ISBI2012)))
    got = eval(drawn["code"], {"torch": torch, "F": F}).item()
    assert got == pytest.approx(drawn["sum"], rel=1e-6) and "true class" not in drawn["says"][0]


def test_void_costs_nothing_and_says_so(draw_widgets):
    void = next((i, row.index(VOID)) for i, row in enumerate(MEADOW) if VOID in row)
    drawn, alone = (read(t) for t in draw_widgets(PixelLoss(pixel=list(void)), PixelLoss([1, 2, 3, 4], VOID)))
    assert drawn["says"][0].startswith("Void: nobody knows")
    assert drawn["values"][1::2] == ["0"] * 4
    assert alone["sum"] == 0


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1, "1.000"),
        (0.2374, "0.237"),
        (0.001, "0.001"),
        (4.54e-5, "4.5·10⁻⁵"),
        (2e-14, "2.0·10⁻¹⁴"),
        (0, "0"),
    ],
)
def test_small_probabilities_keep_their_digits(call_js, p, text):
    assert call_js("pixel_loss.js", [["formatProbability", p]]) == [text]


# ---- the Python side ------------------------------------------------------------------------------------


def test_the_made_up_scores_are_shares_but_for_the_stone():
    scores, truth = made_up_scores(), np.array(MEADOW)
    for row, column in [(0, 0), (3, 3), (2, 1)]:
        window = truth[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        known = window[window != VOID]
        want = [round(6 * (known == k).mean(), 1) for k in range(4)]
        assert scores[:, row, column].tolist() == pytest.approx(want)
    assert scores[:, *STONE].argmax() == 2 and truth[STONE] == 3


def test_takes_tensors_and_single_pixels():
    widget = PixelLoss(torch.zeros(2, 3, 5), torch.zeros(3, 5, dtype=torch.long), classes=ISBI2012)
    assert np.shape(widget.scores) == (2, 3, 5) and widget.class_weights == [1, 1]
    assert PixelLoss(torch.tensor([1.0, 2, 3, 4]), 3).scores == [[[1]], [[2]], [[3]], [[4]]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": [1, 2, 3, 4]}, "scores and target together"),
        ({"scores": [1, 2, 3], "target": 0}, r"scores have shape \(3, 1, 1\).* ask for \(4, 1, 1\)"),
        ({"scores": np.zeros((4, 3, 3)), "target": np.zeros((3, 4))}, r"ask for \(4, 3, 4\)"),
        ({"scores": [1, 2, 3, 4], "target": 4}, "label 4 is out of range: 4 classes are 0 … 3, void is 255"),
        ({"scores": [1, 2, 3, 4], "target": 1.5}, "label 1.5 is out of range"),
        ({"scores": np.zeros((4, 9, 9)), "target": np.zeros((9, 9))}, r"at most \(6, 8, 8\)"),
        ({"class_weights": [1, 2]}, "class_weights are 4 numbers, none negative"),
        ({"class_weights": [1, 2, 3, -1]}, "none negative"),
        ({"pixel": [6, 0]}, r"pixel \[6, 0\] is not on a map of 6 × 6"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused_with_a_reason(arguments, message):
    with pytest.raises(TraitError, match=message):
        PixelLoss(**arguments)
