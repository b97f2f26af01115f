"""The script of a scene: to read from, to translate, and a video made of both."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
import pytest
import srt
from babel.messages.pofile import write_po
from manim import RIGHT, Dot, FadeOut

from diffusion_core.errors import LectureError
from scenes.catalog import SCENES, SceneEntry
from scenes.options import LOOK, SceneOptions
from scenes.stage.lecture_scene import LectureScene
from studio.narration import LOUDNESS, loudness
from studio.po_files import load, read_catalogue, update_catalogue
from studio.production import Order, Product, plan, produce
from studio.quality import Quality
from studio.script import lines_of, told_where
from studio.speakers import RATE, write_wav
from studio.telling import script_of
from studio.video import probe, run_ffmpeg
from tests.helpers import Workplace

TINY = Quality("tiny", 160, 96, 10)
SCRIPT = ("script", "introduction", "--steps", "5", "--quiet")


def lines_in(facts: Any) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = facts["lines"]
    return lines


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Workplace:
    """A folder whose commands have the cache of the tests."""
    return Workplace(tmp_path_factory.mktemp("place"), cache)


@pytest.fixture(scope="module")
def english(place: Workplace) -> list[dict[str, Any]]:
    """The script of the lecture as it is written."""
    return lines_in(place.render(*SCRIPT, "--json").facts)


@pytest.fixture(scope="module")
def german(place: Workplace, english: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same by the catalogue that ships."""
    return lines_in(place.render(*SCRIPT, "--language", "de", "--json").facts)


# -- the sheet -------------------------------------------------------------------------------


def test_the_script_is_what_the_scenes_say_in_their_order(english: list[dict[str, Any]]) -> None:
    assert [line["number"] for line in english] == list(range(1, len(english) + 1))
    assert len(english) > 15
    assert english[0]["text"].startswith("How can a machine paint")
    assert english[-1]["text"].endswith("recorded from a real run.")
    starts = [line["at"] for line in english]
    assert starts == sorted(starts)
    for line in english:
        assert line["seconds"] == pytest.approx(60 * line["words"] / 150, abs=0.06)
        assert re.fullmatch(rf"{line['number']:03}-[0-9a-f]{{8}}", line["file"])
    [equal] = [line for line in english if "t = " in line["caption"]]
    assert "t equals" in equal["text"]


def test_the_sheet_holds_every_line_in_each_of_its_forms(
    place: Workplace, english: list[dict[str, Any]]
) -> None:
    printed = place.render(*SCRIPT)
    assert printed.code == 0, printed.err
    for line in english:
        assert f"| {line['number']:03} | {line['file']} | {line['scene']} |" in printed.out
        assert line["text"] in printed.out
    made = place.render(*SCRIPT, "--to", "sheets/sheet.md", "--json").facts
    assert (place.folder / made["sheet"]).read_text(encoding="utf-8") + "\n" == printed.out
    place.render(*SCRIPT, "--to", "sheets/sheet.csv")
    table = (place.folder / "sheets/sheet.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["text"] for row in rows] == [line["text"] for line in english]
    assert [float(row["at"]) for row in rows] == [line["at"] for line in english]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--to", "sheet.txt"), 2, "sheet.txt must end in .md, .csv, .po"),
        (("--to", "words.po"), 2, "'words' is no language"),
        (("--recordings", "nowhere"), 1, "nowhere is not a folder"),
        (("--language", "fr"), 1, "--to translations/introduction.fr.po writes one"),
        (("--language", "klingon"), 2, "'klingon' is no language"),
    ],
)
def test_what_cannot_be_written_is_found_before_work(
    arguments: tuple[str, str], code: int, says: str, place: Workplace
) -> None:
    done = place.render(*SCRIPT, *arguments)
    assert (done.code, done.out) == (code, "")
    assert says in done.err
    assert "Traceback" not in done.err


def test_recordings_are_found_missing_and_changed(
    place: Workplace, english: list[dict[str, Any]]
) -> None:
    folder = place.folder / "mine"
    folder.mkdir()
    beep = np.sin(np.arange(9000) / 9).astype(np.float32)
    for name in (english[0]["file"], "002", "004-01234567"):
        write_wav(folder / f"{name}.wav", beep, 44_100)
    done = place.render(*SCRIPT, "--recordings", "mine", "--json")
    told = {line["number"]: line["status"] for line in lines_in(done.facts)}
    assert [told.pop(number) for number in (1, 2, 4)] == ["recorded", "recorded", "changed"]
    assert set(told.values()) == {"missing"}
    about = done.facts["recordings"]
    assert about["recorded"] == 2
    [changed] = about["changed"]
    assert changed.startswith("004-01234567.wav says “another sentence”, the script “")
    assert changed.endswith(f"record it anew as {english[3]['file']}")
    assert about["missing"][0] == f"{english[2]['file']}: “{english[2]['text']}”"
    shown = place.render(*SCRIPT, "--recordings", "mine").out
    assert f"mine: 2 of {len(english)} lines are recorded" in shown
    assert "**(changed)**" in shown


