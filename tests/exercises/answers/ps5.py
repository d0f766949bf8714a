"""Answers to problem set 5, training. An answer to a task that is a file writes that file."""

import pickle
import shutil
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn.functional as F

from pixelwise.checks.ps5 import new_network
from pixelwise.metrics import ConfusionMatrix

from . import Bank

ANSWERS = Bank()
add = ANSWERS.add

VOID = 255

# --- train_step -------------------------------------------------------------------------------------------

STEP = "train_step"


def home(model):
    return next(model.parameters()).device


def loss_of(model, images, targets, **settings):
    return F.cross_entropy(
        model(images.to(home(model))), targets.to(home(model)), ignore_index=VOID, **settings
    )


@add(STEP, "right")
def plain(model, optimizer, images, targets):
    model.train()
    optimizer.zero_grad()
    loss = loss_of(model, images, targets)
    loss.backward()
    optimizer.step()
    return loss.item()


@add(STEP, "right")
def zeroed_afterwards_too(model, optimizer, images, targets):
    model.train()
    for parameter in model.parameters():
        parameter.grad = None
    loss = loss_of(model, images, targets)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    return float(loss.detach())


@add(STEP, "right")
def log_probabilities(model, optimizer, images, targets):
    model.train()
    images, targets = images.to(home(model)), targets.to(home(model))
    log_p = model(images).log_softmax(dim=1).movedim(1, -1)
    known = targets != VOID
    loss = -log_p[known].gather(1, targets[known][:, None]).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach().cpu().numpy().item()


@add(STEP, "right")
def explicit_gradients(model, optimizer, images, targets):
    model.train()
    value = loss_of(model, images, targets, reduction="sum") / (targets != VOID).sum().to(home(model))
    parameters = list(model.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(value, parameters), strict=True):
        parameter.grad = gradient
    optimizer.step()
    return value.tolist()


@add(STEP, "right")
def by_closure(model, optimizer, images, targets):
    """As optimizers that evaluate the loss several times want it."""
    model.train(True)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(model, images, targets)
        loss.backward()
        return loss

    return optimizer.step(closure).item()


@add(STEP, "misreading", "gradients of earlier steps are still there")
def never_zeroed(model, optimizer, images, targets):
    model.train()
    loss = loss_of(model, images, targets)
    loss.backward()
    optimizer.step()
    return loss.item()


@add(STEP, "misreading", "before the gradients of this batch are there")
def steps_first_and_keeps(model, optimizer, images, targets):
    model.train()
    optimizer.step()
    optimizer.zero_grad()
    loss = loss_of(model, images, targets)
    loss.backward()
    return loss.item()


@add(STEP, "misreading", "before the gradients of this batch are there")
def steps_first(model, optimizer, images, targets):
    model.train()
    loss = loss_of(model, images, targets)
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    return loss.item()


@add(STEP, "misreading", "the weights do not move")
def zeroes_before_the_step(model, optimizer, images, targets):
    model.train()
    loss = loss_of(model, images, targets)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


@add(STEP, "misreading", "the weights do not move")
def never_steps(model, optimizer, images, targets):
    model.train()
    optimizer.zero_grad()
    loss = loss_of(model, images, targets)
    loss.backward()
    return loss.item()


@add(STEP, "misreading", "the weights do not move")
def never_goes_backward(model, optimizer, images, targets):
    model.train()
    optimizer.zero_grad()
    loss = loss_of(model, images, targets)
    optimizer.step()
    return loss.item()


@add(STEP, "misreading", "`.item()` takes the number out")
def returns_the_graph(model, optimizer, images, targets):
    model.train()
    optimizer.zero_grad()
    loss = loss_of(model, images, targets)
    loss.backward()
    optimizer.step()
    return loss


@add(STEP, "misreading", "`.item()` takes the number out")
def returns_a_detached_tensor(model, optimizer, images, targets):
    plain(model, optimizer, images, targets)
    return loss_of(model, images, targets).detach()


@add(STEP, "misreading", "the step is taken in eval mode")
def any_mode(model, optimizer, images, targets):
    optimizer.zero_grad()
    loss = loss_of(model, images, targets)
    loss.backward()
    optimizer.step()
    return loss.item()


