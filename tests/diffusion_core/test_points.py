"""Point sets, and the network that learns them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from diffusion_core.denoiser import NetworkDenoiser, Prediction
from diffusion_core.errors import LectureError, UsageError
from diffusion_core.gaussians import ExactDenoiser, Mixture
from diffusion_core.point_network import (
    TRAINABLE,
    PointNetwork,
    PointTraining,
    compare_scores,
    point_loss,
    train_point_network,
)
from diffusion_core.points import (
    POINT_SETS,
    as_mixture,
    letters,
    point_set,
    ring,
    spiral,
    two_moons,
)
from diffusion_core.reverse import sample
from diffusion_core.samplers import DDIM
from diffusion_core.schedule import Schedule, make_schedule
from diffusion_core.timesteps import sampling_times

# -- the sets ---------------------------------------------------------------


@pytest.mark.parametrize("name", POINT_SETS)
def test_every_set_is_centred_of_unit_size_and_follows_its_seed(name: str) -> None:
    points = point_set(name, 2000, seed=1)
    assert points.shape == (2000, 2)
    assert points.dtype == torch.float64
    # The ring is drawn from a distribution that is exactly so; the others are made so.
    tolerance = 0.1 if name == "ring" else 1e-12
    assert points.mean(0).abs().max() < tolerance
    assert float(points.square().mean()) == pytest.approx(1, abs=tolerance)
    assert points.abs().max() < 3
    assert torch.equal(points, point_set(name, 2000, seed=1))
    assert not torch.equal(points, point_set(name, 2000, seed=2))


def test_the_spiral_is_even_along_its_length() -> None:
    points = spiral(600, 0, jitter=0.0)
    steps = points.diff(dim=0).norm(dim=1)[100:]
    assert float(steps.max() / steps.min()) < 1.1


def test_two_moons_are_two() -> None:
    """Turning one moon by half a turn about the middle gives the other."""
    points = two_moons(1000, 0, jitter=0.0)
    away = torch.cdist(points, -points).min(1).values
    assert float(away.max()) < 0.05


def test_letters_look_like_letters() -> None:
    """I is a bar, L has its ink in the left and the bottom, 'I I' has a gap."""
    bar = letters(2000, 0, "I")
    assert float(bar[:, 1].std() / bar[:, 0].std()) > 4
    corner = letters(4000, 0, "L")
    middle = (corner.max(0).values + corner.min(0).values) / 2
    quarter = (corner > middle).all(1).double().mean()
    assert float(quarter) == 0
    gap = letters(2000, 0, "I I")
    assert not bool((gap[:, 0].abs() < 0.3).any())


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "1 … 40"), ("  ", "1 … 40"), ("x" * 41, "1 … 40"), ("ε", "'ε', which"), ("a\n", "ASCII")],
)
def test_text_that_cannot_be_drawn_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        letters(10, 0, text)


def test_a_ring_has_the_covariance_of_pure_noise() -> None:
    for modes in (3, 8):
        assert torch.allclose(ring(modes).mean(), torch.zeros(2).double(), atol=1e-12)
        assert torch.allclose(ring(modes).covariance(), torch.eye(2).double(), atol=1e-12)
    assert len(ring().means) == 8


def test_points_become_a_mixture() -> None:
    points = point_set("spiral", 50)
    mixture = as_mixture(points, 0.1)
    assert torch.equal(mixture.means, points)
    assert torch.equal(mixture.stds, torch.full((50,), 0.1).double())
    nearest = as_mixture(points).posterior_mean(points + 1e-4, 1.0, 1e-3)
    assert torch.allclose(nearest, points, atol=1e-9)


@pytest.mark.parametrize(
    "make",
    [
        lambda: point_set("cube"),
        lambda: point_set("spiral", 1),
        lambda: point_set("letters", 10, seed=-1),
        lambda: point_set("two_moons", 10, seed=2**32),
        lambda: point_set("ring", 1.5),  # type: ignore[arg-type]
        lambda: spiral(10, 0, turns=0),
        lambda: spiral(10, 0, jitter=math.nan),
        lambda: two_moons(10, 0, jitter=-1),
        lambda: ring(1),
        lambda: ring(8, std=1.0),
    ],
)
def test_sets_out_of_range_are_refused(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError):
        make()


def test_no_points_are_no_mixture() -> None:
    with pytest.raises(ValueError, match="means has shape"):
        as_mixture(torch.zeros(0, 2))


# -- the network ------------------------------------------------------------

THREE = Mixture(
    torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64),
    torch.tensor([[-1.2, 0.0], [1.0, 0.8], [0.8, -1.0]], dtype=torch.float64),
    torch.tensor([0.25, 0.35, 0.15], dtype=torch.float64),
)
COSINE = make_schedule("cosine")


def score_error(network: PointNetwork, prediction: Prediction, schedule: Schedule, t: int) -> float:
    learned = NetworkDenoiser(network, schedule, prediction, clip=False)
    return compare_scores(learned, ExactDenoiser(THREE, schedule), t).relative_error


@pytest.mark.parametrize("prediction", ["v", "epsilon"])
def test_training_brings_the_learned_score_to_the_exact_one(prediction: Prediction) -> None:
    """At t = 300 and 500 of the cosine schedule, where signal and noise weigh alike.

    Relative error (weighted by density) after 10, 100 and 600 steps: each less
    than 0.7 of the one before, and below 0.16 and 0.08 at the end; the usual
    2,000 steps bring it to about 0.05 and 0.03.
    """
    found: dict[int, list[float]] = {}

    def watch(step: int, loss: float, network: PointNetwork) -> None:
        if step in (10, 100, 600):
            found[step] = [score_error(network, prediction, COSINE, t) for t in (300, 500)]

    settings = PointTraining(steps=600, prediction=prediction)
    network = train_point_network(THREE, COSINE, settings, watch)
    for before, after in ((10, 100), (100, 600)):
        assert all(b < 0.7 * a for a, b in zip(found[before], found[after], strict=True)), found
    assert found[600][0] < 0.16
    assert found[600][1] < 0.08
    assert [score_error(network, prediction, COSINE, t) for t in (300, 500)] == found[600]


def test_a_network_learns_a_set_of_points_and_samples_it() -> None:
    """From 300 seeds, 20 steps of DDIM: points near the two moons, on both of them."""
    moons = point_set("two_moons", 500)
    network = train_point_network(moons, COSINE, PointTraining(steps=800))
    denoiser = NetworkDenoiser(network, COSINE, "v", clip=False)
    times = sampling_times(COSINE, 20)
    drawn = sample(denoiser, DDIM(COSINE), times, range(300), (2, 1, 1))[:, :, 0, 0].double()
    away = torch.cdist(drawn, moons).min(1).values
    assert float(away.median()) < 0.1
    upper = (torch.cdist(drawn, moons[moons[:, 1] > 0.5]).min(1).values < 0.2).double().mean()
    assert 0.2 < float(upper) < 0.7


@pytest.mark.parametrize("prediction", TRAINABLE)
@pytest.mark.parametrize("name", ["linear", "karras"])
def test_training_is_the_same_for_a_seed_and_learns_under_every_schedule(
    name: str, prediction: Prediction
) -> None:
    schedule = make_schedule(name)

    def trained(steps: int, seed: int = 0) -> PointNetwork:
        settings = PointTraining(
            steps=steps, prediction=prediction, batch_size=128, width=32, seed=seed
        )
        return train_point_network(THREE, schedule, settings)

    def weights(network: PointNetwork) -> Tensor:
        return torch.cat([p.flatten() for p in network.parameters()])

    def loss(network: PointNetwork) -> float:
        rng = torch.Generator().manual_seed(9)  # the same points, times and noise for both
        return float(point_loss(network, THREE.sample(2000, 9).float(), schedule, prediction, rng))

    before = torch.random.get_rng_state()
    network = trained(100)
    assert torch.equal(weights(network), weights(trained(100)))
    assert not torch.equal(weights(network), weights(trained(100, seed=1)))
    assert torch.equal(before, torch.random.get_rng_state())
    assert loss(network) < 0.95 * loss(trained(1))


def test_without_an_average_the_last_weights_are_returned() -> None:
    averaged, last = (
        train_point_network(THREE, COSINE, PointTraining(steps=30, ema=ema, width=16))
        for ema in (0.99, 0.0)
    )
    assert not torch.equal(averaged.leave.bias, last.leave.bias)


def test_a_perfect_denoiser_has_no_error() -> None:
    exact = ExactDenoiser(THREE, COSINE)
    comparison = compare_scores(exact, exact, 400, side=21)
    assert comparison.places.shape == comparison.exact.shape == (441, 2)
    assert comparison.density.shape == (441,)
    assert comparison.relative_error < 1e-5  # float32 in, float32 out
    # The grid holds what there is of x_t.
    side = comparison.places[:, 0].max() - comparison.places[:, 0].min()
    assert float(comparison.density.sum() * (side / 20) ** 2) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"steps": 1.5},
        {"batch_size": 0},
        {"width": -3},
        {"learning_rate": math.nan},
        {"learning_rate": 0.0},
        {"ema": 1.0},
        {"ema": -0.1},
        {"prediction": "score"},
        {"seed": -1},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        PointTraining(**wrong)  # type: ignore[arg-type]


def test_what_cannot_be_learnt_or_compared_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(N, D\) and finite"):
        train_point_network(torch.zeros(5, 2, 1), COSINE)
    with pytest.raises(ValueError, match=r"must be \(N, D\) and finite"):
        train_point_network(torch.tensor([[math.nan, 0.0]]), COSINE)
    with pytest.raises(LectureError, match="lower the learning rate"):
        train_point_network(torch.full((4, 2), 1e30), COSINE, PointTraining(steps=3))
    exact = ExactDenoiser(THREE, COSINE)
    with pytest.raises(UsageError, match="reach = 0"):
        compare_scores(exact, exact, 5, reach=0)
    with pytest.raises(UsageError, match="side = 1"):
        compare_scores(exact, exact, 5, side=1)
    line = ExactDenoiser(as_mixture(torch.zeros(3, 1), 1.0), COSINE)
    with pytest.raises(ValueError, match="not in 1 dimensions"):
        compare_scores(line, line, 5)
