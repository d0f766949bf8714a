"""Overlap, sums of weights and pictures of the checkerboard widget equal PyTorch's."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from traitlets import TraitError

from pixelwise.widgets import Checkerboard
from pixelwise.widgets.checkerboard import PICTURE_SIZE, portrait

CORE = "core/upsampling.js"
SETTINGS = [
    (kind, size, stride)
    for kind in ("uniform", "bilinear", "random")
    for size in range(1, 7)
    for stride in range(1, 5)
]


def array(values):
    """Numbers from JavaScript: a list, or a typed array, which travels as an object."""
    return torch.tensor(list(values.values()) if isinstance(values, dict) else values, dtype=torch.float64)


@pytest.fixture(scope="module")
def profiles(call_js):
    return dict(
        zip(
            SETTINGS,
            call_js(CORE, [["kernelProfile", kind, size, stride] for kind, size, stride in SETTINGS]),
            strict=True,
        )
    )


def interior(profile, stride):
    """What `stride` neighbouring outputs receive far from the border, from a multiple of it on."""
    line = F.conv_transpose1d(torch.ones(1, 1, 20, dtype=torch.float64), profile[None, None], stride=stride)
    return line[0, 0, 8 * stride : 9 * stride]


def test_profiles(profiles):
    for (kind, size, _), profile in profiles.items():
        v = array(profile)
        assert len(v) == size
        if kind == "uniform":
            assert torch.equal(v, torch.ones(size, dtype=torch.float64))
        elif kind == "bilinear":
            torch.testing.assert_close(v, v.flip(0))
            assert v.min() > 0 and v.max() <= 1
        else:
            assert set(profile) <= {1, 2, 3, 4}
    random = [profile for (kind, size, _), profile in profiles.items() if kind == "random" and size == 6]
    assert len({tuple(profile) for profile in random}) > 1, "every seed gives the same weights"


@pytest.mark.parametrize("stride", [2, 4])
def test_bilinear_weights_of_twice_the_stride_are_those_of_bilinear_interpolation(call_js, stride):
    (profile,) = call_js(CORE, [["kernelProfile", "bilinear", 2 * stride]])
    x, v = torch.randn(1, 1, 6, 6, dtype=torch.float64), array(profile)
    y = F.conv_transpose2d(x, torch.outer(v, v)[None, None], stride=stride, padding=stride // 2)
    want = F.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
    inside = (..., slice(stride, -stride), slice(stride, -stride))
    torch.testing.assert_close(y[inside], want[inside])


def test_spread_and_phases_equal_pytorch(call_js, profiles):
    lines = call_js(CORE, [["spread", 4, profile, stride] for (_, _, stride), profile in profiles.items()])
    phases = call_js(CORE, [["phases", profile, stride] for (_, _, stride), profile in profiles.items()])
    for ((_, _, stride), profile), line, phase in zip(profiles.items(), lines, phases, strict=True):
        for name, weights in [("sums", array(profile)), ("counts", torch.ones(len(profile)).double())]:
            want = F.conv_transpose1d(torch.ones(1, 1, 4).double(), weights[None, None], stride=stride)[0, 0]
            torch.testing.assert_close(array(line[name]), want)
            torch.testing.assert_close(array(phase[name]), interior(weights, stride))


def test_counts_are_even_exactly_where_the_stride_divides_the_kernel_size(call_js, profiles):
    settings = [(size, stride) for kind, size, stride in profiles if kind == "uniform"]
    counts = [result["counts"] for result in call_js(CORE, [["phases", [1] * k, s] for k, s in settings])]
    for (size, stride), count, even in zip(
        settings, counts, call_js(CORE, [["isEven", count] for count in counts]), strict=True
    ):
        assert even == (size % stride == 0) == (len(set(count)) == 1), (size, stride)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_pictures_equal_pytorch(call_js, profiles):
    torch.manual_seed(0)
    n = 6
    x = torch.rand(1, 1, n, n, dtype=torch.float64)
    flat = x.flatten().tolist()
    for name in ("upsampleTransposed", "upsampleResized"):
        got = call_js(CORE, [[name, flat, n, v, stride] for (_, _, stride), v in profiles.items()])
        for ((kind, size, stride), profile), result in zip(profiles.items(), got, strict=True):
            v = array(profile)
            w = torch.outer(v, v)[None, None] / v.sum() ** 2
            if name == "upsampleResized":
                want = F.conv2d(F.interpolate(x, scale_factor=stride), w, padding="same")[0, 0]
            else:
                first, length = (size - stride) // 2, n * stride
                # a frame of zeros where the kernel is smaller than the stride
                want = F.pad(F.conv_transpose2d(x, w * stride**2, stride=stride), (stride,) * 4)[0, 0]
                want = want[stride + first :, stride + first :][:length, :length]
            got_picture = array(result).reshape(n * stride, n * stride)
            torch.testing.assert_close(
                got_picture, want, msg=lambda m, k=kind, z=size, s=stride: f"{k} {z} {s}: {m}"
            )


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_shrinking_equals_pytorch(call_js, stride):
    x = torch.rand(12, 12, dtype=torch.float64)
    (result,) = call_js(CORE, [["shrink", x.flatten().tolist(), 12, stride]])
    torch.testing.assert_close(
        array(result).reshape(12 // stride, -1), F.avg_pool2d(x[None, None], stride)[0, 0]
    )


def test_the_lines_of_pytorch_compute_the_pictures(call_js, profiles):
    x = torch.rand(1, 1, 6, 6)
    lines = call_js(
        "checkerboard.js",
        [["pytorchLines", {"profile": v, "stride": s}] for (_, _, s), v in profiles.items()],
    )
    for ((_, _, stride), profile), text in zip(profiles.items(), lines, strict=True):
        names = {"torch": torch, "F": F, "x": x}
        *setup, transposed, resized = text.split("\n")
        exec("\n".join(setup), names)
        v = array(profile)
        w = (torch.outer(v, v)[None, None] / v.sum() ** 2).float()
        for line, want in [
            (transposed, F.conv_transpose2d(x, w * stride**2, stride=stride)),
            (resized, F.conv2d(F.interpolate(x, scale_factor=stride), w, padding="same")),
        ]:
            torch.testing.assert_close(eval(line, names), want, rtol=1e-3, atol=1e-3)


# ---- what is drawn --------------------------------------------------------------------------------------


def said(html):
    """The verdict and the sentence about the cell that is pointed at."""
    return [re.sub(r"<[^>]*>", "", text) for text in re.findall(r"<output[^>]*>(.*?)</output>", html)]


def test_the_verdict_is_right_for_every_setting(draw_widgets, profiles):
    widgets = [
        Checkerboard(kernel_size=size, stride=stride, weights=kind, seed=stride)
        for kind, size, stride in SETTINGS
    ]
    for (kind, size, stride), html in zip(SETTINGS, draw_widgets(*widgets), strict=True):
        weights = array(profiles[kind, size, stride])
        sums, counts = interior(weights, stride), interior(torch.ones(size).double(), stride)
        even = bool(sums.max() - sums.min() < 1e-9)
        verdict, _ = said(html)
        assert f'data-even="{str(even).lower()}"' in html, verdict
        assert ("checkerboard" in verdict and "no checkerboard" not in verdict) == (not even), verdict
        assert (" is divisible by " in verdict) == (size % stride == 0), verdict
        received = re.search(r"receives? ([\d, or]+?) products? \(([\d, or]+) in 2‑D\)", verdict)
        for text, want in [(received[1], counts), (received[2], torch.outer(counts, counts))]:
            numbers = [int(n) for n in re.findall(r"\d+", text)]
            assert numbers == sorted(set(want.flatten().int().tolist())), verdict


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"pinned": ["line", 4]}, "y[4] = x[1]·1 + x[2]·1: 2 products, weights that add up to 2."),
        ({"pinned": ["plane", 4, 6]}, "y[4, 6] receives 4 = 2 · 2 products."),
        ({"pinned": ["plane", 4, 0]}, "y[4, 0] receives 2 = 2 · 1 products. At the border some are missing."),
        ({"kernel_size": 1, "pinned": ["line", 1]}, "y[1] receives nothing: no kernel reaches it."),
        ({"pinned": ["line", 99]}, "Point at a cell"),
    ],
)
def test_a_cell_says_what_it_receives(draw_widgets, arguments, sentence):
    (html,) = draw_widgets(Checkerboard(**arguments))
    assert said(html)[1].startswith(sentence)


def test_every_colour_of_the_bars_has_a_word(draw_widgets):
    (html,) = draw_widgets(Checkerboard())
    key = html.split('class="pw-key"')[1].split('class="pw-line"')[0]
    assert re.findall(r"</span>([^<]+)", key) == ["more than the mean", "less", "equal", "border"]


# ---- the Python side ------------------------------------------------------------------------------------


def test_the_portrait_is_a_picture():
    face = np.frombuffer(portrait(), np.uint8).reshape(PICTURE_SIZE, PICTURE_SIZE)
    assert face.min() < 20 and face.max() > 235 and face.std() > 40
    assert all(PICTURE_SIZE % stride == 0 for stride in (1, 2, 3, 4))
    assert Checkerboard().picture == portrait()


def test_takes_arrays_and_tensors():
    picture = np.arange(PICTURE_SIZE**2).reshape(PICTURE_SIZE, PICTURE_SIZE).astype(np.uint8)
    assert Checkerboard(picture=picture).picture == picture.tobytes()
    assert Checkerboard(picture=torch.from_numpy(picture)).picture == picture.tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"picture": np.zeros((96, 96))}, r"96 × 96 grey values .* got shape \(96, 96\) of float64"),
        ({"picture": np.zeros((64, 64), np.uint8)}, r"got shape \(64, 64\) of uint8"),
        ({"picture": b"abc"}, "Checkerboard.picture holds 9216 bytes, one a pixel, got 3"),
        ({"kernel_size": 7}, "kernel_size"),
        ({"stride": 0}, "stride"),
        ({"weights": "gaussian"}, "weights"),
    ],
)
def test_arguments_out_of_range_are_refused_with_a_reason(arguments, message):
    with pytest.raises(TraitError, match=message):
        Checkerboard(**arguments)


def test_the_default_random_weights_are_uneven_at_every_kernel_size(call_js):
    """The chapter sends readers there to see that equal counts are not equal sums."""
    pairs = [(2, 2), (4, 2), (6, 2), (3, 3), (6, 3), (4, 4)]
    seed = Checkerboard().seed
    profiles = call_js("core/upsampling.js", [["kernelProfile", "random", size, seed] for size, _ in pairs])
    for (_, stride), profile in zip(pairs, profiles, strict=True):
        assert len({sum(profile[phase::stride]) for phase in range(stride)}) > 1
