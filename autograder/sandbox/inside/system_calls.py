"""Which system calls a submission may make: a seccomp filter, made from tables.

Linux on x86-64 and ARM64, whose numbers stand side by side (None: the call does not exist there).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass

Numbers = tuple[int | None, int | None]

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2

#: Other namespaces and mounts, other processes' memory, keys, kernel modules, clocks, memory that belongs to
#: no process (memfd, shmget), and interfaces of the kernel that no notebook needs and that attacks like.
_NEVER: dict[str, Numbers] = {
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
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
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
    "process_madvise": (440, 440),
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
    "shmget": (29, 194),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}

#: Without namespaces: what reaches other processes of the same user, or files that cannot be opened.
_NEVER_BESIDE_OTHERS: dict[str, Numbers] = {
    "fanotify_mark": (301, 263),
    "inotify_add_watch": (254, 27),  # it would tell the names of files
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "msgctl": (71, 187),
    "msgget": (68, 186),
    "msgrcv": (70, 188),
    "msgsnd": (69, 189),
    "process_mrelease": (448, 448),
    "semctl": (66, 191),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "socket": (41, 198),  # pairs of sockets remain; these could reach the sockets of other programs
    "truncate": (76, 45),  # older Landlock does not know it; ftruncate remains
}

#: Calls that change a file's mode, owner, times or attributes, or how a process is scheduled. Landlock does
#: not cover them, and ordinary programs make them: without namespaces they do nothing, and say that they did.
_PRETENDED: dict[str, Numbers] = {
    "chmod": (90, None),
    "chown": (92, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "file_setattr": (469, 469),
    "fremovexattr": (199, 16),
    "fsetxattr": (190, 7),
    "futimesat": (261, None),
    "ioprio_set": (251, 30),
    "lchown": (94, None),
    "lremovexattr": (198, 15),
    "lsetxattr": (189, 6),
    "removexattr": (197, 14),
    "removexattrat": (466, 466),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "setpriority": (141, 140),
    "setxattr": (188, 5),
    "setxattrat": (463, 463),
    "utime": (132, None),
    "utimensat": (280, 88),
    "utimes": (235, None),
}

#: Those whose flags are in memory, where a filter cannot read them. The C library falls back to older ones.
_NOT_THERE: dict[str, Numbers] = {"clone3": (435, 435), "openat2": (437, 437)}


@dataclass(frozen=True)
class _Argument:
    """A condition on an argument: whether `argument & mask` has to be, or must not be, among `values`."""

    numbers: Numbers
    argument: int
    values: Iterable[int]
    mask: int = 0xFFFFFFFF
    allowed: bool = True
    error: int = errno.EPERM


_AF_UNIX, _SOCK_STREAM = 1, 1
_NEW_NAMESPACES = 0x7E020000
_CLONE = _Argument((56, 220), 0, {0}, _NEW_NAMESPACES)
_UNIX_SOCKETS = _Argument((41, 198), 0, {_AF_UNIX}, error=errno.EAFNOSUPPORT)


def _beside_others(process: int) -> list[_Argument]:
    """Without namespaces. `process` may signal itself alone; its group holds only what it started."""
    own = {process, 0, -process & 0xFFFFFFFF}
    truncated, ways = os.O_TRUNC, os.O_ACCMODE | os.O_TRUNC
    to_another = {8, 10, 15}  # F_SETOWN, F_SETSIG, F_SETOWN_EX: a signal to whoever is named
    return [
        # A datagram of a pair may be sent to any address.
        _Argument((53, 199), 1, {_SOCK_STREAM}, 0xF, error=errno.EPROTONOSUPPORT),
        _Argument((72, 25), 1, to_another, allowed=False),  # fcntl
        _Argument((16, 29), 1, {0x8901, 0x8902, 0x5412}, allowed=False),  # ioctl: the same, and typing
        _Argument((2, None), 1, {truncated}, ways, allowed=False),  # open for reading that empties the file
        _Argument((257, 56), 2, {truncated}, ways, allowed=False),  # openat
        _Argument((302, 261), 0, {process, 0}),  # prlimit64
        _Argument((203, 122), 0, {process, 0}),  # sched_setaffinity
        *(_Argument(numbers, 0, own) for numbers in ((62, 129), (234, 131))),  # kill, tgkill
    ]


#: Where Landlock keeps signals in (version 6), a submission may signal what it started.
_SIGNALS = {(62, 129), (234, 131)}
_OTHER_SIGNALS: dict[str, Numbers] = {
    "pidfd_send_signal": (424, 424),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "tkill": (200, 130),
}


def restrict(alone: bool, signals_kept_in: bool = True) -> None:
    """Filter the system calls of this process and of those that it starts, for good.

    alone            whether it has namespaces of its own, in which there are no processes of others
    signals_kept_in  whether something else keeps it from signalling others
    """
    refused = dict.fromkeys(_NEVER.values(), errno.EPERM)
    refused |= dict.fromkeys(_NOT_THERE.values(), errno.ENOSYS)
    arguments = [_CLONE]
    if alone:
        refused.pop(_NOT_THERE["openat2"])
        arguments.append(_UNIX_SOCKETS)
    else:
        refused |= dict.fromkeys(_NEVER_BESIDE_OTHERS.values(), errno.EPERM)
        refused |= dict.fromkeys(_PRETENDED.values(), 0)
        refused[_NEVER_BESIDE_OTHERS["socket"]] = errno.EAFNOSUPPORT
        arguments += [
            one for one in _beside_others(os.getpid()) if not (signals_kept_in and one.numbers in _SIGNALS)
        ]
        if not signals_kept_in:
            refused |= dict.fromkeys(_OTHER_SIGNALS.values(), errno.EPERM)
    _install(refused, arguments)


def _install(refused: dict[Numbers, int], arguments: list[_Argument]) -> None:
    """Write the filter's program, over the number and the arguments of each system call, and install it."""
    column, architecture = _column(), _ARCHITECTURES[platform.machine()][1]
    load, mask, equal, at_least, give = 0x20, 0x54, 0x15, 0x35, 0x06
    allow, kill, refuse = 0x7FFF0000, 0x80000000, 0x00050000
    number, machine, first_argument = 0, 4, 16  # offsets in struct seccomp_data
    program: list[bytes] = []

    def add(code: int, value: int, if_true: int = 0, if_false: int = 0) -> None:
        program.append(struct.pack("HBBI", code, if_true, if_false, value))

    add(load, machine)
    add(equal, architecture, if_true=1)
    add(give, kill)
    add(load, number)
    add(at_least, 0x40000000, if_false=1)  # the x32 calls have numbers of their own
    add(give, refuse | errno.EPERM)
    for numbers, error in refused.items():
        if numbers[column] is not None:
            add(equal, numbers[column], if_false=1)
            add(give, refuse | error)
    for one in arguments:
        if one.numbers[column] is None:
            continue
        values = sorted(one.values)
        add(equal, one.numbers[column], if_false=4 + len(values))
        add(load, first_argument + 8 * one.argument)
        add(mask, one.mask)
        for left, value in zip(range(len(values), 0, -1), values, strict=True):
            add(equal, value, if_true=left)
        add(give, refuse | one.error if one.allowed else allow)
        add(give, allow if one.allowed else refuse | one.error)
    add(give, allow)
    code = ctypes.create_string_buffer(b"".join(program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "seccomp: the system takes no filter of system calls")


def _column() -> int:
    if platform.machine() not in _ARCHITECTURES:
        raise OSError(f"the sandbox knows no system calls of {platform.machine()}")
    return _ARCHITECTURES[platform.machine()][0]
