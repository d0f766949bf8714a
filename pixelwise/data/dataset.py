"""One interface for every data set: pairs of an image and its class map, checked as they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from pixelwise.data.classes import COLOURS, Classes
from pixelwise.data.errors import EmptyMask, NotFinite, UnknownLabel, WrongRange, WrongSize

Tensor = torch.Tensor


class SegmentationData(Dataset):
    """Images and their class maps, one pair an index; works with `torch.utils.data.DataLoader`.

    `data[i]` is the pair

    image   float32 `(C, H, W)` in [0, 1]
    target  int64 `(H, W)`, class indices, and `data.ignore_index` (255) where nobody knows: void

    Both come checked (`check_pair`). What is void stays void and is never counted as background.

    name, split   which data set this is
    classes       names and colours: `data.class_names`, `data.class_colours`
    identifiers   what each pair is called: the file, the slice, the seed
    read          `read(i)` gives image and class map as arrays (see `to_tensors`)
    notice        what has to be said wherever the data are shown: origin, licence, what they are not
    """

    def __init__(
        self,
        name: str,
        split: str,
        classes: Classes,
        identifiers: Sequence[str],
        read: Callable[[int], tuple[Any, Any]],
        notice: str = "",
    ) -> None:
        self.name, self.split, self.classes = name, split, classes
        self.identifiers, self.notice = identifiers, notice
        self._read = read

    @property
    def class_names(self) -> tuple[str, ...]:
        """What class 0, 1, … is called."""
        return self.classes.names

    @property
    def class_colours(self) -> tuple[tuple[int, int, int], ...]:
        """RGB from 0 to 255, one for each class; the same through the whole book."""
        return self.classes.colours

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def ignore_index(self) -> int:
        return self.classes.ignore_index

    def __len__(self) -> int:
        return len(self.identifiers)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.name}/{self.split} has {len(self)} images, no number {index}")
        index = int(index) % len(self)
        where = f"{self.name}/{self.split}/{self.identifiers[index]}"
        image, target = to_tensors(*self._read(index), where)
        check_pair(image, target, self.classes, where)
        return image, target

    def tensors(self) -> tuple[Tensor, Tensor]:
        """All images `(N, C, H, W)` and all class maps `(N, H, W)`, where they fit in memory."""
        pairs = [self[index] for index in range(len(self))]
        for (image, _), name in zip(pairs, self.identifiers, strict=True):
            if image.shape != pairs[0][0].shape:
                raise WrongSize(
                    f"{self.name}/{self.split}: {name} is {_shape(image)}, {self.identifiers[0]} is "
                    f"{_shape(pairs[0][0])}. One tensor holds one size: load with size=(height, width)."
                )
        images, targets = zip(*pairs, strict=True)
        return torch.stack(images), torch.stack(targets)

    def __repr__(self) -> str:
        return f"<{self.name}/{self.split}: {len(self)} images, classes {', '.join(self.class_names)}>"


def to_tensors(image: Any, target: Any, where: str = "the pair") -> tuple[Tensor, Tensor]:
    """An image and a class map in the shapes and types of `SegmentationData`.

    image   uint8 from 0 to 255, or float in [0, 1]; `(H, W)` or, channels last, `(H, W, C)`.
            Whole numbers are divided by 255, floats are taken as they are: an image is scaled once.
    target  whole numbers `(H, W)`

    Raises `WrongSize` for other shapes and `WrongRange` for other types.
    """
    image, target = np.asarray(image), np.asarray(target)
    if image.ndim not in (2, 3):
        raise WrongSize(f"{where}: an image is (H, W) or (H, W, C), not {image.shape}")
    if target.ndim != 2:
        raise WrongSize(f"{where}: a class map is (H, W), not {target.shape}")
    if image.dtype == np.uint8:
        image = image.astype(np.float32) / np.float32(255)
    elif not np.issubdtype(image.dtype, np.floating):
        raise WrongRange(
            f"{where}: pixels of type {image.dtype}. Give uint8 from 0 to 255 or floats in [0, 1]: "
            "how to scale other numbers cannot be guessed."
        )
    if not np.issubdtype(target.dtype, np.integer):
        raise UnknownLabel(
            f"{where}: the class map has type {target.dtype}. Class indices are whole numbers; "
            "fractions come from resizing with interpolation."
        )
    image = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)
    image = np.ascontiguousarray(image, np.float32)
    return torch.from_numpy(image), torch.from_numpy(target.astype(np.int64))


def check_pair(image: Tensor, target: Tensor, classes: Classes, where: str = "the pair") -> None:
    """Raise a named error where an image `(C, H, W)` and a class map `(H, W)` cannot be trained on.

    Raises `WrongSize`, `NotFinite`, `WrongRange`, `UnknownLabel` or `EmptyMask`.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise WrongSize(f"{where}: an image is (1, H, W) or (3, H, W), not {_shape(image)}")
    if image.shape[1:] != target.shape:
        raise WrongSize(f"{where}: the image is {_shape(image[0])}, its class map {_shape(target)}")
    if not image.numel():
        raise WrongSize(f"{where}: the image has no pixels: {_shape(image)}")
    low, high = float(image.amin()), float(image.amax())  # one NaN makes both NaN
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = ~image.isfinite()
        at = tuple(bad.nonzero()[0].tolist())
        raise NotFinite(
            f"{where}: {int(bad.sum())} values are NaN or infinite, the first at [c, y, x] = {at}"
        )
    if low < 0 or high > 1:
        raise WrongRange(f"{where}: values from {low:g} to {high:g}, not in [0, 1]. Divide by 255, once.")
    if 0 < high <= 1 / 255:
        raise WrongRange(f"{where}: no value above {high:.2g}. This image was scaled twice.")
    found = set(target.unique().tolist())
    known = {*range(len(classes)), classes.ignore_index}
    if unknown := sorted(found - known):
        raise UnknownLabel(
            f"{where}: labels {', '.join(map(str, unknown[:5]))} in the class map. Known are 0 to "
            f"{len(classes) - 1} ({', '.join(classes.names)}) and {classes.ignore_index} for void."
        )
    labelled = found - {classes.ignore_index}
    if not labelled:
        raise EmptyMask(
            f"{where}: every pixel is void ({classes.ignore_index}); there is nothing to learn here"
        )
    if labelled == {classes.background}:
        raise EmptyMask(f"{where}: no pixel of any class but {classes.names[classes.background]}")


def paint(target: Tensor, classes: Classes) -> np.ndarray:
    """A class map as a picture: uint8 `(H, W, 3)` in the classes' colours, void in black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(classes)] = classes.colours
    table[classes.ignore_index] = COLOURS["void"]
    return table[np.asarray(target)]


def _shape(tensor: Tensor) -> str:
    return "(" + ", ".join(map(str, tensor.shape)) + ")"
