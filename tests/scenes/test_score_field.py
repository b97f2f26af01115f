"""The score field: arrows, dots and sentences are what was recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.experiment_runs import run_experiment
from diffusion_core.recipe import ScoreFieldRecipe
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from scenes.catalog import scene_entry
from scenes.options import SceneOptions
from scenes.score_field.reading import (
    arrived,
    errors,
    gone,
    homewards,
    length,
    likely,
    moment,
    paths,
    places,
    score,
)
from scenes.score_field.words import EARLY, LATE, SHAPED, aloud, percent
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import Readout, fixed, whole
from scenes.stage.plane import Arrows, Dots, Moving
from tests.scenes.test_on_screen import shown_tiles

Rehearse = Callable[..., LectureScene]
SEEDS = (0, 1)
RUNS = {"exact": "field", "learned": "field learned"}


def recorded(seed: int) -> Bundle:
    recipe = scene_entry("score_field").recipes(SceneOptions(seed=seed))["score_field"]
    found = Store().get(recipe).trajectory
    assert isinstance(found, Bundle)
    return found


# -- what is shown -------------------------------------------------------------------


def opacity(moving: Moving) -> float:
    return float(moving.get_fill_opacity())


def check_arrows(arrows: Arrows, run: Trajectory, index: int) -> None:
    """Every arrow of a field points as the recorded score does."""
    asked = min(index, run.steps - 1)
    assert run.eps_hat is not None
    expected = -run.eps_hat[asked, arrows.seen, :, 0, 0].astype(float)  # in its direction
    darts = arrows.points.reshape(-1, 16, 3)
    along = (darts[:, 0] - darts[:, 8])[:, :2]
    sizes = np.linalg.norm(along, axis=1) * np.linalg.norm(expected, axis=1)
    np.testing.assert_allclose((along * expected).sum(axis=1), sizes, rtol=1e-4, atol=1e-9)


def check_dots(dots: Dots, run: Trajectory, index: int) -> None:
    """Every dot stands where the particle was, and those that are missing are outside."""
    points = run.states[index, :, :, 0, 0]
    within = (np.abs(points) <= dots.plane.reach).all(axis=1)
    middles = dots.points.reshape(-1, 16, 3).mean(axis=1)
    np.testing.assert_allclose(middles, dots.plane.at(points[within]), atol=1e-6)


def check_marks(dots: Dots, drawn: np.ndarray) -> None:
    """What was drawn stands where it was drawn, before there is noise and when it is gone."""
    middles = dots.points.reshape(-1, 16, 3).mean(axis=1)
    assert len(middles) > 0
    np.testing.assert_allclose(middles, dots.plane.at(drawn), atol=1e-6)


def check_stage(scene: LectureScene) -> set[str]:
    """What is on the stage is of the moment; returns the names of what was looked at."""
    found, index = scene.found, scene.axis.index
    family = scene.get_mobject_family_members()
    seen = set()
    assert scene.axis.time.text == whole(float(scene.ode.timesteps[index]))
    for tile in shown_tiles(scene):
        density = found["density"].states[index, 0, 0]
        glow = tile.picture.astype(float)
        away = np.abs(glow - glow[np.unravel_index(density.argmin(), density.shape)]).sum(axis=2)
        brightest = np.unravel_index(away.argmax(), away.shape)
        assert density[brightest] > 0.98 * density.max()
        assert np.corrcoef(away.ravel(), density.ravel())[0, 1] > 0.9
        seen.add("glow")
    colours = {scene.theme.quiet: "field", scene.theme.prediction: "field learned"}
    for arrows in family:
        if isinstance(arrows, Arrows) and opacity(arrows) > 0.99:
            name = colours[arrows.get_color().to_hex().lower()]
            check_arrows(arrows, found[name], index)
            seen.add(name)
    rims = {scene.theme.background: "rim", scene.theme.signal: "mark"}
    for dots in family:
        if isinstance(dots, Dots) and opacity(dots) > 0.99:
            if (what := rims.get(dots.get_color().to_hex().lower())) is not None:
                check_marks(dots, np.array(found.facts["recipe"]["drawn"]))
                seen.add(what)
                continue
            noisy = dots.get_color().to_hex().lower() == scene.theme.noise
            right = dots.plane is not scene.plane
            name = "sde" if noisy else "ode learned" if right else "ode"
            check_dots(dots, found[name], index)
            seen.add(name)
    for readout in family:
        if isinstance(readout, Readout) and readout.name == '"error"' and readout.updaters:
            expected = errors(found)[min(index, found["field"].steps - 1)]
            assert readout.text == fixed(scene.say.decimals)(expected)
            seen.add("error")
    return seen


@pytest.mark.parametrize(
    ("theme", "seed", "cut"), [("dark", 0, "full"), ("light", 1, "full"), ("light", 0, "short")]
)
def test_what_is_in_the_plane_is_the_recording(
    rehearse: Rehearse, theme: str, seed: int, cut: str
) -> None:
    seen: set[str] = set()
    moments: set[int] = set()

    def look(scene: LectureScene) -> None:
        seen.update(check_stage(scene))
        moments.add(scene.axis.index)

    scene = rehearse("score_field", look, SceneOptions(seed=seed, theme=theme, cut=cut))
    everything = {"glow", "field", "field learned", "error", "ode", "ode learned"}
    if cut == "full":
        everything |= {"sde"}
        check_sentences(scene)
    assert seen == everything
    assert {0, moment(scene.ode, SHAPED), scene.ode.steps} <= moments


def check_sentences(scene: LectureScene) -> None:
    """The numbers that are said are the recording's."""
    found = scene.found
    said = " ".join(cue.sentence.caption for cue in scene.cues)
    error = errors(found)
    for t in (EARLY, LATE):
        index = moment(found["ode"], t)
        percent = f"{100 * error[index]:.0f} %"
        assert f"at t = {found['ode'].timesteps[index]}, {percent} off" in said
    assert f"By the learned arrows, {arrived(found['ode learned'], found['density'])} of" in said
    assert f"{length(found['sde']) / length(found['ode']):.0f} times as long" in said
    landed = arrived(found["ode"], found["density"])
    assert f"{'All of them' if landed == 400 else f'{landed} of 400'} arrive" in said


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.51, "51 %"),
        (0.02, "2 %"),
        (0.0096, "1 %"),
        (0.0094, "0.9 %"),
        (0.0004, "less than 0.1 %"),
    ],
)
def test_what_is_not_nothing_is_not_said_to_be_nothing(share: float, said: str) -> None:
    assert percent(share) == said


