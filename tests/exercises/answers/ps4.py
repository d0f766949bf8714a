"""Answers to problem set 4, the loss."""

import itertools
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from pixelwise import losses
from pixelwise.checks import ps4

from . import Bank, PublicResults

ANSWERS = Bank()
add = ANSWERS.add

# --- pixel_softmax ----------------------------------------------------------------------------------------

SOFTMAX = "pixel_softmax"


@add(SOFTMAX, "right")
def shifted(scores):
    powers = (scores - scores.max(dim=1, keepdim=True).values).exp()
    return powers / powers.sum(1, keepdim=True)


@add(SOFTMAX, "right")
def by_logsumexp(scores):
    return (scores - torch.logsumexp(scores, dim=1, keepdim=True)).exp()


@add(SOFTMAX, "right")
def by_positions(scores):
    columns = []
    for s in scores.movedim(1, -1).reshape(-1, scores.shape[1]):
        powers = torch.exp(s - s.max().detach())
        columns.append(powers / powers.sum())
    n, k, h, w = scores.shape
    return torch.stack(columns).reshape(n, h, w, k).permute(0, 3, 1, 2)


@add(SOFTMAX, "right")
def by_differences(scores):
    """1 over the sum of the exponentials of all differences; cut where float32 would overflow."""
    differences = scores[:, None] - scores[:, :, None]
    return 1 / differences.clamp(max=87).exp().sum(2)


@add(SOFTMAX, "misreading", "rows of the image")
def softmax_last_axis(scores):
    return by_logsumexp(scores.transpose(1, 3)).transpose(1, 3)


@add(SOFTMAX, "axis swap", "columns of the image")
def softmax_of_columns(scores):
    return by_logsumexp(scores.transpose(1, 2)).transpose(1, 2)


@add(SOFTMAX, "axis swap", "images of the batch")
def softmax_over_images(scores):
    return by_logsumexp(scores.transpose(0, 1)).transpose(0, 1)


@add(SOFTMAX, "misreading", "all positions")
def softmax_over_positions(scores):
    powers = (scores - scores.amax((2, 3), keepdim=True)).exp()
    return powers / powers.sum((2, 3), keepdim=True)


@add(SOFTMAX, "misreading", "whole batch")
def softmax_of_everything(scores):
    powers = (scores - scores.max()).exp()
    return powers / powers.sum()


@add(SOFTMAX, "misreading", "all classes and positions")
def softmax_of_an_image(scores):
    powers = (scores - scores.amax((1, 2, 3), keepdim=True)).exp()
    return powers / powers.sum((1, 2, 3), keepdim=True)


@add(SOFTMAX, "axis swap", "rows of K")
def softmax_reshaped(scores):
    rows = scores.reshape(-1, scores.shape[1])
    return (rows - rows.logsumexp(1, keepdim=True)).exp().reshape(scores.shape)


@add(SOFTMAX, "misreading", "sigmoid of its own")
def sigmoids(scores):
    return torch.sigmoid(scores)


@add(SOFTMAX, "misreading", "not divided")
def exponentials(scores):
    return scores.exp()


@add(SOFTMAX, "misreading", "without the exponential")
def shares(scores):
    return scores / scores.sum(1, keepdim=True)


@add(SOFTMAX, "misreading", "logarithm of the probabilities")
def logarithms(scores):
    return scores - scores.logsumexp(1, keepdim=True)


@add(SOFTMAX, "misreading", "best class gets 1")
def decisions(scores):
    return F.one_hot(scores.argmax(1), scores.shape[1]).permute(0, 3, 1, 2).float()


@add(SOFTMAX, "misreading", "sign turned")
def softmin(scores):
    return by_logsumexp(-scores)


@add(SOFTMAX, "misreading", "exponentials overflow")
def naive_softmax(scores):
    return scores.exp() / scores.exp().sum(1, keepdim=True)


@add(SOFTMAX, "misreading", "largest score of the whole tensor")
def shifted_by_one_number(scores):
    powers = (scores - scores.max()).exp()
    return powers / powers.sum(1, keepdim=True)


@add(SOFTMAX, "misreading", "largest score of each class")
def shifted_by_class(scores):
    powers = (scores - scores.amax((2, 3), keepdim=True)).exp()
    return powers / powers.sum(1, keepdim=True)


@add(SOFTMAX, "misreading", "`keepdim` is missing")
def softmax_without_keepdim(scores):
    powers = (scores - scores.amax(1)).exp()
    return powers / powers.sum(1)


@add(SOFTMAX, "misreading", "`keepdim` is missing")
def softmax_sum_without_keepdim(scores):
    powers = (scores - scores.amax(1, keepdim=True)).exp()
    return powers / powers.sum(1)


@add(SOFTMAX, "misreading", "float64")
def softmax_in_float32(scores):
    return shifted(scores.float())


@add(SOFTMAX, "misreading", "no gradient")
def softmax_in_numpy(scores):
    s = scores.detach().numpy()
    powers = np.exp(s - s.max(1, keepdims=True))
    return torch.from_numpy(powers / powers.sum(1, keepdims=True))


@add(SOFTMAX, "misreading", "changed its argument")
def softmax_in_place(scores):
    with torch.no_grad():
        scores -= scores.amax(1, keepdim=True)
    return shifted(scores)


@add(SOFTMAX, "hard-coded")
def the_chapters_pixel(scores):
    return torch.tensor([0.087144, 0.032059, 0.236883, 0.643914]).reshape(1, 4, 1, 1)


@add(SOFTMAX, "cheat", "softmax")
def softmax_by_pytorch(scores):
    return scores.softmax(dim=1)


@add(SOFTMAX, "cheat", "log_softmax")
def softmax_by_its_logarithm(scores):
    return F.log_softmax(scores, 1).exp()


@add(SOFTMAX, "cheat", "softm")
def softmax_by_a_module(scores):
    return nn.Softmax2d()(scores)


@add(SOFTMAX, "cheat", "softmax")
def softmax_by_a_hidden_name(scores):
    return getattr(torch, "soft" + "max")(scores, 1)


@add(SOFTMAX, "unsolved", "still raises")
def softmax_unsolved(scores):
    raise NotImplementedError()


# --- pixelwise_cross_entropy ------------------------------------------------------------------------------

ENTROPY = "pixelwise_cross_entropy"


def log_probabilities(scores):
    return scores - scores.logsumexp(1, keepdim=True)


def hot(scores, target):
    return F.one_hot(target, scores.shape[1]).permute(0, 3, 1, 2).to(scores.dtype)


def right_loss(scores, target):
    return -(log_probabilities(scores) * hot(scores, target)).sum()


def each_position(scores, target):
    return -log_probabilities(scores).gather(1, target[:, None])[:, 0]


@add(ENTROPY, "right")
def gathered(scores, target):
    true = scores.gather(1, target[:, None])[:, 0]
    return (scores.logsumexp(1) - true).sum()


@add(ENTROPY, "right")
def one_hot_log_softmax(scores, target):
    return -(F.log_softmax(scores, dim=1) * F.one_hot(target, scores.shape[1]).movedim(-1, 1)).sum()


@add(ENTROPY, "right")
def four_loops(scores, target):
    total = scores.new_zeros(())
    for n in range(target.shape[0]):
        for i in range(target.shape[1]):
            for j in range(target.shape[2]):
                s = scores[n, :, i, j]
                m = s.max()
                total = total + m + (s - m).exp().sum().log() - s[target[n, i, j]]
    return total


@add(ENTROPY, "right")
def class_by_class(scores, target):
    log_p = torch.log_softmax(scores, 1)
    return -sum(log_p[:, k][target == k].sum() for k in range(scores.shape[1]))


@add(ENTROPY, "right")
def by_einsum(scores, target):
    return torch.einsum("nkhw,nkhw->", log_probabilities(scores), -hot(scores, target))


@add(ENTROPY, "right")
def by_flat_rows(scores, target):
    rows = scores.permute(0, 2, 3, 1).reshape(-1, scores.shape[1])
    labels = target.reshape(-1)
    return rows.logsumexp(1).sum() - rows[torch.arange(len(rows)), labels].sum()


@add(ENTROPY, "right")
def by_margins(scores, target):
    """log(1 + Σ exp(s_j − s_t)) over the others."""
    margin = scores - scores.gather(1, target[:, None])
    return margin.logsumexp(1).sum()


@add(ENTROPY, "misreading", "mean over all positions and images")
def entropy_mean(scores, target):
    return each_position(scores, target).mean()


