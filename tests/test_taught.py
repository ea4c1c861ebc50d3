"""Unit 09: the functions that it teaches agree with the package's others, and its pictures are drawn."""

from pathlib import Path

import pytest
import torch

from specdec_course.figures.distilled import kept_by_step, pull_of_losses
from specdec_course.training.losses import KINDS, distillation_loss
from specdec_course.training.taught import acceptance_on, shift_labels, train_step
from specdec_course.verification import expected_acceptance

UNIT = Path(__file__).parent.parent / "solutions/09_distilled_drafter/09_distilled_drafter.py"


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def test_the_loss_that_the_notebook_shows_is_the_packages():
    """The unit shows it in one piece."""
    body = UNIT.read_text(encoding="utf-8").split("# %% exercise: distillation_loss\n")[1].split("# %% [markdown]")[0]
    shown: dict = {"torch": torch}
    exec(body, shown)
    student, teacher, mask = 2 * random(3, 5, 9), random(3, 5, 9, seed=1), random(3, 5, seed=2) > 0
    off = random(9, seed=3) > 0.5
    for kind in KINDS:
        for s, t in ((student, teacher), (student.masked_fill(off, -torch.inf), teacher.masked_fill(off, -torch.inf))):
            for given in (mask, None, torch.zeros_like(mask)):
                found, wanted = (f(s, t, given, kind, 0.7) for f in (shown["distillation_loss"], distillation_loss))
                assert torch.allclose(found, wanted), kind


@pytest.mark.parametrize("clip", [0.05, 100.0])
def test_a_step_is_one_of_torchs_sgd(clip):
    weight, features, teacher = random(9, 4), 3 * random(6, 4, seed=1), 2 * random(6, 9, seed=2)
    mask = torch.tensor([True, True, False, True, True, True])
    head = torch.nn.Parameter(weight.clone())
    loss = distillation_loss(features @ head.T, teacher, mask)
    loss.backward()
    torch.nn.utils.clip_grad_norm_([head], clip)
    torch.optim.SGD([head], lr=0.7).step()
    new, told = train_step(weight, features, teacher, mask, rate=0.7, clip=clip)
    assert torch.allclose(new, head.detach(), atol=1e-5) and told == pytest.approx(loss.item())


def test_acceptance_along_a_text_is_the_mean_of_what_is_expected_at_its_places():
    draft, target = ((lambda ids, one=random(7, 5, seed=seed): one[: len(ids)]) for seed in (1, 2))
    ids = torch.arange(7) % 5
    q, p = (model(ids).softmax(-1)[2:6] for model in (draft, target))
    wanted = sum(float(expected_acceptance(a, b)) for a, b in zip(p, q, strict=True)) / 4
    assert acceptance_on(draft, target, ids, prompt_length=3) == pytest.approx(wanted)


def test_the_example_of_the_unit():
    ids = torch.tensor([[1, 2, 3, 4, 0], [5, 6, 0, 0, 0]])
    labels = shift_labels(ids, torch.tensor([2, 1]), torch.tensor([5, 3]))
    assert labels.tolist() == [[-100, 3, 4, 0, -100], [6, 0, -100, -100, -100]]


def test_pictures_are_drawn_and_described():
    two = {"tv": [0.5, 0.1, 0.2], "forward_kl": [3.0, 0.2, 0.4]}
    for figure in (pull_of_losses([-1.0, 0.0, 1.0], two, two, 0.3),
                   kept_by_step({"tv": {5: 0.5, 10: 0.61}, "forward_kl": {5: 0.4, 10: 0.5}}, 0.3)):
        figure.canvas.draw()
        assert "tv" in figure.alt and len(figure.alt) > 60
