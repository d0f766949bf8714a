"""The classes of each data set, and the one colour that each class has through the whole book.

A class keeps its colour wherever it occurs: the sky of a drawn meadow and the sky over a street look alike.
Sets of up to four classes keep every pair apart for colour-blind readers too, and every colour stands out
from a light and from a dark page (tests/data/test_classes.py). Eleven street classes are told apart as well
as eleven colours can be; nineteen cannot, so a figure of Cityscapes needs its legend.
"""

from __future__ import annotations

from dataclasses import dataclass

#: The label of pixels that nobody has classified: borders, the unknown. Neither trained on nor counted.
IGNORE_INDEX = 255

#: RGB, 0–255. Background and void are greys: they are not things.
COLOURS = {
    "void": (0, 0, 0),
    "background": (100, 102, 100),
    # scenes
    "trees": (10, 100, 85),
    "sky": (98, 193, 231),
    "cow": (190, 70, 15),
    "grass": (210, 200, 70),
    # brain
    "other": (122, 40, 140),
    "grey": (235, 168, 63),
    "white": (120, 205, 245),
    # cells under the electron microscope
    "cell": (120, 205, 245),
    "membrane": (190, 70, 15),
    # pets
    "cat": (213, 94, 0),
    "dog": (98, 193, 231),
    # streets
    "building": (190, 125, 60),
    "pole": (208, 208, 214),
    "road": (128, 64, 128),
    "sidewalk": (236, 120, 200),
    "sign": (228, 205, 30),
    "fence": (165, 180, 130),
    "car": (30, 60, 190),
    "pedestrian": (245, 70, 90),
    "cyclist": (120, 20, 40),
    "wall": (102, 102, 156),
    "traffic light": (250, 170, 30),
    "terrain": (210, 200, 70),
    "rider": (120, 20, 40),
    "truck": (30, 30, 100),
    "bus": (20, 90, 120),
    "train": (20, 120, 150),
    "motorcycle": (60, 20, 230),
    "bicycle": (119, 11, 32),
}


@dataclass(frozen=True)
class Classes:
    """The classes of a data set, in the order of their indices.

    names       what index 0, 1, … means
    background  the class that means "nothing": a class map of nothing else is empty (None: there is no such
                class)
    """

    names: tuple[str, ...]
    background: int | None = None
    ignore_index: int = IGNORE_INDEX

    def __len__(self) -> int:
        return len(self.names)

    @property
    def colours(self) -> tuple[tuple[int, int, int], ...]:
        """RGB from 0 to 255 for each class."""
        return tuple(COLOURS[name] for name in self.names)

    def index(self, name: str) -> int:
        """The index of a class by its name."""
        if name not in self.names:
            raise KeyError(f"no class {name!r}; the classes are {', '.join(self.names)}")
        return self.names.index(name)


SCENES = Classes(("trees", "sky", "cow", "grass"))
BRAIN = Classes(("background", "other", "grey", "white"), background=0)
ISBI2012 = Classes(("cell", "membrane"), background=0)
OXFORD_PET = Classes(("background", "cat", "dog"), background=0)
CAMVID = Classes(
    ("sky", "building", "pole", "road", "sidewalk", "trees", "sign", "fence", "car", "pedestrian", "cyclist")
)
CITYSCAPES = Classes(
    (
        *(
            "road",
            "sidewalk",
            "building",
            "wall",
            "fence",
            "pole",
            "traffic light",
            "sign",
            "trees",
            "terrain",
        ),
        *("sky", "pedestrian", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
    )
)
