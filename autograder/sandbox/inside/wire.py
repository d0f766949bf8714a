"""Data as bytes: the only form in which anything crosses the wall of the sandbox.

Numbers, text, lists, tuples, dictionaries, tensors, and the cases and observations of `pixelwise.checks`.
Never pickle: what arrives is built here from plain values, with bounded sizes, and nothing of it is code. The
first part is JSON that describes the value; the others are the numbers of its tensors.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import operator
import re
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

import torch

from pixelwise.checks.case import Case
from pixelwise.checks.observe import Observation

MAX_BYTES = 64 << 20
MAX_DESCRIPTION = 16 << 20  # bytes of the JSON; as Python's objects it may take twenty times as many
MAX_VALUES = 200_000
MAX_DEPTH = 24
MAX_TEXT = 20_000

_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex128),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    )
}
_LAYOUTS = {
    "sparse_coo": lambda: torch.zeros(1).to_sparse(),
    "sparse_csr": lambda: torch.zeros(1, 1).to_sparse_csr(),
}
_CHECKS = re.compile(r"pixelwise\.checks(\.\w+)+")


class TooLarge(ValueError):
    """The value is larger than what may cross."""


class Malformed(ValueError):
    """The bytes are not what `pack` makes."""


class Closed(ConnectionError):
    """Nobody is at the other end any more, or nobody who can be understood."""


class Other:
    """Stands for an object that cannot cross: its type's name and its text remain, for messages."""

    def __init__(self, text: str):
        self._text = text

    def __repr__(self) -> str:
        return self._text


def pack(value: Any) -> list[bytes]:
    """The value as a list of bytes: JSON, then the numbers of each tensor."""
    writer = _Writer()
    text = json.dumps(writer.write(value, 0)).encode()
    if len(text) > MAX_DESCRIPTION or len(text) + writer.size > MAX_BYTES:
        raise TooLarge(_too_large())
    return [text, *writer.buffers]


def unpack(parts: Sequence[bytes | memoryview]) -> Any:
    """The value that `pack` made these bytes of."""
    if not parts or len(parts[0]) > MAX_DESCRIPTION or sum(len(part) for part in parts) > MAX_BYTES:
        raise Malformed("no bytes, or too many")
    try:
        return _Reader(parts[1:]).read(json.loads(bytes(parts[0])), 0)
    except Malformed:
        raise
    except Exception as error:  # whatever a hostile sender makes go wrong
        raise Malformed(type(error).__name__) from None


def send(channel: socket.socket, parts: Sequence[bytes], deadline: float = math.inf) -> None:
    """Send what `pack` made: the number of parts, their lengths, the parts. `deadline` as for `receive`."""
    lengths = struct.pack(f"<{1 + len(parts)}Q", len(parts), *map(len, parts))
    _wait_until(channel, deadline)
    try:
        channel.sendall(b"".join([lengths, *parts]))
    except (BrokenPipeError, ConnectionResetError):
        raise Closed from None


def receive(channel: socket.socket, deadline: float = math.inf) -> list[bytes]:
    """What the other end has sent, for `unpack`. TimeoutError if it is not all here at `deadline` (a time of
    the monotonic clock)."""
    (count,) = struct.unpack("<Q", _read(channel, 8, deadline))
    if not 0 < count <= MAX_VALUES:
        raise Closed("no parts, or too many")
    lengths = struct.unpack(f"<{count}Q", _read(channel, 8 * count, deadline))
    if sum(lengths) > MAX_BYTES:
        raise Closed("too many bytes")
    return [_read(channel, length, deadline) for length in lengths]


def _read(channel: socket.socket, length: int, deadline: float) -> bytes:
    parts = []
    while length:
        _wait_until(channel, deadline)
        try:
            parts.append(channel.recv(min(length, 1 << 20)))
        except ConnectionResetError:
            raise Closed from None
        if not parts[-1]:
            raise Closed
        length -= len(parts[-1])
    return b"".join(parts)


