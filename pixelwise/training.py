"""Training a segmentation network: one loop, to be read from top to bottom.

    history = train(net, examples, validation=held_out, steps=300, folder="runs/scenes")
    print(history)

Stop it when you like; the same call goes on where the last checkpoint stands, and on the CPU the curve is
the same to the bit as if it had never stopped.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from pixelwise.augmentation import Example, check_example
from pixelwise.device import best_device
from pixelwise.inference import predict
from pixelwise.losses import weighted_cross_entropy
from pixelwise.metrics import ConfusionMatrix
from pixelwise.unet import Network, centre_crop

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Augment = Callable[[torch.Tensor, torch.Tensor, torch.Generator], Example]


class TrainingDivergedError(RuntimeError):
    """NaN or infinity in training: `step` and `indices` (of the examples in that batch) say where."""

    def __init__(self, what: str, step: int, indices: list[int]) -> None:
        super().__init__(f"step {step}: {what} NaN or infinite; the batch was examples {indices}")
        self.step, self.indices = step, indices


@dataclass
class History:
    """A row for every step: step, loss, learning_rate and, where the network was evaluated, mean_iou."""

    rows: list[dict[str, float]] = field(default_factory=list)

    def column(self, name: str) -> list[float]:
        """The values of a column, without the rows that have none."""
        return [row[name] for row in self.rows if name in row]

    def save(self, path: str | Path) -> None:
        """Write the rows as CSV."""
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["step", "loss", "learning_rate", "mean_iou"])
            writer.writeheader()
            writer.writerows(self.rows)

    def __str__(self) -> str:
        every = max(1, len(self.rows) // 10)
        lines = [f"{'step':>6} {'loss':>9} {'learning rate':>13} {'mean IoU':>8}"]
        for row in self.rows:
            if row["step"] % every == 0 or "mean_iou" in row or row is self.rows[-1]:
                iou = f"{row['mean_iou']:8.3f}" if "mean_iou" in row else ""
                lines.append(
                    f"{row['step']:6d} {row['loss']:9.4f} {row['learning_rate']:13.2e} {iou}".rstrip()
                )
        return "\n".join(lines)

    __repr__ = __str__


def train(
    net: Network,
    examples: Sequence[Example],
    *,
    steps: int,
    validation: Sequence[Example] | None = None,
    batch_size: int = 8,
    learning_rate: float = 3e-3,
    weight_decay: float = 1e-2,
    loss: Loss | None = None,
    augment: Augment | None = None,
    ignore_index: int = 255,
    seed: int = 0,
    evaluate_every: int | None = None,
    folder: str | Path | None = None,
    save_every: int = 50,
    device: torch.device | str | None = None,
    mixed_precision: bool | None = None,
    progress: bool = True,
) -> History:
    """Train `net` in place with AdamW and a one-cycle learning rate; return its history.

    examples         pairs of an image `(C, H, W)` in [0, 1] and a class map `(H, W)` of int64, read anew
                     every time they come up: make a list of what is slow to read and fits in memory
    steps            how many batches; the schedule is laid over exactly these
    validation       examples that are held out, for the mean IoU every `evaluate_every` steps and at the end
    loss             (scores, target) → scalar; None: cross entropy, the mean over all positions of the batch
    augment          (image, class map, generator) → the same pair, changed; see `augmentation.Augmentation`
    seed             of the order of the examples and of their augmentation. The network's first weights are
                     drawn before: call `torch.manual_seed` ahead of building it.
    folder           where `last.pt` is kept every `save_every` steps, and `best.pt`, the weights with the
                     best mean IoU. If `last.pt` is there, training goes on from it.
    device           None: CUDA, else MPS, else the CPU
    mixed_precision  None: where it pays (`mixed_precision_dtype`). False: float32 throughout

    A network without padding is trained on the centre of the class map, which is what its scores cover;
    `Augmentation(mirror=net.margin, …)` lets the centres reach the border of the image.
    Raises `TrainingDivergedError` when scores, loss or gradient are NaN or infinite, and `ValueError` for
    examples, numbers or a checkpoint that do not fit.
    """
    _check_numbers(steps=steps, batch_size=batch_size, save_every=save_every)
    if not len(examples):
        raise ValueError("there are no examples to train on")
    if not learning_rate > 0:
        raise ValueError(f"learning_rate is positive, got {learning_rate}")
    if loss is None:

        def loss(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return weighted_cross_entropy(scores, target, ignore_index=ignore_index, reduction="mean")

    device = torch.device(device) if device is not None else best_device()
    dtype = mixed_precision_dtype(device) if mixed_precision is None else None
    if mixed_precision:
        dtype = mixed_precision_dtype(device) or torch.bfloat16
    # Channels last lets convolutions read a pixel's channels in one go, on tensor cores and on CPUs.
    layout = torch.contiguous_format if device.type == "mps" else torch.channels_last

    net.to(device, memory_format=layout).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=learning_rate, weight_decay=weight_decay)
    # One more than is taken: the schedule also counts where it stands after the last step.
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps + 1)
    # float16 reaches down to 6e-8 only: gradients are scaled up before the step. Elsewhere this does nothing.
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    batches = Batches(len(examples), batch_size, torch.Generator().manual_seed(seed))
    history, best, first = History(), float("-inf"), 0

    settings = {"steps": steps, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    settings |= {"weight_decay": weight_decay, "examples": len(examples)}
    kept = {"model": net, "optimizer": optimizer, "schedule": schedule, "scaler": scaler, "batches": batches}
    if folder is not None:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "last.pt").exists():
            history, best = load_checkpoint(folder / "last.pt", kept, settings, device)
            first = len(history.rows)

    bar = tqdm(range(first, steps), initial=first, total=steps, disable=not progress, unit="step")
    for step in bar:
        indices = batches.next()
        images, target = _stack([examples[i] for i in indices], indices, augment, batches.generator)
        images = images.to(device, memory_format=layout)
        target = target.to(device)

        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            scores = net(images)
        scores = scores.float()  # the loss is computed in full precision
        if not scores.isfinite().all():
            raise TrainingDivergedError("the scores are", step, indices)
        value = loss(scores, centre_crop(target, scores.shape[-2:]))
        if not value.isfinite():
            raise TrainingDivergedError("the loss is", step, indices)

        optimizer.zero_grad()
        scaler.scale(value).backward()
        if not scaler.is_enabled() and not _gradients_are_finite(net):
            raise TrainingDivergedError("the gradient is", step, indices)
        row = {"step": step, "loss": value.item(), "learning_rate": schedule.get_last_lr()[0]}
        scaler.step(optimizer)
        scaler.update()
        schedule.step()

        done = step + 1
        if validation is not None and (done == steps or (evaluate_every and done % evaluate_every == 0)):
            row["mean_iou"] = evaluate(net, validation, ignore_index).mean_iou()
            if row["mean_iou"] > best:
                best = row["mean_iou"]
                if folder is not None:
                    _save(net.state_dict(), folder / "best.pt")
        history.rows.append(row)
        bar.set_postfix({k: f"{row[k]:.3f}" for k in ("loss", "mean_iou") if k in row}, refresh=False)
        if folder is not None and (done == steps or done % save_every == 0):
            save_checkpoint(folder / "last.pt", kept, settings, history, best)
    return history


def evaluate(
    net: Network, examples: Sequence[Example], ignore_index: int = 255, tile: int | None = None
) -> ConfusionMatrix:
    """The confusion matrix of `net` over examples of any size, one image at a time (see `predict`)."""
    matrix = ConfusionMatrix(net.num_classes, ignore_index)
    for image, class_map in examples:
        matrix.update(predict(net, image[None], tile), class_map[None])
    return matrix


def mixed_precision_dtype(device: torch.device) -> torch.dtype | None:
    """The short number format in which convolutions are faster on this device than in float32, if any.

    CUDA: bfloat16 where the hardware has it, else float16 (the T4 that Colab lends). CPU: bfloat16 where
    there are instructions for it; elsewhere it is emulated, and slow. MPS: none.
    """
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if native else torch.float16
    if device.type == "cpu":
        able = [getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile")]
        return torch.bfloat16 if any(ask() for ask in able if ask) else None
    return None


def load_best(net: nn.Module, folder: str | Path) -> None:
    """Put the weights of the best mean IoU so far into the network."""
    net.load_state_dict(torch.load(Path(folder) / "best.pt", map_location="cpu", weights_only=True))


class Batches:
    """Indices of examples, batch by batch: everybody once in a random order, then in another order."""

    def __init__(self, count: int, batch_size: int, generator: torch.Generator) -> None:
        self.count, self.batch_size, self.generator = count, batch_size, generator
        self.waiting: list[int] = []

    def next(self) -> list[int]:
        while len(self.waiting) < self.batch_size:
            self.waiting += torch.randperm(self.count, generator=self.generator).tolist()
        batch, self.waiting = self.waiting[: self.batch_size], self.waiting[self.batch_size :]
        return batch

    def state_dict(self) -> dict[str, Any]:
        return {"waiting": self.waiting, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.waiting = list(state["waiting"])
        self.generator.set_state(state["generator"].cpu())


def save_checkpoint(
    path: Path, kept: dict[str, Any], settings: dict[str, float], history: History, best: float
) -> None:
    """Everything that the next step depends on, in one file."""
    chance = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        chance["cuda"] = torch.cuda.get_rng_state()
    state = {name: part.state_dict() for name, part in kept.items()}
    _save(state | {"settings": settings, "rows": history.rows, "best": best, "chance": chance}, path)


def load_checkpoint(
    path: Path, kept: dict[str, Any], settings: dict[str, float], device: torch.device
) -> tuple[History, float]:
    """The counterpart of `save_checkpoint`; refuses a checkpoint of other settings or another network."""
    # weights_only: a checkpoint is data. Without it, loading a stranger's file runs the stranger's code.
    state = torch.load(path, map_location=device, weights_only=True)
    differs = {k: v for k, v in state["settings"].items() if settings.get(k) != v}
    if differs:
        was = ", ".join(f"{k}={v} (now {settings.get(k)})" for k, v in differs.items())
        raise ValueError(f"{path} was trained with {was}: use another folder, or remove it to start again")
    try:
        for name, part in kept.items():
            part.load_state_dict(state[name])
    except (RuntimeError, ValueError, KeyError) as error:
        raise ValueError(f"{path} holds another network than this one: {error}") from error
    torch.set_rng_state(state["chance"]["cpu"].cpu())
    if "cuda" in state["chance"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["chance"]["cuda"].cpu())
    return History(state["rows"]), state["best"]


def _save(state: dict[str, Any], path: Path) -> None:
    """Under another name first: who is stopped while writing still has the file before."""
    beside = path.with_suffix(".part")
    torch.save(state, beside)
    beside.replace(path)


def _stack(
    pairs: list[Example], indices: list[int], augment: Augment | None, generator: torch.Generator
) -> Example:
    images, class_maps = [], []
    for index, (image, class_map) in zip(indices, pairs, strict=True):
        try:
            check_example(image, class_map)
            if augment is not None:
                image, class_map = augment(image, class_map, generator)
        except ValueError as error:
            raise ValueError(f"example {index}: {error}") from error
        images.append(image)
        class_maps.append(class_map)
    sizes = {tuple(image.shape) for image in images}
    if len(sizes) > 1:
        raise ValueError(
            f"examples {indices} differ in size, {sorted(sizes)}: crop them, augment=Augmentation(crop=…)"
        )
    return torch.stack(images), torch.stack(class_maps)


def _gradients_are_finite(net: nn.Module) -> bool:
    norms = torch.stack([p.grad.norm() for p in net.parameters() if p.grad is not None])
    return bool(norms.isfinite().all())


def _check_numbers(**numbers: int) -> None:
    for name, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{name} is a whole number of at least 1, got {number!r}")
