"""Loops: the right frames, for the right time, in every format, within a size."""

from __future__ import annotations

import io
import time
from dataclasses import astuple
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from diffusion_core.errors import LectureError
from studio import animated_image
from studio.animated_image import (
    FORMATS,
    HOLD,
    LONGEST,
    Format,
    Frames,
    Setting,
    make_loop,
    read_stretch,
)

RATE = 15


def write_video(path: Path, frames: Frames) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "1", "preset": "ultrafast", "threads": "1", "g": "40"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds in which each frame says which it is: eight bars, white where a bit is 1."""
    bits = np.unpackbits(np.arange(8 * RATE, dtype=np.uint8)[:, None], axis=1) * 255
    frames = bits.repeat(20, 1)[:, None, :, None].repeat(90, 1).repeat(3, 3)
    return write_video(tmp_path_factory.mktemp("ramp") / "ramp.mp4", frames)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of coloured noise."""
    noise = np.random.default_rng(0).integers(0, 256, (RATE, 45, 80, 3), np.uint8)
    return write_video(
        tmp_path_factory.mktemp("noise") / "noise.mp4", noise.repeat(2, 1).repeat(2, 2)
    )


def numbers(frames: Frames) -> list[int]:
    """Which frames of the ramp these are."""
    bar = frames.shape[2] // 8
    middle = frames[:, frames.shape[1] // 2, bar // 2 :: bar, 0]
    found: list[int] = np.packbits(middle > 127, axis=1)[:, 0].tolist()
    return found


# -- which frames -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "rate"),
    [(1, 3, 12.5), (1, 3, 10), (0, 8, 12.5), (0, 8, 10), (7.9, 8, 12.5), (3.33, 4.2, 10)],
)
def test_a_stretch_goes_from_its_first_frame_to_its_last(
    start: float, end: float, rate: float, ramp: Path
) -> None:
    frames, speed = read_stretch(ramp, start, end, 160, rate)
    shown = numbers(frames)
    first, last = round(start * RATE), round(end * RATE) - 1
    assert (shown[0], shown[-1]) == (first, last)
    steps = [after - before for before, after in pairwise(shown)]
    assert max(steps) - min(steps) <= 1, "even, as far as whole frames go"
    moving = len(shown) / rate
    assert moving + HOLD <= LONGEST + 1 / rate
    assert speed == pytest.approx((last - first + 1) / RATE / moving)
    if end - start > LONGEST - HOLD:
        assert speed == pytest.approx((end - start) / (LONGEST - HOLD), rel=0.01)
    elif end - start > 0.5:
        assert speed == pytest.approx(1, abs=0.06)


def test_a_stretch_that_is_not_there_is_told(ramp: Path) -> None:
    with pytest.raises(LectureError, match=r"no frame at 8\.\d"):
        read_stretch(ramp, 7, 9, 160, 10)


# -- what a file plays ------------------------------------------------------------


