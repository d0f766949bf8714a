"""What a student gets wrong, and the sentence that says so. Each case: what is tried, the error's words."""

from __future__ import annotations

import pytest
import torch

from pixelwise.augmentation import elastic_deformation, extend, random_crop, random_flip, warp
from pixelwise.inference import predict
from pixelwise.losses import (
    border_weight_map,
    connected_components,
    dice_loss,
    pixelwise_cross_entropy,
    weighted_cross_entropy,
)
from pixelwise.metrics import BoundaryF1, ConfusionMatrix
from pixelwise.training import train
from pixelwise.unet import FlatNet, UNet, centre_crop

SCORES, TARGET = torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.int64)
IMAGE, CLASS_MAP = torch.zeros(1, 8, 8), torch.zeros(8, 8, dtype=torch.int64)
NAN = torch.full_like(SCORES, float("nan"))
NET = UNet(1, 2, base_channels=2, depth=1, padding=1)
G = torch.Generator()


def training(examples, **options):
    return train(
        NET, examples, **{"steps": 1, "batch_size": 2, "progress": False, "device": "cpu", **options}
    )


CASES = {
    # --- losses
    "scores without a batch": (
        lambda: pixelwise_cross_entropy(SCORES[0], TARGET),
        r"\(N, K, H, W\); got shape",
    ),
    "scores as an array": (lambda: pixelwise_cross_entropy(SCORES.numpy(), TARGET), "got ndarray"),
    "scores of classes": (
        lambda: pixelwise_cross_entropy(SCORES.long(), TARGET),
        "floating point, not class ind",
    ),
    "a one-hot target": (
        lambda: pixelwise_cross_entropy(SCORES, SCORES),
        r"\(N, H, W\), a class index a posi",
    ),
    "a float target": (lambda: pixelwise_cross_entropy(SCORES, TARGET.float()), "class indices, not one-hot"),
    "a mask for a target": (lambda: pixelwise_cross_entropy(SCORES, TARGET > 0), "class indices.*torch.bool"),
    "an int32 target": (lambda: pixelwise_cross_entropy(SCORES, TARGET.int()), r"write target.long\(\)"),
    "sizes that differ": (lambda: pixelwise_cross_entropy(SCORES, TARGET[:, :2]), "centre_crop"),
    "numbers that differ": (lambda: pixelwise_cross_entropy(SCORES, TARGET[:1]), "differ in N, H or W"),
    "a label too high": (
        lambda: pixelwise_cross_entropy(SCORES, TARGET + 3),
        "label 3 is out of range: 3 classes",
    ),
    "a label below zero": (lambda: dice_loss(SCORES, TARGET - 1), "label -1 is out of range"),
    "void not said": (lambda: pixelwise_cross_entropy(SCORES, TARGET + 255), "pass ignore_index=255"),
    "NaN in scores": (lambda: pixelwise_cross_entropy(NAN, TARGET), "scores hold NaN"),
    "NaN in Dice": (lambda: dice_loss(NAN, TARGET), "scores hold NaN"),
    "no positions": (lambda: pixelwise_cross_entropy(SCORES[:0], TARGET[:0]), "scores are empty"),
    "too few class weights": (lambda: weighted_cross_entropy(SCORES, TARGET, torch.ones(2)), r"shape \(3,\)"),
    "class weights as a list": (lambda: weighted_cross_entropy(SCORES, TARGET, [1, 1, 1]), "got list"),
    "negative class weights": (
        lambda: weighted_cross_entropy(SCORES, TARGET, -torch.ones(3)),
        "not negative",
    ),
    "infinite class weights": (lambda: weighted_cross_entropy(SCORES, TARGET, torch.ones(3) / 0), "finite"),
    "an unknown reduction": (lambda: weighted_cross_entropy(SCORES, TARGET, reduction="none"), "got 'none'"),
    "a weight map of scores": (
        lambda: border_weight_map(torch.rand(4, 4)),
        "whole numbers, one for each cell",
    ),
    "a weight map of a row": (lambda: border_weight_map(torch.arange(4)), r"\(H, W\) or \(N, H, W\)"),
    "a negative cell": (lambda: border_weight_map(-TARGET - 1), "numbers the cells from 1"),
    "a sigma of 0": (lambda: border_weight_map(TARGET, sigma=0), "sigma is positive"),
    "a batch of masks": (lambda: connected_components(TARGET), r"a mask has shape \(H, W\)"),
    # --- networks
    "no classes": (lambda: UNet(1, 0), "num_classes is a whole number of at least 1, got 0"),
    "half a level": (lambda: UNet(1, 2, depth=1.5), "depth is a whole number"),
    "padding same": (lambda: UNet(1, 2, padding="same"), "padding is one of 0, 1"),
    "group norm": (lambda: UNet(1, 2, norm="group"), "norm is one of None, 'batch'"),
    "nearest": (lambda: UNet(1, 2, upsampling="nearest"), "upsampling is one of 'transposed', 'bilinear'"),
    "no layers": (lambda: FlatNet(1, 2, layers=0), "layers is a whole number"),
    "a single image": (lambda: NET(IMAGE), r"shape \(N, C, H, W\), got \(1, 8, 8\)"),
    "channels last": (
        lambda: NET(torch.zeros(1, 8, 8, 3)),
        "built for 1 input channels, got an image with 8",
    ),
    "bytes": (lambda: NET(IMAGE[None].byte()), "divide by 255"),
    "an odd size": (lambda: NET(IMAGE[None, :, :7]), "height 7; the nearest legal: 6 or 8"),
    "an empty image": (lambda: NET(IMAGE[None, :, :0]), "height 0; the nearest legal: 2"),
    "a crop too large": (lambda: centre_crop(IMAGE, (9, 8)), "to the larger 9 × 8"),
    "a crop off the centre": (lambda: centre_crop(IMAGE, (7, 8)), "no place in the centre"),
    # --- metrics
    "a metric without classes": (lambda: ConfusionMatrix(0), "num_classes"),
    "a prediction of another size": (
        lambda: ConfusionMatrix(3).update(TARGET[:, 1:], TARGET),
        "differ in shape",
    ),
    "scores of other classes": (lambda: ConfusionMatrix(4).update(SCORES, TARGET), "scores of 4 classes"),
    "probabilities": (lambda: ConfusionMatrix(3).update(TARGET.float(), TARGET), "class indices, not floats"),
    "NaN in a metric": (lambda: ConfusionMatrix(3).update(NAN, TARGET), "scores hold NaN"),
    "an unknown label": (lambda: ConfusionMatrix(3).update(TARGET, TARGET + 7), "the target holds 7"),
    "an unknown prediction": (lambda: BoundaryF1(3).update(TARGET + 7, TARGET), "the prediction holds 7"),
    "a negative tolerance": (lambda: BoundaryF1(3, tolerance=-1), "tolerance is a number of pixels"),
    # --- augmentation
    "a map of another size": (lambda: random_flip(IMAGE, CLASS_MAP[1:], G), "differ in size"),
    "a map of floats": (lambda: elastic_deformation(IMAGE, IMAGE[0], G), "holds class indices"),
    "an image of bytes": (
        lambda: elastic_deformation(IMAGE.byte(), CLASS_MAP, G),
        "an image is floating point",
    ),
    "a crop out of nothing": (lambda: random_crop(IMAGE, CLASS_MAP, G, (9, 4)), "cannot crop 9 × 4"),
    "a field of another size": (
        lambda: warp(IMAGE, CLASS_MAP, torch.zeros(2, 4, 4)),
        "displacement has shape",
    ),
    "a negative sigma": (lambda: elastic_deformation(IMAGE, CLASS_MAP, G, sigma=-1), "sigma is not negative"),
    "a negative border": (lambda: extend(IMAGE, CLASS_MAP, -1), "not negative"),
    # --- inference
    "predict a single image": (lambda: predict(NET, IMAGE), r"write image\[None\]"),
    "predict other channels": (
        lambda: predict(NET, torch.zeros(1, 3, 8, 8)),
        "takes 1 channels, the images have 3",
    ),
    "predict bytes": (lambda: predict(NET, IMAGE[None].byte()), "divide by 255"),
    "predict NaN": (lambda: predict(NET, IMAGE[None] / 0), "NaN or infinite"),
    "tiles of nothing": (lambda: predict(NET, IMAGE[None], tile=0), "tile is a whole number"),
    "no image": (lambda: predict(NET, IMAGE[None, :, :0]), "images are empty"),
    # --- training
    "no examples": (lambda: training([]), "no examples"),
    "no steps": (lambda: training([(IMAGE, CLASS_MAP)], steps=0), "steps is a whole number"),
    "a negative rate": (
        lambda: training([(IMAGE, CLASS_MAP)], learning_rate=-1),
        "learning_rate is positive",
    ),
    "a bad example": (
        lambda: training([(IMAGE, CLASS_MAP)] * 2 + [(IMAGE, IMAGE)] * 9),
        r"example \d+: a class map",
    ),
    "a label to train on": (lambda: training([(IMAGE, CLASS_MAP + 2)]), "label 2 is out of range: 2 classes"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_error_says_what_is_wrong(case):
    attempt, words = CASES[case]
    with pytest.raises((ValueError, TypeError), match=words):
        attempt()