# -- translations ----------------------------------------------------------------------------


def test_the_catalogue_that_ships_translates_every_sentence(
    english: list[dict[str, Any]], german: list[dict[str, Any]]
) -> None:
    assert [line["number"] for line in german] == [line["number"] for line in english]
    assert not {line["text"] for line in german} & {line["text"] for line in english}
    for ours, theirs in zip(english, german, strict=True):
        assert re.findall(r"\d+", ours["text"]) == re.findall(r"\d+", theirs["text"])
    assert german[2]["text"].startswith("Nehmen wir ein Bild.")


def test_a_catalogue_is_written_kept_up_and_asked_for_what_it_lacks(
    place: Workplace, english: list[dict[str, Any]]
) -> None:
    made = place.render(*SCRIPT, "--to", "translations/nl.po", "--json").facts
    spoken = sum(line["text"] != line["caption"] for line in english)
    assert made == {
        "catalogue": "translations/nl.po",
        "messages": len(english) + spoken,
        "translated": 0,
        "fuzzy": 0,
        "obsolete": 0,
    }
    video = ("lecture", "introduction", "--steps", "5", "--quality", "draft", "--voice", "silent")
    done = place.render(*video, "--language", "nl", "--quiet")
    assert (done.code, done.out) == (1, "")
    assert f"does not translate {len(english)} of the {len(english)} sentences" in done.err
    assert english[0]["caption"] in done.err
    assert "render.py script introduction --to translations/nl.po" in done.err
    assert not list(place.folder.rglob("*.mp4"))


# -- a video in German, with own recordings --------------------------------------------------

GERMAN = {
    "Take a picture.": "Nehmen wir ein Bild.",
    "At t = {0}, half of it is noise.": "Bei t = {0} ist die Hälfte davon Rauschen.",
    "At t equals {0}, half of it is noise.": "Bei t gleich {0} ist die Hälfte davon Rauschen.",
    "And then it is gone.": "Und dann ist es verschwunden.",
}


