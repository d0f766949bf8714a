"""What does full resolution cost? Time and memory of a training step, as images grow.

Four images a step, forwards and backwards with AdamW's update, in float32; the time is that of one core.
Memory is what the forward pass keeps for the backward pass, without the parameters.
"""

from __future__ import annotations

import time
from typing import Any

import torch

from experiments.full_resolution import SETTINGS as NETWORKS
from experiments.full_resolution import build
from experiments.recipes import cross_entropy
from pixelwise.unet import Network

ALONE = False  # the time of a process is its own, whatever runs beside it
IMAGES = 4
SETTINGS = [
    {"data": "scenes", "network": setting["network"], "size": size}
    for setting in NETWORKS
    for size in (32, 64, 128, 256)
]


def measure(setting: dict[str, Any], seed: int) -> dict[str, float]:
    net = build(setting["network"], seed).to(memory_format=torch.channels_last)
    images = torch.rand(IMAGES, net.in_channels, setting["size"], setting["size"])
    images = images.contiguous(memory_format=torch.channels_last)
    target = torch.randint(net.num_classes, (IMAGES, setting["size"], setting["size"]))
    return {
        "core_milliseconds": round(1000 * seconds_of_a_step(net, images, target), 1),
        "activation_megabytes": round(kept_bytes(net, images, target) / 1e6, 2),
        "parameters": net.parameter_count()["total"],
    }


def seconds_of_a_step(net: Network, images: torch.Tensor, target: torch.Tensor, repeats: int = 3) -> float:
    """The median over `repeats` steps, after one to warm up."""
    optimizer = torch.optim.AdamW(net.parameters())
    seconds = []
    for _ in range(repeats + 1):
        start = time.process_time()
        optimizer.zero_grad()
        cross_entropy(net(images), target).backward()
        optimizer.step()
        seconds.append(time.process_time() - start)
    return sorted(seconds[1:])[repeats // 2]


def kept_bytes(net: Network, images: torch.Tensor, target: torch.Tensor) -> int:
    """The bytes of all activations that autograd saves, each storage counted once, without the parameters."""
    kept: dict[int, int] = {}
    own = {tensor.untyped_storage().data_ptr() for tensor in (*net.parameters(), *net.buffers())}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = cross_entropy(net(images), target)
    del loss  # until here, so that no storage is given back and counted again
    return sum(kept.values())
