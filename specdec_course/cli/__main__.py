"""`python -m specdec_course.cli`, for where the command `specdec` is not on the path."""

from . import main

main()
