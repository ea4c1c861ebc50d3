"""The box in which students' code runs, and the probes that try to break out of it."""
