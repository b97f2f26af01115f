"""What an experiment cannot do is refused before the denoiser is asked once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from diffusion_core import experiments as e
from diffusion_core.errors import LectureError, UsageError
from diffusion_core.schedule import make_schedule
from tests.diffusion_core.experiment_cases import COSINE, POINT, process
from tests.diffusion_core.fakes import Refuses

FLOW = process(denoiser=Refuses(), steps=8)
RANDOM = process("ddpm", denoiser=Refuses(), steps=8)
X = torch.zeros(1, 1, 8, 8)
X_T = torch.ones(2, 1, 8, 8)
MASK = torch.ones(8, 8)
NAN = torch.full((1, 1, 8, 8), math.nan)
PATCH = e.Patch(0, 0, 2, 2)
SHAPE = (1, 8, 8)


def two_classes(x: Tensor) -> Tensor:
    return torch.zeros(len(x), 2)


Call = tuple[Callable[..., Any], dict[str, Any]]

GOOD: dict[str, Call] = {
    "routes": (e.routes, {"schedule": COSINE, "x_0": X, "times": [3, 5], "seeds": [1]}),
    "u_turn": (e.u_turn, {"process": RANDOM, "x_0": X, "turns": [3, 5], "seeds": [1]}),
    "repair": (
        e.repair,
        {"process": RANDOM, "x_0": X, "mask": MASK, "turns": [3], "seeds": [1], "value": 0.0},
    ),
    "similar_noise": (
        e.similar_noise,
        {"process": FLOW, "x_T": X_T, "seeds": [1, 2], "patch": PATCH, "entry": 0},
    ),
    "sensitivity_map": (
        e.sensitivity_map,
        {"process": FLOW, "x_T": X_T[:1], "seed": 1, "grid": (2, 2)},
    ),
    "interpolation": (
        e.interpolation,
        {"process": FLOW, "x_a": X_T[:1], "x_b": X_T[:1], "weights": [0.5]},
    ),
    "inpainting": (e.inpainting, {"process": RANDOM, "x_0": X, "mask": MASK, "seeds": [1]}),
    "forks": (
        e.forks,
        {
            "process": RANDOM,
            "seeds": [1],
            "shape": SHAPE,
            "t": RANDOM.times[2],
            "branches": {"on": e.Branch()},
        },
    ),
    "sampler_race": (
        e.sampler_race,
        {
            "reference": FLOW,
            "samplers": {"ddim": FLOW.sampler},
            "seeds": [1],
            "shape": SHAPE,
            "nfe": 4,
        },
    ),
    "noise_brush": (
        e.noise_brush,
        {"process": RANDOM, "x_0": X, "mask": MASK, "t": 5, "seeds": [1]},
    ),
    "decision": (
        e.decision,
        {"process": RANDOM, "seeds": [1], "shape": SHAPE, "classifier": two_classes},
    ),
    "mistake_no_rescaling": (
        e.mistake_no_rescaling,
        {"make_denoiser": lambda schedule: Refuses(), "x_0": X, "T": 20, "seeds": [1]},
    ),
    "mistake_no_noise_weight": (
        e.mistake_no_noise_weight,
        {"process": RANDOM, "x_0": X, "times": [3], "seeds": [1]},
    ),
    "mistake_no_time_embedding": (
        e.mistake_no_time_embedding,
        {"process": RANDOM, "seeds": [1], "shape": SHAPE, "told": 5},
    ),
    "mistake_noise_at_the_end": (
        e.mistake_noise_at_the_end,
        {"process": RANDOM, "seeds": [1], "shape": SHAPE},
    ),
}


@pytest.mark.parametrize("name", [name for name in GOOD if name != "routes"])
def test_what_is_right_gets_as_far_as_the_denoiser(name: str) -> None:
    experiment, arguments = GOOD[name]
    with pytest.raises(AssertionError, match="the network was asked"):
        experiment(**arguments)


TAKING: dict[str, list[str]] = {
    argument: [name for name, (_, arguments) in GOOD.items() if argument in arguments]
    for argument in ("x_0", "x_T", "mask", "seeds", "shape")
}
WRONG: dict[str, list[tuple[Any, type[Exception], str]]] = {
    "x_0": [
        (NAN, ValueError, "x_0 holds values that are not finite"),
        (X[0], ValueError, r"x_0 has shape \(1, 8, 8\); it must be \(B, C, H, W\)"),
        (X[:0], ValueError, "x_0 has shape"),
        (X.long(), ValueError, "x_0 is torch.int64"),
        (X_T, ValueError, "x_0 holds 2 pictures for 1 seeds"),
    ],
    "x_T": [
        (NAN, ValueError, "x_T holds values that are not finite"),
        (X[0], ValueError, "x_T has shape"),
    ],
    "mask": [
        (torch.ones(7, 8), ValueError, r"mask has shape \(7, 8\)"),
        (torch.ones(2, 1, 8, 8), ValueError, r"mask has shape \(2, 1, 8, 8\)"),
        (2 * MASK, UsageError, "a value of mask = 2.0 is outside 0 … 1"),
        (-MASK, UsageError, "a value of mask = -1.0 is outside 0 … 1"),
        (NAN[0, 0], UsageError, "a value of mask = nan is outside 0 … 1"),
        (0 * MASK, ValueError, "mask is 0 everywhere"),
    ],
    "seeds": [
        ([-1], UsageError, "seed = -1 is outside 0 … 4294967295"),
        ([2**32], UsageError, "seed = 4294967296"),
        ([], ValueError, "seeds"),
    ],
    "shape": [
        ((8, 8), ValueError, r"shape = \(8, 8\) must be \(C, H, W\)"),
        ((1, 0, 8), ValueError, "shape"),
    ],
}


@pytest.mark.parametrize(
    ("name", "argument", "value", "error", "message"),
    [
        (name, argument, *case)
        for argument, names in TAKING.items()
        for name in names
        for case in WRONG[argument]
        # Two samples and one seed, or no seed for them, have messages of their own.
        if not (name == "similar_noise" and argument in ("seeds", "x_T"))
    ],
)
def test_what_several_experiments_take(
    name: str, argument: str, value: Any, error: type[Exception], message: str
) -> None:
    refused(name, {argument: value}, error, message)


@pytest.mark.parametrize(
    ("name", "changes", "error", "message"),
    [
        ("routes", {"times": []}, ValueError, "times must rise"),
        ("routes", {"times": [5, 3]}, ValueError, "times must rise"),
        ("routes", {"times": [200]}, UsageError, "times = 200 is outside 0 … 199"),
        ("u_turn", {"turns": []}, ValueError, "turns must rise"),
        ("u_turn", {"turns": [-1, 3]}, UsageError, "turns = -1 is outside 0 … 199"),
        ("u_turn", {"turns": [2.5]}, UsageError, "turns = 2.5 must be a whole number"),
        ("repair", {"turns": [3, 3]}, ValueError, "turns must rise"),
        ("repair", {"value": 1.5}, UsageError, "value = 1.5 is outside -1 … 1"),
        ("similar_noise", {"process": RANDOM}, UsageError, "DDPM does: choose DDIM"),
        ("similar_noise", {"x_T": X_T[0]}, ValueError, "x_T has shape"),
        ("similar_noise", {"x_T": NAN.expand(2, 1, 8, 8)}, ValueError, "x_T holds values"),
        ("similar_noise", {"seeds": [1]}, ValueError, "1 seeds were given; give 2, one a sample"),
        ("similar_noise", {"seeds": [1, -1]}, UsageError, "seed = -1"),
        ("similar_noise", {"patch": None, "entry": None}, ValueError, "nothing is replaced"),
        ("similar_noise", {"entry": 2}, UsageError, "entry = 2 is outside 0 … 1"),
        ("similar_noise", {"patch": e.Patch(8, 0, 1, 1)}, UsageError, "patch.top = 8"),
        ("similar_noise", {"patch": e.Patch(0, -1, 1, 1)}, UsageError, "patch.left = -1"),
        (
            "similar_noise",
            {"patch": e.Patch(6, 0, 3, 1)},
            UsageError,
            "patch.height = 3 is .* 1 … 2",
        ),
        ("similar_noise", {"patch": e.Patch(0, 0, 1, 0)}, UsageError, "patch.width = 0"),
        ("sensitivity_map", {"process": RANDOM}, UsageError, "DDPM does"),
        ("sensitivity_map", {"x_T": X_T}, ValueError, r"x_T has shape \(2, .* must be \(1, "),
        ("sensitivity_map", {"grid": (3, 2)}, ValueError, "3 rows of patches do not divide 8"),
        ("sensitivity_map", {"grid": (2, 9)}, UsageError, "grid columns = 9 is outside 1 … 8"),
        ("sensitivity_map", {"seed": -1}, UsageError, "seed = -1"),
        ("interpolation", {"process": RANDOM}, UsageError, "DDPM does"),
        ("interpolation", {"weights": []}, ValueError, "weights is empty"),
        ("interpolation", {"weights": [1.1]}, UsageError, "weight = 1.1 is outside 0 … 1"),
        ("interpolation", {"weights": [math.nan]}, UsageError, "weight = nan"),
        ("interpolation", {"x_b": X_T}, ValueError, "x_b has shape"),
        ("interpolation", {"x_b": -X_T[:1]}, ValueError, "opposite or zero"),
        ("inpainting", {"resample": 0}, UsageError, "resample = 0 is outside 1 … 100"),
        ("forks", {"t": 3}, UsageError, "t = 3 is not visited; fork at one of: 199"),
        ("forks", {"t": -1}, UsageError, "t = -1 is not visited"),
        ("forks", {"branches": {}}, ValueError, "branches is empty"),
        ("forks", {"branches": {"a": e.Branch(seeds=[1, 2])}}, ValueError, "2 seeds were given"),
        ("forks", {"branches": {"a": e.Branch(seeds=[-1])}}, UsageError, "seed = -1"),
        (
            "forks",
            {"process": FLOW, "branches": {"a": e.Branch(seeds=[2])}},
            UsageError,
            "DDIM takes no noise, so other seeds change nothing",
        ),
        (
            "forks",
            {"branches": {"a": e.Branch(process(schedule=make_schedule("linear", 200)).denoiser)}},
            ValueError,
            "the denoiser has the schedule 'linear'",
        ),
        ("sampler_race", {"reference": RANDOM}, UsageError, "DDPM does"),
        ("sampler_race", {"nfe": 0}, UsageError, "nfe = 0 is outside 1"),
        ("sampler_race", {"nfe": 2.5}, UsageError, "nfe = 2.5 must be a whole number"),
        ("sampler_race", {"samplers": {}}, ValueError, "give at least one"),
        ("sampler_race", {"samplers": {"reference": FLOW.sampler}}, ValueError, "none called"),
        ("sampler_race", {"spacing": "even"}, UsageError, "spacing 'even' is unknown"),
        ("noise_brush", {"t": 200}, UsageError, "t = 200 is outside 0 … 199"),
        ("noise_brush", {"t": -1}, UsageError, "t = -1 is outside 0 … 199"),
        ("noise_brush", {"outside": "left"}, UsageError, "outside 'left' is unknown"),
        ("decision", {"classifier": lambda x: x}, ValueError, "the classifier returned"),
        ("decision", {"classifier": lambda x: x[:, 0, :1, 0]}, ValueError, "K ≥ 2"),
        (
            "decision",
            {"classifier": lambda x: torch.full((len(x), 2), math.nan)},
            LectureError,
            "logits are not finite",
        ),
        ("mistake_no_rescaling", {"T": 9}, UsageError, "T = 9 is outside 10 … 500"),
        ("mistake_no_rescaling", {"T": 1000}, UsageError, "T = 1000 is outside 10 … 500"),
        ("mistake_no_noise_weight", {"times": [500]}, UsageError, "times = 500"),
        (
            "mistake_no_noise_weight",
            {"process": process(schedule=make_schedule("karras", 200))},
            ValueError,
            "'karras' does not preserve variance",
        ),
        ("mistake_no_time_embedding", {"told": -1}, UsageError, "told = -1 is outside 0 … 199"),
    ],
)
def test_what_one_experiment_takes(
    name: str, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    refused(name, changes, error, message)


def refused(name: str, changes: dict[str, Any], error: type[Exception], message: str) -> None:
    experiment, arguments = GOOD[name]
    with pytest.raises(error, match=message):
        experiment(**{**arguments, **changes})


def test_the_noise_that_is_there_already_changes_nothing() -> None:
    from diffusion_core.seeds import SampleNoise

    x_T = SampleNoise([1, 2], SHAPE).draw()
    with pytest.raises(ValueError, match="give the noise that x_T holds"):
        e.similar_noise(FLOW, x_T, [1, 2], patch=PATCH)
    with pytest.raises(ValueError, match="gives the noise that x_T holds"):
        e.sensitivity_map(FLOW, x_T[:1], 1, (2, 2))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"times": [5, 9, -1]}, ValueError, "times must fall"),
        ({"times": [5]}, ValueError, "times must fall"),
        ({"times": [5, 0]}, ValueError, "times end in 0; they must end in -1"),
        ({"times": [200, -1]}, UsageError, "a time = 200 is outside -1 … 199"),
        ({"times": [5.5, -1]}, UsageError, "a time = 5.5 must be a whole number"),
        ({"schedule": make_schedule("cosine", 100), "times": [9, -1]}, ValueError, "T = 200"),
    ],
)
def test_a_process_that_cannot_be_run(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        replace(process(), **changes)


def test_a_run_that_cannot_be_judged() -> None:
    forward = e.routes(COSINE, torch.zeros(1, *POINT), [5], [1])["jump"]
    with pytest.raises(ValueError, match="no x0_hat"):
        e.judged(forward, two_classes)


def test_a_budget_that_allows_no_step() -> None:
    from diffusion_core.gaussians import ExactDenoiser
    from diffusion_core.guidance import GuidedDenoiser
    from tests.diffusion_core.experiment_cases import CORNERS

    twice = GuidedDenoiser(*(ExactDenoiser(CORNERS, COSINE) for _ in range(2)), COSINE, 2.0)
    there = process(denoiser=twice)
    with pytest.raises(UsageError, match="nfe = 1 does not allow one step of DDIM, which takes 2"):
        e.sampler_race(there, {"ddim": there.sampler}, [1], POINT, nfe=1)
