"""The interface: what a pair looks like, and every way in which one can be wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelwise.data import (
    Classes,
    DataError,
    EmptyMask,
    NotFinite,
    SegmentationData,
    UnknownLabel,
    WrongRange,
    WrongSize,
    paint,
    to_tensors,
)

CLASSES = Classes(("background", "cow", "dog"), background=0)
IMAGE = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
TARGET = np.array([[0, 1, 2, 255, 0, 1]] * 4, np.uint8)


def data(image=IMAGE, target=TARGET, classes=CLASSES) -> SegmentationData:
    return SegmentationData("farm", "train", classes, ["first"], lambda _: (image, target))


def changed(array: np.ndarray, value, dtype=None) -> np.ndarray:
    copy = array.astype(dtype or array.dtype)
    copy[1, 2] = value
    return copy


def test_a_pair_is_float_and_long_and_scaled_once():
    image, target = data()[0]
    assert image.shape == (3, 4, 6) and image.dtype == torch.float32 and image.is_contiguous()
    assert torch.equal(image, torch.from_numpy(IMAGE).movedim(-1, 0) / 255)
    assert target.dtype == torch.int64 and torch.equal(target, torch.from_numpy(TARGET).long())
    again, _ = data(image=image.movedim(0, -1).numpy())[0]
    assert torch.equal(again, image), "floats are taken as they are"


def test_void_stays_void():
    _, target = data()[0]
    assert (target == 255).sum() == 4 and (target == 0).sum() == 8


@pytest.mark.parametrize(
    ("image", "target", "error", "says"),
    [
        (IMAGE[:3], TARGET, WrongSize, r"the image is \(3, 6\), its class map \(4, 6\)"),
        (IMAGE.swapaxes(0, 1), TARGET, WrongSize, r"the image is \(6, 4\)"),
        (IMAGE[None], TARGET, WrongSize, r"\(H, W\) or \(H, W, C\), not \(1, 4, 6, 3\)"),
        (IMAGE[..., :2], TARGET, WrongSize, r"\(1, H, W\) or \(3, H, W\), not \(2, 4, 6\)"),
        (np.moveaxis(IMAGE, -1, 0), TARGET, WrongSize, r"not \(6, 3, 4\)"),  # channels first
        (IMAGE, TARGET[..., None], WrongSize, r"a class map is \(H, W\), not \(4, 6, 1\)"),
        (IMAGE[:0], TARGET[:0], WrongSize, "no pixels"),
        (
            IMAGE,
            changed(TARGET, 3),
            UnknownLabel,
            r"labels 3 .*0 to 2 \(background, cow, dog\) and 255 for void",
        ),
        (IMAGE, changed(TARGET, -1, np.int16), UnknownLabel, "labels -1 "),
        (IMAGE, changed(TARGET, 1000, np.int32), UnknownLabel, "labels 1000 "),
        (IMAGE, TARGET / 2, UnknownLabel, "whole numbers; fractions come from resizing with interpolation"),
        (
            changed(IMAGE / 255, np.nan),
            TARGET,
            NotFinite,
            r"3 values .* the first at \[c, y, x\] = \(0, 1, 2\)",
        ),
        (changed(IMAGE / 255, np.inf), TARGET, NotFinite, "NaN or infinite"),
        (changed(IMAGE / 255, -0.1), TARGET, WrongRange, r"values from -0.1 .* not in \[0, 1\]"),
        (IMAGE.astype(np.float32), TARGET, WrongRange, r"Divide by 255, once"),
        (IMAGE / 255 / 255, TARGET, WrongRange, "scaled twice"),
        (IMAGE.astype(np.int64), TARGET, WrongRange, "type int64.*cannot be guessed"),
        (IMAGE, np.full((4, 6), 255, np.uint8), EmptyMask, "every pixel is void"),
        (IMAGE, np.zeros((4, 6), np.uint8), EmptyMask, "no pixel of any class but background"),
        (IMAGE, np.where(TARGET == 255, 255, 0), EmptyMask, "no pixel of any class but background"),
    ],
)
def test_what_is_wrong_is_named_with_the_place(image, target, error, says):
    with pytest.raises(error, match=f"farm/train/first: .*{says}") as caught:
        data(image, target)[0]
    assert isinstance(caught.value, DataError) and isinstance(caught.value, ValueError)


def test_a_black_image_and_a_class_map_of_one_thing_are_no_errors():
    data(image=np.zeros_like(IMAGE))[0]
    data(target=np.ones((4, 6), np.uint8))[0]
    data(target=np.zeros((4, 6), np.uint8), classes=Classes(("sky", "cow", "dog")))[0]


def test_an_index_beyond_the_end():
    assert torch.equal(data()[-1][0], data()[0][0])
    for index in (1, -2):
        with pytest.raises(IndexError, match="has 1 images"):
            data()[index]
    assert len(list(data())) == 1, "so that a loop ends"


def test_a_class_map_is_painted_in_its_colours_and_void_in_none_of_them():
    picture = paint(data()[0][1], CLASSES)
    assert picture.shape == (4, 6, 3) and picture.dtype == np.uint8
    assert [tuple(colour) for colour in picture[0, :3]] == list(CLASSES.colours)
    assert tuple(picture[0, 3]) not in CLASSES.colours


def test_what_is_given_stays_as_it_is():
    pixels = IMAGE / np.float64(255)
    image, target = to_tensors(pixels, TARGET)
    image.zero_(), target.zero_()
    assert pixels.any() and TARGET.any()