class Story(LectureScene):
    """A picture that goes away, in three sentences."""

    def construct(self) -> None:
        dot = Dot(radius=0.5)
        with self.beat("Take a picture."):
            self.appear(dot, seconds=0.4)
        with self.beat("At t = 496, half of it is noise.", "At t equals 496, half of it is noise."):
            self.play(dot.animate.shift(RIGHT), run_time=0.6)
        with self.beat("And then it is gone."):
            self.play(FadeOut(dot), run_time=0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a scene's German catalogue and its recordings: a tone for each line.

    Each has a pitch, a length and a loudness of its own.
    """
    entry = SceneEntry(
        name="story",
        title="A story",
        teaches="nothing",
        place=f"{__name__}:Story",
        accepts=LOOK,
        recipes=lambda options: {},
    )
    folder = tmp_path_factory.mktemp("story")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCENES, "story", entry)
        order = Order("story", SceneOptions(), TINY, "silent")
        lines = lines_of(script_of(order, {}, workers=0))
        path = folder / "made" / "story.de.po"
        update_catalogue(path, [(told_where(line), line.source) for line in lines])
        catalogue = read_catalogue(path)
        for message in catalogue:
            if message.id:
                message.string = GERMAN[str(message.id)]
        with path.open("wb") as written:
            write_po(written, catalogue)
        (folder / "recorded").mkdir()
        for line in lines_of(script_of(order, {}), load(path)):
            write_wav(folder / "recorded" / f"{line.file}.wav", tone(line.number), 44_100)
        yield folder


def pitch_of(number: int) -> float:
    """The tone that stands for a line: each its own."""
    return 300.0 + 170 * number


def tone(number: int) -> np.ndarray:
    time = np.arange(round(44_100 * (1 + number / 10))) / 44_100
    loud = 0.05 * number * np.sin(2 * np.pi * pitch_of(number) * time)
    quiet = np.zeros(30_000)
    return np.concatenate([quiet, loud, quiet]).astype(np.float32)


@pytest.fixture(scope="module")
def order(folder: Path) -> Order:
    """The story, told by those in German; the catalogue lies beside the video."""
    voice = f"recorded:{folder / 'recorded'}"
    return Order("story", SceneOptions(), TINY, voice, output=folder / "made", language="de")


@pytest.fixture(scope="module")
def video(order: Order) -> Product:
    """The video of it."""
    return produce(order, workers=0)


def test_the_sound_is_the_recordings_at_their_times(video: Product) -> None:
    sound = ffmpeg.input(f"file:{video.video}")["a:0"].output("-", f="f32le", ar=RATE, ac=1)
    samples = np.frombuffer(run_ffmpeg(sound), "<f4")
    assert loudness(samples) == pytest.approx(LOUDNESS, abs=0.6)
    said = list(srt.parse(video.captions[0].read_text("utf-8")))
    assert len(said) == 3

    def level(start: float, end: float) -> float:
        heard = samples[round(max(0, start) * RATE) : round(end * RATE)]
        return float(np.abs(heard).max(initial=0))

    for number, caption in enumerate(said, 1):
        start, lasts = caption.start.total_seconds(), 1 + number / 10
        middle = samples[round((start + 0.1) * RATE) : round((start + lasts - 0.1) * RATE)]
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
        heard = spectrum.argmax() * RATE / len(middle)
        assert heard == pytest.approx(pitch_of(number), abs=3)
        # All of it, and nothing around it.
        assert level(start + lasts - 0.1, start + lasts) > 0.05
        assert level(start - 0.2, start) < 0.01
        assert level(start + lasts + 0.06, start + lasts + 0.2) < 0.01


def test_all_that_is_read_is_german(video: Product, order: Order) -> None:
    assert probe(video.video).subtitles == (("mov_text", "deu"),)
    said = [
        " ".join(one.content.split()) for one in srt.parse(video.captions[0].read_text("utf-8"))
    ]
    assert said == [
        "Nehmen wir ein Bild.",
        "Bei t = 496 ist die Hälfte davon Rauschen.",
        "Und dann ist es verschwunden.",
    ]
    assert "Hälfte davon Rauschen." in video.captions[1].read_text("utf-8")
    assert "Und dann ist es verschwunden." in video.transcript.read_text("utf-8")
    manifest = json.loads(video.manifest.read_text("utf-8"))
    assert manifest["language"] == plan(order)["language"] == "de"
    assert manifest["voice"].startswith("recorded ")
    assert order.translation is not None
    assert manifest["translation"] == order.translation.digest
    assert video.video.stem.endswith("-de")


def test_nothing_is_made_again_until_a_recording_or_a_word_changes(
    video: Product, order: Order, folder: Path
) -> None:
    before = video.video.read_bytes()
    assert produce(order, workers=0).drawn == 0
    assert video.video.read_bytes() == before

    file = min((folder / "recorded").glob("*.wav"))
    kept = file.read_bytes()
    write_wav(file, tone(9), 44_100)
    assert produce(order, workers=0).fresh == ("story",)
    file.write_bytes(kept)
    assert produce(order, workers=0).fresh == ()
    assert video.video.read_bytes() == before

    path = folder / "made" / "story.de.po"
    words = path.read_text("utf-8")
    path.write_text(words.replace("Und dann ist es", "Dann aber ist es"), encoding="utf-8")
    changed = replace(order, voice=f"{order.voice}+silent")  # nobody has said that
    with pytest.raises(LectureError, match=r"lacks 003-.*“Dann aber ist es verschwunden.”"):
        produce(replace(order), workers=0)
    assert "Dann aber" in produce(changed, workers=0).transcript.read_text("utf-8")
    path.write_text(words, encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (Path.unlink, "lacks 001-"),
        (lambda path: path.write_bytes(b"no sound"), "cannot be read as sound"),
    ],
    ids=["missing", "damaged"],
)
def test_a_recording_that_cannot_be_used_is_found_before_a_frame_is_drawn(
    damage: Callable[[Path], Any], says: str, order: Order, folder: Path
) -> None:
    file = min((folder / "recorded").glob("*.wav"))
    kept = file.read_bytes()
    stages: set[str] = set()
    try:
        damage(file)
        with pytest.raises(LectureError, match=says):
            produce(order, lambda stage, *rest: stages.add(stage.value), workers=0)
    finally:
        file.write_bytes(kept)
    assert "rendering" not in stages
