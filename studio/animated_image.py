"""Loops for a README: a stretch of a scene as a GIF within a size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ffmpeg

from diffusion_core.errors import LectureError
from diffusion_core.files import written_whole
from studio.video import run_ffmpeg

LONGEST = 8.0
"""Seconds that a loop lasts at the most; a longer stretch is played faster."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to make a loop: pixels across, frames a second, colours.

    Frame rates are those that a GIF can keep: its delays are hundredths of a second.
    """

    width: int
    frame_rate: float
    colours: int


SETTINGS = (
    Setting(640, 12.5, 128),
    Setting(640, 12.5, 64),
    Setting(640, 10, 64),
    Setting(640, 10, 32),
    Setting(480, 10, 32),
    Setting(400, 10, 16),
)
"""What is given up to stay within a size, in this order: colours, frames, pixels."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop that was made, and how."""

    path: Path
    size: int
    setting: Setting
    speed: float


def make_gif(video: Path, start: float, end: float, output: Path, max_size: int) -> Loop:
    """Write the stretch of ``video`` from ``start`` to ``end`` seconds as a GIF, whole.

    Noise is the worst case of a GIF.  The first of ``SETTINGS`` that stays
    within ``max_size`` bytes is taken.

    Raises
    ------
    LectureError
        When even the last does not, or the file cannot be written.
    """
    speed = max(1.0, (end - start) / LONGEST)
    size = 0
    with written_whole(output) as partial:
        for setting in SETTINGS:
            _encode(video, start, end, speed, setting, partial)
            size = partial.stat().st_size
            if size <= max_size:
                return Loop(output, size, setting, speed)
        raise LectureError(
            f"the loop has {size / 1e6:.1f} MB at its smallest, more than {max_size / 1e6:.1f} MB; "
            "choose fewer beats with --beats"
        )


def _encode(
    video: Path, start: float, end: float, speed: float, setting: Setting, output: Path
) -> None:
    stretch = ffmpeg.input(str(video), ss=f"{start:.3f}", t=f"{end - start:.3f}").video
    frames = (
        stretch.filter("setpts", f"PTS/{speed:.6f}")
        .filter("fps", setting.frame_rate)
        .filter("scale", setting.width, -2, flags="area")
        .split()
    )
    palette = frames[0].filter("palettegen", max_colors=setting.colours, stats_mode="full")
    pictures = ffmpeg.filter(
        [frames[1], palette], "paletteuse", dither="none", diff_mode="rectangle"
    )
    run_ffmpeg(pictures.output(str(output), f="gif", loop=0).overwrite_output())
