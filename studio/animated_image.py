"""A stretch of a video as a loop: GIF, animated WebP or AVIF, or WebM, within a size.

Noise is the worst case of every one of them.  What is given up for the size is
given up in a stated order: colours (the quality, where a format has no
palette), then frames, then pixels.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import ffmpeg
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray
from PIL import Image

from diffusion_core.errors import LectureError
from diffusion_core.files import Facts
from studio.video import run_ffmpeg

LONGEST = 8.0
"""Seconds that a loop lasts at the most; a longer stretch is played faster."""
HOLD = 1.5
"""Seconds, of these, for which it stays on its last frame before it begins again."""
RATES = (12.5, 10.0)
"""Frames a second that a GIF can keep: its delays are hundredths of a second."""
WIDTHS = (640, 480, 400, 320)
SCALING = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT

Frames = NDArray[np.uint8]
"""Frames of a loop: (frames, height, width, 3)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to make a loop: pixels across, frames a second, and the format's own measure."""

    width: int
    frame_rate: float
    quality: int


@dataclass(frozen=True, slots=True)
class Format:
    """A file format of loops.

    Parameters
    ----------
    name
        As its files end.
    measure
        What ``qualities`` count, the best first.
    qualities
        Values of it that are tried.
    encode
        Frames, frames a second and quality ↦ the file's content.
    """

    name: str
    measure: str
    qualities: tuple[int, ...]
    encode: Callable[[Frames, float, int], bytes]

    @property
    def settings(self) -> tuple[Setting, ...]:
        """What is tried, in this order: fewer colours, then frames, then pixels."""
        least = self.qualities[-1]
        return (
            *(Setting(WIDTHS[0], RATES[0], quality) for quality in self.qualities),
            *(Setting(WIDTHS[0], rate, least) for rate in RATES[1:]),
            *(Setting(width, RATES[-1], least) for width in WIDTHS[1:]),
        )

    def describe(self, setting: Setting) -> str:
        """For a person: "640 px, 12.5 frames a second, 64 colours"."""
        return (
            f"{setting.width} px, {setting.frame_rate:g} frames a second, "
            f"{self.measure} {setting.quality}"
        )


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop, and how it was made.

    Parameters
    ----------
    content, still
        The file's content, and its last frame as PNG.
    setting
        The one that was taken.
    size
        Width and height in pixels.
    frames, seconds
        How many, and how long they last.
    speed
        How much faster than the video it plays.
    tried
        Every setting that was tried, and the bytes that it took; the last was taken.
    """

    content: bytes
    still: bytes
    setting: Setting
    size: tuple[int, int]
    frames: int
    seconds: float
    speed: float
    tried: tuple[tuple[Setting, int], ...]

    def as_facts(self) -> Facts:
        """JSON-ready."""
        return {
            "bytes": len(self.content),
            "size": list(self.size),
            "frame_rate": self.setting.frame_rate,
            "quality": self.setting.quality,
            "frames": self.frames,
            "seconds": self.seconds,
            "speed": round(self.speed, 3),
            "tried": [{**asdict(setting), "bytes": size} for setting, size in self.tried],
        }


def make_loop(
    video: Path,
    start: float,
    end: float,
    kind: Format,
    max_size: int,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Loop:
    """The stretch of ``video`` from ``start`` to ``end`` seconds as a loop within ``max_size``.

    It ends on the last frame of the stretch and holds it.  The first of the
    format's ``settings`` whose file has at most ``max_size`` bytes is taken.

    Raises
    ------
    LectureError
        When even the last has more, or the video cannot be read.
    MissingRequirement
        When ffmpeg, which writes GIFs, is not installed.
    """
    tried: list[tuple[Setting, int]] = []
    last: Setting | None = None
    for setting in kind.settings:
        report(len(tried), len(kind.settings))
        if last is None or (last.width, last.frame_rate) != (setting.width, setting.frame_rate):
            frames, speed = read_stretch(video, start, end, setting.width, setting.frame_rate)
        last = setting
        content = kind.encode(frames, setting.frame_rate, setting.quality)
        tried.append((setting, len(content)))
        if len(content) <= max_size:
            height, width = frames.shape[1:3]
            return Loop(
                content=content,
                still=_png(frames[-1]),
                setting=setting,
                size=(width, height),
                frames=len(frames),
                seconds=sum(_delays(len(frames), setting.frame_rate)) / 1000,
                speed=speed,
                tried=tuple(tried),
            )
    assert last is not None
    smallest = min(size for _, size in tried)
    raise LectureError(
        f"the loop has {smallest / 1e6:.2f} MB at its smallest ({kind.describe(last)}), more than "
        f"{max_size / 1e6:g} MB; choose fewer beats with --beats, a shorter --range, or a format "
        "that takes less with --format (avif takes least)"
    )


def read_stretch(
    video: Path, start: float, end: float, width: int, frame_rate: float
) -> tuple[Frames, float]:
    """Frames of ``video`` from ``start`` to ``end`` seconds, and how much faster they play.

    They are spread evenly, the first and the last of the stretch among them,
    and so few that with the hold they last no longer than ``LONGEST``.

    Raises
    ------
    LectureError
        When the video does not reach so far.
    """
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        rate, base = stream.average_rate, stream.time_base
        assert rate
        assert base
        first = round(start * rate)
        last = max(first, round(end * rate) - 1)
        lasts = float((last - first + 1) / rate)
        count = max(min(2, last - first + 1), round(min(lasts, LONGEST - HOLD) * frame_rate))
        wanted = [round(at) for at in np.linspace(first, last, count)]
        wanted[-1] = last
        # It begins at the key frame before; what is not wanted is decoded and let go.
        container.seek(int(first / rate / base), stream=stream)
        found = dict(_scaled(container.decode(stream), set(wanted), width, rate * base))
    if missing := set(wanted) - set(found):
        raise LectureError(f"{video} has no frame at {float(min(missing) / rate):.2f} s")
    return np.stack([found[at] for at in wanted]), lasts / (count / frame_rate)


def _scaled(
    frames: Iterator[av.VideoFrame], wanted: set[int], width: int, unit: Fraction
) -> Iterator[tuple[int, Frames]]:
    """Number and pixels of the frames that are wanted; ``unit`` turns times into numbers."""
    for frame in frames:
        number = round(frame.pts * unit) if frame.pts is not None else -1
        if number in wanted:
            height = round(width * frame.height / frame.width / 2) * 2
            small = frame.reformat(width, height, "rgb24", interpolation=SCALING, threads=1)
            yield number, small.to_ndarray().astype(np.uint8, copy=False)
        if number >= max(wanted):
            return


def _delays(count: int, frame_rate: float) -> list[int]:
    """How long each frame is shown, in milliseconds; the last one is held."""
    return [round(1000 / frame_rate)] * (count - 1) + [round(1000 * HOLD)]


def _png(frame: Frames) -> bytes:
    content = io.BytesIO()
    Image.fromarray(frame).save(content, "PNG", optimize=True)
    return content.getvalue()


def _gif(frames: Frames, frame_rate: float, colours: int) -> bytes:
    height, width = frames.shape[1:3]
    pictures = ffmpeg.input(
        "pipe:", f="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", r=frame_rate
    ).split()
    palette = pictures[0].filter("palettegen", max_colors=colours, stats_mode="full")
    # Dithering would be noise about the noise, and half as many bytes again.
    coloured = ffmpeg.filter(
        [pictures[1], palette], "paletteuse", dither="none", diff_mode="rectangle"
    )
    hundredths = round(100 * HOLD)
    written = coloured.output("pipe:", f="gif", loop=0, final_delay=hundredths)
    return run_ffmpeg(written, given=frames.tobytes())


def _pillow(frames: Frames, frame_rate: float, kind: str, **settings: object) -> bytes:
    pictures = [Image.fromarray(frame) for frame in frames]
    content = io.BytesIO()
    pictures[0].save(
        content,
        kind,
        save_all=True,
        append_images=pictures[1:],
        duration=_delays(len(pictures), frame_rate),
        loop=0,
        **settings,
    )
    return content.getvalue()


def _webp(frames: Frames, frame_rate: float, quality: int) -> bytes:
    return _pillow(frames, frame_rate, "WEBP", quality=quality, method=4)


def _avif(frames: Frames, frame_rate: float, quality: int) -> bytes:
    # One thread, so that the file is the same on any number of cores.
    whole_colour = {"subsampling": "4:4:4", "speed": 8, "max_threads": 1}
    return _undated(_pillow(frames, frame_rate, "AVIF", quality=quality, **whole_colour))


def _undated(content: bytes) -> bytes:
    """An AVIF without the time at which it was written, which its library cannot leave out."""
    start = 0
    while content[start + 4 : start + 8] not in (b"moov", b""):
        start += int.from_bytes(content[start : start + 4], "big")
    end = start + int.from_bytes(content[start : start + 4], "big")
    # ISO 14496-12, 8.2.2: version 1, flags, then both times with eight bytes each.
    headers = re.sub(
        rb"(mvhd|tkhd|mdhd)(\x01.{3}).{16}",
        lambda found: found[1] + found[2] + bytes(16),
        content[start:end],
        flags=re.DOTALL,
    )
    return content[:start] + headers + content[end:]


def _webm(frames: Frames, frame_rate: float, crf: int) -> bytes:
    held = round(HOLD * frame_rate) - 1
    content = io.BytesIO()
    # Bit-exact: without a date, and with no number that is drawn anew for every file.
    with av.open(content, "w", format="webm", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libvpx-vp9", rate=Fraction(frame_rate))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 0  # the quality decides, not the rate
        stream.options = {"crf": str(crf), "deadline": "good", "cpu-used": "4", "threads": "1"}
        for frame in [*frames, *[frames[-1]] * held]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    return content.getvalue()


FORMATS = {
    kind.name: kind
    for kind in (
        Format("gif", "colours", (256, 128, 64, 32), _gif),
        Format("webp", "quality", (80, 60, 40, 25), _webp),
        Format("avif", "quality", (70, 55, 40, 25), _avif),
        Format("webm", "CRF", (26, 32, 38, 46), _webm),
    )
}
"""The formats of loops, by how their files end; a README plays all but WebM, which it links."""
