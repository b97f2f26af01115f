"""The sampler race: lanes, lines and sentences are what was recorded."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.recipe import RaceRecipe, ReverseRecipe
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from scenes.catalog import scene_entry
from scenes.options import SceneOptions
from scenes.sampler_race.chart import RULES, spread
from scenes.sampler_race.results import NAMES, Results, aloud
from scenes.sampler_race.scene import Lane, listed
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed, whole
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]
SEEDS = (0, 1)


def recipe(**options: object) -> RaceRecipe:
    found = scene_entry("sampler_race").recipes(SceneOptions(**options))["race"]  # type: ignore[arg-type]
    assert isinstance(found, RaceRecipe)
    return found


def recorded(seed: int) -> Results:
    found = Store().get(recipe(seed=seed)).trajectory
    assert isinstance(found, Bundle)
    return Results(found)


# -- what is shown -------------------------------------------------------------------


def check_lane(scene: LectureScene, lane: Lane) -> None:
    """What stands in a lane is what was recorded after as many evaluations."""
    shown, tile, run = shown_tiles(scene), lane.panel.tile, lane.run
    made = int(sum(run.facts["evaluations"][: tile.index]))
    assert made <= scene.spent.get_value() + 1e-6
    np.testing.assert_array_equal(tile.picture, as_shown(run.states[tile.index, 0]))
    assert lane.count.text == whole(made)
    if lane.guess.tile in shown:
        guess = run.x0_hat[max(tile.index - 1, 0), 0]
        np.testing.assert_array_equal(lane.guess.tile.picture, as_shown(guess))
    if lane.wrong.tile in shown:
        assert tile.index == run.steps
        end = scene.results.reference.states[-1, 0].astype(float)
        wrong = as_shown(run.states[-1, 0].astype(float) - end)
        np.testing.assert_array_equal(lane.wrong.tile.picture, wrong)
        said = lane.number[0].writing.text
        assert said == fixed(3)(run.facts["distance_to_reference"][-1][0])


def check_chart(scene: LectureScene) -> None:
    """Every mark stands where the mean of the distances is."""
    for name, line in scene.chart.lines.items():
        for result, dot in zip(scene.results.row(name), line.dots, strict=True):
            place = scene.chart.plot.at(result.nfe, np.mean(result.distances))
            assert abs(dot.get_x() - place[0]) < 1e-6
            assert dot.get_bottom()[1] < place[1] < dot.get_top()[1]


@pytest.mark.parametrize(
    ("theme", "seed", "cut"), [("dark", 0, "full"), ("light", 1, "full"), ("light", 0, "short")]
)
def test_lanes_and_lines_are_the_recording(
    rehearse: Rehearse, theme: str, seed: int, cut: str
) -> None:
    seen: dict[str, set[int]] = {name: set() for name in NAMES}
    drawn: dict[str, int] = dict.fromkeys(RULES, 0)

    def look(scene: LectureScene) -> None:
        shown = shown_tiles(scene)
        for name, lane in scene.lanes.items():
            if lane.panel.tile in shown:
                check_lane(scene, lane)
                seen[name].add(lane.panel.tile.index)
        for name, pictures in getattr(scene, "gallery", {}).items():
            for panel, result in zip(pictures[1:], scene.results.row(name), strict=True):
                if panel.tile in shown:
                    end = as_shown(result.run.states[-1, 0])
                    np.testing.assert_array_equal(panel.tile.picture, end)
                    drawn[name] += 1

    scene = rehearse("sampler_race", look, SceneOptions(seed=seed, theme=theme, cut=cut))
    results = scene.results
    assert (results.nfe, results.budgets, results.samples) == (10, [5, 10, 20, 40], 2)
    for name, lane in scene.lanes.items():
        assert {0, lane.run.steps} < seen[name]
    assert min(drawn.values()) >= len(results.budgets)
    assert scene.goal_count.text == whole(results.reference.facts["nfe"])
    check_chart(scene)


# -- what is said ---------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_converged_answer_has_converged(seed: int) -> None:
    """Another rule with many evaluations ends there, too, nearer than any racer."""
    results = recorded(seed)
    other = Store().get(ReverseRecipe(seeds=(seed,), sampler="heun", steps=120)).trajectory
    apart = results.reference.states[-1, 0].astype(float) - other.states[-1, 0]
    assert np.sqrt((apart**2).mean()) < 0.01
    # What the rules that aim at it have left to go becomes less with every race.
    for name in ("ddim", "euler", "heun", "dpmpp"):
        distances = [result.distance for result in results.row(name)]
        assert distances == sorted(distances, reverse=True)
        assert distances[-1] < distances[0] / 4


@pytest.mark.parametrize("seed", SEEDS)
def test_all_start_from_the_same_noise_and_keep_to_their_evaluations(seed: int) -> None:
    results = recorded(seed)
    for name in NAMES:
        for result in results.row(name):
            np.testing.assert_array_equal(result.run.states[0], results.reference.states[0])
            assert result.nfe == sum(result.run.facts["evaluations"]) <= result.allowed
            assert result.allowed - result.nfe <= 1
    assert results.reference.facts["nfe"] > 3 * results.budgets[-1]
    # "Heun looks twice at every step, so its steps are fewer": not so at the first and the last.
    heun = results.of("heun").run
    assert set(heun.facts["evaluations"][1:-1]) == {2}
    assert heun.steps < results.of("ddim").run.steps
    # "DPM-Solver++ looks once a step."
    assert set(results.of("dpmpp").run.facts["evaluations"]) == {1}


@pytest.mark.parametrize("seed", SEEDS)
def test_ddpm_goes_elsewhere_and_euler_is_ddim(seed: int) -> None:
    results = recorded(seed)
    ddpm = results.of("ddpm")
    assert ddpm.run.facts["random"]
    last = {name: results.row(name)[-1].distances[0] for name in ("ddpm", *results.ranking)}
    assert last.pop("ddpm") > 2 * max(last.values())
    assert "never arrives" in results.of_ddpm()
    ends = [result.run.states[-1].astype(float) for result in results.row("ddpm")]
    assert all(np.sqrt(((a - b) ** 2).mean()) > 0.2 for a, b in pairwise(ends))
    assert "arrive at the same picture" in results.of_ddim_and_euler()
    for ddim, euler in zip(results.row("ddim"), results.row("euler"), strict=True):
        np.testing.assert_allclose(ddim.run.states[-1], euler.run.states[-1], atol=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_and_the_gains_are_those_of_the_recording(seed: int) -> None:
    results = recorded(seed)
    ends = {name: results.of(name).run.facts["distance_to_reference"][-1] for name in NAMES}
    first, second, third = sorted(("ddim", "heun", "dpmpp"), key=lambda name: ends[name][0])
    assert f"{NAMES[first]} is nearest, then {NAMES[second]}, then {NAMES[third]}" in (
        results.who_is_nearest()
    )
    mean = {name: [result.distance for result in results.row(name)] for name in RULES}
    assert f"{mean['ddim'][1] / mean['ddim'][3]:.1f} times nearer" in results.of_ddim()
    assert f"{mean['heun'][1] / mean['heun'][3]:.1f} times nearer" in results.of_heun()
    assert f"{mean['ddim'][3] / mean['dpmpp'][3]:.1f} times as precise" in results.of_dpmpp()
    # With few evaluations the second look costs more than it brings; with many it pays.
    assert "pays from NFE 20 on" in results.of_heun()
    assert mean["heun"][1] > mean["ddim"][1]
    assert mean["heun"][2] < mean["ddim"][2]


def fake(distances: dict[str, list[float]], apart: float = 0.0) -> Results:
    """What the sentences read: no picture is looked at here."""
    states = np.zeros((2, 1, 1, 2, 2), np.float32)

    def run(**facts: object) -> Trajectory:
        return Trajectory(states, np.array([5, -1]), np.ones(2), facts=facts)

    runs = {"reference": run(runner="reference")}
    for runner in NAMES:
        for nfe, distance in zip((10, 20, 40), distances.get(runner, [0.4, 0.2, 0.1]), strict=True):
            runs[f"{runner} {nfe}"] = run(
                runner=runner,
                nfe_allowed=nfe,
                nfe=nfe,
                distance_to_reference=[[9.0], [distance]],
                distance_to={"euler": [apart]},
            )
    return Results(Bundle(runs))


def test_each_outcome_has_its_sentence() -> None:
    assert "pays from the start" in fake({"heun": [0.3, 0.1, 0.05]}).of_heun()
    assert "does not pay here" in fake({"heun": [0.5, 0.3, 0.2]}).of_heun()
    assert "changes from race to race" in fake({"heun": [0.3, 0.3, 0.05]}).of_heun()
    assert "pays from NFE 40 on" in fake({"heun": [0.5, 0.3, 0.05]}).of_heun()
    assert "2.0 times as precise" in fake({"dpmpp": [0.4, 0.1, 0.05]}).of_dpmpp()
    assert "DDIM is nearer" in fake({"dpmpp": [0.4, 0.3, 0.2]}).of_dpmpp()
    assert "never arrives" in fake({"ddpm": [0.6, 0.7, 0.5]}).of_ddpm()
    assert "comes nearer" in fake({"ddpm": [0.6, 0.4, 0.1]}).of_ddpm()
    assert "differ 0.010" in fake({}, apart=0.01).of_ddim_and_euler()
    assert fake({}).of_ddim() == "DDIM: with 4 times the work, it comes 4.0 times nearer."


def test_guidance_asks_twice_so_that_all_have_as_many_steps() -> None:
    assert (recipe().nfe, recipe().also) == (10, (5, 20, 40))
    asked = recipe(prompt="a seven")
    assert (asked.guidance, asked.nfe, asked.also) == (2.0, 20, (10, 40, 80))
    assert recipe(prompt="a seven", guidance=1.0).nfe == 10


def test_names_that_stand_too_close_are_spread() -> None:
    assert spread([0.0, 1.0, 5.0], 1.0) == [0.0, 1.0, 5.0]
    assert spread([2.0, 0.0, 2.1], 1.0) == pytest.approx([1.55, 0.0, 2.55])
    assert spread([0.0, 0.0, 1.0], 1.0) == pytest.approx([-2 / 3, 1 / 3, 4 / 3])
    gaps = np.diff(sorted(spread([0.3, 0.31, 0.29, 1.2, 1.5], 0.4)))
    assert gaps.min() > 0.4 - 1e-9


def test_sentences_are_said_as_a_lecturer_says_them() -> None:
    assert aloud("DPM-Solver++ at NFE 40") == "D P M-Solver plus plus at N F E 40"
    assert (listed(["5"]), listed(["5", "20", "40"])) == ("5", "5, 20 and 40")