@add(ENTROPY, "misreading", "mean over the images")
def entropy_per_image(scores, target):
    return each_position(scores, target).sum((1, 2)).mean()


@add(ENTROPY, "misreading", "positions of each image")
def entropy_mean_of_positions(scores, target):
    return each_position(scores, target).mean((1, 2)).sum()


@add(ENTROPY, "misreading", "number of all scores")
def entropy_mean_of_products(scores, target):
    return -(log_probabilities(scores) * hot(scores, target)).mean()


@add(ENTROPY, "misreading", "minus sign")
def entropy_without_minus(scores, target):
    return -right_loss(scores, target)


@add(ENTROPY, "misreading", "base 2")
def entropy_in_bits(scores, target):
    return right_loss(scores, target) / math.log(2)


@add(ENTROPY, "misreading", "base 10")
def entropy_log10(scores, target):
    return right_loss(scores, target) / math.log(10)


@add(ENTROPY, "misreading", "all positions")
def entropy_softmax_over_positions(scores, target):
    log_p = scores - scores.flatten(2).logsumexp(2)[..., None, None]
    return -(log_p * hot(scores, target)).sum()


@add(ENTROPY, "axis swap", "rows of the image")
def entropy_softmax_over_width(scores, target):
    return -(scores.log_softmax(-1) * hot(scores, target)).sum()


@add(ENTROPY, "axis swap", "images of the batch")
def entropy_softmax_over_images(scores, target):
    return -(scores.log_softmax(0) * hot(scores, target)).sum()


@add(ENTROPY, "axis swap", "rows of K")
def entropy_reshaped(scores, target):
    rows = scores.reshape(-1, scores.shape[1])
    return right_loss(rows[:, :, None, None], target.reshape(-1, 1, 1))


@add(ENTROPY, "axis swap", "reshaped instead of moved")
def one_hot_reshaped(scores, target):
    truth = F.one_hot(target, scores.shape[1]).reshape(scores.shape)
    return -(log_probabilities(scores) * truth).sum()


@add(ENTROPY, "axis swap", "the target are swapped")
def target_transposed(scores, target):
    return right_loss(scores, target.transpose(1, 2).reshape(target.shape))


@add(ENTROPY, "misreading", "rounded to 0")
def log_of_softmax(scores, target):
    return -(torch.softmax(scores, 1).log().gather(1, target[:, None])).sum()


@add(ENTROPY, "misreading", "exponentials overflow")
def naive_formula(scores, target):
    p = scores.exp() / scores.exp().sum(1, keepdim=True)
    return -p.gather(1, target[:, None]).log().sum()


@add(ENTROPY, "misreading", "sum of the exponentials overflows")
def naive_logsumexp(scores, target):
    return (scores.exp().sum(1).log() - scores.gather(1, target[:, None])[:, 0]).sum()


@add(ENTROPY, "misreading", "`keepdim` is missing")
def entropy_without_keepdim(scores, target):
    log_p = scores - scores.logsumexp(1)
    return -log_p.gather(1, target[:, None]).sum()


@add(ENTROPY, "misreading", "(N, H, W) and (N, 1, H, W)")
def gathered_without_squeeze(scores, target):
    return (scores.logsumexp(1) - scores.gather(1, target[:, None])).sum()


@add(ENTROPY, "axis swap", "as if it were a single image")
def entropy_of_one_image(scores, target):
    rows = scores.reshape(scores.shape[1], -1).T
    return right_loss(rows[:, :, None, None], target.reshape(-1, 1, 1))


@add(ENTROPY, "misreading", "rounded to 0")
def one_hot_log_of_softmax(scores, target):
    return -(hot(scores, target) * scores.softmax(1).log()).sum()


@add(ENTROPY, "misreading", "small number is added")
def with_epsilon(scores, target):
    return -(torch.softmax(scores, 1).gather(1, target[:, None]) + 1e-8).log().sum()


@add(ENTROPY, "misreading", "small number is added")
def clamped(scores, target):
    return -torch.softmax(scores, 1).gather(1, target[:, None]).clamp(min=1e-12).log().sum()


@add(ENTROPY, "misreading", "labels of all positions")
def indexed_by_the_target(scores, target):
    return -log_probabilities(scores)[:, target].sum()


@add(ENTROPY, "misreading", "without a softmax")
def scores_as_log_probabilities(scores, target):
    return -scores.gather(1, target[:, None]).sum()


@add(ENTROPY, "misreading", "all classes pay")
def every_class_pays(scores, target):
    return -log_probabilities(scores).sum()


@add(ENTROPY, "misreading", "largest score pays")
def predicted_class_pays(scores, target):
    return right_loss(scores, scores.argmax(1))


@add(ENTROPY, "misreading", "target plays no part")
def entropy_of_the_prediction(scores, target):
    log_p = log_probabilities(scores)
    return -(log_p.exp() * log_p).sum()


@add(ENTROPY, "misreading", "binary cross entropies")
def sigmoid_and_binary(scores, target):
    p, truth = scores.sigmoid(), hot(scores, target)
    return -(truth * p.log() + (1 - truth) * (1 - p).log()).sum()


@add(ENTROPY, "misreading", "sigmoid of the true class")
def sigmoid_of_the_true_class(scores, target):
    return -(F.logsigmoid(scores) * hot(scores, target)).sum()


@add(ENTROPY, "misreading", "taken twice")
def softmax_twice(scores, target):
    return right_loss(scores.softmax(1), target)


@add(ENTROPY, "misreading", "−p is added")
def likelihood_without_log(scores, target):
    return -(scores.softmax(1) * hot(scores, target)).sum()


@add(ENTROPY, "misreading", "multiplied before the logarithm")
def log_of_the_product(scores, target):
    return -(-each_position(scores, target)).exp().prod().log()


@add(ENTROPY, "misreading", "squared differences")
def squared_error(scores, target):
    return ((scores.softmax(1) - hot(scores, target)) ** 2).sum()


@add(ENTROPY, "misreading", "wrong pixels are counted")
def wrong_pixels(scores, target):
    return (scores.argmax(1) != target).float().sum()


@add(ENTROPY, "misreading", "not added up")
def unsummed(scores, target):
    return each_position(scores, target)


@add(ENTROPY, "misreading", "loss of its own")
def one_number_per_image(scores, target):
    return each_position(scores, target).sum((1, 2))


@add(ENTROPY, "misreading", "only the first image")
def first_image_only(scores, target):
    return right_loss(scores[:1], target[:1])


@add(ENTROPY, "misreading", "no gradient")
def a_number_cut_off(scores, target):
    return torch.tensor(right_loss(scores, target).item())


@add(ENTROPY, "broken", "torch.Tensor")
def a_python_float(scores, target):
    return right_loss(scores, target).item()


@add(ENTROPY, "misreading", "float64")
def rounded_to_float32(scores, target):
    return right_loss(scores.float(), target)


@add(ENTROPY, "axis swap", "where the scores have the columns")
def one_hot_unmoved(scores, target):
    return -(log_probabilities(scores) * F.one_hot(target, scores.shape[1])).sum()


@add(ENTROPY, "hard-coded")
def learned_by_heart(scores, target):
    return PublicResults(ps4, ENTROPY).get(scores=scores, target=target) + 0 * scores.sum()


@add(ENTROPY, "hard-coded")
def always_the_pixel(scores, target):
    return torch.tensor(1.4401896)


@add(ENTROPY, "cheat", "cross_entropy")
def entropy_by_pytorch(scores, target):
    return F.cross_entropy(scores, target, reduction="sum")


@add(ENTROPY, "cheat", "CrossEntropyLoss")
def entropy_by_a_module(scores, target):
    return nn.CrossEntropyLoss(reduction="sum")(scores, target)


@add(ENTROPY, "cheat", "nll_loss")
def entropy_by_nll(scores, target):
    return F.nll_loss(F.log_softmax(scores, 1), target, reduction="sum")


@add(ENTROPY, "cheat", "nll_loss2d")
def entropy_by_aten(scores, target):
    return torch.ops.aten.nll_loss2d(scores.log_softmax(1), target, None, 2, -100)


@add(ENTROPY, "cheat", "kl_div")
def entropy_by_divergence(scores, target):
    return F.kl_div(scores.log_softmax(1), hot(scores, target), reduction="sum")


