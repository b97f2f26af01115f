"""Speech for sentences, kept between runs, and its mixing into one even track.

Each sentence is synthesised once, brought to one rate and one loudness, and
kept under what is said and who says it.  The track is made of these by adding
samples at their places, so that nothing moves.  Loudness is measured by
ffmpeg's EBU R 128 meter; peaks are held down by a limiter that looks ahead as
far as it looks back, which delays nothing.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.filter
import numpy as np
from filelock import FileLock

from diffusion_core.errors import LectureError
from diffusion_core.files import digest_of
from diffusion_core.places import cache_dir
from scenes.cues import Cue, Sentence
from studio.speakers import RATE, Samples, Speaker, read_wav, trimmed, write_wav

log = logging.getLogger(__name__)

LOUDNESS = -16.0
"""Integrated loudness of a track, in LUFS (EBU R 128, mono)."""
PEAK = -2.5
"""Highest true peak of a track, in dBTP: 1 dB below the limit of −1.5, for what AAC may add."""
OVERLAP = 0.1
"""Seconds that a voice may run over its place: a place is whole frames, a voice is not."""

_FORMAT = 2  # of the files kept; a new number makes all speech anew
_QUIETEST = -70.0  # LUFS; the meter's floor


def _framed(samples: Samples, rate: int) -> av.AudioFrame:
    content = np.ascontiguousarray(samples, np.float32)[None]
    frame = av.AudioFrame.from_ndarray(content, format="flt", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    return frame


def loudness(samples: Samples) -> float:
    """Integrated loudness of mono ``samples`` at 48 kHz, in LUFS; −inf when nothing is heard."""
    if not samples.any():
        return -np.inf
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=RATE, format="flt", layout="mono", time_base=Fraction(1, RATE)
    )
    meter, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    graph.push(_framed(samples, RATE))
    graph.push(None)
    measured = _QUIETEST
    with contextlib.suppress(av.error.EOFError):
        while True:
            # Of all that was heard so far; the last one counts.
            measured = float(graph.pull().metadata.get("lavfi.r128.I", measured))
    return measured if measured > _QUIETEST else -np.inf


def _gain(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))


def _resampled(samples: Samples, rate: int, wanted: int = RATE) -> Samples:
    if rate == wanted:
        return samples
    resampler = av.AudioResampler(format="flt", layout="mono", rate=wanted)
    parts = (*resampler.resample(_framed(samples, rate)), *resampler.resample(None))
    return np.concatenate([part.to_ndarray()[0] for part in parts])


def true_peaks(samples: Samples) -> Samples:
    """The true peak of each of ``samples`` at 48 kHz: the highest of it and the 3 after it at 4 ×.

    ITU-R BS.1770-4, annex 2.
    """
    finer = np.abs(_resampled(samples, RATE, 4 * RATE)).reshape(-1, 4).T
    peaks: Samples = np.maximum(np.maximum(finer[0], finer[1]), np.maximum(finer[2], finer[3]))
    return peaks


def _held_down(samples: Samples, peaks: Samples, peak: float) -> Samples:
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    gains = np.minimum(1, _gain(peak) / np.maximum(peaks, 1e-9))
    window = RATE // 200 * 2 + 1
    smooth: Samples = uniform_filter1d(minimum_filter1d(gains, window), window)
    return samples * smooth


def limited(samples: Samples, peak: float = PEAK) -> Samples:
    """``samples`` at 48 kHz with true peaks (4 × oversampled) of at most ``peak`` dBTP.

    The gain falls and rises within 5 ms on either side of a peak; samples stay
    where they are.
    """
    return _held_down(samples, true_peaks(samples), peak) if samples.any() else samples


def _levelled(samples: Samples) -> Samples:
    """``samples`` of one sentence at the loudness of a track, its peaks held down."""
    # The meter works on blocks of 0.4 s; repeating a short sentence fills them.
    repeats = -(-3 * RATE // max(1, len(samples)))
    measured = loudness(np.tile(samples, repeats))
    if measured == -np.inf:
        return samples
    wanted = samples * _gain(LOUDNESS - measured)
    peaks = true_peaks(wanted)
    levelled = _held_down(wanted, peaks, PEAK)
    boost = np.float32(1)
    for _ in range(3):  # what the limiter takes is given back
        boost *= np.sqrt(np.vdot(wanted, wanted) / np.vdot(levelled, levelled))
        levelled = _held_down(wanted * boost, peaks * boost, PEAK)
    return levelled


class SpeechCache:
    """Sentences as a speaker says them, each synthesised once; a ``scenes.cues.Narrator``.

    Parameters
    ----------
    speaker
        Who says them.
    folder
        Where the speech is kept; ``speech`` in the cache by default.
    """

    def __init__(self, speaker: Speaker, folder: Path | None = None) -> None:
        self.speaker = speaker
        self.folder = folder or cache_dir() / "speech"
        self._durations: dict[Path, float] = {}

    def path(self, sentence: Sentence) -> Path:
        """Where the speech of ``sentence`` is, or would be."""
        said = {"format": _FORMAT, "speaker": self.speaker.name, "text": sentence.spoken}
        return self.folder / f"{digest_of(said)[:32]}.wav"

    def prepare(
        self, sentences: Iterable[Sentence], report: Callable[[int, int], None] | None = None
    ) -> None:
        """Synthesise ahead what is not kept yet.

        ``report`` is called with (sentences done, sentences in all) as it goes on.

        Raises
        ------
        LectureError
            When a sentence cannot be spoken, or the folder cannot be written.
        """
        distinct = list(dict.fromkeys(sentences))
        for done, sentence in enumerate(distinct, start=1):
            self.duration(sentence)
            if report:
                report(done, len(distinct))

    def duration(self, sentence: Sentence) -> float:
        """Seconds that ``sentence`` lasts when spoken, without silence before and after.

        Raises
        ------
        LectureError
            When it cannot be spoken, or the folder cannot be written.
        """
        path = self.path(sentence)
        if path not in self._durations:
            self._durations[path] = len(self.samples(sentence)) / RATE
        return self._durations[path]

    def samples(self, sentence: Sentence) -> Samples:
        """``sentence`` spoken: mono, 48 kHz, −16 LUFS (all zero for a silent voice).

        A file lock lets two processes that want the same sentence synthesise
        it once.  A file that is damaged is noticed and made again.

        Raises
        ------
        LectureError
            When it cannot be spoken, or the folder cannot be written.
        """
        path = self.path(sentence)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path.with_suffix(".lock"))
            lock.acquire()
        except OSError as error:
            raise LectureError(
                f"{self.folder} cannot be written ({error.strerror or error}); name another "
                "folder in DIFFUSION_LECTURES_CACHE"
            ) from error
        try:
            kept = self._kept(path)
            if kept is None:
                self._synthesise(sentence, path)
                kept = self._kept(path)
        finally:
            lock.release()
        if kept is None:
            raise LectureError(f"{self.speaker.name} made no sound file of {sentence.spoken!r}")
        return kept

    @staticmethod
    def _kept(path: Path) -> Samples | None:
        if not path.exists():
            return None
        try:
            samples, rate = read_wav(path)
            if rate != RATE or not samples.size:
                raise ValueError(f"{path} holds {samples.size} samples at {rate} Hz, not {RATE}")
        except (OSError, ValueError) as error:
            log.warning("speech is damaged and is made again: %s", error)
            return None
        return samples

    def _synthesise(self, sentence: Sentence, path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="speech-") as folder:
            raw = Path(folder) / "raw.wav"
            self.speaker.speak(sentence.spoken, raw)
            try:
                samples, rate = read_wav(raw)
            except (OSError, ValueError) as error:
                raise LectureError(
                    f"{self.speaker.name} made no sound file of {sentence.spoken!r}: {error}"
                ) from error
        heard = trimmed(_resampled(samples, rate), RATE)
        write_wav(path, _levelled(heard))


def _checked(cues: Sequence[Cue], total: float, speech: SpeechCache) -> list[Cue]:
    """The cues in order, when each voice has ended before the next begins and the video ends."""
    ordered = sorted(cues, key=lambda cue: cue.start)
    ends = [cue.start + speech.duration(cue.sentence) for cue in ordered]
    limits = [*(cue.start for cue in ordered), total][1:]
    for cue, end, limit in zip(ordered, ends, limits, strict=True):
        if cue.start < 0 or end > limit + OVERLAP:
            raise LectureError(
                f"{cue.sentence.spoken!r} is spoken from {cue.start:.2f} to {end:.2f} s, but has "
                f"its place only until {limit:.2f} s; render the scene again with this voice"
            )
    return ordered


def mix(cues: Sequence[Cue], total_seconds: float, speech: SpeechCache) -> Samples:
    """The narration of a video: mono, 48 kHz, exactly ``total_seconds`` long.

    Each sentence begins at its cue's start, to the sample.  Integrated
    loudness is −16 ± 0.5 LUFS, the true peak at most −2.5 dBTP.  Without cues,
    or with a silent voice, the track is silent.

    Raises
    ------
    LectureError
        When a sentence runs over the next one or over the end by more than
        0.1 s, or cannot be spoken.
    """
    ordered = _checked(cues, total_seconds, speech)

    def track(gain: np.float32 | None = None) -> Samples:
        sound = np.zeros(round(total_seconds * RATE), np.float32)
        for cue in ordered:
            samples = speech.samples(cue.sentence)
            if gain is not None:
                samples = limited(samples * gain)
            start = round(cue.start * RATE)
            stretch = sound[start : start + len(samples)]
            stretch += samples[: len(stretch)]
        return sound

    sound = track()
    missing = LOUDNESS - loudness(sound)
    # Sentences are even already; the limiter, pauses and very short ones move the whole a little.
    return sound if abs(missing) < 0.3 or missing == np.inf else track(_gain(missing))
