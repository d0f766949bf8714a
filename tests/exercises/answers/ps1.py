"""Answers to problem set 1, convolution."""

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from pixelwise.checks import ps1

from . import Bank, PublicResults

ANSWERS = Bank()
add = ANSWERS.add

# --- output_size ------------------------------------------------------------------------------------------

SIZE = "output_size"


@add(SIZE, "right")
def formula(n, kernel, stride=1, padding=0):
    return (n + 2 * padding - kernel + stride) // stride


@add(SIZE, "right")
def counted(n, kernel, stride=1, padding=0):
    return len(range(0, n + 2 * padding - kernel + 1, stride))


@add(SIZE, "right")
def walked(n, kernel, stride=1, padding=0):
    size, start = 0, -padding
    while start + kernel <= n + padding:
        size, start = size + 1, start + stride
    return size


@add(SIZE, "right")
def floored(n, kernel, stride=1, padding=0):
    return math.floor((n + 2 * padding - kernel) / stride + 1)


@add(SIZE, "right")
def numpy_integer(n, kernel, stride=1, padding=0):
    return np.int64((n + 2 * padding - kernel) // stride + 1)


@add(SIZE, "off by one", "rounded up")
def rounded_up(n, kernel, stride=1, padding=0):
    return math.ceil((n + 2 * padding - kernel) / stride) + 1


@add(SIZE, "misreading", "nearest whole number")
def rounded(n, kernel, stride=1, padding=0):
    return round((n + 2 * padding - kernel) / stride) + 1


@add(SIZE, "off by one", "first place")
def without_first(n, kernel, stride=1, padding=0):
    return (n + 2 * padding - kernel) // stride


@add(SIZE, "misreading", "parentheses")
def without_parentheses(n, kernel, stride=1, padding=0):
    return n + 2 * padding - kernel // stride + 1


@add(SIZE, "off by one", "the 1 is added before stride divides")
def one_inside(n, kernel, stride=1, padding=0):
    return (n + 2 * padding - kernel + 1) // stride


@add(SIZE, "misreading", "one side")
def padding_once(n, kernel, stride=1, padding=0):
    return (n + padding - kernel) // stride + 1


@add(SIZE, "misreading", "padding is ignored")
def size_without_padding(n, kernel, stride=1, padding=0):
    return (n - kernel) // stride + 1


@add(SIZE, "misreading", "padding is subtracted")
def padding_subtracted(n, kernel, stride=1, padding=0):
    return (n - 2 * padding - kernel) // stride + 1


@add(SIZE, "misreading", "stride is ignored")
def size_without_stride(n, kernel, stride=1, padding=0):
    return n + 2 * padding - kernel + 1


@add(SIZE, "misreading", "before the kernel is taken off")
def divided_first(n, kernel, stride=1, padding=0):
    return (n + 2 * padding) // stride - kernel + 1


@add(SIZE, "misreading", "whatever the kernel")
def divided(n, kernel, stride=1, padding=0):
    return n // stride


@add(SIZE, "misreading", "transposed convolution")
def size_of_the_transpose(n, kernel, stride=1, padding=0):
    return (n - 1) * stride + kernel - 2 * padding


@add(SIZE, "misreading", "half of the kernel")
def half_kernel(n, kernel, stride=1, padding=0):
    return (n + 2 * padding - kernel // 2) // stride + 1


@add(SIZE, "broken", "whole number")
def a_float(n, kernel, stride=1, padding=0):
    return (n + 2 * padding - kernel) / stride + 1


@add(SIZE, "broken", "nothing")
def prints(n, kernel, stride=1, padding=0):
    (n + 2 * padding - kernel) // stride + 1


@add(SIZE, "hard-coded")
def the_lecture_only(n, kernel, stride=1, padding=0):
    return {(4, 3, 1, 1): 4, (4, 3, 2, 1): 2, (5, 2, 2, 0): 2}.get((n, kernel, stride, padding), 570)


@add(SIZE, "cheat", "conv1d")
def asked_pytorch(n, kernel, stride=1, padding=0):
    return F.conv1d(torch.zeros(1, 1, n), torch.zeros(1, 1, kernel), stride=stride, padding=padding).shape[2]


@add(SIZE, "unsolved", "still raises")
def size_unsolved(n, kernel, stride=1, padding=0):
    raise NotImplementedError()


# --- conv2d_single ----------------------------------------------------------------------------------------

SINGLE = "conv2d_single"


def sizes(x, weight, stride, padding):
    shapes = zip(x.shape[-2:], weight.shape[-2:], strict=True)
    return [(n + 2 * padding - k) // stride + 1 for n, k in shapes]


def gathered(x, weight, stride, combine):
    """`combine(window)` for every window of x."""
    (kh, kw), (rows, columns) = weight.shape, sizes(x, weight, stride, 0)
    y = x.new_zeros(rows, columns)
    for i in range(rows):
        for j in range(columns):
            y[i, j] = combine(x[i * stride : i * stride + kh, j * stride : j * stride + kw])
    return y


@add(SINGLE, "right")
def single_loops(x, weight, stride=1, padding=0):
    return gathered(F.pad(x, (padding,) * 4), weight, stride, lambda window: (window * weight).sum())


@add(SINGLE, "right")
def single_elements(x, weight, stride=1, padding=0):
    """Four loops over Python numbers, without padding the input."""
    (h, w), (kh, kw) = x.shape, weight.shape
    rows, columns = sizes(x, weight, stride, padding)
    xs, ws = x.tolist(), weight.tolist()
    y = [[0.0] * columns for _ in range(rows)]
    for i in range(rows):
        for j in range(columns):
            for u in range(kh):
                for v in range(kw):
                    r, c = i * stride + u - padding, j * stride + v - padding
                    if 0 <= r < h and 0 <= c < w:
                        y[i][j] += xs[r][c] * ws[u][v]
    return torch.tensor(y, dtype=x.dtype)


@add(SINGLE, "right")
def single_kernel_positions(x, weight, stride=1, padding=0):
    x, (rows, columns) = F.pad(x, (padding,) * 4), sizes(x, weight, stride, padding)
    y = x.new_zeros(rows, columns)
    for u in range(weight.shape[0]):
        for v in range(weight.shape[1]):
            y += weight[u, v] * x[u : u + rows * stride : stride, v : v + columns * stride : stride]
    return y


@add(SINGLE, "right")
def single_unfold(x, weight, stride=1, padding=0):
    windows = F.pad(x, (padding,) * 4).unfold(0, weight.shape[0], stride).unfold(1, weight.shape[1], stride)
    return (windows * weight).sum((2, 3))


@add(SINGLE, "right")
def single_fft(x, weight, stride=1, padding=0):
    """The whole convolution with the turned kernel, of which the middle is kept."""
    x, (kh, kw) = F.pad(x, (padding,) * 4), weight.shape
    size = x.shape[0] + kh - 1, x.shape[1] + kw - 1
    y = torch.fft.irfft2(torch.fft.rfft2(x, s=size) * torch.fft.rfft2(weight.flip(0, 1), s=size), s=size)
    return y[kh - 1 : x.shape[0] : stride, kw - 1 : x.shape[1] : stride]


@add(SINGLE, "right")
def single_numpy(x, weight, stride=1, padding=0):
    padded, kernel = np.pad(x.numpy(), padding), weight.numpy()
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)[::stride, ::stride]
    return torch.from_numpy(np.einsum("ijuv,uv->ij", windows, kernel))


@add(SINGLE, "misreading", "flipped")
def single_flipped(x, weight, stride=1, padding=0):
    return single_loops(x, weight.flip(0, 1), stride, padding)


@add(SINGLE, "axis swap", "rows and columns of the kernel")
def single_kernel_transposed(x, weight, stride=1, padding=0):
    return single_loops(x, weight.T, stride, padding)


@add(SINGLE, "axis swap", "rows and columns of the output")
def single_output_transposed(x, weight, stride=1, padding=0):
    return single_loops(x, weight, stride, padding).T


@add(SINGLE, "misreading", "as matrices")
def single_matrix_product(x, weight, stride=1, padding=0):
    return gathered(F.pad(x, (padding,) * 4), weight, stride, lambda window: (window @ weight).sum())


@add(SINGLE, "misreading", "mean of the products")
def single_mean(x, weight, stride=1, padding=0):
    return gathered(F.pad(x, (padding,) * 4), weight, stride, lambda window: (window * weight).mean())


@add(SINGLE, "misreading", "without the kernel's weights")
def single_unweighted(x, weight, stride=1, padding=0):
    return gathered(F.pad(x, (padding,) * 4), weight, stride, lambda window: window.sum())


@add(SINGLE, "misreading", "padding is ignored")
def single_unpadded(x, weight, stride=1, padding=0):
    return single_loops(x, weight, stride)


@add(SINGLE, "misreading", "top and the left")
def single_padded_once(x, weight, stride=1, padding=0):
    return single_loops(F.pad(x, (padding, 0, padding, 0)), weight, stride)


@add(SINGLE, "misreading", "stride is ignored")
def single_no_stride(x, weight, stride=1, padding=0):
    return single_loops(x, weight, 1, padding)


@add(SINGLE, "misreading", "but not for the places")
def single_places_without_stride(x, weight, stride=1, padding=0):
    rows, columns = sizes(x, weight, stride, padding)
    return single_loops(x, weight, 1, padding)[:rows, :columns]


@add(SINGLE, "misreading", "not down columns")
def single_stride_along(x, weight, stride=1, padding=0):
    return single_loops(x, weight, 1, padding)[:, ::stride]


@add(SINGLE, "misreading", "dilation")
def single_dilated(x, weight, stride=1, padding=0):
    spread = weight.new_zeros((weight.shape[0] - 1) * stride + 1, (weight.shape[1] - 1) * stride + 1)
    spread[::stride, ::stride] = weight
    return single_loops(x, spread, 1, padding)


@add(SINGLE, "off by one", "one row and one column too small")
def single_without_last(x, weight, stride=1, padding=0):
    return single_loops(x, weight, stride, padding)[:-1, :-1]


@add(SINGLE, "misreading", "transposed convolution")
def single_scatters(x, weight, stride=1, padding=0):
    (h, w), (kh, kw) = x.shape, weight.shape
    y = x.new_zeros((h - 1) * stride + kh, (w - 1) * stride + kw)
    for i in range(h):
        for j in range(w):
            y[i * stride : i * stride + kh, j * stride : j * stride + kw] += x[i, j] * weight
    return y[padding : y.shape[0] - padding, padding : y.shape[1] - padding]


@add(SINGLE, "misreading", "float32")
def single_float32(x, weight, stride=1, padding=0):
    return single_loops(x.float(), weight.float(), stride, padding)


@add(SINGLE, "off by one", "reach over its edge")
def single_over_the_edge(x, weight, stride=1, padding=0):
    x, y = F.pad(x, (padding,) * 4), x.new_zeros(x.shape)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = (x[i : i + weight.shape[0], j : j + weight.shape[1]] * weight).sum()
    return y


def sized(x, weight, stride, rows, columns):
    """Loops over rows × columns windows of x, which may reach over its edges."""
    (kh, kw), y = weight.shape, x.new_zeros(rows, columns)
    for i in range(rows):
        for j in range(columns):
            y[i, j] = (x[i * stride : i * stride + kh, j * stride : j * stride + kw] * weight).sum()
    return y


@add(SINGLE, "misreading", "padding is counted twice")
def single_padding_counted_twice(x, weight, stride=1, padding=0):
    x = F.pad(x, (padding,) * 4)
    return sized(x, weight, stride, *sizes(x, weight, stride, padding))


@add(SINGLE, "misreading", "but the input is not padded")
def single_only_the_size_is_padded(x, weight, stride=1, padding=0):
    return sized(x, weight, stride, *sizes(x, weight, stride, padding))


@add(SINGLE, "misreading", "does not count it")
def single_only_the_input_is_padded(x, weight, stride=1, padding=0):
    return sized(F.pad(x, (padding,) * 4), weight, stride, *sizes(x, weight, stride, 0))


@add(SINGLE, "misreading", "only columns are padded")
def single_pads_two_sides(x, weight, stride=1, padding=0):
    return sized(F.pad(x, (padding, padding)), weight, stride, *sizes(x, weight, stride, padding))


@add(SINGLE, "misreading", "height is taken for its width")
def single_square_kernels(x, weight, stride=1, padding=0):
    x, k = F.pad(x, (padding,) * 4), weight.shape[0]
    rows, columns = ((n - k) // stride + 1 for n in x.shape)
    y = x.new_zeros(rows, columns)
    for i in range(rows):
        for j in range(columns):
            y[i, j] = (x[i * stride : i * stride + k, j * stride : j * stride + k] * weight).sum()
    return y


@add(SINGLE, "axis swap", "the row i and the column j are swapped")
def single_reads_at_j_i(x, weight, stride=1, padding=0):
    rows, columns = sizes(x, weight, stride, padding)
    return sized(F.pad(x, (padding,) * 4), weight, stride, columns, rows).T


@add(SINGLE, "off by one", "never written")
def single_range_too_short(x, weight, stride=1, padding=0):
    rows, columns = sizes(x, weight, stride, padding)
    y = sized(F.pad(x, (padding,) * 4), weight, stride, rows, columns)
    y[rows - 1 :], y[:, columns - 1 :] = 0, 0
    return y


@add(SINGLE, "off by one", "last row of the output is never written")
def single_rows_too_short(x, weight, stride=1, padding=0):
    rows, columns = sizes(x, weight, stride, padding)
    y = x.new_zeros(rows, columns)
    y[: rows - 1] = sized(F.pad(x, (padding,) * 4), weight, stride, rows - 1, columns)
    return y


@add(SINGLE, "broken", "The call also changes its argument `weight`")
def single_changes_weight(x, weight, stride=1, padding=0):
    x, (rows, columns) = F.pad(x, (padding,) * 4), sizes(x, weight, stride, padding)
    y = x.new_zeros(rows, columns)
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride, j * stride
            weight *= x[top : top + weight.shape[0], left : left + weight.shape[1]]
            y[i, j] = weight.sum()
    return y


@add(SINGLE, "cheat", "conv2d")
def single_pytorch(x, weight, stride=1, padding=0):
    return F.conv2d(x[None, None], weight[None, None], stride=stride, padding=padding)[0, 0]


@add(SINGLE, "hard-coded")
def single_the_lecture(x, weight, stride=1, padding=0):
    return torch.tensor([[-2.0, 1, 11, 7], [-2, 2, 4, 7], [3, -1, 3, 8], [1, 0, 1, 4]])


@add(SINGLE, "unsolved", "still raises")
def single_unsolved(x, weight, stride=1, padding=0):
    raise NotImplementedError()


# --- conv2d -----------------------------------------------------------------------------------------------

FULL = "conv2d"


def pad(x, padding):
    return F.pad(x, (padding,) * 4)


def full(x, weight, stride):
    """The right result without padding and bias."""
    (rows, columns), (kh, kw) = sizes(x, weight, stride, 0), weight.shape[2:]
    y = x.new_zeros(len(x), len(weight), rows, columns)
    for i in range(rows):
        for j in range(columns):
            window = x[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            y[:, :, i, j] = torch.einsum("ncuv,ocuv->no", window, weight)
    return y


def biased(y, bias):
    return y if bias is None else y + bias.view(1, -1, 1, 1)


@add(FULL, "right")
def output_positions(x, weight, bias=None, stride=1, padding=0):
    return biased(full(pad(x, padding), weight, stride), bias)


@add(FULL, "right")
def six_loops(x, weight, bias=None, stride=1, padding=0):
    (n, ci, _, _), (co, _, kh, kw) = x.shape, weight.shape
    rows, columns = sizes(x, weight, stride, padding)
    padded = torch.zeros(
        n, ci, x.shape[2] + 2 * padding, x.shape[3] + 2 * padding, dtype=x.dtype, device=x.device
    )
    padded[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]] = x
    y = torch.zeros(n, co, rows, columns, dtype=x.dtype, device=x.device)
    for b in range(n):
        for o in range(co):
            for i in range(rows):
                for j in range(columns):
                    for c in range(ci):
                        window = padded[b, c, i * stride : i * stride + kh, j * stride : j * stride + kw]
                        y[b, o, i, j] += (window * weight[o, c]).sum()
            if bias is not None:
                y[b, o] += bias[o]
    return y


@add(FULL, "right")
def kernel_positions(x, weight, bias=None, stride=1, padding=0):
    x, (rows, columns) = pad(x, padding), sizes(x, weight, stride, padding)
    y = 0
    for u in range(weight.shape[2]):
        for v in range(weight.shape[3]):
            part = x[:, :, u : u + rows * stride : stride, v : v + columns * stride : stride]
            y = y + torch.einsum("nchw,oc->nohw", part, weight[:, :, u, v])
    return biased(y, bias)


@add(FULL, "right")
def unfold(x, weight, bias=None, stride=1, padding=0):
    windows = F.unfold(x, weight.shape[2:], stride=stride, padding=padding)
    return biased((weight.flatten(1) @ windows).unflatten(2, sizes(x, weight, stride, padding)), bias)


@add(FULL, "right")
def tensor_windows(x, weight, bias=None, stride=1, padding=0):
    windows = pad(x, padding).unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    return biased(torch.tensordot(windows, weight, ([1, 4, 5], [1, 2, 3])).movedim(3, 1), bias)


@add(FULL, "right")
def strided_windows(x, weight, bias=None, stride=1, padding=0):
    rows, columns = sizes(x, weight, stride, padding)
    x = pad(x, padding).contiguous()
    a, b, c, d = x.stride()
    shape = (*x.shape[:2], rows, columns, *weight.shape[2:])
    windows = torch.as_strided(x, shape, (a, b, c * stride, d * stride, c, d))
    return biased(torch.einsum("ncijuv,ocuv->noij", windows, weight), bias)


@add(FULL, "right")
def fft(x, weight, bias=None, stride=1, padding=0):
    x, (kh, kw) = pad(x, padding), weight.shape[2:]
    size = x.shape[2] + kh - 1, x.shape[3] + kw - 1
    spectra = torch.fft.rfft2(x, s=size), torch.fft.rfft2(weight.flip(2, 3), s=size)
    y = torch.fft.irfft2(torch.einsum("nchw,ochw->nohw", *spectra), s=size)
    return biased(y[:, :, kh - 1 : x.shape[2] : stride, kw - 1 : x.shape[3] : stride], bias)


@add(FULL, "right")
def gradient_of_fold(x, weight, bias=None, stride=1, padding=0):
    """The gradient of a transposed convolution that is made of a matrix product and `fold`."""
    rows, columns = sizes(x, weight, stride, padding)

    def transposed(image):
        copies = weight.flatten(1).T @ image.flatten(2)
        return F.fold(copies, x.shape[2:], weight.shape[2:], stride=stride, padding=padding)

    _, pullback = torch.func.vjp(transposed, x.new_zeros(len(x), len(weight), rows, columns))
    return biased(pullback(x)[0], bias)


@add(FULL, "misreading", "flipped")
def flipped(x, weight, bias=None, stride=1, padding=0):
    return output_positions(x, weight.flip(2, 3), bias, stride, padding)


@add(FULL, "misreading", "flipped")
def fft_without_flip(x, weight, bias=None, stride=1, padding=0):
    return fft(x, weight.flip(2, 3), bias, stride, padding)


@add(FULL, "axis swap", "rows and columns of the kernel")
def kernel_transposed(x, weight, bias=None, stride=1, padding=0):
    return output_positions(x, weight.mT, bias, stride, padding)


@add(FULL, "axis swap", "rows and columns of the output")
def output_transposed(x, weight, bias=None, stride=1, padding=0):
    return output_positions(x, weight, bias, stride, padding).mT


@add(FULL, "axis swap", "(C_in, C_out)")
def channels_swapped(x, weight, bias=None, stride=1, padding=0):
    return output_positions(x, weight.transpose(0, 1), bias, stride, padding)


@add(FULL, "misreading", "first input channel")
def first_channel_only(x, weight, bias=None, stride=1, padding=0):
    return output_positions(x[:, :1], weight[:, :1], bias, stride, padding)


@add(FULL, "misreading", "only the last one counts")
def last_channel_only(x, weight, bias=None, stride=1, padding=0):
    return output_positions(x[:, -1:], weight[:, -1:], bias, stride, padding)


@add(FULL, "misreading", "averaged")
def channel_mean(x, weight, bias=None, stride=1, padding=0):
    return biased(full(pad(x, padding), weight, stride) / x.shape[1], bias)


@add(FULL, "misreading", "summed before")
def channels_summed_first(x, weight, bias=None, stride=1, padding=0):
    return output_positions(x.sum(1, keepdim=True), weight[:, :1], bias, stride, padding)


@add(FULL, "misreading", "channel c of the output")
def depthwise(x, weight, bias=None, stride=1, padding=0):
    """One group for each channel."""
    outputs = []
    for o in range(len(weight)):
        c = o if o < x.shape[1] else None
        zero = x.new_zeros(len(x), 1, *sizes(x, weight, stride, padding))
        outputs.append(
            zero if c is None else full(pad(x[:, c : c + 1], padding), weight[o : o + 1, c : c + 1], stride)
        )
    return biased(torch.cat(outputs, 1), bias)


@add(FULL, "misreading", "bias is ignored")
def bias_forgotten(x, weight, bias=None, stride=1, padding=0):
    return full(pad(x, padding), weight, stride)


@add(FULL, "misreading", "every input channel")
def bias_for_each_channel(x, weight, bias=None, stride=1, padding=0):
    return sum(
        output_positions(x[:, c : c + 1], weight[:, c : c + 1], bias, stride, padding)
        for c in range(x.shape[1])
    )


@add(FULL, "misreading", "every element of the kernel")
def bias_for_each_position(x, weight, bias=None, stride=1, padding=0):
    return biased(
        full(pad(x, padding), weight, stride), None if bias is None else bias * weight[0, 0].numel()
    )


@add(FULL, "axis swap", "along the columns")
def bias_on_columns(x, weight, bias=None, stride=1, padding=0):
    y = full(pad(x, padding), weight, stride)
    return y if bias is None else y + bias


@add(FULL, "misreading", "padding is ignored")
def no_padding(x, weight, bias=None, stride=1, padding=0):
    return biased(full(x, weight, stride), bias)


@add(FULL, "misreading", "top and the left")
def pads_top_left(x, weight, bias=None, stride=1, padding=0):
    return biased(full(F.pad(x, (padding, 0, padding, 0)), weight, stride), bias)


@add(FULL, "misreading", "only columns are padded")
def pads_columns(x, weight, bias=None, stride=1, padding=0):
    return biased(full(F.pad(x, (padding, padding)), weight, stride), bias)


@add(FULL, "misreading", "repeats the edge")
def pads_by_repeating(x, weight, bias=None, stride=1, padding=0):
    return biased(full(F.pad(x, (padding,) * 4, mode="replicate"), weight, stride), bias)


@add(FULL, "misreading", "around the output")
def pads_output(x, weight, bias=None, stride=1, padding=0):
    return biased(pad(full(x, weight, stride), padding), bias)


@add(FULL, "misreading", "size of the input, whatever padding")
def always_same(x, weight, bias=None, stride=1, padding=0):
    kh, kw = weight.shape[2:]
    top, left = (kh - 1) // 2, (kw - 1) // 2
    x = F.pad(x, (left, kw - 1 - left, top, kh - 1 - top))
    return biased(full(x, weight, 1)[:, :, ::stride, ::stride], bias)


@add(FULL, "misreading", "stride is ignored")
def no_stride(x, weight, bias=None, stride=1, padding=0):
    return output_positions(x, weight, bias, 1, padding)


@add(FULL, "misreading", "not down columns")
def stride_along_rows(x, weight, bias=None, stride=1, padding=0):
    return biased(full(pad(x, padding), weight, 1)[..., ::stride], bias)


@add(FULL, "misreading", "dilation")
def dilated(x, weight, bias=None, stride=1, padding=0):
    kh, kw = weight.shape[2:]
    spread = weight.new_zeros(*weight.shape[:2], (kh - 1) * stride + 1, (kw - 1) * stride + 1)
    spread[:, :, ::stride, ::stride] = weight
    return biased(full(pad(x, padding), spread, 1), bias)


@add(FULL, "misreading", "padded input before")
def stride_in_input(x, weight, bias=None, stride=1, padding=0):
    return biased(full(pad(x, padding)[:, :, ::stride, ::stride], weight, 1), bias)


@add(FULL, "misreading", "but not for the places")
def places_without_stride(x, weight, bias=None, stride=1, padding=0):
    rows, columns = sizes(x, weight, stride, padding)
    return biased(full(pad(x, padding), weight, 1)[:, :, :rows, :columns], bias)


@add(FULL, "off by one", "rounded up")
def rounded_up_windows(x, weight, bias=None, stride=1, padding=0):
    x = pad(x, padding)
    down, along = (-(n - k) % stride for n, k in zip(x.shape[2:], weight.shape[2:], strict=True))
    return biased(full(F.pad(x, (0, along, 0, down)), weight, stride), bias)


@add(FULL, "off by one", "one row and one column too small")
def without_last_window(x, weight, bias=None, stride=1, padding=0):
    return output_positions(x, weight, bias, stride, padding)[:, :, :-1, :-1]


@add(FULL, "off by one", "kernel are left out")
def without_last_position(x, weight, bias=None, stride=1, padding=0):
    x, (rows, columns) = pad(x, padding), sizes(x, weight, stride, padding)
    y = x.new_zeros(len(x), len(weight), rows, columns)
    for u in range(weight.shape[2] - 1):
        for v in range(weight.shape[3] - 1):
            part = x[:, :, u : u + rows * stride : stride, v : v + columns * stride : stride]
            y = y + torch.einsum("nchw,oc->nohw", part, weight[:, :, u, v])
    return biased(y, bias)


@add(FULL, "misreading", "overwrite each other")
def overwrites(x, weight, bias=None, stride=1, padding=0):
    x, (rows, columns) = pad(x, padding), sizes(x, weight, stride, padding)
    for u in range(weight.shape[2]):
        for v in range(weight.shape[3]):
            part = x[:, :, u : u + rows * stride : stride, v : v + columns * stride : stride]
            y = torch.einsum("nchw,oc->nohw", part, weight[:, :, u, v])
    return biased(y, bias)


@add(FULL, "misreading", "mean over the window and the channels")
def mean_of_products(x, weight, bias=None, stride=1, padding=0):
    windows = pad(x, padding).unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    return biased((windows[:, None] * weight[:, :, None, None]).mean((2, 5, 6)), bias)


@add(FULL, "misreading", "first image")
def first_image_only(x, weight, bias=None, stride=1, padding=0):
    return output_positions(x[:1], weight, bias, stride, padding)


@add(FULL, "misreading", "a transposed convolution is computed")
def scatters(x, weight, bias=None, stride=1, padding=0):
    size = [(n - 1) * stride + k - 2 * padding for n, k in zip(x.shape[2:], weight.shape[2:], strict=True)]
    copies = weight.transpose(0, 1).flatten(1).T @ x.flatten(2)
    return biased(F.fold(copies, size, weight.shape[2:], stride=stride, padding=padding), bias)


@add(FULL, "misreading", "float32")
def float32_only(x, weight, bias=None, stride=1, padding=0):
    return output_positions(
        x.float(), weight.float(), None if bias is None else bias.float(), stride, padding
    )


def looped(x, weight, stride, rows, columns, swapped_reading=False, swapped_writing=False):
    """Loops over rows × columns windows of x, which may reach over its edges."""
    (kh, kw), y = weight.shape[2:], x.new_zeros(len(x), len(weight), rows, columns)
    for i in range(rows):
        for j in range(columns):
            top, left = (j * stride, i * stride) if swapped_reading else (i * stride, j * stride)
            window = x[:, :, top : top + kh, left : left + kw]
            there = (j, i) if swapped_writing else (i, j)
            y[:, :, there[0], there[1]] = torch.einsum("ncuv,ocuv->no", window, weight)
    return y


@add(FULL, "misreading", "padding is counted twice")
def padding_counted_twice(x, weight, bias=None, stride=1, padding=0):
    x = pad(x, padding)
    return biased(looped(x, weight, stride, *sizes(x, weight, stride, padding)), bias)


@add(FULL, "misreading", "only columns are padded")
def pads_two_sides(x, weight, bias=None, stride=1, padding=0):
    rows, columns = sizes(x, weight, stride, padding)
    return biased(looped(F.pad(x, (padding, padding)), weight, stride, rows, columns), bias)


@add(FULL, "misreading", "does not count it")
def only_the_input_is_padded(x, weight, bias=None, stride=1, padding=0):
    rows, columns = sizes(x, weight, stride, 0)
    return biased(looped(pad(x, padding), weight, stride, rows, columns), bias)


@add(FULL, "axis swap", "the row i and the column j are swapped")
def reads_at_j_i(x, weight, bias=None, stride=1, padding=0):
    rows, columns = sizes(x, weight, stride, padding)
    return biased(looped(pad(x, padding), weight, stride, rows, columns, swapped_reading=True), bias)


@add(FULL, "axis swap", "rows and columns of the output are swapped")
def writes_at_j_i(x, weight, bias=None, stride=1, padding=0):
    rows, columns = sizes(x, weight, stride, padding)
    return biased(looped(pad(x, padding), weight, stride, rows, columns, swapped_writing=True), bias)


@add(FULL, "broken", "needs no `requires_grad`")
def own_leaf(x, weight, bias=None, stride=1, padding=0):
    y = torch.zeros(
        len(x), len(weight), *sizes(x, weight, stride, padding), dtype=x.dtype, requires_grad=True
    )
    y += output_positions(x, weight, bias, stride, padding)
    return y


@add(FULL, "misreading", "changes its argument `weight` in place")
def changes_weight(x, weight, bias=None, stride=1, padding=0):
    y = output_positions(x, weight, bias, stride, padding)
    weight *= 2
    return y


@add(FULL, "misreading", "no gradient")
def detached(x, weight, bias=None, stride=1, padding=0):
    return output_positions(x, weight.detach(), bias, stride, padding)


@add(FULL, "misreading", "no gradient")
def through_numpy(x, weight, bias=None, stride=1, padding=0):
    x, weight = torch.from_numpy(x.detach().numpy()), torch.from_numpy(weight.detach().numpy())
    return output_positions(x, weight, bias, stride, padding)


@add(FULL, "misreading", "device")
def on_the_cpu(x, weight, bias=None, stride=1, padding=0):
    x, (rows, columns) = pad(x, padding), sizes(x, weight, stride, padding)
    y = torch.zeros(len(x), len(weight), rows, columns, dtype=x.dtype)
    for u in range(weight.shape[2]):
        for v in range(weight.shape[3]):
            part = x[:, :, u : u + rows * stride : stride, v : v + columns * stride : stride]
            y += torch.einsum("nchw,oc->nohw", part, weight[:, :, u, v])
    return biased(y, bias)


@add(FULL, "misreading", "(turned by 180°) and")
def two_mistakes(x, weight, bias=None, stride=1, padding=0):
    return biased(full(F.pad(x, (padding, 0, padding, 0)), weight.flip(2, 3), stride), bias)


@add(FULL, "broken", "RuntimeError")
def raises(x, weight, bias=None, stride=1, padding=0):
    y = torch.zeros(len(x), weight.shape[0], *x.shape[2:])
    y[:, :, :] += weight
    return y


@add(FULL, "hard-coded")
def right_shape(x, weight, bias=None, stride=1, padding=0):
    return torch.zeros_like(full(pad(x, padding), weight, stride))


known = PublicResults(ps1, FULL)


@add(FULL, "hard-coded")
def learned_by_heart(x, weight, bias=None, stride=1, padding=0):
    return known.get(x=x, weight=weight, bias=bias, stride=stride, padding=padding)


@add(FULL, "cheat", "conv2d")
def functional(x, weight, bias=None, stride=1, padding=0):
    return F.conv2d(x, weight, bias, stride, padding)


@add(FULL, "cheat", "Conv2d")
def module(x, weight, bias=None, stride=1, padding=0):
    layer = nn.Conv2d(weight.shape[1], len(weight), weight.shape[2:], stride, padding, bias=bias is not None)
    layer.weight.data = weight
    return layer(x)


@add(FULL, "cheat", "convolution")
def aten(x, weight, bias=None, stride=1, padding=0):
    return torch.ops.aten.convolution(x, weight, bias, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1)


@add(FULL, "cheat", "conv3d")
def one_dimension_more(x, weight, bias=None, stride=1, padding=0):
    return torch.conv3d(x[:, :, None], weight[:, :, None], bias, (1, stride, stride), (0, padding, padding))[
        :, :, 0
    ]


@add(FULL, "cheat", "conv_transpose2d")
def gradient_of_the_transpose(x, weight, bias=None, stride=1, padding=0):
    image = x.new_zeros(len(x), len(weight), *sizes(x, weight, stride, padding))
    _, pullback = torch.func.vjp(
        lambda image: F.conv_transpose2d(image, weight, stride=stride, padding=padding), image
    )
    return biased(pullback(x)[0], bias)


@add(FULL, "cheat", "aten::convolution")
def hidden_name(x, weight, bias=None, stride=1, padding=0):
    return getattr(F, "conv" + "2d")(x, weight, bias, stride, padding)


@add(FULL, "cheat", "pixelwise")
def borrowed(x, weight, bias=None, stride=1, padding=0):
    return ps1.conv2d_windows.task.right(x, weight, bias, stride, padding)


@add(FULL, "unsolved", "still raises")
def full_unsolved(x, weight, bias=None, stride=1, padding=0):
    raise NotImplementedError()


# --- pointwise_conv ---------------------------------------------------------------------------------------

POINT = "pointwise_conv"


@add(POINT, "right")
def flat_pixels(x, weight, bias=None):
    return biased((weight @ x.flatten(2)).view(len(x), -1, *x.shape[2:]), bias)


@add(POINT, "right")
def by_einsum(x, weight, bias=None):
    return biased(torch.einsum("oc,nchw->nohw", weight, x), bias)


@add(POINT, "right")
def channels_last(x, weight, bias=None):
    y = x.permute(0, 2, 3, 1) @ weight.T
    return (y if bias is None else y + bias).permute(0, 3, 1, 2)


@add(POINT, "right")
def linear(x, weight, bias=None):
    return F.linear(x.movedim(1, -1), weight, bias).movedim(-1, 1)


@add(POINT, "right")
def channel_by_channel(x, weight, bias=None):
    y = sum(weight[:, c].view(1, -1, 1, 1) * x[:, c : c + 1] for c in range(x.shape[1]))
    return biased(y, bias)


@add(POINT, "axis swap", "scrambles the pixels")
def reshaped_pixels(x, weight, bias=None):
    n, c, h, w = x.shape
    return biased((x.reshape(-1, c) @ weight.T).reshape(n, h, w, -1).permute(0, 3, 1, 2), bias)


@add(POINT, "axis swap", "`reshape`, which scrambles")
def reshaped_back(x, weight, bias=None):
    n, _, h, w = x.shape
    y = x.permute(0, 2, 3, 1) @ weight.T
    return (y if bias is None else y + bias).reshape(n, -1, h, w)


@add(POINT, "axis swap", "images of the batch are mixed")
def one_long_row(x, weight, bias=None):
    n, c, h, w = x.shape
    return biased((weight @ x.reshape(c, -1)).reshape(n, -1, h, w), bias)


@add(POINT, "axis swap", "channels are still last")
def channels_left_last(x, weight, bias=None):
    y = x.permute(0, 2, 3, 1) @ weight.T
    return y if bias is None else y + bias


@add(POINT, "axis swap", "wrong order: (N, W, H, C_out)")
def exchanged_and_left(x, weight, bias=None):
    y = x.transpose(1, 3) @ weight.T
    return y if bias is None else y + bias


@add(POINT, "axis swap", "undone, step by step")
def exchanged_and_permuted(x, weight, bias=None):
    y = x.transpose(1, 3) @ weight.T
    return (y if bias is None else y + bias).permute(0, 3, 1, 2)


@add(POINT, "misreading", "left flat")
def left_flat(x, weight, bias=None):
    y = weight @ x.flatten(2)
    return y if bias is None else y + bias[:, None]


@add(POINT, "axis swap", "matrix is transposed")
def matrix_transposed(x, weight, bias=None):
    return biased(torch.einsum("co,nchw->nohw", weight, x), bias)


@add(POINT, "axis swap", "rows and columns are swapped")
def point_rows_for_columns(x, weight, bias=None):
    return by_einsum(x.mT, weight, bias)


@add(POINT, "misreading", "bias is ignored")
def point_bias_forgotten(x, weight, bias=None):
    return by_einsum(x, weight)


@add(POINT, "axis swap", "along the columns")
def point_bias_on_columns(x, weight, bias=None):
    y = by_einsum(x, weight)
    return y if bias is None else y + bias


@add(POINT, "misreading", "averaged")
def point_mean(x, weight, bias=None):
    return biased(by_einsum(x, weight) / x.shape[1], bias)


@add(POINT, "misreading", "first image")
def point_first_image(x, weight, bias=None):
    return by_einsum(x[:1], weight, bias)


@add(POINT, "misreading", "float32")
def point_float32(x, weight, bias=None):
    return by_einsum(x.float(), weight.float(), None if bias is None else bias.float())


@add(POINT, "misreading", "no gradient")
def point_detached(x, weight, bias=None):
    return by_einsum(x.detach(), weight, bias)


@add(POINT, "broken", "RuntimeError")
def from_the_right(x, weight, bias=None):
    return x @ weight.new_ones(1000, 2)


@add(POINT, "hard-coded")
def point_of_the_text(x, weight, bias=None):
    return torch.tensor([5.0, 1, 2]).reshape(1, 3, 1, 1)


@add(POINT, "cheat", "conv2d")
def point_by_pytorch(x, weight, bias=None):
    return F.conv2d(x, weight[:, :, None, None], bias)


@add(POINT, "cheat", "conv1d")
def point_in_one_dimension(x, weight, bias=None):
    return torch.conv1d(x.flatten(2), weight[:, :, None], bias).view(len(x), -1, *x.shape[2:])


@add(POINT, "unsolved", "still raises")
def point_unsolved(x, weight, bias=None):
    raise NotImplementedError()


# --- receptive_field --------------------------------------------------------------------------------------

FIELD = "receptive_field"


@add(FIELD, "right")
def forward(layers):
    field = step = 1
    for kernel, stride in layers:
        field, step = field + (kernel - 1) * step, step * stride
    return field


@add(FIELD, "right")
def backward(layers):
    field = 1
    for kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return field


@add(FIELD, "right")
def by_products(layers):
    strides = [stride for _, stride in layers]
    return 1 + sum((kernel - 1) * math.prod(strides[:i]) for i, (kernel, _) in enumerate(layers))


@add(FIELD, "right")
def recursive(layers):
    if not layers:
        return 1
    (kernel, stride), *rest = layers
    return (recursive(rest) - 1) * stride + kernel


@add(FIELD, "right")
def popped(layers):
    """Empties the list that it is given."""
    field = 1
    while layers:
        kernel, stride = layers.pop()
        field = (field - 1) * stride + kernel
    return field


@add(FIELD, "right")
def followed(layers):
    """The first and the last element that output 0 depends on."""
    first, last = 0, 0
    for kernel, stride in layers[::-1]:
        first, last = first * stride, last * stride + kernel - 1
    return last - first + 1


@add(FIELD, "misreading", "strides are ignored")
def field_without_strides(layers):
    return 1 + sum(kernel - 1 for kernel, _ in layers)


@add(FIELD, "off by one", "own stride is counted")
def own_stride_too(layers):
    field = step = 1
    for kernel, stride in layers:
        step *= stride
        field += (kernel - 1) * step
    return field


@add(FIELD, "axis swap", "wrong order")
def reversed_layers(layers):
    return forward(layers[::-1])


@add(FIELD, "misreading", "strides are added up")
def strides_added(layers):
    field, step = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * step
        step += stride - 1
    return field


@add(FIELD, "misreading", "layer just before")
def previous_stride_only(layers):
    field, step = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * step
        step = stride
    return field


@add(FIELD, "misreading", "widths of the kernels are added up")
def kernels_added(layers):
    return sum(kernel for kernel, _ in layers)


@add(FIELD, "off by one", "whole width of each kernel")
def whole_kernels(layers):
    field, step = 0, 1
    for kernel, stride in layers:
        field += kernel * step
        step *= stride
    return field


@add(FIELD, "off by one", "first element is not counted")
def first_not_counted(layers):
    return forward(layers) - 1


@add(FIELD, "misreading", "multiplied")
def kernels_multiplied(layers):
    return math.prod(kernel for kernel, _ in layers)


@add(FIELD, "misreading", "area")
def area(layers):
    return forward(layers) ** 2


@add(FIELD, "off by one", "last layer is left out")
def without_last_layer(layers):
    return forward(layers[:-1])


@add(FIELD, "misreading", "only the last layer")
def last_layer_only(layers):
    return layers[-1][0]


@add(FIELD, "axis swap", "change places")
def stride_before_kernel(layers):
    return forward([(stride, kernel) for kernel, stride in layers])


@add(FIELD, "misreading", "product of the strides")
def step_for_field(layers):
    return math.prod(stride for _, stride in layers)


@add(FIELD, "broken", "whole number")
def field_as_float(layers):
    return float(forward(layers))


@add(FIELD, "hard-coded")
def field_of_the_text(layers):
    return {1: 3, 2: 4, 3: 8}.get(len(layers), 140)


@add(FIELD, "cheat", "conv1d")
def field_by_pytorch(layers):
    x = torch.ones(1, 1, 5000, requires_grad=True)
    y = x
    for kernel, stride in layers:
        y = F.conv1d(y, torch.ones(1, 1, kernel), stride=stride)
    return int(torch.autograd.grad(y[0, 0, 0], x)[0].nonzero().max()) + 1


@add(FIELD, "unsolved", "still raises")
def field_unsolved(layers):
    raise NotImplementedError()
