"""Checks that teach: they compare a student's function with PyTorch and name the misunderstanding they see.

    from pixelwise.checks import ps2

    ps2.conv_transpose2d_overlaps(conv_transpose2d)

A check prints one line if the function passes; if not, it raises `CheckFailed`, with a message for students.
Right answers and misunderstandings are PyTorch calls: no operator can be read here.
"""

from .check import Check, Task, attempt, fits
from .race import race
from .report import CheckFailed

__all__ = ["Check", "CheckFailed", "Task", "attempt", "fits", "race"]
