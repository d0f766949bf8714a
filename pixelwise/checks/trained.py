"""Trained networks that are handed in as files: trained once, and judged on images they have not seen."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pixelwise.data import fit_thresholds, load
from pixelwise.metrics import ConfusionMatrix
from pixelwise.unet import UNet

from .report import CheckFailed, link, paragraph

_LOSSES = "losses of the training"  # a name that no layer can have
_LARGEST = 2_000_000  # bytes, four times what a network of the course's size has


def train_once(
    file: str, model: nn.Module, fit: Callable[[nn.Module], list[float]], again: bool = False
) -> list[float] | None:
    """Train `model` by `fit(model)` and keep it in `file`, with its losses; where there is a file, read it.

    again   train in any case
    Returns what `fit` returns, the losses, which may be missing from a file ([]); None if there is no trained
    network. Nothing is trained while a submission is graded: what is not handed in counts nothing.
    """
    path = Path(file)
    if path.exists() and not again:
        anew = f"To train anew, delete it or call train_once({file!r}, …, again=True)."
        try:
            weights, losses = _weights(_content(path), file, model)
        except WeightsError as error:
            print(f"{error} {anew}")
            return None
        model.load_state_dict(weights)
        print(f"{file}: read, nothing trained. {anew}")
        return losses
    if being_graded():
        print(f"{file} has not been handed in, and nothing is trained while a submission is graded.")
        return None
    try:
        losses = fit(model)
    except NotImplementedError as error:
        if str(error):
            raise
        print("A function that this needs is not written yet: nothing is trained.")
        return None
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    torch.save(weights | {_LOSSES: torch.tensor(losses or [])}, path)
    print(f"{file}: trained and saved. Hand it in together with this notebook.")
    return losses


def being_graded() -> bool:
    """Whether this notebook is run by nbgrader to be graded."""
    return os.environ.get("NBGRADER_EXECUTION") == "autograde"


class WeightsError(ValueError):
    """A file that does not hold the weights of the network; the message says what is wrong."""


@dataclass(frozen=True)
class NetworkCheck:
    """How good the network in a file is, on images that are drawn for this. Call it with the file's name.

    data      the name that `pixelwise.data.load` knows
    channels  of the images
    needed    the mean IoU that passes; above: it counts from that of the best table of thresholds
    seed      of the images; hidden tests have another
    """

    problem_set: str
    data: str
    channels: int
    needed: float
    above: bool = False
    seed: int = 1
    section: str = "training-results"

    def __call__(self, file: str) -> None:
        """Print a line if the network is good enough, raise CheckFailed if not."""
        failure = self.failure(file)
        if failure is not None:
            raise failure from None
        print(f"✓ {file}: a mean IoU of {self.mean_iou(file):.2f} on unseen images, {self._bar():.2f} needed")

    def __repr__(self) -> str:
        return f"{self.data}: a mean IoU of {self._bar():.2f} on unseen images"

    def failure(self, file: str) -> CheckFailed | None:
        """Why the network in `file` does not pass, or None."""
        try:
            reached = self.mean_iou(file)
        except WeightsError as error:
            return self._failed(file, "file", str(error))
        if reached >= self._bar():
            return None
        text = (
            f"On images that it has not seen, this network reaches a mean IoU of {reached:.2f}; "
            f"{self._bar():.2f} is needed. If you have changed your functions since it was trained, delete "
            "the file, and run the cell that trains it once more."
        )
        if self.above:
            text += f" The best table of thresholds reaches {threshold_iou(self.data, self.seed):.2f} there."
        return self._failed(file, "values", text)

    def mean_iou(self, file: str) -> float:
        """What the network in `file` reaches. Raises WeightsError for a file that holds no such network."""
        return _mean_iou(_content(Path(file)), file, self.data, self.channels, self.seed)

    def _bar(self) -> float:
        return self.needed + (threshold_iou(self.data, self.seed) if self.above else 0.0)

    def _failed(self, file: str, kind: str, text: str) -> CheckFailed:
        name = f"{file}: a mean IoU of {self._bar():.2f} on unseen images"
        page = link("training.html", self.section)
        return CheckFailed(f"✗ {name}\n\n{paragraph(text)}\n\nRead again: {page}", name, kind)


def new_network(channels: int, copy_paths: bool = True) -> UNet:
    """The network whose weights are handed in: `channels` → four classes, 121 thousand parameters.

    copy_paths  without them it is a tenth smaller. From the same seed it starts with the same weights as the
                network that has them, but for the convolutions that the copies would enter.
    """

    def build(copy_paths: bool) -> UNet:
        return UNet(channels, 4, base_channels=8, depth=3, padding=1, norm="batch", copy_paths=copy_paths)

    network = build(True)
    if copy_paths:
        return network
    shared, smaller = network.state_dict(), build(False)
    own = smaller.state_dict()
    own |= {name: value for name, value in shared.items() if name in own and value.shape == own[name].shape}
    smaller.load_state_dict(own)
    return smaller


def threshold_iou(data: str, seed: int = 1) -> float:
    """The mean IoU of the best table of thresholds, on the images that networks are judged by."""
    matrix = ConfusionMatrix(4)
    for images, targets in _unseen(data, seed):
        matrix.update(_thresholds(data).predict(images), targets)
    return matrix.mean_iou()


@lru_cache(maxsize=4)  # two checks ask for the same network
def _mean_iou(content: bytes, file: str, data: str, channels: int, seed: int) -> float:
    model = new_network(channels)
    weights, _ = _weights(content, file, model)
    model.load_state_dict(weights)
    model.eval()
    matrix = ConfusionMatrix(model.num_classes)
    with torch.no_grad():
        for images, targets in _unseen(data, seed):
            scores = model(images)
            if not scores.isfinite().all():
                raise WeightsError(f"With the weights in {file}, the scores are NaN or infinite.")
            matrix.update(scores, targets)
    return matrix.mean_iou()


@lru_cache
def _thresholds(data: str) -> Any:
    return fit_thresholds(*load(data).tensors(), num_classes=4)


@lru_cache(maxsize=8)
def _unseen(data: str, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Images of the test part in batches."""
    settings = {"n": 64} if data == "scenes" else {}
    images, targets = load(data, "test", seed=seed, **settings).tensors()
    return list(zip(images.split(16), targets.split(16), strict=True))


