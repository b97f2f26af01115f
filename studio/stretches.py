"""Encoded animations, kept under what they show; and scenes joined of them.

What is kept is found by what every frame of it looks like, not by the code
that moves things: a sentence that changes takes only the animations with it
that really look different.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.files import Arrays, digest_of, read_arrays, write_arrays, written_whole
from diffusion_core.places import ROOT, cache_dir
from studio.encoding import ENCODER, Stretch, codec
from studio.quality import Quality

KIND = "diffusion-lectures stretch 1"
DRAWN_BY = ("manim", "manimpango", "pycairo", "typst", "numpy", "pillow", "av")
"""Packages whose version may change a frame."""
DRAWING = tuple(
    f"scenes/stage/{name}.py" for name in ("camera", "compositing", "looks", "painter", "renderer")
)
ENCODING = ("studio/encoding.py",)
"""Files that decide what becomes of a look."""
ROOM = 4_000_000_000
"""Bytes that the kept stretches may take; the longest unused go first."""

Run = tuple[bytes, int]
"""A look, and how many frames have it."""


@cache
def _circumstances() -> str:
    """A digest of everything but the looks that decides the packets."""
    sources = {
        name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in DRAWING + ENCODING
    }
    versions = {name: importlib.metadata.version(name) for name in DRAWN_BY}
    return digest_of({"sources": sources, "versions": versions, "encoder": ENCODER})


@dataclass(frozen=True, slots=True)
class Library:
    """The stretches that are kept for one quality.

    Parameters
    ----------
    quality
        Size and frame rate.
    folder
        Where they are; ``stretches`` in the cache by default.
    """

    quality: Quality
    folder: Path

    @classmethod
    def usual(cls, quality: Quality) -> Library:
        """The library in the cache."""
        return cls(quality, cache_dir() / "stretches")

    def _shelf(self, first: bytes, frames: int) -> Path:
        """Where stretches of that length that begin so are kept."""
        begins = {
            "circumstances": _circumstances(),
            "quality": asdict(self.quality) | {"name": ""},
            "look": first.hex(),
        }
        return self.folder / f"{digest_of(begins)[:32]}-{frames}"

    def path(self, runs: Sequence[Run]) -> Path:
        """Where the stretch of those looks is kept, or would be."""
        digest = hashlib.sha256()
        for look, frames in runs:
            digest.update(look + frames.to_bytes(4, "big"))
        shelf = self._shelf(runs[0][0], sum(frames for _, frames in runs))
        return shelf / f"{digest.hexdigest()[:32]}.safetensors"

    def may_have(self, first: bytes, frames: int) -> bool:
        """Whether a stretch of that length that begins so is kept."""
        return any(self._shelf(first, frames).glob("[!.]*.safetensors"))


def write_stretch(path: Path, stretch: Stretch) -> None:
    """Keep a stretch at ``path``, whole or not at all."""
    arrays: Arrays = {
        "packets": np.frombuffer(b"".join(stretch.packets), np.uint8),
        "sizes": np.array([len(packet) for packet in stretch.packets], np.int64),
        "times": np.array(stretch.times, np.int64),
        "keys": np.array(stretch.keys, np.uint8),
    }
    write_arrays(path, arrays, {"header": stretch.header.hex()}, kind=KIND)


def read_stretch(path: Path) -> Stretch:
    """The stretch at ``path``.

    Raises
    ------
    DamagedFile
        When it is not what was written, bit for bit.
    LectureError
        When it is absent.
    """
    arrays, facts, _ = read_arrays(path, kind=KIND)
    ends = np.cumsum(arrays["sizes"]).tolist()
    content = arrays["packets"].tobytes()
    return Stretch(
        tuple(content[a:b] for a, b in zip([0, *ends], ends, strict=False)),
        tuple(arrays["times"].tolist()),
        tuple(bool(key) for key in arrays["keys"]),
        bytes.fromhex(facts["header"]),
    )


def is_whole(path: Path) -> bool:
    """Whether a stretch is kept at ``path``; a damaged one is removed."""
    try:
        read_stretch(path)
    except DamagedFile:
        path.unlink(missing_ok=True)
        return False
    except LectureError:
        return False
    return True


def join(paths: Sequence[Path], quality: Quality, target: Path) -> int:
    """Put stretches one after the other into an MP4 at ``target``, whole; return its frames.

    Nothing is encoded again.

    Raises
    ------
    LectureError
        When one of them is damaged or absent, or they do not go together.
    """
    stretches = {path: read_stretch(path) for path in dict.fromkeys(paths)}
    # A picture is decoded before it is shown, by so many places at the most.
    delay = max(
        place - time for found in stretches.values() for place, time in enumerate(found.times)
    )
    start = 0
    with written_whole(target) as partial, av.open(str(partial), "w", format="mp4") as movie:
        stream = movie.add_stream("libx264", rate=quality.frame_rate, options=dict(ENCODER))
        stream.width, stream.height, stream.pix_fmt = quality.width, quality.height, "yuv420p"
        header = bytes(codec(quality).extradata or b"")
        for path in paths:
            found = stretches[path]
            if found.header != header:
                raise LectureError(f"{path} was encoded by another x264; remove {path.parent}")
            for place, (content, time) in enumerate(zip(found.packets, found.times, strict=True)):
                packet = av.Packet(content)
                packet.stream, packet.time_base = stream, Fraction(1, quality.frame_rate)
                packet.pts, packet.dts = start + time, start + place - delay
                packet.duration, packet.is_keyframe = 1, found.keys[place]
                movie.mux(packet)
            start += found.frames
    return start


def make_room(folder: Path, room: int = ROOM) -> None:
    """Remove the stretches that were not used for the longest, until the rest take ``room``."""
    kept = []
    for path in folder.glob("*/[!.]*.safetensors"):
        with contextlib.suppress(OSError):  # another process makes room as well
            facts = path.stat()
            kept.append((facts.st_mtime, facts.st_size, path))
    excess = sum(size for _, size, _ in kept) - room
    for _, size, path in sorted(kept):
        if excess <= 0:
            return
        shutil.rmtree(path.parent, ignore_errors=True)
        excess -= size
