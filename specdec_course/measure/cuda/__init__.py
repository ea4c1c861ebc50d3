"""Everything that needs a GPU, measured with one command: `specdec bench --cuda-suite`.

Rooms: `suite` runs the parts, `parts` and `pair_parts` say what each records, `records` keeps it, `summary` prints it.
`card`, `drawing`, `latency`, `costs`, `speed`, `library` and `engines` measure; `shapes`, `model_pool`, `scripted`,
`texts`, `clock` and `bench` are what they measure with. Knows hardware and engines, no course: no unit depends on it.
"""

from .records import cuda_records


def run(*args, **how) -> dict:
    """Runs the suite: see suite.run, whose arguments these are."""
    from .suite import run

    return run(*args, **how)


__all__ = ["cuda_records", "run"]