@add(STEP, "misreading", "the step is taken in eval mode")
def eval_mode(model, optimizer, images, targets):
    model.eval()
    return any_mode(model, optimizer, images, targets)


@add(STEP, "misreading", "the model on 'meta'")
def on_the_cpu(model, optimizer, images, targets):
    model.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), targets, ignore_index=VOID)
    loss.backward()
    optimizer.step()
    return loss.item()


def with_loss(model, optimizer, images, targets, loss_from):
    model.train()
    optimizer.zero_grad()
    loss = loss_from(model(images.to(home(model))), targets.to(home(model)))
    loss.backward()
    optimizer.step()
    return loss.item()


@add(STEP, "misreading", "a sum over pixels")
def summed(model, optimizer, images, targets):
    return with_loss(
        model,
        optimizer,
        images,
        targets,
        lambda s, t: F.cross_entropy(s, t, ignore_index=VOID, reduction="sum"),
    )


@add(STEP, "misreading", "void pixels are counted when the mean is taken")
def void_in_the_mean(model, optimizer, images, targets):
    def loss_from(scores, targets):
        return F.cross_entropy(scores, targets, ignore_index=VOID, reduction="none").mean()

    return with_loss(model, optimizer, images, targets, loss_from)


@add(STEP, "misreading", "trained on as class 0")
def void_is_class_0(model, optimizer, images, targets):
    targets = targets.masked_fill(targets == VOID, 0)
    return with_loss(model, optimizer, images, targets, F.cross_entropy)


@add(STEP, "misreading", "as the last class")
def void_clamped(model, optimizer, images, targets):
    return with_loss(
        model, optimizer, images, targets, lambda s, t: F.cross_entropy(s, t.clamp(max=s.shape[1] - 1))
    )


@add(STEP, "broken", "raised an error")
def void_raises(model, optimizer, images, targets):
    return with_loss(model, optimizer, images, targets, F.cross_entropy)


@add(STEP, "misreading", "the softmax is taken twice")
def softmax_first(model, optimizer, images, targets):
    return with_loss(
        model,
        optimizer,
        images,
        targets,
        lambda s, t: F.cross_entropy(s.softmax(dim=1), t, ignore_index=VOID),
    )


@add(STEP, "misreading", "divided by the number of images once more")
def scaled_twice(model, optimizer, images, targets):
    return with_loss(
        model, optimizer, images, targets, lambda s, t: F.cross_entropy(s, t, ignore_index=VOID) / len(t)
    )


@add(STEP, "misreading", "twice as long")
def backward_twice(model, optimizer, images, targets):
    model.train()
    optimizer.zero_grad()
    loss = loss_of(model, images, targets)
    loss.backward(retain_graph=True)
    loss.backward()
    optimizer.step()
    return loss.item()


@add(STEP, "misreading", "twice as long")
def steps_twice(model, optimizer, images, targets):
    loss = plain(model, optimizer, images, targets)
    optimizer.step()
    return loss


@add(STEP, "misreading", "up the slope")
def ascends(model, optimizer, images, targets):
    model.train()
    optimizer.zero_grad()
    loss = loss_of(model, images, targets)
    (-loss).backward()
    optimizer.step()
    return loss.item()


@add(STEP, "misreading", "measured after the step")
def loss_afterwards(model, optimizer, images, targets):
    plain(model, optimizer, images, targets)
    return loss_of(model, images, targets).item()


@add(STEP, "axis swap", "without moving the class axis")
def reshaped(model, optimizer, images, targets):
    return with_loss(
        model,
        optimizer,
        images,
        targets,
        lambda s, t: F.cross_entropy(s.reshape(-1, s.shape[1]), t.reshape(-1), ignore_index=VOID),
    )


@add(STEP, "misreading", "returned nothing")
def returns_nothing(model, optimizer, images, targets):
    plain(model, optimizer, images, targets)


@add(STEP, "misreading", "live on another device")
def targets_stay(model, optimizer, images, targets):
    model.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images.to(home(model))), targets, ignore_index=VOID)
    loss.backward()
    optimizer.step()
    return loss.item()


