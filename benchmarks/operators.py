"""Times the operators of the solutions as multiples of PyTorch's time: `python -m benchmarks.operators`.

One image of 64 channels, 128 × 128, to 64 channels, in float32, without gradients. One thread: on a machine
with other work, several would wait for each other. All forms of an operator and PyTorch's take turns in one
process; a figure is the median, over the rounds, of the quotient of a form's time and PyTorch's in the same
round. Exits with 1 where a limit is broken.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import oracle
from benchmarks.report import Report

CHANNELS, SIDE = 64, 128
SLOW, FEW = 8, 3  # a form with more than so many times PyTorch's time takes part in so few rounds

#: name of the form in the solution → what it is
CONVOLUTION = {
    "conv2d": "loops over the output",
    "conv2d_fast": "sum over kernel positions",
    "conv2d_unfold": "unfold and a matrix product",
    "conv2d_flat": "flat views",
}
TRANSPOSED = {
    "conv_transpose2d": "loops over the input",
    "conv_transpose2d_fast": "sum over kernel positions",
    "conv_transpose2d_fold": "a matrix product and fold",
    "conv_transpose2d_flat": "flat views",
}
#: problem set, PyTorch's operator, forms, kernel, stride, padding, the most that the last form may take
RACES = [
    ("ps1", F.conv2d, CONVOLUTION, 3, 1, 1, 1.5),
    ("ps2", F.conv_transpose2d, TRANSPOSED, 3, 1, 1, 2.0),
    ("ps2", F.conv_transpose2d, TRANSPOSED, 3, 2, 0, 1.0),
    ("ps2", F.conv_transpose2d, TRANSPOSED, 2, 2, 0, 1.0),
]


def ratios(
    pytorch: Callable[..., Tensor],
    forms: Sequence[Callable[..., Tensor]],
    arguments: Sequence[Tensor],
    settings: dict[str, int],
    rounds: int,
) -> tuple[float, list[float]]:
    """PyTorch's median time in seconds, and for each form the median of its multiples of PyTorch's time."""
    right = pytorch(*arguments, **settings)
    for form in forms:  # to warm up, and because a wrong result has no time
        torch.testing.assert_close(form(*arguments, **settings), right, rtol=1e-3, atol=1e-3)
    baseline: list[float] = []
    multiples: list[list[float]] = [[] for _ in forms]
    for _ in range(rounds):
        baseline.append(_seconds(pytorch, arguments, settings))
        for form, measured in zip(forms, multiples, strict=True):
            if len(measured) < FEW or measured[0] < SLOW:
                measured.append(_seconds(form, arguments, settings) / baseline[-1])
    return statistics.median(baseline), [statistics.median(measured) for measured in multiples]


def _seconds(function: Callable[..., Tensor], arguments: Sequence[Tensor], settings: dict[str, int]) -> float:
    start = time.perf_counter()
    function(*arguments, **settings)
    return time.perf_counter() - start


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31, help="how often each form is timed (default 31)")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch (default 1)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    report = Report()
    print(f"PyTorch {torch.__version__}, threads: {options.threads}, channels: {CHANNELS} → {CHANNELS}")
    x = torch.randn(1, CHANNELS, SIDE, SIDE)
    for problem_set, pytorch, names, kernel, stride, padding, most in RACES:
        weight = torch.randn(CHANNELS, CHANNELS, kernel, kernel) / (CHANNELS * kernel**2) ** 0.5
        forms = [oracle.function(problem_set, name) for name in names]
        settings = {"stride": stride, "padding": padding}
        seconds, measured = ratios(pytorch, forms, (x, weight), settings, options.rounds)
        print(
            f"{pytorch.__name__}, {SIDE} × {SIDE}, kernel {kernel}, stride {stride}: "
            f"PyTorch {1000 * seconds:.1f} ms"
        )
        for (name, what), ratio in zip(names.items(), measured, strict=True):
            limited = what == "flat views"
            report.line(
                f"    {name}, {what}",
                f"{ratio:.2f} ×",
                f"≤ {most} ×" if limited else "",
                not limited or ratio <= most,
            )
    report.close()


if __name__ == "__main__":
    main()
