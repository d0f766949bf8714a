"""What stands between a kernel and the machine: a process that watches what it uses, and ends it.

In a process-id namespace all that a submission has started ends with its kernel. Without one the guardian is
the parent of all whose parents have ended, and so finds them: whatever starts from it belongs to the
submission.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from .confine import Limits, adopt_orphans, die_with_parent

_EVERY = 0.1  # seconds
_MOST_FILES = 20_000


class _GraderEnded(BaseException):
    pass


def prepare(alone: bool) -> None:
    """Before the kernel runs anything. `alone` says whether it has a process-id namespace of its own."""
    if alone:
        die_with_parent()
        return
    adopt_orphans()
    signal.signal(signal.SIGTERM, _grader_ended)
    die_with_parent(signal.SIGTERM)  # and end the others before


def watch(kernel: int, limits: Limits, alone: bool, folder: str, news: int) -> str:
    """Wait until the kernel has ended, and all that it started; a sentence that says why it did.

    folder  where it writes, if nothing else bounds that
    news    the pipe to the grader, which ends the kernel by ending itself
    """
    ended = select.poll()
    ended.register(os.pidfd_open(kernel), select.POLLIN)
    ended.register(news, 0)  # an error is always told: nobody reads any more
    last, reason = time.monotonic() + limits.seconds, ""
    try:
        while not reason and not ended.poll(1000 * _EVERY):
            for orphan in set(_children(os.getpid())) - {kernel}:
                os.waitpid(orphan, os.WNOHANG)
            processes = list(_descendants(os.getpid()))
            _step_back(set(processes) - {kernel})
            # Forks share most of their pages until they write. Who shares what takes long to find out, and is
            # asked only where it matters.
            if (
                sum(map(_memory, processes)) > limits.memory
                and sum(map(_share_of_memory, processes)) > limits.memory
            ):
                reason = f"It used more than {limits.memory >> 20} MB of memory."
            elif len(processes) > limits.processes:
                reason = f"It started more than {limits.processes} processes."
            elif folder and _stored(folder, processes) > limits.files:
                reason = f"It wrote more than {limits.files >> 20} MB of files."
            elif time.monotonic() > last:
                reason = f"It lived longer than {limits.seconds} seconds."
        os.kill(kernel, signal.SIGKILL)  # which changes nothing if it has ended
        _, status = os.waitpid(kernel, 0)
    finally:
        if not alone:
            _end_all()
    code = os.waitstatus_to_exitcode(status)
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    return reason or f"Its process ended ({how})."


def _step_back(processes: set[int]) -> None:
    """Give other submissions the right of way before those that a kernel has started."""
    for process in processes:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process, 19)


def _grader_ended(*_: object) -> None:
    raise _GraderEnded


def _end_all() -> None:
    """End all that were started. They are stopped first: what is stopped starts nothing any more."""
    stopped: set[int] = set()
    while new := set(_descendants(os.getpid())) - stopped:
        for process in new:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGSTOP)
        stopped |= new
    while left := list(_descendants(os.getpid())):
        for process in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.005)


def _children(process: int) -> list[int]:
    try:
        lists = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")]
    except OSError:  # it has just ended
        return []
    return [int(child) for child in "".join(lists).split()]


def _descendants(process: int) -> Iterator[int]:
    for child in _children(process):
        yield child
        yield from _descendants(child)


def _memory(process: int) -> int:
    """Bytes of memory that belong to no file: its own, and what it shares with others."""
    return _listed(process, "status", ("RssAnon:", "RssShmem:"))


def _share_of_memory(process: int) -> int:
    """The same, but of a page that n processes share the n-th part; all of it where the system won't say."""
    return _listed(process, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:")) or _memory(process)


def _listed(process: int, file: str, names: tuple[str, ...]) -> int:
    """The sum of these lines of a file below /proc, in bytes; 0 if the process has ended."""
    try:
        lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(names))


def _stored(folder: str, processes: list[int]) -> int:
    """Bytes of the files below a folder, and of those without a name that are still open."""
    size = count = 0
    todo = [folder]
    while todo and count < _MOST_FILES:
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                count += 1
                with contextlib.suppress(OSError):
                    size += 512 * entry.stat(follow_symlinks=False).st_blocks
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
    for process in processes:
        with contextlib.suppress(OSError), os.scandir(f"/proc/{process}/fd") as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    found = entry.stat()
                    if stat.S_ISREG(found.st_mode) and not found.st_nlink:
                        size += 512 * found.st_blocks
    return size if count < _MOST_FILES else size + (1 << 40)
