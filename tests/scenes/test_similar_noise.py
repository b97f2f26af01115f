"""Similar noise: what is said of patch, sample and way is so in the recording, and is shown."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.errors import UsageError
from diffusion_core.store import Store
from scenes.catalog import scene_entry
from scenes.options import SceneOptions
from scenes.similar_noise import change, middle, strongest_inside
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]
SEEDS = (0, 1)


def recorded(seed: int, name: str) -> Bundle:
    recipe = scene_entry("similar_noise").recipes(SceneOptions(seed=seed, steps=10))[name]
    found = Store().get(recipe).trajectory
    assert isinstance(found, Bundle)
    return found


@pytest.mark.parametrize(("theme", "seed"), [("dark", 0), ("light", 1), ("light", 0), ("dark", 1)])
def test_tiles_and_numbers_are_the_recording(rehearse: Rehearse, theme: str, seed: int) -> None:
    seen: set[tuple[str, int, int]] = set()

    def look(scene: LectureScene) -> None:
        i = scene.axis.index
        one, other = scene.noises["original"], scene.noises["patch"]
        recorded = {
            id(scene.first.tile): ("original", 0, one.states[i, 0]),
            id(scene.second.tile): ("patch", 0, other.states[i, 0]),
            id(scene.differs.tile): ("change", 0, change(one, other, 0)[i]),
        }
        for attribute, changed in (("patched", "patch"), ("samples", "entry")):
            rows = [(name, scene.noises[name]) for name in ("original", changed)]
            for (name, run), row in zip(rows, getattr(scene, attribute, ()), strict=False):
                for b, panel in enumerate(row):
                    recorded[id(panel.tile)] = name, b, run.states[i, b]
        for (name, run), row in zip(scene.ways.items(), getattr(scene, "rows", ()), strict=False):
            for b, panel in enumerate(row):
                recorded[id(panel.tile)] = name, b, run.states[i, b]
        for tile in shown_tiles(scene):
            name, b, state = recorded[id(tile)]
            np.testing.assert_array_equal(tile.picture, as_shown(state))
            seen.add((name, b, i))

    scene = rehearse("similar_noise", look, SceneOptions(seed=seed, steps=10, theme=theme))
    last = scene.noises["original"].steps
    for name, count in (("original", 6), ("patch", 6), ("entry", 6), ("lerp", 8), ("slerp", 8)):
        assert {(name, b, i) for b in range(count) for i in (0, last)} <= seen
    assert {("change", 0, i) for i in (0, last)} <= seen
    facts = scene.noises["patch"].facts
    written = [line[0].writing.text for line in scene.numbers]
    assert written == [
        f"inside the patch {fixed(2)(facts['rms_inside'][0])}",
        f"outside {fixed(2)(facts['rms_outside'][0])}",
    ]
    for sizes, run in zip(scene.sizes, scene.ways.values(), strict=True):
        assert [n[0].writing.text for n in sizes] == [
            fixed(2)(value) for value in run.facts["rms_of_start"]
        ]


@pytest.mark.parametrize("seed", SEEDS)
def test_only_the_patch_is_new_and_the_picture_changes_most_there(seed: int) -> None:
    noises = recorded(seed, "similar_noise")
    top, left, height, width = noises.facts["recipe"]["patch"]
    within = np.zeros((28, 28), bool)
    within[top : top + height, left : left + width] = True
    start = change(noises["original"], noises["patch"], 0)[0, 0] + 1
    assert not start[~within].any()
    assert (start[within] > 0).all()
    facts = noises["patch"].facts
    assert facts["rms_inside"][0] > facts["rms_outside"][0] > 0
    assert strongest_inside(noises["patch"]).startswith("In all 6 pictures")
    assert (np.array(facts["rms_inside"]) > facts["rms_outside"]).all()


def test_what_is_not_so_everywhere_is_counted() -> None:
    run = recorded(0, "similar_noise")["patch"]
    inside, outside = run.facts["rms_inside"], run.facts["rms_outside"]
    facts = run.facts | {"rms_inside": [outside[0], *inside[1:]], "rms_outside": outside}
    assert strongest_inside(replace(run, facts=facts)).startswith("In 5 of 6 pictures")


@pytest.mark.parametrize("seed", SEEDS)
def test_other_noise_for_one_sample_changes_no_other(seed: int) -> None:
    noises = recorded(seed, "similar_noise")
    entry = noises.facts["recipe"]["entry"]
    changed = noises["entry"].facts["rms_change"]
    assert changed[entry] > 0.3
    np.testing.assert_allclose([*changed[:entry], *changed[entry + 1 :]], 0, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_patch_changes_less_than_all_of_the_noise(seed: int) -> None:
    noises = recorded(seed, "similar_noise")
    whole = noises["entry"].facts["rms_change"][noises.facts["recipe"]["entry"]]
    assert np.mean(noises["patch"].facts["rms_change"]) < whole


@pytest.mark.parametrize("seed", SEEDS)
def test_the_straight_line_shrinks_the_noise_and_the_sphere_keeps_it(seed: int) -> None:
    ways = recorded(seed, "between")
    half = middle(ways["lerp"])
    assert ways["lerp"].facts["rms_of_start"][half] == pytest.approx(np.sqrt(0.5), abs=0.05)
    np.testing.assert_allclose(ways["slerp"].facts["rms_of_start"], 1, atol=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_close_noises_give_pictures_that_are_closer_than_those_of_the_ends(seed: int) -> None:
    for run in recorded(seed, "between").values():
        ends = run.states[-1].astype(np.float64)
        steps = [np.sqrt(((b - a) ** 2).mean()) for a, b in itertools.pairwise(ends)]
        assert np.mean(steps) < 0.75 * np.sqrt(((ends[-1] - ends[0]) ** 2).mean())


def test_both_ways_begin_and_end_with_the_same_noise() -> None:
    ways = recorded(0, "between")
    for end in (0, -1):
        np.testing.assert_allclose(
            ways["lerp"].states[0, end], ways["slerp"].states[0, end], atol=1e-6
        )


def test_a_sampler_that_adds_noise_is_refused() -> None:
    with pytest.raises(UsageError, match="adds noise of its own"):
        scene_entry("similar_noise").recipes(SceneOptions(sampler="ddpm"))
