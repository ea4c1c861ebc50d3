"""Generated answers that differ in a scene, and that the contract allows: {(exercise, label): reason}."""

ASKS_FOR_MORE = "the drafter may be asked for k or for what the budget leaves: what comes is cut"
EQUAL: dict[tuple[str, str], str] = {
    **{("generate_speculative", label): ASKS_FOR_MORE for label in (
        "min(k, end - len(ids) - 1)  ->  k", "end - len(ids) - 1  ->  end - len(ids) + 1",
        "end - len(ids) - 1  ->  end - len(ids)", "end - len(ids)  ->  end + len(ids)  (2)", "end - len(ids)  ->  end  (2)",
        "1  ->  0  (2)", "1  ->  -1  (2)")},
    ("sample_windows", "hands out one buffer again and again"): "the windows of one text are used before others are cut",
}  # fmt: skip
