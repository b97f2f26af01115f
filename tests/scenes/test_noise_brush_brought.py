"""A canvas that the noise brush is brought: shown as on the page, and told as it was recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from diffusion_core.bundle import Bundle
from diffusion_core.errors import UsageError
from diffusion_core.experiments.canvas import dabbed, measured_std
from diffusion_core.recipe import BrushRecipe, CanvasRecipe
from diffusion_core.store import Store
from scenes.catalog import scene_entry
from scenes.noise_brush.canvas import ALIKE, NEW, CanvasTelling, telling_of
from scenes.noise_brush.dabs import DabbingTip, Dabs
from scenes.noise_brush.laying import MOMENTS
from scenes.options import SceneOptions
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed, whole
from scenes.stage.tiles import Frames, Tile
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]
ROW = [[0.4, 0.3 + 0.02 * i] for i in range(20)]
BROUGHT: dict[str, dict[str, Any]] = {
    # A row of dabs, of as much noise as t stands for.
    "fits": {"dabs": ROW, "radius": 0.12, "strength": 0.28, "t": 600},
    # One dab at the edge of a picture of one's own, far too little, and nothing is held fast.
    "little": {
        "dabs": [[0.0, 1.0]],
        "radius": 0.3,
        "strength": 0.2,
        "t": 600,
        "outside": "free",
        "image": "flower",
    },
    # Dabs that jump about and pile up, with more noise than the t of a short way back.
    "much": {
        "dabs": [[0.3, 0.3], [0.7, 0.7], [0.3, 0.3]],
        "radius": 0.1,
        "strength": 1,
        "t": 120,
        "image": "flower",
    },
    # A brush that is larger than the picture.
    "whole": {"dabs": [[0.5, 0.4], [0.5, 0.6]], "radius": 1, "strength": 0.55, "t": 600},
}


def options(name: str, **more: Any) -> SceneOptions:
    return SceneOptions(seed=19, steps=10, recipe=json.dumps(BROUGHT[name]), **more)


def recipe(name: str) -> CanvasRecipe:
    found = scene_entry("noise_brush").runs(options(name))["brush"]
    assert isinstance(found, CanvasRecipe)
    return found


def told(name: str) -> CanvasTelling:
    found = Store().get(recipe(name)).trajectory
    assert isinstance(found, Bundle)
    telling = telling_of(found)
    assert isinstance(telling, CanvasTelling)
    return telling


# -- what it is brought ----------------------------------------------------------------


def test_what_is_brought_is_what_is_run() -> None:
    found = recipe("little")
    assert (found.dabs, found.radius, found.strength) == (((0.0, 1.0),), 0.3, 0.2)
    assert (found.t, found.outside, found.image) == (600, "free", "flower")
    assert (found.seed, found.steps, found.samples) == (19, 10, 9)
    usual = scene_entry("noise_brush").runs(SceneOptions(seed=19, steps=10))["brush"]
    assert isinstance(usual, BrushRecipe)


@pytest.mark.parametrize(
    ("brought", "says"),
    [
        ('{"radius": 0.2}', "has no dabs; give them as points"),
        ('{"dabs": []}', "has no dabs"),
        ('{"dabs": [[0.5, 1.5]]}', "a coordinate of a dab = 1.5 is outside 0 … 1"),
        ('{"dabs": [[0.5]]}', "it must be \\(row, column\\)"),
        ('{"dabs": [0.5, 0.5]}', "a value of the wrong kind"),
        ('{"dabs": 7}', "a value of the wrong kind"),
        ('{"dabs": [[0.5, 0.5]], "t": 1000}', "t = 1000 is outside 0 … 999"),
        ('{"dabs": [[0.5, 0.5]], "t": 60.5}', "t = 60.5"),
        ('{"dabs": [[0.5, 0.5]], "t": 1e400}', "Infinity is no number"),
        ('{"dabs": [[0.5, 0.5]], "radius": "wide"}', "a value of the wrong kind"),
        ('{"dabs": [[0.5, 0.5]], "strength": 0}', "strength = 0 is outside 0.001 … 1"),
        ('{"dabs": [[0.5, 0.5]], "strength": 1e-200}', "strength = 1e-200 is outside"),
        ('{"dabs": [[0.5, 0.5]], "outside": "lost"}', "outside 'lost' is unknown"),
        ('{"dabs": [[0.5, 0.5]], "image": 5}', "image = 5 must be a picture's name"),
        ('{"dabs": [[0.5, 0.5]], "path": [[0.5, 0.5]]}', "cannot be brought 'path'"),
    ],
)
def test_what_cannot_be_a_canvas_is_refused_before_it_is_run(brought: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        scene_entry("noise_brush").runs(SceneOptions(recipe=brought))


# -- the brush at work -------------------------------------------------------------------


@pytest.mark.parametrize("name", BROUGHT)
def test_the_canvas_in_the_making_holds_the_dabs_that_were_laid_so_far(name: str) -> None:
    telling = told(name)
    dabs, asked = Dabs(telling, MOMENTS), recipe(name)
    painted = telling.painted
    np.testing.assert_array_equal(dabs.frames[0], painted.states[0, 0])
    np.testing.assert_array_equal(dabs.frames[-1], painted.states[1, 0])
    assert (dabs.laid[0], dabs.laid[1], dabs.laid[-1]) == (0, 1, len(asked.dabs))
    assert (np.diff(dabs.laid) >= 0).all()
    assert dabs.measured[-1] == telling.laid
    assert painted.eps is not None
    eps = painted.eps[1, 0] / np.where(telling.mask, telling.std, 1)
    for moment in (1, MOMENTS // 2):
        first = asked.dabs[: dabs.laid[moment]]
        std = dabbed(first, asked.radius, asked.strength, *telling.mask.shape)
        wanted = np.sqrt(1 - std.numpy() ** 2) * telling.picture + std.numpy() * eps
        np.testing.assert_allclose(dabs.frames[moment], wanted, atol=1e-5)
        measured = measured_std(std, torch.from_numpy(eps))
        assert dabs.measured[moment] == pytest.approx(measured, abs=1e-5)
    # The brush stands on the dab that was laid last.
    for moment in range(1, MOMENTS + 1):
        share = (moment - 1) / (MOMENTS - 1)
        assert dabs.moment(max(share, 1e-9)) == moment
    assert dabs.moment(0) == 0
    np.testing.assert_allclose(dabs.point(0), asked.dabs[0])
    np.testing.assert_allclose(dabs.point(1), asked.dabs[-1])


@pytest.mark.parametrize("name", BROUGHT)
def test_the_ring_of_the_brush_is_drawn_over_the_picture_alone(name: str) -> None:
    telling = told(name)
    tile = Tile(Frames.of(telling.picture[None]), 10)
    dabs = Dabs(telling, MOMENTS)
    tip = DabbingTip(dabs, tile, colour="#ffffff", handle="#ffffff")
    for share in np.linspace(0, 1, 7):
        points = tip.show(share).ring.points
        away = np.abs(points - tile.get_center())[:, :2] if len(points) else np.zeros((0, 2))
        assert (away <= tile.width / 2 + 1e-9).all()
        row, column = dabs.point(share)
        middle = tile.get_corner((-1, 1, 0)) + tile.width * np.array([column, -row, 0])
        reach = np.linalg.norm(points - middle, axis=1)
        np.testing.assert_allclose(reach, dabs.radius * tile.width, rtol=2e-3)
    # Of a brush that is larger than the picture nothing is drawn.
    assert (len(tip.ring.points) > 0) == (name != "whole")


# -- what is said ------------------------------------------------------------------------


def test_the_noise_is_compared_with_what_t_stands_for() -> None:
    verdicts = {name: told(name).verdict for name in BROUGHT}
    assert verdicts == {
        "fits": "enough",
        "little": "too little",
        "much": "too much",
        "whole": "enough",
    }
    for name, verdict in verdicts.items():
        telling = told(name)
        share = telling.painted.facts["painted_std"][0] / telling.painted.noise_weight[1]
        assert (share < 0.9) == (verdict == "too little")
        assert (share > 1.1) == (verdict == "too much")
        says = {"enough": "that fits", "too little": "too little", "too much": "too much"}[verdict]
        assert f"the network expects {telling.expected:.2f}: " in telling.weighs
        assert telling.weighs.endswith(f"{says}.")
        assert f"measures {telling.laid:.2f}. At t = {recipe(name).t}" in telling.weighs
        assert f"In these {(telling.std > 0).sum()} pixels" in telling.weighs


def test_the_brush_is_said_to_do_what_it_does() -> None:
    assert told("little").paints == "A brush dabs noise onto it, once."
    # Noise of strength 1 cannot grow.
    assert told("much").paints == "A brush dabs noise onto it, 3 times."
    assert told("whole").paints.startswith("A brush dabs noise onto it, twice. Where dabs overlap")
    assert told("whole").asks.endswith("falls onto all of it?")
    assert told("fits").asks.endswith("falls onto only a part of it?")
    assert told("fits").paints.endswith("20 times. Where dabs overlap, there is more.")
    assert told("fits").std.max() > 1.2 * 0.28


@pytest.mark.parametrize("name", BROUGHT)
def test_beside_the_brush_is_what_is_said(name: str) -> None:
    telling = told(name)
    run, mask = telling.removed, telling.mask
    start, end = run.states[0, 0], run.states[-1, 0]
    beside, under = telling.differences
    assert telling.held == (name in ("fits", "much"))
    canvas = telling.painted.states[1, 0]
    np.testing.assert_array_equal(start[:, mask], canvas[:, mask])
    away = (end - telling.picture).astype(np.float64)
    assert under == pytest.approx(np.sqrt((away[:, mask] ** 2).mean()))
    assert f"{under:.2f} away" in telling.came_back
    if telling.held:
        # Noise of σ_t was added beside it, and it came back as it was.
        noise = start - run.signal_weight[0] * telling.picture
        assert noise[:, ~mask].std() == pytest.approx(telling.expected, rel=0.1)
        assert f"noise of {telling.expected:.2f} is added" in telling.given
        np.testing.assert_array_equal(end[:, ~mask], telling.picture[:, ~mask])
        assert telling.unchanged == "Beside the brush, not one pixel has changed."
        assert "put back" in telling.beside
        assert "put back" in telling.way_back
        assert (beside, telling.named) == (0, "the picture")
        return
    np.testing.assert_array_equal(start, canvas)
    assert "the canvas as it is" in telling.given
    assert telling.named == "the canvas"
    assert "is put back" not in telling.beside + telling.way_back
    if name == "whole":
        assert mask.all()
        assert (beside, telling.unchanged) == (None, "")
        assert "nothing that could be put back" in telling.beside
        assert "beside" not in telling.given + telling.way_back
    else:
        levels = as_shown(end), as_shown(telling.picture)
        changed = int(((levels[0] != levels[1]).any(-1) & ~mask).sum())
        assert changed > 10
        rest = int((~mask).sum())
        counted = f"all {rest} pixels" if changed == rest else f"{changed} of {rest} pixels"
        assert telling.unchanged == f"Beside the brush, {counted} have changed as well."
        assert beside == pytest.approx(np.sqrt((away[:, ~mask] ** 2).mean()))


def test_nobody_reads_a_digit_in_a_picture_that_is_none() -> None:
    for name in ("little", "much"):
        telling = told(name)
        assert (telling.before, telling.after, telling.counted) == (None, [], "")
        assert telling.asks.startswith("Here is a picture. ")
        assert telling.came_back.endswith("from what it was.")
    telling = told("fits")
    assert telling.before == telling.painted.facts["class"]
    assert telling.after == telling.removed.facts["final_class"]
    assert telling.asks.startswith("Here is a digit. ")
    same = telling.after[0] == telling.before
    assert ("A second network still reads" in telling.came_back) == same
    assert telling.before is not None
    others = telling.after[1:].count(telling.before)
    assert telling.counted.startswith(
        "All 8" if others == 8 else f"Of these 8, {others or 'none'} "
    )


@pytest.mark.parametrize("name", BROUGHT)
def test_what_is_to_be_remembered_was_recorded(name: str) -> None:
    telling = told(name)
    run, mask = telling.removed, telling.mask
    assert run.eps_hat is not None
    # ε̂ itself, which is kept as float16.
    noise = run.noise_weight[0] * run.eps_hat[0, 0].astype(np.float64)
    under = float(np.sqrt((noise[:, mask] ** 2).mean()))
    assert telling.taken[1] == pytest.approx(under, abs=5e-3)
    assert f"takes {telling.taken[1]:.2f} for noise" in telling.guessed
    last = telling.last
    if "Told of more noise" in last:
        assert (name, under > telling.laid) == ("little", True)
    elif "even where there is none" in last:
        beside = float(np.sqrt((noise[:, ~mask] ** 2).mean()))
        assert not telling.held
        assert beside > 0.05
    elif "Told of less noise" in last:
        assert telling.verdict == "too much"
        assert under < telling.laid
    elif "does not remember" in last:
        assert telling.differences[1] > NEW
    else:
        assert "does not hide everything" in last
        assert telling.differences[1] <= NEW


@pytest.mark.parametrize("name", BROUGHT)
def test_answers_are_said_to_be_alike_where_they_are(name: str) -> None:
    telling = told(name)
    ends = telling.removed.states[-1, 1:].astype(np.float64)
    where = telling.mask if telling.held else np.ones_like(telling.mask)
    away = [
        np.sqrt(((ends[i] - ends[j])[:, where] ** 2).mean()) for i in range(8) for j in range(i)
    ]
    assert ("no two are alike" in telling.grown) == (min(away) > ALIKE)
    assert ("all are alike" in telling.grown) == (max(away) <= ALIKE)


# -- what is seen ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "theme", "cut"),
    [
        ("fits", "dark", "full"),
        ("little", "light", "full"),
        ("much", "light", "full"),
        ("whole", "dark", "full"),
        ("fits", "light", "short"),
        ("little", "dark", "short"),
    ],
)
def test_tiles_and_numbers_are_the_recording(
    rehearse: Rehearse, name: str, theme: str, cut: str
) -> None:
    telling = told(name)
    run, painted, held = telling.removed, telling.painted, telling.held
    guesses = run.x0_hat
    assert guesses is not None
    seen: set[tuple[str, int]] = set()

    def look(scene: LectureScene) -> None:
        index, way = scene.axis.index, scene.way.get_value()
        asked = min(index, run.steps - 1)
        shown = telling.seen[index]
        recordings = {
            id(scene.seen.tile): ("seen", run.states[index, 0]),
            id(scene.guessed.tile): ("guessed", guesses[asked, 0]),
        }
        if way in (0, 1):
            canvas = painted.states[int(way), 0]
            canvas = shown[0] if held and way and index else canvas
            recordings[id(scene.canvas.tile)] = (f"canvas {way:g}", canvas)
        if hasattr(scene, "row"):
            for sample, panel in enumerate(scene.row.panels, 1):
                recordings[id(panel.tile)] = (f"sample {sample}", shown[sample])
        for tile in shown_tiles(scene):
            if id(tile) in recordings:
                what, state = recordings[id(tile)]
                np.testing.assert_array_equal(tile.picture, as_shown(state))
                seen.add((what, index))
        if hasattr(scene, "count") and scene.count in scene.mobjects:
            wanted = (whole(len(telling.recipe["dabs"])), fixed(2)(telling.laid))
            assert tuple(readout.text for readout in scene.count) == wanted
            seen.add(("count", index))

    scene = rehearse("noise_brush", look, options(name, theme=theme, cut=cut))
    assert seen >= {
        ("canvas 0", 0),
        ("canvas 1", 0),
        ("count", 0),
        ("seen", 0),
        ("seen", run.steps),
        ("guessed", run.steps),
        *((f"sample {i}", run.steps) for i in range(1, 9)),
    }
    beside, under = telling.differences
    written = [number.text for number in scene.numbers]
    assert written == [fixed(2)(value) for value in (beside, under) if value is not None]
    assert [word.name for word in scene.row.read[1:]] == [repr(str(d)) for d in telling.after[1:]]
    said = [cue.sentence.caption for cue in scene.cues]
    assert said[-1] == telling.last
    assert (telling.weighs in said) == (cut == "full")
    spoken = " ".join(cue.sentence.spoken for cue in scene.cues)
    assert "t =" not in spoken
