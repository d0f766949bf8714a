"""Writes what students get, and refuses if any of it gives something away: `make student-release`.

The students' branch (`_build/student`) has the book as pages (in `docs`, which GitHub Pages can serve) and as
sources, the chapters as notebooks, the problem sets and the package. Beside it, in `_build/release`, lie the
files of a release: the package as a wheel, and the book as one archive to be read offline.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from pixelwise import colab, course

from .leaks import Leak, Secrets

FOLDERS = ("book", "exercises", "pixelwise")
FILES = (
    *("CITATION.cff", "LICENSE", "LICENSE-TEXT", "_config.yml", "environment.yml"),
    *("package-lock.json", "package.json", "pyproject.toml", "requirements.lock"),
)
OFFLINE = "pixelwise-book.zip"
#: What working with the course leaves behind.
LEFT = shutil.ignore_patterns("__pycache__", "*.pyc", ".ipynb_checkpoints", ".*")


class Refused(RuntimeError):
    """Something is missing, or would give something away."""


def write(root: Path) -> tuple[Path, Path]:
    """The folders of the students' branch and of a release's files. If anything leaks, neither is left."""
    tree, files = root / "_build" / "student", root / "_build" / "release"
    for folder in (tree, files):
        shutil.rmtree(folder, ignore_errors=True)
    pages = root / "_build" / "html"
    if not (pages / "index.html").is_file():
        raise Refused("The book is not built: run make student-release, which builds it.")
    try:
        write_tree(root, pages, tree)
        files.mkdir()
        write_archive(pages, files / OFFLINE)
        write_wheel(tree, files)
        if leaks := find(root, tree, files):
            raise Refused(
                "\n".join(["Nothing is released. These files give something away:", *map(str, leaks)])
            )
    except BaseException:
        for folder in (tree, files):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return tree, files


def find(root: Path, *folders: Path) -> list[Leak]:
    """What the files below the folders give away of the course in `root`."""
    secrets = Secrets(root)
    return [leak for folder in folders for leak in secrets.leaks_below(folder)]


def write_tree(root: Path, pages: Path, tree: Path) -> None:
    """The students' branch."""
    for name in FOLDERS:
        shutil.copytree(root / name, tree / name, ignore=LEFT)
    for name in FILES:
        shutil.copy2(root / name, tree)
    shutil.copytree(pages, tree / "docs", ignore=LEFT)
    (tree / "docs" / ".nojekyll").touch()  # else GitHub Pages leaves out folders like _static
    (tree / "README.md").write_text(readme(root), encoding="utf-8")


def readme(root: Path) -> str:
    """What students read first."""
    template = Path(__file__).with_name("students.md").read_text(encoding="utf-8")
    rows = []
    for path in sorted((root / "exercises").glob("*/*.ipynb")):
        place = path.relative_to(root).as_posix()
        rows.append(
            f"| [{path.parent.name}]({place}) | {colab.badge(place)} [Binder]({course.binder(place)}) |"
        )
    return template.format(
        course_url=course.course_url,
        for_students=course.page("for_students"),
        problem_sets="\n".join(rows),
    )


def write_archive(pages: Path, target: Path) -> None:
    """The book as one archive; the same pages give the same bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(pages.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                entry = zipfile.ZipInfo(f"{target.stem}/{path.relative_to(pages).as_posix()}")
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes())


def write_wheel(tree: Path, target: Path) -> None:
    """The package as pip builds it from the students' branch."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"The package cannot be built:\n{done.stdout}{done.stderr}")


def main() -> int:
    try:
        tree, files = write(Path.cwd())
    except Refused as reason:
        print(reason, file=sys.stderr)
        return 1
    print(f"The students' branch is in {tree}, to be pushed as {course.BRANCH!r} to {course.repository()}.")
    print("Files for a release: " + ", ".join(str(path) for path in sorted(files.iterdir())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
