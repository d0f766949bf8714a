"""Known misunderstandings of problem set 5. What is right stands at the top of each part, in the parts'
own terms: how a loop is put together can be read in the book."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelwise.metrics import ConfusionMatrix

from ..misunderstanding import Misunderstanding, mistake
from .cases import VOID

Batches = Sequence[tuple[Tensor, Tensor]]

MODES = "training-modes"
#: The section on the measure, on the page that explains it. The training chapter has others.
IOU = "problem-iou"

STEP: list[Misunderstanding] = []
EVALUATION: list[Misunderstanding] = []
ABLATION: list[Misunderstanding] = []

GRADIENTS = (
    "`backward()` adds to the gradients that are there. Each step has to start without those of the "
    "step before."
)
ORDER = (
    "A step of the optimizer uses the gradients as they are at that moment: those of this batch have "
    "to be there."
)
ONCE = "A step goes down the slope of the mean loss of this batch, once."
MEAN = "The loss is the mean over all pixels of the batch that have a label: their number must not count."
LABELS = "Nobody has labelled void pixels, 255: they cost nothing, and a mean does not count them."
LOGITS = "`cross_entropy` takes scores: the softmax is part of it."
TRAINING = (
    "Batch norm knows two modes. In train mode it normalises by the batch and updates its running "
    "statistics, in "
    "eval mode it uses these statistics. Who has just evaluated hands over a model in eval mode."
)
BEFORE = "The loss that a step reports is the one whose slope it has followed, from before the step."

COUNTS = "IoU of a class: the pixels that both have, divided by the pixels that either has."
SUM_UP = (
    "Counts are added up over all batches first, and divided at the end. The mean of ratios depends on "
    "how the "
    "images were cut into batches."
)
UNLABELLED = "Void pixels, 255, are left out of every count, whatever is predicted there."
CLASS_AXIS = "Scores are (N, K, H, W): the class of a pixel is where its K scores, along axis 1, are largest."
NOBODY = (
    "A class that neither occurs nor is predicted has no IoU: 0 divided by 0 is nan, which a mean can "
    "pass over "
    "(`nanmean`)."
)
EVALUATING = (
    "An evaluation must not depend on how images were put into batches, and must not change the model: "
    "`eval()` "
    "before, and afterwards the mode that was there."
)
NO_GRAPH = (
    "Nobody calls `backward()` here. Without `torch.no_grad()` every pass keeps all its activations "
    "for it, which "
    "takes memory and time."
)

SAME_START = (
    "Two runs that differ in more than one thing say nothing about either. Both networks are built "
    "right after "
    "`torch.manual_seed(seed)`, and `fit` gets the same seed."
)
SAME_LENGTH = "Both networks are trained for `steps` steps, and scored after that."


# --- train_step -------------------------------------------------------------------------------------------


def mean_loss(scores: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(scores, targets, ignore_index=VOID)


def right_step(model: nn.Module, optimizer: Any, images: Tensor, targets: Tensor) -> float:
    return _step(model, optimizer, images, targets)


def _step(
    model: nn.Module,
    optimizer: Any,
    images: Tensor,
    targets: Tensor,
    loss_of: Callable[[Tensor, Tensor], Tensor] = mean_loss,
    factor: float = 1,
    gradients: str = "fresh",
    mode: bool = True,
) -> float:
    """A step with one thing changed.

    gradients  "fresh", "kept", "late" (of the step before; "between": and after the forward pass) or "none"
    """
    model.train(mode)
    if gradients == "late":
        optimizer.step()
    if gradients not in ("kept", "between"):
        optimizer.zero_grad()
    home = model.weight.device
    value = loss_of(model(images.to(home)), targets.to(home))
    if gradients == "between":
        optimizer.step()
        optimizer.zero_grad()
    (factor * value).backward()
    if gradients == "none":
        optimizer.zero_grad()
    if gradients not in ("late", "between"):
        optimizer.step()
    return value.item()


def _steps(title: str, advice: str, section: str = "training-loop", **change: Any) -> None:
    @mistake(STEP, title, advice, section, costly=True)
    def _(op, model, optimizer, images, targets):
        return _step(model, optimizer, images, targets, **change)


def _known(targets: Tensor) -> Tensor:
    return targets != VOID


def _over_all(scores: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(scores, targets, ignore_index=VOID, reduction="sum") / targets.numel()


def _as_class(number: int) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(scores: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(scores, torch.where(_known(targets), targets, number % scores.shape[1]))

    return loss


def _image_by_image(scores: Tensor, targets: Tensor) -> Tensor:
    return torch.stack([mean_loss(s[None], t[None]) for s, t in zip(scores, targets, strict=True)]).mean()


def _reshaped(scores: Tensor, targets: Tensor) -> Tensor:
    return mean_loss(scores.reshape(-1, scores.shape[1]), targets.flatten())


def _sigmoids(scores: Tensor, targets: Tensor) -> Tensor:
    known = _known(targets)
    truth = F.one_hot(torch.where(known, targets, 0), scores.shape[1]).movedim(-1, 1).to(scores)
    value = F.binary_cross_entropy_with_logits(scores, truth, reduction="none")
    return value.movedim(1, -1)[known].mean()


_steps("the gradients of earlier steps are still there", GRADIENTS, "training-autodiff", gradients="kept")
# Before the next one: in a single step, gradients that come too late move nothing either.
_steps(
    "the weights do not move: no step is taken, or its gradients were emptied before it, or come after it",
    ORDER,
    gradients="none",
)
for _gradients in ("late", "between"):
    _steps("the optimizer steps before the gradients of this batch are there", ORDER, gradients=_gradients)
_LONG = "the step is twice as long, as after two calls of `backward()` or of `step()`"
_steps(_LONG, ONCE, factor=2)


@mistake(STEP, _LONG, ONCE, "training-loop", costly=True)
def _(op, model, optimizer, images, targets):
    value = op(model, optimizer, images, targets)
    optimizer.step()
    return value


def _past_the_optimizer(rate: Callable[[Any], float]) -> None:
    @mistake(
        STEP,
        "the weights are moved past the optimizer that is given",
        "Learning rate and momentum are the optimizer's: its own `step()` moves the weights. An optimizer "
        "that is made anew in each step forgets what it has gathered.",
        "training-sgd",
        costly=True,
    )
    def _(op, model, optimizer, images, targets):
        return op(model, torch.optim.SGD(model.parameters(), lr=rate(optimizer)), images, targets)


_past_the_optimizer(lambda optimizer: optimizer.param_groups[0]["lr"])
for _rate in (0.5, 1.0, 0.1, 0.01, 0.001):
    _past_the_optimizer(lambda optimizer, rate=_rate: rate)
_steps("the step goes up the slope", ONCE, "training-one-weight", factor=-1)
_steps(
    "the loss is a sum over pixels, not their mean",
    MEAN,
    loss_of=lambda s, t: F.cross_entropy(s, t, ignore_index=VOID, reduction="sum"),
)
_steps("void pixels are counted when the mean is taken", LABELS, loss_of=_over_all)
_steps("void pixels are trained on as class 0", LABELS, loss_of=_as_class(0))
_steps("void pixels are trained on as the last class", LABELS, loss_of=_as_class(-1))
_steps("the mean is taken image by image first", MEAN, loss_of=_image_by_image)
_steps("the softmax is taken twice", LOGITS, loss_of=lambda s, t: mean_loss(s.softmax(1), t))
_steps("the scores are reshaped without moving the class axis to the end", CLASS_AXIS, loss_of=_reshaped)
_steps("each class gets a sigmoid of its own, though classes exclude each other", LOGITS, loss_of=_sigmoids)
_steps("the step is taken in eval mode", TRAINING, "training-modes", mode=False)


def _scaled(title: str, by: Callable[[Tensor, Tensor], float], both: bool = True) -> None:
    """both: the loss that is reported is scaled, too"""

    @mistake(STEP, title, MEAN, "training-loop", costly=True)
    def _(op, model, optimizer, images, targets):
        factor = by(images, targets)
        return _step(model, optimizer, images, targets, factor=factor) * (factor if both else 1)


for _both in (True, False):
    _scaled("the mean is divided by the number of images once more", lambda x, y: 1 / len(x), _both)
    _scaled("the mean is multiplied by the number of images", lambda x, y: len(x), _both)
    _scaled(
        "the mean is divided by the number of pixels once more", lambda x, y: 1 / int(_known(y).sum()), _both
    )


@mistake(STEP, "the sum of the loss over the images is reported", MEAN, "training-loop", costly=True)
def _(op, model, optimizer, images, targets):
    return op(model, optimizer, images, targets) * len(images)


@mistake(STEP, "the loss is measured after the step", BEFORE, "training-loop", costly=True)
def _(op, model, optimizer, images, targets):
    op(model, optimizer, images, targets)
    return mean_loss(model(images), targets).item()


# --- evaluate ---------------------------------------------------------------------------------------------


def right_evaluation(model: nn.Module, batches: Batches, num_classes: int) -> Tensor:
    return _counted(model, batches, num_classes).iou().float()


def _counted(
    model: nn.Module,
    batches: Batches,
    num_classes: int,
    mode: bool | None = False,
    afterwards: bool | None = None,
    graph: bool = False,
    classes: Callable[[Tensor], Tensor] = lambda scores: scores.argmax(1),
    targets_as: Callable[[Tensor], Tensor] = lambda targets: targets,
) -> ConfusionMatrix:
    """The confusion matrix with one thing changed. afterwards: the mode that is left, None: as it was."""
    matrix, before = ConfusionMatrix(num_classes, VOID), model.training
    if mode is not None:
        model.train(mode)
    with torch.set_grad_enabled(graph):
        for x, y in batches:
            scores = model(x.to(model.weight.device)).detach().to(x.device)
            matrix.update(classes(scores), targets_as(y))
    model.train(before if afterwards is None else afterwards)
    return matrix


def _evaluates(title: str, advice: str, section: str = IOU, **change: Any) -> None:
    @mistake(EVALUATION, title, advice, section, costly=True)
    def _(op, model, batches, num_classes):
        return _counted(model, batches, num_classes, **change).iou()


def _absent(title: str, value: float) -> None:
    @mistake(EVALUATION, title, NOBODY, IOU, costly=True)
    def _(op, model, batches, num_classes):
        return op(model, batches, num_classes).nan_to_num(value)


_absent("a class that is nowhere gets the IoU 0", 0.0)
_absent("a class that is nowhere gets the IoU 1", 1.0)


def _averaged(title: str, of: Callable[[Batches], Batches], means: Callable[[Tensor], Tensor]) -> None:
    @mistake(EVALUATION, title, SUM_UP, IOU, costly=True)
    def _(op, model, batches, num_classes):
        ious = [op(model, [part], num_classes) for part in of(batches)]
        return means(torch.stack(ious))


def _images(batches: Batches) -> Batches:
    return [pair for x, y in batches for pair in zip(x.split(1), y.split(1), strict=True)]


_MEANS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda rows: rows.nanmean(0),
    lambda rows: rows.mean(0),
    lambda rows: rows.nan_to_num(0).mean(0),
    lambda rows: rows.nan_to_num(1).mean(0),
)
for _mean in _MEANS:
    _averaged("the IoUs of the batches are averaged", lambda batches: batches, _mean)
    _averaged("the IoUs of the images are averaged", _images, _mean)


def _of_counts(title: str, advice: str, ratio: Callable[[Tensor], Tensor]) -> None:
    @mistake(EVALUATION, title, advice, IOU, costly=True)
    def _(op, model, batches, num_classes):
        return ratio(_counted(model, batches, num_classes).counts.double())


_of_counts(
    "what both have is divided by the true pixels alone (that is the recall)",
    COUNTS,
    lambda n: n.diagonal() / n.sum(1),
)
_of_counts(
    "what both have is divided by the predicted pixels alone (that is the precision)",
    COUNTS,
    lambda n: n.diagonal() / n.sum(0),
)
_of_counts(
    "the pixels that both have are counted twice in the denominator",
    COUNTS,
    lambda n: n.diagonal() / (n.sum(0) + n.sum(1)),
)
_of_counts("Dice is computed in place of IoU", COUNTS, lambda n: 2 * n.diagonal() / (n.sum(0) + n.sum(1)))
_of_counts(
    "each class gets the share of all pixels that are right",
    COUNTS,
    lambda n: (n.diagonal().sum() / n.sum()).expand(len(n)),
)
_of_counts(
    "the share of all pixels that are right is returned (that is the accuracy)",
    f"{COUNTS} Each class has an IoU of its own.",
    lambda n: n.diagonal().sum() / n.sum(),
)
_of_counts(
    "pixels are counted as right for a class that is neither there nor predicted (that is its accuracy)",
    f"{COUNTS} Of a rare class, nearly all pixels are right in this way even if none of it is found.",
    lambda n: 1 - (n.sum(0) + n.sum(1) - 2 * n.diagonal()) / n.sum(),
)


@mistake(
    EVALUATION,
    "void pixels are counted as errors of what is predicted there",
    UNLABELLED,
    IOU,
    costly=True,
)
def _(op, model, batches, num_classes):
    scores, targets = _all_scores(model, batches), torch.cat([y.flatten() for _, y in batches])
    predicted = scores.argmax(1).flatten()
    hits = [((predicted == k) & (targets == k)).sum() for k in range(num_classes)]
    either = [((predicted == k) | (targets == k)).sum() for k in range(num_classes)]
    return torch.stack(hits) / torch.stack(either)


@mistake(EVALUATION, "void pixels are counted as right", UNLABELLED, IOU, costly=True)
def _(op, model, batches, num_classes):
    matrix = ConfusionMatrix(num_classes, -1)
    predicted, targets = _all_scores(model, batches).argmax(1), torch.cat([y for _, y in batches])
    matrix.update(predicted, torch.where(_known(targets), targets, predicted))
    return matrix.iou()


_evaluates(
    "void pixels are counted as class 0", UNLABELLED, targets_as=lambda y: torch.where(_known(y), y, 0)
)


@mistake(EVALUATION, "void pixels are counted as the last class", UNLABELLED, IOU, costly=True)
def _(op, model, batches, num_classes):
    return op(model, [(x, torch.where(_known(y), y, num_classes - 1)) for x, y in batches], num_classes)


for _axis in (3, 2, 0):
    _evaluates(
        "the largest score is looked for along another axis than that of the classes",
        CLASS_AXIS,
        classes=lambda scores, axis=_axis: scores.argmax(axis),
    )
_evaluates("the smallest score wins", CLASS_AXIS, classes=lambda scores: scores.argmin(1))


def _some(title: str, part: Callable[[Batches], Batches]) -> None:
    @mistake(EVALUATION, title, SUM_UP, IOU, costly=True)
    def _(op, model, batches, num_classes):
        return op(model, part(batches), num_classes)


_some("only the last batch counts", lambda batches: batches[-1:])
_some("only the first batch counts", lambda batches: batches[:1])
_some(
    "the last, smaller batch is left out",
    lambda batches: [b for b in batches if len(b[0]) == len(batches[0][0])],
)
_some("only the first image of each batch counts", lambda batches: [(x[:1], y[:1]) for x, y in batches])

_AS_IT_COMES = "the model is evaluated in the mode it comes in, not in eval mode"
_IN_TRAIN_MODE = "the model is evaluated in train mode"
_RECORDED = "every pass is recorded for a backward pass that never comes"
_evaluates(_AS_IT_COMES, EVALUATING, MODES, mode=None)
_evaluates(_IN_TRAIN_MODE, EVALUATING, MODES, mode=True)
_evaluates("the model stays in eval mode afterwards", EVALUATING, MODES, afterwards=False)
_evaluates(
    "the model is in train mode afterwards, whatever it was before", EVALUATING, MODES, afterwards=True
)
_evaluates(_RECORDED, NO_GRAPH, MODES, graph=True)
for _title, _mode in ((_AS_IT_COMES, None), (_IN_TRAIN_MODE, True)):
    _evaluates(f"{_title}, and {_RECORDED}", f"{EVALUATING} {NO_GRAPH}", MODES, mode=_mode, graph=True)
_evaluates(
    f"the model stays in eval mode afterwards, and {_RECORDED}",
    f"{EVALUATING} {NO_GRAPH}",
    MODES,
    afterwards=False,
    graph=True,
)


def _all_scores(model: nn.Module, batches: Batches) -> Tensor:
    before = model.training
    model.eval()
    with torch.no_grad():
        scores = torch.cat([model(x) for x, _ in batches])
    model.train(before)
    return scores


# --- ablation ---------------------------------------------------------------------------------------------


def right_ablation(build: Callable, fit: Callable, score: Callable, steps: int, seed: int) -> tuple:
    return tuple(_run(build, fit, score, copies, steps, seed) for copies in (True, False))


def _run(
    build: Callable,
    fit: Callable,
    score: Callable,
    copies: bool,
    steps: int,
    order: int,
    first: int | None = None,
) -> float:
    """One run. order: the seed of the examples; first: the seed of the first weights (-1: none is set)."""
    if first != -1:
        torch.manual_seed(order if first is None else first)
    model = build(copies)
    fit(model, steps, order)
    return score(model)


def _runs(title: str, advice: str, settings: Callable[[int, int, int], dict[str, Any]]) -> None:
    """`settings(number, steps, seed)` of the first (number 0) and of the second run."""

    @mistake(ABLATION, title, advice, "training-ablations", costly=True)
    def _(op, build, fit, score, steps, seed):
        rows = [settings(number, steps, seed) for number in (0, 1)]
        return tuple(
            _run(build, fit, score, **{"copies": not number, "steps": steps, "order": seed} | row)
            for number, row in enumerate(rows)
        )


_runs(
    "only the first network is built from the seed: the second one goes on in the row of random numbers",
    SAME_START,
    lambda number, steps, seed: {"first": -1} if number else {},
)
_runs("no seed is set before the networks are built", SAME_START, lambda number, steps, seed: {"first": -1})
_runs(
    "the first weights come from a seed of their own, not from `seed`",
    SAME_START,
    lambda number, steps, seed: {"first": 0},
)
_runs(
    "both seeds are fixed: `seed` plays no part",
    f"{SAME_START} Another `seed` has to give other runs: that is how one sees what is luck.",
    lambda number, steps, seed: {"order": 0, "first": 0},
)
_runs("the two runs have different seeds", SAME_START, lambda number, steps, seed: {"order": seed + number})
_runs(
    "the two networks see the examples in different orders",
    SAME_START,
    lambda number, steps, seed: {"order": seed + number, "first": seed},
)
_runs(
    "the order of the examples does not come from `seed`",
    SAME_START,
    lambda n, steps, seed: {"order": 0, "first": seed},
)
_runs("the two runs share the steps between them", SAME_LENGTH, lambda n, steps, seed: {"steps": steps // 2})
_runs(
    "the second run is twice as long as the first",
    SAME_LENGTH,
    lambda n, steps, seed: {"steps": steps * (n + 1)},
)
_runs("both networks have copy paths", SAME_LENGTH, lambda n, steps, seed: {"copies": True})
_runs("both networks are without copy paths", SAME_LENGTH, lambda n, steps, seed: {"copies": False})
_runs("the result without copy paths comes first", SAME_LENGTH, lambda n, steps, seed: {"copies": bool(n)})
_runs("the networks are scored without having been trained", SAME_LENGTH, lambda n, steps, seed: {"steps": 0})
_runs(
    "only the first of the two networks is trained",
    SAME_LENGTH,
    lambda n, steps, seed: {"steps": 0} if n else {},
)


@mistake(
    ABLATION,
    "the seed is set after a network is built, not before",
    f"{SAME_START} A seed that is set later no longer changes the first weights.",
    "training-ablations",
    costly=True,
)
def _(op, build, fit, score, steps, seed):
    def seeded_late(copies):
        model = build(copies)
        torch.manual_seed(seed)
        fit(model, steps, seed)
        return score(model)

    return seeded_late(True), seeded_late(False)


def _one_network(copies: bool, each_time: bool) -> None:
    """each_time: whether it is scored after each training, and not twice after both."""

    @mistake(
        ABLATION,
        "one network is built and trained twice",
        "Each of the two runs starts with a new network, one with copy paths and one without.",
        "training-ablations",
        costly=True,
    )
    def _(op, build, fit, score, steps, seed):
        torch.manual_seed(seed)
        model = build(copies)
        fit(model, steps, seed)
        after_one = score(model)
        fit(model, steps, seed)
        after_two = score(model)
        return (after_one if each_time else after_two), after_two


for _copies in (True, False):
    for _each_time in (True, False):
        _one_network(_copies, _each_time)


@mistake(
    ABLATION,
    "the difference stands where the second result belongs",
    SAME_LENGTH,
    "training-ablations",
    costly=True,
)
def _(op, build, fit, score, steps, seed):
    with_copies, without = op(build, fit, score, steps, seed)
    return with_copies, with_copies - without
