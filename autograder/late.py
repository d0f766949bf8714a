"""What late work costs, as a plugin of nbgrader's."""

from __future__ import annotations

import math

from nbgrader.plugins import BasePlugin
from traitlets import Float

_DAY = 24 * 60 * 60


class PerDay(BasePlugin):
    """A share of the points for each day that has begun. In nbgrader_config.py:

    c.AssignLatePenalties.plugin_class = "autograder.late.PerDay"
    c.PerDay.percent = 10
    c.PerDay.grace_minutes = 15
    """

    percent = Float(10, help="of the points that were earned, for each day that has begun").tag(config=True)
    grace_minutes = Float(0, help="minutes after the due date that cost nothing").tag(config=True)

    def late_submission_penalty(self, student_id: str, score: float, total_seconds_late: float) -> float:
        """The points that are taken off; never more than there are."""
        late = total_seconds_late - 60 * self.grace_minutes
        days = max(0, math.ceil(late / _DAY))
        return score * min(1.0, days * self.percent / 100)
