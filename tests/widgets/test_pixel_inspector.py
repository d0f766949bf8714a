"""PixelInspector: what it shows of a pixel and of the whole picture is what PyTorch computes."""

from __future__ import annotations

import re
from html import unescape

import pytest
import torch

from pixelwise.data.classes import IGNORE_INDEX, SCENES
from pixelwise.metrics import ConfusionMatrix
from pixelwise.widgets import PixelInspector


def example(channels: int = 3, height: int = 9, width: int = 7):
    torch.manual_seed(height)
    image = (torch.randint(256, (channels, height, width)) / 255).float()
    truth = torch.randint(4, (height, width))
    truth[0, :3] = IGNORE_INDEX
    return image, truth, {"one": 3 * torch.randn(4, height, width), "two": torch.randn(4, height, width)}


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("source", [0, 1])
@pytest.mark.parametrize("pixel", [(0, 0), (0, 1), (8, 6), (4, 5)])
def test_every_number_is_pytorchs(draw_widgets, channels, source, pixel):
    image, truth, scores = example(channels)
    (html,) = draw_widgets(PixelInspector(image, truth, scores, SCENES, pixel=list(pixel), source=source))
    chosen = list(scores.values())[source].half().double()  # what the page holds
    own = chosen[:, *pixel]
    shown = [
        [plain(cell).replace("−", "-") for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", html.split("<tbody>")[1])
    ]
    matrix = ConfusionMatrix(4)
    matrix.update(chosen[None].float(), truth[None])
    for k, (name, score, probability, iou) in enumerate(shown):
        assert name == SCENES.names[k] + ("truth" if truth[pixel] == k else "")
        assert float(score) == pytest.approx(own[k].item(), abs=0.0051)
        share = 100 * own.softmax(0)[k].item()
        shown_share = float(re.search(r"\d+", probability)[0])
        assert shown_share == pytest.approx(share, abs=0.51) or probability.startswith(("<", ">"))
        assert float(iou) == pytest.approx(matrix.iou()[k].item(), abs=0.0051)
    assert f"pixel accuracy {100 * matrix.pixel_accuracy():.0f} %" in plain(html)
    assert f"mean IoU {matrix.mean_iou():.2f}" in plain(html)
    (says,) = re.findall(r'<output[^>]*aria-live="polite"[^>]*>(.*?)</output>', html)
    numbers = ", ".join(f"{value:.2f}" for value in image[:, *pixel])
    best = int(own.argmax())
    assert plain(says).startswith(f"x[{pixel[0]}, {pixel[1]}] = ({numbers}) → {SCENES.names[best]}, ")
    assert ("Nobody knows the truth here" in says) == (int(truth[pixel]) == IGNORE_INDEX)
    assert ('pw-text-loss">The truth is' in says) == (int(truth[pixel]) not in (best, IGNORE_INDEX))


def test_the_lines_of_pytorch_compute_what_is_shown(draw_widgets):
    image, truth, scores = example()
    (html,) = draw_widgets(PixelInspector(image, truth, scores["one"], SCENES, pixel=[3, 2]))
    *_, last = lines = plain(html.split("<code>")[1].split("</code>")[0]).split("\n")
    values = [eval(line, {"image": image, "scores": scores["one"]}) for line in lines]
    assert [tuple(value.shape) for value in values] == [(3,), (4,), (4,), ()]
    assert last.endswith(f"# class {int(values[-1])}")


def test_errors_are_where_prediction_and_truth_differ_and_never_in_void(draw_widgets):
    image, truth, _ = example()
    right = torch.nn.functional.one_hot(truth.clamp(max=3), 4).movedim(-1, 0).float()
    for tensor, share in ((right, "0 %"), (right.roll(1, 0), "100 %")):
        (html,) = draw_widgets(PixelInspector(image, truth, tensor, SCENES, errors=True))
        assert f"errors · {share} of the pixels" in plain(html)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y, s: (x, y, s["one"][:3]), r"shape \(3, 9, 7\).*\(4, 9, 7\)"),
        (lambda x, y, s: (x, y, s["one"][:, :5]), r"shape \(4, 5, 7\)"),
        (lambda x, y, s: (x, y, s["one"] * 1e6), "half precision"),
        (lambda x, y, s: (x, y, {}), "1 to 3 kinds, got 0"),
        (lambda x, y, s: (x[:, :4], y, s), "the image is"),
        (lambda x, y, s: (2 * x + 1, y, s), r"not in \[0, 1\]"),
    ],
)
def test_what_does_not_fit_together_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        PixelInspector(*change(*example()), SCENES)


def test_a_pixel_lies_in_the_image():
    with pytest.raises(ValueError, match=r"pixel \[9, 0\] lies outside of the image, 9 × 7"):
        PixelInspector(*example(), SCENES, pixel=[9, 0])


def test_a_link_to_a_pixel_elsewhere_shows_the_first_one(draw_widgets):
    widget = PixelInspector(*example(), SCENES)
    widget.pixel, widget.source = [99, 99], 2
    (html,) = draw_widgets(widget)
    assert 'data-pixel="0 0"' in html