def played(kind: str, content: bytes) -> tuple[Frames, list[float]]:
    """The frames of a loop, and for how many milliseconds each is shown."""
    if kind == "webm":
        with av.open(io.BytesIO(content)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "vp9"
            shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
            assert container.duration is not None
            each = container.duration / 1000 / len(shown)
        return np.stack(shown), [each] * len(shown)
    with Image.open(io.BytesIO(content), formats=[kind]) as opened:
        frames, delays = [], []
        for at in range(opened.n_frames):  # type: ignore[attr-defined]
            opened.seek(at)
            opened.load()
            frames.append(np.asarray(opened.convert("RGB")))
            delays.append(opened.info["duration"])
        assert opened.info.get("loop", 0) == 0, "for ever"
    return np.stack(frames), delays


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_plays_the_stretch_and_holds_its_end(kind: str, ramp: Path) -> None:
    loop = make_loop(ramp, 2, 4, FORMATS[kind], 5_000_000)
    frames, delays = played(kind, loop.content)
    assert loop.setting == FORMATS[kind].settings[0]
    assert (frames.shape[2], frames.shape[1]) == loop.size == (640, 360)
    wanted, _ = read_stretch(ramp, 2, 4, 640, loop.setting.frame_rate)
    assert len(wanted) == loop.frames == 25
    # Where the hold is frames of its own, they are all the last one.
    wanted = np.concatenate([wanted, wanted[-1:].repeat(len(frames) - len(wanted), 0)])
    assert numbers(frames) == numbers(wanted)
    assert np.abs(frames.astype(int) - wanted).mean() < 3
    assert delays[0] == pytest.approx(1000 / loop.setting.frame_rate)
    assert sum(delays[24:]) == pytest.approx(1000 * HOLD, abs=50)
    assert sum(delays) == pytest.approx(1000 * loop.seconds, abs=50)
    with Image.open(io.BytesIO(loop.still)) as still:
        assert still.format == "PNG"
        assert np.array_equal(np.asarray(still), wanted[-1])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops as small as the noise is, which takes long otherwise."""
    monkeypatch.setattr(animated_image, "WIDTHS", (160, 120, 80))


@pytest.mark.usefixtures("small")
def test_the_same_stretch_gives_the_same_bytes(noisy: Path) -> None:
    def made() -> dict[str, bytes]:
        return {
            name: make_loop(noisy, 0, 0.5, kind, 9_000_000).content
            for name, kind in FORMATS.items()
        }

    once = made()
    # Some formats would have the second in which they were written.
    time.sleep(1.01)
    again = made()
    assert [name for name in once if once[name] != again[name]] == []


# -- the size -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS.values(), ids=FORMATS)
def test_first_colours_then_frames_then_pixels_are_given_up(kind: Format) -> None:
    settings = kind.settings
    assert len(set(settings)) == len(settings)
    assert settings[0].width == 640
    assert all(setting.frame_rate in (12.5, 10) for setting in settings)
    given_up = [
        [
            name
            for name in ("quality", "frame_rate", "width")
            if getattr(a, name) != getattr(b, name)
        ]
        for a, b in pairwise(settings)
    ]
    assert all(len(names) == 1 for names in given_up), "one thing at a time"
    flat = [name for [name] in given_up]
    assert flat == sorted(flat, key=("quality", "frame_rate", "width").index)
    assert set(flat) == {"quality", "frame_rate", "width"}
    sizes = [(setting.width, setting.frame_rate) for setting in settings]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.usefixtures("small")
def test_the_first_setting_that_fits_is_taken_and_the_others_are_told(noisy: Path) -> None:
    kind = FORMATS["gif"]
    sizes = []
    for setting in kind.settings:
        width, rate, colours = astuple(setting)
        frames, _ = read_stretch(noisy, 0, 1, width, rate)
        sizes.append(len(kind.encode(frames, rate, colours)))
    assert sizes == sorted(sizes, reverse=True), "each gives something up"
    for at in (0, 3, len(sizes) - 1):
        loop = make_loop(noisy, 0, 1, kind, sizes[at])
        assert loop.setting == kind.settings[at]
        assert loop.tried == tuple(zip(kind.settings, sizes, strict=True))[: at + 1]
        assert len(loop.content) == sizes[at]
        assert loop.size[0] == kind.settings[at].width
        assert played("gif", loop.content)[0].shape[1:3] == loop.size[::-1]

    with pytest.raises(LectureError) as error:
        make_loop(noisy, 0, 1, kind, sizes[-1] - 1)
    assert f"{sizes[-1] / 1e6:.2f} MB at its smallest (80 px" in str(error.value)
    assert "--beats" in str(error.value)


def test_a_setting_is_told_in_words() -> None:
    words = FORMATS["webm"].describe(Setting(480, 10.0, 46))
    assert words == "480 px, 10 frames a second, CRF 46"
