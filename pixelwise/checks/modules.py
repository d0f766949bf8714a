"""The one way into a student's module: build it, fill its weights, run it. Data goes in, data comes out.

A module's layers may have any names and stand in any order. So every parameter is filled with numbers that
depend on its shape alone: two networks with the same layers then compute the same, however they are written.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from .case import Case, Random

Module = Callable[..., nn.Module]
_Pairs = tuple[tuple[str, Any], ...]
_Kind = tuple[torch.dtype, str]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Normally distributed numbers that depend on the shape and the seed alone, float32."""
    return _normal(tuple(shape), seed).clone()


@torch.no_grad()
def fill(module: nn.Module) -> nn.Module:
    """Give every parameter and buffer of `module` numbers that depend on its shape alone, and return it.

    Weights get the spread that keeps numbers at their size from layer to layer, biases half of it. An axis of
    size 1 does not count: a 1 × 1 convolution and a matrix of the same size are filled alike.
    """
    for weights in module.parameters():
        shape = _without_ones(weights.shape)
        spread = math.sqrt(2 / math.prod(shape[1:])) if len(shape) > 1 else 0.5
        weights.copy_(spread * _normal(shape).reshape(weights.shape))
    for buffer in module.buffers():
        if buffer.is_floating_point():  # means and variances: no variance is negative
            buffer.copy_(0.5 + _normal(_without_ones(buffer.shape)).abs().reshape(buffer.shape))
    return module


def run(cls: Module, settings: Mapping[str, Any], inputs: Mapping[str, Tensor]) -> Tensor:
    """What `cls(**settings)`, filled and in eval mode, puts out for `inputs`.

    The module is built in the dtype and on the device of the first input; on "meta" it costs nothing, however
    large it is.
    """
    first = next(iter(inputs.values()))
    module = _built(cls, settings, first.device).eval()
    if first.dtype != torch.get_default_dtype():
        module.to(first.dtype)
    if any(is_lazy(weights) for weights in module.parameters()):
        with torch.no_grad():
            module(*(one.detach() for one in inputs.values()))
    if not first.is_meta:
        fill(module)
    return module(*inputs.values())


def count(cls: Module, settings: Mapping[str, Any]) -> int:
    """The number of parameters of `cls(**settings)`."""
    return sum(weights.numel() for weights in _built(cls, settings, torch.device("meta")).parameters())


class Reference:
    """What builds a module of the course's own: hashable, and the same for everybody.

    The checks hold one student's results against dozens of references. They are computed once.
    """


@cache
def _of_reference(cls: Module, settings: _Pairs, shapes: _Pairs, seed: int, kind: _Kind) -> Tensor | None:
    """The output of a reference, or None where the module or its pass is impossible."""
    inputs = {name: _input(shape, seed, *kind) for name, shape in shapes}
    try:
        return run(cls, dict(settings), inputs)
    except Exception:
        return None


@cache
def _count_of_reference(cls: Module, settings: _Pairs) -> int:
    return count(cls, dict(settings))


@dataclass(frozen=True)
class Run(Case):
    """A case of a module: `fill(cls(**settings))(*arguments)`. Its tensors come from `numbers`.

    seed  that of the tensors
    """

    seed: int = 0

    def call(self, cls: Module) -> Tensor | None:
        if not isinstance(cls, Reference) or torch.is_grad_enabled():
            return run(cls, self.settings, self.arguments)
        shapes = tuple((name, tuple(one.shape)) for name, one in self.arguments.items())
        first = next(iter(self.arguments.values()))
        settings = tuple(self.settings.items())
        return _of_reference(cls, settings, shapes, self.seed, (first.dtype, str(first.device)))

    @property
    def made(self) -> dict[str, str]:
        return {key: self._made(value) for key, value in self.arguments.items()}

    def shown(self, name: str, written: dict[str, str]) -> list[str]:
        settings = ", ".join(f"{key}={written[key]}" for key in self.settings)
        net = f"{name}({settings})"
        first = next(iter(self.arguments.values()))
        if first.is_meta:
            net = f'{net}.to("meta")'
        else:
            net = f"fill({net}.double())" if first.dtype == torch.float64 else f"fill({net})"
        return [f"{net}({', '.join(written[key] for key in self.arguments)})"]

    def _made(self, tensor: Tensor) -> str:
        sizes = ", ".join(map(str, tensor.shape))
        if tensor.is_meta:
            return f'torch.empty({sizes}, device="meta")'
        seed = f", seed={self.seed}" if self.seed else ""
        return f"numbers({sizes}{seed})" + (".double() / 3" if tensor.dtype == torch.float64 else "")


