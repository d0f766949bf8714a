"""Answers to problem set 2, transposed convolution."""

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from pixelwise.checks import ps2

from . import Bank, PublicResults

ANSWERS = Bank()
add = ANSWERS.add

# --- transposed_output_size -------------------------------------------------------------------------------

SIZE = "transposed_output_size"


@add(SIZE, "right")
def formula(n, kernel, stride=1, padding=0, output_padding=0):
    return (n - 1) * stride - 2 * padding + (kernel - 1) + output_padding + 1


@add(SIZE, "right")
def counted(n, kernel, stride=1, padding=0, output_padding=0):
    return (
        len(range(padding, max(i * stride + u for i in range(n) for u in range(kernel)) + 1 - padding))
        + output_padding
    )


@add(SIZE, "right")
def inverted(n, kernel, stride=1, padding=0, output_padding=0):
    """The smallest size that a convolution shrinks to n, and output padding more."""
    size = 0
    while (size + 2 * padding - kernel) // stride + 1 != n or size + 2 * padding < kernel:
        size += 1
    return size + output_padding


@add(SIZE, "right")
def numpy_integer(n, kernel, stride=1, padding=0, output_padding=0):
    return np.int64((n - 1) * stride + kernel - 2 * padding + output_padding)


@add(SIZE, "misreading", "ordinary convolution")
def of_a_convolution(n, kernel, stride=1, padding=0, output_padding=0):
    return (n + 2 * padding - kernel) // stride + 1


@add(SIZE, "misreading", "larger")
def padding_added(n, kernel, stride=1, padding=0, output_padding=0):
    return (n - 1) * stride + kernel + 2 * padding + output_padding


@add(SIZE, "misreading", "one side")
def padding_once(n, kernel, stride=1, padding=0, output_padding=0):
    return (n - 1) * stride + kernel - padding + output_padding


@add(SIZE, "misreading", "n · stride")
def times_stride(n, kernel, stride=1, padding=0, output_padding=0):
    return n * stride


@add(SIZE, "off by one", "n steps")
def n_steps(n, kernel, stride=1, padding=0, output_padding=0):
    return n * stride + kernel - 2 * padding + output_padding


@add(SIZE, "off by one", "after the last")
def zeros_after_last(n, kernel, stride=1, padding=0, output_padding=0):
    return n * stride + kernel - 1 - 2 * padding + output_padding


@add(SIZE, "off by one", "too many")
def one_too_many(n, kernel, stride=1, padding=0, output_padding=0):
    return (n - 1) * stride + kernel - 2 * padding + output_padding + 1


@add(SIZE, "misreading", "output padding is ignored")
def no_output_padding(n, kernel, stride=1, padding=0, output_padding=0):
    return (n - 1) * stride + kernel - 2 * padding


@add(SIZE, "misreading", "both sides")
def output_padding_twice(n, kernel, stride=1, padding=0, output_padding=0):
    return (n - 1) * stride + kernel - 2 * padding + 2 * output_padding


@add(SIZE, "misreading", "stride is ignored")
def without_stride(n, kernel, stride=1, padding=0, output_padding=0):
    return n - 1 + kernel - 2 * padding + output_padding


@add(SIZE, "misreading", "one element wide")
def without_kernel(n, kernel, stride=1, padding=0, output_padding=0):
    return (n - 1) * stride + 1 - 2 * padding + output_padding


@add(SIZE, "broken", "whole number")
def a_float(n, kernel, stride=1, padding=0, output_padding=0):
    return 2 * ((n - 1) * stride + kernel - 2 * padding + output_padding) / 2


@add(SIZE, "broken", "nothing")
def prints(n, kernel, stride=1, padding=0, output_padding=0):
    (n - 1) * stride + kernel - 2 * padding + output_padding


@add(SIZE, "hard-coded")
def the_lecture_only(n, kernel, stride=1, padding=0, output_padding=0):
    return {(4, 3, 1, 0): 6, (4, 3, 1, 1): 4, (4, 3, 2, 0): 9}.get((n, kernel, stride, padding), 0)


@add(SIZE, "cheat", "conv_transpose1d")
def asked_pytorch(n, kernel, stride=1, padding=0, output_padding=0):
    x, w = torch.zeros(1, 1, n), torch.zeros(1, 1, kernel)
    return F.conv_transpose1d(x, w, stride=stride, padding=padding, output_padding=output_padding).shape[2]


@add(SIZE, "unsolved", "still raises")
def size_unsolved(n, kernel, stride=1, padding=0, output_padding=0):
    raise NotImplementedError()


# --- conv_transpose2d_single ------------------------------------------------------------------------------

SINGLE = "conv_transpose2d_single"


def full_single(x, weight, stride):
    """The right result before cropping."""
    (h, w), (kh, kw) = x.shape, weight.shape
    y = x.new_zeros((h - 1) * stride + kh, (w - 1) * stride + kw)
    for i in range(h):
        for j in range(w):
            y[i * stride : i * stride + kh, j * stride : j * stride + kw] += x[i, j] * weight
    return y


@add(SINGLE, "right")
def single_loops(x, weight, stride=1, padding=0):
    y = full_single(x, weight, stride)
    return y[padding : y.shape[0] - padding, padding : y.shape[1] - padding]


@add(SINGLE, "right")
def single_elements(x, weight, stride=1, padding=0):
    """Four loops over Python numbers, skipping what is cropped."""
    (h, w), (kh, kw) = x.shape, weight.shape
    rows, columns = (h - 1) * stride + kh - 2 * padding, (w - 1) * stride + kw - 2 * padding
    y = [[0.0] * columns for _ in range(rows)]
    xs, ws = x.tolist(), weight.tolist()
    for i in range(h):
        for j in range(w):
            for u in range(kh):
                for v in range(kw):
                    r, c = i * stride + u - padding, j * stride + v - padding
                    if 0 <= r < rows and 0 <= c < columns:
                        y[r][c] += xs[i][j] * ws[u][v]
    return torch.tensor(y, dtype=x.dtype)


@add(SINGLE, "right")
def single_kernel_positions(x, weight, stride=1, padding=0):
    (h, w), (kh, kw) = x.shape, weight.shape
    y = x.new_zeros((h - 1) * stride + kh, (w - 1) * stride + kw)
    for u in range(kh):
        for v in range(kw):
            y[u : u + (h - 1) * stride + 1 : stride, v : v + (w - 1) * stride + 1 : stride] += (
                weight[u, v] * x
            )
    return F.pad(y, (-padding,) * 4)