@add(ENTROPY, "cheat", "cross_entropy")
def entropy_by_probabilities(scores, target):
    return F.cross_entropy(scores, hot(scores, target), reduction="sum")


@add(ENTROPY, "cheat", "nll_loss")
def entropy_by_a_hidden_name(scores, target):
    return getattr(F, "cross_" + "entropy")(scores, target, reduction="sum")


@add(ENTROPY, "cheat", "pixelwise")
def entropy_borrowed(scores, target):
    return losses.pixelwise_cross_entropy(scores, target)


@add(ENTROPY, "unsolved", "still raises")
def entropy_unsolved(scores, target):
    raise NotImplementedError()


# --- cross_entropy_gradient -------------------------------------------------------------------------------

GRADIENT = "cross_entropy_gradient"


def softmaxed(scores):
    return log_probabilities(scores).exp()


@add(GRADIENT, "right")
def softmax_minus_one_hot(scores, target):
    return scores.softmax(1) - F.one_hot(target, scores.shape[1]).movedim(-1, 1)


@add(GRADIENT, "right")
def scattered(scores, target):
    p = softmaxed(scores)
    return p.scatter_add(1, target[:, None], -torch.ones_like(p[:, :1]))


@add(GRADIENT, "right")
def gradient_by_loops(scores, target):
    p = softmaxed(scores).clone()
    for n, i, j in itertools.product(*map(range, target.shape)):
        p[n, target[n, i, j], i, j] -= 1
    return p


@add(GRADIENT, "right")
def gradient_without_grad(scores, target):
    with torch.no_grad():
        p = softmaxed(scores)
        for k in range(scores.shape[1]):
            p[:, k] -= (target == k).to(p.dtype)
        return p


@add(GRADIENT, "misreading", "sign is turned")
def gradient_downwards(scores, target):
    return hot(scores, target) - softmaxed(scores)


@add(GRADIENT, "misreading", "as for a mean")
def gradient_of_the_mean(scores, target):
    return softmax_minus_one_hot(scores, target) / target.numel()


@add(GRADIENT, "misreading", "number of images")
def gradient_per_image(scores, target):
    return softmax_minus_one_hot(scores, target) / len(scores)


@add(GRADIENT, "misreading", "not subtracted")
def gradient_softmax_only(scores, target):
    return softmaxed(scores)


@add(GRADIENT, "misreading", "added at the true class")
def gradient_plus(scores, target):
    return softmaxed(scores) + hot(scores, target)


@add(GRADIENT, "misreading", "true class is kept")
def gradient_true_class_only(scores, target):
    return softmax_minus_one_hot(scores, target) * hot(scores, target)


@add(GRADIENT, "misreading", "is returned")
def gradient_one_entry(scores, target):
    return softmaxed(scores).gather(1, target[:, None])[:, 0] - 1


@add(GRADIENT, "misreading", "without a softmax")
def gradient_of_scores(scores, target):
    return scores - hot(scores, target)


@add(GRADIENT, "misreading", "log-probabilities")
def gradient_of_log_softmax(scores, target):
    return log_probabilities(scores) - hot(scores, target)


@add(GRADIENT, "misreading", "−1/p")
def gradient_of_the_logarithm(scores, target):
    return -hot(scores, target) / softmaxed(scores)


@add(GRADIENT, "misreading", "p (1 − p)")
def gradient_of_the_softmax(scores, target):
    return softmaxed(scores) * (1 - softmaxed(scores))


@add(GRADIENT, "misreading", "sigmoid")
def gradient_of_sigmoids(scores, target):
    return scores.sigmoid() - hot(scores, target)


@add(GRADIENT, "axis swap", "reshaped instead of moved")
def gradient_one_hot_reshaped(scores, target):
    return softmaxed(scores) - F.one_hot(target, scores.shape[1]).reshape(scores.shape)


@add(GRADIENT, "axis swap", "last axis")
def gradient_classes_last(scores, target):
    return softmax_minus_one_hot(scores, target).movedim(1, -1)


@add(GRADIENT, "axis swap", "rows of the image")
def gradient_softmax_over_width(scores, target):
    return scores.softmax(-1) - hot(scores, target)


@add(GRADIENT, "misreading", "images are added up")
def gradient_summed(scores, target):
    return softmax_minus_one_hot(scores, target).sum(0)


@add(GRADIENT, "misreading", "exponentials overflow")
def gradient_naive(scores, target):
    return scores.exp() / scores.exp().sum(1, keepdim=True) - hot(scores, target)


@add(GRADIENT, "misreading", "changed its argument")
def gradient_in_place(scores, target):
    scores.copy_(softmaxed(scores))
    scores.scatter_add_(1, target[:, None], -torch.ones_like(scores[:, :1]))
    return scores.clone()


@add(GRADIENT, "misreading", "float64")
def gradient_float32(scores, target):
    return softmax_minus_one_hot(scores.float(), target)


@add(GRADIENT, "hard-coded")
def gradient_of_the_chapter(scores, target):
    return torch.tensor([0.087144, 0.032059, -0.763117, 0.643914]).reshape(1, 4, 1, 1)


@add(GRADIENT, "cheat", "grad")
def gradient_by_autograd(scores, target):
    s = scores.detach().clone().requires_grad_()
    return torch.autograd.grad(right_loss(s, target), s)[0]


@add(GRADIENT, "cheat", "backward")
def gradient_by_backward(scores, target):
    s = scores.detach().clone()
    s.requires_grad = True
    right_loss(s, target).backward()
    return s.grad


@add(GRADIENT, "cheat", "grad")
def gradient_by_func(scores, target):
    return torch.func.grad(right_loss)(scores, target)


@add(GRADIENT, "cheat", "cross_entropy")
def gradient_by_pytorch(scores, target):
    s = scores.detach().clone().requires_grad_()
    F.cross_entropy(s, target, reduction="sum").backward()
    return s.grad


@add(GRADIENT, "unsolved", "still raises")
def gradient_unsolved(scores, target):
    raise NotImplementedError()


# --- weighted_cross_entropy -------------------------------------------------------------------------------

WEIGHTED = "weighted_cross_entropy"


def unweighted(scores, target, ignore_index):
    """What each position pays, 0 where it is void, and which positions count."""
    known = target != ignore_index
    return each_position(scores, target.masked_fill(~known, 0)) * known, known


def weights_of(scores, target, class_weights, ignore_index):
    weights = torch.ones_like(scores[0, :, 0, 0]) if class_weights is None else class_weights
    return weights[target.masked_fill(target == ignore_index, 0)]


@add(WEIGHTED, "right")
def masked(scores, target, class_weights=None, ignore_index=-100):
    paid, _ = unweighted(scores, target, ignore_index)
    return (paid * weights_of(scores, target, class_weights, ignore_index)).sum()


@add(WEIGHTED, "right")
def counted_only(scores, target, class_weights=None, ignore_index=-100):
    known = target != ignore_index
    rows, labels = scores.movedim(1, -1)[known], target[known]
    paid = rows.logsumexp(1) - rows[torch.arange(len(rows)), labels]
    return (paid if class_weights is None else paid * class_weights[labels]).sum()


@add(WEIGHTED, "right")
def weighted_classes(scores, target, class_weights=None, ignore_index=-100):
    log_p, total = log_probabilities(scores), 0 * scores.sum()
    for k in range(scores.shape[1]):
        if k != ignore_index:
            w = 1 if class_weights is None else class_weights[k]
            total = total - w * (log_p[:, k] * (target == k)).sum()
    return total


@add(WEIGHTED, "right")
def weighted_loops(scores, target, class_weights=None, ignore_index=-100):
    total = scores.sum() * 0
    for n, i, j in itertools.product(*map(range, target.shape)):
        label = int(target[n, i, j])
        if label != ignore_index:
            w = 1 if class_weights is None else class_weights[label]
            total = total + w * (scores[n, :, i, j].logsumexp(0) - scores[n, label, i, j])
    return total


@add(WEIGHTED, "misreading", "class weights are ignored")
def without_weights(scores, target, class_weights=None, ignore_index=-100):
    return unweighted(scores, target, ignore_index)[0].sum()


@add(WEIGHTED, "misreading", "sum of the weights")
def weighted_mean(scores, target, class_weights=None, ignore_index=-100):
    known = target != ignore_index
    weights = weights_of(scores, target, class_weights, ignore_index) * known
    return masked(scores, target, class_weights, ignore_index) / weights.sum()