@add(STEP, "misreading", "past the optimizer")
def by_hand(model, optimizer, images, targets):
    model.train()
    optimizer.zero_grad()
    loss = loss_of(model, images, targets)
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.5 * parameter.grad
    return loss.item()


@add(STEP, "misreading", "past the optimizer")
def by_hand_at_the_given_rate(model, optimizer, images, targets):
    model.train()
    optimizer.zero_grad()
    loss = loss_of(model, images, targets)
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= optimizer.param_groups[0]["lr"] * parameter.grad
    return loss.item()


@add(STEP, "right")
def loss_on_the_cpu(model, optimizer, images, targets):
    model.train()
    optimizer.zero_grad()
    scores = model(images.to(home(model))).cpu()
    loss = F.cross_entropy(scores, targets.cpu(), ignore_index=VOID)
    loss.backward()
    optimizer.step()
    return loss.item()


@add(STEP, "right")
def one_hot_targets(model, optimizer, images, targets):
    model.train()
    images, targets = images.to(home(model)), targets.to(home(model))
    known = (targets != VOID).float()
    log_p = model(images).log_softmax(1)
    truth = F.one_hot(torch.where(targets == VOID, 0, targets), log_p.shape[1]).movedim(-1, 1)
    loss = -((log_p * truth).sum(1) * known).sum() / known.sum()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.item()


@add(STEP, "misreading", "past the optimizer")
def an_optimizer_of_its_own(model, optimizer, images, targets):
    return plain(model, torch.optim.SGD(model.parameters(), lr=0.01), images, targets)


@add(STEP, "cheat", "pixelwise")
def asks_the_library(model, optimizer, images, targets):
    import pixelwise.training

    pixelwise.training.train(model, [(images[0], targets[0])], steps=1)
    return 0.0


@add(STEP, "hard-coded")
def always_the_same(model, optimizer, images, targets):
    return 0.0


@add(STEP, "unsolved", "still raises")
def step_unsolved(model, optimizer, images, targets):
    raise NotImplementedError()


# --- evaluate ---------------------------------------------------------------------------------------------

EVALUATE = "evaluate"


def pieces(model, batches, classes=lambda scores: scores.argmax(1)):
    """(predicted, truth) of each batch, with all care."""
    mode = model.training
    model.eval()
    with torch.no_grad():
        rows = [(classes(model(images.to(home(model)))).cpu(), targets.cpu()) for images, targets in batches]
    model.train(mode)
    return rows


def ratio(predicted, truth, num_classes):
    """IoU of lists of pixels; void has been dealt with."""
    pairs = [((predicted == k), (truth == k)) for k in range(num_classes)]
    return torch.tensor([(p & t).sum().item() for p, t in pairs]) / torch.tensor(
        [(p | t).sum().item() for p, t in pairs]
    )


def joined(rows):
    """All pixels with a label, of all batches."""
    predicted, truth = (torch.cat([row[n].flatten() for row in rows]) for n in (0, 1))
    return predicted[truth != VOID], truth[truth != VOID]


@add(EVALUATE, "right")
def three_counts(model, batches, num_classes):
    both, predicted, true = (torch.zeros(num_classes) for _ in range(3))
    for guess, truth in pieces(model, batches):
        known = truth != VOID
        for k in range(num_classes):
            both[k] += ((guess == k) & (truth == k) & known).sum()
            predicted[k] += ((guess == k) & known).sum()
            true[k] += ((truth == k) & known).sum()
    return both / (predicted + true - both)


@add(EVALUATE, "right")
def by_one_hot(model, batches, num_classes):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.float64)
    for guess, truth in pieces(model, batches):
        p = F.one_hot(guess[truth != VOID], num_classes).double()
        t = F.one_hot(truth[truth != VOID], num_classes).double()
        matrix += t.T @ p
    return matrix.diagonal() / (matrix.sum(0) + matrix.sum(1) - matrix.diagonal())


@add(EVALUATE, "right")
def all_at_once(model, batches, num_classes):
    return ratio(*joined(pieces(model, batches)), num_classes)


