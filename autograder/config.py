"""nbgrader's settings for this course; `nbgrader_config.py` hands over to `configure`."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Any


def configure(c: Any, root: Path) -> None:
    """Set nbgrader up for the course in the folder `root`.

    c  the configuration object that nbgrader hands to `nbgrader_config.py`
    """
    c.CourseDirectory.course_id = "pixelwise"
    c.CourseDirectory.root = str(root)
    c.CourseDirectory.source_directory = "solutions"
    c.CourseDirectory.release_directory = "exercises"
    # Or a server's, postgresql+psycopg://user:password@host/database: it holds a password.
    c.CourseDirectory.db_url = os.environ.get("PIXELWISE_DB_URL") or f"sqlite:///{root / 'gradebook.db'}"

    # A stub that nobody fills in earns nothing, and the checks know it by its empty NotImplementedError.
    c.ClearSolutions.code_stub = {"python": "raise NotImplementedError()"}
    c.ClearSolutions.text_stub = "*Your answer here.*"

    # nbgrader's steps, but that what names the course's place on the web is written first, and that the
    # gradebook follows a correction in mid-term.
    own = "nbgrader.preprocessors."
    c.GenerateAssignment.preprocessors = [
        "autograder.publishing.links.Links",
        *(own + name for name in ("IncludeHeaderFooter", "InstantiateTests", "LockCells", "ClearSolutions")),
        *(own + name for name in ("ClearOutput", "CheckCellMetadata", "ComputeChecksums")),
        "autograder.grading.corrected.SaveCorrectedCells",
        *(own + name for name in ("ClearHiddenTests", "ClearMarkScheme", "ComputeChecksums")),
        own + "CheckCellMetadata",
    ]

    # What lies in the exchange is collected for its owner, and no link in it is followed.
    c.ExchangeFactory.collect = "autograder.exchange.Collect"

    # nbgrader gives 0 to a test cell that writes to stderr. A warning is no wrong answer.
    c.IgnorePattern.enabled = True
    c.IgnorePattern.pattern = r"(?s).*"

    # The release's cells with the student's answers, whatever was done to the notebook. Students' cells run
    # in the sandbox, graded cells here. `--SandboxedExecute.unsafe=True` does without a sandbox.
    c.Autograde.sanitize_preprocessors = [
        "autograder.grading.intake.Repair",
        *(own + name for name in ("ClearOutput", "OverwriteCells", "CheckCellMetadata")),
    ]
    c.Autograde.autograde_preprocessors = [
        "autograder.grading.execute.SandboxedExecute",
        *(own + name for name in ("IgnorePattern", "LimitOutput", "SaveAutoGrades")),
        *(own + name for name in ("AssignLatePenalties", "CheckCellMetadata")),
    ]

    c.GenerateFeedback.preprocessors = [
        own + "GetGrades",
        "autograder.pages.feedback.SafeFeedback",
    ]
    c.GenerateFeedback.exporter_class = "autograder.pages.feedback.FeedbackPage"

    # In feedback and in the formgrader, what a student wrote is text and pictures.
    c.HTMLExporter.preprocessors = ["autograder.pages.feedback.SafeFormgrader"]
    c.HTMLExporter.filters = {"markdown2html": "autograder.pages.feedback.markdown_to_html"}

    # nbgrader starts `alembic`, which stands beside it, also where the environment is not activated.
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    # Two cores shared by several kernels are faster with one thread each; cases are small.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
