"""Tiny copies of published layouts, written by the tests themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

torch.set_num_threads(1)


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Three streets of 12 × 16 a split, with all eleven classes and void."""
    for split in ("train", "val", "test"):
        for k in range(3):
            labels = ((np.arange(12 * 16) + k) % 12).astype(np.uint8).reshape(12, 16)
            save(tmp_path / split / f"{split}{k}.png", picture(12, 16, k))
            save(tmp_path / f"{split}annot" / f"{split}{k}.png", labels)
    return tmp_path


@pytest.fixture
def isbi(tmp_path: Path) -> Path:
    """Twelve slices of 16 × 16 as pictures; slice k has the grey value 10 k and k + 1 pixels of membrane."""
    for k in range(12):
        label = np.full((16, 16), 255, np.uint8)
        label.flat[: k + 1] = 0
        save(tmp_path / "train" / "image" / f"{k}.png", np.full((16, 16), 10 * k, np.uint8))
        save(tmp_path / "train" / "label" / f"{k}.png", label)
    return tmp_path


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    """One street in each of two cities, whose label ids run from 0 to 33."""
    for split in ("train", "val"):
        for city in ("aachen", "bochum"):
            name = f"{city}_000000_000019"
            save(tmp_path / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", picture(8, 17))
            ids = (np.arange(8 * 17) % 34).astype(np.uint8).reshape(8, 17)
            save(tmp_path / "gtFine" / split / city / f"{name}_gtFine_labelIds.png", ids)
            save(tmp_path / "gtFine" / split / city / f"{name}_gtFine_instanceIds.png", ids)
    return tmp_path


@pytest.fixture
def pets_root(tmp_path: Path) -> Path:
    """`root` with ten photographs for training and two for testing; every second one shows a dog."""
    home = tmp_path / "oxford-iiit-pet"
    lines = []
    for k in range(12):
        name = f"{'Beagle' if k % 2 else 'Abyssinian'}_{k}"
        trimap = np.array([[1, 1, 1, 3, 2, 2]] * 4, np.uint8)
        save(home / "images" / f"{name}.jpg", picture(4, 6, k))
        save(home / "annotations" / "trimaps" / f"{name}.png", trimap)
        lines.append(f"{name} {1 + k % 2} {1 + k % 2} 1")
    (home / "annotations" / "trainval.txt").write_text("\n".join(lines[:10]) + "\n")
    (home / "annotations" / "test.txt").write_text("\n".join(lines[10:]) + "\n")
    return tmp_path