@add(EVALUATE, "right")
@torch.inference_mode()
def in_inference_mode(model, batches, num_classes):
    mode, matrix = model.training, torch.zeros(num_classes, num_classes)
    model.eval()
    for images, targets in batches:
        guess = model(images.to(home(model))).max(dim=1).indices.cpu()
        for pair in zip(targets.cpu().flatten().tolist(), guess.flatten().tolist(), strict=True):
            if pair[0] != VOID:
                matrix[pair] += 1
    model.train(mode)
    return torch.stack(
        [matrix[k, k] / (matrix[k].sum() + matrix[:, k].sum() - matrix[k, k]) for k in range(num_classes)]
    ).clone()


@add(EVALUATE, "misreading", "the IoUs of the batches are averaged")
def mean_of_batches(model, batches, num_classes):
    return torch.stack([ratio(*joined([row]), num_classes) for row in pieces(model, batches)]).nanmean(0)


@add(EVALUATE, "misreading", "the IoUs of the images are averaged")
def mean_of_images(model, batches, num_classes):
    single = [(x[None], y[None]) for images, targets in batches for x, y in zip(images, targets, strict=True)]
    return mean_of_batches(model, single, num_classes)


@add(EVALUATE, "misreading", "errors of what is predicted there")
def void_in_the_union(model, batches, num_classes):
    guess, truth = (torch.cat([row[n].flatten() for row in pieces(model, batches)]) for n in (0, 1))
    return ratio(guess, truth, num_classes)


@add(EVALUATE, "misreading", "void pixels are counted as class 0")
def void_is_background(model, batches, num_classes):
    rows = [(p, t.masked_fill(t == VOID, 0)) for p, t in pieces(model, batches)]
    return ratio(*joined(rows), num_classes)


@add(EVALUATE, "axis swap", "along another axis")
def argmax_of_columns(model, batches, num_classes):
    return ratio(*joined(pieces(model, batches, lambda scores: scores.argmax(-1))), num_classes)


@add(EVALUATE, "axis swap", "along another axis")
def argmax_of_images(model, batches, num_classes):
    return ratio(*joined(pieces(model, batches, lambda scores: scores.argmax(0))), num_classes)


@add(EVALUATE, "misreading", "in the mode it comes in")
def no_eval(model, batches, num_classes):
    with torch.no_grad():
        rows = [(model(x.to(home(model))).argmax(1).cpu(), y) for x, y in batches]
    return ratio(*joined(rows), num_classes)


@add(EVALUATE, "misreading", "stays in eval mode")
def stays_in_eval(model, batches, num_classes):
    result = all_at_once(model, batches, num_classes)
    model.eval()
    return result


@add(EVALUATE, "misreading", "in train mode afterwards")
def always_back_to_train(model, batches, num_classes):
    result = all_at_once(model, batches, num_classes)
    model.train()
    return result


@add(EVALUATE, "misreading", "backward pass that never comes")
def with_gradients(model, batches, num_classes):
    mode = model.training
    model.eval()
    rows = [(model(x.to(home(model))).argmax(1).cpu(), y) for x, y in batches]
    model.train(mode)
    return ratio(*joined(rows), num_classes)


@add(EVALUATE, "misreading", "the model on 'meta'")
def evaluated_on_the_cpu(model, batches, num_classes):
    mode = model.training
    model.eval()
    with torch.no_grad():
        rows = [(model(x).argmax(1), y) for x, y in batches]
    model.train(mode)
    return ratio(*joined(rows), num_classes)


@add(EVALUATE, "misreading", "live on another device")
def compared_across_devices(model, batches, num_classes):
    mode, rows = model.training, []
    model.eval()
    with torch.no_grad():
        for x, y in batches:
            guess = model(x.to(home(model))).argmax(1)
            rows.append(
                [[(m & (y != VOID)).sum().item() for m in pair] for pair in _pairs(guess, y, num_classes)]
            )
    model.train(mode)
    both, either = torch.tensor(rows).sum(0).T
    return both / either


def _pairs(guess, truth, num_classes):
    """Masks of what both have and of what either has, of each class."""
    for k in range(num_classes):
        yield (guess == k) & (truth == k), (guess == k) | (truth == k)


