"""Scenes of pretrained models: what is shown and said is what they did, at every size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import render
from diffusion_core.errors import UsageError
from diffusion_core.models import DEFAULT_MODEL
from diffusion_core.recipe import ForksRecipe, ReverseRecipe, SimilarNoiseRecipe, UTurnRecipe
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from scenes.asked import left_out
from scenes.asking import other_prompts, scale_of, usual_prompt
from scenes.catalog import LECTURES, SCENES, scene_entry
from scenes.model_kinds import ModelKind, kind_of_model
from scenes.options import SceneOptions
from scenes.recipes import GALLERY
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.seen import in_latents
from scenes.stage.symbols import symbols_of
from tests.helpers import Workplace
from tests.scenes.conftest import rehearsed
from tests.scenes.test_on_screen import shown_tiles
from tests.tiny_pipelines import TinyPipelines

ABLE = {
    "reverse_process",
    "predicted_noise",
    "ddpm_and_ddim",
    "guidance",
    "u_turn",
    "similar_noise",
    "text_to_image",
    "latent_diffusion",
}
PLAYED = (
    ("ddpm", "reverse_process"),
    ("ddim", "u_turn"),
    ("sd", "ddpm_and_ddim"),
    ("sd-v", "predicted_noise"),
    ("sdxl", "text_to_image"),
    ("dit", "guidance"),
    ("sd3", "latent_diffusion"),
    ("ddpm", "similar_noise"),
)
LOOPED = {
    "reverse_process": "Step by step",
    "guidance": "Now whole runs",
    "text_to_image": "All begin with the same noise",
}
"""How the stretch begins that a loop shows of a scene."""
LONG = "an oil painting of a frog that sits on a leaf " * 8


def options(pipes: TinyPipelines, name: str, **chosen: object) -> SceneOptions:
    usual = {"model": str(pipes[name]), "steps": 4}
    return SceneOptions(**(usual | chosen))  # type: ignore[arg-type]


def said_in(scene: LectureScene) -> str:
    return " ".join(cue.sentence.caption for cue in scene.cues)


def kind(side: int, reads: str = "") -> ModelKind:
    return ModelKind(True, reads, (side // 8, side // 8), (side, side))


# -- what is run ----------------------------------------------------------------------


def test_the_more_a_picture_costs_the_fewer_are_drawn() -> None:
    counts = [kind(side).fewer(24, 4) for side in (16, 32, 64, 128, 256, 512)]
    assert counts == [24, 24, 12, 6, 4, 4]
    assert [kind(side).large for side in (64, 128)] == [False, True]
    ours = ModelKind(False, "", (512, 512), (512, 512))
    assert ours.fewer(24, 4) == 24


def test_patches_and_times_are_in_shares_of_the_model(tiny_pipelines: TinyPipelines) -> None:
    chosen = options(tiny_pipelines, "sd")
    turned, repaired = scene_entry("u_turn").runs(chosen).values()
    assert isinstance(turned, UTurnRecipe)
    assert isinstance(repaired, UTurnRecipe)
    assert turned.turns == (200, 500, 700, 800, 900)
    assert repaired.erase == (3, 1, 2, 6)  # of the latent, 8 cells a side
    similar = scene_entry("similar_noise").runs(chosen)["similar_noise"]
    assert isinstance(similar, SimilarNoiseRecipe)
    assert similar.patch == (3, 3, 2, 2)
    short = ModelKind(True, "", (8, 8), (8, 8), T=50)
    assert [short.time(t) for t in (0, 200, 500, 999, 1000)] == [0, 10, 25, 49, 49]


def test_what_is_usual_is_what_a_model_can_be_asked(tiny_pipelines: TinyPipelines) -> None:
    found = {}
    for name in ("ddpm", "sd", "dit"):
        model = kind_of_model(str(tiny_pipelines[name]))
        prompt = usual_prompt(model)
        others = other_prompts(prompt, model)
        assert prompt not in others
        found[name] = prompt, len(others), scale_of(SceneOptions(), model, prompt)
    assert found == {
        "ddpm": ("", 4, 1.0),
        "sd": ("a photo of a frog", 4, 7.5),
        "dit": ("tench", 4, 4.0),
    }
    assert "a photo of a cat" not in other_prompts("two cats", kind(512, "words"))
    assert other_prompts("a seven") == other_prompts("a seven", kind_of_model(DEFAULT_MODEL))
    asked = scene_entry("guidance").runs(SceneOptions(model=str(tiny_pipelines["sd"]), guidance=3))
    assert list(asked) == ["g1", "g3", "g12"]


def test_a_prompt_goes_where_it_is_of_use(tiny_pipelines: TinyPipelines) -> None:
    chosen = options(tiny_pipelines, "sd", prompt="蛙", guidance=2, steps=10)
    for name in ABLE - {"guidance"}:
        for recipe in scene_entry(name).runs(chosen).values():
            assert (recipe.prompt, recipe.guidance) == ("蛙", 2)  # type: ignore[union-attr]
    # Nothing is asked of a model that does not read, and of ours what always was.
    for model in (str(tiny_pipelines["ddpm"]), DEFAULT_MODEL):
        recipe = scene_entry("predicted_noise").runs(SceneOptions(model=model))["reverse"]
        assert isinstance(recipe, ReverseRecipe)
        assert (recipe.prompt, recipe.guidance) == ("", 1)
    own = SceneOptions(prompt="a two")
    assert "prompt" not in scene_entry("predicted_noise").accepted(own)
    assert "schedule" not in scene_entry("predicted_noise").accepted(chosen)


def test_words_are_not_asked_of_a_model_without(tiny_pipelines: TinyPipelines) -> None:
    for name in ("guidance", "text_to_image"):
        with pytest.raises(UsageError, match="reads neither words nor classes"):
            scene_entry(name).runs(options(tiny_pipelines, "ddpm", prompt="text"))
    with pytest.raises(UsageError, match="no autoencoder"):
        scene_entry("latent_diffusion").runs(options(tiny_pipelines, "ddpm"))


def test_a_scene_without_use_for_it_says_so_before_any_work(tiny_pipelines: TinyPipelines) -> None:
    assert {entry.name for entry in SCENES.values() if entry.pretrained and not entry.card} == ABLE
    chosen = options(tiny_pipelines, "ddpm")
    for name, entry in SCENES.items():
        if "model" in entry.accepts and not entry.pretrained:
            with pytest.raises(UsageError, match=rf"'{name}' has no use for the pretrained model"):
                entry.runs(chosen)
    assert all(SCENES[name].runs(chosen) for name in LECTURES["introduction"].scenes)
    order = ["scene", "training", "--model", str(tiny_pipelines["ddpm"]), "--yes"]
    refused = CliRunner().invoke(render.cli, order)
    assert isinstance(refused.exception, UsageError)
    assert "Scenes for pretrained ones: reverse_process, " in str(refused.exception)


# -- what is seen and said -------------------------------------------------------------


@pytest.mark.parametrize(("pipeline", "name"), PLAYED)
def test_a_lecturer_would_show_it(
    tiny_pipelines: TinyPipelines, tmp_path: Path, pipeline: str, name: str
) -> None:
    """``rehearsed`` fails where there is a finding."""
    theme = "light" if pipeline in ("sd", "sdxl", "dit") else "dark"
    steps = 10 if name == "text_to_image" else 4
    chosen = options(tiny_pipelines, pipeline, theme=theme, steps=steps)
    chosen = scene_entry(name).taken(chosen)
    with rehearsed(name, chosen, tmp_path, lambda scene: None) as scene:
        said, cues = said_in(scene), scene.cues
    first, last = scene_entry(name).loop_of(chosen)
    assert last <= len(cues)
    begin = LOOPED.get(name, "")
    assert cues[first - 1].sentence.caption.startswith(begin)
    assert "None" not in said
    assert "digit" not in said
    assert "nan" not in said


def test_latents_are_seen_decoded_and_their_noise_as_they_are(
    tiny_pipelines: TinyPipelines, tmp_path: Path
) -> None:
    seen = set()

    def look(scene: LectureScene) -> None:
        run, i = scene.reverse, scene.axis.index
        asked = min(i, run.steps - 1)
        pictures = {scene.seen.tile: run.shown[i, 0], scene.guessed.tile: run.shown_x0[asked, 0]}
        for tile in shown_tiles(scene):
            if tile in pictures:
                np.testing.assert_array_equal(tile.picture, pictures[tile].transpose(1, 2, 0))
                seen.add((tile, i))
            elif tile is scene.named.tile:
                maps = np.clip(run.eps_hat[asked, 0].astype(np.float32) / 3, -1, 1)
                levels = np.rint((maps[0] + 1) * 127.5)
                np.testing.assert_array_equal(tile.picture[:8, :8, 0], levels)
                seen.add((tile, i))

    chosen = options(tiny_pipelines, "sd", prompt=LONG, theme="light")
    with rehearsed("reverse_process", chosen, tmp_path, look) as scene:
        run, said = scene.reverse, said_in(scene)
    assert in_latents(run)
    assert len(seen) > 6
    assert "every number of the latent is random" in said
    assert "trained on many pictures" in said
    # What the tokenizer cut off is said, and that the words were said only in part.
    rest, sentence = left_out(run)
    assert run.facts["unread"][0]["unread"].startswith(rest.strip("“”… ")[:20])
    assert sentence in said
    assert "reads only 77 tokens" in sentence
    assert "an oil painting of a frog" in said
    assert LONG not in said


def test_a_flow_has_formulas_of_its_own(tiny_pipelines: TinyPipelines) -> None:
    chosen = options(tiny_pipelines, "sd3")
    run = Store().get(scene_entry("reverse_process").runs(chosen)["reverse"]).trajectory
    assert isinstance(run, Trajectory)
    assert run.x0_hat is not None
    assert run.eps_hat is not None
    symbols = symbols_of(run)
    assert symbols.flow
    assert "(1 - sigma_t)" in symbols.guessing
    sigma = symbols.noise_weight(run)
    for i in range(1, run.steps):
        rest = run.states[i] - sigma[i] * run.eps_hat[i]
        np.testing.assert_allclose(rest / (1 - sigma[i]), run.x0_hat[i], atol=2e-2)


def test_words_that_are_changed_are_judged_by_what_came_of_them(
    tiny_pipelines: TinyPipelines,
) -> None:
    runs = scene_entry("text_to_image").runs(options(tiny_pipelines, "sdxl", steps=10))
    forks = [recipe for recipe in runs.values() if isinstance(recipe, ForksRecipe)]
    assert [recipe.after for recipe in forks] == [0, 0, 1, 2, 3, 4, 7]
    assert {recipe.samples for recipe in forks} == {1}
    assert forks[0].prompts[:2] == ("", "a photo of a frog")


def test_a_video_is_made_of_a_pretrained_model(
    tiny_pipelines: TinyPipelines, cache: Path, tmp_path: Path
) -> None:
    place = Workplace(tmp_path / "here", cache)
    order = ("scene", "reverse_process", "--model", str(tiny_pipelines["ddpm"]), "--yes")
    quick = ("--steps", "4", "--cut", "short", "--quality", "draft", "--voice", "silent")
    facts = place.render(*order, *quick, "--json", "--quiet").facts
    video = Path(place.folder, facts["video"])
    assert video.stat().st_size > 10_000
    told = Path(place.folder, facts["transcript"]).read_text(encoding="utf-8")
    assert "trained on many pictures" in told
    assert len(list(video.parent.glob("*"))) == 5


@pytest.mark.parametrize("count", [24, 12, 6, 4])
def test_a_gallery_has_full_rows(count: int) -> None:
    from scenes.reverse_process import columns_of

    columns = columns_of(count)
    assert count % columns == 0
    assert columns <= 8
    assert GALLERY == 24
