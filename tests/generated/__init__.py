"""Wrong answers that no person wrote: every exercise's own function, changed in one place, or wrapped in a bad habit.

    python tests/generated                          all exercises: generated, different, caught, survivors
    python tests/generated --unit 03                one unit
    python tests/generated --exercise residual -v   one exercise, every answer with what became of it
    python tests/generated --unit 03 --named        also how many get a named mistake (slower: whole checks are run)
    python tests/generated --blind                  only the answers that never look, and what each earns

How it works
    mutate   the function's source with one place changed: off by one, a guard dropped, another axis, ...
    habits   the function in a wrapper: half precision, ids as int32, abs, replayed constants, an argument ignored, ...
    differ   whether an answer behaves otherwise than the function on inputs shaped like real ones
    scenes_NN.py  these inputs for the exercises of one unit: SCENES = {exercise: [scene, ...]}, where a scene takes
             the answer and returns what came out of it. CLOSE = {exercise: tolerance} where the contract allows more
             than 1e-4. An exercise without scenes is asked what its own check asks at other seeds: good enough to
             begin with, but it cannot show what the check never asks.
    equal    EQUAL = {(exercise, label): reason}: answers that differ in a scene, and that the contract allows.
    rights   right answers in other clothes (numpy, views, closures, 0-d tensors, ...): the check must pass them
    judge    which of the different ones the check catches; clocks are virtual, so that nothing depends on the machine.

An answer that differs, passes and does not stand in EQUAL is a hole in the check. `tests/test_generated.py` runs a
small fixed sample of each exercise; the command runs all.
"""
