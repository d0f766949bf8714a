"""Scenes: the same bytes everywhere, exact class maps, and colour alone does not tell a cow."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pixelwise.data import DataError, WrongSize, load
from pixelwise.data.scenes import COW, FAMILIES, GRASS, SAMPLES, SKY, TREES, Canvas, stroke


def digest(data) -> str:
    images, targets = data.tensors()
    return hashlib.sha256(images.numpy().tobytes() + targets.numpy().tobytes()).hexdigest()


def test_the_same_seed_gives_the_same_bytes_whatever_numpys_global_state():
    np.random.seed(1)
    first = digest(load("scenes", n=6, seed=3))
    np.random.seed(2)
    state = np.random.get_state()[1].copy()
    assert digest(load("scenes", n=6, seed=3)) == first
    assert (np.random.get_state()[1] == state).all(), "the global state was used"
    assert digest(load("scenes", n=6, seed=4)) != first


def test_a_scene_does_not_depend_on_how_many_there_are_or_which_came_before():
    few, many = load("scenes", n=3), load("scenes", n=9)
    many[7]
    for k in (2, 0, 1):
        assert all(torch.equal(a, b) for a, b in zip(few[k], many[k], strict=True))


def test_splits_and_families_share_no_scene():
    pictures = [
        image.numpy().tobytes()
        for split in ("train", "val", "test")
        for family in FAMILIES
        for seed in (0, 1)
        for image, _ in (load("scenes", split, n=5, seed=seed, family=family)[k] for k in range(5))
    ]
    assert len(set(pictures)) == len(pictures) == 60


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_have_the_shapes_and_ranges_of_the_interface(family):
    for grey, channels in ((False, 3), (True, 1)):
        image, target = load("scenes", n=1, size=(48, 80), family=family, grey=grey)[0]
        assert image.shape == (channels, 48, 80) and image.dtype == torch.float32
        assert target.shape == (48, 80) and target.dtype == torch.int64
        assert 0 <= image.min() < 0.3 and 0.6 < image.max() <= 1


def test_the_grey_version_is_the_same_scene_by_its_brightness():
    colour, classes = load("scenes", n=1)[0]
    grey, same = load("scenes", n=1, grey=True)[0]
    assert torch.equal(classes, same)
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    torch.testing.assert_close(grey[0], (colour * weights).sum(0), atol=0.51 / 255, rtol=0)


def test_every_scene_has_cows_and_every_class_its_share():
    _, targets = load("scenes", n=50).tensors()
    assert (targets == COW).flatten(1).any(1).float().mean() > 0.97
    shares = torch.bincount(targets.flatten(), minlength=4) / targets.numel()
    for label, low, high in ((TREES, 0.07, 0.25), (SKY, 0.2, 0.4), (COW, 0.06, 0.18), (GRASS, 0.35, 0.6)):
        assert low < shares[label] < high, shares


def test_the_class_map_is_what_was_painted_and_no_pixel_mixes_two_classes():
    """A half plane of pure red trees on pure blue sky, at an angle: each pixel is one or the other."""
    canvas = Canvas(32, 32)
    whole = canvas.window(0, 0, 1, 1)
    whole.paint(np.ones(whole.shape, bool), (0.0, 0.0, 1.0), SKY)
    whole.paint(stroke(whole.x, whole.y, (0.2, 0.1), (0.8, 0.9), 0.03), (1.0, 0.0, 0.0), TREES)
    picture, classes = canvas.develop(np.random.default_rng(0), np.ones(3))
    at = (np.arange(32, dtype=np.float32) + 0.5 / SAMPLES) / 32  # each pixel's first sample
    expected = stroke(at[None], at[:, None], (0.2, 0.1), (0.8, 0.9), 0.03)
    assert ((classes == TREES) == expected).all()
    assert ((picture[..., 0] > 128) == expected).all() and ((picture[..., 2] < 128) == expected).all()
    assert (
        np.isin(picture[..., 0] > 200, (True, False)).all() and not ((picture > 60) & (picture < 190)).any()
    )


def test_shadows_stones_birds_and_clouds_change_no_class():
    """What lies on the meadow is grass and what flies is sky: only four classes, no void."""
    _, targets = load("scenes", n=20).tensors()
    assert set(targets.unique().tolist()) == {TREES, SKY, COW, GRASS}
    below_horizon = targets[:, -4:]
    assert not (below_horizon == SKY).any()
    assert not (targets[:, :4] == GRASS).any()


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    """Scenes to learn from and scenes to try."""
    return [
        load("scenes", split, n=n, family=request.param).tensors()
        for split, n in (("train", 90), ("val", 40))
    ]


@pytest.mark.parametrize("grey", [False, True])
def test_colour_alone_does_not_tell_a_cow(family, grey):
    """A table of all colours, the best that a classifier without context can be, fails on cows."""
    (images, targets), (unseen, truth) = family
    bins = 256 if grey else 16

    def cell(images: torch.Tensor) -> torch.Tensor:
        if grey:
            images = (images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
        levels = (images * bins).long().clamp(max=bins - 1).movedim(1, -1).flatten(0, 2)
        return (levels * bins ** torch.arange(levels.shape[1])).sum(1)

    cells = bins if grey else bins**3
    counts = (
        torch.bincount(cell(images) * 4 + targets.flatten(), minlength=4 * cells).reshape(cells, 4).float()
    )
    for weights in (torch.ones(4), 1 / counts.sum(0)):  # what is most frequent; what is most typical
        guess = (counts * weights).argmax(1)[cell(unseen)]

        def iou(label: int, guess: torch.Tensor = guess) -> float:
            is_so, is_said = truth.flatten() == label, guess == label
            return float((is_so & is_said).sum() / (is_so | is_said).sum())

        assert iou(COW) < 0.4, f"colour alone finds cows with IoU {iou(COW):.2f}"
        assert grey or iou(SKY) > 0.6, "the table works: it finds the sky by its colour"


def test_a_data_loader_batches_scenes():
    images, targets = next(iter(DataLoader(load("scenes", n=8), batch_size=4, shuffle=True)))
    assert images.shape == (4, 3, 64, 64) and targets.shape == (4, 64, 64)


def test_a_hundred_scenes_a_second():
    data = load("scenes", n=40)
    data[0]
    start = time.process_time()  # of this process: other programs on the machine do not count
    data.tensors()
    assert time.process_time() - start < 40 * 0.03, "three times the time that a scene should take"


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"split": "eval"}, DataError, "train, val, test"),
        ({"family": "night"}, DataError, "day, evening"),
        ({"n": 0}, DataError, "at least one"),
        ({"seed": -1}, DataError, "seed"),
        ({"size": (8, 64)}, WrongSize, "at least 16"),
        ({"size": (64,)}, WrongSize, "height, width"),
    ],
)
def test_bad_settings_are_named(settings, error, says):
    with pytest.raises(error, match=says):
        load("scenes", **settings)


def test_scenes_are_said_to_be_synthetic():
    assert "ynthetic" in load("scenes", n=1).notice
