"""nbgrader's Execute, with the student's cells in the sandbox and graded cells outside (`trusted.py`)."""

from __future__ import annotations

import asyncio
import contextlib
import io
import signal
import tarfile
import tempfile
import time
from functools import cache
from pathlib import Path
from queue import Empty
from typing import Any

import zmq.asyncio
from jupyter_core.utils import run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute
from traitlets import Bool, Integer

from ..sandbox.inside import wire
from ..sandbox.outside import Unavailable, Zygote
from ..sandbox.provisioner import SubmissionKernelManager
from . import trusted
from .files import archive

# Python 3.11.2, which Debian 12 has, lacks the filter. The archive is the grader's own, of ordinary files.
_SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}

_LARGEST_MESSAGE = 8 << 20  # bytes
_UNTIL_INTERRUPTED = 2  # seconds
_LONGEST_ERROR = 20_000  # characters
_OUTPUTS_AHEAD = 50  # messages that may wait to be read

_zygote: Zygote | None = None


@cache
def _context() -> zmq.asyncio.Context:
    return zmq.asyncio.Context()


def share(zygote: Zygote | None) -> None:
    """Let every notebook of this process be run by kernels of `zygote`."""
    global _zygote
    _zygote = zygote


class SandboxedExecute(Execute):
    """Runs a submission.

    What it earned before its kernel died counts; the cells after that say why they were not run.
    """

    unsafe = Bool(False, help="run students' code without a sandbox, with your rights").tag(config=True)
    timeout = Integer(60, help="seconds for one cell", allow_none=True).tag(config=True)
    submission_timeout = Integer(300, help="seconds for one submission").tag(config=True)
    output_bytes = Integer(4 << 20, help="bytes of output that are kept").tag(config=True)

    def __init__(self, *arguments: Any, **settings: Any):
        settings["kernel_manager_class"] = SubmissionKernelManager
        super().__init__(*arguments, **settings)
        self.shutdown_kernel = "immediate"
        said = f"The cell ran longer than {self.timeout} seconds and was stopped."
        self.error_on_timeout = {"ename": "CellTimeoutError", "evalue": said, "traceback": [said]}
        self.timeout_func = lambda cell: self._seconds_left()
        self.problems: list[str] = []

    def preprocess(self, nb: NotebookNode, resources: Any = None, km: Any = None) -> tuple[NotebookNode, Any]:
        entry = resources["nbgrader"]
        if _zygote is None:
            share(Zygote(unsafe=self.unsafe))
            trusted.rehearse(entry["assignment"], entry["notebook"])  # while it starts
        self._tests = trusted.graded_cells(entry["assignment"], entry["notebook"])
        self._files = resources["handed_in"] if "handed_in" in resources else self._archive(entry)
        self._texts: list[str] = []
        self._ended = ""
        self._output_left = self.output_bytes
        self._deadline = time.monotonic() + self.submission_timeout
        self.problems.clear()
        with tempfile.TemporaryDirectory(prefix="handed-in-") as self._folder:
            with tarfile.open(fileobj=io.BytesIO(self._files)) as tar:
                tar.extractall(self._folder, **_SAFELY)
            return super().preprocess(nb, resources, km)

    def preprocess_cell(self, cell: NotebookNode, resources: Any, index: int) -> tuple[NotebookNode, Any]:
        if cell.cell_type != "code":
            return cell, resources
        cell.outputs = []
        if not self._ended and self._deadline < time.monotonic():
            self._end(f"The submission ran longer than {self.submission_timeout} seconds and was stopped.")
        if self._ended:
            if trusted.is_graded(cell):
                cell.outputs = [trusted.failure(f"✗ Not graded, because nothing ran any more. {self._ended}")]
        elif trusted.is_graded(cell):
            self._grade(cell)
        else:
            self._texts.append(cell.source)
            self._run_students_cell(cell, resources, index)
        return cell, resources

    def _grade(self, cell: NotebookNode) -> None:
        identifier = cell.metadata.nbgrader.get("grade_id", "")
        if identifier not in self._tests:
            cell.outputs = [trusted.failure("This cell is none of the assignment's.")]
            return
        self._cell_deadline = time.monotonic() + self._seconds_left()
        with contextlib.chdir(self._folder):  # where checks find the files that were handed in
            cell.outputs, problem = trusted.run(self._tests[identifier], self._ask, self._texts)
        if problem:
            self.problems.append(f"{identifier}: {problem.strip().splitlines()[-1]}")
            self.log.error("The graded cell %s failed itself:\n%s", identifier, problem)

    def _run_students_cell(self, cell: NotebookNode, resources: Any, index: int) -> None:
        self._timed_out = False
        try:
            super().preprocess_cell(cell, resources, index)
        except DeadKernelError:
            self._end("")
        except CellTimeoutError:
            if not self._timed_out:  # it ran, and so much was shown that its end was lost
                return
            self._end(f"A cell ran longer than {self.timeout} seconds and could not be interrupted.")
        if self._ended:
            cell.outputs.append(trusted.failure(f"The notebook ended in this cell. {self._ended}"))

    def _end(self, reason: str) -> None:
        """The kernel is dead, or has to be; its guardian knows more of the reason."""
        process = self.km.provisioner.process
        if not reason:
            reason = process.read_news(seconds=2) or "It does not answer any more."
        process.kill()
        self._ended = reason

    def _seconds_left(self) -> int:
        left = self._deadline - time.monotonic()
        return max(1, round(min(self.timeout or left, left)))

    # --- what the sandbox is asked and what it says -------------------------------------------------------

    def _ask(
        self, name: str, function: str | None, arguments: Any, settings: dict[str, Any]
    ) -> tuple[str, Any]:
        """Send a request for data into the sandbox and wait for the answer."""
        if self._ended:
            raise trusted.KernelEnded(f"✗ {name} could not be called: nothing ran any more. {self._ended}")
        try:
            parts = self._request(wire.pack([name, function, list(arguments), settings]))
            status, value = wire.unpack(parts)
            return str(status), value
        except (wire.Malformed, ValueError, TypeError):
            return "raised", "its answer is no data"
        except wire.Closed:
            self._end("")
        except TimeoutError:
            self._end("It did not finish in time, and could not be interrupted.")
        raise trusted.KernelEnded(f"✗ {name} ended the notebook. {self._ended}")

    def _request(self, parts: list[bytes]) -> list[bytes]:
        """The answer to a request for data, which a student's function may delay until its time is over."""
        process = self.km.provisioner.process
        wire.send(process.requests, parts, self._cell_deadline)
        try:
            return wire.receive(process.requests, self._cell_deadline)
        except TimeoutError:
            process.signal(signal.SIGINT)
            return wire.receive(process.requests, time.monotonic() + _UNTIL_INTERRUPTED)

    async def _async_poll_kernel_alive(self) -> None:
        """As nbclient's, which looks only once a second."""
        poll = self.km.provisioner.poll
        while await poll() is None:
            await asyncio.sleep(0.05)
        self.task_poll_for_reply.cancel()

    async def _async_handle_timeout(self, timeout: int, cell: NotebookNode | None = None) -> Any:
        self._timed_out = True
        return await super()._async_handle_timeout(timeout, cell)

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> Any:
        """As nbclient's, until the submission's bytes of output are spent. Any of it may be forged."""
        kind, content = msg["msg_type"], msg["content"]
        if kind.startswith("comm"):  # nobody looks at its widgets
            return None
        try:
            if kind == "error":
                content["evalue"] = str(content["evalue"])[:_LONGEST_ERROR]
                content["traceback"] = ["\n".join(content["traceback"])[-_LONGEST_ERROR:]]
            if not isinstance(content.get("execution_count", 0), int):
                return None
            if kind not in ("status", "execute_input"):
                display = (content.get("transient") or {}).get("display_id")
                shown = self._display_id_map.get(display, {}).values() if display else []
                self._output_left -= len(str(content)) * max(1, sum(map(len, shown)))
                if self._output_left < 0:
                    return None
            return super().process_message(msg, cell, cell_index)
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    # --- kernels --------------------------------------------------------------------------------------------

    def create_kernel_manager(self) -> SubmissionKernelManager:
        if _zygote.unsafe and not self.unsafe:
            raise Unavailable("The kernels at hand have no sandbox, and it was not said that this is wanted.")
        manager = super().create_kernel_manager()
        manager.use(_zygote, self._files)
        return manager

    async def async_start_new_kernel_client(self) -> Any:
        """Connect to the kernel: as nbclient's, without its fixed pauses, and with bounded messages."""
        context = _context()
        context.setsockopt(zmq.MAXMSGSIZE, _LARGEST_MESSAGE)
        context.setsockopt(zmq.RCVHWM, 1000)
        self.kc = client = self.km.client(context=context)
        _ = client.shell_channel, client.control_channel
        context.setsockopt(zmq.RCVHWM, _OUTPUTS_AHEAD)
        _ = client.iopub_channel
        client.start_channels(stdin=False, hb=False)
        client.allow_stdin = False
        try:
            deadline = time.monotonic() + self.startup_timeout
            await self._heard(client.iopub_channel, None, deadline)
            request = client.kernel_info()
            await self._heard(client.shell_channel, request, deadline)
        except Exception:
            await self._async_cleanup_kernel()
            raise
        return client

    start_new_kernel_client = run_sync(async_start_new_kernel_client)

    async def _heard(self, channel: Any, request: str | None, deadline: float) -> None:
        """Wait for the reply to a request, or for any message (a new kernel greets who listens)."""
        while time.monotonic() < deadline:
            try:
                message = await channel.get_msg(timeout=0.5)
            except Empty:
                if not await self.km.is_alive():
                    break
                continue
            if request is None or message["parent_header"].get("msg_id") == request:
                return
        raise DeadKernelError("The kernel did not start")

    def _archive(self, entry: dict[str, str]) -> bytes:
        """The files that the submission may see: the ordinary ones of the release and of the student."""
        course = CourseDirectory(config=self.config)
        folders = [
            course.format_path(course.release_directory, ".", entry["assignment"]),
            course.format_path(course.submitted_directory, entry["student"], entry["assignment"]),
        ]
        return archive(*map(Path, folders))
