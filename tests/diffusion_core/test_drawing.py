"""Samples drawn fast are the samples that are recorded, to rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from diffusion_core import drawing
from diffusion_core.checkpoints import load_model
from diffusion_core.drawing import SCHEDULE, Drawer, T, Way, as_pictures
from diffusion_core.errors import UsageError
from diffusion_core.grids import to_pixels
from diffusion_core.recipe import ReverseRecipe
from diffusion_core.reverse import sample
from diffusion_core.runs import draw
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import make_schedule
from diffusion_core.timesteps import sampling_times
from diffusion_core.training.settings import best_device
from tests.diffusion_core.bars import save_drawing

CPU = torch.device("cpu")
SEEDS = (3, 4, 5, 6, 7)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_drawing(tmp_path_factory.mktemp("plain") / "plain.safetensors", reads=False, size=8)


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_drawing(tmp_path_factory.mktemp("reads") / "reads.safetensors", reads=True, size=8)


def apart(a: torch.Tensor, b: np.ndarray) -> int:
    """The largest difference of two sets of pictures, in levels of grey."""
    return int(np.abs(a.numpy().astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "heun", "dpmpp"])
def test_samples_are_those_of_the_recipe(plain: Path, sampler: str) -> None:
    found, _ = Drawer(load_model(str(plain)), CPU).draw(Way(sampler, 4), SEEDS)
    recipe = ReverseRecipe(model=str(plain), seeds=SEEDS, sampler=sampler, steps=4)
    assert (recipe.schedule, recipe.T) == (SCHEDULE, T)
    assert found.dtype == torch.uint8
    assert apart(found, to_pixels(draw(recipe))) <= 1
    assert len(set(map(bytes, found.numpy()))) == len(SEEDS)


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_each_sample_is_asked_for_its_own_prompt(
    reading: Path, guidance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "CHUNK", 2)  # so that prompts are dealt out over three
    model, schedule = load_model(str(reading)), make_schedule(SCHEDULE, T)
    prompts = ["a bold seven", "a thin 4", "a bold seven", "an upright two", "a thin 4"]
    text = torch.cat([model.text(prompt) for prompt in prompts])  # type: ignore[misc]
    found, _ = Drawer(model, CPU).draw(Way("ddim", 3), SEEDS, text=text, guidance=guidance)
    times, sampler = sampling_times(schedule, 3), make_sampler("ddim", schedule)
    for i, prompt in enumerate(prompts):
        denoiser = model.denoiser(schedule, prompt, guidance)
        alone = sample(denoiser, sampler, times, SEEDS[i : i + 1], model.shape)
        assert apart(found[i : i + 1], to_pixels(alone.numpy())) <= 1
    free, _ = Drawer(model, CPU).draw(Way("ddim", 3), SEEDS)
    assert apart(free, found.numpy()) > 3


def test_nfe_counts_every_evaluation(reading: Path) -> None:
    drawer = Drawer(load_model(str(reading)), CPU)
    text = torch.zeros(2, 384)
    asked = {"text": text, "guidance": 2.0}
    assert drawer.draw(Way("ddim", 5), (0, 1))[1] == 5
    assert drawer.draw(Way("dpmpp", 5), (0, 1), text=text)[1] == 5
    assert drawer.draw(Way("ddim", 5), (0, 1), **asked)[1] == 10  # type: ignore[arg-type]
    # Twice a step, but once from pure noise and once to the picture.
    assert drawer.draw(Way("heun", 5), (0, 1))[1] == 8
    assert drawer.draw(Way("heun", 5), (0, 1), **asked)[1] == 16  # type: ignore[arg-type]


def test_samples_are_the_same_in_any_number_and_told_of(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawer = Drawer(load_model(str(plain)), CPU)
    together, _ = drawer.draw(Way("ddim", 3), SEEDS)
    monkeypatch.setattr(drawing, "CHUNK", 2)
    told = []
    apiece, _ = drawer.draw(Way("ddim", 3), SEEDS, tell=lambda: told.append(1))
    assert torch.equal(together, apiece)
    assert len(told) == drawer.steps(Way("ddim", 3), len(SEEDS)) == 9


def test_a_network_elsewhere_draws_the_same(plain: Path) -> None:
    expected, _ = Drawer(load_model(str(plain)), CPU).draw(Way("ddim", 3), SEEDS)
    away = Drawer(load_model(str(plain)), CPU)
    away.network = drawing._Elsewhere(away.model.network, CPU)
    assert apart(away.draw(Way("ddim", 3), SEEDS)[0], expected.numpy()) <= 1


@pytest.mark.skipif(best_device() == CPU, reason="there is no device but the processor")
def test_another_device_draws_the_same_to_rounding(plain: Path) -> None:
    expected, _ = Drawer(load_model(str(plain)), CPU).draw(Way("ddim", 3), SEEDS)
    far, _ = Drawer(load_model(str(plain)), best_device()).draw(Way("ddim", 3), SEEDS)
    assert apart(far, expected.numpy()) <= 2


def test_ways_that_there_are_not_are_refused(plain: Path) -> None:
    with pytest.raises(UsageError, match="sampler 'dim' is unknown"):
        Way("dim", 3)
    with pytest.raises(UsageError, match="steps = 0 is outside 1"):
        Way("ddim", 0)
    with pytest.raises(UsageError, match="spacing 'even' is unknown"):
        Way("ddim", 3, "even")
    with pytest.raises(UsageError, match=r"steps = 1001 is outside 1 … 1000"):
        Drawer(load_model(str(plain)), CPU).steps(Way("ddim", 1001), 1)


def test_values_become_the_pictures_that_are_seen() -> None:
    x = torch.tensor([-3.0, -1.0, 0.0, 1.0, 2.0]).reshape(1, 1, 1, 5)
    assert as_pictures(x).flatten().tolist() == [0, 0, 128, 255, 255]
