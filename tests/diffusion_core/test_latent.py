"""Latent models: spaces, files and names, what they cost, and their experiment."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from diffusion_core.errors import DamagedFile, LectureError, UsageError
from diffusion_core.files import read_arrays, write_arrays
from diffusion_core.latent.cost import multiplications
from diffusion_core.latent.experiment import around, one_cell_erased, there_and_back
from diffusion_core.latent.model import load_latent_file, load_latent_model
from diffusion_core.latent.models import (
    LATENT_KIND,
    LATENT_WEIGHTS,
    both_models,
    latent_weights_path,
)
from diffusion_core.latent.running import latent_runs
from diffusion_core.latent.space import KLSpace, autoencoder
from diffusion_core.recipe import LatentRecipe
from diffusion_core.recording import Policy, silent
from diffusion_core.schedule import make_schedule
from diffusion_core.unet import UNetConfig
from tests.diffusion_core.conftest import one_line, save_tiny
from tests.diffusion_core.latents import CONFIG, save_tiny_latent, tiny_space


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(4)) * 2 - 1


@pytest.fixture(scope="module")
def tiny_latent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_latent(tmp_path_factory.mktemp("latent") / "tiny.safetensors")


# -- spaces ---------------------------------------------------------------------


def test_latents_are_the_means_shifted_and_scaled(pictures: torch.Tensor) -> None:
    space, plain = tiny_space(shift=0.25, scale=2.0), tiny_space(shift=0.0, scale=1.0)
    assert (space.pictures, space.shape) == ((1, 8, 8), (4, 2, 2))
    z = space.encode(pictures)
    torch.testing.assert_close(z, 2 * (plain.encode(pictures) - 0.25))
    torch.testing.assert_close(space.decode(z), plain.decode(plain.encode(pictures)))
    with torch.no_grad():
        mean, std = space.posterior(pictures)
        _, own = plain.posterior(pictures)
    torch.testing.assert_close(mean, z)
    torch.testing.assert_close(std, 2 * own)


def test_a_picture_has_its_latent_in_any_company(pictures: torch.Tensor) -> None:
    space = tiny_space()
    together = space.encode(pictures)
    assert torch.equal(space.encode(pictures[1:2]), together[1:2])
    assert torch.equal(space.decode(together[2:]), space.decode(together)[2:])


def test_a_pretrained_autoencoder_is_a_space(pictures: torch.Tensor, tmp_path: Path) -> None:
    """Saved and read by diffusers itself, in colour, as Stable Diffusion's pipeline uses it."""
    config = {**CONFIG, "in_channels": 3, "out_channels": 3}
    config |= {"shift_factor": None, "scaling_factor": 0.18215}
    autoencoder(config).save_pretrained(tmp_path)  # type: ignore[operator]
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    network = AutoencoderKL.from_pretrained(tmp_path, use_safetensors=True)
    space = KLSpace(network, 8)
    assert (space.pictures, space.shape) == ((3, 8, 8), (4, 4, 4))
    x = pictures.expand(3, 3, 8, 8)
    with torch.no_grad():
        latents = network.encode(x).latent_dist.mean * network.config.scaling_factor
        drawn = network.decode(latents / network.config.scaling_factor).sample
    torch.testing.assert_close(space.encode(x), latents, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(space.decode(latents), drawn, atol=1e-5, rtol=1e-4)


def test_a_configuration_that_is_none_is_named() -> None:
    with pytest.raises(DamagedFile, match="no configuration of an AutoencoderKL"):
        autoencoder({"channels": 3})


# -- files and names ------------------------------------------------------------


def test_a_file_gives_both_networks_back(tiny_latent: Path, pictures: torch.Tensor) -> None:
    model, again = load_latent_file(tiny_latent), load_latent_model(str(tiny_latent))
    assert model.digest == again.digest
    # float16 keeps three digits of the weights.
    expected = tiny_space().encode(pictures)
    torch.testing.assert_close(model.space.encode(pictures), expected, atol=0.02, rtol=0.02)
    denoiser = model.denoiser(make_schedule("cosine", 100))
    far = 9 * torch.ones(2, 4, 2, 2)
    assert denoiser(far, 1).x0_hat.max() > 2  # latents have no range to be kept in
    assert not any(p.requires_grad for p in model.network.parameters())


def test_damage_is_found(tiny_latent: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"
    content = bytearray(tiny_latent.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match="is damaged"):
        load_latent_file(path)
    arrays, facts, _ = read_arrays(tiny_latent, kind=LATENT_KIND)
    write_arrays(path, arrays, {**facts, "network": {"channels": 1}}, kind=LATENT_KIND)
    with pytest.raises(DamagedFile, match="does not hold a latent model"):
        load_latent_file(path)
    save_tiny_latent(path, network=UNetConfig(channels=4, size=4, patch=1, widths=(8,)))
    with pytest.raises(DamagedFile, match="do not fit together"):
        load_latent_file(path)


def test_what_is_no_latent_model_is_refused_with_what_works(tmp_path: Path) -> None:
    for name, says in (
        ("nobody", "or a pretrained pipeline of latents"),
        ("", "python -m diffusion_core.latent.train has made"),
        (str(tmp_path), "is a folder without weights.safetensors"),
        (str(save_tiny(tmp_path / "pixels.safetensors")), "which has no autoencoder"),
    ):
        with pytest.raises(UsageError, match=re.escape(says)) as error:
            latent_weights_path(name)
        one_line(error)
    with pytest.raises(LectureError, match="does not exist"):
        latent_weights_path(str(tmp_path / "none.safetensors"))
    finished = save_tiny_latent(tmp_path / "weights.safetensors")
    assert latent_weights_path(str(tmp_path)) == finished


def test_what_a_name_stands_for(tiny_latent: Path, tiny_weights: Path, tmp_path: Path) -> None:
    assert both_models("mnist") == ("mnist", "mnist")
    assert both_models(str(tiny_latent)) == (str(tiny_latent), "mnist")
    assert both_models(str(tiny_weights)) == ("mnist", str(tiny_weights))
    save_tiny_latent(tmp_path / "weights.safetensors")
    assert both_models(str(tmp_path)) == (str(tmp_path), "mnist")
    assert both_models("stabilityai/sd-turbo") == ("stabilityai/sd-turbo", "")
    with pytest.raises(UsageError, match="or a pretrained pipeline of latents"):
        both_models("nobody")
    with pytest.raises(LectureError, match="does not exist"):
        both_models(str(tmp_path / "none.safetensors"))


# -- costs ----------------------------------------------------------------------


def test_multiplications_are_counted() -> None:
    x = torch.zeros(2, 3, 5, 5)
    assert multiplications(nn.Conv2d(3, 4, 3, padding=1), x) == 2 * 25 * 4 * 3 * 9
    assert multiplications(nn.Linear(7, 6), torch.zeros(5, 7)) == 5 * 7 * 6
    q = torch.zeros(1, 2, 6, 4)  # heads, places, width

    def attention(q: torch.Tensor) -> torch.Tensor:
        return nn.functional.scaled_dot_product_attention(q, q, q)

    assert multiplications(attention, q) == 2 * (6 * 4 * 6 + 6 * 6 * 4)


# -- the experiment ---------------------------------------------------------------


def test_there_and_back(pictures: torch.Tensor) -> None:
    space = tiny_space()
    runs = there_and_back(space, pictures)
    np.testing.assert_array_equal(runs["latents"].states[0], space.encode(pictures).numpy())
    # 16 numbers are 4 × 4 pixels.
    assert runs["small"].states.shape == (1, 3, 1, 4, 4)
    assert runs["enlarged"].states.shape == (1, 3, 1, 8, 8)
    for name in ("returned", "enlarged"):
        off = (runs[name].states[0] - pictures.numpy()).astype(np.float64)
        expected = np.sqrt((off**2).mean((1, 2, 3)))
        np.testing.assert_allclose(runs[name].facts["rms_to_picture"], expected)
    flat = torch.full((1, 1, 8, 8), 0.5)
    assert there_and_back(space, flat)["enlarged"].facts["rms_to_picture"][0] < 1e-6
    with pytest.raises(ValueError, match="x has shape"):
        there_and_back(space, pictures[:, :, :4])


def test_one_cell_is_erased_the_one_that_stands_out() -> None:
    space = tiny_space()
    z = torch.full((2, 4, 2, 2), 0.1)
    z[0, 2, 1, 0] = -3.0
    z[1, :, 0, 1] = 1.5
    runs = one_cell_erased(space, z)
    facts = runs["erased"].facts
    assert facts["cell"] == [[1, 0], [0, 1]]
    expected = z.clone()
    expected[0, :, 1, 0] = expected[1, :, 0, 1] = 0
    np.testing.assert_array_equal(runs["erased latents"].states[0], expected.numpy())
    change = (space.decode(expected) - space.decode(z)).double()
    np.testing.assert_allclose(
        facts["rms_change"], change.square().mean((1, 2, 3)).sqrt().numpy(), rtol=1e-6
    )
    assert facts["near"] == [[0, 0, 8, 8]] * 2  # all four cells are neighbours here
    np.testing.assert_allclose(facts["share_near"], 1)


def test_what_lies_around_a_cell() -> None:
    space = KLSpace(autoencoder(CONFIG), 28, 2)  # 7 × 7 cells of 4 pixels
    for cell, patch in (((3, 2), (8, 4, 12, 12)), ((0, 6), (0, 20, 8, 8)), ((6, 0), (20, 0, 8, 8))):
        found = around(cell, space)
        assert (found.top, found.left, found.height, found.width) == patch


def test_the_runs_of_the_recipe(tiny_latent: Path, tiny_weights: Path) -> None:
    recipe = LatentRecipe(
        model=str(tiny_latent), picture_model=str(tiny_weights), seed=5, samples=3, steps=3, T=100
    )
    runs, costs = latent_runs(recipe, Policy(), silent)
    model = load_latent_file(tiny_latent)
    process, decoded = runs["process"], runs["decoded"]
    assert process.states.shape == (4, 3, 4, 2, 2)
    assert runs["pixels"].states.shape == (4, 3, 1, 8, 8)
    np.testing.assert_array_equal(process.timesteps, runs["pixels"].timesteps)
    for seen, told in ((decoded.states, process.states), (decoded.x0_hat, process.x0_hat)):
        assert seen is not None
        assert told is not None
        for step in range(3):
            expected = model.space.decode(torch.from_numpy(told[step])).numpy().astype(np.float16)
            np.testing.assert_array_equal(seen[step], expected)
    encoded = model.space.encode(torch.from_numpy(runs["pixels"].states[-1]).clamp(-1, 1))
    np.testing.assert_array_equal(runs["latents"].states[0], encoded.numpy())
    assert costs["pixels"]["numbers"] == 64
    assert costs["latents"]["numbers"] == 16
    assert costs["latents"]["step"] == multiplications(
        model.network, torch.zeros(1, 4, 2, 2), torch.zeros(1)
    )
    alone, _ = latent_runs(
        LatentRecipe(
            model=str(tiny_latent), picture_model=str(tiny_weights), seed=6, steps=3, T=100
        ),
        Policy(),
        silent,
    )
    np.testing.assert_array_equal(alone["decoded"].states[:, 0], decoded.states[:, 1])


def test_models_of_other_pictures_are_refused(tiny_latent: Path) -> None:
    recipe = LatentRecipe(model=str(tiny_latent), steps=3)  # the pictures that ship are larger
    with pytest.raises(UsageError, match=r"draws pictures of \(1, 28, 28\)"):
        latent_runs(recipe, Policy(), silent)


# -- what ships -------------------------------------------------------------------


def test_the_latent_model_that_ships_fits_its_card() -> None:
    model, card = load_latent_model("mnist"), (LATENT_WEIGHTS / "mnist.md").read_text("utf-8")
    assert model.digest in card
    assert (LATENT_WEIGHTS / "mnist.safetensors").stat().st_size < 4 * 2**20
    assert model.space.shape == (4, 7, 7)
    costs = model.costs()
    assert all(f"{costs[name]:,}" in card for name in ("step", "encode", "decode"))
    assert costs["decode"] < costs["step"]
    assert str(model.facts["autoencoder_training"]["test_error"]) in card
