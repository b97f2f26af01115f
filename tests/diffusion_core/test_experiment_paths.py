"""Where the answer is known: inpainting, forks, the race, the brush and the decision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from diffusion_core.errors import UsageError
from diffusion_core.experiments import (
    Branch,
    Patch,
    Runs,
    decision,
    forks,
    inpainting,
    judged,
    noise_brush,
    path_distance,
    sampler_race,
)
from diffusion_core.gaussians import ExactDenoiser, Mixture
from diffusion_core.guidance import GuidedDenoiser
from diffusion_core.recording import Policy
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.trajectory import Trajectory
from tests.diffusion_core.experiment_cases import (
    CORNERS,
    COSINE,
    POINT,
    SEEDS,
    ExactPictures,
    corner_logits,
    corner_of,
    pattern_of,
    patterns,
    points,
    process,
)

# -- inpainting ----------------------------------------------------------------


def test_what_is_known_decides_what_is_not() -> None:
    diagonal = Mixture(
        torch.tensor([0.5, 0.5]), torch.tensor([[1.0, 1], [-1, -1]]), torch.ones(2) / 10
    )
    there = process("ddpm", denoiser=ExactDenoiser(diagonal, COSINE))
    x_0 = points((1.0, 7.0))  # the second coordinate is not looked at
    mask = torch.tensor([1.0, 0.0])[:, None, None]
    run = inpainting(there, x_0, mask, SEEDS)["inpainting"]
    assert (run.states[-1][:, 0] == 1).all()
    assert run.facts["rms_known"] == [0.0] * len(SEEDS)
    assert np.mean(run.states[-1][:, 1] > 0.5) > 0.9
    assert np.mean(run.states[-1][:, 1]) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(("resample", "nfe"), [(1, 20), (4, 4 * 19 + 1)])
def test_a_picture_is_completed_and_its_known_half_kept(resample: int, nfe: int) -> None:
    pictures = patterns()
    asked = Counting(ExactPictures(pictures, COSINE, 0.1))
    mask = Patch(0, 0, 8, 5).mask(8, 8)
    there = process("ddpm", denoiser=asked, steps=20)
    run = inpainting(there, pictures[1:2], mask, range(10), resample=resample)["inpainting"]
    end = run.states[-1]
    assert np.array_equal(end[:, :, :, :5], pictures[1:2, :, :, :5].expand(10, -1, -1, -1))
    assert (pattern_of(end, pictures) == 1).all()
    assert np.abs(end - pictures[1:2].numpy()).mean() < 0.2
    assert run.facts["nfe"] == nfe == len(asked.asked)
    assert run.facts["sampler"] == "DDPM"


def test_resampling_makes_the_unknown_agree_with_the_known() -> None:
    """The claim of RePaint, with few steps: at the same times, fewer are out of place."""
    diagonal = Mixture(
        torch.tensor([0.5, 0.5]), torch.tensor([[1.0, 1], [-1, -1]]), torch.ones(2) / 10
    )
    there = process("ddpm", denoiser=ExactDenoiser(diagonal, COSINE), steps=10)
    mask = torch.tensor([1.0, 0.0])[:, None, None]

    def out_of_place(resample: int) -> float:
        x_0 = points((1.0, 0.0))
        run = inpainting(there, x_0, mask, range(300), resample=resample)["inpainting"]
        return float(np.mean(run.states[-1][:, 1] < 0))

    assert out_of_place(10) < out_of_place(1)


def test_resampling_goes_back_to_the_distribution_at_t() -> None:
    """From x_s to x_t by q(x_t | x_s): the picture in it weighs α_t, not α_t · α_s."""
    three = Mixture(torch.ones(1), torch.full((1, 2), 3.0), torch.zeros(1))
    asked = Counting(ExactDenoiser(three, COSINE))
    there = process("ddpm", denoiser=asked, steps=10)
    mask = torch.tensor([1.0, 0.0])[:, None, None]
    inpainting(there, points((3.0, 0.0)), mask, range(200), resample=2)
    for t, x_t in zip(asked.asked, asked.seen, strict=True):
        alpha, sigma = float(COSINE.alpha(t)), float(COSINE.sigma(t))
        if t != there.times[0]:  # pure noise in the unknown coordinate
            assert float(x_t.mean()) == pytest.approx(3 * alpha, abs=4 * sigma / 400**0.5)
            assert float(x_t.std()) == pytest.approx(sigma, rel=0.15)


class Counting:
    """A denoiser that remembers when it was asked, and what."""

    def __init__(self, denoiser: ExactPictures | ExactDenoiser) -> None:
        self.denoiser, self.schedule = denoiser, denoiser.schedule
        self.evaluations = denoiser.evaluations
        self.asked: list[int] = []
        self.seen: list[Tensor] = []

    def __call__(self, x_t: Tensor, t: int):  # type: ignore[no-untyped-def]
        self.asked.append(t)
        self.seen.append(x_t)
        return self.denoiser(x_t, t)


# -- forks ---------------------------------------------------------------------


def test_branches_share_the_path_to_the_fork_bit_for_bit() -> None:
    there = process("ddpm")
    t = there.times[20]
    branches = {
        "as it was": Branch(),
        "other": Branch(seeds=range(100, 140)),
        "as it was, again": Branch(),
    }
    runs = forks(there, SEEDS, POINT, t, branches)
    one, other = runs["as it was"], runs["other"]
    assert one.facts["shared_states"] == other.facts["shared_states"] == 21
    assert one.timesteps[20] == t == one.facts["forked_at"]
    for name in ("states", "x0_hat", "eps_hat", "noise"):
        a, b = getattr(one, name), getattr(other, name)
        shared = 21 if name == "states" else 20
        assert np.array_equal(a[:shared], b[:shared])
        assert not np.array_equal(a[21], b[21])
    # Without a change it is the run that never forked.
    noise = SampleNoise(SEEDS, POINT)
    whole = there.record(noise.draw(), noise, facts={})
    for name in ("states", "timesteps", "alpha_bar", "x0_hat", "eps_hat", "noise"):
        assert np.array_equal(getattr(whole, name), getattr(one, name))
        assert np.array_equal(getattr(whole, name), getattr(runs["as it was, again"], name))
    assert one.facts["nfe"] == whole.facts["nfe"]


def test_an_early_fork_leaves_more_open_than_a_late_one() -> None:
    there = process("ddpm")

    def changed(t: int) -> float:
        branches = {"a": Branch(seeds=range(100, 140)), "b": Branch(seeds=range(200, 240))}
        runs = forks(there, SEEDS, POINT, t, branches)
        a, b = (corner_of(run.states[-1]) for run in runs.values())
        return float(np.mean(a != b))

    early, late = changed(there.times[0]), changed(there.times[45])
    assert early > 0.5
    assert late == 0


def test_a_seed_of_a_branch_does_not_bring_the_starting_noise_back() -> None:
    there = process("ddpm")
    runs = forks(there, [7], POINT, there.times[0], {"same seed": Branch(seeds=[7])})
    run = runs["same seed"]
    assert run.noise is not None
    assert not np.allclose(run.noise[0], run.states[0])


def test_a_fork_to_another_denoiser_needs_no_noise() -> None:
    there = process("ddim")
    right = replace(CORNERS, means=CORNERS.means.abs())
    other = ExactDenoiser(right, COSINE)
    guided = GuidedDenoiser(other, there.denoiser, COSINE, 2.0)
    branches = {
        "free": Branch(),
        "right": Branch(denoiser=other),
        "guided": Branch(denoiser=guided),
    }
    for t in (there.times[0], there.times[10]):
        runs = forks(there, SEEDS, POINT, t, branches)
        assert len(set(corner_of(runs["free"].states[-1]))) == 4
        assert set(corner_of(runs["right"].states[-1])) == {3}
        assert np.array_equal(runs["free"].states[0], runs["right"].states[0])
    # Guidance's halves are kept only where the whole path has them.
    assert runs["guided"].eps_cond is None
    assert runs["guided"].facts["nfe"] == 10 + 2 * 40


def test_a_thinned_path_forks_from_the_exact_state() -> None:
    there = process("ddim")
    thin = replace(there, policy=Policy(keep=5, half=("states", "x0_hat", "eps_hat")))
    t = there.times[25]
    whole = forks(there, SEEDS, POINT, t, {"on": Branch()})["on"]
    run = forks(thin, SEEDS, POINT, t, {"on": Branch()})["on"]
    assert run.states.dtype == run.eps_hat.dtype == np.float16
    assert np.array_equal(run.states[-1], whole.states[-1].astype(np.float16))
    assert run.facts["shared_states"] == len(run.states) - 5
    assert "; from there " in run.facts["kept"]


# -- the race ------------------------------------------------------------------


BROAD = replace(CORNERS, stds=torch.full((4,), 0.3))
LINEAR = make_schedule("linear", 400)


def raced(nfe: int, *names: str) -> Runs:
    """A race spaced evenly in σ/α, where the theory of these solvers has its steps."""
    reference = process("heun", denoiser=ExactDenoiser(BROAD, LINEAR), schedule=LINEAR, steps=200)
    samplers = {name: make_sampler(name, LINEAR) for name in names}
    return sampler_race(reference, samplers, SEEDS, POINT, nfe=nfe, spacing="karras")


def ends(runs: Runs) -> dict[str, float]:
    """Each racer's distance to the reference at the end, the mean over the samples."""
    return {
        name: float(np.mean(run.facts["distance_to_reference"][-1]))
        for name, run in runs.items()
        if name != "reference"
    }


