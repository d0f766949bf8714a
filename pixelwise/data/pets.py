"""Oxford-IIIT Pet: natural photographs of cats and dogs, free to download (CC BY-SA 4.0)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pixelwise.data.classes import IGNORE_INDEX, OXFORD_PET
from pixelwise.data.dataset import SegmentationData
from pixelwise.data.download import download, unpack
from pixelwise.data.errors import MissingFiles
from pixelwise.data.folders import known_split, read_pair, require

SOURCE = "https://www.robots.ox.ac.uk/~vgg/data/pets"

#: The published archives with their MD5 sums, as torchvision (datasets/oxford_iiit_pet.py) records them.
ARCHIVES = {
    "images": (f"{SOURCE}/data/images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
    "annotations": (f"{SOURCE}/data/annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f"),
}

NOTICE = (
    "Oxford-IIIT Pet: Parkhi, Vedaldi, Zisserman and Jawahar, Cats and Dogs, CVPR 2012. Creative Commons "
    "Attribution-ShareAlike 4.0; the photographs belong to those who took them."
)

#: Where downloads go when no folder is named; in Colab, mount a drive and pass `root` to keep them.
CACHE = Path("~/.cache/pixelwise")

_CAT, _DOG = 1, 2  # how list files number the species


def oxford_pet(
    root: str | Path | None = None,
    split: str = "train",
    size: tuple[int, int] | None = (128, 128),
    fetch: bool = False,
) -> SegmentationData:
    """Photographs of 37 breeds with trimaps: 2944 train, 736 val, 3669 test; classes background, cat, dog.

    root   the folder with `oxford-iiit-pet/images` and `oxford-iiit-pet/annotations` (torchvision's layout);
           by default `~/.cache/pixelwise`
    split  "train" and "val" share the published trainval list, each fifth photograph is for "val"; "test" is
           as published
    size   (height, width); None keeps each photograph's own size
    fetch  download what is missing: 811 MB, checked by MD5, continued where it broke off

    The trimaps' third value, "not classified", is the band along a pet's outline: void (255), never
    background.
    """
    root = Path(CACHE if root is None else root).expanduser()
    known_split("oxford_pet", split, ("train", "val", "test"))
    home = root / "oxford-iiit-pet"
    for part, (url, md5) in ARCHIVES.items():
        if (home / part).is_dir():
            continue
        if not fetch:
            raise MissingFiles(
                f'oxford_pet: there is no folder {home / part}. load("oxford_pet", fetch=True) downloads it '
                f"(811 MB), or get {url} and unpack it in {home}"
            )
        unpack(download(url, home / f"{part}.tar.gz", md5), home)
    entries = _entries(home, "test" if split == "test" else "trainval")
    if split != "test":
        entries = [entry for k, entry in enumerate(entries) if (k % 5 == 4) == (split == "val")]
    pairs = [
        (home / "images" / f"{name}.jpg", home / "annotations" / "trimaps" / f"{name}.png")
        for name, _ in entries
    ]
    require([path for pair in pairs for path in pair], "oxford_pet", SOURCE)

    def read(index: int) -> tuple[np.ndarray, np.ndarray]:
        species = {_CAT: OXFORD_PET.index("cat"), _DOG: OXFORD_PET.index("dog")}[entries[index][1]]
        return read_pair(*pairs[index], {1: species, 2: 0, 3: IGNORE_INDEX}, size)

    return SegmentationData("oxford_pet", split, OXFORD_PET, [name for name, _ in entries], read, NOTICE)


def _entries(home: Path, split: str) -> list[tuple[str, int]]:
    """The names of a list file and their species. A line: `Abyssinian_100 1 1 1`, breed, species, breed."""
    listing = home / "annotations" / f"{split}.txt"
    require([listing], "oxford_pet", SOURCE)
    lines = [line.split() for line in listing.read_text().splitlines() if line.strip() and line[0] != "#"]
    wrong = [line for line in lines if len(line) != 4 or line[2] not in ("1", "2")]
    if wrong or not lines:
        found = " ".join(wrong[0]) if wrong else "nothing"
        raise MissingFiles(
            f"{listing}: lines read `name breed species number`, found `{found}`. Get it from {SOURCE}"
        )
    return [(line[0], int(line[2])) for line in lines]