@add(EVALUATE, "right")
def counted_where_the_model_is(model, batches, num_classes):
    mode, there = model.training, home(model)
    counts = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=there)
    model.eval()
    with torch.no_grad():
        for x, y in batches:
            guess, y = model(x.to(there)).argmax(1), y.to(there)
            known = y != VOID
            pairs = num_classes * y[known] + guess[known]
            counts += torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    model.train(mode)
    both = counts.diagonal()
    return (both / (counts.sum(0) + counts.sum(1) - both)).cpu()


@add(EVALUATE, "right")
def masks_where_the_model_is(model, batches, num_classes):
    mode, there = model.training, home(model)
    both, either = torch.zeros(num_classes), torch.zeros(num_classes)
    model.eval()
    with torch.no_grad():
        for x, y in batches:
            guess, y = model(x.to(there)).argmax(1), y.to(there)
            for k, (one, other) in enumerate(_pairs(guess, y, num_classes)):
                both[k] += (one & (y != VOID)).sum().item()
                either[k] += (other & (y != VOID)).sum().item()
    model.train(mode)
    return both / either


@add(EVALUATE, "misreading", "in the mode it comes in, not in eval mode, and every pass is recorded")
def without_any_switch(model, batches, num_classes):
    rows = [(model(x.to(home(model))).argmax(1).cpu(), y) for x, y in batches]
    return ratio(*joined(rows), num_classes)


@add(EVALUATE, "misreading", "in train mode, and every pass is recorded")
def in_train_mode_with_a_graph(model, batches, num_classes):
    mode = model.training
    model.train()
    result = without_any_switch(model, batches, num_classes)
    model.train(mode)
    return result


@add(EVALUATE, "misreading", "that is the accuracy")
def one_accuracy(model, batches, num_classes):
    guess, truth = joined(pieces(model, batches))
    return (guess == truth).float().mean()


@add(EVALUATE, "misreading", "that is its accuracy")
def accuracy_of_each_class(model, batches, num_classes):
    guess, truth = joined(pieces(model, batches))
    return torch.stack([((guess == k) == (truth == k)).float().mean() for k in range(num_classes)])


@add(EVALUATE, "misreading", "gets the IoU 0")
def nowhere_is_0(model, batches, num_classes):
    return all_at_once(model, batches, num_classes).nan_to_num(0)


@add(EVALUATE, "misreading", "gets the IoU 1")
def nowhere_is_1(model, batches, num_classes):
    return all_at_once(model, batches, num_classes).nan_to_num(1)


@add(EVALUATE, "misreading", "recall")
def recall(model, batches, num_classes):
    guess, truth = joined(pieces(model, batches))
    return torch.stack([(guess[truth == k] == k).float().mean() for k in range(num_classes)])


@add(EVALUATE, "misreading", "Dice")
def dice(model, batches, num_classes):
    iou = all_at_once(model, batches, num_classes)
    return 2 * iou / (1 + iou)


@add(EVALUATE, "misreading", "counted twice in the denominator")
def both_twice(model, batches, num_classes):
    guess, truth = joined(pieces(model, batches))
    return torch.stack(
        [
            ((guess == k) & (truth == k)).sum() / ((guess == k).sum() + (truth == k).sum())
            for k in range(num_classes)
        ]
    )


@add(EVALUATE, "misreading", "share of all pixels")
def accuracy(model, batches, num_classes):
    guess, truth = joined(pieces(model, batches))
    return (guess == truth).float().mean().expand(num_classes)


@add(EVALUATE, "off by one", "the last batch counts")
def last_batch(model, batches, num_classes):
    return all_at_once(model, batches[-1:], num_classes)


@add(EVALUATE, "off by one", "the last, smaller batch is left out")
def full_batches(model, batches, num_classes):
    full = [batch for batch in batches if len(batch[0]) == len(batches[0][0])]
    return all_at_once(model, full, num_classes)


@add(EVALUATE, "misreading", "has the shape ()")
def only_the_mean(model, batches, num_classes):
    return all_at_once(model, batches, num_classes).nanmean()


