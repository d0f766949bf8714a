"""The kernel that runs a submission. Beyond what every kernel can do, it answers requests for data.

A `data_request` names one of the student's objects and, if anything is to be done with it, a function of
`pixelwise.checks` to run on it, with data as arguments. The answer is data again. The student's code shares
this process and can forge an answer, which is no more than its function could have returned.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import traceback
from typing import Any, ClassVar

from ipykernel.ipkernel import IPythonKernel

from . import wire


class SubmissionKernel(IPythonKernel):
    msg_types: ClassVar = [*IPythonKernel.msg_types, "data_request"]

    async def data_request(self, socket: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Answer with (status, value): "data", "callable", "undefined", "raised" or "interrupted"."""
        try:
            answer = wire.pack(self._answer(*wire.unpack([bytes(part) for part in parent["buffers"]])))
        except wire.TooLarge as error:
            answer = wire.pack(["raised", f"The result cannot be graded: {error}."])
        except Exception as error:  # objects that cannot even be looked at
            answer = wire.pack(["raised", f"The result is no data: {type(error).__name__}."])
        except KeyboardInterrupt:
            answer = wire.pack(["interrupted", None])
        self.session.send(socket, "data_reply", {}, parent, ident=ident, buffers=answer)

    def _answer(self, name: str, function: str | None, arguments: list, settings: dict) -> list[Any]:
        if name not in self.shell.user_ns:
            return ["undefined", None]
        student = self.shell.user_ns[name]
        if function is None:
            return ["callable", None] if callable(student) else ["data", student]
        module, _, attribute = function.partition(":")
        run = getattr(importlib.import_module(module), attribute)
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
            try:
                return ["data", run(student, *arguments, **settings)]
            except (Exception, SystemExit) as error:
                return ["raised", "".join(traceback.format_exception_only(error))[:2000]]
