"""From play to lecture: the command makes what is on the page, and it can be made there."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import render
from diffusion_core.errors import LectureError, UsageError
from diffusion_core.recipe import fingerprint
from explorer.handles import Stopped
from explorer.lecture import Line, command_line, render_scene, scene_arguments
from scenes.catalog import scene_entry
from scenes.options import SceneOptions
from studio.video import probe

PLAYED = {
    "forward_process": SceneOptions(image="temple", seed=7, schedule="linear"),
    "reverse_process": SceneOptions(prompt="a bold seven", guidance=3.5, seed=4, steps=20),
    "noise_brush": SceneOptions(
        sampler="ddpm", seed=2**32 - 1, recipe='{"dabs": [[0.4, 0.5]], "image": "temple"}'
    ),
    "similar_noise": SceneOptions(seed=3, schedule="sigmoid"),
    "u_turn": SceneOptions(steps=25, sampler="heun"),
    "score_field": SceneOptions(
        schedule="linear", recipe='{"drawn": [[0.1, -0.4], [1.2, 0.8]], "std": 0.15, "steps": 50}'
    ),
}


@pytest.mark.parametrize("name", PLAYED)
def test_the_command_names_the_same_recipes(name: str) -> None:
    line = command_line(scene_arguments(name, PLAYED[name]))
    python, program, *arguments = shlex.split(line)
    assert (python, program) == ("python", "render.py")
    done = CliRunner().invoke(render.cli, [*arguments, "--dry-run", "--json"])
    assert done.exit_code == 0, done.output
    found = {key: facts["fingerprint"] for key, facts in json.loads(done.output)["recipes"].items()}
    wanted = scene_entry(name).runs(PLAYED[name])
    assert found == {key: fingerprint(recipe) for key, recipe in wanted.items()}


def test_what_is_usual_is_not_spelt_out() -> None:
    assert scene_arguments("forward_process", SceneOptions()) == ["scene", "forward_process"]


def test_a_path_with_spaces_is_quoted() -> None:
    options = SceneOptions(image="/a room/my cat.png")
    line = command_line(scene_arguments("forward_process", options))
    assert line == "python render.py scene forward_process --image '/a room/my cat.png'"


def test_an_unknown_scene_is_said_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="did you mean 'forward_process'"):
        scene_arguments("forward", SceneOptions())


def test_a_scene_is_rendered_and_its_progress_told(tmp_path: Path) -> None:
    told: list[Any] = []
    arguments = ["scene", "sampling_closing", "--steps", "2", "--voice", "silent", "--cut", "short"]
    video = render_scene(arguments, tmp_path, told.append)
    assert video.parent == tmp_path
    assert probe(video).video_duration > 1
    assert all(isinstance(line, Line) for line in told)
    assert any("rendering sampling_closing: done" in line.text for line in told)


def test_what_the_command_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(LectureError, match="has no use for --prompt"):
        render_scene(["scene", "forward_process", "--prompt", "x"], tmp_path, lambda line: None)


def test_a_video_that_is_not_wanted_any_more_ends_its_process(tmp_path: Path) -> None:
    def unwanted(line: object) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        render_scene(["scene", "forward_process"], tmp_path, unwanted)
    assert not list(tmp_path.rglob("*.mp4"))


def test_a_recipe_is_the_same_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "u turn.json"
    path.write_text('{ "turns": [640] }\n')
    found = []
    for recipe in (str(path), '{"turns":[640]}'):
        arguments = ["scene", "u_turn", "--recipe", recipe, "--dry-run", "--json"]
        done = CliRunner().invoke(render.cli, arguments)
        assert done.exit_code == 0, done.output
        found.append(json.loads(done.output))
    assert found[0] == found[1]
    assert "recipe" in Path(found[0]["video"]).stem
