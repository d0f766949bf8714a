"""A case: one call of a student's function, with its arguments."""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import torch

Random = random.Random


@dataclass(frozen=True)
class Case:
    """One call: `function(*arguments, **settings)`.

    A function that takes what is no data (a model, an optimizer) has cases of its own kind: `call` makes it
    from the data, beside the function, and gives data back; `shown` writes that as code.

    arguments  what is passed by position, by the name that messages use
    settings   what is passed by keyword (stride, padding, a bias)
    about      what the case tries, in a few words, where its settings do not say it
    gradients  whether the gradients with respect to all tensors of floats count too
    """

    arguments: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    about: str = ""
    gradients: bool = False

    def tensors(self) -> dict[str, torch.Tensor]:
        """The tensors among the arguments and settings, by name."""
        both = self.arguments | self.settings
        return {name: value for name, value in both.items() if isinstance(value, torch.Tensor)}

    @property
    def size(self) -> int:
        """How much there is to look at. The smallest failing case is shown, whole numbers first."""
        tensors = self.tensors().values()
        both = (self.arguments | self.settings).values()
        whole = all(value.is_meta or torch.equal(value, value.round()) for value in tensors)
        numbers = sum(value.numel() for value in tensors) + sum(map(_magnitude, both))
        return numbers if whole else 1000 + numbers

    def copy(self) -> Case:
        """The same case with tensors of its own, which ask for gradients where they count."""

        def own(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return deepcopy(value)
            return value.detach().clone().requires_grad_(self.gradients and value.is_floating_point())

        return replace(
            self,
            arguments={name: own(value) for name, value in self.arguments.items()},
            settings={name: own(value) for name, value in self.settings.items()},
        )

    @property
    def made(self) -> dict[str, str]:
        """How to write those tensors that have a shorter form than all their numbers."""
        return {}

    def call(self, function: Any) -> Any:
        return function(*self.arguments.values(), **self.settings)

    def shown(self, name: str, written: dict[str, str]) -> list[str]:
        """The call as lines of code. `written` is how each argument and setting is written."""
        parts = [written[key] for key in self.arguments]
        parts += [f"{key}={written[key]}" for key in self.settings]
        return [f"{name}({', '.join(parts)})"]


def _magnitude(value: Any) -> int:
    """The sum of whole numbers, also of those within lists."""
    if isinstance(value, list | tuple):
        return sum(map(_magnitude, value))
    return abs(value) if isinstance(value, int) else 0


def integers(rng: Random, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Whole numbers from -3 to 3 without 0: easy to follow by eye, and exact in every dtype."""
    count = torch.Size(shape).numel()
    values = [rng.choice((-3, -2, -1, 1, 2, 3)) for _ in range(count)]
    return torch.tensor(values, dtype=dtype).reshape(shape)


def reals(rng: Random, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Numbers with three decimals, normally distributed: no binary dtype holds them without rounding."""
    count = torch.Size(shape).numel()
    return torch.tensor([round(rng.gauss(0, 1), 3) for _ in range(count)], dtype=dtype).reshape(shape)
