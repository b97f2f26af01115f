"""What is on screen is what was recorded: pictures and numbers, after every animation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from manim import tempconfig

from diffusion_core.grids import to_pixels
from scenes.forward_process import equal_weights, how_far
from scenes.options import SceneOptions
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import Readout, fixed, significant, whole
from scenes.stage.tiles import Tile
from studio.performance import settings
from studio.quality import QUALITIES

Rehearse = Callable[..., LectureScene]
SCENES = ("forward_process", "reverse_process", "introduction_opening", "introduction_closing")


def shown_tiles(scene: LectureScene) -> list[Tile]:
    """Tiles on the stage that can be seen."""
    family = scene.get_mobject_family_members()
    return [m for m in family if isinstance(m, Tile) and m.opacity > 0.99]


def as_shown(states: np.ndarray) -> np.ndarray:
    """A recorded state (C, H, W) as the RGB picture that a screen shows."""
    pixels = to_pixels(states).transpose(1, 2, 0)
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))


def test_forward_tiles_and_readouts_are_the_recording(rehearse: Rehearse) -> None:
    checked = {"tiles": 0, "readouts": 0, "weights": 0}

    def look(scene: LectureScene) -> None:
        run, i = scene.forward, scene.axis.index
        weight, sigma = np.sqrt(run.alpha_bar[i]), np.sqrt(1 - run.alpha_bar[i])
        recorded = {
            scene.total.tile: run.states[i, 0],
            scene.signal.tile: weight * run.states[0, 0],
            scene.noise.tile: sigma * run.eps[i, 0],
        }
        for tile in shown_tiles(scene):
            np.testing.assert_array_equal(tile.picture, as_shown(recorded[tile]))
            checked["tiles"] += 1
        if scene.axis.time in scene.get_mobject_family_members():
            assert scene.axis.time.text == whole(float(run.timesteps[i]))
            assert scene.alpha_bar.text == fixed(3)(float(run.alpha_bar[i]))
            assert scene.snr.text == significant(float(run.snr[i]))
            for panel, value in ((scene.signal, weight), (scene.noise, sigma)):
                if panel.words in scene.get_mobject_family_members():
                    assert panel.words.text == fixed(3)(float(value))
                    checked["weights"] += 1
            checked["readouts"] += 1

    scene = rehearse("forward_process", look)
    assert checked["tiles"] > 20
    assert checked["readouts"] > 8
    assert checked["weights"] > 5
    assert scene.axis.index == scene.forward.steps


def test_the_terms_add_up_to_what_is_seen(rehearse: Rehearse) -> None:
    run = rehearse("forward_process", lambda scene: None).run("forward")
    total = run.signal_weight[:, None, None, None] * run.states[0, 0]
    total = total + run.noise_weight[:, None, None, None] * run.eps[:, 0]
    np.testing.assert_allclose(total, run.states[:, 0], atol=1e-4)


def test_reverse_tiles_and_readouts_are_the_recording(rehearse: Rehearse) -> None:
    seen = set()

    def look(scene: LectureScene) -> None:
        run, i = scene.reverse, scene.axis.index
        asked = min(i, run.steps - 1)  # at the finished picture nothing is asked any more
        recorded = {
            scene.seen.tile: run.states[i, 0],
            scene.named.tile: run.eps_hat[asked, 0],
            scene.guessed.tile: run.x0_hat[asked, 0],
        }
        for tile in shown_tiles(scene):
            if tile in recorded:
                np.testing.assert_array_equal(tile.picture, as_shown(recorded[tile]))
                seen.add((tile, i))
        assert scene.axis.time.text == whole(float(run.timesteps[i]))

    scene = rehearse("reverse_process", look)
    assert {i for _, i in seen} >= {0, 1, 2, 3, scene.reverse.steps}
    assert len({tile for tile, _ in seen}) == 3


def test_the_mosaic_holds_every_sample(rehearse: Rehearse) -> None:
    mosaics = []

    def look(scene: LectureScene) -> None:
        run = scene.reverse
        for tile in shown_tiles(scene):
            if tile not in (scene.seen.tile, scene.named.tile, scene.guessed.tile):
                i = scene.axis.index
                for b in range(run.states.shape[1]):
                    top, left = b // 8 * 30, b % 8 * 30
                    cell = tile.picture[top : top + 28, left : left + 28]
                    np.testing.assert_array_equal(cell, as_shown(run.states[i, b]))
                mosaics.append(i)

    scene = rehearse("reverse_process", look)
    assert {0, scene.reverse.steps} <= set(mosaics)


def test_frame_shows_recorded_pixels_crisp(rehearse: Rehearse, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """The frame buffer holds each recorded pixel as a whole block of equal screen pixels."""
    compared = []

    def look(scene: LectureScene) -> None:
        if not compared and scene.axis.index > 0 and scene.total.tile in shown_tiles(scene):
            camera = scene.renderer.camera
            camera.reset()
            camera.capture_mobjects(scene.mobjects)
            tile = scene.total.tile
            corners = camera.points_to_subpixel_coords(tile, tile.points)
            left, top = np.rint(corners[0]).astype(int)
            block = camera.pixel_array[top : top + 256, left : left + 256, :3]
            expected = as_shown(scene.forward.states[scene.axis.index, 0])
            np.testing.assert_array_equal(block, expected.repeat(4, axis=0).repeat(4, axis=1))
            compared.append(True)

    rehearse("forward_process", look)
    assert compared


@pytest.mark.parametrize("name", SCENES)
def test_beats_follow_one_another_within_the_scene(rehearse: Rehearse, name: str) -> None:
    scene = rehearse(name, lambda scene: None)
    ends = [0.0, *(cue.end for cue in scene.cues)]
    for cue, before in zip(scene.cues, ends, strict=False):
        assert cue.start >= before
        assert cue.end > cue.start
    assert ends[-1] <= scene.now


@pytest.mark.parametrize(
    ("schedule", "t", "where"), [("cosine", 496, "half"), ("linear", 259, "quarter")]
)
def test_the_sentence_of_the_equal_moment_is_true(
    rehearse: Rehearse, schedule: str, t: int, where: str
) -> None:
    options = SceneOptions(schedule=schedule, steps=10)
    scene = rehearse("forward_process", lambda scene: None, options)
    run = scene.forward
    i = equal_weights(run)
    assert run.timesteps[i] == t
    assert run.alpha_bar[i] <= 0.5
    assert run.signal_weight[i] == pytest.approx(run.noise_weight[i], abs=0.01)
    [said] = [c.sentence.caption for c in scene.cues if "equal" in c.sentence.caption]
    assert f"t = {t}," in said
    assert where in said


def test_a_share_of_the_way_is_named_by_the_nearest_fraction() -> None:
    assert how_far(0.26) == "a quarter of the way"
    assert how_far(0.497) == "half of the way"


def test_readout_digits_keep_their_place(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from scenes.stage.lettering import Lettering
    from scenes.stage.theme import DARK

    value = {"now": 0.111}
    with tempconfig(settings(QUALITIES["draft"], tmp_path, dry=True)):
        readout = Readout(Lettering(DARK), "t", lambda: value["now"], fixed(3))
        readout.shift((1, 2, 0))
        before = readout.number.origin()
        members = list(readout.number.submobjects)
        value["now"] = 0.888
        readout.refresh()
        np.testing.assert_allclose(readout.number.origin(), before, atol=1e-9)
        # manim draws the members that a number had when an animation began.
        assert list(readout.number.submobjects) == members
        assert readout.text == "0.888"
