"""Weights on disk: what is written, what is refused, what is found damaged."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_core.checkpoints import (
    CHECKPOINT_KIND,
    EMBEDDINGS,
    WEIGHTS_KIND,
    load_model,
    load_weights,
    save_weights,
)
from diffusion_core.denoiser import NetworkDenoiser
from diffusion_core.errors import DamagedFile, LectureError, UsageError
from diffusion_core.files import read_arrays, read_digest, write_arrays
from diffusion_core.guidance import GuidedDenoiser
from diffusion_core.models import DEFAULT_MODEL, WEIGHTS, shipped_models, weights_path
from diffusion_core.recipe import ReverseRecipe
from diffusion_core.runs import draw, run
from diffusion_core.schedule import make_schedule
from diffusion_core.training import TrainingRun
from tests.diffusion_core.conftest import READS, TINY, one_line, save_tiny, tiny_network
from tests.diffusion_core.fakes import TEXTS, vocabulary
from tests.diffusion_core.training.small_runs import go_on, leave_out_pictures, start_reading


def test_round_trip_to_half_precision(tmp_path: Path) -> None:
    path, network = tmp_path / "tiny.safetensors", tiny_network()
    digest = save_weights(path, network, "epsilon", {"data": {"name": "noise"}})
    model = load_weights(path)
    assert model.digest == digest == read_digest(path)
    assert model.prediction == "epsilon"
    assert model.network.config == TINY
    assert model.shape == (1, 8, 8)
    assert model.facts["data"] == {"name": "noise"}
    for name, value in network.state_dict().items():
        again = model.network.state_dict()[name]
        assert again.dtype == torch.float32
        assert torch.allclose(again, value, rtol=2**-10, atol=1e-7), name
    x, level = torch.randn(2, 1, 8, 8), torch.tensor([0.2, 0.9])
    with torch.no_grad():
        assert torch.allclose(model.network(x, level), network(x, level), atol=0.05)


def test_what_is_loaded_is_for_use_and_not_for_training(tiny_weights: Path) -> None:
    model = load_weights(tiny_weights)
    assert not model.network.training
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    schedule = make_schedule("linear", 10)
    denoiser = model.denoiser(schedule)
    assert isinstance(denoiser, NetworkDenoiser)
    assert (denoiser.schedule, denoiser.prediction) == (schedule, "v")


def test_half_the_bytes(tiny_weights: Path) -> None:
    parameters = sum(p.numel() for p in tiny_network().parameters())
    header = 20_000
    assert 2 * parameters <= tiny_weights.stat().st_size <= 2 * parameters + header


@settings(max_examples=60)
@given(st.data())
def test_a_flipped_bit_is_found(
    tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(tiny_weights.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    path.write_bytes(content)
    with pytest.raises(DamagedFile) as error:
        load_weights(path)
    assert str(path) in one_line(error)


def test_a_flipped_bit_in_what_ships_is_found(tmp_path: Path) -> None:
    content = bytearray(weights_path(DEFAULT_MODEL).read_bytes())
    path = tmp_path / "flipped.safetensors"
    for place in (len(content) // 2, len(content) - 1):
        flipped = content.copy()
        flipped[place] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(DamagedFile, match="not what its digest was taken of"):
            load_weights(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LectureError, match=r"absent\.safetensors does not exist") as error:
        load_model(str(tmp_path / "absent.safetensors"))
    one_line(error)


class Attack:
    """Unpickled, it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("write", [lambda o, p: p.write_bytes(pickle.dumps(o)), torch.save])
def test_a_pickle_under_the_name_is_refused_and_not_run(tmp_path: Path, write: Any) -> None:
    path, trace = tmp_path / "model.safetensors", tmp_path / "trace"
    write(Attack(trace), path)
    with pytest.raises(DamagedFile) as error:
        load_model(str(path))
    one_line(error)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Attack(trace)))  # noqa: S301
    assert trace.exists()  # so it would have


