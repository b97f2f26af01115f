"""Pictures become H.264: settings that were chosen by measurement, and stills that cost nothing.

An animation is encoded on its own, by one thread, so that its packets are the
same whoever renders it and whatever is rendered beside it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from scenes.stage.compositing import Rect, Screen, overlap
from studio.quality import Quality

if TYPE_CHECKING:  # it imports manim
    from scenes.stage.painter import Painted

ENCODER = {
    # Pictures here are flat, or noise: what the slower presets search for is not there.
    "preset": "ultrafast",
    "crf": "22",
    "tune": "animation",
    "bf": "0",  # on noise B-frames cost time and save nothing
    "threads": "1",
    # The preset's own entropy coder makes files half as large again.  swscale turns RGB into
    # BT.601; unsaid, players take BT.709 for it at this size, and the oranges shift.
    "x264-params": "cabac=1:colorprim=bt709:transfer=bt709:colormatrix=smpte170m",
}
"""x264's settings; ``benchmarks/rendering.py`` measures them and their neighbours on noise."""

WAITING = 4
"""Frames that may wait for the encoder, 3 MB each at 1080p."""
HEAD = 12
"""Frames of a still that are encoded: as many as x264 looks ahead, so that it weighs them well."""
REACH = 2
"""Screen pixels by which a pixel of colour sees beyond its own four."""
BLOCK = 16
"""Screen pixels of the blocks that are converted again."""
GROUP = 120
"""Most frames of a still from one key frame to the next."""

Run = tuple[av.VideoFrame, int]
"""A picture, and how many frames show it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The packets of one animation, in the order in which they are decoded.

    Parameters
    ----------
    packets
        H.264 in Annex B, without parameter sets.
    times
        When each is shown, in frames from the start.
    keys
        Whether a decoder can begin there.
    header
        The parameter sets.
    """

    packets: tuple[bytes, ...]
    times: tuple[int, ...]
    keys: tuple[bool, ...]
    header: bytes

    @property
    def frames(self) -> int:
        """How many there are."""
        return len(self.packets)


def codec(quality: Quality, settings: dict[str, str] | None = None) -> av.VideoCodecContext:
    """An encoder for one stretch, open."""
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height = quality.width, quality.height
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, quality.frame_rate)
    context.framerate = Fraction(quality.frame_rate)
    context.flags |= av.codec.context.Flags.global_header
    context.options = dict(ENCODER if settings is None else settings)
    context.open()
    return context


def converted(picture: Screen) -> av.VideoFrame:
    """An RGBA picture as the encoder takes it; the array is free afterwards."""
    frame = av.VideoFrame.from_numpy_buffer(picture, format="rgba")
    return frame.reformat(format="yuv420p", threads=1)  # more of them only wait for one another


