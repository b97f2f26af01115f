"""H.264 of single animations: honest noise, true colours, and stills for nothing."""

from __future__ import annotations

import re
import time
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from scenes.stage.painter import Painted
from studio.encoding import GROUP, HEAD, Converter, Encoder, Stretch, codec, converted, still
from studio.fidelity import psnr, ssim
from studio.quality import QUALITIES, Quality
from studio.stretches import join
from studio.video import probe

TINY = Quality("tiny", 128, 96, 10)
MEDIUM = QUALITIES["medium"]
PSNR_FLOOR = 38.0
SSIM_FLOOR = 0.99
"""Of the luma of noise frames, the hardest there are; what the README says."""

Screen = NDArray[np.uint8]


def noise(quality: Quality, seed: int, *, colour: bool = False, cell: int = 4) -> Screen:
    """Gaussian noise as a scene shows it: a tile of blocks on the dark ground."""
    rng = np.random.default_rng(seed)
    side = quality.height * 4 // 5 // cell
    levels = np.clip(rng.standard_normal((side, side, 3 if colour else 1)) * 64 + 128, 0, 255)
    tile = levels.astype(np.uint8).repeat(cell, 0).repeat(cell, 1)
    picture = np.full((quality.height, quality.width, 4), (15, 18, 24, 255), np.uint8)
    picture[8 : 8 + len(tile), 8 : 8 + len(tile), :3] = tile
    return picture


def encoded(quality: Quality, runs: list[tuple[Screen, int]]) -> Stretch:
    encoder = Encoder(quality)
    for picture, repeat in runs:
        encoder.add(converted(picture), repeat)
    return encoder.finish()


def decoded(stretch: Stretch) -> list[av.VideoFrame]:
    context = av.CodecContext.create("h264", "r")
    assert isinstance(context, av.VideoCodecContext)
    context.extradata = stretch.header
    frames = []
    for content, shown in zip(stretch.packets, stretch.times, strict=True):
        packet = av.Packet(content)
        packet.pts = shown
        frames += context.decode(packet)
    frames += context.decode(None)
    assert [frame.pts for frame in frames] == list(range(stretch.frames))
    return frames


def luma(frame: av.VideoFrame) -> Screen:
    return np.asarray(frame.to_ndarray()[: frame.height])


