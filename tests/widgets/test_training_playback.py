"""TrainingPlayback shows what the recording holds, and a recording holds what the network said."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from pixelwise import UNet
from pixelwise.augmentation import Augmentation
from pixelwise.data import load, paint
from pixelwise.data.classes import BRAIN, SCENES
from pixelwise.inference import predict
from pixelwise.metrics import ConfusionMatrix
from pixelwise.recording import Recording, dense_at_the_start
from pixelwise.training import History, train
from pixelwise.widgets import TrainingPlayback
from pixelwise.widgets.training_playback import packed

CORE = "core/playback.js"
HEIGHT, WIDTH, STEPS = 24, 16, 9
MOMENTS = [0, 1, 4, 9]


def array(values) -> np.ndarray:
    """Numbers from JavaScript: a typed array travels as an object."""
    return np.array(list(values.values()) if isinstance(values, dict) else values)


# ---- the recording --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures() -> list:
    return list(load("scenes", n=8, size=(HEIGHT, WIDTH)))


@pytest.fixture(scope="module")
def held_out() -> list:
    """Five, the second with void."""
    data = list(load("scenes", "val", n=5, size=(HEIGHT, WIDTH)))
    data[1][1][:4] = 255
    return data


def new_net() -> UNet:
    torch.manual_seed(0)
    return UNet(3, 4, base_channels=4, depth=1, padding=1, norm="batch")


def trained(net, pictures, steps=STEPS, **settings) -> History:
    settings = {"learning_rate": 3e-2, "mixed_precision": False, "device": "cpu"} | settings
    return train(net, pictures, steps=steps, augment=Augmentation(light=0.1), progress=False, **settings)


@pytest.fixture(scope="module")
def recorded(pictures, held_out) -> tuple[UNet, Recording, History]:
    net = new_net()
    recording = Recording(net, held_out, STEPS, shown=[1, 3], moments=MOMENTS)
    history = trained(net, pictures)
    return net, recording.finish(), history


def test_each_moment_is_the_network_after_so_many_steps(pictures, held_out, recorded):
    """Also where training runs in mixed precision: the network is judged in float32."""
    net, states = new_net(), []

    def keep() -> None:
        states.append({name: value.clone() for name, value in net.state_dict().items()})

    class Watched(torch.optim.AdamW):
        def step(self, *args, **settings):
            super().step(*args, **settings)
            keep()

    keep()
    recording = Recording(net, held_out, STEPS, shown=[1, 3], moments=MOMENTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim, "AdamW", Watched)
        trained(net, pictures, mixed_precision=True)
    recording.finish()
    assert recording.moments == MOMENTS
    for moment, matrix, maps in zip(MOMENTS, recording.matrices, recording.class_maps, strict=True):
        net.load_state_dict(states[moment])
        want = ConfusionMatrix(4)
        for image, truth in held_out:
            want.update(predict(net, image[None]), truth[None])
        assert torch.equal(matrix.counts, want.counts), moment
        for index, class_map in zip([1, 3], maps, strict=True):
            assert torch.equal(class_map.long(), predict(net, held_out[index][0][None]).argmax(1)[0])
    assert len({str(matrix.counts) for matrix in recording.matrices}) == len(MOMENTS)


def test_looking_changes_nothing(pictures, recorded):
    net, _, history = recorded
    other = new_net()
    assert trained(other, pictures).column("loss") == history.column("loss")
    for one, two in zip(net.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_evaluations_during_training_are_no_steps(pictures, held_out, recorded):
    net = new_net()
    recording = Recording(net, held_out, STEPS, shown=[1, 3], moments=MOMENTS)
    trained(net, pictures, validation=held_out, evaluate_every=2)
    recording.finish()
    assert recording.moments == MOMENTS
    assert recording.mean_iou() == recorded[1].mean_iou()


def test_a_recording_that_missed_steps_says_so(pictures, held_out):
    net = new_net()
    recording = Recording(net, held_out, steps=4)
    trained(net, pictures, steps=3)
    with pytest.raises(ValueError, match="was to take 4 steps and took 3: make a recording"):
        recording.finish()
    trained(net, pictures, steps=1)
    assert len(recording.moments) == 3, "it still watches after finish()"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shown": [5]}, r"pictures from 0 to 4, got \[5\]"),
        ({"shown": []}, r"pictures from 0 to 4, got \[\]"),
        ({"moments": [0, 11]}, "between 0 and 9 steps"),
        ({"moments": [-1]}, "between 0 and 9 steps"),
    ],
)
def test_what_cannot_be_recorded_is_refused(held_out, settings, message):
    with pytest.raises(ValueError, match=message):
        Recording(new_net(), held_out, STEPS, **settings)
    with pytest.raises(ValueError, match="no pictures"):
        Recording(new_net(), [], STEPS)


def test_moments_are_dense_at_the_start():
    moments = dense_at_the_start(700)
    gaps = np.diff(moments)
    assert moments[0] == 0 and moments[-1] == 700 and len(moments) == 20
    assert (np.diff(gaps) >= 0).sum() >= 17 and gaps[0] <= 2 and gaps[-1] > 60
    assert dense_at_the_start(3) == [0, 1, 2, 3]


# ---- arithmetic -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_packed_maps_are_unpacked_in_javascript(call_js, bits):
    rng = np.random.default_rng(bits)
    maps = rng.integers(0, 2**bits, (3, 5, 7))  # 35 pixels fill no whole number of bytes
    data = b"".join(packed(one, bits) for one in maps)
    assert len(data) == 3 * -(-35 * bits // 8)
    results = call_js(CORE, [["unpackMap", list(data), bits, 35, index] for index in range(3)])
    assert np.array_equal([array(one) for one in results], maps.reshape(3, 35))


def test_right_since_is_the_first_map_from_which_on_a_pixel_stays_right(call_js):
    rng = np.random.default_rng(0)
    maps, truth = rng.integers(0, 2, (6, 200)), rng.integers(0, 2, 200)
    (got,) = call_js(CORE, [["rightSince", maps.tolist(), truth.tolist()]])
    want = [min(k for k in range(7) if (maps[k:, n] == truth[n]).all()) for n in range(200)]
    assert array(got).tolist() == want and set(want) == set(range(7))


def test_smoothing_is_the_mean_of_what_is_there(call_js):
    values = np.random.default_rng(1).random(30)
    (got,) = call_js(CORE, [["smoothed", values.tolist(), 4]])
    assert got == pytest.approx([values[max(0, n - 4) : n + 5].mean() for n in range(30)])


def test_the_nearest_moment(call_js):
    got = call_js(CORE, [["nearestMoment", MOMENTS, step] for step in (-5, 0.4, 2, 3, 100)])
    assert got == [0, 0, 1, 2, 3]


# ---- what is drawn --------------------------------------------------------------------------------------


def screens(html: str) -> list[np.ndarray]:
    """Picture, result and truth, as a page without JavaScript shows them."""
    data = [
        re.search(r'src="data:image/bmp;base64,([^"]*)"', image)[1]
        for image in re.findall(r"<img [^>]*>", html)
    ]
    assert len(data) == 3
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one))).convert("RGB")) for one in data]


def rows(html: str) -> list[list[str]]:
    """The texts of the table: name, IoU in the picture, IoU over all."""
    body = re.search(r"<tbody>(.*?)</tbody>", html, re.DOTALL)[1]
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("</tr>")[:-1]]
    return [[re.sub(r"<[^>]*>", "", cell) for cell in row[:3]] for row in cells]


@pytest.mark.parametrize(("step", "picture"), [(0, 0), (2, 1), (3, 0)])
def test_class_maps_and_truth_are_the_recorded_ones(draw_widgets, recorded, held_out, step, picture):
    _, recording, history = recorded
    (html,) = draw_widgets(TrainingPlayback(recording, history, SCENES, step=step, picture=picture))
    image, result, truth = screens(html)
    original, class_map = held_out[recording.shown[picture]]
    assert np.array_equal(image, (original * 255).round().byte().movedim(0, -1).numpy())
    assert np.array_equal(result, paint(recording.class_maps[step][picture], SCENES))
    assert np.array_equal(truth, paint(class_map, SCENES))
    assert f"After {MOMENTS[step]} of {STEPS} steps" in html


def test_errors_are_where_the_class_map_is_wrong_but_not_where_nobody_knows(draw_widgets, recorded, held_out):
    _, recording, history = recorded
    (html,) = draw_widgets(TrainingPlayback(recording, history, SCENES, step=2, show="errors"))
    lit = (screens(html)[1] == [0xE3, 0x9C, 0xCB]).all(-1)
    guess, truth = recording.class_maps[2][0], held_out[1][1]
    wrong = ((guess != truth) & (truth != 255)).numpy()
    assert 0.02 < wrong.mean() < 0.98
    assert np.array_equal(lit, wrong)
    share = wrong.sum() / (truth != 255).sum().item()
    assert f"{round(100 * share)} % of this picture is wrong" in html


def test_right_since_is_dark_for_early_pixels_and_has_the_hue_of_the_loss_for_wrong_ones(
    draw_widgets, recorded, held_out
):
    _, recording, history = recorded
    (html,) = draw_widgets(TrainingPlayback(recording, history, SCENES, show="right since"))
    shown, truth = screens(html)[1].astype(int), held_out[1][1]
    maps = torch.stack([row[0].long() for row in recording.class_maps])
    right = maps == truth
    known = truth != 255
    first = [(right[k:].all(0) & (~right[k - 1] if k else True) & known).numpy() for k in range(4)]
    wrong = (~right[-1] & known).numpy()
    assert (shown[wrong] == [0xE3, 0x9C, 0xCB]).all() and wrong.any()
    brightness = [shown[mask].sum(-1).mean() for mask in first if mask.any()]
    assert len(brightness) >= 2 and brightness == sorted(brightness) and brightness[0] < brightness[-1]
    assert (shown[~known.numpy()] == 0).all()


def test_the_table_has_the_iou_of_the_picture_and_of_all(draw_widgets, recorded, held_out):
    _, recording, history = recorded
    (html,) = draw_widgets(TrainingPlayback(recording, history, SCENES, step=3, picture=1))
    own = ConfusionMatrix(4)
    own.update(recording.class_maps[3][1][None], held_out[3][1][None])
    everything = recording.matrices[3]
    means = (torch.tensor([m.mean_iou()]).double() for m in (own, everything))
    columns = [torch.cat([m.iou(), mean]) for m, mean in zip((own, everything), means, strict=True)]
    for k, (name, *values) in enumerate(rows(html)):
        assert name == [*SCENES.names, "mean"][k]
        for text, column in zip(values, columns, strict=True):
            if column[k].isnan():
                assert text == "–"
            else:
                assert float(text) == pytest.approx(column[k].item(), abs=0.0051)
    assert f"mean IoU {recording.mean_iou()[3]:.2f}" in html
    assert f"loss {history.rows[-1]['loss']:.2f}" in html


def test_the_loss_beside_a_moment_is_that_of_the_next_batch(draw_widgets, recorded):
    """It was computed with the weights of that moment."""
    _, recording, history = recorded
    for step, moment in enumerate(MOMENTS[:3]):
        (html,) = draw_widgets(TrainingPlayback(recording, history, SCENES, step=step))
        assert f"loss {history.rows[moment]['loss']:.2f}" in html


def test_a_pixel_has_a_history(draw_widgets, recorded, held_out):
    _, recording, history = recorded
    (html,) = draw_widgets(TrainingPlayback(recording, history, SCENES, picture=1, pinned=[20, 5]))
    strip = re.search(r'pw-playback-strip"[^>]*>(.*?)</div>', html)[1]
    colours = re.findall(r"background: #([0-9a-f]{6})", strip)
    classes = [int(row[1][20, 5]) for row in recording.class_maps]
    assert colours == ["".join(f"{v:02x}" for v in SCENES.colours[k]) for k in classes]
    truth = int(held_out[3][1][20, 5])
    right = [k == truth for k in classes]
    assert f"Row 20, column 5: {SCENES.names[truth]}" in html
    if not right[-1]:
        assert "and wrong at the end" in html


def test_a_link_to_nonsense_draws_something(draw_widgets, recorded):
    _, recording, history = recorded
    widget = TrainingPlayback(recording, history, SCENES, step=99, picture=4, pinned=[99, -1])
    (html,) = draw_widgets(widget)
    assert len(screens(html)) == 3 and f"After {STEPS} of {STEPS} steps" in html


# ---- the Python side ------------------------------------------------------------------------------------


def test_four_classes_take_two_bits_a_pixel(recorded):
    _, recording, history = recorded
    widget = TrainingPlayback(recording, history, SCENES)
    assert len(widget.class_maps) == len(MOMENTS) * 2 * HEIGHT * WIDTH // 4


def test_what_does_not_go_together_is_refused(pictures, held_out, recorded):
    _, recording, history = recorded
    with pytest.raises(ValueError, match="history has 8 steps, the recording 9"):
        TrainingPlayback(recording, History(history.rows[:8]), SCENES)
    with pytest.raises(ValueError, match="1 titles for 2 pictures"):
        TrainingPlayback(recording, history, SCENES, titles=["one"])
    with pytest.raises(ValueError, match="4 classes, but 2 have names"):
        TrainingPlayback(recording, history, type(BRAIN)(("grey", "white")))
    with pytest.raises(ValueError, match="holds nothing"):
        TrainingPlayback(Recording(new_net(), held_out, STEPS), history, SCENES)
    mixed = [held_out[0], (torch.rand(3, 8, 8), torch.zeros(8, 8, dtype=torch.long))]
    net = new_net()
    other = Recording(net, mixed, 1, shown=[0, 1])
    one_step = trained(net, pictures, steps=1)
    with pytest.raises(ValueError, match="of one size"):
        TrainingPlayback(other.finish(), one_step, SCENES)
