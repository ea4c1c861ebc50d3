"""Generated answers that differ in a scene, and that the contract allows: {(exercise, label): reason}."""

ASKS_FOR_MORE = "the drafter may be asked for k or for what the budget leaves: what comes is cut"
_WEIGHT = ("weight[-1] * float(p[i, token]) / max(float(q[i, token]), 1e  ->  "
           "weight[-1] * float(p[i, token]) / (max(float(q[i, token]), 1e-30) + 1e")
EQUAL: dict[tuple[str, str], str] = {
    **{("generate_speculative", label): ASKS_FOR_MORE for label in (
        "min(k, end - len(ids) - 1)  ->  k", "end - len(ids) - 1  ->  end - len(ids) + 1",
        "end - len(ids) - 1  ->  end - len(ids)", "end - len(ids)  ->  end + len(ids)  (2)",
        "end - len(ids)  ->  end  (2)", "1  ->  0  (2)", "1  ->  -1  (2)")},
    ("residual", "takes 1e-6 more"): "p - q stays the same, and p itself is off by less than any law shows",
    **{("verify_block", _WEIGHT + end): "a token of probability 1e-6 has another coin: no law shows it to 1e-5"
       for end in ("", "  (2)")},
    ("verify_tree_stochastic", "torch.nn.functional.one_hot(tree.ids[i], p.shape[-1]).to(p.d  ->  "
     "torch.nn.functional.one_hot(tree.ids[i], p.shape[-1]).to(p.dtype)"):
        "a tree may be taken for certain however it was drawn: exact, and it keeps as much as a draw from p would",
    ("cross_attend", "-torch.arange(half, dtype=wide, device=query.device) / half  ->  "
     "-torch.arange(half, dtype=wide, device=query.device) / (half + 1e-06)"):
        "an angle is off by less than float32 makes it",
    ("sample_windows", "hands out one buffer again and again"): "windows are used before others are cut",
}  # fmt: skip