@pytest.mark.parametrize("name", ["mnits", "", "weights.pt", "folder/model.ckpt", "MNIST"])
def test_an_unknown_name_is_a_usage_error(name: str) -> None:
    for use in (load_model, weights_path):
        with pytest.raises(UsageError) as error:
            use(name)
        message = one_line(error)
        assert repr(name) in message
        assert "mnist" in message
        assert ".safetensors" in message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"network": None}, "does not hold a network"),
        ({"network": {"channels": 1}}, "does not hold a network"),
        ({"network": {**TINY.as_dict(), "size": 9}}, "does not hold a network"),
        ({"network": {**TINY.as_dict(), "depth": 3}}, "does not hold a network"),
        ({"prediction": "noise"}, "does not say what its network predicts"),
        ({"prediction": None}, "does not say what its network predicts"),
    ],
)
def test_facts_that_fit_no_network_are_refused(
    tiny_weights: Path, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    arrays, facts, _ = read_arrays(tiny_weights, kind=WEIGHTS_KIND)
    path = tmp_path / "odd.safetensors"
    write_arrays(path, arrays, {**facts, **change}, kind=WEIGHTS_KIND)
    with pytest.raises(DamagedFile, match=says) as error:
        load_weights(path)
    assert str(path) in str(error.value)


def test_a_recording_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "recording.safetensors"
    write_arrays(path, {}, {}, kind="diffusion-lectures trajectory 1")
    with pytest.raises(DamagedFile, match=f"not '{WEIGHTS_KIND}'"):
        load_weights(path)


class TestWhatShips:
    def test_names_and_paths(self) -> None:
        assert DEFAULT_MODEL in shipped_models()
        for name in shipped_models():
            assert weights_path(name) == WEIGHTS / f"{name}.safetensors"

    @pytest.mark.parametrize("name", shipped_models())
    def test_each_loads_by_its_name(self, name: str) -> None:
        model = load_model(name)
        assert model.digest == read_digest(weights_path(name))
        assert model.facts["data"]["pictures"] > 0
        assert json.dumps(model.facts)

    def test_a_path_works_as_a_name_does(self, tmp_path: Path) -> None:
        path = save_tiny(tmp_path / "mine.safetensors")
        assert load_model(str(path)).network.config == TINY
        assert weights_path(str(path)) == path


def recipe_of(weights: Path, **options: Any) -> ReverseRecipe:
    return ReverseRecipe(model=str(weights), seeds=(0, 1), steps=4, T=20, **options)


class TestWords:
    schedule = make_schedule("cosine", 20)

    def test_round_trip(self, reading_weights: Path) -> None:
        model, taught = load_weights(reading_weights), vocabulary()
        assert model.network.config == READS
        assert model.vocabulary is not None
        assert model.vocabulary.texts == TEXTS
        assert model.vocabulary.encoder == taught.encoder
        assert model.vocabulary.embeddings.dtype == np.float16
        np.testing.assert_array_equal(model.vocabulary.embeddings, taught.embeddings)
        # Facts go into every recording: what was taught would make each of them large.
        assert "captions" not in model.facts

    def test_a_prompt_becomes_its_embedding(self, reading_weights: Path) -> None:
        model = load_weights(reading_weights)
        assert model.text("") is None
        text = model.text("  Bright. ")
        assert text is not None
        assert (text.shape, text.dtype) == ((1, 384), torch.float32)
        np.testing.assert_array_equal(text[0].numpy(), vocabulary().embeddings[3])

    def test_a_model_without_words_refuses_a_prompt(self, tiny_weights: Path) -> None:
        model = load_weights(tiny_weights)
        assert model.vocabulary is None
        assert model.text("") is None
        for guidance in (1.0, 3.0):
            with pytest.raises(UsageError, match="prompt 'bright': this model was trained without"):
                model.denoiser(self.schedule, "bright", guidance)

    @pytest.mark.parametrize("weights", ["tiny_weights", "reading_weights"])
    def test_guidance_without_a_prompt_is_refused(
        self, request: pytest.FixtureRequest, weights: str
    ) -> None:
        model = load_weights(request.getfixturevalue(weights))
        with pytest.raises(UsageError, match=r"guidance = 3\.0 needs a prompt") as error:
            model.denoiser(self.schedule, "", 3.0)
        one_line(error)

    def test_the_denoiser_is_the_one_that_is_asked_for(self, reading_weights: Path) -> None:
        model = load_weights(reading_weights)
        free, asked, guided = (
            model.denoiser(self.schedule, prompt, guidance)
            for prompt, guidance in (("", 1.0), ("dark", 1.0), ("dark", 3.0))
        )
        assert isinstance(free, NetworkDenoiser)
        assert free.text is None
        assert isinstance(asked, NetworkDenoiser)
        assert isinstance(guided, GuidedDenoiser)
        assert [one.evaluations for one in (free, asked, guided)] == [1, 1, 2]
        x_t = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        said = guided(x_t, 10)
        assert said.eps_cond is not None
        assert said.eps_uncond is not None
        assert torch.equal(said.eps_cond, asked(x_t, 10).eps_hat)
        assert torch.equal(said.eps_uncond, free(x_t, 10).eps_hat)

    @pytest.mark.parametrize(
        "change", [{"captions": None}, {"captions": ["one"]}, {"encoder": None}]
    )
    def test_words_that_are_lost_are_damage(
        self, reading_weights: Path, tmp_path: Path, change: dict[str, Any]
    ) -> None:
        arrays, facts, _ = read_arrays(reading_weights, kind=WEIGHTS_KIND)
        kept = {key: value for key, value in {**facts, **change}.items() if value is not None}
        path = tmp_path / "odd.safetensors"
        write_arrays(path, {k: np.array(v) for k, v in arrays.items()}, kept, kind=WEIGHTS_KIND)
        with pytest.raises(DamagedFile, match="does not hold a network of this project"):
            load_weights(path)
        without = {k: np.array(v) for k, v in arrays.items() if k != EMBEDDINGS}
        write_arrays(path, without, facts, kind=WEIGHTS_KIND)
        with pytest.raises(DamagedFile, match="does not hold a network of this project"):
            load_weights(path)


class TestRecorded:
    def test_prompt_and_guidance_are_recorded_with_both_halves(self, reading_weights: Path) -> None:
        free = run(recipe_of(reading_weights))
        asked = run(recipe_of(reading_weights, prompt="dark"))
        guided = run(recipe_of(reading_weights, prompt="dark", guidance=3))
        assert [one.facts["nfe"] for one in (free, asked, guided)] == [4, 4, 8]
        assert guided.facts["recipe"]["prompt"] == "dark"
        assert guided.facts["recipe"]["guidance"] == 3.0
        for one in (free, asked):
            assert (one.eps_cond, one.eps_uncond) == (None, None)
        assert guided.eps_cond is not None
        assert guided.eps_uncond is not None
        assert guided.eps_cond.shape == guided.eps_hat.shape == (4, 2, 1, 8, 8)
        extrapolated = guided.eps_uncond + 3 * (guided.eps_cond - guided.eps_uncond)
        np.testing.assert_allclose(guided.eps_hat, extrapolated, rtol=0, atol=1e-5)
        # All three begin with the same noise, of which each half says what it says alone.
        np.testing.assert_array_equal(guided.states[0], free.states[0])
        np.testing.assert_array_equal(guided.eps_cond[0], asked.eps_hat[0])
        np.testing.assert_array_equal(guided.eps_uncond[0], free.eps_hat[0])
        finals = [one.states[-1] for one in (free, asked, guided)]
        for i, final in enumerate(finals):
            for other in finals[i + 1 :]:
                assert abs(final - other).max() > 1e-3

    def test_what_is_drawn_is_what_is_recorded(self, reading_weights: Path) -> None:
        recipe = recipe_of(reading_weights, prompt="a bright blob", guidance=2)
        np.testing.assert_array_equal(draw(recipe), run(recipe).states[-1])


@pytest.fixture(scope="module")
def half_way(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingRun]:
    """A run that was left after 10 of its 20 steps; read only."""
    output = tmp_path_factory.mktemp("half-way") / "run"
    with pytest.MonkeyPatch.context() as patch:
        leave_out_pictures(patch)
        return output, go_on(start_reading(output), stop_after=10)


class TestUnfinished:
    def test_a_checkpoint_gives_the_averaged_weights(
        self, half_way: tuple[Path, TrainingRun]
    ) -> None:
        output, training = half_way
        path = output / "checkpoints" / "step-000010.safetensors"
        model = load_weights(path)
        assert model.digest == read_digest(path)
        assert model.prediction == "v"
        averaged = training.average.module.state_dict()
        found = model.network.state_dict()
        assert found.keys() == averaged.keys()
        for name, value in averaged.items():
            assert torch.equal(found[name], value), name
        latest = training.network.state_dict()
        assert not all(torch.equal(found[name], value) for name, value in latest.items())
        assert not model.network.training
        assert model.vocabulary is not None
        assert model.vocabulary.texts == TEXTS
        assert model.facts["training"]["steps"] == 10
        assert model.facts["data"]["pictures"] == 40
        assert run(recipe_of(path, prompt="dark", guidance=2)).facts["pictures"] == 40

    def test_the_folder_stands_for_its_newest_checkpoint(
        self, half_way: tuple[Path, TrainingRun]
    ) -> None:
        output, _ = half_way
        newest = output / "checkpoints" / "step-000010.safetensors"
        assert weights_path(str(output)) == newest
        assert load_model(str(output)).digest == read_digest(newest)
        assert ReverseRecipe(model=str(output)).inputs() == {"weights": read_digest(newest)}

    def test_and_for_the_finished_weights_where_there_are_any(
        self, half_way: tuple[Path, TrainingRun], tmp_path: Path
    ) -> None:
        finished = save_tiny(tmp_path / "weights.safetensors")
        (tmp_path / "checkpoints").symlink_to(half_way[0] / "checkpoints")
        assert weights_path(str(tmp_path)) == finished
        assert load_model(str(tmp_path)).network.config == TINY

    def test_a_folder_with_neither_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="holds neither weights nor checkpoints") as error:
            load_model(str(tmp_path))
        assert repr(str(tmp_path)) in one_line(error)

    @pytest.mark.parametrize("lost", ["identity", "step"])
    def test_a_checkpoint_that_does_not_say_what_it_is_is_damaged(
        self, half_way: tuple[Path, TrainingRun], tmp_path: Path, lost: str
    ) -> None:
        path = half_way[0] / "checkpoints" / "step-000010.safetensors"
        arrays, facts, _ = read_arrays(path, kind=CHECKPOINT_KIND)
        facts = {key: value for key, value in facts.items() if key != lost}
        write_arrays(tmp_path / "odd.safetensors", arrays, facts, kind=CHECKPOINT_KIND)
        with pytest.raises(DamagedFile, match="does not hold a network of this project"):
            load_weights(tmp_path / "odd.safetensors")
