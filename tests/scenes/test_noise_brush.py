"""The noise brush: what is said of the stroke and of what grows there is so in the recording."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.store import Store
from scenes.catalog import scene_entry
from scenes.digits import DIGITS
from scenes.noise_brush.stroke import Stroke
from scenes.noise_brush.telling import how_many, what_came_back
from scenes.options import SceneOptions
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed, whole
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]
SEEDS = (0, 1)


def recorded(seed: int, **options: object) -> Bundle:
    asked = SceneOptions(seed=seed, steps=10, **options)  # type: ignore[arg-type]
    found = Store().get(scene_entry("noise_brush").recipes(asked)["brush"]).trajectory
    assert isinstance(found, Bundle)
    return found


def ends(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The picture (H, W), the mask (H, W), and what came back (B, H, W)."""
    found = recorded(seed)
    mask = np.array(found["removed"].facts["mask"])
    return found["painted"].states[0, 0, 0], mask, found["removed"].states[-1, :, 0]


@pytest.mark.parametrize(("theme", "seed"), [("dark", 0), ("light", 1)])
def test_tiles_and_numbers_are_the_recording(rehearse: Rehearse, theme: str, seed: int) -> None:
    found = recorded(seed)
    painted, run = found["painted"], found["removed"]
    mask = np.array(run.facts["mask"]) > 0
    seen: set[tuple[str, int]] = set()

    def look(scene: LectureScene) -> None:
        index, way = scene.axis.index, scene.way.get_value()
        asked = min(index, run.steps - 1)
        # Under the brush what was recorded, beside it the picture.
        under = np.where(mask, run.states[index], painted.states[0])
        recordings = {
            id(scene.seen.tile): ("seen", run.states[index, 0]),
            id(scene.guessed.tile): ("guessed", run.x0_hat[asked, 0]),
        }
        if way in (0, 1):
            canvas = under[0] if way else painted.states[0, 0]
            recordings[id(scene.canvas.tile)] = (f"canvas {way:g}", canvas)
        if hasattr(scene, "row"):
            for sample, panel in enumerate(scene.row.panels, 1):
                recordings[id(panel.tile)] = (f"sample {sample}", under[sample])
        for tile in shown_tiles(scene):
            if id(tile) in recordings:
                name, state = recordings[id(tile)]
                np.testing.assert_array_equal(tile.picture, as_shown(state))
                seen.add((name, index))
        if hasattr(scene, "count") and scene.count in scene.get_mobject_family_members():
            assert scene.count.text == whole(mask.sum())

    scene = rehearse("noise_brush", look, SceneOptions(seed=seed, steps=10, theme=theme))
    assert seen >= {
        ("canvas 0", 0),
        *(("canvas 1", i) for i in (0, 1, 2, run.steps)),
        *(("guessed", i) for i in (0, 1, 2, run.steps)),
        *((f"sample {i}", run.steps) for i in range(1, 9)),
    }
    written = [number.text for number in scene.numbers]
    assert written == [fixed(2)(run.facts[f"rms_{where}"][0]) for where in ("outside", "inside")]
    assert [word.name for word in scene.row.read[1:]] == [
        repr(str(digit)) for digit in run.facts["final_class"][1:]
    ]
    said = " ".join(cue.sentence.caption for cue in scene.cues)
    weights = painted.noise_weight[1], painted.signal_weight[1]
    assert "noise weighs {:.2f}, the picture {:.2f}".format(*weights) in said
    assert f"In these {mask.sum()} pixels" in said


@pytest.mark.parametrize("seed", SEEDS)
def test_beside_the_brush_not_one_pixel_has_changed(seed: int) -> None:
    picture, mask, after = ends(seed)
    assert 0.2 < mask.mean() < 0.5
    for end in after:
        np.testing.assert_array_equal(end[mask == 0], picture[mask == 0])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_strokes_under_the_brush_are_new_and_no_two_are_alike(seed: int) -> None:
    picture, mask, after = ends(seed)

    def apart(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.sqrt(((a - b)[mask > 0] ** 2).mean()))

    assert all(apart(end, picture) > 0.2 for end in after)
    assert all(apart(a, b) > 0.1 for a, b in combinations(after, 2))


