"""nbgrader's settings for this course. Run every `nbgrader` command from the folder that holds this file."""

from nbgrader.converters import Autograde
from nbgrader.preprocessors import SaveAutoGrades

from specdec_course.grading.nbgrader.bonus import SaveBonus
from specdec_course.grading.nbgrader.button import lead_through_the_box

c = get_config()  # noqa: F821 - nbgrader's loader provides it

c.CourseDirectory.course_id = "specdec"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "notebooks"
# nbgrader copies every file beside a source notebook to the students and, when it grades, beside their
# notebooks. The sources hold the solutions: they must not travel. (Nor do .py files that a student hands in,
# such as a json.py that would shadow the library.) Translations of the sources are for the build.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", "*.py", "*.po"]

# The release is kept in git, where nbgrader would find it and skip the assignment, and then the grade book would not
# know it. Generating again is harmless: it writes the same bytes as `specdec build`.
c.GenerateAssignment.force = True

c.ClearSolutions.code_stub = {"python": '# YOUR CODE HERE\nraise NotImplementedError("not attempted yet")'}

c.Execute.timeout = 300  # seconds per cell; the default of 30 fails right answers on a busy machine
c.Execute.startup_timeout = 120
# How long to wait for the rest of a cell's output. The default is 4; then the whole submission is dropped.
c.Execute.iopub_timeout = 120
c.Execute.interrupt_on_timeout = True

# After the points are saved, bonus points: nbgrader has none of its own.
steps = list(Autograde.autograde_preprocessors.default_args[0])
steps.insert(steps.index(SaveAutoGrades) + 1, SaveBonus)
c.Autograde.autograde_preprocessors = steps

# formgrader's Autograde button would run a student's notebook with your rights: it does what `specdec grade` does.
lead_through_the_box()
