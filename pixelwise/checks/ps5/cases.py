"""The cases of problem set 5: functions that take a model are called with one made from data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..case import Case, Random, reals
from .model import Arrived, PixelClassifier, WithoutNumbers

VOID = 255

Function = Callable[..., Any]


@dataclass(frozen=True)
class StepCase(Case):
    """Some steps of `train_step` on one batch, with a `PixelClassifier` and gradient descent.

    arguments  weight (K, C), images (N, C, H, W), targets (N, H, W)
    settings   steps; lr, momentum, of the optimizer; norm, whether the model has a batch norm; evaluating,
               whether it comes in eval mode; look, what is compared afterwards: "weight", "loss" or "mean"
               (of the batch norm)
    """

    def call(self, function: Function) -> Any:
        given = self.arguments
        model = PixelClassifier(given["weight"], self.settings.get("norm", False))
        model.train(not self.settings.get("evaluating", False))
        optimizer = torch.optim.SGD(model.parameters(), **self._optimizer())
        loss = None
        with torch.enable_grad(), _elsewhere(model):
            for _ in range(self.settings["steps"]):
                loss = function(model, optimizer, given["images"], given["targets"])
        if model.weight.is_meta and model.passes:
            return torch.empty(0, device="meta")
        return {
            "loss": loss,
            "weight": model.weight.detach(),
            "mean": getattr(model.norm, "running_mean", None),
        }[self.settings["look"]]

    def shown(self, name: str, written: dict[str, str]) -> list[str]:
        lines = [f"model = ps5.PixelClassifier({_weight(self, written)})"]
        lines += ["model.eval()"] if self.settings.get("evaluating") else []
        settings = ", ".join(f"{name}={value}" for name, value in self._optimizer().items())
        lines += [f"optimizer = torch.optim.SGD(model.parameters(), {settings})"]
        call = f"{name}(model, optimizer, {written['images']}, {written['targets']})"
        steps, look = self.settings["steps"], self.settings["look"]
        if look == "loss":
            return [*lines, call]
        lines += [call] if steps == 1 else [f"for _ in range({steps}):", f"    {call}"]
        return [*lines, {"weight": "model.weight", "mean": "model.norm.running_mean"}[look]]

    def _optimizer(self) -> dict[str, float]:
        return {"lr": 0.5} | {
            name: self.settings[name] for name in ("lr", "momentum") if name in self.settings
        }


@dataclass(frozen=True)
class EvaluationCase(Case):
    """One call of `evaluate` with a `PixelClassifier` and a list of batches.

    arguments  weight (K, C), images (N, C, H, W), targets (N, H, W)
    settings   sizes of the batches; norm; training, whether the model comes in train mode; look, what is
               compared: "iou", "mode" (whether it is in train mode afterwards), "mean" (of the batch norm) or
               "graphs" (how many passes autograd has followed)
    """

    def call(self, function: Function) -> Any:
        given, sizes = self.arguments, self.settings["sizes"]
        model = PixelClassifier(given["weight"], self.settings.get("norm", False))
        if self.settings.get("norm"):
            with torch.no_grad():
                model(given["images"] / 2)  # so that the statistics are no longer 0 and 1
                model.with_graph = 0
        model.train(self.settings.get("training", True))
        batches = list(zip(given["images"].split(sizes), given["targets"].split(sizes), strict=True))
        iou = None
        with torch.enable_grad(), _elsewhere(model):
            iou = function(model, batches, len(given["weight"]))
        if model.weight.is_meta and model.passes:
            return torch.empty(0, device="meta")
        return {
            "iou": iou,
            "mode": int(model.training),
            "mean": getattr(model.norm, "running_mean", None),
            "graphs": model.with_graph,
        }[self.settings["look"]]

    def shown(self, name: str, written: dict[str, str]) -> list[str]:
        lines = [f"model = ps5.PixelClassifier({_weight(self, written)})"]
        lines += (
            [f"model({written['images']} / 2)  # sets the statistics"] if self.settings.get("norm") else []
        )
        lines += ["model.eval()"] if not self.settings.get("training", True) else []
        parts = [f"{written[part]}.split({written['sizes']})" for part in ("images", "targets")]
        lines += [f"batches = list(zip({', '.join(parts)}))"]
        lines += [f"{name}(model, batches, num_classes={len(self.arguments['weight'])})"]
        look = {
            "mode": "int(model.training)",
            "mean": "model.norm.running_mean",
            "graphs": "model.with_graph",
        }
        return [*lines, *filter(None, [look.get(self.settings["look"])])]


@contextlib.contextmanager
def _elsewhere(model: PixelClassifier) -> Iterator[None]:
    """Ends the block at the first number that is asked for, if the model is on a device without numbers."""
    if not model.weight.is_meta:
        yield
        return
    with contextlib.suppress(Arrived), WithoutNumbers():
        yield


@dataclass(frozen=True)
class AblationCase(Case):
    """One call of `ablation` with networks that are only pretended: numbers in place of weights.

    settings  steps and seed, as given to `ablation`; chance, whether first weights and order of the examples
              count for anything
    """

    def call(self, function: Function) -> Any:
        steps, seed, chance = (self.settings[name] for name in ("steps", "seed", "chance"))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)  # so that whoever does not seed gets the same result every time
            rows = function(*pretended(chance), steps, seed)
        if rows is None:
            return None
        if not isinstance(rows, tuple | list) or len(rows) != 2:
            raise TypeError(
                f"ablation returns two numbers, with and without copy paths; yours is {rows!r:.60}"
            )
        return torch.tensor([float(number) for number in rows])

    def shown(self, name: str, written: dict[str, str]) -> list[str]:
        return [
            f"build, fit, score = ps5.pretended(chance={written['chance']})",
            f"{name}(build, fit, score, steps={written['steps']}, seed={written['seed']})",
        ]


def pretended(chance: bool = True) -> tuple[Function, Function, Function]:
    """Stand-ins for `build`, `fit` and `score` that take no time: a network is a few numbers.

    chance  whether the score depends on the first weights and on the order of the examples
    """

    class Pretended:
        def __init__(self, copy_paths: bool) -> None:
            self.copy_paths, self.first, self.order, self.steps = copy_paths, torch.rand(1).item(), 0.0, 0

    def build(copy_paths: bool) -> Pretended:
        return Pretended(copy_paths)

    def fit(model: Pretended, steps: int, seed: int) -> None:
        model.steps += steps
        if steps:
            model.order = torch.rand(1, generator=torch.Generator().manual_seed(seed)).item()

    def score(model: Pretended) -> float:
        luck = 0.2 * model.first + 0.1 * model.order if chance else 0.0
        learned = model.steps / (model.steps + 100)
        return learned * (0.6 + 0.1 * model.copy_paths) + luck * (1 - 0.5 * learned)

    return build, fit, score


# --- Random cases -----------------------------------------------------------------------------------------


def steps(weight: Tensor, images: Tensor, targets: Tensor, about: str = "", **settings: Any) -> StepCase:
    """A case of `train_step`: one step, and the weights are looked at, unless settings say otherwise."""
    settings = {"steps": 1, "look": "weight"} | settings
    return StepCase({"weight": weight, "images": images, "targets": targets}, settings, about)


def evaluation(
    weight: Tensor, images: Tensor, targets: Tensor, about: str = "", **settings: Any
) -> EvaluationCase:
    """A case of `evaluate`: one batch, and the result is looked at, unless settings say otherwise."""
    settings = {"sizes": [len(images)], "look": "iou"} | settings
    return EvaluationCase({"weight": weight, "images": images, "targets": targets}, settings, about)


def random_steps(
    rng: Random,
    large: bool,
    count: int = 1,
    void: bool = False,
    look: str = "weight",
    norm: bool = False,
    evaluating: bool = False,
) -> StepCase:
    """`count` steps with random images. void: whether some pixels are void."""
    weight, images, targets = _tensors(rng, large, void)
    more: dict[str, Any] = {"lr": rng.choice((0.5, 0.25, 0.1))}
    more |= {"momentum": 0.9} if count > 1 else {}
    more |= {"norm": norm, "evaluating": evaluating} if norm else {}
    return steps(weight, images, targets, steps=count, look=look, **more)


def random_evaluation(
    rng: Random, large: bool, batches: int = 1, void: bool = False, absent: bool = False, norm: bool = False
) -> EvaluationCase:
    """`batches` batches, the last one smaller. absent: one class neither occurs nor is predicted."""
    weight, images, targets = _tensors(rng, large, void, images=2 * batches + 1 if batches > 1 else 2)
    if absent:
        weight = torch.cat([weight, weight.new_full((1, weight.shape[1]), 0.0)])
        weight[-1, -1] = -100.0
        images[:, -1] = images[:, -1].abs() + 0.2  # the last class always has the lowest score
    size = -(-len(images) // batches)
    sizes = [part.shape[0] for part in images.split(size)]
    more = {"norm": True} if norm else {}
    return evaluation(weight, images, targets, sizes=sizes, **more)


def random_ablation(rng: Random, large: bool, chance: bool = True) -> AblationCase:
    return ablation(rng.randint(1, 2000 if large else 300), rng.randint(1, 999 if large else 9), chance)


def ablation(steps: int, seed: int, chance: bool = True, about: str = "") -> AblationCase:
    """A case of `ablation`."""
    return AblationCase({}, {"steps": steps, "seed": seed, "chance": chance}, about)


def _tensors(rng: Random, large: bool, void: bool, images: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, images and targets. The largest score of every pixel is larger by 0.05 or more."""
    classes, channels = rng.randint(2, 5 if large else 3), rng.randint(2, 4 if large else 2)
    height, width = (rng.randint(2, 6 if large else 3) for _ in range(2))
    count = images + (rng.randint(0, 3) if large else 0)
    while True:
        weight = reals(rng, classes, channels, dtype=torch.float32)
        pixels = reals(rng, count, channels, height, width, dtype=torch.float32)
        best = torch.einsum("kc,nchw->nkhw", weight, pixels).topk(2, dim=1).values
        if (best[:, 0] - best[:, 1]).min() > 0.05 or count * height * width > 30:
            break
    rest = count * height * width - classes
    values = [VOID if void and n % 3 == 0 else rng.randrange(classes) for n in range(rest)]
    values += range(classes)  # every class occurs
    rng.shuffle(values)
    return weight, pixels, torch.tensor(values).reshape(count, height, width)


def _weight(case: Case, written: dict[str, str]) -> str:
    return written["weight"] + (", norm=True" if case.settings.get("norm") else "")