@add(SINGLE, "right")
def single_zero_insertion(x, weight, stride=1, padding=0):
    (h, w), (kh, kw) = x.shape, weight.shape
    spread = x.new_zeros((h - 1) * stride + 1, (w - 1) * stride + 1)
    spread[::stride, ::stride] = x
    spread = F.pad(spread, (kw - 1, kw - 1, kh - 1, kh - 1))
    windows = spread.unfold(0, kh, 1).unfold(1, kw, 1)
    y = (windows * weight.flip(0, 1)).sum((2, 3))
    return y[padding : y.shape[0] - padding, padding : y.shape[1] - padding]


@add(SINGLE, "right")
def single_fft(x, weight, stride=1, padding=0):
    (h, w), (kh, kw) = x.shape, weight.shape
    spread = x.new_zeros((h - 1) * stride + 1, (w - 1) * stride + 1)
    spread[::stride, ::stride] = x
    size = spread.shape[0] + kh - 1, spread.shape[1] + kw - 1
    y = torch.fft.irfft2(torch.fft.rfft2(spread, s=size) * torch.fft.rfft2(weight, s=size), s=size)
    return y[padding : size[0] - padding, padding : size[1] - padding]


@add(SINGLE, "right")
def single_numpy(x, weight, stride=1, padding=0):
    (h, w), (kh, kw) = x.shape, weight.shape
    y = np.zeros(((h - 1) * stride + kh, (w - 1) * stride + kw), dtype=x.numpy().dtype)
    for i, j in np.ndindex(h, w):
        y[i * stride : i * stride + kh, j * stride : j * stride + kw] += x.numpy()[i, j] * weight.numpy()
    return torch.from_numpy(y[padding : y.shape[0] - padding, padding : y.shape[1] - padding])


@add(SINGLE, "misreading", "overwrite each other")
def single_overwrites(x, weight, stride=1, padding=0):
    (h, w), (kh, kw) = x.shape, weight.shape
    y = x.new_zeros((h - 1) * stride + kh, (w - 1) * stride + kw)
    for i in range(h):
        for j in range(w):
            y[i * stride : i * stride + kh, j * stride : j * stride + kw] = x[i, j] * weight
    return y[padding : y.shape[0] - padding, padding : y.shape[1] - padding]


@add(SINGLE, "misreading", "flipped")
def single_flipped(x, weight, stride=1, padding=0):
    return single_loops(x, weight.flip(0, 1), stride, padding)


@add(SINGLE, "misreading", "adds zeros")
def single_pads(x, weight, stride=1, padding=0):
    return F.pad(full_single(x, weight, stride), (padding,) * 4)


@add(SINGLE, "misreading", "padding is ignored")
def single_no_padding(x, weight, stride=1, padding=0):
    return full_single(x, weight, stride)


@add(SINGLE, "misreading", "top and the left")
def single_crops_top_left(x, weight, stride=1, padding=0):
    return full_single(x, weight, stride)[padding:, padding:]


@add(SINGLE, "off by one", "is empty")
def single_empty(x, weight, stride=1, padding=0):
    return full_single(x, weight, stride)[padding:-padding, padding:-padding]


@add(SINGLE, "misreading", "stride is ignored")
def single_no_stride(x, weight, stride=1, padding=0):
    return single_loops(x, weight, 1, padding)


@add(SINGLE, "misreading", "but not for the places")
def single_places_without_stride(x, weight, stride=1, padding=0):
    (h, w), (kh, kw) = x.shape, weight.shape
    y = x.new_zeros((h - 1) * stride + kh, (w - 1) * stride + kw)
    for i in range(h):
        for j in range(w):
            y[i : i + kh, j : j + kw] += x[i, j] * weight
    return y[padding : y.shape[0] - padding, padding : y.shape[1] - padding]


@add(SINGLE, "off by one", "one stride too large")
def single_n_steps(x, weight, stride=1, padding=0):
    (h, w), (kh, kw) = x.shape, weight.shape
    y = x.new_zeros(h * stride + kh, w * stride + kw)
    for i in range(h):
        for j in range(w):
            y[i * stride : i * stride + kh, j * stride : j * stride + kw] += x[i, j] * weight
    return y[padding : y.shape[0] - padding, padding : y.shape[1] - padding]


@add(SINGLE, "axis swap", "rows and columns of the output")
def single_output_transposed(x, weight, stride=1, padding=0):
    return single_loops(x, weight, stride, padding).T


@add(SINGLE, "misreading", "a convolution is computed")
def single_gathers(x, weight, stride=1, padding=0):
    (h, w), (kh, kw) = x.shape, weight.shape
    padded = F.pad(x, (padding,) * 4)
    rows, columns = (h + 2 * padding - kh) // stride + 1, (w + 2 * padding - kw) // stride + 1
    y = x.new_zeros(max(rows, 0), max(columns, 0))
    for r in range(rows):
        for c in range(columns):
            y[r, c] = (padded[r * stride : r * stride + kh, c * stride : c * stride + kw] * weight).sum()
    return y


@add(SINGLE, "axis swap", "where a copy is written")
def single_writes_at_j_i(x, weight, stride=1, padding=0):
    (h, w), (kh, kw) = x.shape, weight.shape
    y = x.new_zeros((h - 1) * stride + kh, (w - 1) * stride + kw)
    for i in range(h):
        for j in range(w):
            y[j * stride : j * stride + kh, i * stride : i * stride + kw] += x[i, j] * weight
    return crop(y, padding)


@add(SINGLE, "off by one", "last row of the input is left out")
def single_without_last_row(x, weight, stride=1, padding=0):
    (h, w), (kh, kw) = x.shape, weight.shape
    y = x.new_zeros((h - 1) * stride + kh, (w - 1) * stride + kw)
    for i in range(h - 1):
        for j in range(w):
            y[i * stride : i * stride + kh, j * stride : j * stride + kw] += x[i, j] * weight
    return crop(y, padding)


@add(SINGLE, "misreading", "The call also changes its argument `weight`")
def single_changes_weight(x, weight, stride=1, padding=0):
    (h, w), (kh, kw) = x.shape, weight.shape
    y = x.new_zeros((h - 1) * stride + kh, (w - 1) * stride + kw)
    for i in range(h):
        for j in range(w):
            weight *= x[i, j]
            y[i * stride : i * stride + kh, j * stride : j * stride + kw] += weight
    return crop(y, padding)


