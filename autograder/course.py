"""Where things are in a course, and who has handed in what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config, PyFileConfigLoader

STAGE = ".grading"
SETTINGS = "nbgrader_config.py"


class CannotGrade(RuntimeError):
    """Nothing can be graded; the text says why and what to do."""


@dataclass(frozen=True)
class Course:
    """Where things are."""

    config: Config
    assignment: str

    @classmethod
    def at(cls, root: Path, assignment: str, changes: Config | None = None) -> Course:
        """The course in the folder `root`, with the settings that nbgrader reads there."""
        if not (root / SETTINGS).is_file():
            raise CannotGrade(f"{root} holds no {SETTINGS}: start in the course's folder.")
        config = PyFileConfigLoader(SETTINGS, str(root)).load_config()
        config.merge(changes or {})
        course = cls(config, assignment)
        if not course.release_folder.is_dir():
            names = sorted(path.name for path in course.release_folder.parent.glob("*") if path.is_dir())
            raise CannotGrade(f"There is no assignment {assignment!r}. There are: {', '.join(names)}.")
        return course

    @property
    def directory(self) -> CourseDirectory:
        return CourseDirectory(config=self.config)

    def folder(self, step: str, student: str = ".") -> Path:
        return Path(
            self.directory.format_path(getattr(self.directory, f"{step}_directory"), student, self.assignment)
        )

    @property
    def release_folder(self) -> Path:
        return self.folder("release")

    @property
    def release(self) -> Path:
        (path,) = self.release_folder.glob("*.ipynb")
        return path

    @property
    def stage(self) -> Path:
        return Path(self.directory.root, STAGE)

    def students(self) -> list[str]:
        """Those who handed something in."""
        pattern = self.directory.format_path(self.directory.submitted_directory, "*", self.assignment)
        return sorted(path.parent.name for path in Path("/").glob(pattern.lstrip("/")))

    def is_graded(self, student: str) -> bool:
        """Whether the newest that a student handed in is graded."""
        graded = self.folder("autograded", student)
        if not (graded / self.release.name).is_file():
            return False
        times = [
            self.directory.get_existing_timestamp(str(place))
            for place in (self.folder("submitted", student), graded)
        ]
        return None in times or times[0] <= times[1]