@pytest.fixture(scope="module")
def race() -> Runs:
    return raced(40, "ddim", "euler", "heun", "dpmpp", "ddpm")


def test_racers_start_alike_and_evaluate_as_often(race: Runs) -> None:
    steps = {"ddim": 40, "euler": 40, "heun": 20, "dpmpp": 40, "ddpm": 40}
    for name, run in race.items():
        assert np.array_equal(run.states[0], race["reference"].states[0])
        if name != "reference":
            assert run.facts["steps"] == steps[name]
            assert run.facts["nfe"] == (39 if name == "heun" else 40)
            assert run.facts["nfe_allowed"] == 40
            assert run.facts["distance_times"] == run.timesteps.tolist()
            assert np.shape(run.facts["distance_to_reference"]) == (steps[name] + 1, len(SEEDS))


def test_a_step_from_afar_leaves_heun_an_evaluation_for_another() -> None:
    # Under the cosine schedule the first step is of one evaluation: 1 + 2 · 9 + 1 = 20.
    reference = process("ddim", steps=100)
    runs = sampler_race(reference, {"heun": make_sampler("heun", COSINE)}, [1], POINT, nfe=20)
    assert (runs["heun"].facts["steps"], runs["heun"].facts["nfe"]) == (11, 20)


def test_a_race_is_run_again_with_as_many_evaluations_as_are_named() -> None:
    reference = process("heun", denoiser=ExactDenoiser(BROAD, LINEAR), schedule=LINEAR, steps=100)
    samplers = {name: make_sampler(name, LINEAR) for name in ("ddim", "heun")}
    both = sampler_race(reference, samplers, SEEDS, POINT, nfe=10, also=(20,), spacing="karras")
    assert list(both) == ["reference", "ddim", "heun", "ddim 20", "heun 20"]
    [again] = (run for name, run in raced(20, "heun").items() if name != "reference")
    np.testing.assert_array_equal(both["heun 20"].states, again.states)
    facts = both["heun 20"].facts
    assert (facts["runner"], facts["nfe_allowed"], facts["nfe"]) == ("heun", 20, 19)
    assert facts["evaluations"] == [2] * 9 + [1]
    assert facts["distance_times"][-1] == -1
    assert set(facts["distance_to"]) == {"ddim"}
    end = ends(both)
    assert end["ddim 20"] < end["ddim"]
    with pytest.raises(UsageError, match=r"nfe = 10 and also = \(10,\) name one number twice"):
        sampler_race(reference, samplers, SEEDS, POINT, nfe=10, also=(10,))


