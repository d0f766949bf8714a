"""What problem set 3 gives: a network whose sizes are to be predicted, and a block that is to be mended."""

from __future__ import annotations

from dataclasses import dataclass

from .networks import Design, Up

#: The network, layer by layer: what it does, the kernel's size, the channels that come out. An "up" is an
#: up-convolution with a stride of its kernel's size, a "join" the copy of the map behind the layer named,
#: cropped at the centre, and stacked onto what came up. Convolutions have biases and no padding.
LAYERS = (
    ("convolution", 5, 6),
    ("convolution", 3, 6),  # copied at layer 12
    ("pooling", 2, 6),
    ("convolution", 3, 12),  # copied at layer 9
    ("pooling", 3, 12),
    ("convolution", 3, 24),
    ("convolution", 3, 24),
    ("up", 3, 12),
    ("join", 4, 24),
    ("convolution", 3, 12),
    ("up", 2, 6),
    ("join", 2, 12),
    ("convolution", 5, 6),
    ("convolution", 1, 4),
)
ROWS = 100


@dataclass(frozen=True)
class Reading:
    """How somebody reads the network; the defaults are right.

    lost      rows that a convolution with kernel k takes off: "k - 1", "k // 2", "2", "none", "k"
    pooling   what a pooling of 3 divides by
    raising   what an up-convolution of 3 multiplies with
    sides     among how many sides a crop is shared; 0: no crop
    stacked   whether a join stacks channels, or adds them
    step      from one legal size to the next; 0: as it is
    weights   weights of a 3 × 3 kernel for each pair of channels
    biases    how many biases there are to an output channel
    """

    lost: str = "k - 1"
    pooling: int = 3
    raising: int = 3
    sides: int = 2
    stacked: bool = True
    step: int = 0
    weights: int = 9
    biases: int = 1

    def answer(self, question: str) -> int:
        """The number that this reading leads to."""
        return self._answers()[question]

    def _answers(self) -> dict[str, int]:
        rows, channels, cuts = [], [], []
        now = ROWS
        for kind, size, out in LAYERS:
            if kind == "convolution":
                lost = {"k - 1": size - 1, "k // 2": size // 2, "2": 2, "none": 0, "k": size}[self.lost]
                now -= lost if size > 1 else 0
            elif kind == "pooling":
                now //= self.pooling if size == 3 else size
            elif kind == "up":
                now *= self.raising if size == 3 else size
            else:
                cuts.append((rows[size - 1] - now) // self.sides if self.sides else 0)
                out = out if self.stacked else out // 2
            rows.append(now)
            channels.append(out)
        pairs = channels[8] * 12 * self.weights
        return {
            "a": rows[1],
            "b": rows[6],
            "c": cuts[0],
            "d": cuts[1],
            "e": rows[13],
            "f": ROWS + (self.step or 6),
            "g": channels[11],
            "h": pairs + 12 * self.biases,
            "i": pairs // 2 if self.stacked else 0,
        }


def mended(design: Design, in_channels: int, copied_channels: int, out_channels: int) -> Up:
    """The block that is to be mended: a level of the expanding path with copies of any width."""
    return Up(design, in_channels, out_channels, 1, copied_channels)
