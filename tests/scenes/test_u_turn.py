"""The U-turn: what is said of the row of t is so in the recording, and so is what is shown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from scenes.catalog import scene_entry
from scenes.digits import DIGITS
from scenes.options import SceneOptions
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed
from scenes.u_turn.reading import how_often, returns, survivors, turning_class, what_turned
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]
SEEDS = (0, 1)


def recorded(seed: int, name: str) -> Bundle:
    recipe = scene_entry("u_turn").recipes(SceneOptions(seed=seed, steps=10))[name]
    found = Store().get(recipe).trajectory
    assert isinstance(found, Bundle)
    return found


@pytest.mark.parametrize(("theme", "seed"), [("dark", 0), ("light", 1), ("light", 0), ("dark", 1)])
def test_tiles_and_numbers_are_the_recording(rehearse: Rehearse, theme: str, seed: int) -> None:
    seen: set[tuple[int, int]] = set()

    def look(scene: LectureScene) -> None:
        share = scene.playhead.get_value()
        panels = {id(panel.tile): i for i, panel in enumerate(scene.back)}
        for tile in shown_tiles(scene):
            if id(tile) in panels:
                way = returns(scene.turned)[panels[id(tile)]]
                index = int(share * way.steps + 1e-6)
                np.testing.assert_array_equal(tile.picture, as_shown(way.states[index, 0]))
                seen.add((panels[id(tile)], index))

    scene = rehearse("u_turn", look, SceneOptions(seed=seed, steps=10, theme=theme))
    with pytest.raises(TypeError, match=r"several runs; ask for them with runs\('u_turn'\)"):
        scene.run("u_turn")
    for i, way in enumerate(returns(scene.turned)):
        assert {(i, 0), (i, way.steps)} <= seen
        written = scene.numbers[i][0].writing.text
        assert written == fixed(2)(way.facts["rms_to_x0"][0])
        above = scene.out[i].tile.picture
        np.testing.assert_array_equal(above, as_shown(scene.turned["forward"].states[i + 1, 0]))
        assert scene.out[i].label[0].writing.text == f"t = {way.timesteps[0]}"


@pytest.mark.parametrize("seed", SEEDS)
def test_little_noise_brings_the_same_picture_back(seed: int) -> None:
    turned = recorded(seed, "u_turn")
    first, *_, last = returns(turned)
    # "almost to the pixel": of a range of 2.
    assert max(first.facts["rms_to_x0"]) < 0.2
    assert survivors(first, turned["forward"].facts["class"]) == first.states.shape[1]
    assert min(last.facts["rms_to_x0"]) > 2 * max(first.facts["rms_to_x0"])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_more_noise_the_further_from_the_picture(seed: int) -> None:
    mean = [np.mean(way.facts["rms_to_x0"]) for way in returns(recorded(seed, "u_turn"))]
    assert mean == sorted(mean)


def coarse(x: np.ndarray) -> np.ndarray:
    """Means of blocks of 4 × 4 pixels, spread over them again."""
    B, C, H, W = x.shape
    means = x.reshape(B, C, H // 4, 4, W // 4, 4).mean((3, 5), keepdims=True)
    return np.broadcast_to(means, (B, C, H // 4, 4, W // 4, 4)).reshape(x.shape)


@pytest.mark.parametrize("seed", SEEDS)
def test_details_are_lost_first(seed: int) -> None:
    """What is finer than four pixels has lost a larger share of itself than what is coarser."""
    turned = recorded(seed, "u_turn")
    x_0 = turned["forward"].states[0].astype(np.float64)
    for way in returns(turned)[:2]:
        end = way.states[-1].astype(np.float64)
        wrong, rough = end - x_0, coarse(x_0)
        of_coarse = (coarse(wrong) ** 2).mean() / (rough - rough.mean()).var()
        of_fine = ((wrong - coarse(wrong)) ** 2).mean() / (x_0 - rough).var()
        assert of_fine > of_coarse


@pytest.mark.parametrize("seed", SEEDS)
def test_the_sentences_of_another_digit_are_true(seed: int) -> None:
    turned = recorded(seed, "u_turn")
    mine, ways = turned["forward"].facts["class"], returns(turned)
    at, said = turning_class(turned), what_turned(turned)
    classes = [way.facts["final_class"][0] for way in ways]
    if at is None:
        assert classes[-1] == mine
        assert said.startswith("Even from t = 900")
    else:
        assert mine not in classes[at:]
        assert at == 0 or classes[at - 1] == mine
        assert f"t = {ways[at].timesteps[0]}," in said
        assert DIGITS[classes[at]] in said
    kept = ways[-1].facts["final_class"].count(mine)
    counted = {0: "none", 3: "all"}.get(kept, f"{kept} of 3")
    assert f"{counted} {'is' if kept == 1 else 'are'} still" in how_often(turned)


def fake(classes: list[list[int]], mine: int | None) -> Bundle:
    """What a judge might read: no picture is looked at here."""
    states = np.zeros((2, len(classes[0]), 1, 2, 2), np.float32)

    def run(**facts: object) -> Trajectory:
        return Trajectory(
            states=states, timesteps=np.array([5, -1]), alpha_bar=np.ones(2), facts=facts
        )

    forward = run() if mine is None else run(**{"class": mine})
    ways = {
        f"from {t}": run(turn=t) if mine is None else run(turn=t, final_class=found)
        for t, found in enumerate(classes, 100)
    }
    return Bundle({"forward": forward, **ways})


def test_each_outcome_has_its_sentence() -> None:
    assert (
        what_turned(fake([[4], [8]], 4)) == "From t = 101, it is another digit: an eight came back."
    )
    assert what_turned(fake([[8], [4]], 4)) == "Even from t = 101, this four came back as a four."
    assert how_often(fake([[4, 4]], 4)).endswith("all are still a four.")
    assert how_often(fake([[4, 1]], 4)).endswith("1 of 2 is still a four.")
    assert how_often(fake([[0, 1]], 8)).endswith("none are still an eight.")
    # A model of other things than digits: nobody reads its pictures.
    assert "digit" not in what_turned(fake([[0, 1]], None)) + how_often(fake([[0, 1]], None))


@pytest.mark.parametrize("seed", SEEDS)
def test_too_little_noise_repairs_nothing_and_enough_of_it_costs_the_rest(seed: int) -> None:
    first, *_, last = returns(recorded(seed, "repair"))
    [hole_first], [hole_last] = (way.facts["hole_to_damaged"] for way in (first, last))
    [rest_first], [rest_last] = (way.facts["rest_to_x0"] for way in (first, last))
    assert hole_first < 0.1 < 0.5 * first.facts["hole_to_x0"][0]
    assert hole_last > 3 * hole_first
    assert rest_last > 2 * rest_first