def test_the_higher_order_ends_nearer_the_converged_answer(race: Runs) -> None:
    end = ends(race)
    assert end["dpmpp"] < end["ddim"] / 3
    assert end["heun"] < end["ddim"] / 1.5
    assert end["euler"] == pytest.approx(end["ddim"], rel=0.01)
    assert max(race["euler"].facts["distance_to"]["ddim"]) < 1e-4
    assert end["ddpm"] > 3 * end["ddim"]
    assert [name for name, run in race.items() if run.facts.get("random")] == ["ddpm"]
    assert race["ddpm"].facts["distance_to_reference"][0] == [0.0] * len(SEEDS)


def test_more_evaluations_bring_deterministic_racers_nearer() -> None:
    names = ("ddim", "heun", "ddpm")
    few, many = ends(raced(20, *names)), ends(raced(80, *names))
    assert many["ddim"] < few["ddim"] / 3
    assert many["heun"] < few["heun"] / 8
    assert many["ddpm"] > few["ddpm"] / 3


def test_paths_are_compared_at_the_times_they_share() -> None:
    a = Trajectory(np.zeros((3, 1, 1, 1, 1)), np.array([9, 4, -1]), np.ones(3))
    b = Trajectory(np.full((4, 1, 1, 1, 1), 2.0), np.array([9, 5, 2, -1]), np.ones(4))
    times, distances = path_distance(a, b)
    assert times.tolist() == [9, -1]
    assert distances.tolist() == [[2.0], [2.0]]