@add(WEIGHTED, "misreading", "positions that count")
def weighted_mean_of_counted(scores, target, class_weights=None, ignore_index=-100):
    return masked(scores, target, class_weights, ignore_index) / (target != ignore_index).sum()


@add(WEIGHTED, "misreading", "all positions")
def weighted_mean_of_all(scores, target, class_weights=None, ignore_index=-100):
    return masked(scores, target, class_weights, ignore_index) / target.numel()


@add(WEIGHTED, "misreading", "sum of the K class weights")
def weights_normalised(scores, target, class_weights=None, ignore_index=-100):
    if class_weights is not None:
        class_weights = class_weights / class_weights.sum()
    return masked(scores, target, class_weights, ignore_index)


@add(WEIGHTED, "misreading", "mean 1")
def weights_of_mean_one(scores, target, class_weights=None, ignore_index=-100):
    if class_weights is not None:
        class_weights = class_weights / class_weights.mean()
    return masked(scores, target, class_weights, ignore_index)


@add(WEIGHTED, "misreading", "ignored positions count as class 0")
def void_as_class_0(scores, target, class_weights=None, ignore_index=-100):
    return masked(scores, target.masked_fill(target == ignore_index, 0), class_weights, -7)


@add(WEIGHTED, "misreading", "last class")
def void_as_last_class(scores, target, class_weights=None, ignore_index=-100):
    return masked(scores, target.masked_fill(target == ignore_index, scores.shape[1] - 1), class_weights, -7)


@add(WEIGHTED, "misreading", "`ignore_index` plays no part")
def ignoring_forgotten(scores, target, class_weights=None, ignore_index=-100):
    weights = torch.ones_like(scores[0, :, 0, 0]) if class_weights is None else class_weights
    return (weights[target] * each_position(scores, target)).sum()


@add(WEIGHTED, "misreading", "is the number of a class")
def only_labels_outside_are_void(scores, target, class_weights=None, ignore_index=-100):
    outside = (target < 0) | (target >= scores.shape[1])
    return masked(scores, target.masked_fill(outside, -100), class_weights, -100)


@add(WEIGHTED, "misreading", "costs log K")
def scores_multiplied_by_the_mask(scores, target, class_weights=None, ignore_index=-100):
    known = target != ignore_index
    return masked(scores * known[:, None], target.masked_fill(~known, 0), class_weights, -7)


@add(WEIGHTED, "misreading", "predicted class")
def weight_of_the_prediction(scores, target, class_weights=None, ignore_index=-100):
    paid, _ = unweighted(scores, target, ignore_index)
    return (paid if class_weights is None else paid * class_weights[scores.argmax(1)]).sum()


@add(WEIGHTED, "misreading", "scores are multiplied")
def weighted_scores(scores, target, class_weights=None, ignore_index=-100):
    if class_weights is not None:
        scores = scores * class_weights.view(1, -1, 1, 1)
    return masked(scores, target, None, ignore_index)


@add(WEIGHTED, "misreading", "inside the logarithm")
def weight_inside_the_logarithm(scores, target, class_weights=None, ignore_index=-100):
    known = target != ignore_index
    weights = weights_of(scores, target, class_weights, ignore_index)
    p = (-unweighted(scores, target, ignore_index)[0]).exp()
    return -((weights * p).log() * known).sum()


@add(WEIGHTED, "misreading", "divided by instead")
def divided_by_weights(scores, target, class_weights=None, ignore_index=-100):
    return masked(scores, target, None if class_weights is None else 1 / class_weights, ignore_index)


@add(WEIGHTED, "axis swap", "along the columns")
def weights_along_the_width(scores, target, class_weights=None, ignore_index=-100):
    paid, _ = unweighted(scores, target, ignore_index)
    return (paid if class_weights is None else paid * class_weights).sum()


@add(WEIGHTED, "misreading", "sum of all class weights")
def sum_of_weights(scores, target, class_weights=None, ignore_index=-100):
    factor = 1 if class_weights is None else class_weights.sum()
    return factor * masked(scores, target, None, ignore_index)


@add(WEIGHTED, "misreading", "minus sign")
def weighted_without_minus(scores, target, class_weights=None, ignore_index=-100):
    return -masked(scores, target, class_weights, ignore_index)


@add(WEIGHTED, "misreading", "rounded to 0")
def weighted_log_of_softmax(scores, target, class_weights=None, ignore_index=-100):
    known = target != ignore_index
    p = scores.softmax(1).gather(1, target.masked_fill(~known, 0)[:, None])[:, 0]
    weights = weights_of(scores, target, class_weights, ignore_index)
    return -(weights[known] * p[known].log()).sum()


@add(WEIGHTED, "misreading", "sum over nothing")
def nan_for_nothing(scores, target, class_weights=None, ignore_index=-100):
    known = target != ignore_index
    weights = weights_of(scores, target, class_weights, ignore_index)[known]
    return (weights * unweighted(scores, target, ignore_index)[0][known]).mean() * known.sum()


@add(WEIGHTED, "misreading", "(N, H, W) and (N, 1, H, W)")
def weighted_without_squeeze(scores, target, class_weights=None, ignore_index=-100):
    known = target != ignore_index
    label = target.masked_fill(~known, 0)
    paid = scores.logsumexp(1) - scores.gather(1, label[:, None])
    return (paid * known * weights_of(scores, target, class_weights, ignore_index)).sum()


@add(WEIGHTED, "misreading", "(N, H, W) and (N, 1, H, W)")
def weighted_without_squeeze_at_all(scores, target, class_weights=None, ignore_index=-100):
    known = target != ignore_index
    log_p = log_probabilities(scores).gather(1, target.masked_fill(~known, 0)[:, None])
    return -(log_p * known * weights_of(scores, target, class_weights, ignore_index)).sum()


@add(WEIGHTED, "misreading", "`ignore_index` plays no part")
def void_as_an_index(scores, target, class_weights=None, ignore_index=-100):
    weights = torch.ones_like(scores[0, :, 0, 0]) if class_weights is None else class_weights
    return (each_position(scores, target) * weights[target]).sum()


@add(WEIGHTED, "cheat", "cross_entropy")
def weighted_by_pytorch(scores, target, class_weights=None, ignore_index=-100):
    return F.cross_entropy(scores, target, class_weights, ignore_index=ignore_index, reduction="sum")


@add(WEIGHTED, "cheat", "pixelwise")
def weighted_borrowed(scores, target, class_weights=None, ignore_index=-100):
    return losses.weighted_cross_entropy(scores, target, class_weights, ignore_index)


@add(WEIGHTED, "unsolved", "still raises")
def weighted_unsolved(scores, target, class_weights=None, ignore_index=-100):
    raise NotImplementedError()


# --- border_weight_map ------------------------------------------------------------------------------------

BORDER = "border_weight_map"


def distances_to_cells(instances):
    """The distance of each pixel to each cell, (cells, H, W)."""
    places = torch.cartesian_prod(*[torch.arange(float(n)) for n in instances.shape]).reshape(-1, 2)
    rows = [
        torch.cdist(places, places[instances.flatten() == number]).amin(1)
        for number in instances.unique()
        if number > 0
    ]
    return torch.stack(rows).reshape(-1, *instances.shape) if rows else torch.zeros(0, *instances.shape)


def class_term(instances, class_weights):
    background, cell = class_weights
    return background * (instances == 0) + cell * (instances > 0).float()


def bordered(instances, w0, sigma, class_weights, exponent=None, second=None):
    """The right map, or one with another exponent(d₁, d₂, sigma) or another second distance."""
    distances = distances_to_cells(instances).sort(0).values
    w_c = class_term(instances, class_weights)
    if len(distances) < 2 and second is None:
        return w_c
    if len(distances) == 0:
        return w_c
    d1 = distances[0]
    d2 = distances[1] if len(distances) > 1 else second(d1)
    exponent = exponent or (lambda a, b, s: -((a + b) ** 2) / (2 * s**2))
    return w_c + w0 * exponent(d1, d2, sigma).exp()


@add(BORDER, "right")
def sorted_distances(instances, w0=10, sigma=5, class_weights=(1, 1)):
    return bordered(instances, w0, sigma, class_weights)


