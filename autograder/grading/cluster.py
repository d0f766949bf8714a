"""Workers on other machines: those of a Dask cluster, whoever has started them.

A worker is sent the assignment once, hidden tests included, and then submissions as bytes. It keeps them in
memory, has no access to the gradebook, and shares no file system with this machine.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
import warnings
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

from distributed import Client, Future, get_worker, wait
from distributed.diagnostics.plugin import WorkerPlugin

from ..course import CannotGrade, Course
from ..sandbox.outside import Unavailable
from .worker import Assignment, HandedIn, Lost, Worker, fingerprint
from .writer import Run

_NAME = "pixelwise-grading"
_ANSWERS_WITHIN = 20  # seconds
_TRIES = 5


class Cluster:
    """The workers of a Dask cluster, as they come and go.

    scheduler  its address (tcp://…, tls://…), or a cluster object of Dask, dask-jobqueue or dask-gateway
    """

    def __init__(self, course: Course, scheduler: Any, unsafe: bool):
        self._course, self._run = course, uuid.uuid4().hex
        self._there: list[str] = []
        # One submission a worker: who was at work when it died must be beyond doubt.
        self._given: dict[str, tuple[str, Future]] = {}
        self._unusable: dict[str, str] = {}
        try:
            self._client = Client(scheduler, timeout=_ANSWERS_WITHIN, set_as_default=False)
        except (OSError, ValueError) as error:
            raise CannotGrade(f"No Dask scheduler answers at {scheduler}: {error}") from None
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)  # a notebook of some megabytes
        try:
            self._prepare(_Grading(Assignment.of(course, unsafe), self._run))
        except Exception as error:
            self._client.close()
            raise CannotGrade(
                f"The workers at {scheduler} cannot grade ({error}).\n"
                "They need this environment's packages, and this repository's autograder/ and pixelwise/."
            ) from None
        self._look()

    def wait_until_ready(self) -> None:
        """They are: `_prepare` has waited for them."""

    def has_room(self, waiting: int) -> bool:
        """Whether a submission can be given now."""
        return any(address not in self._given for address in self._there)

    def give(self, student: str) -> None:
        address = next(one for one in self._there if one not in self._given)
        handed_in = HandedIn.by(self._course, student)
        future = self._client.submit(_run, self._run, handed_in, workers=[address], pure=False)
        self._given[address] = student, future

    def collect(self) -> list[tuple[str, Run | Lost]]:
        """What has come back since; waits for a second if nothing has."""
        futures = [future for _, future in self._given.values()]
        if futures:
            # cancelled: the scheduler is gone, which `_look` will find
            with contextlib.suppress(TimeoutError, CancelledError), self._client.as_current():
                wait(futures, timeout=1, return_when="FIRST_COMPLETED")
        else:
            time.sleep(1)
        self._look()
        back: list[tuple[str, Run | Lost]] = []
        for address, (student, future) in list(self._given.items()):
            if future.done():
                back.append((student, self._answer(address, future)))
                del self._given[address]
            elif address not in self._there:
                future.cancel()
                back.append((student, Lost("the worker that graded it died")))
                del self._given[address]
        return back

    def stop(self) -> None:
        with contextlib.suppress(Exception):  # a scheduler that is gone
            self._client.unregister_worker_plugin(_NAME)
        self._client.close()

    def _prepare(self, grading: _Grading) -> None:
        """Hand out the assignment, to those who are there and who will come."""
        for tries_left in reversed(range(_TRIES)):
            try:
                self._client.register_plugin(grading)
                return
            except OSError:  # one of them has just died
                if not tries_left:
                    raise

    def _look(self) -> None:
        """Who is there."""
        try:
            self._there = sorted(set(self._client.nthreads()) - set(self._unusable))
        except (OSError, TimeoutError):
            raise CannotGrade(
                "The Dask scheduler is gone. What was graded is recorded; "
                "the same command goes on with the rest."
            ) from None
        if self._unusable and not self._there:
            reasons = "\n".join(f"{address}: {reason}" for address, reason in self._unusable.items())
            raise Unavailable(f"No worker can grade.\n{reasons}")

    def _answer(self, address: str, future: Future) -> Run | Lost:
        try:
            unusable, answer = future.result(timeout=_ANSWERS_WITHIN)
        except TimeoutError:  # it was done, and its worker died before it was fetched
            return Lost()
        except Exception as error:
            return Lost(f"its worker failed: {type(error).__name__}: {error}")
        if unusable:
            self._unusable[address] = unusable
        return answer


def _run(run: str, handed_in: HandedIn) -> tuple[str, Run | Lost]:
    """On a worker: (why it cannot be used, the result)."""
    grading = get_worker().plugins.get(_NAME)
    if grading is None or grading.run != run:
        return "Another run has taken it over.", Lost()
    return grading.grade(handed_in)


class _Grading(WorkerPlugin):
    """What a Dask worker has for one run: the assignment, and a thread in which everything happens.

    Kernels end with the thread that started the warm process they come from.
    """

    name = _NAME

    def __init__(self, assignment: Assignment, run: str):
        self.run, self._assignment, self._version = run, assignment, fingerprint()

    def setup(self, worker: Any) -> None:
        self._worker: Worker | None = None
        self._thread = ThreadPoolExecutor(1)
        self._prepared = self._thread.submit(self._prepare)

    def _prepare(self) -> str:
        if fingerprint() != self._version:
            return "Its autograder/ or pixelwise/, Python or torch is not the one of this machine."
        self._worker = Worker(self._assignment)
        try:
            self._worker.start()
        except Unavailable as reason:
            return str(reason)
        return ""

    def grade(self, handed_in: HandedIn) -> tuple[str, Run | Lost]:
        if unusable := self._prepared.result():
            return unusable, Lost()
        return "", self._thread.submit(self._grade, handed_in).result()

    def _grade(self, handed_in: HandedIn) -> Run | Lost:
        with _at_a_time:  # an earlier run's last submission may still be at work
            return self._worker.run(handed_in)

    def teardown(self, worker: Any) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._worker:
            self._worker.stop()


_at_a_time = threading.Lock()
