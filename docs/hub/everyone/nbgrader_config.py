"""nbgrader's settings for everybody on the Hub. It lies where students can read it: no secret belongs in here."""

import os

c = get_config()  # noqa: F821 - nbgrader's loader provides it

c.CourseDirectory.course_id = "specdec"
c.Exchange.root = os.environ.get("NBGRADER_EXCHANGE", "/srv/nbgrader/exchange")

# The Validate button runs the notebook with these. nbgrader's own 30 and 4 seconds fail right answers where thirty
# students share two cores.
c.Execute.timeout = 300
c.Execute.startup_timeout = 120
c.Execute.iopub_timeout = 120
