"""A trained U-Net as the widgets' JavaScript reads it: its settings, and its weights in half precision.

    exported = export(net)
    exported.description   # {"in_channels": 1, "num_classes": 4, "base_channels": 8, "depth": 3, …}
    len(exported.weights)  # 2 bytes a parameter

Batch norm is a scale and a shift for each channel once training is over, so it is folded into the
convolution before it: the same scores from fewer layers (Jacob et al., CVPR 2018, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from pixelwise.unet import UNet

#: float16 ends here; a weight beyond it would arrive as infinity.
LARGEST_HALF = torch.finfo(torch.float16).max


@dataclass(frozen=True)
class ExportedUNet:
    """What `js/core/unet.js` needs to build the same network.

    description   in_channels, num_classes, base_channels, depth, upsampling, copy_paths: as in `UNet`
    weights       float16, little-endian: weight and bias of each layer, in the order of the forward pass,
                  each in PyTorch's layout
    """

    description: dict[str, Any]
    weights: bytes


def export(net: UNet) -> ExportedUNet:
    """The network for the browser: folded, in half precision, 2 bytes a parameter.

    Takes what keeps the size of an image, `UNet(…, padding=1)`, with or without batch norm and copy paths,
    in any of the three upsamplings. Raises `TypeError` for another kind of network, and `ValueError` for
    valid convolutions (`padding=0`) and for weights that half precision cannot hold.
    """
    folded = fold_batch_norm(net)
    if folded.padding != 1:
        raise ValueError("the widget's network keeps the size of its image: build the UNet with padding=1")
    for name, weight in folded.named_parameters():
        if not weight.isfinite().all():
            raise ValueError(f"{name} holds NaN or infinite values: the training has diverged")
        if weight.abs().max() > LARGEST_HALF:
            raise ValueError(
                f"{name} holds {weight.abs().max():g}, and half precision ends at {LARGEST_HALF:g}: "
                "train with more weight_decay, or on images in [0, 1]"
            )
    # The parameters are registered in the order of the forward pass.
    flat = torch.cat([weight.detach().flatten() for weight in folded.parameters()])
    return ExportedUNet(_settings(folded), flat.cpu().numpy().astype("<f2").tobytes())


def fold_batch_norm(net: UNet) -> UNet:
    """A copy of the network without batch norm, on the CPU and in eval mode, that gives the same scores.

    With γ, β, μ and σ² of the norm, a convolution's weight w becomes w·γ/√(σ² + ε), and its bias
    β − μ·γ/√(σ² + ε). A network without batch norm is copied as it is.
    """
    if not isinstance(net, UNet):
        raise TypeError(f"export takes a pixelwise.UNet, got {type(net).__name__}")
    folded = UNet(**_settings(net), padding=net.padding).eval()
    with torch.no_grad():
        for ours, theirs in zip(_convolutions(folded), _convolutions(net), strict=True):
            weight, bias = theirs[0].weight.detach().cpu(), theirs[0].bias
            if theirs[1] is not None:
                norm = theirs[1]
                scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().cpu()
                weight = weight * scale[:, None, None, None]
                bias = norm.bias.cpu() - norm.running_mean.cpu() * scale
            ours[0].weight.copy_(weight)
            ours[0].bias.copy_(bias)
    return folded


def in_half_precision(net: UNet) -> UNet:
    """`fold_batch_norm(net)` with its weights rounded to float16 and back: what the browser computes with."""
    rounded = fold_batch_norm(net)
    with torch.no_grad():
        for weight in rounded.parameters():
            weight.copy_(weight.half().float())
    return rounded


def _settings(net: UNet) -> dict[str, Any]:
    return {
        "in_channels": net.in_channels,
        "num_classes": net.num_classes,
        "base_channels": net.head.in_channels,
        "depth": net.depth,
        "upsampling": net.upsampling,
        "copy_paths": net.expanding_path[0].copy_and_crop is not None,
    }


def _convolutions(net: UNet) -> list[tuple[nn.Module, nn.BatchNorm2d | None]]:
    """Every layer with weights, in the order of the forward pass, and the batch norm that follows it."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)
    modules = [module for module in net.modules() if isinstance(module, kinds)]
    following = [*modules[1:], None]
    return [
        (module, after if isinstance(after, nn.BatchNorm2d) else None)
        for module, after in zip(modules, following, strict=True)
        if not isinstance(module, nn.BatchNorm2d)
    ]
