"""Final files: silent videos, a track, captions and chapters become one MP4.

Nothing is encoded again.  The file is written beside its place,
probed, and moved there only when it is what was asked for.  The same inputs
give the same file, bit for bit.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg
import srt

from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from diffusion_core.files import written_whole
from scenes.cues import Chapter
from studio.captions import captions_of, chapters_metadata, to_srt

AUDIO_RATE = 48_000
SOUND_CODING = {
    "c:a": "aac",
    "b:a": "128k",
    "aac_coder": "fast",
    "aac_tns": 0,
    "ar": AUDIO_RATE,
    "ac": 1,
}
"""AAC as ffmpeg's own encoder makes it well.

With its usual settings (two-loop coder, temporal noise shaping) ffmpeg 5.1
puts clicks of up to half of full scale into speech at 128 kbit/s.  These keep
the error below 0.02, 46 dB under the speech.
"""
TOLERANCE = 0.1
"""Seconds by which sound and picture may differ in length."""


def _program(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        raise MissingRequirement(
            f"{name} is not installed, and every video is made with it: "
            "install it (apt-get install ffmpeg)"
        )
    return program


def _last_words(stderr: bytes) -> str:
    """The last line of ffmpeg's messages that says what went wrong."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines()]
    telling = [line for line in lines if line and line != "Conversion failed!"]
    return telling[-1] if telling else "no message"


def run_ffmpeg(stream: Any, given: bytes | None = None) -> bytes:
    """Run what was put together with ffmpeg-python; return its standard output.

    ``given`` goes to its standard input.  ffmpeg is ended when the caller is
    interrupted.

    Raises
    ------
    MissingRequirement
        When ffmpeg is not installed.
    LectureError
        When it fails; the message ends with the last line of its own.
    """
    quiet = stream.global_args("-nostdin", "-hide_banner", "-v", "error", "-nostats")
    command = quiet.overwrite_output().compile(cmd=_program("ffmpeg"))
    stdin: dict[str, Any] = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
    done = subprocess.run(command, capture_output=True, **stdin)
    if done.returncode:
        raise LectureError(f"ffmpeg failed: {_last_words(done.stderr)}")
    return done.stdout


def ffmpeg_version() -> str:
    """The version of the ffmpeg that is installed, such as "5.1.9-0+deb12u1".

    Raises
    ------
    MissingRequirement
        When ffmpeg is not installed.
    """
    done = subprocess.run([_program("ffmpeg"), "-version"], capture_output=True, text=True)
    words = done.stdout.split()
    return words[2] if len(words) > 2 else "unknown"


@dataclass(frozen=True, slots=True)
class Probe:
    """What is in a video file; times in seconds.

    ``frame_count`` is of the frames that are really there.  ``subtitles`` are
    pairs of codec and language.  ``chapters`` come without cues.
    ``parameters`` is a digest of the video stream's codec parameters.
    ``faststart`` says that the index comes before the content, so that the
    video plays while it is loaded.
    """

    duration: float
    title: str
    video_codec: str
    pix_fmt: str
    width: int
    height: int
    frame_rate: Fraction
    frame_count: int
    parameters: str
    audio_codec: str | None
    audio_rate: int | None
    audio_duration: float | None
    subtitles: tuple[tuple[str, str], ...]
    chapters: tuple[Chapter, ...]
    faststart: bool

    @property
    def video_duration(self) -> float:
        """Length of the picture, exact: frames over frame rate."""
        return float(self.frame_count / self.frame_rate)


def _faststart(path: Path) -> bool:
    """Whether the atom "moov" comes before "mdat"."""
    with path.open("rb") as content:
        while len(header := content.read(8)) == 8:
            size, name = int.from_bytes(header[:4], "big"), header[4:]
            if name in (b"moov", b"mdat"):
                return name == b"moov"
            skip = size - 8
            if size == 1:  # a length that needs 64 bits follows
                skip = int.from_bytes(content.read(8), "big") - 16
            if skip < 0:
                return False
            content.seek(skip, 1)
    return False


