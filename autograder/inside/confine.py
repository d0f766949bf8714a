"""A forked process shuts itself in: namespaces, private folders, limits, no capabilities, seccomp.

Called in this order by `zygote.py`: `leave_namespaces` before the fork that makes the first process of a new
process-id namespace, `enter` in that process. Linux on x86-64 and ARM64, by system calls alone.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from dataclasses import dataclass
from pathlib import Path

#: Who a kernel is, when the grader is root: limits on processes do not bind root.
NOBODY = 65534

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 16384, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 4, 22, 24
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 38, 47

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
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")  # or /proc/self belongs to root
        _check(_libc.unshare(_CLONE_NEWUSER), "unshare")
        _map_identity(NOBODY, NOBODY)
    die_with_parent()
    Path(folder).mkdir(parents=True)
    os.chdir(folder)
    limit(limits)
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _drop_capabilities()
    _filter_system_calls()


def die_with_parent() -> None:
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "pdeathsig")


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
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for capability in range(last + 1):
        _check(_libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0), "drop capability")
    _libc.prctl(_PR_CAP_AMBIENT, 4, 0, 0, 0)  # clear all
    header, none = struct.pack("II", 0x20080522, 0), struct.pack("6I", *[0] * 6)
    _check(_libc.syscall(_NUMBERS["capset"][_column()], header, none), "capset")


# System calls by their numbers on x86-64 and ARM64 (None: it does not exist there).
_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "capset": (126, 91),
    "clone": (56, 220),
    "clone3": (435, 435),
    "socket": (41, 198),
}
#: Denied: other namespaces and mounts, other processes' memory, keys, kernel modules, clocks, and interfaces
#: of the kernel that no notebook needs and that attacks like.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def _column() -> int:
    if platform.machine() not in _ARCHITECTURES:
        raise OSError(f"the sandbox knows no system calls of {platform.machine()}")
    return _ARCHITECTURES[platform.machine()][0]


def _filter_system_calls() -> None:
    """A seccomp filter: a small program over the number and the arguments of each system call."""
    column, architecture = _column(), _ARCHITECTURES[platform.machine()][1]
    load, jump_equal, jump_at_least, jump_any_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill = 0x7FFF0000, 0x80000000
    number, arch, first_argument = 0, 4, 16  # offsets in struct seccomp_data
    program: list[bytes] = []

    def add(code: int, value: int, if_true: int = 0, if_false: int = 0) -> None:
        program.append(struct.pack("HBBI", code, if_true, if_false, value))

    def refuse(error: int) -> None:
        add(give, 0x00050000 | error)

    not_permitted, not_there, no_such_family = 1, 38, 97
    add(load, arch)
    add(jump_equal, architecture, if_true=1)
    add(give, kill)
    add(load, number)
    add(jump_at_least, 0x40000000, if_false=1)  # the x32 calls have numbers of their own
    refuse(not_permitted)
    add(jump_equal, _NUMBERS["clone3"][column], if_false=1)
    refuse(not_there)  # its flags are in memory, out of reach; the C library falls back to clone
    add(jump_equal, _NUMBERS["clone"][column], if_false=3)
    add(load, first_argument)
    add(jump_any_bit, 0x7E020000, if_false=1)  # any new namespace
    refuse(not_permitted)
    add(load, number)  # the argument may have replaced it
    add(jump_equal, _NUMBERS["socket"][column], if_false=4)
    add(load, first_argument)
    add(jump_equal, 1, if_true=1)  # AF_UNIX
    refuse(no_such_family)
    add(give, allow)
    for numbers in _DENIED.values():
        if numbers[column] is not None:
            add(jump_equal, numbers[column], if_false=1)
            refuse(not_permitted)
    add(give, allow)
    code = ctypes.create_string_buffer(b"".join(program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    _check(_libc.prctl(_PR_SET_SECCOMP, 2, header, 0, 0), "seccomp")


def _check(result: int, what: str) -> None:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
