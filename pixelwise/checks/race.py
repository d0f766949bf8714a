"""How long a student's functions take, as multiples of PyTorch's time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .check import attempt
from .compare import close, comparable, same


def race(
    pytorch: Callable[..., Any],
    functions: Sequence[Callable[..., Any]],
    *arguments: Any,
    check: str = "",
    **settings: Any,
) -> None:
    """Print PyTorch's time for one call, and each function's as a multiple of it, on one thread.

    check  the check that says what is wrong with a function ("ps1.conv2d_together")
    Functions that are not written yet, raise, or give another result than PyTorch's are passed over with a
    note. While a notebook is graded there is no race: on a busy machine it would say nothing.
    """
    if os.environ.get("NBGRADER_EXECUTION") == "autograde":
        print("No race while the notebook is graded.")
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so that the race is fair on a busy machine
    try:
        expected = pytorch(*arguments, **settings)
        baseline = _milliseconds(pytorch, arguments, settings)
        print(f"PyTorch: {baseline:.{1 if baseline >= 1 else 3}f} ms")
        for function in functions:
            result = attempt(function, *arguments, **settings)
            if result is None:
                continue
            name = function.__name__
            if not _agree(result, expected):
                run = f"Run {check}({name})" if check else "Run its checks"
                print(f"{name}: not timed, its result is not PyTorch's. {run} to see where they differ.")
                continue
            ratio = _milliseconds(function, arguments, settings) / baseline
            print(f"{name}: {ratio:.1f} times as long")
    finally:
        torch.set_num_threads(threads)


def _agree(result: Any, expected: Any) -> bool:
    """Whether two results are the same up to rounding."""
    if not comparable(result):
        return False
    if isinstance(result, torch.Tensor) and isinstance(expected, torch.Tensor):
        return same(result, expected)
    if isinstance(result, torch.Tensor) or isinstance(expected, torch.Tensor):
        return False
    return close(result, expected)


def _milliseconds(function: Callable[..., Any], arguments: Sequence[Any], settings: dict[str, Any]) -> float:
    """The best of three runs, or the first one if that takes long."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        function(*arguments, **settings)
        best = min(best, 1000 * (time.perf_counter() - start))
        if best > 300:
            break
    return best
