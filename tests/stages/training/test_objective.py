"""What the terms of the loss are, and what they do to a training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from stages.snn.float_network import FloatNetwork, untrainable
from stages.snn.integer_network import IntegerNetwork
from stages.training.objective import Objective, Terms, spike_rate
from tests.networks import NETWORKS, inputs_for
from tests.stages.training.test_loop import NETWORK, halves, phases

LABELS = torch.tensor([0, 1, 1, 0])


def images() -> torch.Tensor:
    return torch.from_numpy(halves().train.images[:4])


def float_network(seed: int = 0) -> FloatNetwork:
    torch.manual_seed(seed)
    return FloatNetwork(NETWORK)  # in training mode: running statistics mean nothing yet


@pytest.mark.parametrize("integer", [False, True], ids=["float", "integer"])
@pytest.mark.parametrize("name", [name for name in NETWORKS if not list(untrainable(NETWORKS[name]()))])
def test_what_the_steps_add_is_the_score(name: str, integer: bool) -> None:
    """On held pixels, on event frames, step by step where there is feedback."""
    network = NETWORKS[name]()
    module: FloatNetwork | IntegerNetwork = FloatNetwork(network).eval()
    module = IntegerNetwork.from_float(module) if integer else module
    activity = module.run(torch.from_numpy(inputs_for(network, 3, 0)))
    assert activity.step_logits.shape == (network.timesteps, *activity.logits.shape)
    torch.testing.assert_close(activity.step_logits.mean(0), activity.logits, rtol=1e-4, atol=1e-5)


def test_without_terms_it_is_the_cross_entropy() -> None:
    network = float_network()
    assert Objective(network, Terms())(images(), LABELS) == cross_entropy(network(images()), LABELS)


def test_the_temporal_term_asks_every_step() -> None:
    network = float_network()
    steps = network.run(images()).step_logits
    expected = torch.stack([cross_entropy(step, LABELS) for step in steps]).mean()
    torch.testing.assert_close(Objective(network, Terms(temporal=1.0))(images(), LABELS), expected)


def test_a_pupil_that_answers_as_its_teacher_has_nothing_to_learn() -> None:
    teacher, terms = float_network(), Terms(distillation=1.0)
    same = Objective(teacher, terms, teacher)(images(), LABELS).item()
    other = Objective(float_network(1), terms, teacher)(images(), LABELS).item()
    assert abs(same) < 1e-6 < 1e-4 < other
    assert not [name for name, _ in Objective(float_network(1), terms, teacher).named_parameters() if "teacher" in name]


def test_spikes_cost_only_beyond_the_budget() -> None:
    network = float_network()
    rate = spike_rate(network.run(images())).item()
    assert 0.01 < rate < 0.99
    plain, frugal, ample = (
        Objective(network, Terms(spike_budget=budget))(images(), LABELS) for budget in (None, rate / 2, rate * 1.01)
    )
    assert ample == plain
    torch.testing.assert_close(frugal, plain + 1)  # twice the budget: (2 - 1) ** 2


def test_distillation_brings_the_integers_nearer_to_the_float_network(tmp_path: Path) -> None:
    def distance(folder: str, distillation: float) -> float:
        training = phases(tmp_path / folder, float_epochs=4, integer_epochs=8, distillation=distillation)
        teacher, _ = training.train_float()
        pupil, _ = training.train_integer(teacher)
        split, terms = halves().train, Terms(distillation=1.0)
        with torch.no_grad():
            return Objective(pupil.eval(), terms, teacher.eval())(*map(torch.from_numpy, vars(split).values())).item()

    assert distance("taught", 1.0) < 0.5 * distance("alone", 0.0)


def test_a_budget_saves_spikes(tmp_path: Path) -> None:
    def rate(folder: str, **settings: object) -> float:
        _, curve = phases(tmp_path / folder, float_epochs=12, **settings).train_float()
        return sum(curve[-1].spike_rate.values())

    assert rate("frugal", spike_budget=0.05) < 0.8 * rate("free")


@pytest.mark.parametrize(
    "settings", [{"optimizer": "sgd"}, {"temporal": 0.5}, {"distillation": 0.5, "integer_epochs": 2}], ids=str
)
def test_every_option_trains(settings: dict[str, object], tmp_path: Path) -> None:
    training = phases(tmp_path, **settings)
    module, curve = training.train_float()
    if "distillation" in settings:
        _, curve = training.train_integer(module)
    losses = [point.train_loss for point in curve[1:]]
    assert losses[-1] is not None and losses[0] is not None and losses[-1] < losses[0]
