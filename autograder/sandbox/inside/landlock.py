"""Landlock: a process gives up, for good, all files but those that it names. Any user may do that.

https://docs.kernel.org/userspace-api/landlock.html describes the versions. `system_calls.py` adds what older
ones lack.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

SIGNALS = 6  # the first version that keeps signals within

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every architecture
_VERSION_ONLY, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE, _READ, _LIST, _TRUNCATE, _IOCTL = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_LOOK = _EXECUTE | _READ | _LIST
_SPECIAL_FILES = (1 << 6) | (1 << 9) | (1 << 10) | (1 << 11)  # devices, sockets, pipes

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The system's Landlock version; 0: it has none."""
    return max(0, _libc.syscall(_CREATE, None, 0, _VERSION_ONLY))


def restrict(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Of all files, this process and those that it starts keep these.

    readable  files and folders to read and to execute
    writable  those in which everything may be done but to make devices, sockets and pipes
    """
    have = version()
    if not have:
        raise OSError("the system has no Landlock (it needs Linux 5.13 or newer, with Landlock switched on)")
    rights = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
    every = rights.get(have, (1 << 16) - 1)
    tcp = 3 if have >= 4 else 0  # bind, connect
    scope = 3 if have >= SIGNALS else 0  # abstract sockets, signals
    attributes = struct.pack("QQQ", every, tcp, scope)[: 8 if have < 4 else 16 if have < 6 else 24]
    rules = _call(_CREATE, attributes, len(attributes), 0)
    for paths, allowed in ((readable, _LOOK), (writable, every & ~_SPECIAL_FILES)):
        for path in paths:
            _allow(rules, path, allowed & every)
    _call(_RESTRICT, rules, 0)
    os.close(rules)


def _allow(rules: int, path: str, allowed: int) -> None:
    if not Path(path).exists():
        return
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        allowed &= _OF_FILES
    _call(_ADD, rules, _PATH_BENEATH, struct.pack("=Qi", allowed, place), 0)
    os.close(place)


def _call(number: int, *arguments: object) -> int:
    result = _libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return result
