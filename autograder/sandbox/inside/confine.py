"""A forked process shuts itself in, for good: by namespaces, or by Landlock where those are forbidden.

With namespaces, `zygote.py` calls `leave_namespaces` before the fork that makes the first process of a new
process-id namespace, and `enter` in that process; with Landlock, `enter_beside_others`. Both ways end with
limits, no capabilities and a filter of system calls.

    python -m inside.confine namespaces|landlock FOLDER

tries it, and says on stderr what does not work here.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import landlock, system_calls

#: Who a kernel is, when the grader is root: limits on processes do not bind root.
NOBODY = 65534

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 16384, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 36, 38, 47

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    memory     bytes, of all its processes together; one process may map `addresses` bytes
    processes  processes and threads
    file       bytes of one file; all files together: `files`
    seconds    how long its kernel may live, whatever becomes of the grader that asked for it
    """

    memory: int = 2 << 30
    addresses: int = 6 << 30
    processes: int = 128
    file: int = 64 << 20
    files: int = 256 << 20
    seconds: int = 900


def leave_namespaces() -> None:
    """Leave what the next process that is forked must not share: process ids, and for non-root the users."""
    user = 0 if os.geteuid() == 0 else _CLONE_NEWUSER
    identity = os.geteuid(), os.getegid()
    _check(_libc.unshare(user | _CLONE_NEWPID), "unshare")
    if user:
        _map_identity(*identity)


def enter(folder: str, limits: Limits) -> None:
    """Shut this process in, for good. It must be the first of its process-id namespace.

    folder  the private temporary folder to make, the new working directory
    """
    _check(_libc.unshare(_CLONE_NEWNS | _CLONE_NEWIPC | _CLONE_NEWNET | _CLONE_NEWUTS), "unshare")
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    for place, size in (("/tmp", limits.files), ("/dev/shm", limits.files)):
        _mount("tmpfs", place, "tmpfs", _MS_NOSUID | _MS_NODEV, f"size={size},nr_inodes=20000,mode=1777")
    if os.geteuid() == 0:
        _become_nobody()
        _check(_libc.unshare(_CLONE_NEWUSER), "unshare")
        _map_identity(NOBODY, NOBODY)
    die_with_parent()
    Path(folder).mkdir(parents=True)
    os.chdir(folder)
    limit(limits)
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _drop_capabilities()
    system_calls.restrict(alone=True)


def enter_beside_others(folder: str, limits: Limits, readable: Sequence[str]) -> None:
    """Shut this process in, for good, where there are no namespaces.

    folder    the only one in which it may write, the new working directory; it exists
    readable  the files and folders that it may read
    """
    if os.geteuid() == 0 and all(map(_open_to_all, (*readable, folder))):
        try:
            os.chown(folder, NOBODY, NOBODY)
            _become_nobody()
        except PermissionError:  # root without its rights, as in some pods
            pass
    die_with_parent()
    os.chdir(folder)
    limit(replace(limits, processes=limits.processes + _threads_of(os.geteuid())))
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _drop_capabilities()
    places = [f"/dev/{name}" for name in ("zero", "random", "urandom")]
    places += ["/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu"]
    landlock.restrict([*readable, *places], [folder, "/dev/null"])
    system_calls.restrict(alone=False, signals_kept_in=landlock.version() >= landlock.SIGNALS)


def adopt_orphans() -> None:
    """Be the parent of all whose parents end: so they are found, whatever they do to get away."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")


def die_with_parent(by: signal.Signals = signal.SIGKILL) -> None:
    _check(_libc.prctl(_PR_SET_PDEATHSIG, by, 0, 0, 0), "pdeathsig")


def limit(limits: Limits) -> None:
    """Limits of one process, which those that it starts inherit."""
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.addresses),
        (resource.RLIMIT_FSIZE, limits.file),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_NOFILE, 512),
        (resource.RLIMIT_MEMLOCK, 64 << 10),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        _, ceiling = resource.getrlimit(what)
        most = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
        resource.setrlimit(what, (most, most))


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")  # or /proc/self belongs to root


def _open_to_all(path: str) -> bool:
    """Whether everybody may come as far as there."""
    return all(parent.stat().st_mode & 0o001 for parent in Path(path).resolve().parents)


def _threads_of(user: int) -> int:
    """How many threads a user has: without namespaces, a limit on processes counts them all."""
    count = 0
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and process.stat().st_uid == user:
                count += len(os.listdir(process / "task"))  # noqa: PTH208
        except OSError:  # it has just ended
            pass
    return count


def _map_identity(user: int, group: int) -> None:
    """In the new user namespace we are who we were, and nobody else exists."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    arguments = [text.encode() if text else None for text in (source, target, kind)]
    done = _libc.mount(*arguments, ctypes.c_ulong(flags), data.encode() if data else None)
    _check(done, f"mount {target}")


def _drop_capabilities() -> None:
    """None is left, and no program gives one back (no_new_privs)."""
    _libc.prctl(_PR_CAP_AMBIENT, 4, 0, 0, 0)  # clear all
    header, none = struct.pack("II", 0x20080522, 0), struct.pack("6I", *[0] * 6)
    _check(_libc.capset(header, none), "capset")


def _check(result: int, what: str) -> None:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def _try(wall: str, folder: str) -> None:
    """Shut a child process in, and let it do a little."""
    if wall == "namespaces":
        leave_namespaces()
    child = os.fork()
    if child == 0:
        if wall == "namespaces":
            enter("/tmp/submission", Limits())
        else:
            enter_beside_others(folder, Limits(), [])
        Path("tried").write_text("written")
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit(1)


if __name__ == "__main__":
    try:
        _try(*sys.argv[1:])
    except OSError as error:
        sys.exit(f"{error.strerror or error}")
