"""Colours of classes: told apart by colour-blind readers, and on light and dark pages."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pixelwise.data import COLOURS
from pixelwise.data.classes import BRAIN, CAMVID, CITYSCAPES, ISBI2012, OXFORD_PET, SCENES, Classes
from pixelwise.palette import GROUND

# Machado, Oliveira and Fernandes, IEEE Trans. Visualization and Computer Graphics 15(6), 2009, severity 1
SIGHT = {
    "full": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def linear(colour) -> np.ndarray:
    colour = np.asarray(colour) / 255
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def lab(colour, sight: str) -> np.ndarray:
    """CIE L*a*b* as somebody with this sight sees the colour."""
    seen = np.clip(np.array(SIGHT[sight]) @ linear(colour), 0, 1)
    xyz = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]]) @ seen
    t = np.cbrt(xyz / (0.9505, 1, 1.089))
    return np.array([116 * t[1] - 16, 500 * (t[0] - t[1]), 200 * (t[1] - t[2])])


def luminance(colour) -> float:
    return float(linear(colour) @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize(
    ("classes", "least"), [(SCENES, 25), (BRAIN, 25), (ISBI2012, 25), (OXFORD_PET, 25), (CAMVID, 8)]
)
def test_classes_are_told_apart(classes: Classes, least: float, sight: str):
    """A difference of 2.3 is just noticeable; ten times that is plain."""
    names = (*classes.names, "void")
    distance = {
        (a, b): float(np.linalg.norm(lab(COLOURS[a], sight) - lab(COLOURS[b], sight)))
        for a, b in itertools.combinations(names, 2)
    }
    pair = min(distance, key=distance.get)
    assert distance[pair] >= least, f"{pair}: {distance[pair]:.1f}"


@pytest.mark.parametrize("name", [*SCENES.names, *BRAIN.names, *ISBI2012.names, *OXFORD_PET.names])
def test_colours_stand_out_from_light_and_dark_pages(name: str):
    for ground in GROUND:
        page = luminance([int(ground[k : k + 2], 16) for k in (1, 3, 5)])
        light, dark = sorted((luminance(COLOURS[name]), page), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 1.7


def test_every_class_has_a_colour_and_an_index():
    for classes in (SCENES, BRAIN, ISBI2012, OXFORD_PET, CAMVID, CITYSCAPES):
        assert len(classes.colours) == len(classes) == len(set(classes.names))
        assert [classes.index(name) for name in classes.names] == list(range(len(classes)))
        assert classes.ignore_index == 255
    with pytest.raises(KeyError, match="trees, sky, cow, grass"):
        SCENES.index("sheep")


def test_the_lectures_classes_come_in_the_lectures_order():
    assert SCENES.names == ("trees", "sky", "cow", "grass")
