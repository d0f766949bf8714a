"""Data to segment, all with one interface.

```python
from pixelwise.data import load

train = load("scenes", split="train", n=512)  # drawn meadows; needs nothing
image, target = train[0]                      # (3, 64, 64) float32 in [0, 1] and (64, 64) int64
```

`scenes` and `brain` come with the install. `isbi2012`, `camvid` and `cityscapes` are read from their
published folders, `oxford_pet` can be downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pixelwise.data.brain import ThresholdTable, brain, degrade, fit_thresholds
from pixelwise.data.classes import COLOURS, IGNORE_INDEX, Classes
from pixelwise.data.dataset import SegmentationData, check_pair, paint, to_tensors
from pixelwise.data.download import download
from pixelwise.data.errors import (
    DataError,
    DownloadError,
    EmptyMask,
    MissingFiles,
    NotFinite,
    UnknownLabel,
    WrongRange,
    WrongSize,
)
from pixelwise.data.folders import camvid, cityscapes, isbi2012
from pixelwise.data.pets import oxford_pet
from pixelwise.data.scenes import scenes

__all__ = [
    "COLOURS",
    "IGNORE_INDEX",
    "Classes",
    "DataError",
    "DownloadError",
    "EmptyMask",
    "MissingFiles",
    "NotFinite",
    "SegmentationData",
    "ThresholdTable",
    "UnknownLabel",
    "WrongRange",
    "WrongSize",
    "brain",
    "camvid",
    "check_pair",
    "cityscapes",
    "degrade",
    "download",
    "fit_thresholds",
    "isbi2012",
    "load",
    "oxford_pet",
    "paint",
    "scenes",
    "to_tensors",
]

_LOADERS: dict[str, Callable[..., SegmentationData]] = {
    "scenes": scenes,
    "brain": brain,
    "isbi2012": isbi2012,
    "camvid": camvid,
    "cityscapes": cityscapes,
    "oxford_pet": oxford_pet,
}


def load(name: str, split: str = "train", **settings: Any) -> SegmentationData:
    """A data set by its name: "scenes", "brain", "isbi2012", "camvid", "cityscapes" or "oxford_pet".

    `settings` go to the function of that name: `load("camvid", split="val", root="CamVid", size=(180, 240))`,
    `load("scenes", n=512, grey=True)`. Raises `DataError` and its kinds.
    """
    if name not in _LOADERS:
        raise DataError(f"no data set {name!r}; there are {', '.join(_LOADERS)}")
    if name in ("isbi2012", "camvid", "cityscapes"):
        settings.setdefault("root", None)
    return _LOADERS[name](split=split, **settings)
