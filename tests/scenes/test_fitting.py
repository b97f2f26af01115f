"""Pictures of every size in tiles: whole screen pixels at every quality, and nothing stretched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from manim import tempconfig

from diffusion_core.trajectory import Trajectory
from scenes.measures import apart, begins_blurred, begins_shaped, correlation, settles, sharpness
from scenes.stage.fitting import fitted, mosaic_of, most_columns, tile_of
from scenes.stage.frames import Frames
from scenes.stage.layout import FRAME_HEIGHT, UNIT
from scenes.stage.seen import along, guesses_to_the_end, in_latents, noise_tile, pictures_of, unit
from studio.quality import QUALITIES

SIDES = (16, 28, 32, 64, 96, 128, 256)
ROOMS = (114, 128, 168, 256, 280)


@contextmanager
def at(quality: str) -> Iterator[float]:
    """Screen pixels to one at 720p."""
    chosen = QUALITIES[quality]
    with tempconfig({"pixel_height": chosen.height, "pixel_width": chosen.width}):
        yield chosen.height / FRAME_HEIGHT


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("side", SIDES)
def test_a_picture_is_crisp_and_as_large_at_every_quality(side: int, room: int) -> None:
    widths = set()
    for quality in QUALITIES:
        with at(quality) as screen:
            scale = fitted((side, side), (room, room))
        assert side % scale.block == 0
        assert (scale.cell * screen).is_integer()
        assert scale.cell * screen >= 1
        widths.add(scale.cell * side / scale.block)
    [width] = widths
    assert room / 2.2 < width <= room


def test_what_fits_twice_keeps_every_pixel() -> None:
    assert fitted((28, 28), (280, 280)).cell == 10
    with at("medium"):
        assert fitted((256, 256), (280, 280)) == fitted((256, 256), (256, 256))
        assert fitted((256, 256), (280, 280)).block == 1
    with at("draft"):
        assert fitted((256, 256), (280, 280)).block == 2


def test_a_block_is_shown_by_its_mean() -> None:
    rng = np.random.default_rng(0)
    floats = rng.uniform(-1, 1, (1, 3, 8, 8))
    whole = np.rint((floats + 1) * 127.5).astype(np.uint8)
    for states, tolerance in ((floats, 0.5), (whole, 1.0)):
        frames = Frames.of(states, block=4)
        out = np.zeros((*frames.size, 3), np.uint8)
        frames.paint(0, out)
        means = whole[0].reshape(3, 2, 4, 2, 4).mean((2, 4)).transpose(1, 2, 0)
        np.testing.assert_allclose(out, means, atol=tolerance)


def test_levels_are_shown_as_they_are() -> None:
    whole = np.random.default_rng(1).integers(0, 256, (2, 3, 5, 4), dtype=np.uint8)
    tile = tile_of(whole, 100).show(1)
    np.testing.assert_array_equal(tile.picture, whole[1].transpose(1, 2, 0))
    np.testing.assert_allclose((unit(whole) + 1) * 127.5, whole)


@pytest.mark.parametrize("quality", QUALITIES)
def test_samples_stand_side_by_side_with_a_gap(quality: str) -> None:
    states = np.stack([np.full((1, 3, 256, 256), level) for level in (-1.0, 1.0)], axis=1)
    with at(quality) as screen:
        tile = mosaic_of(states, 2, (262, 600), "#0000ff")
        row = tile.picture[0]
        [cell] = {tile.width / UNIT / len(row)}
    assert tile.width / UNIT == pytest.approx(2 * 256 + 4)
    assert (cell * screen) == pytest.approx(round(cell * screen))
    colours = [tuple(row[i]) for i in (0, len(row) // 2, -1)]
    assert colours == [(0, 0, 0), (0, 0, 255), (255, 255, 255)]


def test_samples_are_shown_as_large_as_they_can_be() -> None:
    room = (266.0, 1194.0)
    found = {
        (count, side): most_columns(np.zeros((1, count, 1, side, side)), 10, 2, room)
        for count, side in ((24, 28), (24, 32), (12, 64), (4, 256))
    }
    assert found == {(24, 28): 10, (24, 32): 8, (12, 64): 6, (4, 256): 4}


# -- what is looked at ----------------------------------------------------------------


def run_of(states: Any, guesses: Any, times: list[int], **more: Any) -> Trajectory:
    return Trajectory(
        states=np.asarray(states, np.float32),
        timesteps=np.array(times),
        alpha_bar=np.linspace(0.1, 1, len(times)),
        x0_hat=np.asarray(guesses, np.float32),
        **more,
    )


def test_latents_are_looked_at_by_their_previews() -> None:
    z, x = np.zeros((3, 1, 4, 8, 8)), np.zeros((2, 1, 4, 8, 8))
    seen = np.zeros((3, 1, 3, 32, 32), np.uint8)
    run = run_of(z, x, [9, 4, -1], shown=seen, shown_x0=seen[1:])
    assert in_latents(run)
    assert pictures_of(run) is run.shown
    assert guesses_to_the_end(run).shape == (3, 1, 3, 32, 32)
    # Four maps side by side, two in a row.
    assert noise_tile(x[:, 0], run, 128, "#000000").frames.size == (17, 17)
    plain = run_of(z, x, [9, 4, -1])
    assert not in_latents(plain)
    assert pictures_of(plain) is plain.states
    large = run_of(z, x, [9, 4, -1], shown=seen[..., :4, :4], shown_x0=seen[1:, ..., :4, :4])
    assert in_latents(large)  # it has other channels
    reduced = np.zeros((3, 1, 4, 4, 4), np.uint8)
    assert not in_latents(run_of(z, x, [9, 4, -1], shown=reduced, shown_x0=reduced[1:]))


def test_a_run_is_brought_to_the_times_of_another() -> None:
    states = np.arange(5.0).reshape(5, 1, 1, 1, 1)
    long = run_of(states, states[:4], [9, 7, 4, 2, -1])
    short = run_of(states[:3], states[:2], [9, 4, -1])
    assert along(long.states, long, long) is long.states
    assert along(long.states, long, short).ravel().tolist() == [0, 2, 4]
    assert along(short.states, short, long).ravel().tolist() == [0, 0, 1, 1, 2]


# -- what is measured ------------------------------------------------------------------


def test_a_blur_in_colour_is_told_by_its_edges() -> None:
    rng = np.random.default_rng(2)
    sharp = np.kron(rng.choice([-0.6, 0.6], (1, 3, 4, 4)), np.ones((4, 4)))
    blurred = 0.2 * sharp
    assert sharpness(blurred) == pytest.approx(0.2 * sharpness(sharp))
    states = np.stack([sharp, sharp, sharp])
    assert begins_blurred(run_of(states, [blurred, sharp], [9, 4, -1]))
    assert not begins_blurred(run_of(states, [sharp, sharp], [9, 4, -1]))
    other = -sharp
    noise = rng.normal(size=sharp.shape)
    assert not begins_shaped(run_of(states, [noise, noise], [9, 4, -1]))
    assert begins_shaped(run_of(states, [blurred, sharp], [9, 4, -1]))
    assert not begins_shaped(run_of(states, [other, sharp], [9, 4, -1]))
    four = np.stack([sharp] * 4)
    assert settles(run_of(four, [-sharp, blurred, sharp], [9, 4, 2, -1]))
    assert not settles(run_of(four, [sharp, blurred, -sharp], [9, 4, 2, -1]))


def test_distances_and_correlations_are_those_of_the_field() -> None:
    a, b = np.random.default_rng(3).normal(size=(2, 3, 6, 6))
    assert correlation(a, b) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1])
    assert correlation(a, np.ones_like(a)) == 0
    assert apart(np.stack([a, b])) == pytest.approx(np.sqrt(((a - b) ** 2).mean()))
    assert apart(a[None]) == 0
