"""What people read after a class is graded: a page for every student, a report for the instructor."""
