"""`python -m specdec_course.measure`: what the text of the course quotes about the bigram."""

from .bigram import main

main()