def _wait_until(channel: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    channel.settimeout(None if left == math.inf else left)


class _Writer:
    def __init__(self) -> None:
        self.buffers: list[bytes] = []
        self.size = self.count = 0

    def write(self, value: Any, depth: int) -> Any:
        self.count += 1
        if self.count > MAX_VALUES or depth > MAX_DEPTH:
            raise TooLarge(_too_large())
        if value is None or value is True or value is False:
            return value
        if isinstance(value, str):
            return str(value)[:MAX_TEXT]
        if isinstance(value, float):
            return float(value)
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, torch.dtype) and str(value).removeprefix("torch.") in _DTYPES:
            return {"dtype": str(value).removeprefix("torch.")}
        if isinstance(value, list):
            return [self.write(one, depth + 1) for one in value]
        if isinstance(value, tuple):
            return {"tuple": [self.write(one, depth + 1) for one in value]}
        if isinstance(value, dict):
            return {"dict": [[self.write(one, depth + 1) for one in pair] for pair in value.items()]}
        if isinstance(value, Case | Observation):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            written = {name: self.write(one, depth + 1) for name, one in fields.items()}
            return {"record": [type(value).__module__, type(value).__name__, written]}
        try:
            number = operator.index(value)
            if abs(number) < 2**63:
                return number
        except Exception:
            pass
        return {"other": [type(value).__module__, type(value).__name__, _text(value)]}

    def _tensor(self, value: torch.Tensor) -> Any:
        with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():
            value = value.detach()
            layout = str(value.layout).removeprefix("torch.")
            name = str(value.dtype).removeprefix("torch.")
            if layout in _LAYOUTS:
                return {"layout": layout}
            if layout != "strided" or name not in _DTYPES or value.is_quantized:
                return {"other": ["torch", f"Tensor ({name}, {layout})", "…"]}
            meta = value.device.type == "meta"
            if not meta:
                self.size += value.numel() * value.element_size()
                if self.size > MAX_BYTES:
                    raise TooLarge(_too_large(tuple(value.shape)))
                flat = value.cpu().resolve_conj().resolve_neg().contiguous().flatten()
                self.buffers.append(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
            return {"tensor": [name, list(value.shape), None if meta else len(self.buffers) - 1]}


class _Reader:
    def __init__(self, buffers: Sequence[bytes | memoryview]) -> None:
        self.buffers, self.count = list(buffers), 0

    def read(self, value: Any, depth: int) -> Any:
        self.count += 1
        if self.count > 2 * MAX_VALUES or depth > 2 * MAX_DEPTH:
            raise Malformed("too many values")
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return value[:MAX_TEXT]
        if isinstance(value, list):
            return [self.read(one, depth + 1) for one in value]
        ((kind, content),) = value.items()
        if kind == "tuple":
            return tuple(self.read(one, depth + 1) for one in content)
        if kind == "dict":
            return {self.read(key, depth + 1): self.read(one, depth + 1) for key, one in content}
        if kind == "dtype":
            return _DTYPES[content]
        if kind == "layout":
            return _LAYOUTS[content]()
        if kind == "tensor":
            return self._tensor(*content)
        if kind == "record":
            return self._record(*content, depth)
        if kind == "other":
            module, name, text = (str(one)[:80] for one in content)
            return type(name, (Other,), {"__module__": module})(text)
        raise Malformed("unknown kind")

    def _tensor(self, name: str, shape: list[int], index: int | None) -> torch.Tensor:
        dtype = _DTYPES[name]
        if len(shape) > 16 or any(not isinstance(size, int) or not 0 <= size < 2**40 for size in shape):
            raise Malformed("shape")
        if index is None:
            return torch.empty(shape, dtype=dtype, device="meta")
        buffer = bytes(self.buffers[index])
        self.buffers[index] = b""  # of one tensor alone: else few bytes could become many
        if torch.Size(shape).numel() * dtype.itemsize != len(buffer):
            raise Malformed("length")
        if not buffer:
            return torch.empty(shape, dtype=dtype)
        numbers = torch.frombuffer(bytearray(buffer), dtype=torch.uint8)
        if dtype == torch.bool:  # a byte that is neither 0 nor 1 would be no bool
            return (numbers != 0).reshape(shape)
        return numbers.view(dtype).reshape(shape)

    def _record(self, module: str, name: str, fields: dict[str, Any], depth: int) -> Any:
        if not _CHECKS.fullmatch(module):
            raise Malformed("no record")
        kind = getattr(importlib.import_module(module), name)
        if not (isinstance(kind, type) and issubclass(kind, Case | Observation)):
            raise Malformed("no record")
        return kind(**{key: self.read(one, depth + 1) for key, one in fields.items()})


def _too_large(shape: tuple[int, ...] | None = None) -> str:
    what = f"a tensor of shape {shape}" if shape else "a value"
    return f"{what} is too large to be looked at (the limit is {MAX_BYTES >> 20} MB)"


def _text(value: Any) -> str:
    try:
        return repr(value)[:80]
    except Exception:
        return "…"
