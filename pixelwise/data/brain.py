"""Tissue in magnetic resonance images: one averaged brain, made hard as scanners make it hard.

The volume is the ICBM 2009a nonlinear symmetric template as the `nilearn` wheel carries it (T1 and the
shares of grey and white matter, 1 mm; Fonov et al., NeuroImage 54(1), 2011). Three things to know before
believing a result:

- It is **one brain**, the average of 152. A network that segments it has seen no second one.
- It is **exactly left-right symmetric**. A split by hemisphere would put a mirror image of each test pixel
  into the training set. The splits are axial slabs with gaps of a centimetre, each slice whole.
- It is **clean**: averaging removed the noise, and a table of thresholds beats a network. Images are
  therefore degraded as scanners do it (`degrade`), and `fit_thresholds` is the baseline to show beside every
  result.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from pixelwise.data.classes import BRAIN
from pixelwise.data.dataset import SegmentationData
from pixelwise.data.errors import DataError, MissingFiles
from pixelwise.data.scenes import value_noise

Array = np.ndarray

#: The slabs of each split: axial slices of 1 mm, counted from below. Between two slabs lie 10 mm nobody sees.
SLABS = {"train": range(24, 88), "val": range(98, 118), "test": range(128, 148)}

#: What images are divided by: coils brighten and noise adds, so that the brightest pixel comes near 1.
HEADROOM = 1.5

_VOLUME = (slice(18, 178), slice(21, 213))  # 160 × 192 voxels around the brain; column 80 is the mid-plane

NOTICE = files("pixelwise.data").joinpath("ICBM152-NOTICE.txt").read_text(encoding="utf-8")


def brain(
    split: str = "train",
    *,
    degraded: bool = True,
    noise: float = 0.06,
    bias: float = 0.3,
    repeats: int = 1,
    seed: int = 0,
) -> SegmentationData:
    """Axial slices of the ICBM152 template, `(1, 192, 160)` at 1 mm, the nose above.

    split     "train" 64 slices, "val" 20, "test" 20, from slabs with gaps of 10 mm
    degraded  with noise and bias field; without, thresholds alone reach an mIoU of about 0.88
    noise     standard deviation of the noise, in units of the brightest voxel
    bias      how far the coil brightens or darkens, as a fraction
    repeats   each slice comes so often, with other noise and another bias field
    seed      the noise and the fields; slice i of the same seed is the same image

    Classes: 0 background (outside the brain), 1 other (fluid, vessels), 2 grey, 3 white: at each voxel the
    largest share. The licence of the template is `data.notice`.
    """
    if split not in SLABS:
        raise DataError(f"brain has the splits {', '.join(SLABS)}, not {split!r}")
    if repeats < 1 or seed < 0:
        raise DataError(f"brain: repeats = {repeats} and seed = {seed}; at least one, and a seed from 0 on")
    if noise < 0 or not 0 <= bias < 1:
        raise DataError(
            f"brain: noise = {noise} and bias = {bias}; noise is at least 0, bias from 0 to below 1"
        )
    t1, labels = _volume()
    slices = [z for _ in range(repeats) for z in SLABS[split]]

    def read(index: int) -> tuple[Array, Array]:
        z = slices[index]
        image = _upright(t1[..., z]).astype(np.float32) / np.float32(255)
        if degraded:
            image = degrade(image, np.random.default_rng([seed, index // len(SLABS[split]), z]), noise, bias)
        return np.clip(image / np.float32(HEADROOM), 0, 1), _upright(labels[..., z])

    names = [f"z={z - 72:+d}mm" for z in slices]  # height above the anterior commissure
    return SegmentationData("brain", split, BRAIN, names, read, NOTICE)


def degrade(image: Array, rng: np.random.Generator, noise: float = 0.06, bias: float = 0.3) -> Array:
    """An image as a scanner gives it: a coil that is brighter here than there, and Rician noise.

    image  float (H, W), the signal A ≥ 0, the brightest tissue near 1
    noise  σ of the two normal errors, real and imaginary part
    bias   the gain g varies smoothly within 1 ± bias

    Returns √((gA + n₁)² + n₂²), the magnitude of a complex signal, as scanners reconstruct it. It is never
    negative, and in air, where A = 0, its mean is σ√(π/2), not 0 (Gudbjartsson and Patz, Magnetic Resonance
    in Medicine 34(6), 1995). Not clipped.
    """
    height, width = image.shape
    field = np.clip(value_noise(rng, image.shape, height / 2, width / 2), -1, 1)
    signal = image * (1 + np.float32(bias) * field)
    real, imaginary = (np.float32(noise) * rng.standard_normal((2, *image.shape), dtype=np.float32))[:]
    return np.sqrt((signal + real) ** 2 + imaginary**2)


class ThresholdTable:
    """A baseline without context: intervals of brightness, each with the class that is most frequent there.

    edges    the thresholds, increasing, in [0, 1]
    classes  the class below the first threshold, between the first and the second, …
    """

    def __init__(self, edges: torch.Tensor, classes: torch.Tensor) -> None:
        self.edges, self.classes = edges, classes

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """Class maps `(N, H, W)` of grey images `(N, 1, H, W)`."""
        return self.classes[torch.bucketize(images[:, 0].contiguous(), self.edges, right=True)]

    def __repr__(self) -> str:
        steps = ", ".join(f"{edge:.3f}" for edge in self.edges.tolist())
        return f"<thresholds {steps}: classes {self.classes.tolist()}>"


def fit_thresholds(
    images: torch.Tensor, targets: torch.Tensor, num_classes: int, ignore_index: int = 255, bins: int = 256
) -> ThresholdTable:
    """The best table of thresholds for grey images `(N, 1, H, W)` and class maps `(N, H, W)`.

    For each of `bins` intervals of brightness the class that its pixels have most often: no function of a
    pixel's brightness alone, at this resolution, gets more of these pixels right.
    """
    known = targets != ignore_index
    level = (images[:, 0][known] * bins).long().clamp(0, bins - 1)
    counts = torch.bincount(level * num_classes + targets[known], minlength=bins * num_classes)
    counts = counts.reshape(bins, num_classes)
    best = counts.argmax(1)
    for k in range(1, bins):  # a brightness that no training pixel has: as its neighbour
        if not counts[k].any():
            best[k] = best[k - 1]
    change = (best[1:] != best[:-1]).nonzero().flatten() + 1
    return ThresholdTable(change.float() / bins, best[torch.cat([torch.zeros(1, dtype=torch.long), change])])


@lru_cache(maxsize=1)
def _volume() -> tuple[Array, Array]:
    """T1, uint8, and classes, uint8, both (left-right 160, back-front 192, below-above 189)."""
    import nibabel

    t1, grey, white = (np.asanyarray(nibabel.load(path).dataobj)[_VOLUME] for path in _paths())
    other = 255 - np.minimum(grey.astype(np.int16) + white, 255)
    labels = (1 + np.stack([other, grey, white]).argmax(0)).astype(np.uint8)
    labels[t1 == 0] = 0  # the template is cut out along the brain's surface
    return t1, labels


def _paths() -> list[Path]:
    """Where nilearn keeps the template, without importing nilearn, which takes seconds."""
    found = find_spec("nilearn")
    if found is None or found.origin is None:
        raise MissingFiles(
            "brain: the template comes with the package nilearn. Get it with: pip install nilearn"
        )
    folder = Path(found.origin).parent / "datasets" / "data"
    paths = [folder / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz" for kind in ("t1", "gm", "wm")]
    if missing := [path.name for path in paths if not path.exists()]:
        raise MissingFiles(
            f"brain: this nilearn holds no {', '.join(missing)}. "
            "Get it with: pip install --force-reinstall nilearn"
        )
    return paths


def _upright(axial: Array) -> Array:
    """Rows from front to back, columns from left to right."""
    return np.ascontiguousarray(axial.T[::-1])
