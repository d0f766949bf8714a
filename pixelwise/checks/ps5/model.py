"""The smallest network for segmentation, for checks and for trying things out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves


class PixelClassifier(nn.Module):
    """Scores of K classes, each a weighted sum of a pixel's own channels: a 1 × 1 convolution without bias.

    weight  (K, C), the first weights
    norm    whether a batch norm (without weights of its own) comes first

    images (N, C, H, W) → scores (N, K, H, W). `passes` counts the passes, and `with_graph` those of them that
    autograd has followed.
    """

    def __init__(self, weight: torch.Tensor, norm: bool = False) -> None:
        super().__init__()
        channels = weight.shape[1]
        self.norm = nn.BatchNorm2d(channels, affine=False, momentum=0.5) if norm else nn.Identity()
        self.weight = nn.Parameter(weight.detach().clone())
        self.passes = self.with_graph = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.device != self.weight.device:
            raise RuntimeError(
                f"the images are on the device {images.device.type!r}, the model on "
                f"{self.weight.device.type!r}"
            )
        self.passes += 1
        scores = torch.einsum("kc,nchw->nkhw", self.weight, self.norm(images))
        self.with_graph += scores.requires_grad
        return scores


class Arrived(BaseException):
    """What was to be done on the device "meta" has been done there, as far as it goes without numbers."""


class WithoutNumbers(TorchFunctionMode):
    """Raises Arrived where the device "meta" cannot go on for want of numbers, and any GPU could.

    A call that fails there although all its tensors are on "meta" has no other reason. One that is given
    tensors of two devices fails as it would on a GPU.
    """

    def __torch_function__(
        self, function: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        try:
            return function(*args, **(kwargs or {}))
        except (NotImplementedError, RuntimeError) as error:
            tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
            without = isinstance(error, NotImplementedError) or "meta tensor" in str(error)
            if tensors and without and all(one.is_meta for one in tensors):
                raise Arrived from None
            raise