@add(SINGLE, "off by one", "ends 2 · padding before the end")
def single_crops_end_twice(x, weight, stride=1, padding=0):
    y = full_single(x, weight, stride)
    return y[padding : y.shape[0] - 2 * padding, padding : y.shape[1] - 2 * padding]


@add(SINGLE, "misreading", "float32")
def single_float32(x, weight, stride=1, padding=0):
    y = torch.zeros(*full_single(x, weight, stride).shape)
    y += full_single(x, weight, stride)
    return y[padding : y.shape[0] - padding, padding : y.shape[1] - padding]


@add(SINGLE, "cheat", "conv_transpose2d")
def single_pytorch(x, weight, stride=1, padding=0):
    return F.conv_transpose2d(x[None, None], weight[None, None], stride=stride, padding=padding)[0, 0]


@add(SINGLE, "hard-coded")
def single_the_lecture(x, weight, stride=1, padding=0):
    y = torch.tensor([[1.0, 2, 0, -2, -1, 0], [1, 6, 5, 1, 0, -1], [-2, 4, 3, 6, 5, -1]])
    return torch.cat([y, torch.tensor([[1.0, 4, -2, 0, 0, 3], [2, 3, 7, 2, -4, 2], [0, 1, 3, 4, 3, -2]])])


@add(SINGLE, "unsolved", "still raises")
def single_unsolved(x, weight, stride=1, padding=0):
    raise NotImplementedError()


# --- conv_transpose2d -------------------------------------------------------------------------------------

FULL = "conv_transpose2d"


def full(x, weight, stride):
    """The right result without bias and before cropping."""
    (n, _, h, w), (_, c, kh, kw) = x.shape, weight.shape
    y = x.new_zeros(n, c, (h - 1) * stride + kh, (w - 1) * stride + kw)
    for i in range(h):
        for j in range(w):
            copies = torch.einsum("nc,couv->nouv", x[:, :, i, j], weight)
            y[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw] += copies
    return y


def crop(y, padding):
    return y[..., padding : y.shape[-2] - padding, padding : y.shape[-1] - padding]


def biased(y, bias):
    return y if bias is None else y + bias.view(1, -1, 1, 1)


@add(FULL, "right")
def input_positions(x, weight, bias=None, stride=1, padding=0):
    return biased(crop(full(x, weight, stride), padding), bias)


@add(FULL, "right")
def seven_loops(x, weight, bias=None, stride=1, padding=0):
    (n, ci, h, w), (_, co, kh, kw) = x.shape, weight.shape
    y = torch.zeros(n, co, (h - 1) * stride + kh, (w - 1) * stride + kw, dtype=x.dtype, device=x.device)
    for b in range(n):
        for o in range(co):
            for c in range(ci):
                for i in range(h):
                    for j in range(w):
                        y[b, o, i * stride : i * stride + kh, j * stride : j * stride + kw] += (
                            x[b, c, i, j] * weight[c, o]
                        )
            if bias is not None:
                y[b, o] += bias[o]
    return crop(y, padding)


@add(FULL, "right")
def kernel_positions(x, weight, bias=None, stride=1, padding=0):
    (n, _, h, w), (_, c, kh, kw) = x.shape, weight.shape
    y = x.new_zeros(n, c, (h - 1) * stride + kh, (w - 1) * stride + kw)
    for u in range(kh):
        for v in range(kw):
            part = torch.einsum("nchw,co->nohw", x, weight[:, :, u, v])
            y[:, :, u : u + (h - 1) * stride + 1 : stride, v : v + (w - 1) * stride + 1 : stride] += part
    return biased(crop(y, padding), bias)


@add(FULL, "right")
def fold(x, weight, bias=None, stride=1, padding=0):
    size = [(n - 1) * stride + k - 2 * padding for n, k in zip(x.shape[2:], weight.shape[2:], strict=True)]
    copies = weight.flatten(1).T @ x.flatten(2)
    return biased(F.fold(copies, size, weight.shape[2:], stride=stride, padding=padding), bias)


@add(FULL, "right")
def zero_insertion(x, weight, bias=None, stride=1, padding=0):
    (n, c, h, w), (_, _, kh, kw) = x.shape, weight.shape
    spread = x.new_zeros(n, c, (h - 1) * stride + 1, (w - 1) * stride + 1)
    spread[:, :, ::stride, ::stride] = x
    windows = F.pad(spread, (kw - 1, kw - 1, kh - 1, kh - 1)).unfold(2, kh, 1).unfold(3, kw, 1)
    return biased(crop(torch.einsum("nchwuv,couv->nohw", windows, weight.flip(2, 3)), padding), bias)


@add(FULL, "right")
def fft(x, weight, bias=None, stride=1, padding=0):
    (n, c, h, w), (_, _, kh, kw) = x.shape, weight.shape
    spread = x.new_zeros(n, c, (h - 1) * stride + 1, (w - 1) * stride + 1)
    spread[:, :, ::stride, ::stride] = x
    size = spread.shape[2] + kh - 1, spread.shape[3] + kw - 1
    product = torch.einsum(
        "nchw,cohw->nohw", torch.fft.rfft2(spread, s=size), torch.fft.rfft2(weight, s=size)
    )
    return biased(crop(torch.fft.irfft2(product, s=size), padding), bias)


@add(FULL, "right")
def strided_windows(x, weight, bias=None, stride=1, padding=0):
    """Writes through a view of all windows, one kernel position of every window at a time."""
    (n, _, h, w), (_, c, kh, kw) = x.shape, weight.shape
    rows, columns = (h - 1) * stride + kh, (w - 1) * stride + kw
    y = x.new_zeros(n, c, rows, columns)
    shape = (n, c, kh, kw, h, w)
    steps = (c * rows * columns, rows * columns, columns, 1, stride * columns, stride)
    copies = torch.einsum("nchw,couv->nouvhw", x, weight)
    for u in range(kh):
        for v in range(kw):
            torch.as_strided(y, shape[:2] + shape[4:], steps[:2] + steps[4:], u * columns + v).add_(
                copies[:, :, u, v]
            )
    return biased(crop(y, padding), bias)


@add(FULL, "right")
def gradient_of_unfold(x, weight, bias=None, stride=1, padding=0):
    """The gradient of a convolution that is made of unfold and a matrix product."""
    size = [(n - 1) * stride + k - 2 * padding for n, k in zip(x.shape[2:], weight.shape[2:], strict=True)]

    def convolution(image):
        return weight.flatten(1) @ F.unfold(image, weight.shape[2:], stride=stride, padding=padding)

    image = x.new_zeros(len(x), weight.shape[1], *size)
    _, pullback = torch.func.vjp(convolution, image)
    return biased(pullback(x.flatten(2))[0], bias)


