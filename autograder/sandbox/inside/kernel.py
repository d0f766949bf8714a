"""The kernel that runs a submission. Beyond what every kernel can do, it answers requests for data.

A request names one of the student's objects and, if anything is to be done with it, a function of
`pixelwise.checks` to run on it, with data as arguments. The answer is data again. The student's code shares
this process and can forge an answer, which is no more than its function could have returned.

Requests come on a socket of their own and are answered between cells. As Jupyter messages, with their
signatures and the news of "busy" and "idle", they took a quarter of a submission's processor time.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import sys
import traceback
from types import SimpleNamespace
from typing import Any

import ipykernel.ipkernel
from ipykernel.kernelapp import IPKernelApp
from tornado.ioloop import IOLoop

from . import wire


class SubmissionKernel(ipykernel.ipkernel.IPythonKernel):
    requests: socket.socket

    def __init__(self, **settings: Any):
        # ipykernel lists all modules for its debugger. To touch each of them is to copy a page of the warm
        # process's memory for each, half of all that a kernel would copy until it is ready.
        ipykernel.ipkernel.sys = SimpleNamespace(modules={}, platform=sys.platform)
        try:
            super().__init__(**settings)
        finally:
            ipykernel.ipkernel.sys = sys

    def start(self) -> None:
        super().start()
        self.io_loop.add_handler(self.requests, self._answer_request, IOLoop.READ)

    def _answer_request(self, requests: socket.socket, events: int) -> None:
        """Answer with (status, value): "data", "callable", "undefined", "raised" or "interrupted"."""
        self.pre_handler_hook()  # Ctrl-C is heard from here
        try:
            asked = wire.unpack(wire.receive(requests))
            answer = wire.pack(self._answer(*asked))
        except wire.Closed:
            os._exit(0)  # the grader is gone
        except wire.TooLarge as error:
            answer = wire.pack(["raised", f"The result cannot be graded: {error}."])
        except Exception as error:  # objects that cannot even be looked at
            answer = wire.pack(["raised", f"The result is no data: {type(error).__name__}."])
        except KeyboardInterrupt:
            answer = wire.pack(["interrupted", None])
        self.post_handler_hook()
        wire.send(requests, answer)

    def _answer(self, name: str, function: str | None, arguments: list, settings: dict) -> list[Any]:
        if name not in self.shell.user_ns:
            return ["undefined", None]
        student = self.shell.user_ns[name]
        if function is None:
            return ["callable", None] if callable(student) else ["data", student]
        module, _, attribute = function.partition(":")
        run = getattr(importlib.import_module(module), attribute)
        with (
            open(os.devnull, "w") as nowhere,  # noqa: PTH123
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            try:
                return ["data", run(student, *arguments, **settings)]
            except (Exception, SystemExit) as error:
                return ["raised", "".join(traceback.format_exception_only(error))[:2000]]


class SubmissionApplication(IPKernelApp):
    def init_control(self, context: Any) -> None:
        """Without the thread that passes messages on to parts of a kernel: there are none."""
        super().init_control(context)
        self.shell_channel_thread = None
