"""A hub as deploy/jupyterhub starts it, with accounts of this system, all of it gone again afterwards."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.exercises.course import ROOT, copy_course

DEPLOY = ROOT / "deploy" / "jupyterhub"
STUDENTS, INSTRUCTORS = "nbgrader-pixelwise", "formgrade-pixelwise"
COURSE_ACCOUNT = "pixelwise-course"
_NOBODY = 65534
_STARTS_WITHIN = 120  # seconds


class CannotRun(RuntimeError):
    """There can be no hub here; the text says why and what to do."""


@dataclass
class Machine:
    """Where the hub is, and who can sign in."""

    folder: Path
    url: str
    passwords: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> Path:
        return self.folder / "environment"

    @property
    def course(self) -> Path:
        return self.folder / "home" / COURSE_ACCOUNT / "course"

    @property
    def exchange(self) -> Path:
        return self.folder / "exchange"

    @property
    def log(self) -> str:
        return (self.folder / "hub.log").read_text(errors="replace")

    def home(self, user: str) -> Path:
        return self.folder / "home" / user

    def as_user(self, user: str, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command with the rights of an account and nothing else of ours."""
        account = pwd.getpwnam(user)
        return subprocess.run(
            command,
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=os.getgrouplist(user, account.pw_gid),
            cwd=cwd or account.pw_dir,
            env={"HOME": account.pw_dir, "PATH": f"{self.environment}/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
            | {"NBGRADER_EXCHANGE": str(self.exchange)},
            capture_output=True,
            text=True,
            timeout=300,
        )


@contextlib.contextmanager
def hub(students: Iterable[str], instructors: Iterable[str]) -> Iterator[Machine]:
    """A running hub with a copy of the course. What was made for it is removed, whatever happens."""
    students, instructors = list(students), list(instructors)
    _check(*students, *instructors, COURSE_ACCOUNT)
    # Not below pytest's folders: nobody but their owner can enter those.
    folder = Path(tempfile.mkdtemp(prefix="pixelwise-hub-"))
    folder.chmod(0o755)
    machine = Machine(folder, f"http://127.0.0.1:{_free_port()}")
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        _make_environment(machine.environment)
        (folder / "home").mkdir()
        for group in (STUDENTS, INSTRUCTORS):
            undo.callback(subprocess.run, ["groupdel", group], check=False, capture_output=True)
            subprocess.run(["groupadd", group], check=True)
        undo.enter_context(_account(machine, COURSE_ACCOUNT))
        for group, names in ((STUDENTS, students), (INSTRUCTORS, instructors)):
            for name in names:
                undo.enter_context(_account(machine, name, group))
        copy_course(machine.course)
        shutil.chown(machine.course, COURSE_ACCOUNT)
        subprocess.run(["chown", "--recursive", f"{COURSE_ACCOUNT}:", machine.course], check=True)
        undo.enter_context(_started(machine))
        yield machine


def _check(*accounts: str) -> None:
    if os.geteuid():
        raise CannotRun(
            "A hub makes accounts and starts servers as other users: run this as root, in a container or a "
            "virtual machine (sudo make hub-test)."
        )
    missing = [
        name for name in ("useradd", "userdel", "groupadd", "chpasswd", "npm") if not shutil.which(name)
    ]
    if missing:
        raise CannotRun(f"The hub's test needs {', '.join(missing)}: on Debian, apt install passwd npm.")
    taken = {one.pw_name for one in pwd.getpwall()} & set(accounts)
    taken |= {one.gr_name for one in grp.getgrall()} & {STUDENTS, INSTRUCTORS}
    if taken:
        raise CannotRun(
            f"This machine has {', '.join(sorted(taken))} already. The test makes and removes accounts and "
            "groups of these names: run it where no real hub is."
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---- the environment of all servers -----------------------------------------------------------------------


def _python_for_all() -> str:
    """A Python of our version that every account may run; ours may be in a closed folder."""
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    base = Path(sys.base_prefix) / "bin" / f"python{ours}"
    say = "import sys; print('%d.%d' % sys.version_info[:2])"
    for python in (str(base), f"/usr/bin/python{ours}", f"/usr/local/bin/python{ours}"):
        if Path(python).is_file():
            with contextlib.suppress(OSError):
                done = subprocess.run(
                    [python, "-c", say], user=_NOBODY, capture_output=True, text=True, cwd="/"
                )
                if done.stdout.strip() == ours:
                    return python
    raise CannotRun(
        f"Every account must be able to run Python {ours}, and {base} is closed to others: "
        f"install one for all as /usr/local/bin/python{ours}, or use an open one for .venv "
        "(make distclean; make PYTHON=...)."
    )


def _make_environment(place: Path) -> None:
    """What `pip install -r requirements.lock` makes there, in seconds: the files of .venv, linked.

    The package itself is left out. `make` installs it from a wheel, as on a real machine.
    """
    ours = Path(sys.prefix)
    subprocess.run([_python_for_all(), "-m", "venv", "--without-pip", place], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = Path("lib", version, "site-packages")
    skip = shutil.ignore_patterns("pixelwise*", "_pixelwise*", "__editable__*")
    for part in (packages, Path("share")):
        shutil.copytree(
            ours / part, place / part, copy_function=_link, symlinks=True, ignore=skip, dirs_exist_ok=True
        )
    shutil.copytree(ours / "etc", place / "etc")
    for script in (ours / "bin").iterdir():
        if script.is_file() and not script.is_symlink() and not (place / "bin" / script.name).exists():
            text = script.read_bytes()
            (place / "bin" / script.name).write_bytes(
                text.replace(bytes(ours), bytes(place)) if text.startswith(b"#!") else text
            )
            (place / "bin" / script.name).chmod(0o755)
    (place / ".installed").touch()


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


# ---- accounts ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _account(machine: Machine, name: str, group: str = "") -> Iterator[None]:
    """An account; with a group, one that can sign in, as deploy/jupyterhub/README.md makes it."""
    command = ["useradd", "--create-home", "--home-dir", machine.home(name), "--key", "HOME_MODE=0700"]
    command += ["--shell", "/bin/bash", *(["--groups", group] if group else ["--system"]), name]
    subprocess.run(command, check=True)
    try:
        if group:
            machine.passwords[name] = secrets.token_urlsafe(12)
            subprocess.run(["chpasswd"], input=f"{name}:{machine.passwords[name]}", text=True, check=True)
        yield
    finally:
        _end_processes_of(pwd.getpwnam(name).pw_uid)
        subprocess.run(["userdel", name], check=False, capture_output=True)


def _end_processes_of(uid: int) -> None:
    for process in psutil.process_iter(["uids"]):
        if process.info["uids"] and process.info["uids"].real == uid:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


# ---- the hub ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _started(machine: Machine) -> Iterator[None]:
    """The hub, started with the one command of its README."""
    state = machine.folder / "state"
    command = [
        *("make", "--directory", str(DEPLOY), "start"),
        f"ENVIRONMENT={machine.environment}",
        f"COURSE={machine.course}",
        f"EXCHANGE={machine.exchange}",
        f"STATE={state}",
        f"URL={machine.url}",
        f"COURSE_PORT={_free_port()}",
    ]
    (machine.folder / "hub.log").touch(0o600)
    with (machine.folder / "hub.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + _STARTS_WITHIN
        while "JupyterHub is now running" not in machine.log:
            if process.poll() is not None or time.monotonic() > deadline:
                raise CannotRun("The hub does not start:\n" + "\n".join(machine.log.splitlines()[-25:]))
            time.sleep(0.2)
        yield
    finally:
        started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        for one in started:
            with contextlib.suppress(psutil.NoSuchProcess):  # zombies too
                if "jupyterhub" in one.cmdline():
                    one.send_signal(signal.SIGTERM)  # it ends the servers and the proxy
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        for one in psutil.wait_procs(started, timeout=5)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait(5)
