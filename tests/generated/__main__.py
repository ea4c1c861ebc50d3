"""The command: see the package's docstring."""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))

import torch  # noqa: E402

from generated import judge  # noqa: E402
from specdec_course.checks import exercises  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/generated")
    parser.add_argument("--unit", help="03")
    parser.add_argument("--exercise", help="its name")
    parser.add_argument("--named", action="store_true", help="count the mistakes that are named, too")
    parser.add_argument("--blind", action="store_true", help="only the answers that never look")
    parser.add_argument("--only", type=int, help="every so many-th answer")
    parser.add_argument("--seed", type=int, default=judge.SEED)
    parser.add_argument("-v", action="store_true", help="a line for every answer")
    given = parser.parse_args()
    torch.set_num_threads(1)
    chosen = [e for e in exercises(given.unit).values() if given.exercise in (None, e.name)]
    holes = 0
    for exercise in chosen:
        holes += show_blind(exercise, given.v) if given.blind else show(exercise, given)
    return 1 if holes else 0


def show(exercise, given) -> int:
    found = judge.tally(exercise, given.named, given.only, given.seed)
    named = f", named {found.named}" if given.named else ""
    print(f"{exercise.unit} {exercise.name}: generated {found.generated}, different {found.different}, "
          f"caught {found.caught}{named}, allowed {len(found.allowed)}, SURVIVORS {len(found.survivors)}", flush=True)
    for line in found.lines if given.v else ():
        print(f"    {line}")
    for label, reason in found.allowed:
        print(f"    allowed: {label}: {reason}")
    for label in found.survivors:
        print(f"    SURVIVES: {label}", flush=True)
    return len(found.survivors)


def show_blind(exercise, everything) -> int:
    scores = judge.blind_scores(exercise)
    high = [(label, score) for label, score in scores if score > 0.25]
    print(f"{exercise.unit} {exercise.name}: {len(scores)} answers that never look, above a quarter of the points: "
          f"{len(high)}", flush=True)
    for label, score in scores if everything else high:
        print(f"    {score:.2f} {label}", flush=True)
    return len(high)


if __name__ == "__main__":
    sys.exit(main())