def roughness(pictures: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mean square jump from a pixel to its neighbour across the edge of the mask."""
    down, across = mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1]
    jumps = [
        np.diff(pictures, axis=-2)[..., down] ** 2,
        np.diff(pictures, axis=-1)[..., across] ** 2,
    ]
    return np.concatenate(jumps, axis=-1).mean(-1)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_grew_fits_what_was_left(seed: int) -> None:
    """Across the edge it is about as smooth as the picture was, unlike a part of another one."""
    picture, mask, after = ends(seed)
    others = [ends(other)[0] for other in (2, 3)]
    pasted = np.stack([np.where(mask > 0, other, picture) for other in others])
    mean = roughness(after, mask).mean()
    assert mean < 1.5 * roughness(picture, mask)
    assert mean < 0.6 * roughness(pasted, mask).mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_network_is_shown_everything_as_noisy_and_the_rest_is_put_back(seed: int) -> None:
    found = recorded(seed)
    run, x_0 = found["removed"], found["painted"].states[0]
    mask = np.array(run.facts["mask"])
    assert run.noise is not None
    start = (run.states[0] - run.signal_weight[0] * x_0) / run.noise_weight[0]
    assert start[..., mask == 0].std() == pytest.approx(1, abs=0.05)
    assert start[..., mask > 0].std() == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(
        np.where(mask, run.states[0], 0), np.where(mask, found["painted"].states[1], 0), atol=1e-6
    )
    for i in range(run.steps):
        known = run.signal_weight[i + 1] * x_0 + run.noise_weight[i + 1] * run.noise[i]
        # The noise is kept as float16.
        wrong = (run.states[i + 1] - known)[..., mask == 0]
        assert abs(wrong).max() < 2e-3
    assert (np.diff(run.noise_weight) < 0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_sentences_on_what_is_read_are_true(seed: int) -> None:
    found = recorded(seed)
    before, after = found["painted"].facts["class"], found["removed"].facts["final_class"]
    first, others = what_came_back(before, after[0]), how_many(before, after[1:])
    assert ("still" in first) == (before == after[0])
    assert DIGITS[after[0]] in first
    same = sum(digit == before for digit in after[1:])
    assert ("All 8" if same == 8 else f"{same} of 8") in others


def test_each_outcome_has_its_sentence() -> None:
    assert what_came_back(4, 8).endswith("new: what was a four now reads as an eight.")
    assert what_came_back(8, 8).endswith("A second network still reads an eight.")
    assert what_came_back(None, None) == "Under the brush, the strokes are new."
    assert how_many(4, [4, 4]) == "All 2 fit what was left, and all are read as a four."
    assert how_many(4, [4, 1]) == "Each fits what was left: 1 of 2 is read as a four."
    assert how_many(4, [1, 1]) == "Each fits what was left: none of 2 are read as a four."


def test_a_stroke_covers_its_mask_in_the_order_of_its_way() -> None:
    for seed in SEEDS:
        found = recorded(seed)
        recipe, mask = found.facts["recipe"], np.array(found["removed"].facts["mask"])
        stroke = Stroke(recipe["path"], recipe["radius"], mask)
        np.testing.assert_array_equal(stroke.covered(1), mask > 0)
        assert not (stroke.covered(0.3) & ~stroke.covered(0.4)).any()
        height, width = mask.shape
        rows, columns = np.nonzero(stroke.covered(0.5) & ~stroke.covered(0.45))
        tip = stroke.point(0.5) * (height, width)
        away = np.hypot(rows + 0.5 - tip[0], columns + 0.5 - tip[1])
        # What has just been covered lies under the brush, or where it was a moment ago.
        assert len(rows)
        assert away.max() <= recipe["radius"] * height + 0.05 * height * 2
    frames = stroke.frames(np.zeros((1, 28, 28)), np.ones((1, 28, 28)), 50)
    assert len(frames) == 51
    np.testing.assert_array_equal(frames[0], 0)
    np.testing.assert_array_equal(frames[-1, 0], mask)
    assert (np.diff(frames, axis=0) >= 0).all()


def test_a_prompt_is_shown_and_said_and_gives_another_picture(rehearse: Rehearse) -> None:
    options = SceneOptions(steps=10, prompt="a bold two")
    scene = rehearse("noise_brush", lambda scene: None, options)
    assert "drawn for “a bold two”" in scene.cues[0].sentence.caption
    assert scene.painted.facts["class"] == 2
    assert (scene.told.picture != recorded(0)["painted"].states[0, 0]).any()