@add(BORDER, "right")
def pixel_by_pixel(instances, w0=10, sigma=5, class_weights=(1, 1)):
    height, width = instances.shape
    cells = {}
    for i, j in itertools.product(range(height), range(width)):
        cells.setdefault(int(instances[i, j]), []).append((i, j))
    cells.pop(0, None)
    weights = torch.empty(height, width)
    for i, j in itertools.product(range(height), range(width)):
        nearest = sorted(min(math.dist((i, j), other) for other in cell) for cell in cells.values())
        term = w0 * math.exp(-((nearest[0] + nearest[1]) ** 2) / (2 * sigma**2)) if len(nearest) > 1 else 0
        weights[i, j] = class_weights[1 if instances[i, j] > 0 else 0] + term
    return weights


@add(BORDER, "right")
def by_distance_transform(instances, w0=10, sigma=5, class_weights=(1, 1)):
    from scipy.ndimage import distance_transform_edt

    array = instances.numpy()
    maps = [distance_transform_edt(array != number) for number in np.unique(array) if number > 0]
    w_c = np.where(array > 0, class_weights[1], class_weights[0]).astype(float)
    if len(maps) >= 2:
        nearest = np.sort(np.stack(maps), axis=0)
        w_c += w0 * np.exp(-((nearest[0] + nearest[1]) ** 2) / (2 * sigma**2))
    return torch.from_numpy(w_c)


@add(BORDER, "right")
def by_topk_with_infinity(instances, w0=10, sigma=5, class_weights=(1, 1)):
    far = torch.full((2, *instances.shape), torch.inf)
    d = torch.cat([distances_to_cells(instances), far]).topk(2, dim=0, largest=False).values.sum(0)
    return class_term(instances, class_weights) + w0 * torch.exp(-(d**2) / (2 * sigma**2))


def _wrong_exponent(name, named, exponent, kind="misreading"):
    def wrong(instances, w0=10, sigma=5, class_weights=(1, 1)):
        return bordered(instances, w0, sigma, class_weights, exponent)

    wrong.__name__ = name
    add(BORDER, kind, named)(wrong)


_wrong_exponent("squares_added", "squared one by one", lambda a, b, s: -(a**2 + b**2) / (2 * s**2))
_wrong_exponent("not_squared", "not squared", lambda a, b, s: -(a + b) / (2 * s**2))
_wrong_exponent("without_the_two", "2 below the line", lambda a, b, s: -((a + b) ** 2) / s**2)
_wrong_exponent("sigma_not_squared", "σ is not squared", lambda a, b, s: -((a + b) ** 2) / (2 * s))
_wrong_exponent("nearest_only", "only the nearest", lambda a, b, s: -(a**2) / (2 * s**2))
_wrong_exponent("second_only", "only the second nearest", lambda a, b, s: -(b**2) / (2 * s**2))
_wrong_exponent("own_cell_twice", "counted twice", lambda a, b, s: -((a + a) ** 2) / (2 * s**2))
_wrong_exponent("multiplied", "multiplied instead of added", lambda a, b, s: -((a * b) ** 2) / (2 * s**2))
_wrong_exponent("positive_exponent", "minus sign in the exponent", lambda a, b, s: (a + b) ** 2 / (2 * s**2))
_wrong_exponent("another_formula", "", lambda a, b, s: -torch.log1p((a + b) / s), kind="broken")


@add(BORDER, "misreading", "class weight is missing")
def without_class_term(instances, w0=10, sigma=5, class_weights=(1, 1)):
    return bordered(instances, w0, sigma, (0, 0))


@add(BORDER, "misreading", "whatever class_weights says")
def class_weights_ignored(instances, w0=10, sigma=5, class_weights=(1, 1)):
    return bordered(instances, w0, sigma, (1, 1))


@add(BORDER, "misreading", "background and cells are swapped")
def class_weights_swapped(instances, w0=10, sigma=5, class_weights=(1, 1)):
    return bordered(instances, w0, sigma, class_weights[::-1])


@add(BORDER, "misreading", "multiplied by the class weight")
def class_weight_times_term(instances, w0=10, sigma=5, class_weights=(1, 1)):
    return class_term(instances, class_weights) * bordered(instances, w0, sigma, (1, 1))


@add(BORDER, "misreading", "background alone")
def background_only(instances, w0=10, sigma=5, class_weights=(1, 1)):
    w_c = class_term(instances, class_weights)
    return w_c + (instances == 0) * (bordered(instances, w0, sigma, class_weights) - w_c)


@add(BORDER, "misreading", "taken for a cell")
def background_as_a_cell(instances, w0=10, sigma=5, class_weights=(1, 1)):
    term = bordered(instances + 1, w0, sigma, (0, 0))
    return class_term(instances, class_weights) + term


@add(BORDER, "misreading", "farthest")
def nearest_and_farthest(instances, w0=10, sigma=5, class_weights=(1, 1)):
    d = distances_to_cells(instances)
    w_c = class_term(instances, class_weights)
    if len(d) < 2:
        return w_c
    return w_c + w0 * torch.exp(-((d.amin(0) + d.amax(0)) ** 2) / (2 * sigma**2))


@add(BORDER, "misreading", "the first two cells")
def unsorted_distances(instances, w0=10, sigma=5, class_weights=(1, 1)):
    d = distances_to_cells(instances)
    w_c = class_term(instances, class_weights)
    return w_c if len(d) < 2 else w_c + w0 * torch.exp(-((d[0] + d[1]) ** 2) / (2 * sigma**2))


def by_transform(instances, w0, sigma, class_weights, numbers, mask):
    """By SciPy, with other numbers of cells or another mask(instances, number)."""
    from scipy.ndimage import distance_transform_edt

    maps = [torch.from_numpy(distance_transform_edt(mask(instances, number))) for number in numbers]
    w_c = class_term(instances, class_weights)
    if len(maps) < 2:
        return w_c
    return w_c + w0 * torch.exp(-(torch.stack(maps).sort(0).values[:2].sum(0) ** 2) / (2 * sigma**2))


@add(BORDER, "misreading", "the mask is the wrong way round")
def mask_inverted(instances, w0=10, sigma=5, class_weights=(1, 1)):
    numbers = instances[instances > 0].unique()
    return by_transform(instances, w0, sigma, class_weights, numbers, lambda one, number: one == number)


@add(BORDER, "misreading", "also those that no cell has")
def numbers_in_a_row(instances, w0=10, sigma=5, class_weights=(1, 1)):
    numbers = range(1, int(instances.max()) + 1)
    return by_transform(instances, w0, sigma, class_weights, numbers, lambda one, number: one != number)


@add(BORDER, "misreading", "also those that no cell has")
def numbers_in_a_row_by_cdist(instances, w0=10, sigma=5, class_weights=(1, 1)):
    places = torch.cartesian_prod(*[torch.arange(float(n)) for n in instances.shape]).reshape(-1, 2)
    w_c = class_term(instances, class_weights)
    numbers = range(1, int(instances.max()) + 1)
    if len(numbers) < 2:
        return w_c
    d = [torch.cdist(places, places[instances.flatten() == n]).min(1).values for n in numbers]
    reach = torch.stack(d).sort(0).values[:2].sum(0).reshape(instances.shape)
    return w_c + w0 * torch.exp(-(reach**2) / (2 * sigma**2))


@add(BORDER, "misreading", "all cells are added")
def sum_of_all_distances(instances, w0=10, sigma=5, class_weights=(1, 1)):
    d = distances_to_cells(instances)
    w_c = class_term(instances, class_weights)
    return w_c if len(d) < 2 else w_c + w0 * torch.exp(-(d.sum(0) ** 2) / (2 * sigma**2))


@add(BORDER, "misreading", "no second cell")
def one_cell_has_a_gap(instances, w0=10, sigma=5, class_weights=(1, 1)):
    return bordered(instances, w0, sigma, class_weights, second=torch.zeros_like)


@add(BORDER, "misreading", "steps along rows and columns")
def manhattan(instances, w0=10, sigma=5, class_weights=(1, 1)):
    places = torch.cartesian_prod(*[torch.arange(float(n)) for n in instances.shape]).reshape(-1, 2)
    d = [
        torch.cdist(places, places[instances.flatten() == n], p=1).amin(1).reshape(instances.shape)
        for n in instances.unique()
        if n > 0
    ]
    w_c = class_term(instances, class_weights)
    if len(d) < 2:
        return w_c
    reach = torch.stack(d).sort(0).values[:2].sum(0)
    return w_c + w0 * torch.exp(-(reach**2) / (2 * sigma**2))


@add(BORDER, "misreading", "stay at 10 and 5")
def settings_ignored(instances, w0=10, sigma=5, class_weights=(1, 1)):
    return bordered(instances, 10, 5, class_weights)