def probe(path: Path) -> Probe:
    """What is in the video at ``path``.

    Raises
    ------
    MissingRequirement
        When ffprobe is not installed.
    LectureError
        When the file is absent, cannot be read or holds no video.
    """
    try:
        found = ffmpeg.probe(
            f"file:{path}",
            cmd=_program("ffprobe"),
            show_chapters=None,
            count_packets=None,
            show_data_hash="sha256",
        )
    except ffmpeg.Error as error:
        raise LectureError(f"{path} is no video: {_last_words(error.stderr)}") from None
    streams: dict[str, list[dict[str, Any]]] = {"video": [], "audio": [], "subtitle": []}
    for stream in found["streams"]:
        streams.setdefault(stream.get("codec_type", ""), []).append(stream)
    if not streams["video"]:
        raise LectureError(f"{path} is no video: it has no video stream")
    video, audio = streams["video"][0], next(iter(streams["audio"]), {})
    return Probe(
        duration=float(found["format"].get("duration", 0)),
        title=found["format"].get("tags", {}).get("title", ""),
        video_codec=video["codec_name"],
        pix_fmt=video.get("pix_fmt", "unknown"),
        width=video["width"],
        height=video["height"],
        frame_rate=Fraction(video["r_frame_rate"]),
        frame_count=int(video.get("nb_read_packets", 0)),
        parameters=video.get("extradata_hash", ""),
        audio_codec=audio.get("codec_name"),
        audio_rate=int(audio["sample_rate"]) if audio else None,
        audio_duration=float(audio.get("duration", 0)) if audio else None,
        subtitles=tuple(
            (stream["codec_name"], stream.get("tags", {}).get("language", "und"))
            for stream in streams["subtitle"]
        ),
        chapters=tuple(
            Chapter(
                chapter.get("tags", {}).get("title", ""),
                float(chapter["start_time"]),
                float(chapter["end_time"]),
            )
            for chapter in found["chapters"]
        ),
        faststart=_faststart(path),
    )


def duration_of(path: Path) -> float:
    """Seconds that the video at ``path`` lasts, exact: frames over frame rate.

    Raises
    ------
    MissingRequirement, LectureError
        As ``probe``.
    """
    return probe(path).video_duration


def stream_digest(path: Path) -> str:
    """SHA-256 of the packets of the video stream at ``path``, 64 hexadecimal digits.

    It is of the picture alone: captions, sound and where the file was made do
    not change it.

    Raises
    ------
    MissingRequirement
        When ffmpeg is not installed.
    LectureError
        When the file cannot be read or holds no video.
    """
    packets = ffmpeg.input(f"file:{path}")["v:0"]
    printed = run_ffmpeg(packets.output("-", f="streamhash", hash="sha256", c="copy"))
    return printed.decode().strip().rpartition("=")[2].lower()


def _format(found: Probe) -> str:
    """What must be equal for videos to be put one after the other."""
    return (
        f"{found.video_codec} {found.pix_fmt} {found.width}×{found.height} "
        f"at {found.frame_rate} frames a second"
    )


def _probed_parts(silent_videos: list[Path]) -> list[Probe]:
    if not silent_videos:
        raise LectureError("there is no video to put together; name one scene or more")
    probed = {path: probe(path) for path in dict.fromkeys(silent_videos)}
    parts = [probed[path] for path in silent_videos]
    for path, part in zip(silent_videos, parts, strict=True):
        if (part.video_codec, part.pix_fmt) != ("h264", "yuv420p") or not part.frame_count:
            raise LectureError(
                f"{path} holds {part.frame_count} frames of {_format(part)}, not h264 yuv420p; "
                "render it again"
            )
        if _format(part) != _format(parts[0]):
            raise LectureError(
                f"{path} is {_format(part)}, but {silent_videos[0]} is {_format(parts[0])}; "
                "render them at one quality"
            )
    return parts


def _picture(silent_videos: list[Path], parts: list[Probe], folder: Path) -> Any:
    """The videos, one after the other, as one input."""
    lines = []
    for path, part in zip(silent_videos, parts, strict=True):
        quoted = str(path.absolute()).replace("'", "'\\''")
        # Without a stated duration ffmpeg takes the container's, which is in milliseconds.
        lines += [f"file 'file:{quoted}'", f"duration {part.video_duration:.9f}"]
    listing = folder / "parts.txt"
    listing.write_text("\n".join(lines) + "\n", encoding="utf-8")
    # Packets pass untouched where one set of codec parameters fits them all.
    convert = int(len({part.parameters for part in parts}) > 1)
    return ffmpeg.input(str(listing), f="concat", safe=0, auto_convert=convert)["v:0"]


def encode_sound(samples_file: Path, target: Path) -> None:
    """Encode a narration for ``assemble``.

    Parameters
    ----------
    samples_file
        A WAV file.
    target
        Where the AAC goes, ``….m4a``: mono, 48 kHz.

    Raises
    ------
    MissingRequirement
        When ffmpeg is not installed.
    LectureError
        When it fails.
    """
    sound = ffmpeg.input(f"file:{samples_file}")["a:0"]
    exact = {"fflags": "+bitexact", "flags": "+bitexact"}
    run_ffmpeg(ffmpeg.output(sound, f"file:{target}", f="ipod", **SOUND_CODING, **exact))