@add(FULL, "right")
def scatter(x, weight, bias=None, stride=1, padding=0):
    (n, _, h, w), (_, c, kh, kw) = x.shape, weight.shape
    rows, columns = (h - 1) * stride + kh, (w - 1) * stride + kw
    r = torch.arange(h, device=x.device)[:, None] * stride + torch.arange(kh, device=x.device)
    s = torch.arange(w, device=x.device)[:, None] * stride + torch.arange(kw, device=x.device)
    place = (r[:, None, :, None] * columns + s[None, :, None, :]).flatten()
    copies = torch.einsum("nchw,couv->nohwuv", x, weight).reshape(n, c, -1)
    y = x.new_zeros(n, c, rows * columns).index_add(2, place, copies)
    return biased(crop(y.view(n, c, rows, columns), padding), bias)


def overwriting(x, weight, bias, stride, padding):
    (n, _, h, w), (_, c, kh, kw) = x.shape, weight.shape
    y = x.new_zeros(n, c, (h - 1) * stride + kh, (w - 1) * stride + kw)
    for i in range(h):
        for j in range(w):
            copies = torch.einsum("nc,couv->nouv", x[:, :, i, j], weight)
            y[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw] = copies
    return y


@add(FULL, "misreading", "overwrite each other")
def overwrites(x, weight, bias=None, stride=1, padding=0):
    return biased(crop(overwriting(x, weight, bias, stride, padding), padding), bias)


@add(FULL, "misreading", "overwrite each other")
def overwrites_by_kernel_position(x, weight, bias=None, stride=1, padding=0):
    (n, _, h, w), (_, c, kh, kw) = x.shape, weight.shape
    y = x.new_zeros(n, c, (h - 1) * stride + kh, (w - 1) * stride + kw)
    for u in range(kh):
        for v in range(kw):
            part = torch.einsum("nchw,co->nohw", x, weight[:, :, u, v])
            y[:, :, u : u + (h - 1) * stride + 1 : stride, v : v + (w - 1) * stride + 1 : stride] = part
    return biased(crop(y, padding), bias)


@add(FULL, "misreading", "overwrite each other")
def overwrites_channels_too(x, weight, bias=None, stride=1, padding=0):
    (n, ci, h, w), (_, co, kh, kw) = x.shape, weight.shape
    y = x.new_zeros(n, co, (h - 1) * stride + kh, (w - 1) * stride + kw)
    for c in range(ci):
        for o in range(co):
            for i in range(h):
                for j in range(w):
                    copy = x[:, c, i, j, None, None] * weight[c, o]
                    y[:, o, i * stride : i * stride + kh, j * stride : j * stride + kw] = copy
    return biased(crop(y, padding), bias)


@add(FULL, "misreading", "averaged")
def averages(x, weight, bias=None, stride=1, padding=0):
    count = full(torch.ones_like(x[:1, :1]), torch.ones_like(weight[:1, :1]), stride)
    return biased(crop(full(x, weight, stride) / count.clamp(min=1), padding), bias)


@add(FULL, "misreading", "flipped")
def zero_insertion_without_flip(x, weight, bias=None, stride=1, padding=0):
    return zero_insertion(x, weight.flip(2, 3), bias, stride, padding)


@add(FULL, "misreading", "adds zeros")
def pads_output(x, weight, bias=None, stride=1, padding=0):
    return biased(F.pad(full(x, weight, stride), (padding,) * 4), bias)


@add(FULL, "misreading", "surrounds the input")
def pads_input(x, weight, bias=None, stride=1, padding=0):
    return biased(full(F.pad(x, (padding,) * 4), weight, stride), bias)


@add(FULL, "misreading", "padding is ignored")
def no_padding(x, weight, bias=None, stride=1, padding=0):
    return biased(full(x, weight, stride), bias)


@add(FULL, "misreading", "top and the left")
def crops_top_left(x, weight, bias=None, stride=1, padding=0):
    return biased(full(x, weight, stride)[:, :, padding:, padding:], bias)


@add(FULL, "misreading", "from the end")
def crops_end(x, weight, bias=None, stride=1, padding=0):
    y = full(x, weight, stride)
    return biased(y[:, :, : y.shape[2] - 2 * padding, : y.shape[3] - 2 * padding], bias)


@add(FULL, "off by one", "is empty")
def crops_to_nothing(x, weight, bias=None, stride=1, padding=0):
    return biased(full(x, weight, stride)[:, :, padding:-padding, padding:-padding], bias)


@add(FULL, "misreading", "stride is ignored")
def no_stride(x, weight, bias=None, stride=1, padding=0):
    return biased(crop(full(x, weight, 1), padding), bias)


@add(FULL, "misreading", "elements of the input")
def stride_in_input(x, weight, bias=None, stride=1, padding=0):
    return biased(crop(full(x[:, :, ::stride, ::stride], weight, 1), padding), bias)


@add(FULL, "misreading", "elements of the output")
def stride_in_output(x, weight, bias=None, stride=1, padding=0):
    return biased(crop(full(x, weight, 1), padding)[:, :, ::stride, ::stride], bias)


@add(FULL, "misreading", "repeated")
def nearest_then_kernel(x, weight, bias=None, stride=1, padding=0):
    x = x.repeat_interleave(stride, 2).repeat_interleave(stride, 3)
    return biased(crop(full(x, weight, 1), padding), bias)


@add(FULL, "off by one", "after the last")
def zeros_at_the_end(x, weight, bias=None, stride=1, padding=0):
    n, c, h, w = x.shape
    spread = x.new_zeros(n, c, h * stride, w * stride)
    spread[:, :, ::stride, ::stride] = x
    return biased(crop(full(spread, weight, 1), padding), bias)


@add(FULL, "off by one", "one stride too large")
def one_step_too_many(x, weight, bias=None, stride=1, padding=0):
    return biased(crop(F.pad(full(x, weight, stride), (0, stride, 0, stride)), padding), bias)


@add(FULL, "axis swap", "(C_out, C_in)")
def channels_swapped(x, weight, bias=None, stride=1, padding=0):
    return input_positions(x, weight.transpose(0, 1), bias, stride, padding)


@add(FULL, "axis swap", "rows and columns of the kernel")
def kernel_transposed(x, weight, bias=None, stride=1, padding=0):
    return input_positions(x, weight.mT, bias, stride, padding)


