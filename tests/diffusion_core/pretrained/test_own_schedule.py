"""A pretrained model's own schedule: in recipes, in tables, and at the ends of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from diffusion_core.any_model import schedule_of
from diffusion_core.errors import LectureError, UsageError
from diffusion_core.pretrained.model import load_pretrained
from diffusion_core.recipe import (
    ForksRecipe,
    InsideRecipe,
    MistakesRecipe,
    ReverseRecipe,
    TrainingRecipe,
    UTurnRecipe,
    describe,
    fingerprint,
)
from diffusion_core.samplers import DDIM
from diffusion_core.schedule import CLEAN, make_schedule
from diffusion_core.timesteps import sampling_times
from tests.diffusion_core.conftest import one_line
from tests.tiny_pipelines import TinyPipelines, ddim, stable_diffusion_3


class TestInRecipes:
    def test_it_is_settled_whatever_was_given(self, tiny_pipelines: TinyPipelines) -> None:
        model = str(tiny_pipelines["sd"])
        plain = ReverseRecipe(model=model)
        given = ReverseRecipe(model=model, schedule="karras", T=50, zero_terminal_snr=False)
        assert plain == given
        assert (plain.schedule, plain.T) == ("own", 1000)
        assert replace(plain) == plain
        assert fingerprint(plain) == fingerprint(given)

    def test_it_has_as_many_levels_as_the_scheduler(self, tmp_path: Path) -> None:
        folder = ddim(tmp_path / "short", num_train_timesteps=40)
        assert ReverseRecipe(model=str(folder), steps=40).T == 40
        with pytest.raises(UsageError, match=r"steps = 41 is outside 1 … 40"):
            ReverseRecipe(model=str(folder), steps=41)
        with pytest.raises(UsageError, match=r"a time of turns = 40 is outside 0 … 39"):
            UTurnRecipe(model=str(folder), steps=4, turns=(3, 40))
        with pytest.raises(LectureError, match="num_train_timesteps = 3") as error:
            ReverseRecipe(model=str(ddim(tmp_path / "none", num_train_timesteps=3)))
        one_line(error)

    def test_ours_have_none(self) -> None:
        own: tuple[dict[str, Any], ...] = ({"schedule": "own"}, {"spacing": "own"})
        for fields in own:
            with pytest.raises(UsageError, match="'own' is unknown"):
                ReverseRecipe(**fields)
        with pytest.raises(UsageError, match="is that of a pretrained model's scheduler"):
            sampling_times(make_schedule("cosine"), 5, "own")

    def test_what_works_on_a_network_of_ours_refuses_it(
        self, tiny_pipelines: TinyPipelines
    ) -> None:
        for kind in (InsideRecipe, MistakesRecipe, TrainingRecipe):
            with pytest.raises(UsageError, match="is a pretrained pipeline, and ") as error:
                kind(model=str(tiny_pipelines["ddpm"]))
            one_line(error)

    def test_words_are_refused_before_work_begins(self, tiny_pipelines: TinyPipelines) -> None:
        for name, prompt, says in (
            ("ddpm", "a dog", "was trained without words"),
            ("dit", "goldfsh", "such as 'goldfish'"),
            ("dit", "1000", r"class 1000 is outside 0 … 999"),
            ("sd", "half \ud83d", "holds half of a character"),
        ):
            with pytest.raises(UsageError, match=says) as error:
                ForksRecipe(model=str(tiny_pipelines[name]), prompts=("", prompt))
            one_line(error)

    def test_the_fingerprint_is_of_the_weights(self, tmp_path: Path) -> None:
        recipe = ReverseRecipe(model=str(ddim(tmp_path / "changed")))
        before = fingerprint(recipe)
        settings = tmp_path / "changed" / "scheduler" / "scheduler_config.json"
        settings.write_text(settings.read_text().replace("trailing", "leading"))
        assert fingerprint(recipe) != before
        assert describe(recipe)["inputs"].keys() == {"weights"}


class TestTables:
    def test_a_flow(self, tiny_pipelines: TinyPipelines) -> None:
        """α + σ = 1, from nearly the picture to nothing of it; told 1,000 σ."""
        schedule = load_pretrained(str(tiny_pipelines["sd3"])).schedule
        t = torch.arange(schedule.T)
        assert torch.allclose(schedule.alpha(t) + schedule.sigma(t), torch.ones(1).double())
        assert float(schedule.sigma(999)) == 1
        # shift u / (1 + (shift − 1) u), Esser et al. 2024, section 5.3.2, at u = ½.
        assert float(schedule.sigma(499)) == pytest.approx(3 * 0.5 / (1 + 2 * 0.5))
        assert float(schedule.told(499)) == pytest.approx(750)

    def test_levels_that_are_visited_take_the_place_of_the_nearest(
        self, tiny_pipelines: TinyPipelines
    ) -> None:
        schedule = load_pretrained(str(tiny_pipelines["sd3"])).schedule
        exact = schedule.for_steps(7)
        times = sampling_times(exact, 7, "own")
        assert times[:-1] == schedule.own_times(7)
        changed = (exact.sigmas != schedule.sigmas).nonzero().flatten().tolist()
        assert set(changed) < set(times)
        assert len(changed) >= 4
        assert float((exact.sigmas - schedule.sigmas).abs().max()) < 2e-3
        recipe = ReverseRecipe(model=str(tiny_pipelines["sd3"]), steps=7, spacing="own")
        model = load_pretrained(recipe.model)
        assert torch.equal(schedule_of(recipe, model, 7).sigmas, exact.sigmas)
        assert schedule_of(replace(recipe, spacing="trailing"), model, 7) is model.schedule

    def test_a_shift_by_the_size_of_the_picture(self, tmp_path: Path) -> None:
        folder = stable_diffusion_3(tmp_path / "moved", t5=False)
        settings = folder / "scheduler" / "scheduler_config.json"
        settings.write_text(
            settings.read_text().replace(
                '"use_dynamic_shifting": false', '"use_dynamic_shifting": true'
            )
        )
        schedule = load_pretrained(str(folder)).schedule
        # 16 patches: mu = 0.5 + (1.15 − 0.5) (16 − 256)/(4096 − 256), and e^mu is the shift.
        shift = torch.tensor(0.5 + 0.65 * (16 - 256) / 3840).exp().item()
        assert float(schedule.sigma(499)) == pytest.approx(shift / (1 + shift), rel=1e-5)
        assert schedule.own_times(5)[0] == 999

    def test_levels_bent_off_the_table_are_refused(self, tmp_path: Path) -> None:
        folder = stable_diffusion_3(tmp_path / "bent", t5=False)
        settings = folder / "scheduler" / "scheduler_config.json"
        settings.write_text(
            settings.read_text().replace('"use_karras_sigmas": false', '"use_karras_sigmas": true')
        )
        with pytest.raises(LectureError, match="its scheduler bends its levels") as error:
            load_pretrained(str(folder))
        one_line(error)


class TestEnds:
    def test_where_ddim_ends(self, tiny_pipelines: TinyPipelines) -> None:
        for name, last in (("sd", 0), ("ddpm", CLEAN), ("turbo", CLEAN)):
            schedule = load_pretrained(str(tiny_pipelines[name])).schedule
            assert schedule.last == DDIM(schedule).lands(CLEAN) == last
        assert DDIM(make_schedule("cosine")).lands(CLEAN) == CLEAN

    def test_where_it_begins(self, tiny_pipelines: TinyPipelines) -> None:
        """SD-Turbo's scheduler counts from its largest σ/α, XL's makes up for x_0."""
        turbo = load_pretrained(str(tiny_pipelines["turbo"])).schedule
        assert float(turbo.start(999)) == float(turbo.sigma(999)) < 1
        for name in ("sdxl", "sd", "ddpm", "sd3"):
            schedule = load_pretrained(str(tiny_pipelines[name])).schedule
            assert float(schedule.start(999)) == pytest.approx(1, abs=1e-12)

    def test_the_variance(self, tiny_pipelines: TinyPipelines) -> None:
        large, small = (
            load_pretrained(str(tiny_pipelines[name])).schedule for name in ("ddpm", "ddim")
        )
        assert (large.variance, small.variance) == ("beta", "posterior")

    def test_a_spacing_that_leaves_the_table(self, tiny_pipelines: TinyPipelines) -> None:
        """An offset of 1 and every level: t = 1000 is none of 0 … 999."""
        schedule = load_pretrained(str(tiny_pipelines["sd"])).schedule
        assert schedule.own_times(999)[:2] == [999, 998]
        with pytest.raises(UsageError, match=r"from t = 1000, and there are 1000") as error:
            schedule.own_times(1000)
        one_line(error)