@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
@pytest.mark.parametrize("name", ["medium", "high"])
def test_noise_stays_honest(name: str, colour: bool) -> None:
    quality = QUALITIES[name]
    pictures = [noise(quality, seed, colour=colour) for seed in range(4)]
    frames = decoded(encoded(quality, [(picture, 1) for picture in pictures]))
    tile = slice(8, 8 + quality.height * 4 // 5)
    for picture, frame in zip(pictures, frames, strict=True):
        meant, shown = luma(converted(picture))[tile, tile], luma(frame)[tile, tile]
        assert psnr(meant, shown) >= PSNR_FLOOR
        assert ssim(meant, shown) >= SSIM_FLOOR


def test_a_still_is_as_honest() -> None:
    picture = noise(MEDIUM, 0)
    frames = decoded(still(converted(picture), 40, MEDIUM))
    meant = luma(converted(picture))
    assert min(psnr(meant, luma(frame)) for frame in (frames[0], frames[-1])) >= PSNR_FLOOR


@pytest.mark.parametrize("name", ["draft", "medium", "high"])
@pytest.mark.parametrize("colour", ["#f2a65a", "#6cb6ff", "#4cc38a", "#0f1218", "#fbfaf7"])
def test_the_colour_that_is_meant_is_the_colour_that_is_tagged(
    tmp_path: Path, name: str, colour: str
) -> None:
    quality = QUALITIES[name]
    meant = [int(pair, 16) for pair in re.findall("[0-9a-f]{2}", colour)]
    picture = np.full((quality.height, quality.width, 4), (*meant, 255), np.uint8)
    other = picture.copy()
    other[:8, :8] = 0
    stretch = encoded(quality, [(picture, 1), (other, 1)])
    [first, _] = decoded(stretch)
    assert (first.colorspace, first.color_primaries, first.color_trc) == (6, 1, 1)
    shown = first.reformat(format="rgb24", src_colorspace="itu601").to_ndarray()
    assert np.abs(shown.astype(int) - meant).max() <= 3


@pytest.mark.parametrize("size", [(1280, 720), (854, 480), (128, 96)])
def test_of_a_picture_that_changed_in_parts_every_pixel_is_converted(size: tuple[int, int]) -> None:
    width, height = size
    rng = np.random.default_rng(0)
    screen = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
    converter = Converter()
    converter.convert(Painted(screen, None))
    for trial in range(60):
        left, top = int(rng.integers(width)), int(rng.integers(height))
        right, bottom = int(rng.integers(left, width)) + 1, int(rng.integers(top, height)) + 1
        if trial % 3 == 0:  # thin, and at an edge
            left, right = width - 1, width
        screen[top:bottom, left:right] = rng.integers(0, 256, 4)
        frame = converter.convert(Painted(screen, (left, top, right, bottom)))
        assert np.array_equal(frame.to_ndarray(), converted(screen).to_ndarray())
    kept = frame.to_ndarray()
    screen[:] = 0  # the array is free
    assert np.array_equal(frame.to_ndarray(), kept)
    unchanged = converter.convert(Painted(screen, (0, 0, 0, 0)))
    assert np.array_equal(unchanged.to_ndarray(), kept)


# -- stills ----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, HEAD, HEAD + 1, 50, GROUP, GROUP + 1, 2 * GROUP + 30])
def test_a_still_of_any_length_is_one_picture(count: int, tmp_path: Path) -> None:
    picture = noise(TINY, 1, cell=2)
    stretch = encoded(TINY, [(picture, count)])
    assert stretch.frames == count
    frames = [luma(frame) for frame in decoded(stretch)]
    for frame in frames:
        assert psnr(luma(converted(picture)), frame) >= PSNR_FLOOR - 3
        assert np.abs(frame.astype(int) - frames[-1]).max() <= 16  # the first may get better
    settled = frames[HEAD : (*stretch.keys, True).index(True, 1)]  # up to the next key frame
    assert all(np.array_equal(frame, settled[0]) for frame in settled)
    # No lone key frame stands at the end, beside that of the next animation.
    if count > 1:
        assert stretch.keys[0]
        assert not stretch.keys[-1]
    longest = max(len(run) for run in "".join("k" if k else "." for k in stretch.keys).split("k"))
    assert longest < GROUP


def test_a_long_still_costs_no_more_than_a_short_one() -> None:
    frame = converted(noise(MEDIUM, 0))
    still(frame, GROUP, MEDIUM)  # what serves all stills is made once

    def cost(count: int) -> float:
        begun = time.thread_time()
        assert still(frame, count, MEDIUM).frames == count
        return time.thread_time() - begun

    # A margin for busy cores: encoded one by one, it would be twenty times as much.
    assert cost(20 * HEAD) < 4 * cost(HEAD) + 0.02


def test_a_still_of_a_scene_that_moves_elsewhere_is_the_same_picture() -> None:
    """Frames that are alike within an animation are converted once, and stay alike."""
    one, other = noise(TINY, 1, cell=2), noise(TINY, 2, cell=2)
    stretch = encoded(TINY, [(one, 5), (other, 1), (one, 7)])
    frames = [luma(frame) for frame in decoded(stretch)]
    assert len(frames) == 13
    for i, frame in enumerate(frames):
        meant = luma(converted(other if i == 5 else one))
        assert psnr(meant, frame) >= PSNR_FLOOR - 6


# -- the thread beside the drawing --------------------------------------------------------


def test_the_array_that_was_given_may_be_drawn_on_at_once() -> None:
    picture = noise(TINY, 0, cell=2)
    encoder = Encoder(TINY)
    for seed in range(12):
        picture[:] = noise(TINY, seed, cell=2)
        encoder.add(converted(picture))
    picture[:] = 0
    kept = encoder.finish()
    assert kept == encoded(TINY, [(noise(TINY, seed, cell=2), 1) for seed in range(12)])


def test_what_goes_wrong_in_the_thread_is_raised_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(quality: Quality) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr("studio.encoding.codec", broken)
    encoder = Encoder(TINY)
    for seed in range(20):  # more than may wait
        encoder.add(converted(noise(TINY, seed)))
    with pytest.raises(RuntimeError, match="no memory"):
        encoder.finish()


def test_an_animation_that_is_broken_off_leaves_no_thread() -> None:
    encoder = Encoder(TINY)
    encoder.close()
    assert not encoder._thread.is_alive()
    encoder = Encoder(TINY)
    encoder.add(converted(noise(TINY, 0)))
    encoder.close()
    assert not encoder._thread.is_alive()


def test_one_header_fits_all(tmp_path: Path) -> None:
    moving = encoded(TINY, [(noise(TINY, seed), 1) for seed in range(30)])
    standing = encoded(TINY, [(noise(TINY, 1), 30)])
    assert moving.header == standing.header == bytes(codec(TINY).extradata or b"")


def test_joined_every_frame_is_there_at_its_time(tmp_path: Path) -> None:
    from studio.stretches import write_stretch

    stretches = [
        encoded(TINY, [(noise(TINY, seed, cell=2), 1) for seed in range(30)]),
        encoded(TINY, [(noise(TINY, 5, cell=2), 40)]),
        encoded(TINY, [(noise(TINY, 6, cell=2), 1)]),
        encoded(TINY, [(noise(TINY, seed, cell=2), 1) for seed in range(7)]),
    ]
    paths = [tmp_path / f"{i}.safetensors" for i in range(len(stretches))]
    for path, stretch in zip(paths, stretches, strict=True):
        write_stretch(path, stretch)
    order = [0, 1, 2, 3, 1, 0]
    target = tmp_path / "joined.mp4"
    count = sum(stretches[i].frames for i in order)
    assert join([paths[i] for i in order], TINY, target) == count
    found = probe(target)
    assert (found.frame_count, found.frame_rate) == (count, 10)
    alone = [luma(frame) for i in order for frame in decoded(stretches[i])]
    with av.open(str(target)) as movie:
        together = list(movie.decode(video=0))
    assert [round(float(frame.time or 0) * 10) for frame in together] == list(range(count))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, luma(other))
