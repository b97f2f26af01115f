"""A seed means one sample, whoever is beside it."""

from __future__ import annotations

import pytest
import torch

from diffusion_core.checkpoints import TrainedModel
from diffusion_core.errors import UsageError
from diffusion_core.recipe import SAMPLERS, ForwardRecipe, ReverseRecipe, check_seed
from diffusion_core.reverse import sample
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.timesteps import sampling_times

ENDS = (0, 2**32 - 1)


@pytest.mark.parametrize("seed", ENDS)
def test_both_ends_of_the_range_are_taken(seed: int) -> None:
    assert check_seed(seed) == seed
    assert SampleNoise([seed], (1, 2, 2)).draw().shape == (1, 1, 2, 2)
    assert ForwardRecipe(seed=seed).seed == seed
    assert ReverseRecipe(seeds=(seed,)).seeds == (seed,)


@pytest.mark.parametrize("seed", [-1, 2**32, 2**64])
def test_what_lies_outside_is_refused(seed: int) -> None:
    for refuse in (
        lambda: check_seed(seed),
        lambda: SampleNoise([0, seed], (1, 2, 2)),
        lambda: ForwardRecipe(seed=seed),
        lambda: ReverseRecipe(seeds=(0, seed)),
    ):
        with pytest.raises(UsageError, match=f"seed = {seed} is outside 0 … 4294967295"):
            refuse()


def test_noise_is_normal_and_another_one_every_time() -> None:
    noise = SampleNoise(range(8), (3, 32, 32))
    first, second = noise.draw(), noise.draw()
    assert first.dtype == torch.float32
    for drawn in (first, second):
        assert abs(float(drawn.mean())) < 5 / drawn.numel() ** 0.5
        assert abs(float(drawn.var()) - 1) < 5 * (2 / drawn.numel()) ** 0.5
    every = torch.cat([first, second]).flatten(1)
    similar = torch.corrcoef(every) - torch.eye(16)
    assert similar.abs().max() < 5 / every.shape[1] ** 0.5


def test_noise_of_a_seed_is_the_same_in_any_company() -> None:
    alone, among = SampleNoise([7], (1, 4, 4)), SampleNoise([1, 7, 3, 7], (1, 4, 4))
    for _ in range(3):
        mine, ours = alone.draw(), among.draw()
        assert torch.equal(ours[1], mine[0])
        assert torch.equal(ours[3], mine[0])
        assert not torch.equal(ours[0], mine[0])


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sample_is_the_same_alone_and_in_a_batch(shipped: TrainedModel, name: str) -> None:
    """Bit for bit, in whatever place it stands."""
    schedule = make_schedule("cosine")
    denoiser, sampler = shipped.denoiser(schedule), make_sampler(name, schedule)
    times = sampling_times(schedule, 8)

    def drawn(*seeds: int) -> torch.Tensor:
        return sample(denoiser, sampler, times, seeds, shipped.shape)

    seeds = (4, 0, 2**32 - 1, 7, 8, 9)
    together = drawn(*seeds)
    for i in (0, 2, 5):
        assert torch.equal(drawn(seeds[i])[0], together[i]), seeds[i]
    assert torch.equal(drawn(*reversed(seeds)), together.flip(0))
    assert torch.equal(drawn(7, 4), together[[3, 0]])
    assert (together[0] - together[1]).abs().max() > 0.5
