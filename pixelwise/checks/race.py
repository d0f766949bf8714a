"""How long a student's functions take, as multiples of PyTorch's time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .check import attempt


def race(
    pytorch: Callable[..., Any], functions: Sequence[Callable[..., Any]], *arguments: Any, **settings: Any
) -> None:
    """Print PyTorch's time for one call, and each function's as a multiple of it, on one thread.

    Functions that are not written yet, or raise, are passed over with a note. While a notebook is graded
    there is no race: on a busy machine it would say nothing.
    """
    if os.environ.get("NBGRADER_EXECUTION") == "autograde":
        print("No race while the notebook is graded.")
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so that the race is fair on a busy machine
    try:
        baseline = _milliseconds(pytorch, arguments, settings)
        print(f"PyTorch: {baseline:.1f} ms")
        for function in functions:
            if attempt(function, *arguments, **settings) is not None:
                ratio = _milliseconds(function, arguments, settings) / baseline
                print(f"{function.__name__}: {ratio:.1f} times as long")
    finally:
        torch.set_num_threads(threads)


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