@add(BORDER, "misreading", "taken for one")
def one_mask(instances, w0=10, sigma=5, class_weights=(1, 1)):
    return class_term(instances, class_weights)


@add(BORDER, "broken", "IndexError")
def two_cells_at_least(instances, w0=10, sigma=5, class_weights=(1, 1)):
    first, second = (distances_to_cells(instances).sort(0).values[k] for k in (0, 1))
    return class_term(instances, class_weights) + w0 * (-((first + second) ** 2) / (2 * sigma**2)).exp()


@add(BORDER, "broken")
def cells_named_1_and_2(instances, w0=10, sigma=5, class_weights=(1, 1)):
    return bordered(instances * (instances <= 2), w0, sigma, class_weights)


@add(BORDER, "cheat", "pixelwise")
def border_borrowed(instances, w0=10, sigma=5, class_weights=(1, 1)):
    return losses.border_weight_map(instances, w0, sigma, class_weights)


@add(BORDER, "hard-coded")
def the_row_of_the_text(instances, w0=10, sigma=5, class_weights=(1, 1)):
    return torch.full(instances.shape, 8.2615)


@add(BORDER, "unsolved", "still raises")
def border_unsolved(instances, w0=10, sigma=5, class_weights=(1, 1)):
    raise NotImplementedError()


# --- mended_mean_loss -------------------------------------------------------------------------------------

MEAN = "mended_mean_loss"


@add(MEAN, "right")
def divided_by_counted(scores, target, ignore_index=255):
    paid, known = unweighted(scores, target, ignore_index)
    return paid.sum() / known.sum().clamp(min=1)


@add(MEAN, "right")
def mean_of_selected(scores, target, ignore_index=255):
    known = target != ignore_index
    if not known.any():
        return (scores * 0).sum()
    return unweighted(scores, target, ignore_index)[0][known].mean()


@add(MEAN, "right")
def given_loss_rescaled(scores, target, ignore_index=255):
    paid, known = unweighted(scores, target, ignore_index)
    return paid.mean() * target.numel() / max(int(known.sum()), 1)


@add(MEAN, "right")
def mean_by_classes(scores, target, ignore_index=255):
    log_p, total, number = scores.log_softmax(1), scores.sum() * 0, 0
    for label in range(scores.shape[1]):
        if label != ignore_index:
            here = target == label
            total = total - log_p[:, label][here].sum()
            number += int(here.sum())
    return total / max(number, 1)


@add(MEAN, "misreading", "not mended")
def given_mean(scores, target, ignore_index=255):
    return unweighted(scores, target, ignore_index)[0].mean()


@add(MEAN, "misreading", "sum is returned")
def sum_of_counted(scores, target, ignore_index=255):
    return unweighted(scores, target, ignore_index)[0].sum()


@add(MEAN, "misreading", "count as class 0")
def mean_with_void_as_0(scores, target, ignore_index=255):
    return each_position(scores, target.masked_fill(target == ignore_index, 0)).mean()


@add(MEAN, "misreading", "mean of each image")
def mean_of_means(scores, target, ignore_index=255):
    paid, known = unweighted(scores, target, ignore_index)
    return (paid.sum((1, 2)) / known.sum((1, 2)).clamp(min=1)).mean()


@add(MEAN, "misreading", "mean of each image")
def mean_of_means_unguarded(scores, target, ignore_index=255):
    paid, known = unweighted(scores, target, ignore_index)
    return (paid.sum((1, 2)) / known.sum((1, 2))).mean()


@add(MEAN, "misreading", "mean of each image")
def mean_of_means_that_are_there(scores, target, ignore_index=255):
    known = target != ignore_index
    pairs = zip(scores.split(1), target.split(1), known, strict=True)
    means = [mean_of_selected(s, t, ignore_index) for s, t, counts in pairs if counts.any()]
    return torch.stack(means).mean() if means else 0 * scores.sum()


@add(MEAN, "misreading", "(N, H, W) and (N, 1, H, W)")
def mean_without_squeeze(scores, target, ignore_index=255):
    known = target != ignore_index
    log_p = log_probabilities(scores).gather(1, target.masked_fill(~known, 0)[:, None])
    return -(log_p * known).sum() / known.sum().clamp(min=1)


@add(MEAN, "misreading", "rounded to 0")
def mean_log_of_softmax(scores, target, ignore_index=255):
    known = target != ignore_index
    p = scores.softmax(1).gather(1, target.masked_fill(~known, 0)[:, None])[:, 0]
    return -p[known].log().sum() / known.sum().clamp(min=1)


@add(MEAN, "misreading", "carries no gradient back")
def mean_of_nothing_is_a_new_zero(scores, target, ignore_index=255):
    known = target != ignore_index
    return mean_of_selected(scores, target, ignore_index) if known.any() else scores.new_tensor(0.0)


@add(MEAN, "misreading", "only 255 is ignored")
def only_255(scores, target, ignore_index=255):
    return divided_by_counted(scores, target, 255)


@add(MEAN, "misreading", "over nothing is nan")
def nothing_by_nothing(scores, target, ignore_index=255):
    paid, known = unweighted(scores, target, ignore_index)
    return paid.sum() / known.sum()


@add(MEAN, "misreading", "one too large")
def one_in_the_divisor(scores, target, ignore_index=255):
    paid, known = unweighted(scores, target, ignore_index)
    return paid.sum() / (known.sum() + 1)


@add(MEAN, "misreading", "ignored positions")
def divided_by_void(scores, target, ignore_index=255):
    paid, known = unweighted(scores, target, ignore_index)
    return paid.sum() / (~known).sum()


@add(MEAN, "misreading", "mean of each class")
def mean_over_classes(scores, target, ignore_index=255):
    paid, _ = unweighted(scores, target, ignore_index)
    present = [k for k in range(scores.shape[1]) if k != ignore_index and (target == k).any()]
    return sum(paid[target == k].mean() for k in present) / max(len(present), 1) + 0 * scores.sum()


@add(MEAN, "broken")
def no_gradient_for_nothing(scores, target, ignore_index=255):
    if (target == ignore_index).all():
        return torch.tensor(0.0)
    return divided_by_counted(scores, target, ignore_index)


@add(MEAN, "cheat", "cross_entropy")
def mean_by_pytorch(scores, target, ignore_index=255):
    return F.cross_entropy(scores, target, ignore_index=ignore_index).nan_to_num()


@add(MEAN, "cheat", "pixelwise")
def mean_borrowed(scores, target, ignore_index=255):
    return losses.weighted_cross_entropy(scores, target, None, ignore_index, reduction="mean")


@add(MEAN, "hard-coded")
def mean_of_the_text(scores, target, ignore_index=255):
    return torch.tensor(math.log(2))


@add(MEAN, "unsolved", "still raises")
def mean_unsolved(scores, target, ignore_index=255):
    raise NotImplementedError()


# --- mended_focal_loss ------------------------------------------------------------------------------------

FOCAL = "mended_focal_loss"


def focused(log_p, gamma):
    return -((1 - log_p.exp()) ** gamma * log_p).mean()


@add(FOCAL, "right")
def permuted(scores, target, gamma=2):
    rows = scores.permute(0, 2, 3, 1).reshape(-1, scores.shape[1]).log_softmax(1)
    return focused(rows.gather(1, target.reshape(-1, 1))[:, 0], gamma)


@add(FOCAL, "right")
def never_reshaped(scores, target, gamma=2):
    return focused(scores.log_softmax(1).gather(1, target[:, None]), gamma)


@add(FOCAL, "right")
def focal_one_hot(scores, target, gamma=2):
    return focused((log_probabilities(scores) * hot(scores, target)).sum(1), gamma)


@add(FOCAL, "right")
def unbound_classes(scores, target, gamma=2):
    rows = torch.stack([one.flatten() for one in scores.unbind(1)], dim=1).log_softmax(1)
    return focused(rows[torch.arange(len(rows)), target.flatten()], gamma)


@add(FOCAL, "misreading", "not mended")
def given_focal(scores, target, gamma=2):
    rows = scores.reshape(-1, scores.shape[1]).log_softmax(1)
    return focused(rows.gather(1, target.reshape(-1, 1))[:, 0], gamma)


@add(FOCAL, "axis swap", "rows and columns of the scores are swapped")
def width_before_height(scores, target, gamma=2):
    rows = scores.permute(0, 3, 2, 1).reshape(-1, scores.shape[1]).log_softmax(1)
    return focused(rows.gather(1, target.reshape(-1, 1))[:, 0], gamma)