def assemble(
    silent_videos: list[Path],
    audio: Path | None,
    chapters: tuple[Chapter, ...],
    output: Path,
    title: str,
    language: str = "eng",
) -> Probe:
    """Make one MP4 of silent videos of equal format, in their order, and say what is in it.

    Parameters
    ----------
    silent_videos
        H.264, yuv420p; their packets are copied.
    audio
        The narration as ``encode_sound`` makes it, as long as the videos
        together; None for silence.
    chapters
        Chapters with their cues, in seconds from the start of the whole: a
        chapter begins where the ``duration_of`` all videos before it ends.
    output
        Where it goes, ``….mp4``; absent or whole at any time.
    title
        Of the whole, as players show it.
    language
        Of sound and captions: ISO 639-2, three letters.

    Raises
    ------
    MissingRequirement
        When ffmpeg is not installed.
    UsageError
        When ``output`` is not called ``….mp4``.
    LectureError
        When the videos do not fit together or with the sound, ``output``
        cannot be written, or the result is not what was asked for.
    """
    if output.suffix.lower() != ".mp4":
        raise UsageError(f"{output} is no name for a video; it must end in .mp4")
    parts = _probed_parts(silent_videos)
    length = sum((part.frame_count / part.frame_rate for part in parts), Fraction())
    captions = len(captions_of(chapters))
    with written_whole(output) as partial, tempfile.TemporaryDirectory(prefix="assemble-") as name:
        partial.touch()  # a place that cannot be written is found out before any work
        folder = Path(name)
        if audio is None:
            silence = f"anullsrc=r={AUDIO_RATE}:cl=mono"
            sound = ffmpeg.input(silence, f="lavfi", t=f"{float(length):.6f}")
        else:
            sound = ffmpeg.input(f"file:{audio}")
        inputs = [_picture(silent_videos, parts, folder), sound["a:0"]]
        if captions:
            (folder / "captions.srt").write_text(to_srt(chapters), encoding="utf-8")
            inputs.append(ffmpeg.input(str(folder / "captions.srt"), f="srt")["s:0"])
        if chapters:
            (folder / "chapters.txt").write_text(chapters_metadata(chapters), encoding="utf-8")
            # "?": an input without a stream; ffmpeg takes the chapters from the one that has some.
            inputs.append(ffmpeg.input(str(folder / "chapters.txt"), f="ffmetadata")["?"])
        options = {
            "c:v": "copy",
            **(SOUND_CODING if audio is None else {"c:a": "copy"}),
            "c:s": "mov_text",
            "map_metadata:g": -1,
            "metadata": f"title={title}",
            "metadata:s:a:0": f"language={language}",
            "metadata:s:s:0": f"language={language}",
            "fflags": "+bitexact",
            "flags": "+bitexact",
            "movflags": "+faststart",
        }
        run_ffmpeg(ffmpeg.output(*inputs, f"file:{partial}", f="mp4", **options))
        made = probe(partial)
        faults = _faults(made, parts, chapters)
        if captions and made.subtitles != (("mov_text", language),):
            faults.append(f"captions {made.subtitles} instead of {language}")
        elif captions and (shown := _caption_count(partial)) != captions:
            faults.append(f"{shown} captions instead of {captions}")
        if faults:
            raise LectureError(f"{output} was not made, for it would have {'; '.join(faults)}")
    return made


def _same_chapters(made: tuple[Chapter, ...], wanted: tuple[Chapter, ...]) -> bool:
    return len(made) == len(wanted) and all(
        mark.title == chapter.title and abs(mark.start - chapter.start) < 0.002
        for mark, chapter in zip(made, wanted, strict=True)
    )


def _caption_count(path: Path) -> int:
    printed = run_ffmpeg(ffmpeg.input(f"file:{path}")["s:0"].output("-", f="srt"))
    return sum(1 for _ in srt.parse(printed.decode()))


def _faults(made: Probe, parts: list[Probe], chapters: tuple[Chapter, ...]) -> list[str]:
    """What is not as it was asked for, captions aside."""
    frames = sum(part.frame_count for part in parts)
    sound = made.audio_duration or 0.0
    found = [(mark.title, mark.start) for mark in made.chapters]
    checks = [
        (_format(made) == _format(parts[0]), f"a picture of {_format(made)}"),
        (made.frame_count == frames, f"{made.frame_count} frames instead of {frames}"),
        (
            (made.audio_codec, made.audio_rate) == ("aac", AUDIO_RATE),
            f"sound of {made.audio_codec} at {made.audio_rate} Hz",
        ),
        (
            abs(sound - made.video_duration) <= TOLERANCE,
            f"{sound:.2f} s of sound to {made.video_duration:.2f} s of picture",
        ),
        (_same_chapters(made.chapters, chapters), f"chapters {found}"),
        (made.faststart, "its index at the end"),
    ]
    return [words for right, words in checks if not right]
