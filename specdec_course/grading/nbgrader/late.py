"""A late policy that is ready to be named in nbgrader_config.py:

    c.AssignLatePenalties.plugin_class = "specdec_course.grading.nbgrader.late.PerDay"
    c.PerDay.share = 0.1       # of the points that were earned, for each day that has begun
    c.PerDay.most = 0.5        # never more than this
    c.PerDay.grace_minutes = 15

Knows: how points are taken. Does not know: who was late, which nbgrader asks it about.
"""

from __future__ import annotations

import math

from nbgrader.plugins import BasePlugin
from traitlets import Float


class PerDay(BasePlugin):
    """A share of the earned points for each day that has begun, after some minutes of grace."""

    share = Float(0.1, help="Share of the earned points, for each day that has begun.").tag(config=True)
    most = Float(0.5, help="The largest share that is taken.").tag(config=True)
    grace_minutes = Float(15.0, help="So many minutes cost nothing.").tag(config=True)

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        """Points to take. nbgrader calls it for each submission that was late."""
        if total_seconds_late <= 60 * self.grace_minutes:
            return 0.0
        return round(score * min(self.most, self.share * math.ceil(total_seconds_late / 86400)), 4)