@add(EVALUATE, "broken", "torch.Tensor is expected")
def a_list(model, batches, num_classes):
    return all_at_once(model, batches, num_classes).tolist()


@add(EVALUATE, "cheat", "pixelwise")
def the_librarys_matrix(model, batches, num_classes):
    matrix = ConfusionMatrix(num_classes)
    for predicted, truth in pieces(model, batches):
        matrix.update(predicted, truth)
    return matrix.iou()


@add(EVALUATE, "hard-coded")
def the_first_case(model, batches, num_classes):
    return torch.full((num_classes,), 0.6)


@add(EVALUATE, "unsolved", "still raises")
def evaluate_unsolved(model, batches, num_classes):
    raise NotImplementedError()


# --- ablation ---------------------------------------------------------------------------------------------

ABLATION = "ablation"


def run(build, fit, score, copy_paths, steps, seed):
    torch.manual_seed(seed)
    model = build(copy_paths)
    fit(model, steps, seed)
    return score(model)


@add(ABLATION, "right")
def one_after_the_other(build, fit, score, steps, seed):
    return tuple(run(build, fit, score, copies, steps, seed) for copies in (True, False))


@add(ABLATION, "right")
def both_built_first(build, fit, score, steps, seed):
    models = []
    for copies in (True, False):
        torch.manual_seed(seed)
        models.append(build(copies))
    for model in models:
        fit(model, steps, seed)
    return [score(model) for model in models]


@add(ABLATION, "right")
def without_first(build, fit, score, steps, seed):
    without = run(build, fit, score, False, steps, seed)
    return run(build, fit, score, True, steps, seed), without


@add(ABLATION, "right")
def by_state(build, fit, score, steps, seed):
    state = torch.manual_seed(seed).get_state()
    results = {}
    for copies in (True, False):
        torch.set_rng_state(state)
        model = build(copy_paths=copies)
        fit(model, steps=steps, seed=seed)
        results[copies] = score(model)
    return results[True], results[False]


@add(ABLATION, "misreading", "only the first network is built from the seed")
def seeded_once(build, fit, score, steps, seed):
    torch.manual_seed(seed)
    models = [build(True), build(False)]
    for model in models:
        fit(model, steps, seed)
    return tuple(map(score, models))


@add(ABLATION, "misreading", "no seed is set")
def never_seeded(build, fit, score, steps, seed):
    models = [build(True), build(False)]
    for model in models:
        fit(model, steps, seed)
    return tuple(map(score, models))


@add(ABLATION, "misreading", "a seed of their own")
def seed_0(build, fit, score, steps, seed):
    results = []
    for copies in (True, False):
        torch.manual_seed(0)
        model = build(copies)
        fit(model, steps, seed)
        results.append(score(model))
    return results


@add(ABLATION, "misreading", "after a network is built")
def seeded_late(build, fit, score, steps, seed):
    results = []
    for copies in (True, False):
        model = build(copies)
        torch.manual_seed(seed)
        fit(model, steps, seed)
        results.append(score(model))
    return results


@add(ABLATION, "misreading", "`seed` plays no part")
def always_seed_0(build, fit, score, steps, seed):
    return one_after_the_other(build, fit, score, steps, 0)


@add(ABLATION, "misreading", "one network is built")
def trained_twice(build, fit, score, steps, seed):
    torch.manual_seed(seed)
    model, results = build(True), []
    for _ in (True, False):
        fit(model, steps, seed)
        results.append(score(model))
    return results


@add(ABLATION, "misreading", "different seeds")
def another_seed(build, fit, score, steps, seed):
    return run(build, fit, score, True, steps, seed), run(build, fit, score, False, steps, seed + 1)


@add(ABLATION, "misreading", "comes first")
def reversed_pair(build, fit, score, steps, seed):
    return one_after_the_other(build, fit, score, steps, seed)[::-1]