def test_sentences_are_said_as_a_lecturer_says_them() -> None:
    assert aloud("at t = 499, 2 % off") == "at t equals 499, 2 percent off"


# -- what is said ---------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_of_the_spiral_is_left_at_the_end(seed: int) -> None:
    density = recorded(seed)["density"]
    side, reach = density.facts["side"], density.facts["reach"]
    y, x = np.mgrid[reach : -reach : side * 1j, -reach : reach : side * 1j]
    normal = np.exp(-(x**2 + y**2) / 2) / (2 * np.pi)
    np.testing.assert_allclose(density.states[0, 0, 0], normal, atol=0.01 * normal.max())
    assert density.timesteps[-1] == -1
    # Of the data half the plane holds next to nothing.
    data = density.states[-1, 0, 0]
    assert np.median(data) < 0.001 * data.max()


@pytest.mark.parametrize("seed", SEEDS)
def test_an_arrow_points_up_the_steepest_way(seed: int) -> None:
    """The score is the slope of the logarithm of the density, which was worked out by itself."""
    found = recorded(seed)
    density, field = found["density"], found["field"]
    side, reach = density.facts["side"], density.facts["reach"]
    index = moment(field, 299)
    log_p = np.log(density.states[index, 0, 0, ::-1].astype(float))
    dy, dx = np.gradient(log_p, 2 * reach / (side - 1))
    every = (side - 1) // (field.facts["side"] - 1)
    inner = (np.abs(places(field)) < reach - 1e-6).all(axis=1)
    slope = np.stack([dx[::every, ::every].T.ravel(), dy[::every, ::every].T.ravel()], axis=1)
    np.testing.assert_allclose(score(field)[index][inner], slope[inner], atol=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_arrows_point_to_the_middle_at_first_and_to_the_nearest_arm_at_last(seed: int) -> None:
    found = recorded(seed)
    field = found["field"]
    assert homewards(field, 0) > 0.999
    assert homewards(field, field.steps - 1) < 0.8
    # At last each points to the data that is nearest, as exactly as its clumps allow.
    where, arrows = places(field), score(field)[-1]
    data = paths(found["ode"])[-1]
    there = data[np.linalg.norm(where[:, None] - data, axis=2).argmin(axis=1)] - where
    outside = np.linalg.norm(there, axis=1) > 0.3
    along = (there * arrows).sum(axis=1)
    along /= np.linalg.norm(there, axis=1) * np.linalg.norm(arrows, axis=1)
    assert outside.sum() > 100
    assert (along[outside] > 0.8).mean() > 0.9
    assert np.median(along[outside]) > 0.98


def steps_along_the_arrow(run: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """c_t and what is left of each step beside the stretch and c_t times the score, (N − 1,)."""
    x, arrows = paths(run), score(run)
    stretch = np.sqrt(run.alpha_bar[1:-1] / run.alpha_bar[:-2])[:, None, None]
    moved = x[1:-1] - stretch * x[:-2]
    c = (moved * arrows[:-1]).sum((1, 2)) / (arrows[:-1] ** 2).sum((1, 2))
    rest = moved - c[:, None, None] * arrows[:-1]
    return c, np.sqrt((rest**2).mean((1, 2)))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_step_is_a_stretch_and_some_of_the_arrow(seed: int) -> None:
    found = recorded(seed)
    ode, sde = found["ode"], found["sde"]
    c, rest = steps_along_the_arrow(ode)
    assert (c > 0).all()
    assert rest.max() < 1e-4
    # "takes back a little shrinking": the factor is above 1, and the more noise the larger.
    assert (np.diff(ode.alpha_bar) > 0).all()
    # "further along the arrow, and fresh noise at every step".
    further, jitter = steps_along_the_arrow(sde)
    assert np.median(further / c) > 1.5
    assert (jitter > 10 * rest.max()).all()
    np.testing.assert_array_equal(ode.states[0], sde.states[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_hardly_anything_moves_at_first_and_then_points_go_to_the_arm_that_is_near(
    seed: int,
) -> None:
    x = paths(recorded(seed)["ode"])
    shaped = moment(recorded(seed)["ode"], SHAPED)
    early = np.linalg.norm(x[shaped] - x[0], axis=1).mean()
    late = np.linalg.norm(x[-1] - x[shaped], axis=1).mean()
    assert early < late / 2
    own = np.linalg.norm(x[-1] - x[shaped], axis=1)
    others = np.linalg.norm(x[-1][:, None] - x[shaped], axis=2)
    assert own.mean() < others.mean() / 3


@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "sigmoid"])
def test_under_every_schedule_arrows_hold_the_cloud_together_at_first(schedule: str) -> None:
    options = SceneOptions(schedule=schedule)
    recipe = scene_entry("score_field").recipes(options)["score_field"]
    assert isinstance(recipe, ScoreFieldRecipe)
    found = run_experiment(replace(recipe, training_steps=0, density_side=0, samples=100))
    assert homewards(found["field"], 0) > 0.999
    assert gone(found["ode"], moment(found["ode"], SHAPED)) < 0.25


@pytest.mark.parametrize("seed", SEEDS)
def test_both_crowds_are_alike_at_every_moment_and_the_jittery_way_is_longer(seed: int) -> None:
    found = recorded(seed)
    ode, sde = paths(found["ode"]), paths(found["sde"])
    for index in range(0, len(ode), 10):
        shares = [
            np.histogram2d(*crowd[index].T, bins=4, range=[[-3, 3]] * 2)[0] / len(crowd[index])
            for crowd in (ode, sde)
        ]
        assert np.abs(shares[0] - shares[1]).sum() / 2 < 0.15
    assert length(found["sde"]) > 20 * length(found["ode"])
    for name in ("ode", "sde"):
        assert arrived(found[name], found["density"]) > 390


@pytest.mark.parametrize("seed", SEEDS)
def test_the_learned_arrows_are_right_in_much_noise_and_err_near_the_data(seed: int) -> None:
    found = recorded(seed)
    error = errors(found)
    early, late = (error[moment(found["ode"], t)] for t in (EARLY, LATE))
    assert early < 0.05 < 3 * early < late
    np.testing.assert_array_equal(found["ode learned"].states[0], found["ode"].states[0])
    landed = arrived(found["ode learned"], found["density"])
    assert 340 < landed <= arrived(found["ode"], found["density"])


# -- how it is read -------------------------------------------------------------------


def test_places_of_the_field_are_found_in_the_density() -> None:
    found = recorded(0)
    weight = likely(found["field"], found["density"])
    where = places(found["field"])
    normal = np.exp(-(where**2).sum(axis=1) / 2) / (2 * np.pi)
    np.testing.assert_allclose(weight[0], normal, atol=0.002)
    # Not symmetric any more later on: the rows are not mistaken for columns.
    field = found["field"]
    index = moment(field, 199)
    lengths = np.linalg.norm(score(field)[index], axis=1)
    assert np.corrcoef(np.log(weight[index]), lengths)[0, 1] < -0.5
    data = paths(found["ode"])[index]
    nearest = np.linalg.norm(where[:, None] - data, axis=2).argmin(axis=0)
    counted = np.bincount(nearest, minlength=len(where))
    assert np.corrcoef(counted, weight[index])[0, 1] > 0.8
    density = found["density"]
    other = Trajectory(
        density.states[..., :101, :101],
        density.timesteps,
        density.alpha_bar,
        facts={**density.facts, "side": 101},
    )
    with pytest.raises(ValueError, match="17 places of the field are not among the 101"):
        likely(field, other)
