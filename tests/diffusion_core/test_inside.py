"""Looking into the network: what is seen is what stands there, and what is cut says nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diffusion_core.bundle import Bundle
from diffusion_core.checkpoints import CHECKPOINT_KIND, load_model, save_weights
from diffusion_core.denoiser import NetworkDenoiser
from diffusion_core.errors import DamagedFile, UsageError
from diffusion_core.experiment_runs import run_experiment
from diffusion_core.experiments import Runs, inside_unet
from diffusion_core.files import read_facts, write_arrays
from diffusion_core.inside import places, skip_facts, watching, without_depths, without_skips
from diffusion_core.models import reads_words
from diffusion_core.recipe import InsideRecipe
from diffusion_core.schedule import make_schedule
from diffusion_core.text import EMBEDDING
from diffusion_core.unet import UNet, UNetConfig
from tests.diffusion_core.conftest import TINY, one_line, tiny_network
from tests.diffusion_core.fakes import normal

THREE = UNetConfig(size=16, widths=(8, 16, 24), blocks=2, attention=False)
READS = UNetConfig(size=8, widths=(8, 16), text=EMBEDDING)
COSINE = make_schedule("cosine", 100)
TIMES, SEEDS = (20, 80), (5, 6, 7)


def inputs(config: UNetConfig, count: int = 2) -> tuple[Any, ...]:
    x = normal(1, (count, config.channels, config.size, config.size))
    text = normal(2, (count, config.text)) if config.text else None
    return x, torch.full((count,), 0.3), text


def modules_with_hooks(network: UNet) -> list[Any]:
    return [m for m in network.modules() if m._forward_hooks or m._forward_pre_hooks]


@pytest.fixture
def network() -> UNet:
    return tiny_network()


@pytest.mark.parametrize("config", [TINY, THREE, READS], ids=["tiny", "three levels", "reads"])
def test_what_is_seen_has_the_shape_of_its_place(config: UNetConfig) -> None:
    network = tiny_network(config=config)
    with torch.no_grad(), watching(network) as seen:
        network(*inputs(config))
    named = places(config)
    assert [place.name for place in named] == [
        *(f"down {i + 1}" for i in range(len(config.widths))),
        "middle",
        *(f"up {i + 1}" for i in reversed(range(len(config.widths)))),
    ]
    for place in named:
        assert seen[place.name].shape == (2, place.channels, place.size, place.size)
    told = {"noise level"} | ({"words"} if config.text else set())
    assert seen.keys() == {place.name for place in named} | told
    for name in told:
        assert seen[name].shape == (2, 4 * config.widths[0])


def test_the_skip_connections_are_those_that_the_way_up_takes() -> None:
    """Each block of the way up takes one, as wide as half of what it is given."""
    network = tiny_network(config=THREE)
    for skip, blocks, width in zip(skip_facts(THREE), network.up, THREE.widths, strict=True):
        assert skip["count"] == len(blocks)  # type: ignore[arg-type]
        assert skip["channels"] == width
        assert {block.norm1.num_channels for block in blocks} == {2 * width}  # type: ignore[attr-defined]


def test_looking_changes_nothing_and_leaves_nothing_behind(network: UNet) -> None:
    with torch.no_grad():
        before = network(*inputs(TINY))
        with watching(network):
            during = network(*inputs(TINY))
        with without_skips(network), without_depths(network):
            cut = network(*inputs(TINY))
        after = network(*inputs(TINY))
    assert torch.equal(before, during)
    assert torch.equal(before, after)
    assert not torch.equal(before, cut)
    assert modules_with_hooks(network) == []


def test_hooks_are_taken_off_when_something_goes_wrong(network: UNet) -> None:
    with pytest.raises(RuntimeError), watching(network), without_skips(network):
        network(normal(0, (1, 3, 8, 8)), torch.zeros(1))  # three channels, where one is expected
    assert modules_with_hooks(network) == []


@pytest.mark.parametrize("config", [TINY, THREE])
def test_with_both_cut_nothing_of_the_picture_arrives(config: UNetConfig) -> None:
    network = tiny_network(config=config)
    x, level, _ = inputs(config)
    with torch.no_grad(), without_skips(network), without_depths(network):
        assert torch.equal(network(x, level), network(torch.zeros_like(x), level))
    for cut in (without_skips, without_depths):
        with torch.no_grad(), cut(network):
            assert not torch.equal(network(x, level), network(torch.zeros_like(x), level))


def test_without_depths_nothing_depends_on_what_lies_below() -> None:
    network = tiny_network(config=THREE)
    with torch.no_grad(), without_depths(network):
        before = network(*inputs(THREE))
        for module in (network.down[1], network.down[2], network.middle, network.up[1]):
            for parameter in module.parameters():
                parameter.add_(0.5)
        assert torch.equal(network(*inputs(THREE)), before)
        network.down[0][0].conv1.weight.add_(0.5)  # type: ignore[index]
        assert not torch.equal(network(*inputs(THREE)), before)


def looked(count: int = 3, channels: int = 3) -> tuple[Runs, UNet]:
    network = tiny_network(config=READS)
    asked = (
        NetworkDenoiser(network, COSINE, text=normal(seed, (1, EMBEDDING)), clip=False, together=2)
        for seed in (3, 4)
    )
    x_0 = normal(9, (3, 1, 8, 8)).clamp(-1, 1)[:count]
    runs = inside_unet(next(asked), x_0, TIMES, SEEDS[:count], other=next(asked), channels=channels)
    return runs, network


def test_the_answers_are_those_of_the_network_and_the_noise_is_known() -> None:
    runs, network = looked()
    run = runs["whole"]
    assert run.timesteps.tolist() == [80, 20, -1]
    assert run.eps is not None
    assert run.eps_hat is not None
    assert run.x0_hat is not None
    np.testing.assert_allclose(
        run.signal_weight[:, None, None, None, None] * run.states[-1]
        + run.noise_weight[:, None, None, None, None] * run.eps,
        run.states,
        atol=1e-5,
    )
    np.testing.assert_array_equal(run.eps[0], run.eps[1])
    denoiser = NetworkDenoiser(network, COSINE, text=normal(3, (1, EMBEDDING)), clip=False)
    for k, t in enumerate((80, 20)):
        answer = denoiser(torch.from_numpy(run.states[k]), t)
        np.testing.assert_allclose(run.eps_hat[k], answer.eps_hat, atol=2e-3)
        np.testing.assert_allclose(run.x0_hat[k], answer.x0_hat, rtol=2e-3, atol=2e-3)
        error = float(((answer.eps_hat - torch.from_numpy(run.eps[k])) ** 2).mean().sqrt())
        assert run.facts["eps_error"][k] == pytest.approx(error, rel=1e-4)
    said = {name: runs[name].facts["eps_error"] for name in runs if "eps_error" in runs[name].facts}
    assert list(said) == ["whole", "without skips", "without depths", "other words"]
    assert len({tuple(errors) for errors in said.values()}) == 4


def test_what_stood_somewhere_is_what_the_network_had_there() -> None:
    runs, network = looked(channels=4)
    x_t, text = torch.from_numpy(runs["whole"].states[0]), normal(3, (1, EMBEDDING))
    level = COSINE.noise_level(80).float().expand(3)
    with torch.no_grad(), watching(network) as seen:
        network(x_t, level, text.expand(3, -1))
        usual = dict(seen)
        network(x_t, level, normal(4, (1, EMBEDDING)).expand(3, -1))
    for place in places(READS):
        run, other = runs[place.name], runs[f"{place.name}, other words"]
        kept = run.facts["channels_kept"]
        np.testing.assert_allclose(
            run.states[0, 0], usual[place.name][0, kept], rtol=2e-3, atol=2e-3
        )
        wrong = (seen[place.name] - usual[place.name]).norm() / usual[place.name].norm()
        assert other.facts["change"][0] == pytest.approx(float(wrong), rel=1e-3)
        assert other.facts["channels_kept"] == kept
        assert run.facts["change"] == [0, 0]
        # What lies before a cut is as it was.
        if place.side != "up":
            assert runs[f"{place.name}, without skips"].facts["change"] == [0, 0]
        else:
            assert min(runs[f"{place.name}, without skips"].facts["change"]) > 0
    words = runs["words"].states[0, 0, :, 0, 0]
    np.testing.assert_allclose(words, usual["words"][0], rtol=2e-3, atol=2e-3)
    assert "words, without skips" not in runs


def test_the_channels_that_are_kept_vary_most() -> None:
    few, _ = looked(channels=2)
    every, _ = looked(channels=64)
    for place in places(READS):
        variance = every[place.name].states[:, 0].astype(np.float64).var((2, 3)).mean(0)
        assert len(variance) == place.channels
        assert (np.diff(variance) < 1e-3).all()
        kept = few[place.name].facts["channels_kept"]
        assert kept == every[place.name].facts["channels_kept"][:2]


def test_a_sample_is_the_same_in_any_company() -> None:
    alone, _ = looked(1)
    among, _ = looked(3)
    for name in ("whole", "without skips"):
        one, same = alone[name].eps_hat, among[name].eps_hat
        assert one is not None
        assert same is not None
        np.testing.assert_array_equal(one[:, 0], same[:, 0])


def test_a_network_that_has_no_parts_to_name_is_refused(tmp_path: Path) -> None:
    flat = UNetConfig(size=8, widths=(8,))
    x_0 = torch.zeros(1, 1, 8, 8)
    with pytest.raises(UsageError, match="one level of width 8") as error:
        inside_unet(NetworkDenoiser(tiny_network(config=flat), COSINE), x_0, TIMES, (1,))
    one_line(error)
    with pytest.raises(ValueError, match="Identity is no U-Net"):
        inside_unet(NetworkDenoiser(torch.nn.Identity(), COSINE), x_0, TIMES, (1,))
    with pytest.raises(ValueError, match="must rise"):
        inside_unet(NetworkDenoiser(tiny_network(), COSINE), x_0, (80, 20), (1,))


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_a_share_of_the_picture_is_the_same_under_every_schedule(
    tiny_weights: Path, schedule: str
) -> None:
    recipe = InsideRecipe(
        model=str(tiny_weights), alpha_bars=(0.8, 0.1), schedule=schedule, steps=3, samples=2
    )
    found = run_experiment(recipe)
    assert isinstance(found, Bundle)
    run = found["whole"]
    values = make_schedule(schedule, 1000).alpha_bar(torch.arange(1000)).numpy()
    for share, t in zip((0.1, 0.8), run.timesteps, strict=False):
        assert values[t] <= share < values[t - 1]
    # Nothing is asked for, so there are no other words.
    assert not any("words" in name for name in found)


def test_other_words_are_asked_where_they_differ(reading_weights: Path) -> None:
    recipe = InsideRecipe(
        model=str(reading_weights), prompt="dark", other="bright", steps=2, T=50, samples=1
    )
    found = run_experiment(recipe)
    model = load_model(str(reading_weights))
    with torch.no_grad(), watching(model.network) as seen:
        for name, prompt in (("words", "dark"), ("words, other words", "bright")):
            model.network(torch.zeros(1, 1, 8, 8), torch.zeros(1), model.text(prompt))
            told = found[name].states[0, 0, :, 0, 0]
            np.testing.assert_allclose(told, seen["words"][0], rtol=2e-3, atol=2e-3)


def test_pictures_and_noise_have_seeds_of_their_own() -> None:
    recipe = InsideRecipe(seed=3, samples=4)
    assert recipe.seeds == (3, 4, 5, 6)
    assert recipe.new_seeds == (7, 8, 9, 10)


def test_whether_a_model_reads_is_found_in_its_file(
    tiny_weights: Path, reading_weights: Path, tmp_path: Path
) -> None:
    assert reads_words("mnist")
    assert reads_words(str(reading_weights))
    assert not reads_words(str(tiny_weights))
    checkpoint = tmp_path / "step-1.safetensors"
    facts = {"identity": {"network": READS.as_dict()}, "step": 1}
    write_arrays(checkpoint, {"x": np.zeros(1, np.float32)}, facts, kind=CHECKPOINT_KIND)
    assert reads_words(str(checkpoint))
    with pytest.raises(UsageError, match="unknown"):
        reads_words("nobody")


def test_facts_of_a_damaged_head_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(path, tiny_network(), "v", {"data": {"name": "noise"}})
    assert read_facts(path)["prediction"] == "v"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"facts":"{', b'"facts":"[', 1))
    with pytest.raises(DamagedFile, match="damaged"):
        read_facts(path)
