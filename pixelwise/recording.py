"""What a network says of held-out pictures while it is being trained: for `TrainingPlayback`.

recording = Recording(net, held_out, steps=800)
history = train(net, examples, steps=800)
print(recording.finish().mean_iou()[-1])
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from pixelwise.augmentation import Example
from pixelwise.inference import predict
from pixelwise.metrics import ConfusionMatrix
from pixelwise.unet import Network


class Recording:
    """Watches a network from before its first step on: every forward pass in train mode is a step.

    net        the network that will be trained; the recording hangs on to it until `finish`
    examples   held-out pictures, all of them for the confusion matrices
    shown      the indices of those whose class maps are kept
    steps      how long the training will be
    moments    after how many steps to look; None: 20 moments from 0 to `steps`, denser at the start

    Looking changes nothing: neither weights nor batch norm's statistics nor any generator. A training that is
    resumed from a checkpoint cannot be recorded: its first steps are not taken again.
    """

    def __init__(
        self,
        net: Network,
        examples: Sequence[Example],
        steps: int,
        *,
        shown: Sequence[int] = (0, 1, 2),
        moments: Sequence[int] | None = None,
        ignore_index: int = 255,
    ) -> None:
        if not len(examples):
            raise ValueError("there are no pictures to look at")
        wrong = [index for index in shown if not 0 <= index < len(examples)]
        if wrong or not shown:
            raise ValueError(f"shown names pictures from 0 to {len(examples) - 1}, got {list(shown)}")
        self.net, self.examples, self.total = net, examples, steps
        self.shown, self.ignore_index = list(shown), ignore_index
        self.wanted = sorted(set(dense_at_the_start(steps) if moments is None else moments))
        if self.wanted[0] < 0 or self.wanted[-1] > steps:
            raise ValueError(f"moments lie between 0 and {steps} steps, got {self.wanted}")
        self.moments: list[int] = []
        #: For each moment: the class maps of the pictures in `shown`, (H, W) uint8, and the counts over all.
        self.class_maps: list[list[torch.Tensor]] = []
        self.matrices: list[ConfusionMatrix] = []
        self._passes = 0
        self._hook = net.register_forward_pre_hook(self._before_a_pass)

    def finish(self) -> Recording:
        """Take the last moment, when training is over, and let go of the network."""
        self._hook.remove()
        if self._passes != self.total:
            raise ValueError(
                f"the training was to take {self.total} steps and took {self._passes}: make a recording "
                "for each training, right before it, with the same number of steps"
            )
        if self.total in self.wanted and self.total not in self.moments:
            self._look()
        return self

    def mean_iou(self) -> list[float]:
        """At each moment, over all the pictures."""
        return [matrix.mean_iou() for matrix in self.matrices]

    def _before_a_pass(self, net: Network, _: tuple) -> None:
        if not net.training:  # our own look, or an evaluation
            return
        if self._passes in self.wanted:
            self._look()
        self._passes += 1

    def _look(self) -> None:
        matrix, maps = ConfusionMatrix(self.net.num_classes, self.ignore_index), []
        device = next(self.net.parameters()).device
        for _, group in itertools.groupby(self.examples, key=lambda pair: pair[0].shape):
            images, class_maps = map(torch.stack, zip(*group, strict=True))
            # The pass that we precede may be one in mixed precision; an evaluation is not.
            with torch.autocast(device.type, enabled=False):
                classes = predict(self.net, images).argmax(1)
            matrix.update(classes, class_maps)
            maps += classes.to("cpu", torch.uint8)
        self.moments.append(self._passes)
        self.matrices.append(matrix)
        self.class_maps.append([maps[index].clone() for index in self.shown])


def dense_at_the_start(steps: int, count: int = 20) -> list[int]:
    """About `count` moments from 0 to `steps`; the n-th lies at the square of its share of the way."""
    return sorted({round(steps * (n / (count - 1)) ** 2) for n in range(count)})
