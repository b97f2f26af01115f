"""All videos of a sweep side by side: one picture of how they end, or one video."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import ffmpeg
from PIL import Image, ImageDraw, ImageFont, ImageStat

from diffusion_core.errors import LectureError
from diffusion_core.files import written_whole
from diffusion_core.places import ROOT
from scenes.stage.theme import Theme
from studio.sweep.running import Outcome
from studio.video import probe, run_ffmpeg

FONTS = ROOT / "scenes" / "stage" / "fonts"
WIDEST = 3840
"""Pixels across: as far as players go, and screens."""
NARROWEST = 160
"""Pixels across of one of its videos, below which nothing is seen on it."""
MOST_VIDEOS = 144
"""Videos that may play side by side: each of them is decoded."""
LAST = 1.5
"""Seconds before the end from which a video is read for how it ends; scenes fade in less."""
FADED = 0.95
"""Share of its contrast that a frame has which does not fade yet."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""


def last_frame(video: Path) -> Image.Image:
    """How ``video`` ends: its last frame before the scene fades away.

    Raises
    ------
    LectureError
        When it cannot be read.
    """
    found: list[tuple[float, Image.Image]] = []
    try:
        with av.open(str(video)) as movie:
            [stream] = movie.streams.video[:1]
            end = float((stream.duration or 0) * (stream.time_base or 0))
            movie.seek(round(max(0.0, end - LAST) * av.time_base))
            for frame in movie.decode(stream):
                picture = frame.to_image()
                found.append((ImageStat.Stat(picture.convert("L")).stddev[0], picture))
    except (OSError, ValueError, av.FFmpegError) as error:
        raise LectureError(f"{video} cannot be read ({error})") from error
    if not found:
        raise LectureError(f"{video} has no last frame; remove it and run the sweep again")
    # What fades loses its contrast, on a dark ground as on a light one.
    full = max(contrast for contrast, _ in found)
    return next(picture for contrast, picture in reversed(found) if contrast >= FADED * full)


