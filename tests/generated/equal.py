"""Generated answers that differ in a scene, and that the contract allows: {(exercise, label): reason}."""

EQUAL: dict[tuple[str, str], str] = {}
