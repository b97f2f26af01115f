"""Sound files of any kind that PyAV reads, as mono samples, and samples played faster."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path

import av
import av.filter
import numpy as np

from diffusion_core.errors import LectureError
from studio.speakers import Samples

SUFFIXES = (".wav", ".flac", ".mp3", ".m4a")
"""Kinds of files that are taken for recordings."""


def read_sound(path: Path) -> tuple[Samples, int]:
    """The samples of a sound file, mixed to one channel, in −1 … 1, and their rate in hertz.

    Raises
    ------
    LectureError
        When it cannot be read, or nothing can be heard in it.
    """
    try:
        with av.open(str(path)) as opened:
            if not opened.streams.audio:
                raise LectureError(f"{path} holds no sound; record it as WAV, FLAC, MP3 or M4A")
            stream = opened.streams.audio[0]
            rate = stream.codec_context.sample_rate
            mixer = av.AudioResampler(format="flt", layout="mono", rate=rate)
            frames = [part for frame in opened.decode(stream) for part in mixer.resample(frame)]
            frames += mixer.resample(None)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise LectureError(f"{path} cannot be read as sound ({error}); record it again") from error
    parts = [frame.to_ndarray()[0] for frame in frames]
    samples: Samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if not samples.any():
        raise LectureError(f"nothing can be heard in {path}; record it again")
    return samples, rate


def at_tempo(samples: Samples, rate: int, tempo: float) -> Samples:
    """``samples`` played ``tempo`` times as fast, at the same pitch."""
    if tempo == 1:
        return samples
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=rate, format="flt", layout="mono", time_base=Fraction(1, rate)
    )
    stretch, sink = graph.add("atempo", f"{tempo}"), graph.add("abuffersink")
    source.link_to(stretch)
    stretch.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    graph.push(frame)
    graph.push(None)
    parts: list[Samples] = []
    with contextlib.suppress(av.error.EOFError):
        while True:
            played = graph.pull()
            assert isinstance(played, av.AudioFrame)
            parts.append(played.to_ndarray()[0])
    return np.concatenate(parts)
