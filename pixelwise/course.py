"""Where the course is on the web. A course of your own changes one line, the first below.

Every link and badge follows from it, in the book, the checks and the problem sets, and what Colab installs.
It names the pages of the repository that students see, which GitHub derives from the repository's name.
"""

from __future__ import annotations

import re

course_url = "https://pixelwise-course.github.io/pixelwise/"

#: The branch that holds what students get; `make student-release` writes it.
BRANCH = "students"


def repository() -> str:
    """OWNER/NAME of the repository whose pages are https://OWNER.github.io/NAME/."""
    found = re.fullmatch(r"https://([\w-]+)\.github\.io/([\w.-]+)/", course_url)
    if not found:
        raise ValueError(f"course_url is written https://OWNER.github.io/NAME/, got {course_url!r}")
    return f"{found[1]}/{found[2]}"


def page(name: str, section: str = "") -> str:
    """The address of a page of the book, or of a section on it."""
    return f"{course_url}{name}.html" + (f"#{section}" if section else "")


def package() -> str:
    """What pip installs."""
    return f"pixelwise @ git+https://github.com/{repository()}@{BRANCH}"


def colab(path: str) -> str:
    """Where Colab opens a notebook of the students' branch."""
    return f"https://colab.research.google.com/github/{repository()}/blob/{BRANCH}/{path}"


def binder(path: str) -> str:
    """Where Binder opens a notebook of the students' branch."""
    return f"https://mybinder.org/v2/gh/{repository()}/{BRANCH}?labpath={path}"
