"""The brain: splits that cannot leak, noise as scanners make it, and the baseline to beat."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from pixelwise.data import DataError, brain, degrade, fit_thresholds, load
from pixelwise.data.brain import HEADROOM, SLABS, _volume


def mean_iou(guess: torch.Tensor, truth: torch.Tensor, classes: int) -> float:
    pairs = torch.bincount(classes * truth.flatten() + guess.flatten(), minlength=classes**2).reshape(
        classes, -1
    )
    both = pairs.diag()
    return float((both / (pairs.sum(0) + pairs.sum(1) - both)).mean())


def test_slices_have_the_shapes_and_classes_of_the_interface():
    data = load("brain")
    image, target = data[30]
    assert data.class_names == ("background", "other", "grey", "white") and len(data) == 64
    assert image.shape == (1, 192, 160) and image.dtype == torch.float32
    assert target.shape == (192, 160) and target.unique().tolist() == [0, 1, 2, 3]


def test_the_brain_lies_inside_the_crop():
    for split in SLABS:
        _, targets = load("brain", split, degraded=False).tensors()
        assert not any(
            edge.any() for edge in (targets[:, 0], targets[:, -1], targets[..., 0], targets[..., -1])
        )


def test_slabs_are_apart_and_whole():
    for (_, a), (_, b) in itertools.combinations(SLABS.items(), 2):
        low, high = sorted((a, b), key=lambda slab: slab.start)
        assert high.start - low.stop >= 10, "a centimetre that nobody sees lies between two splits"
        assert a.step == b.step == 1


def test_a_mirror_image_never_lies_in_another_split():
    """The template is symmetric: each slice holds both halves, so a half and its mirror share a split."""
    slices = {split: load("brain", split, degraded=False).tensors()[0] for split in SLABS}
    for images in slices.values():
        whole = images[..., 1:]  # column 80 is the mid-plane
        assert torch.equal(whole, whole.flip(-1)), "the template is symmetric: the trap is there"

    def halves(images: torch.Tensor) -> set[bytes]:
        return {image.numpy().tobytes() for image in images}

    left = {split: halves(images[..., 1:80]) for split, images in slices.items()}
    right = {split: halves(images[..., 81:].flip(-1)) for split, images in slices.items()}
    assert all(left[split] == right[split] for split in SLABS), "both halves are there"
    for a, b in itertools.permutations(SLABS, 2):
        assert not left[a] & right[b]


def test_labels_are_the_largest_share_of_tissue():
    t1, labels = _volume()
    assert ((labels == 0) == (t1 == 0)).all()
    means = [t1[labels == k].mean() for k in range(4)]
    assert means == sorted(means) and means[1] < 110 < means[2] < 180 < means[3], (
        "fluid is dark, white is bright"
    )


def test_noise_is_rician():
    """Without signal the magnitude is Rayleigh; where it is strong, nearly normal with the same σ."""
    rng = np.random.default_rng(0)
    sigma = 0.06
    air = degrade(np.zeros((400, 400), np.float32), rng, sigma, bias=0)
    assert air.mean() == pytest.approx(sigma * math.sqrt(math.pi / 2), rel=0.01)
    assert air.std() == pytest.approx(sigma * math.sqrt(2 - math.pi / 2), rel=0.01)
    assert air.min() >= 0
    tissue = degrade(np.full((400, 400), 0.9, np.float32), rng, sigma, bias=0)
    assert tissue.std() == pytest.approx(sigma, rel=0.01)
    assert tissue.mean() == pytest.approx(0.9 + sigma**2 / (2 * 0.9), abs=0.001)


def test_the_bias_field_is_smooth_and_stays_within_its_bounds():
    flat = np.ones((192, 160), np.float32)
    gains = np.stack([degrade(flat, np.random.default_rng(seed), noise=0, bias=0.3) for seed in range(40)])
    assert 0.7 - 1e-6 <= gains.min() < 0.75 and 1.25 < gains.max() <= 1.3 + 1e-6
    assert max(abs(np.diff(gains, axis=axis)).max() for axis in (1, 2)) < 0.03


def test_degraded_slices_keep_their_noise_and_their_class_maps():
    clean, degraded = load("brain", "val", degraded=False), load("brain", "val")
    air = degraded.tensors()[0][clean.tensors()[1][:, None] == 0] * HEADROOM
    assert float(air.mean()) == pytest.approx(0.06 * math.sqrt(math.pi / 2), rel=0.01)
    assert torch.equal(clean.tensors()[1], degraded.tensors()[1])
    assert (degraded.tensors()[0] == 1).float().mean() < 1e-4, "nothing is clipped"


def test_noise_is_seeded_and_repeats_differ():
    first, again, other = (load("brain", "val", seed=seed)[3][0] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    repeated = load("brain", "val", repeats=2)
    assert len(repeated) == 40 and torch.equal(repeated[3][0], first)
    assert torch.equal(repeated[23][1], repeated[3][1]) and not torch.equal(repeated[23][0], first)


def test_thresholds_are_the_best_table_of_brightness():
    images = torch.tensor([0.1, 0.1, 0.1, 0.5, 0.5, 0.9]).reshape(1, 1, 2, 3)
    targets = torch.tensor([0, 0, 1, 2, 255, 1]).reshape(1, 2, 3)
    table = fit_thresholds(images, targets, num_classes=3)
    assert table.predict(images).flatten().tolist() == [0, 0, 0, 2, 2, 1]
    assert len(table.edges) == 2 and table.classes.tolist() == [0, 2, 1]


@pytest.mark.parametrize(("degraded", "low", "high"), [(False, 0.85, 0.95), (True, 0.50, 0.58)])
def test_the_baseline_that_every_result_is_shown_beside(degraded, low, high):
    """On the clean template thresholds are all one needs; on degraded slices they fail."""
    table = fit_thresholds(*load("brain", degraded=degraded).tensors(), num_classes=4)
    for split in ("val", "test"):
        images, targets = load("brain", split, degraded=degraded).tensors()
        assert low < mean_iou(table.predict(images), targets, 4) < high


def test_the_licence_travels_with_the_template():
    notice = load("brain").notice
    assert "One averaged brain" in notice and "Louis Collins" in notice
    assert "above copyright notice appear in all copies" in " ".join(notice.split())


def test_bad_settings_are_named():
    with pytest.raises(DataError, match="train, val, test"):
        brain("left")
    with pytest.raises(DataError, match="repeats"):
        brain(repeats=0)
    with pytest.raises(DataError, match="noise"):
        brain(noise=-1)
