"""The experiments' claims about pictures, with the model of digits that ships.

Thresholds leave room for other weights: what is asserted is an order, or half
of what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from diffusion_core.checkpoints import TrainedModel, load_model
from diffusion_core.errors import LectureError
from diffusion_core.experiments import (
    Branch,
    Patch,
    ReverseProcess,
    Runs,
    decision,
    forks,
    inpainting,
    interpolation,
    mistake_no_noise_weight,
    mistake_no_rescaling,
    mistake_no_time_embedding,
    mistake_noise_at_the_end,
    noise_brush,
    repair,
    sampler_race,
    sensitivity_map,
    similar_noise,
    turn_name,
    u_turn,
)
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.timesteps import sampling_times
from tests.diffusion_core.experiment_cases import digit_classifier

COSINE = make_schedule("cosine")
SEEDS = tuple(range(8))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small batches gain nothing from a second thread, and lose much where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    try:
        return load_model("mnist")
    except LectureError as error:
        pytest.skip(f"needs the model of digits: {error}")


@pytest.fixture(scope="module")
def ddim(model: TrainedModel) -> ReverseProcess:
    return with_sampler(model, "ddim")


def with_sampler(model: TrainedModel, name: str, steps: int = 20) -> ReverseProcess:
    sampler = make_sampler(name, COSINE)
    return ReverseProcess(model.denoiser(COSINE), sampler, COSINE, sampling_times(COSINE, steps))


@pytest.fixture(scope="module")
def x_T(model: TrainedModel) -> Tensor:
    return SampleNoise(SEEDS, model.shape).draw()


@pytest.fixture(scope="module")
def digits(ddim: ReverseProcess, x_T: Tensor) -> Tensor:
    """Eight finished pictures of the model itself, (8, 1, 28, 28)."""
    return torch.from_numpy(ddim.record(x_T, facts={}).states[-1])


def rms(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)))


def between_different(pictures: np.ndarray) -> float:
    """RMS distance of each picture to its neighbour in the batch, on average."""
    return rms(pictures, np.roll(pictures, 1, axis=0))


def grey(pictures: np.ndarray) -> float:
    """The share of pixels that are neither ink nor paper, which digits have few of."""
    return float(np.mean(np.abs(pictures) < 0.7))


def contrast(pictures: np.ndarray) -> float:
    return float(np.clip(pictures, -1, 1).std((1, 2, 3)).mean())


def test_the_way_back_returns_the_picture_from_near_and_another_from_far(
    ddim: ReverseProcess, digits: Tensor
) -> None:
    turns = [50, 300, 700, 999]
    runs = u_turn(ddim, digits, turns, SEEDS[::-1])
    distance = [np.mean(runs[turn_name(t)].facts["rms_to_x0"]) for t in turns]
    assert distance == sorted(distance)
    assert distance[0] < 0.1
    assert distance[3] > 0.7 * between_different(digits.numpy())


def test_too_little_noise_repairs_nothing(ddim: ReverseProcess, digits: Tensor) -> None:
    hole = Patch(11, 0, 6, 28).mask(28, 28)
    runs = repair(ddim, digits, hole, [50, 700], SEEDS)
    little, much = (runs[turn_name(t)].facts for t in (50, 700))
    assert np.mean(little["hole_to_damaged"]) < 0.1 < 0.3 < np.mean(little["hole_to_x0"])
    assert np.mean(much["hole_to_damaged"]) > 0.3
    assert np.mean(much["rest_to_x0"]) > 3 * np.mean(little["rest_to_x0"])


def test_a_patch_of_noise_changes_the_picture_most_where_it_is(
    ddim: ReverseProcess, x_T: Tensor, digits: Tensor
) -> None:
    patch = Patch(10, 10, 8, 8)
    runs = similar_noise(ddim, x_T, range(100, 108), patch=patch, entry=2)
    facts = runs["patch"].facts
    assert np.mean(facts["rms_inside"]) > 2 * np.mean(facts["rms_outside"])
    assert np.mean(facts["rms_change"]) < 0.9 * between_different(digits.numpy())
    change = np.array(runs["entry"].facts["rms_change"])
    assert change[2] > 0.3
    assert (np.delete(change, 2) == 0).all()


def test_the_middle_of_the_noise_matters_more_than_its_edge(
    ddim: ReverseProcess, x_T: Tensor
) -> None:
    runs = sensitivity_map(ddim, x_T[:1], 100, (7, 7))
    found = np.array(runs["changed"].facts["rms_change"])
    middle = found[1:-1, 1:-1]
    edge = (found.sum() - middle.sum()) / (49 - 25)
    assert middle.mean() > 2 * edge


def test_pictures_from_the_straight_line_are_plainer(model: TrainedModel) -> None:
    """Half of the way, 24 pairs: contrast stays along the circle and falls along the line."""
    there = with_sampler(model, "ddim", 12)
    noise = SampleNoise(range(48), model.shape).draw()
    ends = contrast(there.record(noise, facts={}).states[-1])
    found: dict[str, list[float]] = {"lerp": [], "slerp": []}
    for a, b in zip(noise[:24], noise[24:], strict=True):
        runs = interpolation(there, a[None], b[None], [0.5])
        for name, run in runs.items():
            found[name].append(contrast(run.states[-1]))
    assert np.mean(found["slerp"]) == pytest.approx(ends, rel=0.05)
    assert np.mean(found["lerp"]) < 0.96 * np.mean(found["slerp"])


def test_an_unknown_half_grows_onto_the_known_one(model: TrainedModel, digits: Tensor) -> None:
    there = with_sampler(model, "ddpm")
    mask = Patch(0, 0, 28, 14).mask(28, 28)
    seeds = range(50, 58)
    end = inpainting(there, digits, mask, seeds, resample=3)["inpainting"].states[-1]
    assert np.array_equal(end[..., :14], digits.numpy()[..., :14])

    def seam(pictures: np.ndarray) -> float:
        return float(np.abs(pictures[..., 14] - pictures[..., 13]).mean())

    pasted = digits.numpy().copy()
    pasted[..., 14:] = np.roll(pasted, 1, axis=0)[..., 14:]
    assert seam(end) < 0.75 * seam(pasted)
    assert rms(end[..., 14:], digits.numpy()[..., 14:]) > 0.1


def test_an_early_fork_ends_further_apart_than_a_late_one(model: TrainedModel) -> None:
    there = with_sampler(model, "ddpm")
    branches = {"a": Branch(seeds=range(100, 108)), "b": Branch(seeds=range(200, 208))}

    def apart(position: int) -> float:
        runs = forks(there, SEEDS, model.shape, there.times[position], branches)
        a, b = runs["a"], runs["b"]
        assert np.array_equal(a.states[: position + 1], b.states[: position + 1])
        return rms(a.states[-1], b.states[-1])

    assert apart(15) < 0.5 * apart(3)


def test_the_second_order_sampler_is_nearer_after_as_many_evaluations(
    ddim: ReverseProcess, model: TrainedModel
) -> None:
    reference = with_sampler(model, "ddim", 250)
    samplers = {name: make_sampler(name, COSINE) for name in ("ddim", "heun", "dpmpp")}
    runs = sampler_race(reference, samplers, SEEDS[:4], model.shape, nfe=40)
    assert {runs[name].facts["nfe"] for name in samplers} == {40}
    end = {name: np.mean(runs[name].facts["distance_to_reference"][-1]) for name in samplers}
    assert end["dpmpp"] < end["ddim"]
    assert end["heun"] < end["ddim"]


def test_the_brush_changes_what_it_painted_and_nothing_else(
    model: TrainedModel, digits: Tensor
) -> None:
    mask = Patch(6, 6, 12, 16).mask(28, 28)
    runs = noise_brush(with_sampler(model, "ddpm"), digits, mask, 800, SEEDS)
    end = runs["removed"].states[-1]
    assert np.array_equal(end[..., 20:, :], digits.numpy()[..., 20:, :])
    assert np.mean(runs["removed"].facts["rms_inside"]) > 0.2
    assert grey(end) < 2 * grey(digits.numpy())
    free = noise_brush(with_sampler(model, "ddim"), digits, mask, 800, SEEDS, outside="free")
    assert np.mean(free["removed"].facts["rms_outside"]) > 0.02


def test_the_class_is_decided_between_the_ends(model: TrainedModel) -> None:
    classifier = digit_classifier()
    there = with_sampler(model, "ddim")
    run = decision(there, range(32), model.shape, classifier)["decision"]
    p = np.array(run.facts["probabilities"])
    certain = p.max(2).mean(1)
    assert certain[0] < 0.5
    assert certain[-1] > 0.75
    assert len(set(run.facts["final_class"])) > 3
    assert 100 < np.median(run.facts["decided_at"]) < 999


@pytest.mark.parametrize(
    ("name", "factor"), [("rescaling", 2), ("noise weight", 1.4), ("deaf", 1.4), ("at the end", 1)]
)
def test_a_mistake_is_seen_in_the_pictures(
    model: TrainedModel, digits: Tensor, name: str, factor: float
) -> None:
    there = with_sampler(model, "ddim")
    runs: Runs
    if name == "rescaling":
        runs = mistake_no_rescaling(model.denoiser, digits, 50, SEEDS)
    elif name == "noise weight":
        runs = mistake_no_noise_weight(there, digits, [100, 300], SEEDS)
    elif name == "deaf":
        runs = mistake_no_time_embedding(there, SEEDS, model.shape, 500)
    else:
        runs = mistake_noise_at_the_end(with_sampler(model, "ddpm"), SEEDS, model.shape)
    right, wrong = (runs[which].states[-1] for which in ("right", "mistake"))
    if name == "at the end":  # grain, too fine to turn paper grey
        sigma = float(COSINE.sigma(int(runs["right"].timesteps[-2])))
        assert rms(right, wrong) == pytest.approx(sigma, rel=0.1)
    else:
        assert grey(wrong) > factor * grey(right)