@add(ABLATION, "misreading", "share the steps")
def half_each(build, fit, score, steps, seed):
    return one_after_the_other(build, fit, score, steps // 2, seed)


@add(ABLATION, "misreading", "both networks have copy paths")
def copies_twice(build, fit, score, steps, seed):
    return run(build, fit, score, True, steps, seed), run(build, fit, score, True, steps, seed)


@add(ABLATION, "misreading", "without having been trained")
def untrained(build, fit, score, steps, seed):
    return one_after_the_other(build, lambda *_: None, score, steps, seed)


@add(ABLATION, "misreading", "only the first of the two networks is trained")
def trains_one(build, fit, score, steps, seed):
    torch.manual_seed(seed)
    first = build(True)
    fit(first, steps, seed)
    torch.manual_seed(seed)
    return score(first), score(build(False))


@add(ABLATION, "misreading", "the difference stands")
def with_and_difference(build, fit, score, steps, seed):
    with_copies, without = one_after_the_other(build, fit, score, steps, seed)
    return with_copies, with_copies - without


@add(ABLATION, "misreading", "returns two numbers")
def the_difference(build, fit, score, steps, seed):
    with_copies, without = one_after_the_other(build, fit, score, steps, seed)
    return with_copies - without


@add(ABLATION, "hard-coded")
def what_was_expected(build, fit, score, steps, seed):
    return 0.8, 0.7


@add(ABLATION, "unsolved", "still raises")
def ablation_unsolved(build, fit, score, steps, seed):
    raise NotImplementedError()


# --- The files --------------------------------------------------------------------------------------------

HANDED_IN = Path(__file__).parents[1] / "handed_in" / "ps5_training"


def weights(file: str) -> dict[str, torch.Tensor]:
    return torch.load(HANDED_IN / file, weights_only=True)


def changed(file: str, change) -> dict[str, torch.Tensor]:
    return {name: change(one) if one.is_floating_point() else one for name, one in weights(file).items()}


def files(file: str, other: str, channels: int) -> None:
    """The bank of one file. other: the file of the other network."""

    @add(file, "right")
    def as_handed_in():
        shutil.copy(HANDED_IN / file, file)

    @add(file, "right")
    def in_single_precision():
        torch.save(changed(file, torch.Tensor.float), file)

    @add(file, "right")
    def in_double_precision():
        torch.save(changed(file, torch.Tensor.double), file)

    @add(file, "right")
    def parameters_in_order():
        torch.save(OrderedDict(changed(file, lambda one: one.float().clone().requires_grad_())), file)

    @add(file, "unsolved", "There is no file")
    def nothing():
        pass

    @add(file, "broken", "is needed")
    def untrained_network():
        torch.save(new_network(channels).state_dict(), file)

    @add(file, "broken", "NaN or infinite")
    def diverged():
        torch.save(changed(file, lambda one: one * float("nan")), file)

    @add(file, "broken", "the scores are NaN")
    def overflowing():
        torch.save(changed(file, lambda one: torch.full_like(one.float(), 3e38)), file)

    @add(file, "broken", "another size")
    def the_other_network():
        shutil.copy(HANDED_IN / other, file)

    @add(file, "broken", "holds another network")
    def without_copy_paths():
        state = weights(file)
        del state[next(iter(state))]
        torch.save(state, file)

    @add(file, "broken", "not weights by name")
    def a_list_of_tensors():
        torch.save(list(weights(file).values()), file)

    @add(file, "broken", "cannot be read as weights")
    def the_whole_network():
        torch.save(new_network(channels), file)

    @add(file, "broken", "cannot be read as weights")
    def cut_off():
        Path(file).write_bytes((HANDED_IN / file).read_bytes()[:100_000])

    @add(file, "broken", "MB")
    def too_large():
        torch.save(weights(file) | {"more": torch.zeros(1_000_000)}, file)

    @add(file, "broken", "unpacks to more than")
    def a_bomb():
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as parts:
            parts.writestr("archive/data/0", bytes(50_000_000))

    @add(file, "cheat", "cannot be read as weights")
    def a_pickle_that_runs():
        class Runs:
            def __reduce__(self):
                return Path.touch, (Path("it-ran"),)

        with zipfile.ZipFile(file, "w") as parts:
            parts.writestr("archive/data.pkl", pickle.dumps(Runs(), protocol=2))
            parts.writestr("archive/version", "3\n")


files("scenes.pt", "brain.pt", 3)
files("brain.pt", "scenes.pt", 1)