class Converter:
    """Converts the pictures of one screen: of each only what is not as in the last one.

    The frames are those of ``converted``, to the bit.
    """

    def __init__(self) -> None:
        self._last: av.VideoFrame | None = None

    def convert(self, painted: Painted) -> av.VideoFrame:
        """The picture as the encoder takes it; the array is free afterwards."""
        if self._last is None or painted.changed is None:
            self._last = converted(painted.screen)
        elif overlap(painted.changed, painted.changed):  # it is not empty
            self._last = self._renewed(self._last, painted.screen, painted.changed)
        return self._last

    @staticmethod
    def _renewed(last: av.VideoFrame, screen: Screen, changed: Rect) -> av.VideoFrame:
        height, width = screen.shape[:2]
        whole = (0, 0, width, height)
        # A pixel of colour is made of those around it; blocks keep all sizes even, and few.
        part = overlap(whole, _in_blocks(changed, REACH)) or whole
        around = overlap(whole, _in_blocks(changed, REACH + BLOCK)) or whole
        left, top, right, bottom = around
        piece = converted(screen[top:bottom, left:right])
        frame = av.VideoFrame(last.width, last.height, "yuv420p")
        for level, (new, old, fresh) in enumerate(
            zip(_planes(frame), _planes(last), _planes(piece), strict=True)
        ):
            scale = 1 if level == 0 else 2
            new[:] = old
            x0, y0, x1, y1 = (edge // scale for edge in part)
            x, y = left // scale, top // scale
            new[y0:y1, x0:x1] = fresh[y0 - y : y1 - y, x0 - x : x1 - x]
        return frame


def _in_blocks(rect: Rect, margin: int) -> Rect:
    """``rect`` and so many pixels around it, out to the next blocks."""
    left, top, right, bottom = rect
    return (
        (left - margin) // BLOCK * BLOCK,
        (top - margin) // BLOCK * BLOCK,
        -(-(right + margin) // BLOCK) * BLOCK,
        -(-(bottom + margin) // BLOCK) * BLOCK,
    )


def _planes(frame: av.VideoFrame) -> list[NDArray[np.uint8]]:
    """Views of luma and chroma, without what pads their rows."""
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[
            :, : plane.width
        ]
        for plane in frame.planes
    ]


class _Coder:
    """Encodes one stretch, frame after frame."""

    def __init__(self, quality: Quality) -> None:
        self.context = codec(quality)
        self.packets: list[av.Packet] = []
        self.frames = 0

    def add(self, frame: av.VideoFrame, kind: PictureType = PictureType.NONE) -> None:
        frame.pts = self.frames
        frame.time_base = self.context.time_base
        frame.pict_type = kind
        self.packets += self.context.encode(frame)
        self.frames += 1

    def finish(self) -> Stretch:
        self.packets += self.context.encode(None)
        return Stretch(
            tuple(bytes(packet) for packet in self.packets),
            tuple(int(packet.pts or 0) for packet in self.packets),
            tuple(bool(packet.is_keyframe) for packet in self.packets),
            bytes(self.context.extradata or b""),
        )


# -- stills ----------------------------------------------------------------------


def _in_line(frame: av.VideoFrame, count: int, quality: Quality) -> Stretch:
    """A key frame and ``count`` − 1 frames after it, each of which follows from the one before."""
    coder = _Coder(quality)
    for i in range(count):
        coder.add(frame, PictureType.I if i == 0 else PictureType.P)
    return coder.finish()


@lru_cache(maxsize=4)
def _unchanging(quality: Quality) -> tuple[bytes, ...]:
    """The packets that say "as before", by their place after a key frame.

    They say nothing of the picture, so those of a black one serve all.  The
    first ``HEAD`` may still improve theirs, and are left out (empty).
    """
    black = np.zeros((quality.height, quality.width, 4), np.uint8)
    packets = _in_line(converted(black), GROUP, quality).packets
    return (b"",) * HEAD + packets[HEAD:]


def still(frame: av.VideoFrame, count: int, quality: Quality) -> Stretch:
    """``count`` frames of one picture, of which only the first few are encoded."""
    head = _in_line(frame, min(count, HEAD), quality)
    packets: list[bytes] = []
    keys: list[bool] = []
    # Even groups: a lone key frame at the end would stand beside the next one.
    groups = -(-count // GROUP)
    for group in range(groups):
        length = count * (group + 1) // groups - count * group // groups
        encoded = min(length, head.frames)
        packets += head.packets[:encoded]
        keys += head.keys[:encoded]
        if length > encoded:
            packets += _unchanging(quality)[encoded:length]
            keys += [False] * (length - encoded)
    return Stretch(tuple(packets), tuple(range(count)), tuple(keys), head.header)


# -- beside the drawing ------------------------------------------------------------


class Encoder:
    """Encodes one stretch in a thread of its own, while the next frames are drawn.

    Parameters
    ----------
    quality
        Size and frame rate.
    """

    def __init__(self, quality: Quality) -> None:
        self.quality = quality
        self._queue: queue.Queue[Run | None] = queue.Queue(WAITING)
        self._ended = False
        self._result: Stretch | None = None
        self._error: BaseException | None = None
        self._run: Run | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def add(self, frame: av.VideoFrame, repeat: int = 1) -> None:
        """Append ``repeat`` frames of one picture."""
        self._hand_over()
        self._run = frame, repeat

    def again(self, repeat: int = 1) -> None:
        """Append the last picture again."""
        assert self._run is not None
        self._run = self._run[0], self._run[1] + repeat

    def finish(self) -> Stretch:
        """Wait for the last frame; the whole stretch."""
        self.close()
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def close(self) -> None:
        """Wait for the thread to end, also where nobody wants the stretch any more."""
        self._hand_over()
        self._queue.put(None)
        self._thread.join()

    def _hand_over(self) -> None:
        if self._run is not None:
            self._queue.put(self._run)
            self._run = None

    def _runs(self) -> Iterator[Run]:
        while (run := self._queue.get()) is not None:
            yield run
        self._ended = True

    def _work(self) -> None:
        runs = self._runs()
        try:
            self._result = self._encode(runs)
        except BaseException as error:  # noqa: BLE001 - it is raised where the frames come from
            self._error = error
        while not self._ended:  # nobody is left waiting for a place in the queue
            self._ended = self._queue.get() is None

    def _encode(self, runs: Iterator[Run]) -> Stretch | None:
        first, second = next(runs, None), next(runs, None)
        if first is None:
            return None
        if second is None:
            return still(*first, self.quality)
        coder = _Coder(self.quality)
        for frame, count in chain((first, second), runs):
            for _ in range(count):
                coder.add(frame)
        return coder.finish()
