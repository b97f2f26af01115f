"""Every video has its place under its label; the last frame is the last before the fade."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from diffusion_core.errors import LectureError
from scenes.options import SceneOptions
from scenes.stage.theme import THEMES
from studio.production import Order, Product
from studio.quality import QUALITIES
from studio.sweep.mosaic import (
    MOST_VIDEOS,
    Grid,
    check_video,
    draw_sheet,
    last_frame,
    write_picture,
    write_video,
)
from studio.sweep.plan import Sweep
from studio.sweep.running import Outcome
from studio.video import probe

COLOURS = ((200, 30, 30), (30, 200, 30), (30, 30, 200))


def write_clip(path: Path, colour: tuple[int, int, int], seconds: float, fade: int = 0) -> Path:
    """A chequered clip that ends on its colour, or fades from it to black."""
    with av.open(str(path), "w") as movie:
        stream = movie.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        count = round(10 * seconds)
        for number in range(count):
            left = min(1.0, (count - 1 - number) / fade) if fade else 1.0
            picture = np.zeros((90, 160, 3), np.float64)
            picture[:, 40:120] = np.array(colour) * left
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")
            movie.mux(stream.encode(frame))
        movie.mux(stream.encode())
    return path


def middle(picture: Image.Image, box: tuple[int, int, int, int]) -> np.ndarray:
    left, top, right, bottom = box
    pixel = picture.convert("RGB").getpixel(((left + right) // 2, (top + bottom) // 2))
    return np.array(pixel)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Of different lengths; none for the job in the middle of the four."""
    folder = tmp_path_factory.mktemp("clips")
    return {
        number: write_clip(folder / f"{number}.mp4", COLOURS[i], 0.5 + i)
        for i, number in enumerate((0, 1, 3))
    }


@pytest.fixture(scope="module")
def outcomes(clips: dict[int, Path]) -> list[Outcome]:
    base = Order("forward_process", SceneOptions(), QUALITIES["draft"], "silent", Path("out"))
    jobs = Sweep(base, (0, 1, 2, 3), {}).jobs
    return [
        Outcome(job, "made", Product.beside(clips[job.number], 1.0))
        if job.number in clips
        else Outcome(job, "failed", error="it rained")
        for job in jobs
    ]


@given(st.integers(1, 80), st.integers(1, 6), st.sampled_from([(640, 360), (3840, 2160)]))
def test_no_two_videos_share_a_place(seeds: int, choices: int, size: tuple[int, int]) -> None:
    grid = Grid.of(seeds, choices, size)
    assert grid.columns % choices == 0
    assert grid.columns * grid.rows >= seeds * choices > grid.columns * (grid.rows - 1)
    assert all(side % 2 == 0 for side in (*grid.size, *grid.cell))
    taken = np.zeros(grid.size[::-1], bool)
    for number in range(seeds * choices):
        left, top, right, bottom = grid.box(number)
        assert top - grid.strip >= grid.header
        assert (right - left, bottom - top) == grid.cell
        assert taken[top:bottom, left:right].shape == grid.cell[::-1]
        assert not taken[top - grid.strip : bottom, left:right].any()
        taken[top - grid.strip : bottom, left:right] = True
    assert grid.size[0] <= 4096 or grid.cell[0] == 160


@pytest.mark.parametrize("fade", [0, 6])
def test_the_last_frame_is_the_last_before_the_fade(fade: int, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", (220, 220, 220), 3, fade)
    found = middle(last_frame(clip), (0, 0, 160, 90))
    assert (found > 200).all()


def test_what_is_no_video_has_no_last_frame(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("no video")
    with pytest.raises(LectureError, match=r"no\.mp4 cannot be read"):
        last_frame(tmp_path / "no.mp4")


def test_the_picture_has_each_end_in_its_place_and_says_what_failed(
    clips: dict[int, Path], outcomes: list[Outcome], tmp_path: Path
) -> None:
    theme = THEMES["light"]
    grid = Grid.of(4, 1, (160, 90))
    sheet = draw_sheet(outcomes, grid, theme, "Title", "4 seeds")
    ground = np.array(sheet.getpixel((1, 1)))
    for outcome in outcomes:  # a label stands above each place
        left, top, right, _ = grid.box(outcome.job.number)
        strip = np.array(sheet.crop((left, top - grid.strip, right, top - 3)))
        assert (strip != ground).any()
    frames = {number: last_frame(clip) for number, clip in clips.items()}
    write_picture(tmp_path / "mosaic.png", sheet, grid, frames)
    with Image.open(tmp_path / "mosaic.png") as picture:
        assert picture.size == grid.size
        for colour, number in zip(COLOURS, clips, strict=True):
            assert abs(middle(picture, grid.box(number)) - colour).max() < 12
        left, top, *_ = grid.box(2)
        edge = tuple(int(theme.noise[i : i + 2], 16) for i in (1, 3, 5))
        assert picture.getpixel((left - 1, top - 1)) == edge


@pytest.mark.parametrize("shown", [(0, 1, 3), (3,)])
def test_the_video_plays_each_in_its_place_as_long_as_the_longest(
    shown: tuple[int, ...], clips: dict[int, Path], outcomes: list[Outcome], tmp_path: Path
) -> None:
    grid = Grid.of(4, 1, (160, 90))
    sheet = draw_sheet(outcomes, grid, THEMES["dark"], "Title", "4 seeds")
    videos = {number: clips[number] for number in shown}
    write_video(tmp_path / "mosaic.mp4", sheet, grid, videos, 10)
    made = probe(tmp_path / "mosaic.mp4")
    assert (made.width, made.height) == grid.size
    assert made.video_duration == pytest.approx(2.5, abs=0.11)
    assert made.faststart
    end = last_frame(tmp_path / "mosaic.mp4")
    for colour, number in zip(COLOURS, clips, strict=True):
        if number in shown:  # a shorter one stays as it ends
            assert abs(middle(end, grid.box(number)) - colour).max() < 20


def test_too_many_do_not_play_side_by_side() -> None:
    check_video(MOST_VIDEOS)
    with pytest.raises(LectureError, match="145 videos do not play side by side"):
        check_video(MOST_VIDEOS + 1)