@add(FULL, "misreading", "first input channel")
def first_channel_only(x, weight, bias=None, stride=1, padding=0):
    return input_positions(x[:, :1], weight[:1], bias, stride, padding)


@add(FULL, "misreading", "averaged")
def channel_mean(x, weight, bias=None, stride=1, padding=0):
    return biased(crop(full(x, weight, stride) / x.shape[1], padding), bias)


@add(FULL, "misreading", "bias is ignored")
def bias_forgotten(x, weight, bias=None, stride=1, padding=0):
    return crop(full(x, weight, stride), padding)


@add(FULL, "misreading", "every copy of the kernel")
def bias_each_time(x, weight, bias=None, stride=1, padding=0):
    (n, _, h, w), (_, c, kh, kw) = x.shape, weight.shape
    y = x.new_zeros(n, c, (h - 1) * stride + kh, (w - 1) * stride + kw)
    for i in range(h):
        for j in range(w):
            copies = biased(torch.einsum("nc,couv->nouv", x[:, :, i, j], weight), bias)
            y[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw] += copies
    return crop(y, padding)


@add(FULL, "axis swap", "along the columns")
def bias_on_columns(x, weight, bias=None, stride=1, padding=0):
    y = crop(full(x, weight, stride), padding)
    return y if bias is None else y + bias


@add(FULL, "misreading", "first image")
def first_image_only(x, weight, bias=None, stride=1, padding=0):
    return input_positions(x[:1], weight, bias, stride, padding)


@add(FULL, "misreading", "a convolution is computed")
def gathers(x, weight, bias=None, stride=1, padding=0):
    (n, _, h, w), (_, c, kh, kw) = x.shape, weight.shape
    windows = F.unfold(x, (kh, kw), stride=stride, padding=padding)
    rows, columns = (h + 2 * padding - kh) // stride + 1, (w + 2 * padding - kw) // stride + 1
    return biased((weight.transpose(0, 1).flatten(1) @ windows).view(n, c, rows, columns), bias)


@add(FULL, "misreading", "float32")
def float32_only(x, weight, bias=None, stride=1, padding=0):
    return input_positions(x.float(), weight.float(), None if bias is None else bias.float(), stride, padding)


@add(FULL, "misreading", "changes its argument `bias` in place")
def changes_bias(x, weight, bias=None, stride=1, padding=0):
    y = crop(full(x, weight, stride), padding)
    if bias is not None:
        y = y + bias.mul_(1.0).view(1, -1, 1, 1)
        bias -= 1
    return y


@add(FULL, "misreading", "no gradient")
def detached(x, weight, bias=None, stride=1, padding=0):
    return input_positions(x.detach(), weight, bias, stride, padding)


@add(FULL, "misreading", "no gradient")
def through_numpy(x, weight, bias=None, stride=1, padding=0):
    x, weight = torch.from_numpy(x.detach().numpy()), torch.from_numpy(weight.detach().numpy())
    return input_positions(x, weight, bias, stride, padding)


@add(FULL, "misreading", "device")
def on_the_cpu(x, weight, bias=None, stride=1, padding=0):
    (n, _, h, w), (_, c, kh, kw) = x.shape, weight.shape
    y = torch.zeros(n, c, (h - 1) * stride + kh, (w - 1) * stride + kw, dtype=x.dtype)
    for u in range(kh):
        for v in range(kw):
            part = torch.einsum("nchw,co->nohw", x, weight[:, :, u, v])
            y[:, :, u : u + (h - 1) * stride + 1 : stride, v : v + (w - 1) * stride + 1 : stride] += part
    return biased(crop(y, padding), bias)


@add(FULL, "misreading", "kernel is flipped (turned by 180°)")
def two_mistakes(x, weight, bias=None, stride=1, padding=0):
    return bias_each_time(x, weight.flip(2, 3), bias, stride, padding)


@add(FULL, "misreading", "overwrite each other and")
def two_others(x, weight, bias=None, stride=1, padding=0):
    return biased(overwriting(x, weight, bias, stride, padding)[:, :, padding:, padding:], bias)


@add(FULL, "broken", "RuntimeError")
def raises(x, weight, bias=None, stride=1, padding=0):
    y = torch.zeros(len(x), weight.shape[0], *x.shape[2:])
    y[:, :, :] += weight
    return y


@add(FULL, "hard-coded")
def right_shape(x, weight, bias=None, stride=1, padding=0):
    return torch.zeros_like(crop(full(x, weight, stride), padding))


known = PublicResults(ps2, FULL)


@add(FULL, "hard-coded")
def learned_by_heart(x, weight, bias=None, stride=1, padding=0):
    return known.get(x=x, weight=weight, bias=bias, stride=stride, padding=padding)


@add(FULL, "cheat", "conv_transpose2d")
def functional(x, weight, bias=None, stride=1, padding=0):
    return F.conv_transpose2d(x, weight, bias, stride, padding)


@add(FULL, "cheat", "ConvTranspose2d")
def module(x, weight, bias=None, stride=1, padding=0):
    layer = nn.ConvTranspose2d(*weight.shape[:2], weight.shape[2:], stride, padding, bias=bias is not None)
    layer.weight.data = weight
    return layer(x)


@add(FULL, "cheat", "convolution")
def aten(x, weight, bias=None, stride=1, padding=0):
    return torch.ops.aten.convolution(x, weight, bias, [stride] * 2, [padding] * 2, [1, 1], True, [0, 0], 1)


@add(FULL, "cheat", "conv2d_input")
def gradient_by_torch(x, weight, bias=None, stride=1, padding=0):
    size = [(n - 1) * stride + k - 2 * padding for n, k in zip(x.shape[2:], weight.shape[2:], strict=True)]
    shape = (len(x), weight.shape[1], *size)
    return biased(nn.grad.conv2d_input(shape, weight, x, stride=stride, padding=padding), bias)


def helper(image, weight, stride, padding):
    return getattr(F, "conv" + "2d")(image, weight, stride=stride, padding=padding)


@add(FULL, "cheat", "aten::convolution")
def hidden_name(x, weight, bias=None, stride=1, padding=0):
    size = [(n - 1) * stride + k - 2 * padding for n, k in zip(x.shape[2:], weight.shape[2:], strict=True)]
    image = x.new_zeros(len(x), weight.shape[1], *size)
    _, pullback = torch.func.vjp(lambda image: helper(image, weight, stride, padding), image)
    return biased(pullback(x)[0], bias)


@add(FULL, "cheat", "pixelwise")
def borrowed(x, weight, bias=None, stride=1, padding=0):
    return ps2.conv_transpose2d_overlaps.task.right(x, weight, bias, stride, padding)