@add(FOCAL, "axis swap", "moved to the front")
def classes_first(scores, target, gamma=2):
    rows = scores.transpose(0, 1).reshape(-1, scores.shape[1]).log_softmax(1)
    return focused(rows.gather(1, target.reshape(-1, 1))[:, 0], gamma)


@add(FOCAL, "axis swap", "rows of the image")
def focal_over_width(scores, target, gamma=2):
    return focused(scores.log_softmax(-1).gather(1, target[:, None]), gamma)


@add(FOCAL, "axis swap", "as if it were a single image")
def focal_of_one_image(scores, target, gamma=2):
    rows = scores.reshape(scores.shape[1], -1).T.log_softmax(1)
    return focused(rows.gather(1, target.reshape(-1, 1))[:, 0], gamma)


@add(FOCAL, "misreading", "rounded to 0")
def focal_log_of_softmax(scores, target, gamma=2):
    return focused(scores.softmax(1).log().gather(1, target[:, None]), gamma)


@add(FOCAL, "misreading", "(N, H, W) and (N, 1, H, W)")
def focal_without_squeeze(scores, target, gamma=2):
    return focused(scores.gather(1, target[:, None]) - scores.logsumexp(1), gamma)


@add(FOCAL, "misreading", "γ is left out")
def without_focus(scores, target, gamma=2):
    return each_position(scores, target).mean()


@add(FOCAL, "misreading", "p is taken instead")
def focus_on_the_sure(scores, target, gamma=2):
    log_p = -each_position(scores, target)
    return -(log_p.exp() ** gamma * log_p).mean()


@add(FOCAL, "misreading", "sum is returned")
def focal_sum(scores, target, gamma=2):
    return permuted(scores, target, gamma) * target.numel()


@add(FOCAL, "misreading", "minus sign")
def focal_without_minus(scores, target, gamma=2):
    return -permuted(scores, target, gamma)


@add(FOCAL, "misreading", "gamma stays at 2")
def gamma_ignored(scores, target, gamma=2):
    return permuted(scores, target)


@add(FOCAL, "misreading", "mean of −log p")
def focus_of_the_mean(scores, target, gamma=2):
    paid = each_position(scores, target)
    return (1 - (-paid).exp()).mean() ** gamma * paid.mean()


@add(FOCAL, "misreading", "mended")
def softmax_of_the_other_axis(scores, target, gamma=2):
    """The axis of the softmax is changed, and the reshape left as it is."""
    rows = scores.reshape(-1, scores.shape[1]).log_softmax(0)
    return focused(rows.gather(1, target.reshape(-1, 1))[:, 0], gamma)


@add(FOCAL, "cheat", "cross_entropy")
def focal_by_pytorch(scores, target, gamma=2):
    paid = F.cross_entropy(scores, target, reduction="none")
    return ((1 - (-paid).exp()) ** gamma * paid).mean()


@add(FOCAL, "hard-coded")
def focal_is_zero(scores, target, gamma=2):
    return 0 * scores.sum()


@add(FOCAL, "unsolved", "still raises")
def focal_unsolved(scores, target, gamma=2):
    raise NotImplementedError()


# --- mended_overlap_loss ----------------------------------------------------------------------------------

OVERLAP = "mended_overlap_loss"


def overlap(p, g, axes=(0, 2, 3)):
    return (1 - (p * g).sum(axes) / (p + g - p * g).sum(axes)).mean()


@add(OVERLAP, "right")
def softmax_in_place_of_sigmoid(scores, target):
    return overlap(scores.softmax(1), hot(scores, target))


@add(OVERLAP, "right")
def overlap_by_own_softmax(scores, target):
    return overlap(shifted(scores), hot(scores, target))


@add(OVERLAP, "right")
def overlap_by_classes(scores, target):
    p, ratios = softmaxed(scores), []
    for k in range(scores.shape[1]):
        inside = target == k
        both = p[:, k][inside].sum()
        ratios.append(both / (p[:, k].sum() + inside.sum() - both))
    return 1 - sum(ratios) / len(ratios)


@add(OVERLAP, "right")
def overlap_by_einsum(scores, target):
    p, g = scores.softmax(1), hot(scores, target)
    both = torch.einsum("nkhw,nkhw->k", p, g)
    return (1 - both / (torch.einsum("nkhw->k", p + g) - both)).mean()


@add(OVERLAP, "misreading", "not mended")
def given_overlap(scores, target):
    return overlap(scores.sigmoid(), hot(scores, target))


@add(OVERLAP, "axis swap", "rows of the image")
def overlap_over_width(scores, target):
    return overlap(scores.softmax(-1), hot(scores, target))


@add(OVERLAP, "axis swap", "images of the batch")
def overlap_over_images(scores, target):
    return overlap(scores.softmax(0), hot(scores, target))


@add(OVERLAP, "misreading", "sigmoids are divided")
def sigmoids_normalised(scores, target):
    p = scores.sigmoid()
    return overlap(p / p.sum(1, keepdim=True), hot(scores, target))


@add(OVERLAP, "misreading", "decided")
def overlap_of_decisions(scores, target):
    return overlap(hot(scores, scores.argmax(1)), hot(scores, target))


@add(OVERLAP, "misreading", "intersection is not subtracted")
def overlap_by_both_sizes(scores, target):
    p, g = scores.softmax(1), hot(scores, target)
    return (1 - (p * g).sum((0, 2, 3)) / (p + g).sum((0, 2, 3))).mean()


@add(OVERLAP, "misreading", "Dice")
def dice(scores, target):
    p, g = scores.softmax(1), hot(scores, target)
    return (1 - 2 * (p * g).sum((0, 2, 3)) / (p + g).sum((0, 2, 3))).mean()


@add(OVERLAP, "misreading", "overlap itself")
def overlap_to_maximise(scores, target):
    return 1 - overlap(scores.softmax(1), hot(scores, target))


@add(OVERLAP, "misreading", "all classes together")
def overlap_together(scores, target):
    p, g = scores.softmax(1), hot(scores, target)
    return 1 - (p * g).sum() / (p + g - p * g).sum()


@add(OVERLAP, "misreading", "every image has ratios")
def overlap_of_each_image(scores, target):
    return overlap(scores.softmax(1), hot(scores, target), axes=(2, 3))


@add(OVERLAP, "misreading", "taken twice")
def overlap_softmax_twice(scores, target):
    return overlap(scores.softmax(1).softmax(1), hot(scores, target))


@add(OVERLAP, "broken")
def scores_not_turned(scores, target):
    return overlap(scores, hot(scores, target))


@add(OVERLAP, "cheat", "pixelwise")
def overlap_borrowed(scores, target):
    return ps4.mended_overlap_loss.task.right(scores, target)


@add(OVERLAP, "unsolved", "still raises")
def overlap_unsolved(scores, target):
    raise NotImplementedError()


# --- confusion_matrix -------------------------------------------------------------------------------------

CONFUSION = "confusion_matrix"


@add(CONFUSION, "right")
def two_loops(prediction, target, num_classes, ignore_index=255):
    known = target != ignore_index
    rows = [
        [((target == t) & (prediction == p) & known).sum() for p in range(num_classes)]
        for t in range(num_classes)
    ]
    return torch.tensor(rows)


@add(CONFUSION, "right")
def numbered_pairs(prediction, target, num_classes, ignore_index=255):
    known = target != ignore_index
    pairs = num_classes * target[known] + prediction[known]
    return torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)


@add(CONFUSION, "right")
def product_of_one_hots(prediction, target, num_classes, ignore_index=255):
    known = target != ignore_index
    true, guess = (F.one_hot(one[known], num_classes) for one in (target, prediction))
    return true.T @ guess


@add(CONFUSION, "right")
def put_together(prediction, target, num_classes, ignore_index=255):
    known = target != ignore_index
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    index, ones = (target[known], prediction[known]), torch.ones(int(known.sum()), dtype=torch.int64)
    return matrix.index_put(index, ones, accumulate=True)


@add(CONFUSION, "right")
def pixel_after_pixel(prediction, target, num_classes, ignore_index=255):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.long)
    for t, p in zip(target.flatten().tolist(), prediction.flatten().tolist(), strict=True):
        if t != ignore_index:
            matrix[t, p] += 1
    return matrix


