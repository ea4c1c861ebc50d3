"""Training of the bundled pair, and the report on what came out. Knows nothing of the command line's words."""

from __future__ import annotations


def train(name: str, out: str, work: str | None = None, seed: int = 0, device: str | None = None, report: bool = False):
    """What `specdec train NAME` does: train a pair (only "classroom" is known) into `out`, or with `report` only
    measure the pair in `out` and write its figures to data/measurements/classroom.json and data/README.md."""
    if name != "classroom":
        raise ValueError(f"unknown pair {name!r}; only 'classroom' can be trained")
    if report:
        from .report import write_report

        return write_report(out)
    from .classroom import Recipe, train_classroom

    return train_classroom(out, work=work, recipe=Recipe(seed=seed), device=device)
