"""A recording of large pictures stays bounded, however many steps it has."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diffusion_core.budget import LARGEST, Room, fit
from diffusion_core.denoiser import Posterior
from diffusion_core.errors import LectureError
from diffusion_core.recording import Policy, record, stored
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.timesteps import sampling_times
from tests.diffusion_core.conftest import one_line
from tests.diffusion_core.fakes import FakeDenoiser, RandomFunction, recorded

HALF = ("x0_hat", "eps_hat", "eps_cond", "eps_uncond", "noise")


def test_a_thousand_steps_of_256_pixels() -> None:
    """Counted out: 4 bytes of a number for a state, 2 and 2 for what is said, 1 and 1 to see."""
    numbers = 3 * 256 * 256
    found = fit(Room(preview=numbers), (1, 3, 256, 256), 1000, HALF, guided=False)
    assert found.half == HALF  # the states stay exact
    assert (found.keep + 1) * 10 * numbers <= LARGEST < (found.keep + 3) * 10 * numbers
    assert found.keep >= 100
    assert fit(Room(preview=numbers), (1, 3, 256, 256), 50, HALF, guided=False).keep == 50


def test_states_are_rounded_where_too_few_would_fit() -> None:
    numbers = 3 * 256 * 256
    found = fit(Room(preview=numbers), (4, 3, 256, 256), 1000, HALF, guided=False)
    assert "states" in found.half
    assert 4 * (8 * found.keep + 3) * numbers <= LARGEST < 4 * (8 * found.keep + 12) * numbers
    exact = fit(Room(preview=numbers, exact=True), (4, 3, 256, 256), 1000, HALF, guided=False)
    assert "states" not in exact.half
    assert exact.keep < found.keep
    with pytest.raises(LectureError, match="choose fewer samples") as error:
        fit(Room(preview=numbers), (1000, 3, 256, 256), 1000, HALF, guided=False)
    one_line(error)


def test_latents_of_stable_diffusion_keep_every_step() -> None:
    room = Room(preview=3 * 256 * 256)
    assert fit(room, (4, 4, 64, 64), 50, HALF, guided=True).keep == 50
    assert fit(room, (1, 4, 64, 64), 1000, HALF, guided=True).keep < 1000


class Guided(FakeDenoiser):
    """Two judgements, as guidance keeps them."""

    def __call__(self, x_t: torch.Tensor, t: int) -> Posterior:
        found = super().__call__(x_t, t)
        return Posterior(found.x0_hat, found.eps_hat, found.eps_hat, found.eps_hat)


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("room", [6_000, 15_000, 10**6])
def test_a_run_takes_no_more_than_its_room(room: int, guided: bool) -> None:
    schedule, seeds = make_schedule("cosine"), (3, 4)
    times = sampling_times(schedule, 60)
    noise = SampleNoise(seeds, (1, 4, 4))
    denoiser = (Guided if guided else FakeDenoiser)(
        RandomFunction(), schedule, evaluations=1 + guided
    )
    found = record(
        denoiser,
        make_sampler("ddim", schedule),
        noise.draw(),
        times,
        schedule,
        policy=Policy(half=HALF, room=Room(room)),
    )
    size = sum(array.nbytes for name, array in found.arrays().items() if array.ndim == 5)
    assert size <= room
    if room == 10**6:
        assert found.steps == 60
        assert found.noise is not None
    else:
        # One more would not have fitted.
        per_state = size / (found.steps + 1)
        assert size + 2 * per_state > room
        assert found.noise is None
        assert found.facts["kept"].startswith(f"{found.steps + 1} of 61 states")
        rounded = found.states.dtype == np.float16
        assert rounded == (found.steps < 50 or guided)
        assert found.facts["stored"]["states"] == ("float16, rounded" if rounded else "float32")
    assert found.timesteps[0] == times[0]
    assert found.timesteps[-1] == -1


def test_ours_are_kept_as_they_were() -> None:
    found = recorded(make_schedule("cosine"), 7)
    assert found.states.dtype == np.float32
    assert found.facts["kept"] == "all 8 states"


def test_a_guess_beyond_float16_is_kept_at_its_end() -> None:
    """Where nothing is left of x_0, a guess of it is σ/α times as large as an error of ε̂."""
    arrays, _ = stored({"x0_hat": np.array([1e6, -1e6, 3.0], np.float32)}, ("x0_hat",))
    assert arrays["x0_hat"].tolist() == [65504, -65504, 3]
    arrays, _ = stored({"x0_hat": np.array([np.inf, np.nan], np.float32)}, ("x0_hat",))
    assert not np.isfinite(arrays["x0_hat"]).any()