# -- the brush -----------------------------------------------------------------


def brush_mask() -> Tensor:
    mask = torch.zeros(8, 8)
    mask[2:6, 3:6] = 1
    mask[1, 3:6] = 0.5
    return mask


def test_painted_noise_is_removed_and_the_rest_kept() -> None:
    pictures = patterns()
    there = process("ddpm", denoiser=ExactPictures(pictures, COSINE, 0.2))
    mask, t = brush_mask(), 150
    runs = noise_brush(there, pictures[:1], mask, t, range(6))
    painted, removed = runs["painted"], runs["removed"]
    untouched = (mask == 0).numpy()
    alpha = float(COSINE.alpha(t))
    assert painted.states[1][..., untouched] == pytest.approx(
        alpha * painted.states[0][..., untouched], abs=1e-6
    )
    assert painted.eps is not None
    assert (painted.eps[1][..., untouched] == 0).all()
    assert painted.eps[1][..., mask.numpy() == 1].std() == pytest.approx(1, abs=0.3)
    assert painted.eps[1][..., mask.numpy() == 0.5].std() == pytest.approx(0.5, abs=0.3)
    # The denoiser is given noise everywhere, as it expects.
    begun = (removed.states[0] - alpha * painted.states[0]) / float(COSINE.sigma(t))
    assert begun[..., untouched].std() == pytest.approx(1, abs=0.2)
    assert np.allclose(removed.states[0][..., 2:6, 3:6], painted.states[1][..., 2:6, 3:6])
    end = removed.states[-1]
    assert np.array_equal(end[..., untouched], painted.states[0][..., untouched])
    assert np.mean(np.abs(end - pictures[:1].numpy())) < 0.2
    assert min(removed.facts["rms_inside"]) > 0
    assert max(removed.facts["rms_outside"]) < max(removed.facts["rms_inside"])


def test_free_pixels_move_too() -> None:
    pictures = patterns()
    there = process(denoiser=ExactPictures(pictures, COSINE, 0.2))
    runs = noise_brush(there, pictures[:1], brush_mask(), 100, [1, 2], outside="free")
    removed = runs["removed"]
    assert np.array_equal(removed.states[0], runs["painted"].states[1])
    assert min(removed.facts["rms_outside"]) > 0.01
    assert removed.facts["outside"].startswith("free")


# -- decision ------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_the_class_is_open_at_first_and_decided_on_the_way(sampler: str) -> None:
    run = decision(process(sampler), SEEDS, POINT, corner_logits)["decision"]
    p = np.array(run.facts["probabilities"])  # (N + 1, B, K)
    assert p.shape == (51, 40, 4)
    assert p.sum(2) == pytest.approx(np.ones((51, 40)), abs=1e-5)
    certainty = p.max(2).mean(1)
    assert certainty[0] < 0.5
    assert certainty[-1] > 0.99
    assert np.array_equal(run.facts["final_class"], corner_of(run.states[-1]))
    decided = np.array(run.facts["decided_at"])
    assert decided.max() <= 199
    assert np.median(decided) > 20


def test_decided_is_the_time_from_which_the_opinion_stays() -> None:
    opinions = [
        [1, 0, 0],
        [0, 0, 1],
        [1, 0, 1],
        [1, 0, 0],
    ]  # of three samples, at 3 times and the end
    states = np.array(opinions, np.float32)[:, :, None, None, None]
    run = Trajectory(
        states, np.array([30, 20, 10, -1]), np.ones(4), x0_hat=states[:3], facts={"nfe": 3}
    )
    two = judged(run, lambda x: torch.cat([1 - x[:, 0, 0], x[:, 0, 0]], 1) * 9)
    assert two.facts["final_class"] == [1, 0, 0]
    assert two.facts["decided_at"] == [10, 30, -1]
    assert two.facts["nfe"] == 3