@add(FULL, "unsolved", "still raises")
def full_unsolved(x, weight, bias=None, stride=1, padding=0):
    raise NotImplementedError()


# --- convolution_matrix -----------------------------------------------------------------------------------

MATRIX = "convolution_matrix"


@add(MATRIX, "right")
def four_loops(weight, height, width, stride=1, padding=0):
    kh, kw = weight.shape
    rows, columns = (height + 2 * padding - kh) // stride + 1, (width + 2 * padding - kw) // stride + 1
    m = torch.zeros(rows * columns, height * width, dtype=weight.dtype)
    for r in range(rows):
        for c in range(columns):
            for u in range(kh):
                for v in range(kw):
                    i, j = r * stride + u - padding, c * stride + v - padding
                    if 0 <= i < height and 0 <= j < width:
                        m[r * columns + c, i * width + j] = weight[u, v]
    return m


@add(MATRIX, "right")
def padded_rows(weight, height, width, stride=1, padding=0):
    """Lays the kernel on an empty padded image, crops, flattens."""
    kh, kw = weight.shape
    rows = []
    for top in range(0, height + 2 * padding - kh + 1, stride):
        for left in range(0, width + 2 * padding - kw + 1, stride):
            image = weight.new_zeros(height + 2 * padding, width + 2 * padding)
            image[top : top + kh, left : left + kw] = weight
            rows.append(image[padding : padding + height, padding : padding + width].flatten())
    return torch.stack(rows)


@add(MATRIX, "right")
def unfolded_basis(weight, height, width, stride=1, padding=0):
    basis = torch.eye(height * width, dtype=weight.dtype).view(-1, 1, height, width)
    return (weight.flatten() @ F.unfold(basis, weight.shape, stride=stride, padding=padding)).T


@add(MATRIX, "right")
def jacobian(weight, height, width, stride=1, padding=0):
    def convolution(image):
        windows = F.unfold(image.view(1, 1, height, width), weight.shape, stride=stride, padding=padding)
        return (weight.flatten() @ windows)[0]

    return torch.autograd.functional.jacobian(convolution, weight.new_zeros(height * width))


@add(MATRIX, "misreading", "transposed")
def matrix_transposed(weight, height, width, stride=1, padding=0):
    return padded_rows(weight, height, width, stride, padding).T


@add(MATRIX, "misreading", "flipped")
def matrix_flipped(weight, height, width, stride=1, padding=0):
    return padded_rows(weight.flip(0, 1), height, width, stride, padding)


@add(MATRIX, "misreading", "padding is ignored")
def matrix_unpadded(weight, height, width, stride=1, padding=0):
    return padded_rows(weight, height, width, stride)


@add(MATRIX, "misreading", "columns for the padding")
def matrix_with_padding_columns(weight, height, width, stride=1, padding=0):
    return padded_rows(weight, height + 2 * padding, width + 2 * padding, stride)


@add(MATRIX, "misreading", "stride is ignored")
def matrix_without_stride(weight, height, width, stride=1, padding=0):
    return padded_rows(weight, height, width, 1, padding)


@add(MATRIX, "axis swap", "column by column")
def matrix_by_columns(weight, height, width, stride=1, padding=0):
    kh, kw = weight.shape
    rows = []
    for left in range(0, width + 2 * padding - kw + 1, stride):
        for top in range(0, height + 2 * padding - kh + 1, stride):
            image = weight.new_zeros(height + 2 * padding, width + 2 * padding)
            image[top : top + kh, left : left + kw] = weight
            rows.append(image[padding : padding + height, padding : padding + width].T.flatten())
    return torch.stack(rows)


@add(MATRIX, "axis swap", "height and width are swapped")
def matrix_height_for_width(weight, height, width, stride=1, padding=0):
    return padded_rows(weight, width, height, stride, padding)


@add(MATRIX, "misreading", "without a gap")
def matrix_without_gaps(weight, height, width, stride=1, padding=0):
    kh, kw = weight.shape
    rows, columns = (height - kh) // stride + 1, (width - kw) // stride + 1
    m = weight.new_zeros(rows * columns, height * width)
    for r in range(rows):
        for c in range(columns):
            start = r * stride * width + c * stride
            m[r * columns + c, start : start + kh * kw] = weight.flatten()
    return m