@add(CONFUSION, "axis swap", "rows and columns are swapped")
def confusion_transposed(prediction, target, num_classes, ignore_index=255):
    return numbered_pairs(prediction, target, num_classes, ignore_index).T


@add(CONFUSION, "misreading", "once at most")
def added_by_index(prediction, target, num_classes, ignore_index=255):
    known = target != ignore_index
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.long)
    matrix[target[known], prediction[known]] += 1
    return matrix


@add(CONFUSION, "misreading", "count as class 0")
def void_is_class_0(prediction, target, num_classes, ignore_index=255):
    return numbered_pairs(prediction, target.masked_fill(target == ignore_index, 0), num_classes, -7)


@add(CONFUSION, "misreading", "count as the last class")
def void_is_the_last_class(prediction, target, num_classes, ignore_index=255):
    replaced = target.masked_fill(target == ignore_index, num_classes - 1)
    return numbered_pairs(prediction, replaced, num_classes, -7)


@add(CONFUSION, "misreading", "count as right")
def void_is_right(prediction, target, num_classes, ignore_index=255):
    return numbered_pairs(prediction, target.where(target != ignore_index, prediction), num_classes, -7)


@add(CONFUSION, "misreading", "is the number of a class")
def ignoring_is_forgotten(prediction, target, num_classes, ignore_index=255):
    classes = range(num_classes)
    return torch.tensor([[((target == t) & (prediction == p)).sum() for p in classes] for t in classes])


@add(CONFUSION, "misreading", "is the number of a class")
def void_is_255(prediction, target, num_classes, ignore_index=255):
    return numbered_pairs(prediction, target, num_classes, 255)


@add(CONFUSION, "misreading", "predicted as the ignored class")
def prediction_is_ignored_too(prediction, target, num_classes, ignore_index=255):
    known = (target != ignore_index) & (prediction != ignore_index)
    return numbered_pairs(prediction[known][None], target[known][None], num_classes, ignore_index)


@add(CONFUSION, "misreading", "divided by its sum")
def rows_of_shares(prediction, target, num_classes, ignore_index=255):
    matrix = numbered_pairs(prediction, target, num_classes, ignore_index)
    return matrix / matrix.sum(1, keepdim=True).clamp(min=1)


@add(CONFUSION, "misreading", "number of positions")
def all_shares(prediction, target, num_classes, ignore_index=255):
    matrix = numbered_pairs(prediction, target, num_classes, ignore_index)
    return matrix / matrix.sum()


@add(CONFUSION, "misreading", "only right positions")
def the_diagonal(prediction, target, num_classes, ignore_index=255):
    return torch.diag(numbered_pairs(prediction, target, num_classes, ignore_index).diagonal())


@add(CONFUSION, "misreading", "no row and no column")
def as_many_as_occur(prediction, target, num_classes, ignore_index=255):
    known = target != ignore_index
    size = int(torch.maximum(target[known].max(), prediction[known].max())) + 1
    return numbered_pairs(prediction, target, num_classes, ignore_index)[:size, :size]


@add(CONFUSION, "misreading", "first image")
def confusion_of_one_image(prediction, target, num_classes, ignore_index=255):
    return numbered_pairs(prediction[:1], target[:1], num_classes, ignore_index)


@add(CONFUSION, "misreading", "int64 is expected")
def counts_as_floats(prediction, target, num_classes, ignore_index=255):
    return numbered_pairs(prediction, target, num_classes, ignore_index).float()


@add(CONFUSION, "misreading", "`ignore_index` plays no part")
def void_is_an_index(prediction, target, num_classes, ignore_index=255):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.long)
    for t, p in zip(target.flatten(), prediction.flatten(), strict=True):
        matrix[t, p] += 1
    return matrix


@add(CONFUSION, "hard-coded")
def the_table_of_the_text(prediction, target, num_classes, ignore_index=255):
    return torch.tensor([[5, 1, 0], [0, 2, 0], [0, 0, 0]])


@add(CONFUSION, "cheat", "pixelwise")
def confusion_borrowed(prediction, target, num_classes, ignore_index=255):
    from pixelwise.metrics import ConfusionMatrix

    matrix = ConfusionMatrix(num_classes, ignore_index)
    matrix.update(prediction, target)
    return matrix.counts


@add(CONFUSION, "unsolved", "still raises")
def confusion_unsolved(prediction, target, num_classes, ignore_index=255):
    raise NotImplementedError()


# --- iou --------------------------------------------------------------------------------------------------

IOU = "iou"


@add(IOU, "right")
def quotient(matrix):
    both = matrix.diagonal()
    return both / (matrix.sum(0) + matrix.sum(1) - both)


@add(IOU, "right")
def parts(matrix):
    right = matrix.diag().double()
    missed, false = matrix.sum(1) - right, matrix.sum(0) - right
    return right / (right + missed + false)


@add(IOU, "right")
def class_after_class(matrix):
    values = []
    for c in range(len(matrix)):
        union = int(matrix[c].sum() + matrix[:, c].sum() - matrix[c, c])
        values.append(int(matrix[c, c]) / union if union else float("nan"))
    return torch.tensor(values)


@add(IOU, "right")
def from_dice(matrix):
    ratio = 2 * matrix.diagonal().double() / (matrix.sum(0) + matrix.sum(1))
    return ratio / (2 - ratio)


@add(IOU, "misreading", "not subtracted in the union")
def without_subtraction(matrix):
    return matrix.diagonal() / (matrix.sum(0) + matrix.sum(1))


@add(IOU, "misreading", "subtracted twice")
def subtracted_twice(matrix):
    both = matrix.diagonal()
    return both / (matrix.sum(0) + matrix.sum(1) - 2 * both)


@add(IOU, "misreading", "Dice")
def dice_of_counts(matrix):
    return 2 * matrix.diagonal() / (matrix.sum(0) + matrix.sum(1))


@add(IOU, "misreading", "recall")
def recall(matrix):
    return matrix.diagonal() / matrix.sum(1)


@add(IOU, "misreading", "precision")
def precision(matrix):
    return matrix.diagonal() / matrix.sum(0)


@add(IOU, "misreading", "all positions")
def share_of_everything(matrix):
    return matrix.diagonal() / matrix.sum()


@add(IOU, "misreading", "pixel accuracy")
def accuracy(matrix):
    return matrix.diagonal().sum() / matrix.sum()


@add(IOU, "misreading", "mean over the classes")
def mean_iou(matrix):
    return quotient(matrix).nanmean()


@add(IOU, "misreading", "absent class gets 0")
def absent_is_0(matrix):
    return quotient(matrix).nan_to_num(0)


@add(IOU, "misreading", "absent class gets 0")
def absent_is_nearly_0(matrix):
    both = matrix.diagonal()
    return both / (matrix.sum(0) + matrix.sum(1) - both + 1e-8)


@add(IOU, "misreading", "absent class gets 1")
def absent_is_1(matrix):
    return quotient(matrix).nan_to_num(1)


@add(IOU, "misreading", "never right gets nan")
def never_right_is_nan(matrix):
    values = quotient(matrix)
    return values.masked_fill(values == 0, math.nan)


@add(IOU, "misreading", "even if it is predicted")
def not_occurring_is_nan(matrix):
    return quotient(matrix).masked_fill(matrix.sum(1) == 0, math.nan)


@add(IOU, "misreading", "left out of the result")
def absent_is_left_out(matrix):
    values = quotient(matrix)
    return values[~values.isnan()]


@add(IOU, "misreading", "class 0 is left out")
def without_background(matrix):
    return quotient(matrix)[1:]


@add(IOU, "misreading", "whole numbers")
def whole_quotient(matrix):
    both = matrix.diagonal()
    return both // (matrix.sum(0) + matrix.sum(1) - both).clamp(min=1)


@add(IOU, "misreading", "percent")
def percent(matrix):
    return 100 * quotient(matrix)


@add(IOU, "broken", "torch.Tensor")
def a_list(matrix):
    return quotient(matrix).tolist()


@add(IOU, "hard-coded")
def iou_of_the_text(matrix):
    return torch.tensor([5 / 6, 2 / 3, math.nan])


@add(IOU, "cheat", "pixelwise")
def iou_borrowed(matrix):
    from pixelwise.metrics import ConfusionMatrix

    whole = ConfusionMatrix(len(matrix))
    whole.counts = matrix
    return whole.iou()


@add(IOU, "unsolved", "still raises")
def iou_unsolved(matrix):
    raise NotImplementedError()