@dataclass(frozen=True)
class Grid:
    """Where everything goes.

    Parameters
    ----------
    columns, rows
        Of videos.
    cell
        Width and height of one, both even.
    """

    columns: int
    rows: int
    cell: tuple[int, int]

    @classmethod
    def of(cls, seeds: int, choices: int, size: tuple[int, int]) -> Grid:
        """About as many columns as rows; the choices of a seed stay side by side.

        Parameters
        ----------
        seeds, choices
            How many seeds there are, and videos of each.
        size
            Pixels of a video.
        """
        beside = max(1, round(math.sqrt(seeds / choices)))
        columns = choices * min(beside, seeds)
        rows = math.ceil(seeds * choices / columns)
        room = WIDEST // columns - WIDEST // columns // 20
        width = max(NARROWEST, min(size[0], room)) // 2 * 2
        return cls(columns, rows, (width, round(width * size[1] / size[0]) // 2 * 2))

    @property
    def gap(self) -> int:
        """Pixels between two videos; even."""
        return max(4, self.cell[0] // 40 * 2)

    @property
    def text(self) -> int:
        """Height of a label's letters."""
        return max(11, self.cell[0] // 20)

    @property
    def strip(self) -> int:
        """Height of the strip above each video, in which its label stands; even."""
        return round(self.text * 1.7) // 2 * 2

    @property
    def header(self) -> int:
        """Height of the heading; even."""
        return 3 * self.strip

    @property
    def size(self) -> tuple[int, int]:
        """Of the whole; both even."""
        width, height = self.cell
        return (
            self.columns * (width + self.gap) + self.gap,
            self.header + self.rows * (self.strip + height + self.gap) + self.gap,
        )

    def box(self, number: int) -> Box:
        """Where a video goes."""
        row, column = divmod(number, self.columns)
        width, height = self.cell
        left = self.gap + column * (width + self.gap)
        top = self.header + row * (self.strip + height + self.gap) + self.strip
        return left, top, left + width, top + height


def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS / f"Inter-{'SemiBold' if bold else 'Regular'}.otf"), size)


def _fitting(
    text: str, width: int, size: int, *, bold: bool = False
) -> tuple[str, ImageFont.FreeTypeFont]:
    """``text`` and a font in which it is no wider than ``width``: smaller, then shortened."""
    while size > 9 and _font(size, bold=bold).getlength(text) > width:
        size -= 1
    font = _font(size, bold=bold)
    while len(text) > 1 and font.getlength(text) > width:
        text = text[:-2].rstrip() + "…"
    return text, font


def draw_sheet(
    outcomes: Sequence[Outcome], grid: Grid, theme: Theme, title: str, subtitle: str
) -> Image.Image:
    """Heading and labels, with a frame where a video is missing and nothing where one goes."""
    sheet = Image.new("RGB", grid.size, theme.background)
    pen = ImageDraw.Draw(sheet)
    room = grid.size[0] - 2 * grid.gap
    middle = grid.header // 2
    text, font = _fitting(title, room, round(1.5 * grid.text), bold=True)
    pen.text((grid.gap, middle), text, theme.text, font, anchor="ls")
    text, font = _fitting(subtitle, room, grid.text)
    pen.text((grid.gap, middle + round(1.4 * grid.text)), text, theme.quiet, font, anchor="ls")
    for outcome in outcomes:
        left, top, right, bottom = grid.box(outcome.job.number)
        failed = outcome.product is None
        text, font = _fitting(outcome.job.label, right - left, grid.text)
        baseline = top - grid.strip // 3
        pen.text((left, baseline), text, theme.noise if failed else theme.text, font, anchor="ls")
        edge = theme.noise if failed else theme.line
        pen.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=edge, width=2)
        if failed:
            middle_of = ((left + right) // 2, (top + bottom) // 2)
            pen.text(middle_of, "failed", theme.noise, _font(grid.text), anchor="mm")
    return sheet


def write_picture(
    path: Path,
    sheet: Image.Image,
    grid: Grid,
    frames: dict[int, Image.Image],
) -> None:
    """Write the sheet with the last frames in their places to ``path``, whole."""
    picture = sheet.copy()
    for number, frame in frames.items():
        left, top, *_ = grid.box(number)
        picture.paste(frame.resize(grid.cell, Image.Resampling.LANCZOS), (left, top))
    with written_whole(path) as partial:
        picture.save(partial, "PNG", optimize=True)


def check_video(count: int) -> None:
    """Find out before any work whether so many videos can play side by side.

    Raises
    ------
    LectureError
        When there are too many.
    """
    if count > MOST_VIDEOS:
        raise LectureError(
            f"{count} videos do not play side by side, {MOST_VIDEOS} at the most; "
            "choose --mosaic picture, or fewer seeds"
        )


def write_video(
    path: Path, sheet: Image.Image, grid: Grid, videos: dict[int, Path], frame_rate: int
) -> None:
    """Write a silent video of ``videos`` in their places to ``path``, whole.

    One that is shorter than the longest stays on its last frame.

    Raises
    ------
    MissingRequirement, LectureError
        When ffmpeg is not installed, or a video cannot be read.
    """
    lengths = {number: probe(video).video_duration for number, video in videos.items()}
    longest = max(lengths.values())
    width, height = grid.cell
    streams, places = [], []
    for number, video in videos.items():
        left, top, *_ = grid.box(number)
        stream = ffmpeg.input(f"file:{video}", threads=1)["v:0"]
        stream = stream.filter("scale", width, height, flags="lanczos").filter("setsar", 1)
        rest = longest - lengths[number]
        streams.append(stream.filter("tpad", stop_mode="clone", stop_duration=f"{rest:.6f}"))
        places.append(f"{left}_{top}")
    holes = sheet.convert("RGBA")
    for number in videos:
        holes.paste((0, 0, 0, 0), grid.box(number))
    with written_whole(path) as partial, tempfile.TemporaryDirectory(prefix="mosaic-") as folder:
        over = Path(folder) / "sheet.png"
        holes.save(over)
        if len(streams) > 1:
            together = ffmpeg.filter(
                streams, "xstack", inputs=len(streams), layout="|".join(places)
            )
            together = together.filter("pad", *grid.size, 0, 0)
        else:
            together = streams[0].filter("pad", *grid.size, *places[0].split("_"))
        labelled = ffmpeg.overlay(together, ffmpeg.input(str(over)))
        run_ffmpeg(
            labelled.output(
                str(partial),
                f="mp4",
                r=frame_rate,
                t=f"{longest:.6f}",
                vcodec="libx264",
                preset="veryfast",
                crf=20,
                pix_fmt="yuv420p",
                movflags="+faststart",
                fflags="+bitexact",
                flags="+bitexact",
            )
        )
        made = probe(partial)
        if (made.width, made.height) != grid.size:
            raise LectureError(
                f"{path} was not made, for it would have {made.width}×{made.height} pixels "
                f"instead of {grid.size[0]}×{grid.size[1]}"
            )
