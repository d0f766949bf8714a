"""One choice of device for the whole course."""

from __future__ import annotations

import torch


def best_device() -> torch.device:
    """The fastest device that this machine offers: CUDA, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