def _content(path: Path) -> bytes:
    """What is in a file that was handed in, if it is an ordinary one and not too large."""
    if not path.exists():
        raise WeightsError(
            f"There is no file {path.name} beside the notebook. Run the cell that trains this network, "
            "and hand in "
            f"the file together with the notebook."
        )
    if path.is_symlink() or not path.is_file():
        raise WeightsError(f"{path.name} is not an ordinary file.")
    size = path.stat().st_size
    if size > _LARGEST:
        raise WeightsError(f"{path.name} has {size / 1e6:.1f} MB; this network's weights have 0.5 MB.")
    return path.read_bytes()


def _weights(content: bytes, file: str, model: nn.Module) -> tuple[dict[str, Tensor], list[float]]:
    """The weights of `model` in a file's content, and the losses: whatever else it can hold is refused."""
    how = f"Save them as train_once does: torch.save(model.state_dict(), {file!r})."
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            if sum(part.file_size for part in parts.infolist()) > _LARGEST:
                raise WeightsError(f"{file} unpacks to more than {_LARGEST / 1e6:.0f} MB.")
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # a broken file can raise anything
        raise WeightsError(f"{file} cannot be read as weights ({type(error).__name__}). {how}") from None
    if not isinstance(found, dict):
        raise WeightsError(f"{file} holds a {type(found).__name__}, not weights by name. {how}")
    losses = found.pop(_LOSSES, torch.tensor([]))
    if (
        not isinstance(losses, Tensor)
        or losses.layout != torch.strided
        or losses.is_meta
        or losses.dim() != 1
    ):
        raise WeightsError(f"The losses in {file} are not a list of numbers. {how}")
    wanted = model.state_dict()
    if set(found) != set(wanted):
        one = sorted(map(str, set(found) ^ set(wanted)))[0]
        state = "lacks" if one in wanted else "has"
        raise WeightsError(f"{file} holds another network: it {state} `{one:.60}`. {how}")
    for name, right in wanted.items():
        _check_tensor(file, name, found[name], right)
    return found, losses.tolist()


def _check_tensor(file: str, name: str, value: Any, right: Tensor) -> None:
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_meta:
        raise WeightsError(f"`{name}` in {file} is not an ordinary tensor.")
    if value.shape != right.shape:
        raise WeightsError(
            f"`{name}` in {file} has the shape {tuple(value.shape)}, in the network it has "
            f"{tuple(right.shape)}: "
            "it comes from a network of another size."
        )
    if value.is_floating_point() != right.is_floating_point() or value.is_quantized:
        raise WeightsError(f"`{name}` in {file} holds {value.dtype}, the network {right.dtype}.")
    if not value.isfinite().all():
        raise WeightsError(
            f"`{name}` in {file} holds NaN or infinite numbers: the training has diverged. Look at the "
            "losses; a "
            "smaller learning rate helps."
        )
