"""Where the answer is known: routes, U-turns, similar noise, interpolation, and all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from diffusion_core.denoiser import Denoiser
from diffusion_core.experiments import (
    Branch,
    Patch,
    Runs,
    decision,
    forks,
    inpainting,
    interpolation,
    lerp,
    noise_brush,
    repair,
    routes,
    sampler_race,
    sensitivity_map,
    similar_noise,
    slerp,
    turn_name,
    u_turn,
)
from diffusion_core.gaussians import ExactDenoiser
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import CLEAN, make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.trajectory import Trajectory
from tests.diffusion_core.experiment_cases import (
    CORNERS,
    COSINE,
    PICTURE,
    POINT,
    SEEDS,
    ExactPictures,
    corner_logits,
    corner_of,
    is_falling,
    patterns,
    points,
    process,
    to_nearest,
)

# -- routes --------------------------------------------------------------------


def test_every_step_and_one_jump_arrive_at_the_same_distribution() -> None:
    schedule = make_schedule("linear", 50)
    x_0, times = points((1.0, -0.5)), [5, 20, 49]
    runs = routes(schedule, x_0, times, range(1500))
    steps, jump = runs["steps"], runs["jump"]
    for i, t in enumerate(times, 1):
        a, b = steps.states[i].reshape(1500, 2), jump.states[i].reshape(1500, 2)
        assert not np.allclose(a, b, atol=0.1)  # other noise
        for axis in range(2):
            assert ks_2samp(a[:, axis], b[:, axis]).pvalue > 1e-3
        sigma = float(schedule.sigma(t))
        mean = float(schedule.alpha(t)) * x_0.numpy().ravel()
        for states in (a, b):
            assert states.mean(0) == pytest.approx(mean, abs=4 * sigma / 1500**0.5)
            assert states.std(0) == pytest.approx(sigma, rel=0.1)
    for run in runs.values():
        assert run.timesteps.tolist() == [CLEAN, *times]
        assert run.eps is not None
        weights = run.signal_weight, run.noise_weight
        made = [w[:, None, None, None, None] for w in weights]
        assert made[0] * run.states[0] + made[1] * run.eps == pytest.approx(run.states, abs=1e-5)
    # One ε a sample for every jump.
    assert jump.eps is not None
    assert jump.eps[1] == pytest.approx(jump.eps[3], abs=1e-4)


def test_the_noise_of_the_jump_is_none_of_the_steps() -> None:
    runs = routes(make_schedule("linear", 10), torch.zeros(1, *POINT), [0], range(500))
    drawn = [run.states[1].ravel() for run in runs.values()]
    assert abs(np.corrcoef(drawn)[0, 1]) < 0.15


# -- u_turn and repair ---------------------------------------------------------


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_little_noise_brings_the_same_back_and_much_another(sampler: str) -> None:
    x_0, turns = points((1.0, 1.0)), [20, 100, 199]
    runs = u_turn(process(sampler), x_0, turns, SEEDS)
    kept = [np.mean(corner_of(runs[turn_name(t)].states[-1]) == 3) for t in turns]
    assert kept[0] == 1
    assert 0.05 < kept[2] < 0.5  # a quarter, up to chance
    assert kept[0] >= kept[1] >= kept[2]
    forward = runs["forward"]
    for i, t in enumerate(turns, 1):
        back = runs[turn_name(t)]
        assert np.array_equal(back.states[0], forward.states[i])
        assert back.timesteps[0] == t
        assert is_falling(back.timesteps.tolist())
        distance = np.sqrt(((back.states[-1] - x_0.numpy()) ** 2).mean((1, 2, 3)))
        assert back.facts["rms_to_x0"] == pytest.approx(distance)
        assert back.facts["turn"] == t


def test_noise_of_a_row_of_turns_is_shared_or_not() -> None:
    x_0 = points((1.0, 1.0))
    for shared in (True, False):
        forward = u_turn(process(), x_0, [60, 120], [1, 2], shared=shared)["forward"]
        assert forward.eps is not None
        assert np.allclose(forward.eps[1], forward.eps[2], atol=1e-4) is shared


def test_a_hole_comes_back_with_little_noise_and_is_filled_with_much() -> None:
    pictures = patterns()
    # Each picture as it is up to a standard deviation of 0.3: a hole is not impossible, only rare.
    there_and_back = process("ddpm", denoiser=ExactPictures(pictures, COSINE, 0.3))
    hole = Patch(2, 2, 4, 4).mask(8, 8)
    turns = [10, 120]
    runs = repair(there_and_back, pictures[2:3], hole, turns, range(8))
    assert np.array_equal(runs["forward"].states[0][:, :, 2:6, 2:6], -np.ones((8, 1, 4, 4)))
    little, much = (runs[turn_name(t)].facts for t in turns)
    assert np.mean(little["hole_to_damaged"]) < 0.3
    assert np.mean(little["hole_to_x0"]) > 1
    assert np.mean(much["hole_to_x0"]) < 0.4
    assert np.mean(much["rest_to_x0"]) < 0.4
    squared = (runs[turn_name(10)].states[-1] - pictures[2:3].numpy()) ** 2
    for name, part in (("hole_to_x0", hole == 1), ("rest_to_x0", hole == 0)):
        inside = np.sqrt(squared[..., part.numpy()].mean((1, 2)))
        assert little[name] == pytest.approx(inside, rel=1e-5)


# -- similar noise -------------------------------------------------------------


def linear_case() -> Denoiser:
    """One standard normal cloud: pixels know nothing of each other, and the map is linear."""
    return ExactPictures(torch.zeros(1, *PICTURE), COSINE, 0.5)


def test_where_pixels_are_independent_only_the_patch_changes() -> None:
    x_T = SampleNoise([1, 2], PICTURE).draw()
    patch = Patch(1, 2, 3, 4)
    runs = similar_noise(process(denoiser=linear_case()), x_T, [3, 4], patch=patch)
    facts = runs["patch"].facts
    assert facts["rms_outside"] == [0, 0]
    assert min(facts["rms_inside"]) > 0.1
    change = np.array(facts["rms_inside"]) * np.sqrt(12 / 64)
    assert facts["rms_change"] == pytest.approx(change)
    assert facts["replaced"] == "rows 1 … 3, columns 2 … 5"


def test_other_noise_for_one_sample_changes_no_other() -> None:
    x_T = SampleNoise([1, 2, 3], POINT).draw()
    runs = similar_noise(process(), x_T, [4, 5, 6], entry=1)
    change = runs["entry"].facts["rms_change"]
    assert change[0] == change[2] == 0
    assert change[1] > 0.01
    assert np.array_equal(runs["entry"].states[:, [0, 2]], runs["original"].states[:, [0, 2]])


def test_the_sensitivity_map_adds_up_where_the_map_is_linear() -> None:
    there = process(denoiser=linear_case())
    x_T = SampleNoise([1], PICTURE).draw()
    runs = sensitivity_map(there, x_T, 2, (4, 2))
    found = np.array(runs["changed"].facts["rms_change"])
    assert found.shape == (4, 2)
    assert runs["changed"].states.shape[1] == 8
    whole = similar_noise(there, x_T, [2], entry=0)["entry"].facts["rms_change"][0]
    assert (found**2).sum() == pytest.approx(whole**2, rel=1e-4)
    # Sample 3 is the patch in the second row and the second column.
    moved = (runs["changed"].states[0, 3] != x_T[0].numpy()).astype(float)
    assert np.array_equal(moved[0], Patch(2, 4, 2, 4).mask(8, 8).numpy())


# -- interpolation -------------------------------------------------------------


def test_slerp_is_the_great_circle() -> None:
    a, b = torch.tensor([[[[3.0, 0.0]]]]), torch.tensor([[[[0.0, 3.0]]]])
    for w in (0.0, 0.25, 0.5, 1.0):
        angle = torch.tensor(w * np.pi / 2)
        wanted = 3 * torch.stack([angle.cos(), angle.sin()])
        assert slerp(a, b, w).ravel() == pytest.approx(wanted.to(torch.float32).numpy(), abs=1e-6)
    assert torch.allclose(slerp(a, 2 * a, 0.25), lerp(a, 2 * a, 0.25))
    for other in (-a, 0 * a):
        with pytest.raises(ValueError, match="opposite or zero"):
            slerp(a, other, 0.5)


def test_the_straight_line_leaves_the_sphere_of_noise() -> None:
    weights = [0.0, 0.25, 0.5, 0.75, 1.0]
    shape = (1, 16, 16)
    x_a, x_b = (SampleNoise([seed], shape).draw() for seed in (1, 2))
    there = process(denoiser=ExactPictures(torch.zeros(1, *shape), COSINE, 0.5))
    runs = interpolation(there, x_a, x_b, weights)
    expected = [((1 - w) ** 2 + w**2) ** 0.5 for w in weights]
    assert runs["lerp"].facts["rms_of_start"] == pytest.approx(expected, rel=0.1)
    assert runs["slerp"].facts["rms_of_start"] == pytest.approx(np.ones(5), rel=0.1)
    for run in runs.values():
        ends = run.states[0, [0, -1], 0]
        assert ends == pytest.approx(torch.cat([x_a, x_b])[:, 0].numpy(), abs=1e-6)
    # In this case the picture has the contrast that the noise has, to scale.
    contrast = {name: run.states[-1].std((1, 2, 3)) for name, run in runs.items()}
    assert contrast["lerp"][2] < 0.8 * contrast["slerp"][2]


# -- where variance explodes ---------------------------------------------------


def test_experiments_work_where_variance_explodes() -> None:
    """α = 1 and σ to 80: noise has another scale, and everything else is the same."""
    karras = make_schedule("karras", 100)
    exact = ExactDenoiser(CORNERS, karras)
    there = process("ddpm", denoiser=exact, schedule=karras)
    flow = process("ddim", denoiser=exact, schedule=karras)
    x_0, mask = points((1.0, 1.0)), torch.tensor([1.0, 0.0])[:, None, None]
    x_T = flow.pure_noise(SampleNoise(SEEDS, POINT).draw())
    runs = {
        "u_turn": u_turn(there, x_0, [20, 99], SEEDS)["from 99"],
        "similar_noise": similar_noise(flow, x_T, range(100, 140), patch=Patch(0, 0, 1, 1))[
            "patch"
        ],
        "inpainting": inpainting(there, x_0, mask, SEEDS)["inpainting"],
        "forks": forks(there, SEEDS, POINT, there.times[5], {"on": Branch()})["on"],
        "noise_brush": noise_brush(there, x_0, torch.ones(1, 1), 80, SEEDS)["removed"],
        "decision": decision(flow, SEEDS, POINT, corner_logits)["decision"],
    }
    for name, run in runs.items():
        assert np.quantile(to_nearest(run.states[-1]), 0.9) < 0.3, name
    for name in ("u_turn", "similar_noise", "inpainting", "forks", "decision"):
        assert runs[name].states[0].std() == pytest.approx(80, rel=0.3)


# -- all of them ---------------------------------------------------------------


def all_runs() -> dict[str, Runs]:
    there, x_0 = process("ddpm", steps=8), points((1.0, 1.0))
    flow = process("ddim", steps=8)
    x_T = SampleNoise([1, 2], POINT).draw()
    picture = process(denoiser=ExactPictures(patterns(), COSINE, 0.2), steps=8)
    mask = torch.tensor([1.0, 0.0])[:, None, None]
    return {
        "routes": routes(COSINE, x_0, [10, 100], [1, 2]),
        "u_turn": u_turn(there, x_0, [10, 100], [1, 2]),
        "repair": repair(picture, patterns()[:1], torch.eye(8), [10, 100], [1]),
        "similar_noise": similar_noise(flow, x_T, [3, 4], patch=Patch(0, 0, 1, 1), entry=0),
        "sensitivity_map": sensitivity_map(picture, SampleNoise([1], PICTURE).draw(), 2, (2, 2)),
        "interpolation": interpolation(flow, x_T[:1], x_T[1:], [0.5]),
        "inpainting": inpainting(there, x_0, mask, [1, 2]),
        "forks": forks(there, [1, 2], POINT, there.times[3], {"on": Branch()}),
        "sampler_race": sampler_race(
            flow, {"heun": make_sampler("heun", COSINE)}, [1, 2], POINT, nfe=6
        ),
        "noise_brush": noise_brush(there, x_0, torch.ones(1, 1), 50, [1, 2]),
        "decision": decision(there, [1, 2], POINT, corner_logits),
    }


def test_every_recording_says_what_was_done_and_survives_its_file(tmp_path: Path) -> None:
    for experiment, runs in all_runs().items():
        for name, run in runs.items():
            path = tmp_path / f"{experiment}-{name}.safetensors"
            run.save(path)
            again = Trajectory.load(path)
            assert again.facts == run.facts
            assert run.facts["experiment"] == experiment
            for array, values in run.arrays().items():
                assert np.array_equal(values, again.arrays()[array])


def test_an_experiment_gives_the_same_when_run_again() -> None:
    first, second = all_runs(), all_runs()
    for experiment, runs in first.items():
        for name, run in runs.items():
            assert np.array_equal(run.states, second[experiment][name].states)
            assert run.facts == second[experiment][name].facts


def test_double_precision_stays_double_and_numpy_seeds_are_taken(tmp_path: Path) -> None:
    there, x_0 = process("ddpm", steps=8), points((1.0, 1.0)).double()
    mask, seeds = torch.tensor([1.0, 0.0])[:, None, None], list(np.arange(2))
    for runs in (
        routes(COSINE, x_0, [3, 9], seeds),
        u_turn(there, x_0, [50], seeds),
        inpainting(there, x_0, mask, seeds, resample=2),
        noise_brush(there, x_0, mask, 50, seeds),
    ):
        for name, run in runs.items():
            assert run.states.dtype == np.float64
            run.save(tmp_path / f"{name}.safetensors")


def test_what_the_process_says_is_in_every_recording() -> None:
    there = replace(process(steps=8), facts={"model": "exact"})
    done = []
    there = replace(there, report=lambda step, steps: done.append((step, steps)))
    runs = u_turn(there, points((1.0, 1.0)), [100], [1])
    assert {run.facts["model"] for run in runs.values()} == {"exact"}
    assert done[-1] == (len(done), len(done))
