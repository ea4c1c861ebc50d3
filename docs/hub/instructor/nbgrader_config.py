"""Where an instructor's course lies: under the folder that the server shows (the home). Elsewhere formgrader answers
with a page that says so. The folder has mode 700: it holds the grade book, the secret and the solutions."""

from pathlib import Path

c = get_config()  # noqa: F821 - nbgrader's loader provides it

c.CourseDirectory.root = str(Path.home() / "course")
