"""Answers to problem set 0, as students might write them."""

import torch

from . import Bank

ANSWERS = Bank()
add = ANSWERS.add

TASK = "mean_filter"


# --- Right ------------------------------------------------------------------------------------------------


@add(TASK, "right")
def unfolded(x, size):
    return x.unfold(0, size, 1).unfold(1, size, 1).flatten(-2).mean(-1)


@add(TASK, "right")
def looped(x, size):
    y = x.new_zeros(x.shape[0] - size + 1, x.shape[1] - size + 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = x[i : i + size, j : j + size].mean()
    return y


@add(TASK, "right")
def shifted(x, size):
    rows, columns = x.shape[0] - size + 1, x.shape[1] - size + 1
    shifts = [x[i : i + rows, j : j + columns] for i in range(size) for j in range(size)]
    return sum(shifts) / size**2


@add(TASK, "right")
def rows_then_columns(x, size):
    return x.unfold(0, size, 1).mean(-1).unfold(1, size, 1).mean(-1)


# --- Wrong ------------------------------------------------------------------------------------------------


@add(TASK, "misreading", "the sum of the window is taken")
def summed(x, size):
    return x.unfold(0, size, 1).unfold(1, size, 1).sum((-2, -1))


@add(TASK, "misreading", "the window moves by its own size")
def in_blocks(x, size):
    return x.unfold(0, size, size).unfold(1, size, size).mean((-2, -1))


@add(TASK, "axis swap", "rows and columns are swapped")
def swapped(x, size):
    return unfolded(x.T, size)


@add(TASK, "hard-coded")
def of_size_two(x, size):
    return unfolded(x, 2)


@add(TASK, "cheat", "call that this task does not allow")
def pooled(x, size):
    return torch.nn.functional.avg_pool2d(x[None, None], size, stride=1)[0, 0]


@add(TASK, "broken", "raised an error")
def broken(x, size):
    return x.mean(window=size)


@add(TASK, "unsolved", "still raises")
def unsolved(x, size):
    raise NotImplementedError()
