"""What is recorded of a pretrained model, and what is said of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diffusion_core.errors import DamagedFile, UsageError
from diffusion_core.experiment_runs import run_experiment
from diffusion_core.latent.models import both_models
from diffusion_core.pictures import load_picture
from diffusion_core.pretrained.model import load_pretrained, reduced
from diffusion_core.pretrained.preview import to_levels
from diffusion_core.pretrained.prompts import facts_of_prompt
from diffusion_core.recipe import (
    ForksRecipe,
    LatentRecipe,
    ReverseRecipe,
    SimilarNoiseRecipe,
    UTurnRecipe,
    fingerprint,
)
from diffusion_core.runs import draw, run, run_together
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from tests.diffusion_core.conftest import one_line
from tests.tiny_pipelines import TinyPipelines, large_ddpm


def same(a: Trajectory, b: Trajectory, samples: slice = slice(None)) -> bool:
    """Whether two recordings hold the same, bit for bit."""
    mine, other = a.arrays(), b.arrays()
    return mine.keys() == other.keys() and all(
        np.array_equal(mine[name], values[:, samples] if values.ndim == 5 else values)
        for name, values in other.items()
    )


class TestArrays:
    def test_the_states_are_exact_and_the_rest_is_half(self, guided: Trajectory) -> None:
        assert guided.states.shape == (4, 2, 4, 8, 8)
        assert guided.states.dtype == np.float32
        for name in ("x0_hat", "eps_hat", "eps_cond", "eps_uncond"):
            assert guided.arrays()[name].dtype == np.float16
            assert guided.facts["stored"][name] == "float16, rounded"
        assert guided.facts["nfe"] == 6  # both judgements, three steps

    def test_both_judgements_and_what_guidance_made_of_them(self, guided: Trajectory) -> None:
        assert guided.eps_cond is not None
        assert guided.eps_uncond is not None
        assert guided.eps_hat is not None
        cond, uncond = (eps.astype(np.float64) for eps in (guided.eps_cond, guided.eps_uncond))
        assert np.abs(cond - uncond).max() > 1e-3
        assert np.abs(uncond + 3 * (cond - uncond) - guided.eps_hat).max() < 2e-2

    def test_what_is_looked_at_is_decoded(
        self, guided: Trajectory, tiny_pipelines: TinyPipelines
    ) -> None:
        model = load_pretrained(str(tiny_pipelines["sd-v"]))
        assert model.space is not None
        assert guided.shown is not None
        assert guided.shown_x0 is not None
        assert guided.shown.shape == (4, 2, 3, 32, 32)
        assert guided.shown.dtype == guided.shown_x0.dtype == np.uint8
        decoded = model.space.decode(torch.from_numpy(guided.states[-1])).numpy()
        assert np.abs(guided.pictures[-1] - decoded.clip(-1, 1)).max() <= 1.01 / 255
        assert guided.x0_hat is not None
        guess = model.space.decode(torch.tensor(guided.x0_hat[1]).float()).numpy()
        assert np.abs(guided.guesses[1] - guess.clip(-1, 1)).max() <= 1.01 / 255

    def test_small_pictures_show_themselves(self, tiny_pipelines: TinyPipelines) -> None:
        found = run(ReverseRecipe(model=str(tiny_pipelines["ddpm"]), steps=2))
        assert found.shown is found.shown_x0 is None
        assert np.array_equal(found.pictures, found.states)

    def test_large_ones_have_levels_beside_them(self, tmp_path: Path) -> None:
        found = run(ReverseRecipe(model=str(large_ddpm(tmp_path / "large")), steps=2))
        assert found.shown is not None
        assert found.shown.shape == (3, 1, 3, 96, 96)
        assert np.array_equal(found.shown[-1], to_levels(torch.from_numpy(found.states[-1])))

    def test_a_preview_is_no_larger_than_a_tile(self) -> None:
        assert reduced(torch.zeros(1, 3, 512, 1024)).shape == (1, 3, 128, 256)
        assert reduced(torch.full((1, 3, 300, 300), 0.5)).unique().numpy() == pytest.approx(0.5)
        assert reduced(torch.zeros(1, 1, 256, 70)).shape == (1, 1, 256, 70)
        levels = to_levels(torch.tensor([-3.0, -1, 0, 1, 7])[:, None, None, None])
        assert levels.flatten().tolist() == [0, 0, 128, 255, 255]

    def test_its_facts(self, guided: Trajectory, tiny_pipelines: TinyPipelines) -> None:
        assert guided.facts["pictures"] is None
        told = guided.facts["pretrained"]
        assert told["pipeline"] == "StableDiffusionPipeline"
        assert (told["prediction"], told["revision"]) == ("v", "")
        assert guided.facts["model"] == load_pretrained(str(tiny_pipelines["sd-v"])).digest
        assert guided.facts["schedule"] == "own"
        assert "warnings" not in guided.facts


class TestSeeds:
    def test_alone_and_in_company(
        self, guided: Trajectory, tiny_pipelines: TinyPipelines, tmp_path: Path
    ) -> None:
        together = ReverseRecipe(
            model=str(tiny_pipelines["sd-v"]), prompt="a dog", guidance=3.0, steps=3, seeds=(5, 9)
        )
        alone = replace(together, seeds=(9,))
        first, second = run_together([together, alone])
        assert same(first, guided)
        assert same(second, guided, slice(1, 2))
        twice = run(replace(together, seeds=(9, 5, 9)))
        assert same(run(alone), twice, slice(2, 3))
        path = tmp_path / "kept.safetensors"
        twice.save(path)
        assert same(Trajectory.load(path), twice)

    def test_only_the_finished_pictures(
        self, guided: Trajectory, tiny_pipelines: TinyPipelines
    ) -> None:
        """What ``sample`` draws: pictures, no latents."""
        recipe = ReverseRecipe(
            model=str(tiny_pipelines["sd-v"]), prompt="a dog", guidance=3.0, steps=3, seeds=(9,)
        )
        found = draw(recipe)
        assert found.shape == (1, 3, 32, 32)
        assert np.abs(found.clip(-1, 1) - guided.pictures[-1][1:]).max() <= 1.01 / 255


class TestPrompts:
    @pytest.mark.parametrize("name", ["sd", "sdxl", "sd3"])
    def test_any_text_is_read(self, tiny_pipelines: TinyPipelines, name: str) -> None:
        model = load_pretrained(str(tiny_pipelines[name]))
        texts = ["a dog", "ein Hund 🐕‍🦺", "犬", "כלב", "\x00\t\n", "e\u0301", "<|endoftext|>"]
        embedded = [model.asked(text).given["encoder_hidden_states"] for text in texts]
        assert all(bool(torch.isfinite(rows).all()) for rows in embedded)
        assert not torch.equal(embedded[0], embedded[1])
        assert not any(model.asked(text).facts for text in texts)

    def test_nothing_asked_is_what_the_pipeline_takes_for_it(
        self, tiny_pipelines: TinyPipelines
    ) -> None:
        large = load_pretrained(str(tiny_pipelines["sdxl"])).asked("").given
        assert not large["encoder_hidden_states"].any()  # as XL is configured
        assert not large["text_embeds"].any()
        assert large["time_ids"].tolist() == [[32, 32, 0, 0, 32, 32]]
        assert (
            load_pretrained(str(tiny_pipelines["sd"]))
            .asked("")
            .given["encoder_hidden_states"]
            .any()
        )

    def test_what_is_left_out_of_a_long_one_is_said(
        self, tiny_pipelines: TinyPipelines, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """75 letters are read, each a token here, and two marks."""
        model, prompt = str(tiny_pipelines["sd"]), "x" * 74 + "yzw"
        recipe = ReverseRecipe(model=model, prompt=prompt, steps=1)
        for fresh in (True, False):  # of a recording that was there too
            caplog.clear()
            store = Store(tmp_path)
            with caplog.at_level(logging.WARNING):
                found = store.get(recipe)
                store.get(recipe)  # and is not said again
            assert found.fresh is fresh
            (said,) = (record.getMessage() for record in caplog.records)
            assert said == (
                "the prompt is too long: the model's text encoders read 77 tokens, and leave out "
                "'zw'"
            )
        assert found.trajectory.facts["unread"] == [
            {"encoder": "text_encoder", "tokens": 77, "unread": "zw"}
        ]
        assert not load_pretrained(model).asked("x" * 75).facts
        told = [
            load_pretrained(model).asked("x" * 74 + end).given["encoder_hidden_states"]
            for end in ("yzw", "yab", "qzw")
        ]
        assert torch.equal(told[0], told[1])
        assert not torch.equal(told[0], told[2])

    def test_a_longer_reader_beside_short_ones(self, tiny_pipelines: TinyPipelines) -> None:
        model = load_pretrained(str(tiny_pipelines["sd3"]))
        pipeline = model.network.pipeline
        said = facts_of_prompt(pipeline, "x" * 100)
        assert [told["encoder"] for told in said["unread"]] == ["text_encoder", "text_encoder_2"]
        assert "some of the model's text encoders read 77 tokens" in said["warnings"][0]
        assert len(facts_of_prompt(pipeline, "x" * 400)["unread"]) == 3

    def test_guidance_of_nothing_is_said(self, tiny_pipelines: TinyPipelines) -> None:
        """Elsewhere 0 stands for none."""
        recipe = ReverseRecipe(
            model=str(tiny_pipelines["turbo"]), prompt="a dog", guidance=0.0, steps=1
        )
        assert "no guidance, the prompt alone, is guidance 1" in run(recipe).facts["warnings"][0]

    def test_classes_by_any_name(self, tiny_pipelines: TinyPipelines) -> None:
        model = load_pretrained(str(tiny_pipelines["dit"]))
        for prompt, number in (("0", 0), ("Tinca tinca", 0), (" WHITE shark", 2), ("", 1000)):
            assert int(model.asked(prompt).given["class_labels"]) == number


class TestExperiments:
    def test_a_picture_is_encoded_and_led_back(self, tiny_pipelines: TinyPipelines) -> None:
        recipe = UTurnRecipe(
            model=str(tiny_pipelines["sd-v"]), image="flower", turns=(100, 700), steps=4, samples=2
        )
        found = run_experiment(recipe)
        assert list(found) == ["forward", "from 100", "from 700"]
        space = load_pretrained(recipe.model).space
        assert space is not None
        latent = space.encode(torch.from_numpy(load_picture("flower", 32))[None]).numpy()
        assert np.abs(found["forward"].states[0] - latent).max() < 1e-5
        for part in found.values():
            assert part.shown is not None
            assert "final_class" not in part.facts
            assert "class" not in part.facts
        # The forward path guesses nothing.
        assert found["forward"].shown_x0 is None

    def test_what_is_erased_of_a_latent_is_black(self, tiny_pipelines: TinyPipelines) -> None:
        recipe = UTurnRecipe(
            model=str(tiny_pipelines["sd-v"]), turns=(100,), steps=2, erase=(2, 2, 4, 4)
        )
        whole = run_experiment(replace(recipe, erase=()))["forward"].states[0]
        torn = run_experiment(recipe)["forward"].states[0]
        space = load_pretrained(recipe.model).space
        assert space is not None
        black = space.encode(torch.full((1, 3, 32, 32), -1.0)).numpy()
        hole = np.s_[:, :, 2:6, 2:6]
        assert np.abs(torn[hole] - black[hole]).max() < 1e-6
        outside = np.ones_like(torn)
        outside[hole] = 0
        assert np.array_equal(torn * outside, whole * outside)

    def test_a_path_that_forks_shares_its_states_and_pictures(
        self, tiny_pipelines: TinyPipelines
    ) -> None:
        recipe = ForksRecipe(
            model=str(tiny_pipelines["dit"]),
            prompt="goldfish",
            prompts=("goldfish", "white shark"),
            guidance=4.0,
            steps=4,
            after=2,
        )
        one, other = run_experiment(recipe).values()
        assert one.facts["class_asked"] == 1
        assert other.facts["class_asked"] == 2
        shared = one.facts["shared_states"]
        assert shared == 3
        for name in ("states", "shown"):
            a, b = one.arrays()[name], other.arrays()[name]
            assert np.array_equal(a[:shared], b[:shared])
            assert not np.array_equal(a[-1], b[-1])

    def test_noise_that_differs_in_a_patch(self, tiny_pipelines: TinyPipelines) -> None:
        recipe = SimilarNoiseRecipe(
            model=str(tiny_pipelines["turbo"]), patch=(0, 0, 3, 3), steps=2, sampler="euler"
        )
        found = run_experiment(recipe)
        changed = found["patch"].states[0] != found["original"].states[0]
        assert changed[..., :3, :3].all()
        assert changed.sum() == changed[..., :3, :3].sum()


class TestLatents:
    def test_what_is_run(self, tiny_pipelines: TinyPipelines) -> None:
        recipe = LatentRecipe(model=str(tiny_pipelines["sd3"]), steps=2, prompt="dog")
        found = run_experiment(recipe)
        assert list(found) == [
            *("process", "picture", "latents", "returned", "small", "enlarged"),
            *("erased latents", "erased"),
        ]
        assert np.abs(found["picture"].pictures[0] - found["process"].pictures[-1]).max() < 0.01
        assert found["returned"].states.shape == (1, 1, 3, 32, 32)
        costs = found.facts["costs"]
        assert (costs["pixels"], costs["latents"]["numbers"]) == ({"numbers": 3072}, 256)
        assert min(costs["latents"][part] for part in ("step", "encode", "decode")) > 10_000
        assert both_models(str(tiny_pipelines["sd3"])) == (str(tiny_pipelines["sd3"]), "")

    def test_each_field_counts(self, tiny_pipelines: TinyPipelines) -> None:
        recipe = LatentRecipe(model=str(tiny_pipelines["sd"]), prompt="dog")
        changes = ({"prompt": "cat"}, {"guidance": 2.0}, {"image": "flower"}, {"spacing": "own"})
        prints = {fingerprint(replace(recipe, **change)) for change in ({}, *changes)}
        assert len(prints) == 5

    def test_refusals(self, tiny_pipelines: TinyPipelines) -> None:
        refused: tuple[tuple[dict[str, Any], str], ...] = (
            ({"model": str(tiny_pipelines["ddpm"])}, "is a pipeline of pixels"),
            ({"prompt": "a seven"}, "draws without words"),
            ({"picture_model": str(tiny_pipelines["ddpm"])}, "is a pretrained pipeline"),
        )
        for fields, says in refused:
            with pytest.raises(UsageError, match=says) as error:
                LatentRecipe(**fields)
            one_line(error)


class TestLoading:
    def test_the_last_one_is_kept(self, tiny_pipelines: TinyPipelines) -> None:
        name = str(tiny_pipelines["ddim"])
        assert load_pretrained(name) is load_pretrained(name)

    def test_weights_that_do_not_fit(self, tmp_path: Path, tiny_pipelines: TinyPipelines) -> None:
        from safetensors.numpy import load_file, save_file

        from tests.tiny_pipelines import ddpm

        folder = ddpm(tmp_path / "lacking")
        weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
        arrays = load_file(weights)
        lacking = {name: array for name, array in arrays.items() if name != "conv_in.weight"}
        save_file(lacking, weights)
        with pytest.raises(DamagedFile, match="lacks 1 of its weights, conv_in") as error:
            load_pretrained(str(folder))
        one_line(error)
        save_file(arrays | {"conv_in.weight": np.zeros((8, 1, 3, 3), np.float32)}, weights)
        with pytest.raises(DamagedFile, match="its unet cannot be read as a UNet2DModel") as error:
            load_pretrained(str(folder))
        one_line(error)
