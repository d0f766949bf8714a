"""The files at the top agree with each other: ranges, pins, targets, links, and what a student installs."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def ranges() -> dict[str, Requirement]:
    """Every requirement of pyproject.toml, those of its extras included."""
    lines = PROJECT["dependencies"] + [
        r for extra in PROJECT["optional-dependencies"].values() for r in extra
    ]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def pins() -> dict[str, str]:
    lines = re.findall(r"^([\w.-]+)==(\S+)(?: ;.*)?$", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in lines}


def test_the_lock_pins_what_the_project_asks_for():
    wrong = {
        name: pins().get(name)
        for name, wanted in ranges().items()
        if name not in pins() or not wanted.specifier.contains(pins()[name])
    }
    assert not wrong, f"run `make lock`: {wrong}"


def test_the_lock_serves_every_platform():
    local_builds = [name for name, version in pins().items() if "+" in version]
    assert not local_builds, f"these name one platform's build: {local_builds}"


def test_locks_name_no_place():
    for lock in [
        ROOT / "requirements.lock",
        *ROOT.glob("package-lock.json"),
        *ROOT.glob("*/package-lock.json"),
        *ROOT.glob("deploy/*/package-lock.json"),
    ]:
        assert "http://" not in lock.read_text() and '"resolved"' not in lock.read_text(), lock.name


def test_the_conda_environment_says_the_same():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = {r.name: r.specifier for r in (Requirement(line) for line in listed if isinstance(line, str))}
    (pip,) = [entry["pip"] for entry in listed if isinstance(entry, dict)]
    assert conda["pytorch-cpu"] == ranges()["torch"].specifier
    assert PROJECT["requires-python"] in str(conda["python"]).split(",")
    (extras,) = re.findall(r"^--editable \.\[([\w,]+)\]$", "\n".join(pip), re.MULTILINE)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_a_student_installs_the_package_alone(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.split("/")[0] for name in names}
    assert {f for f in folders if not f.endswith(".dist-info")} == {"pixelwise"}
    for needed in ("pixelwise/widgets/look.css", "pixelwise/widgets/js/ui.js"):
        assert needed in names


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "book/for_instructors.md", "book/for_students.md"]
)
def test_targets_and_files_that_pages_name_exist(page):
    text = (ROOT / page).read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))
    assert named <= targets
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / page).parent / link).exists(), f"{page} links to {link}"
