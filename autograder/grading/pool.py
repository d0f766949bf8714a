"""Workers on this machine: processes that share one warm process of the sandbox."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from ..course import Course
from ..sandbox.inside import confine
from ..sandbox.outside import Zygote
from .worker import Assignment, HandedIn, Lost, Worker
from .writer import Run

_AHEAD = 2  # submissions that a worker has: the one that it runs, and the next
_fork = multiprocessing.get_context("fork")


class Pool:
    """`count` workers, forked from one that has rehearsed. One that dies is replaced; only the submission
    that it ran is under suspicion.

    zygote  has a channel for each, and one more
    """

    def __init__(self, course: Course, count: int, zygote: Zygote):
        self._course, self._zygote = course, zygote
        self._members: list[_Member] = []
        try:
            self._worker = Worker(Assignment.of(course, zygote.unsafe))
        except BaseException:
            self.stop()
            raise
        for number in range(count):
            zygote.channel = number
            self._members.append(self._start(zygote))
        zygote.channel = count

    def wait_until_ready(self) -> None:
        self._zygote.wait_until_ready()

    def has_room(self, waiting: int) -> bool:
        """Whether a submission can be given now; `waiting` are left."""
        least = min(len(member.given) for member in self._members)
        return least == 0 or (least < _AHEAD and waiting > len(self._members))

    def give(self, student: str) -> None:
        member = min(self._members, key=lambda one: len(one.given))
        member.given.append(student)
        with contextlib.suppress(OSError):  # it has died: `collect` will find out
            member.connection.send(student)

    def collect(self) -> list[tuple[str, Run | Lost]]:
        """What has come back since; waits until something has."""
        back: list[tuple[str, Run | Lost]] = []
        by_connection = {member.connection: member for member in self._members if member.given}
        for connection in wait(list(by_connection)):
            member = by_connection[connection]
            try:
                answer = connection.recv()
            except (EOFError, OSError):
                member.process.join()
                first, *others = member.given
                code = member.process.exitcode
                back.append((first, Lost(f"the process that graded it died (exit status {code})")))
                back += [(student, Lost()) for student in others]
                # It starts a warm process of its own: an answer to the dead one may wait in the old one.
                self._members[self._members.index(member)] = self._start(None)
            else:
                back.append((member.given.popleft(), answer))
        return back

    def stop(self) -> None:
        for member in self._members:
            member.process.kill()
            member.process.join()
            member.connection.close()
        self._zygote.stop()

    def _start(self, zygote: Zygote | None) -> _Member:
        ours, theirs = _fork.Pipe()
        process = _fork.Process(target=_work, args=(theirs, self._course, self._worker, zygote), daemon=True)
        process.start()
        theirs.close()
        return _Member(process, ours)


@dataclass
class _Member:
    process: BaseProcess
    connection: Connection
    given: deque[str] = field(default_factory=deque)


def _work(connection: Connection, course: Course, worker: Worker, zygote: Zygote | None) -> None:
    confine.die_with_parent()
    os.setsid()  # Ctrl-C is for the runner alone
    worker.zygote = zygote
    while True:
        connection.send(worker.run(HandedIn.by(course, connection.recv())))
