"""The process that kernels are forked from: everything that is slow to import is imported already.

    python -m inside.zygote FD[,FD…] '{"wall": "namespaces", "limits": {…}}'

Each FD is a Unix socket on which a grader asks for kernels. A request is JSON with five listening sockets
(for the kernel's channels), a socket for requests for data, a tar archive of the submission's files and a
pipe for news. The answer is a file descriptor of the kernel's process. On the pipe the kernel says "up", and
later its guardian why it ended.

Nothing here may start a thread or a ZeroMQ context before the fork.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import socket
import sys
import tarfile
import traceback
from pathlib import Path
from typing import Any

import ipykernel.iostream
import matplotlib
import matplotlib.pyplot
import numpy
import torch
import zmq

from . import confine, guard
from .kernel import SubmissionApplication, SubmissionKernel

# Python 3.11.2, which Debian 12 has, lacks the filter. The archive is the grader's own, of ordinary files.
_SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}

#: What a kernel, or the first cell of a notebook, would import.
WARM = (
    *(
        "asyncio.unix_events",
        "comm",
        "matplotlib_inline.backend_inline",
        "tornado.platform.asyncio",
        "zmq.asyncio",
    ),
    *("ipykernel.comm", "ipykernel.debugger", "ipykernel.shellchannel", "ipykernel.subshell_manager"),
    *("ipykernel.zmqshell", "IPython.core.completer", "IPython.core.debugger", "IPython.core.magics"),
    *("IPython.core.completerlib", "IPython.core.oinspect", "faulthandler", "sqlite3"),
    *("IPython.extensions.storemagic", "pixelwise.checks", "pixelwise.widgets", "torch._dynamo"),
)
WORKING_FOLDER = "/tmp/submission"
_LARGE_PAGE, _MADV_COLLAPSE = 2 << 20, 25
_MOST_PRINTED = 2 << 20  # characters


def main() -> None:
    channels = [socket.socket(fileno=int(number)) for number in sys.argv[1].split(",")]
    settings = json.loads(sys.argv[2])
    limits = confine.Limits(**settings["limits"])
    _warm_up()
    for channel in channels:
        channel.send(b"ready")
    while channels:
        readable, _, _ = select.select(channels, [], [])
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # guardians that are done
                pass
        for channel in readable:
            message, descriptors, _, _ = socket.recv_fds(channel, 1 << 16, 16)
            if not message:
                channels.remove(channel)
                continue
            request = json.loads(message)
            if os.fork() == 0:
                _guard(channel, channels, request, descriptors, limits, settings)
            for descriptor in descriptors:
                os.close(descriptor)


def _warm_up() -> None:
    sys.modules["debugpy"] = None  # nobody debugs a submission
    for name in WARM:
        importlib.import_module(name)
    matplotlib.use("Agg")
    torch.set_num_threads(1)
    torch.nn.functional.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3))
    torch.testing.assert_close(torch.ones(2), torch.ones(2))
    torch.nn.functional.conv_transpose1d(
        torch.ones(1, 1, 2, device="meta"), torch.ones(1, 1, 2, device="meta")
    )
    figure = matplotlib.pyplot.figure()
    matplotlib.pyplot.plot([1])
    figure.canvas.draw()  # finds the fonts
    matplotlib.pyplot.close(figure)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        raise RuntimeError(f"{threads} threads before the first fork")
    gc.collect()
    gc.freeze()
    _use_large_pages()


def _use_large_pages() -> None:
    """Put the memory into pages of 2 MB, where Linux can (6.1): a fork then takes less than half the time."""
    libc = ctypes.CDLL(None)
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, rights, _, _, _, *name = line.split()
        start, end = (int(one, 16) for one in addresses.split("-"))
        start = -(-start // _LARGE_PAGE) * _LARGE_PAGE
        length = (end - start) // _LARGE_PAGE * _LARGE_PAGE
        if rights == "rw-p" and name in ([], ["[heap]"]) and length > 0:
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), _MADV_COLLAPSE)


def _guard(
    channel: socket.socket,
    channels: list[socket.socket],
    request: dict,
    descriptors: list[int],
    limits: confine.Limits,
    settings: dict[str, Any],
) -> None:
    """Fork the kernel, hand its process over, and end it if it uses too much. Never returns."""
    wall = settings["wall"]
    *_, news = descriptors
    answered = False
    try:
        if wall == "namespaces":
            confine.leave_namespaces()
        kernel = os.fork()
        if kernel == 0:
            for one in channels:
                one.close()
            _serve(request, descriptors, limits, settings)
        guard.prepare(alone=wall == "namespaces")
        handle = os.pidfd_open(kernel)
        socket.send_fds(channel, [b"kernel"], [handle])
        answered = True
        for descriptor in descriptors[:-1]:
            os.close(descriptor)
        reason = guard.watch(kernel, limits, wall == "namespaces", request["folder"], news)
        os.write(news, reason.encode())
    except BaseException:
        with contextlib.suppress(OSError):  # nobody may read any more
            os.write(news, traceback.format_exc().encode()[-3000:])
        if not answered:
            channel.send(b"failed")
    finally:
        os._exit(0)


def _serve(request: dict, descriptors: list[int], limits: confine.Limits, settings: dict) -> None:
    """Be the kernel, shut in. Never returns."""
    *listening, requests, files, news = descriptors
    try:
        os.setsid()
        nowhere = os.open("/dev/null", os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        folder = request["folder"] or WORKING_FOLDER
        if settings["wall"] == "namespaces":
            confine.enter(folder, limits)
        elif settings["wall"] == "landlock":
            confine.enter_beside_others(folder, limits, settings["readable"])
        else:
            confine.die_with_parent()
            os.chdir(folder)
        os.environ.update(HOME=folder, TMPDIR=folder, MPLCONFIGDIR=folder, IPYTHONDIR=folder + "/.ipython")
        with open(files, "rb") as archive, tarfile.open(fileobj=archive) as tar:  # noqa: PTH123
            tar.extractall(folder, **_SAFELY)
        numpy.random.seed()
        SubmissionKernel.requests = socket.socket(fileno=requests)
        _run_kernel(request["connection"], folder, listening, news)
    except BaseException:
        os.write(news, traceback.format_exc().encode()[-3000:])
    finally:
        os._exit(1)


def _run_kernel(connection: dict[str, Any], folder: str, listening: list[int], news: int) -> None:
    addresses = {
        f"ipc://{connection['ip']}-{number}": descriptor for number, descriptor in enumerate(listening, 1)
    }
    bind, connect = zmq.Socket.bind, zmq.Socket.connect

    def bind_to_given(self: zmq.Socket, address: str) -> Any:
        """The sockets exist already, outside: from in here their paths cannot be seen."""
        if address in addresses:
            self.setsockopt(zmq.USE_FD, addresses[address])
        return bind(self, address)

    def connect_to_others(self: zmq.Socket, address: str) -> Any:
        """The debugger's link of the kernel to itself is not wanted, and could not be made."""
        return None if address in addresses else connect(self, address)

    zmq.Socket.bind, zmq.Socket.connect = bind_to_given, connect_to_others
    start = ipykernel.iostream.IOPubThread.__init__

    def start_without_pipe(self: Any, socket: Any, pipe: bool = False, session: Any = False) -> None:
        """The pipe for the output of subprocesses is a TCP socket."""
        start(self, socket, pipe=False, session=session)

    ipykernel.iostream.IOPubThread.__init__ = start_without_pipe
    write, left = ipykernel.iostream.OutStream.write, _MOST_PRINTED

    def write_within_bounds(self: Any, text: str) -> int:
        """More than the grader reads would only delay it."""
        nonlocal left
        shown = text[: max(0, left)]
        left -= len(text)
        if shown:
            write(self, shown)
        return len(text)

    ipykernel.iostream.OutStream.write = write_within_bounds
    path = Path(folder, ".connection.json")
    path.write_text(json.dumps(connection))
    sys.argv = ["ipykernel_launcher"]
    application = SubmissionApplication.instance(kernel_class=SubmissionKernel)
    application.initialize(["-f", str(path), "--HistoryManager.hist_file=:memory:"])
    path.unlink()
    os.write(news, b"up")
    os.close(news)
    application.start()


if __name__ == "__main__":
    main()