@dataclass(frozen=True)
class Count(Case):
    """A case of a module whose result is its number of parameters."""

    def call(self, cls: Module) -> int:
        if isinstance(cls, Reference):
            return _count_of_reference(cls, tuple(self.settings.items()))
        return count(cls, self.settings)

    def shown(self, name: str, written: dict[str, str]) -> list[str]:
        settings = ", ".join(f"{key}={value}" for key, value in written.items())
        return [f"sum(weights.numel() for weights in {name}({settings}).parameters())"]


def run_case(
    settings: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    about: str = "",
    gradients: bool = False,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    rng: Random | None = None,
) -> Run:
    """A case of the module built with `settings` for inputs of these shapes; without `rng`, of seed 0."""
    seed = rng.randint(1, 10**6) if rng else 0
    inputs = {name: _input(shape, seed, dtype, device) for name, shape in shapes.items()}
    return Run(inputs, dict(settings), about, gradients, seed)


def _input(shape: tuple[int, ...], seed: int, dtype: torch.dtype, device: str) -> Tensor:
    """In float64, numbers that float32 cannot hold: who rounds them to float32 on the way is found out."""
    x = numbers(*shape, seed=seed).to(device, dtype)
    return x / 3 if dtype == torch.float64 else x


class Unregistered(TypeError):
    """Layers whose parameters PyTorch does not find. They cannot be filled, so nothing can be compared."""


def _built(cls: Module, settings: Mapping[str, Any], device: torch.device) -> nn.Module:
    with torch.random.fork_rng(devices=[]), torch.device(device), _Uninitialised():
        module = cls(**settings)
    if not isinstance(module, nn.Module):
        raise TypeError(f"a torch.nn.Module is expected, not {type(module).__name__}")
    for part in module.modules():
        origin = type(part).__module__
        if origin.startswith("pixelwise.") and not origin.startswith("pixelwise.checks."):
            raise TypeError(
                f"this network is made of {origin}.{type(part).__name__}; its parts are to be yours"
            )
    _look_for_unregistered(module)
    return module


_PYTORCHS_OWN = frozenset(vars(nn.Module()))  # parameters, parts, hooks


def _look_for_unregistered(module: nn.Module) -> None:
    """Raise Unregistered if a list, a tuple, a dictionary or a set holds layers with parameters."""
    known = {id(weights) for weights in module.parameters()}
    lost: dict[int, nn.Parameter] = {}
    where = ""
    todo: list[nn.Module] = [module]
    done: set[int] = set()
    while todo:
        part = todo.pop()
        if id(part) in done:
            continue
        done.add(id(part))
        todo += part.children()
        for name, value in vars(part).items():
            if name in _PYTORCHS_OWN:
                continue
            hidden = list(_layers_in(value))
            missed = [
                weights
                for one in hidden
                for weights in ([one] if isinstance(one, nn.Parameter) else one.parameters())
                if id(weights) not in known
            ]
            if missed and not where:
                where = f"`self.{name}` of {type(part).__name__} is a {type(value).__name__}"
            lost |= {id(weights): weights for weights in missed}
            todo += [one for one in hidden if isinstance(one, nn.Module)]
    if lost:
        found = sum(weights.numel() for weights in module.parameters() if not is_lazy(weights))
        missing = sum(weights.numel() for weights in lost.values() if not is_lazy(weights))
        raise Unregistered(f"{where}: PyTorch finds {found} parameters, and there are {found + missing}.")


def _layers_in(value: Any, depth: int = 3) -> Iterator[nn.Module | nn.Parameter]:
    """Layers and parameters in a container of Python's, also in one within another."""
    if not depth or not isinstance(value, list | tuple | dict | set | deque):
        return
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, nn.Module | nn.Parameter):
            yield one
        else:
            yield from _layers_in(one, depth - 1)


class _Uninitialised(TorchFunctionMode):
    """Leaves out what `torch.nn.init` does when layers are made: they are filled anyway."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__module__", "") == "torch.nn.init":
            return (kwargs or {}).get("tensor", args[0] if args else None)
        return function(*args, **(kwargs or {}))


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


@cache
def _normal(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(hash((seed, *shape)) % 2**32)
    return torch.randn(shape, generator=generator)
