"""What LiveUNet shows is what PyTorch computes: painted, turned, with and without copy paths."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from traitlets import TraitError

from pixelwise import UNet
from pixelwise.data import load, paint
from pixelwise.data.classes import BRAIN, SCENES
from pixelwise.export import in_half_precision
from pixelwise.metrics import ConfusionMatrix
from pixelwise.unet import FlatNet
from pixelwise.widgets import LiveUNet

PAINTING, SEGMENTATION = "core/painting.js", "core/segmentation.js"
HEIGHT, WIDTH = 24, 16


def array(values) -> np.ndarray:
    """Numbers from JavaScript: a typed array travels as an object."""
    return np.array(list(values.values()) if isinstance(values, dict) else values)


# ---- painting and turning -------------------------------------------------------------------------------


def paint_over(call_js, picture, text) -> tuple[np.ndarray, np.ndarray]:
    """The painted picture (H, W, C) and where it was touched (H, W)."""
    height, width, channels = picture.shape
    size = {"height": height, "width": width, "channels": channels}
    (strokes,) = call_js(PAINTING, [["parseStrokes", text]])
    (painted,) = call_js(PAINTING, [["paintOver", picture.flatten().tolist(), size, strokes]])
    return array(painted["pixels"]).reshape(picture.shape), array(painted["touched"]).reshape(height, width)


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def test_a_brush_paints_a_disc_in_its_colour(call_js, picture):
    painted, touched = paint_over(call_js, picture, "p5-0a141e.10.7")
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    disc = (rows - 10) ** 2 + (columns - 7) ** 2 <= 2.5**2
    assert np.array_equal(touched.astype(bool), disc)
    assert (painted[disc] == [10, 20, 30]).all()
    assert np.array_equal(painted[~disc], picture[~disc])


def test_a_square_is_grey_and_has_its_size_even_or_odd(call_js, picture):
    for size in (4, 5):
        painted, touched = paint_over(call_js, picture, f"s{size}.10.7")
        assert touched.sum() == size**2
        assert (painted[touched.astype(bool)] == 128).all()


def test_a_stroke_has_no_gaps_and_stays_in_the_picture(call_js, picture):
    _, touched = paint_over(call_js, picture, "p1-ffffff.2.1.20.13")
    assert touched[2:21].any(axis=1).all()
    assert not touched[:2].any() and not touched[21:].any()
    _, touched = paint_over(call_js, picture, "s5.0.0.0.900")
    assert touched.sum() == 3 * WIDTH


def test_restoring_brings_back_what_was_there(call_js, picture):
    painted, touched = paint_over(call_js, picture, "p30-ffffff.10.7~r3.10.7")
    assert np.array_equal(painted[9:12, 6:9], picture[9:12, 6:9])
    assert not touched[9:12, 6:9].any() and touched[8, 7]


def test_colours_on_a_grey_picture_become_their_brightness(call_js, picture):
    painted, _ = paint_over(call_js, picture[..., :1], "p1-ff0000.3.4")
    assert painted[3, 4, 0] == 76


def test_strokes_are_written_and_read_again(call_js):
    brush = {"kind": "paint", "size": 6, "colour": "#a34f10"}
    (text,) = call_js(PAINTING, [["beginStroke", "", brush, [12, 30]]])
    (text,) = call_js(PAINTING, [["extendStroke", text, [13, 31]]])
    (same,) = call_js(PAINTING, [["extendStroke", text, [13, 31]]])
    (text,) = call_js(PAINTING, [["beginStroke", same, brush | {"kind": "square", "size": 9}, [40, 20]]])
    assert text == "p6-a34f10.12.30.13.31~s9.40.20"
    (strokes,) = call_js(PAINTING, [["parseStrokes", text]])
    assert [(s["kind"], s["size"], s["points"]) for s in strokes] == [
        ("paint", 6, [[12, 30], [13, 31]]),
        ("square", 9, [[40, 20]]),
    ]
    assert strokes[0]["colour"] == [0xA3, 0x4F, 0x10]
    assert call_js(PAINTING, [["withoutLastStroke", text]]) == ["p6-a34f10.12.30.13.31"]


@pytest.mark.parametrize("text", ["", "~", "p6", "q6.1.2", "p6-zzzzzz.1.2", "p6-a34f10.1", "<b>", "s9.1.2.3"])
def test_what_is_no_stroke_is_passed_over(call_js, text):
    (strokes,) = call_js(PAINTING, [["parseStrokes", f"{text}~s3.1.1"]])
    assert [stroke["size"] for stroke in strokes] == [3]


def test_all_eight_orientations_are_those_of_pytorch(call_js):
    x = torch.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    ways = [(turns, mirrored) for turns in range(4) for mirrored in (False, True)]
    results = call_js(PAINTING, [["orientation", HEIGHT, WIDTH, *way] for way in ways])
    for (turns, mirrored), got in zip(ways, results, strict=True):
        want = torch.rot90(x.flip(1) if mirrored else x, -turns)
        assert (got["height"], got["width"]) == want.shape
        assert array(got["source"]).tolist() == want.flatten().tolist(), (turns, mirrored)


# ---- from scores to classes -----------------------------------------------------------------------------


def test_classes_probabilities_and_shares_are_those_of_pytorch(call_js):
    scores = torch.randn(5, 6, 7) * 300  # exponentials of these overflow
    flat = scores.flatten().tolist()
    (got,) = call_js(SEGMENTATION, [["classMapOf", flat, 5]])
    assert array(got).tolist() == scores.argmax(0).flatten().tolist()
    (at,) = call_js(SEGMENTATION, [["atPosition", flat, 5, 9]])
    torch.testing.assert_close(torch.tensor(at["scores"]), scores[:, 1, 2])
    torch.testing.assert_close(torch.tensor(at["probabilities"]), scores[:, 1, 2].softmax(0))
    (shares,) = call_js(SEGMENTATION, [["sharesOf", [0, 2, 2, 1, 2], 4]])
    assert shares == [0.2, 0.2, 0.6, 0]


def test_iou_is_that_of_the_metrics_and_void_does_not_count(call_js):
    torch.manual_seed(0)
    truth, prediction = torch.randint(0, 3, (20, 20)), torch.randint(0, 3, (20, 20))
    truth[:5] = 255
    matrix = ConfusionMatrix(4)
    matrix.update(prediction[None], truth[None])
    (got,) = call_js(SEGMENTATION, [["iouOf", prediction.flatten().tolist(), truth.flatten().tolist(), 4]])
    assert got[3] is None and torch.isnan(matrix.iou()[3])
    assert got[:3] == pytest.approx(matrix.iou()[:3].tolist())


def test_a_bitmap_is_the_picture(call_js):
    for width in (1, 2, 3, 4):  # rows are filled up to whole words
        rgb = np.random.default_rng(width).integers(0, 256, (5, width, 3))
        (address,) = call_js("core/bitmap.js", [["bitmapAddress", rgb.flatten().tolist(), 5, width]])
        assert np.array_equal(pixels_of(address), rgb)


def pixels_of(address: str) -> np.ndarray:
    data = base64.b64decode(address.removeprefix("data:image/bmp;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


# ---- what is drawn --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def net() -> UNet:
    """Not trained, but it says different things in different places."""
    torch.manual_seed(3)
    net = UNet(3, 4, base_channels=4, depth=2, padding=1, norm="batch")
    net(torch.rand(8, 3, HEIGHT, WIDTH))  # batch norm has seen something
    net.head.weight.data *= 4
    return net.eval()


@pytest.fixture(scope="module")
def examples() -> list:
    data = load("scenes", "test", n=3, family="evening", size=(HEIGHT, WIDTH))
    return [data[i] for i in range(3)]


def screens(html: str) -> list[np.ndarray]:
    """The picture and what the network makes of it, as a page without JavaScript shows them."""
    shown = [image for image in re.findall(r"<img [^>]*>", html) if "style=" in image]  # thumbnails have none
    assert len(shown) == 2
    return [pixels_of(re.search(r'src="([^"]*)"', image)[1]) for image in shown]


@torch.no_grad()
def expected_map(net: UNet, pixels: np.ndarray) -> torch.Tensor:
    image = torch.from_numpy(pixels.copy()).movedim(-1, 0).float()[None] / 255
    return in_half_precision(net)(image)[0].argmax(0)


@pytest.mark.parametrize(
    "traits",
    [
        {},
        {"picture": 2},
        {"strokes": "p6-a34f10.12.3.13.11~s9.4.10"},
        {"turns": 1, "strokes": "s6.3.12"},
        {"turns": 3, "mirrored": True, "picture": 1},
    ],
)
def test_the_class_map_is_that_of_pytorch(draw_widgets, net, examples, traits):
    (html,) = draw_widgets(LiveUNet(net, examples, SCENES, **traits))
    picture, classes = screens(html)
    image, _ = examples[traits.get("picture", 0)]
    image = torch.rot90(image.flip(-1) if traits.get("mirrored") else image, -traits.get("turns", 0), (1, 2))
    plain = (image * 255).round().byte().movedim(0, -1).numpy()
    changed = (picture != plain).any(-1).mean()
    assert changed > 0.05 if "strokes" in traits else changed == 0
    want = expected_map(net, picture)
    assert len(want.unique()) >= 3
    assert (classes == paint(want, SCENES)).all(-1).mean() >= 0.999


@torch.no_grad()
def test_copy_paths_off_are_zeros_or_the_other_network(draw_widgets, net, examples):
    torch.manual_seed(5)
    other = UNet(3, 4, base_channels=4, depth=2, padding=1, norm="batch", copy_paths=False).eval()
    zeros, another = draw_widgets(
        LiveUNet(net, examples, SCENES, copy_paths=False),
        LiveUNet(net, examples, SCENES, copy_paths=False, without_copy_paths=other),
    )
    with_zeros = in_half_precision(net)
    for block in with_zeros.expanding_path:
        block.copy_and_crop.register_forward_pre_hook(lambda _, given: (torch.zeros_like(given[0]), given[1]))
    for html, network, says in [
        (zeros, with_zeros, "zeros, in a network trained with copies"),
        (another, other, "another network, trained without copy paths"),
    ]:
        picture, classes = screens(html)
        image = torch.from_numpy(picture.copy()).movedim(-1, 0).float()[None] / 255
        want = paint(network(image)[0].argmax(0), SCENES)
        assert (classes == want).all(-1).mean() >= 0.99  # the other network is compared as it is
        assert says in html


@torch.no_grad()
def test_a_feature_map_is_that_of_pytorch_at_its_own_resolution(draw_widgets, net, examples):
    seen = []
    half = in_half_precision(net)
    half.bottom[-1].register_forward_hook(lambda _, __, y: seen.append(y[0]))
    half(examples[0][0][None])
    (html,) = draw_widgets(
        LiveUNet(net, examples, SCENES, show="features", layer="bottom, convolution 2", channel=5)
    )
    _, shown = screens(html)
    assert shown.shape == (HEIGHT // 4, WIDTH // 4, 3)
    want = (seen[0][5] / seen[0][5].max()).sqrt()
    red = torch.from_numpy(shown[..., 0].copy()).float()
    ground, orange = 0x12, 0xE6
    torch.testing.assert_close((red - ground) / (orange - ground), want, atol=0.01, rtol=0)
    assert "features · 6 × 4 × 16" in html
    assert "channel" in html and "6 of 16" in html


def test_errors_are_where_class_map_and_truth_differ_but_not_where_one_painted(draw_widgets, net, examples):
    (html,) = draw_widgets(LiveUNet(net, examples, SCENES, show="errors", strokes="s8.12.8"))
    picture, shown = screens(html)
    wrong = (shown == [0xE3, 0x9C, 0xCB]).all(-1)
    want = (expected_map(net, picture) != examples[0][1]).numpy()
    want[8:16, 4:12] = False
    assert 0.1 < want.mean() < 0.9
    assert (wrong == want).mean() >= 0.99


def rows(html: str) -> list[list[str]]:
    """The texts of the class table: name, share, IoU, score, probability."""
    body = re.search(r"<tbody>(.*?)</tbody>", html, re.DOTALL)[1]
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("</tr>")[:-1]]
    return [[re.sub(r"<[^>]*>", "", cell) for cell in row] for row in cells]


@torch.no_grad()
def test_the_table_says_share_iou_and_the_scores_of_a_pixel(draw_widgets, net, examples):
    """IoU is that of the picture before it was painted on, the rest that of the picture as it is."""
    (html,) = draw_widgets(LiveUNet(net, examples, SCENES, strokes="s12.12.8", pinned=[5, 3], turns=2))
    picture, _ = screens(html)
    image = torch.from_numpy(picture.copy()).movedim(-1, 0).float()[None] / 255
    scores = in_half_precision(net)(image)[0]
    plain, truth = torch.rot90(examples[0][0], 2, (1, 2)), torch.rot90(examples[0][1], 2)
    matrix = ConfusionMatrix(4)
    matrix.update(in_half_precision(net)(plain[None]), truth[None])
    for k, (name, share, iou, score, probability) in enumerate(rows(html)):
        assert name == SCENES.names[k]
        assert round(float(iou), 2) == pytest.approx(matrix.iou()[k].item(), abs=0.006)
        assert float(score.replace("−", "-")) == pytest.approx(scores[k, 5, 3].item(), abs=0.051)
        for text, value in [
            (share, (scores.argmax(0) == k).float().mean().item()),
            (probability, scores[:, 5, 3].softmax(0)[k].item()),
        ]:
            want = "< 1 %" if 0 < value < 0.005 else f"{round(100 * value)} %"
            assert text in (want, f"{round(100 * value + 0.1)} %", f"{round(100 * value - 0.1)} %")
    assert "Row 5, column 3: " in html


def test_without_class_maps_there_is_neither_iou_nor_error(draw_widgets, net, examples):
    (html,) = draw_widgets(LiveUNet(net, [(image, None) for image, _ in examples], SCENES, show="errors"))
    _, classes = screens(html)
    assert {tuple(colour) for colour in classes.reshape(-1, 3).tolist()} <= set(SCENES.colours)
    assert len(rows(html)[0]) == 4
    assert "IoU" not in html


def test_a_link_to_nonsense_draws_something(draw_widgets, net, examples):
    widget = LiveUNet(
        net, examples, SCENES, layer="no such layer", channel=999, strokes="%%%", pinned=[99, 1]
    )
    widget.set_trait("picture", 2)
    (html,) = draw_widgets(widget)
    assert len(screens(html)) == 2


# ---- the Python side ------------------------------------------------------------------------------------


def test_one_paints_with_the_colours_of_the_classes(net, examples):
    widget = LiveUNet(net, examples, SCENES)
    names = [brush["name"] for brush in widget.about["brushes"]]
    assert set(names) <= set(SCENES.names) and len(names) >= 3
    sky = next(brush["colour"] for brush in widget.about["brushes"] if brush["name"] == "sky")
    sizes = [(class_map == 1).sum() for _, class_map in examples]
    image, class_map = examples[int(torch.tensor(sizes).argmax())]
    median = (image[:, class_map == 1].quantile(0.5, dim=1) * 255).round()
    got = torch.tensor([int(sky[k : k + 2], 16) for k in (1, 3, 5)])
    assert (got - median).abs().max() <= 2
    assert widget.colour in [brush["colour"] for brush in widget.about["brushes"]]


def grey(height=24, width=16):
    return torch.rand(1, height, width), torch.ones(height, width, dtype=torch.long)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda net, e: LiveUNet(FlatNet(3, 4), e, SCENES), TypeError, "takes a pixelwise.UNet, got FlatNet"),
        (lambda net, e: LiveUNet(UNet(3, 4, 4, 2), e, SCENES), ValueError, "nearest legal|padding=1"),
        (lambda net, e: LiveUNet(net, [], SCENES), ValueError, "takes 1 to 12 examples, got 0"),
        (lambda net, e: LiveUNet(net, e * 5, SCENES), ValueError, "takes 1 to 12 examples, got 15"),
        (lambda net, e: LiveUNet(net, [grey()], SCENES), ValueError, "takes 3 channels, the images have 1"),
        (lambda net, e: LiveUNet(net, e, BRAIN, titles=["a"]), ValueError, "1 titles for 3 pictures"),
        (lambda net, e: LiveUNet(UNet(1, 2, 4, 1, 1), [grey()], BRAIN), ValueError, "2 classes, but 4"),
        (
            lambda net, e: LiveUNet(net, [e[0], (e[1][0], None)], SCENES),
            ValueError,
            "example 1 has no class map",
        ),
        (lambda net, e: LiveUNet(net, [e[0], grey()], SCENES), ValueError, "of one size; example 0 is"),
        (lambda net, e: LiveUNet(net, [(e[0][0] * 255, None)], SCENES), ValueError, r"values in \[0, 1\]"),
        (
            lambda net, e: LiveUNet(UNet(1, 4, 4, 1, 1), [grey(512, 16)], SCENES),
            ValueError,
            "at most 256 pixels",
        ),
        (
            lambda net, e: LiveUNet(UNet(1, 4, 4, 3, 1), [grey(24, 20)], SCENES),
            ValueError,
            "cannot take images of width 20",
        ),
        (
            lambda net, e: LiveUNet(net, e, SCENES, without_copy_paths=net),
            ValueError,
            "copy_paths=False",
        ),
        (
            lambda net, e: LiveUNet(net, e, SCENES, without_copy_paths=UNet(3, 4, 4, 3, 1, copy_paths=False)),
            ValueError,
            "differ in depth: 2 and 3",
        ),
        (lambda net, e: LiveUNet(net, e, SCENES, picture=3), TraitError, "picture is from 0 to 2, got 3"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(net, examples, make, error, message):
    with pytest.raises(error, match=message):
        make(net, examples)