@add(MATRIX, "misreading", "right edge")
def matrix_over_the_edge(weight, height, width, stride=1, padding=0):
    kh, kw = weight.shape
    length = (kh - 1) * width + kw
    row = weight.new_zeros(kh, width)
    row[:, :kw] = weight
    row = row.flatten()[:length]
    m = weight.new_zeros((height * width - length) // stride + 1, height * width)
    for r in range(len(m)):
        m[r, r * stride : r * stride + length] = row
    return m


@add(MATRIX, "off by one", "last row of the matrix")
def matrix_missing_row(weight, height, width, stride=1, padding=0):
    return padded_rows(weight, height, width, stride, padding)[:-1]


@add(MATRIX, "off by one", "incomplete step is counted")
def matrix_rounded_up(weight, height, width, stride=1, padding=0):
    kh, kw = weight.shape
    rows = math.ceil((height + 2 * padding - kh) / stride) + 1
    columns = math.ceil((width + 2 * padding - kw) / stride) + 1
    return scattered(
        weight, height, width, stride, padding, rows, columns, lambda i, j: within(i, j, height, width)
    )


@add(MATRIX, "axis swap", "number i · height + j")
def matrix_counts_by_height(weight, height, width, stride=1, padding=0):
    def number(i, j):
        return None if within(i, j, height, width) is None else i * height + j

    return scattered(weight, height, width, stride, padding, None, None, number)


@add(MATRIX, "misreading", "wrap around")
def matrix_wraps(weight, height, width, stride=1, padding=0):
    return scattered(
        weight, height, width, stride, padding, None, None, lambda i, j: i % height * width + j % width
    )


@add(MATRIX, "misreading", "but not for the places")
def matrix_rows_without_stride(weight, height, width, stride=1, padding=0):
    rows = (height + 2 * padding - weight.shape[0]) // stride + 1
    columns = (width + 2 * padding - weight.shape[1]) // stride + 1
    return scattered(
        weight, height, width, 1, padding, rows, columns, lambda i, j: within(i, j, height, width)
    )


def within(i, j, height, width):
    return i * width + j if 0 <= i < height and 0 <= j < width else None


def scattered(weight, height, width, stride, padding, rows, columns, number):
    """Four loops; what is read at (i, j) goes to column `number(i, j)`."""
    kh, kw = weight.shape
    rows = rows or (height + 2 * padding - kh) // stride + 1
    columns = columns or (width + 2 * padding - kw) // stride + 1
    m = weight.new_zeros(rows * columns, height * width)
    for r in range(rows):
        for c in range(columns):
            for u in range(kh):
                for v in range(kw):
                    column = number(r * stride + u - padding, c * stride + v - padding)
                    if column is not None:
                        m[r * columns + c, column] = weight[u, v]
    return m


def placed(weight, height, width, stride, padding, column):
    """Four loops; `column(i, j)` is where a weight goes, None: nowhere."""
    (kh, kw), p = weight.shape, padding
    rows, columns = (height + 2 * p - kh) // stride + 1, (width + 2 * p - kw) // stride + 1
    m = weight.new_zeros(rows * columns, height * width)
    for r in range(rows):
        for c in range(columns):
            for u in range(kh):
                for v in range(kw):
                    to = column(r * stride + u, c * stride + v)
                    if to is not None:
                        m[r * columns + c, to] = weight[u, v]
    return m


@add(MATRIX, "misreading", "nothing asks whether")
def no_guard(weight, height, width, stride=1, padding=0):
    return placed(weight, height, width, stride, padding, lambda i, j: (i - padding) * width + j - padding)


@add(MATRIX, "misreading", "goes to the neighbouring row")
def flat_guard(weight, height, width, stride=1, padding=0):
    def column(i, j):
        to = (i - padding) * width + j - padding
        return to if 0 <= to < height * width else None

    return placed(weight, height, width, stride, padding, column)


@add(MATRIX, "misreading", "start of the padding")
def padding_not_subtracted(weight, height, width, stride=1, padding=0):
    def column(i, j):
        return i * width + j if i < height and j < width else None

    return placed(weight, height, width, stride, padding, column)


@add(MATRIX, "misreading", "nothing asks whether")
def padding_not_subtracted_no_guard(weight, height, width, stride=1, padding=0):
    return placed(weight, height, width, stride, padding, lambda i, j: i * width + j)


@add(MATRIX, "axis swap", "number r · rows + c")
def outputs_numbered_by_rows(weight, height, width, stride=1, padding=0):
    kh, kw = weight.shape
    rows, columns = (height + 2 * padding - kh) // stride + 1, (width + 2 * padding - kw) // stride + 1
    m = weight.new_zeros(rows * columns, height * width)
    for r in range(rows):
        for c in range(columns):
            for u in range(kh):
                for v in range(kw):
                    i, j = r * stride + u - padding, c * stride + v - padding
                    if 0 <= i < height and 0 <= j < width:
                        m[r * rows + c, i * width + j] = weight[u, v]
    return m


@add(MATRIX, "misreading", "float32")
def matrix_float32(weight, height, width, stride=1, padding=0):
    return padded_rows(weight.float(), height, width, stride, padding)


@add(MATRIX, "cheat", "conv2d")
def matrix_by_pytorch(weight, height, width, stride=1, padding=0):
    basis = torch.eye(height * width, dtype=weight.dtype).view(-1, 1, height, width)
    return torch.conv2d(basis, weight[None, None], stride=stride, padding=padding).flatten(1).T


@add(MATRIX, "hard-coded")
def matrix_of_the_text(weight, height, width, stride=1, padding=0):
    return torch.tensor([[1.0, 2, 0], [0, 1, 2]])


@add(MATRIX, "unsolved", "still raises")
def matrix_unsolved(weight, height, width, stride=1, padding=0):
    raise NotImplementedError()


# --- conv_transpose2d_by_matrix ---------------------------------------------------------------------------

BY_MATRIX = "conv_transpose2d_by_matrix"


def sizes(x, weight, stride, padding):
    return [(n - 1) * stride + k - 2 * padding for n, k in zip(x.shape, weight.shape, strict=True)]


@add(BY_MATRIX, "right")
def transpose(x, weight, stride=1, padding=0):
    height, width = sizes(x, weight, stride, padding)
    return (padded_rows(weight, height, width, stride, padding).T @ x.flatten()).view(height, width)


@add(BY_MATRIX, "right")
def from_the_left(x, weight, stride=1, padding=0):
    height, width = sizes(x, weight, stride, padding)
    return (x.reshape(1, -1) @ four_loops(weight, height, width, stride, padding)).reshape(height, width)


@add(BY_MATRIX, "right")
def by_einsum(x, weight, stride=1, padding=0):
    height, width = sizes(x, weight, stride, padding)
    matrix = unfolded_basis(weight, height, width, stride, padding).reshape(*x.shape, height, width)
    return torch.einsum("ijhw,ij->hw", matrix, x)


@add(BY_MATRIX, "right")
def sparse(x, weight, stride=1, padding=0):
    height, width = sizes(x, weight, stride, padding)
    matrix = padded_rows(weight, height, width, stride, padding).T.to_sparse()
    return torch.sparse.mm(matrix, x.reshape(-1, 1)).reshape(height, width)


@add(BY_MATRIX, "misreading", "M is multiplied, not its transpose")
def by_matrix_not_transposed(x, weight, stride=1, padding=0):
    height, width = sizes(x, weight, stride, padding)
    return (padded_rows(weight, height, width, stride, padding) @ x.flatten()).view(height, width)


@add(BY_MATRIX, "misreading", "inverted")
def inverse(x, weight, stride=1, padding=0):
    height, width = sizes(x, weight, stride, padding)
    return (torch.linalg.pinv(padded_rows(weight, height, width, stride, padding)) @ x.flatten()).view(
        height, width
    )


@add(BY_MATRIX, "misreading", "flipped")
def by_matrix_flipped(x, weight, stride=1, padding=0):
    return transpose(x, weight.flip(0, 1), stride, padding)


@add(BY_MATRIX, "axis swap", "height and width of the result")
def reshaped_the_other_way(x, weight, stride=1, padding=0):
    return transpose(x, weight, stride, padding).reshape(*reversed(sizes(x, weight, stride, padding)))


@add(BY_MATRIX, "misreading", "flat")
def left_flat(x, weight, stride=1, padding=0):
    return transpose(x, weight, stride, padding).flatten()


@add(BY_MATRIX, "misreading", "padding is ignored")
def by_matrix_unpadded(x, weight, stride=1, padding=0):
    return transpose(x, weight, stride)


@add(BY_MATRIX, "misreading", "stride is ignored")
def by_matrix_without_stride(x, weight, stride=1, padding=0):
    return transpose(x, weight, 1, padding)


@add(BY_MATRIX, "misreading", "rows and columns of the kernel")
def by_matrix_kernel_swapped(x, weight, stride=1, padding=0):
    return transpose(x, weight.T, stride, padding)


@add(BY_MATRIX, "misreading", "but not for both")
def by_matrix_padding_forgotten(x, weight, stride=1, padding=0):
    height, width = sizes(x, weight, stride, padding)
    return (padded_rows(weight, height, width, stride).T @ x.flatten()).view(height, width)


@add(BY_MATRIX, "misreading", "but not for both")
def by_matrix_size_without_padding(x, weight, stride=1, padding=0):
    height, width = sizes(x, weight, stride, 0)
    return (padded_rows(weight, height, width, stride, padding).T @ x.flatten()).view(height, width)


@add(BY_MATRIX, "axis swap", "x is flattened column by column")
def by_matrix_flattened_columns(x, weight, stride=1, padding=0):
    height, width = sizes(x, weight, stride, padding)
    return (padded_rows(weight, height, width, stride, padding).T @ x.T.flatten()).view(height, width)


@add(BY_MATRIX, "broken", "Your result has the shape")
def by_matrix_of_another_size(x, weight, stride=1, padding=0):
    """Its shape is that of a convolution; its numbers are not."""
    rows, columns = ((n + 2 * padding - k) // stride + 1 for n, k in zip(x.shape, weight.shape, strict=True))
    return x.new_full((max(rows, 0), max(columns, 0)), 7.0)


def conv_transpose2d_single(x, weight, stride=1, padding=0):
    return single_loops(x, weight, stride, padding)


@add(BY_MATRIX, "cheat", "`conv_transpose2d_single`")
def by_task_2(x, weight, stride=1, padding=0):
    return conv_transpose2d_single(x, weight, stride, padding)


@add(BY_MATRIX, "misreading", "built for the small image")
def matrix_of_the_small_image(x, weight, stride=1, padding=0):
    height, width = sizes(x, weight, stride, padding)
    return (padded_rows(weight, *x.shape, stride, padding).T @ x.flatten()).view(height, width)


@add(BY_MATRIX, "cheat", "conv_transpose2d")
def by_pytorch(x, weight, stride=1, padding=0):
    return single_pytorch(x, weight, stride, padding)


@add(BY_MATRIX, "unsolved", "still raises")
def by_matrix_unsolved(x, weight, stride=1, padding=0):
    raise NotImplementedError()


# --- bilinear_kernel --------------------------------------------------------------------------------------

BILINEAR = "bilinear_kernel"


def tent(factor):
    size = 2 * factor - factor % 2
    return torch.tensor([1 - abs(u - (size - 1) / 2) / factor for u in range(size)])


@add(BILINEAR, "right")
def product(factor):
    return torch.outer(tent(factor), tent(factor))


@add(BILINEAR, "right")
def fully_convolutional(factor):
    """As in the code that came with fully convolutional networks."""
    size = 2 * factor - factor % 2
    centre = factor - 1 if size % 2 == 1 else factor - 0.5
    og = np.ogrid[:size, :size]
    return torch.from_numpy((1 - abs(og[0] - centre) / factor) * (1 - abs(og[1] - centre) / factor)).float()


@add(BILINEAR, "right")
def two_loops(factor):
    size = 2 * factor - factor % 2
    kernel = torch.zeros(size, size)
    for u in range(size):
        for v in range(size):
            kernel[u, v] = tent(factor)[u] * tent(factor)[v]
    return kernel


@add(BILINEAR, "right")
def minima(factor):
    size = 2 * factor - factor % 2
    up = torch.arange(1, size + 1) - 0.5 * (1 - size % 2)
    side = torch.minimum(up, up.flip(0)) / factor
    return side[:, None] @ side[None]


@add(BILINEAR, "misreading", "nearest")
def nearest(factor):
    return torch.ones(factor, factor)


@add(BILINEAR, "misreading", "sum to 1")
def normalised(factor):
    return product(factor) / product(factor).sum()


@add(BILINEAR, "misreading", "one axis only")
def one_axis(factor):
    return tent(factor)


@add(BILINEAR, "misreading", "added instead")
def added(factor):
    return tent(factor)[:, None] + tent(factor)


@add(BILINEAR, "off by one", "summit is 1")
def always_odd(factor):
    size = 2 * factor - 1
    side = 1 - (torch.arange(size) - (factor - 1)).abs() / factor
    return side[:, None] * side


@add(BILINEAR, "off by one", "2 · factor wide")
def always_even(factor):
    side = 1 - (torch.arange(2 * factor) - (factor - 0.5)).abs() / factor
    return side[:, None] * side


@add(BILINEAR, "off by one", "half an element")
def wrong_middle(factor):
    size = 2 * factor - factor % 2
    side = 1 - (torch.arange(size) - size / 2).abs() / factor
    return (side[:, None] * side).clamp(min=0)


@add(BILINEAR, "misreading", "not divided")
def not_divided(factor):
    side = factor * tent(factor)
    return side[:, None] * side


def by_distance(factor, distance, divisor):
    size = 2 * factor - factor % 2
    tent = 1 - distance(torch.arange(size) - (size - 1) / 2) / divisor(size)
    return tent[:, None] * tent


@add(BILINEAR, "misreading", "divided by the kernel's size")
def divided_by_size(factor):
    return by_distance(factor, torch.abs, lambda size: size)


@add(BILINEAR, "misreading", "keeps its sign")
def without_abs(factor):
    return by_distance(factor, torch.clone, lambda size: factor)


@add(BILINEAR, "off by one", "border of zeros")
def with_zeros(factor):
    return F.pad(product(factor), (1, 1, 1, 1))


@add(BILINEAR, "misreading", "numpy")
def an_array(factor):
    return product(factor).numpy()


@add(BILINEAR, "misreading", "float64")
def double(factor):
    return product(factor).double()


@add(BILINEAR, "hard-coded")
def table(factor):
    return torch.outer(
        *[torch.tensor({1: [1.0], 2: [0.25, 0.75, 0.75, 0.25], 3: [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]}[factor])]
        * 2
    )


@add(BILINEAR, "broken")
def gaussian(factor):
    side = torch.exp(-(torch.linspace(-2, 2, 2 * factor - factor % 2) ** 2) / math.pi)
    return side[:, None] * side


@add(BILINEAR, "unsolved", "still raises")
def bilinear_unsolved(factor):
    raise NotImplementedError()
