"""Slides: what each shows and waits on, in files that open without a network."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from scenes.catalog import SCENES
from scenes.options import SceneOptions
from studio import decks, slides
from studio.decks import Look, write_deck
from studio.production import Order, Rendered
from studio.quality import QUALITIES
from studio.rendering import SilentScene
from studio.slides import Slide, SlidesOrder, cut, make_slides, slides_of
from tests.helpers import Workplace
from tests.studio.tale import CAPTIONS, ENTRIES, TINY, rendered

LOOK = Look("A <tale>", "en", "dark", TINY.width, TINY.height)
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), ""
)
OFFICE = next(filter(None, map(shutil.which, ("soffice", "libreoffice"))), "")


@pytest.fixture(scope="module", autouse=True)
def catalogue() -> object:
    with pytest.MonkeyPatch.context() as patch:
        for name, entry in ENTRIES.items():
            patch.setitem(SCENES, name, entry)
        yield


@pytest.fixture(scope="module")
def tale(tmp_path_factory: pytest.TempPathFactory) -> SilentScene:
    """The tale, rendered."""
    return rendered(tmp_path_factory.mktemp("tale") / "tale.mp4")


Beats = Callable[[], list[Slide]]


@pytest.fixture
def beats(tale: SilentScene, tmp_path: Path) -> Beats:
    """Cuts the tale anew, a slide a beat."""
    count = iter(range(100))
    return lambda: slides_of(tale, "beat", tmp_path / f"beats{next(count)}")


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as movie:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in movie.decode(video=0)]


def place_of_dot(frame: np.ndarray) -> float:
    """Its middle, in pixels from the left; NaN where there is none."""
    orange = (frame[..., 0] - frame[..., 2]) > 60
    return float(np.nonzero(orange)[1].mean()) if orange.any() else float("nan")


# -- what is on a slide ------------------------------------------------------------------


def test_the_parts_are_the_frames_of_the_whole(tale: SilentScene, beats: Beats) -> None:
    whole = frames_of(tale.job.target)
    parts = [frame for slide in beats() for frame in frames_of(slide.video)]
    assert 0 < len(whole) - len(parts) < 10  # the stage is cleared in half a second
    assert all(np.array_equal(one, other) for one, other in zip(parts, whole, strict=False))


def test_a_beat_waits_where_it_came_to_rest(beats: Beats) -> None:
    first, second, third = (frames_of(slide.video) for slide in beats())
    unit = TINY.height / 8  # pixels of one of manim's units
    at = [place_of_dot(part[-1]) for part in (first, second, third)]
    # A frame too early would be a sixth of a unit and more too little.
    assert at == pytest.approx([160 - 4 * unit, 160 - unit, 160 + 4 * unit], abs=0.05 * unit)
    # What moves between two beats begins the later one.
    assert place_of_dot(third[0]) == pytest.approx(at[1], abs=0.05 * unit)


def test_notes_hold_what_is_said_and_only_a_beat_that_says_so_loops(beats: Beats) -> None:
    found = beats()
    assert [slide.notes for slide in found] == list(CAPTIONS)
    assert [slide.loops for slide in found] == [False, True, False]


def test_a_chapter_is_one_slide_that_waits_before_the_stage_is_cleared(
    tale: SilentScene, beats: Beats, tmp_path: Path
) -> None:
    [slide] = slides_of(tale, "chapter", tmp_path / "chapter")
    assert slide.notes.split("\n") == list(CAPTIONS)
    assert not slide.loops
    last = frames_of(beats()[-1].video)[-1]
    assert np.array_equal(frames_of(slide.video)[-1], last)
    assert np.isnan(place_of_dot(frames_of(tale.job.target)[-1]))


def test_between_key_frames_nothing_is_cut(tale: SilentScene, tmp_path: Path) -> None:
    with pytest.raises(LectureError, match="cannot be cut into stretches"):
        cut(tale.job.target, [1, 3], tmp_path / "parts")


# -- files -------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page loads, its slides and its notes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.videos: list[dict[str, str | None]] = []
        self.notes: list[list[str]] = []
        self.ready = False
        self._in_note = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.loads += [
            value
            for name, value in attributes
            if name in ("src", "href", "data-src", "srcset", "poster") and value is not None
        ]
        if tag == "video":
            self.videos.append(found)
        if tag == "aside" and found.get("class") == "notes" and len(self.notes) < len(self.videos):
            self.notes.append([])
        self._in_note = tag == "p"
        self.ready = self.ready or "ready" in (found.get("class") or "").split()

    def handle_endtag(self, tag: str) -> None:
        self._in_note = False

    def handle_data(self, data: str) -> None:
        if self._in_note and self.notes:
            self.notes[-1].append(data)


def made(to: str, found: list[Slide], path: Path) -> list[Path]:
    pytest.importorskip("manim_slides", reason="the extra `slides` is not installed")
    folder = path.parent / f"work-{path.name}"
    folder.mkdir(parents=True)
    return write_deck(to, found, path, LOOK, folder)


def test_the_page_holds_all_that_it_needs(beats: Beats, tmp_path: Path) -> None:
    path = tmp_path / "talk.html"
    contents = [slide.video.read_bytes() for slide in beats()]
    assert made("html", beats(), path) == []
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.loads
    assert all(load.startswith("data:") for load in page.loads)
    assert not re.findall(r"url\(\s*['\"]?(?!data:)|@import", text.partition("<body>")[0])
    assert ["".join(lines) for lines in page.notes] == list(CAPTIONS)
    assert ["loop" in video for video in page.videos] == [False, True, False]
    assert "<title>A &lt;tale&gt;</title>" in text
    import base64

    held = [str(video["data-src"]).partition(",")[2] for video in page.videos]
    assert [base64.b64decode(one) for one in held] == contents


def test_many_videos_lie_beside_the_page_and_those_of_before_go(
    beats: Beats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decks, "ONE_FILE", 0)
    path = tmp_path / "talk.html"
    folder = tmp_path / "talk-files"
    first = made("html", beats()[:2], path)
    mine = folder / "notes.txt"
    mine.write_text("mine")
    shutil.rmtree(tmp_path / "work-talk.html")
    second = made("html", beats()[1:], path)
    assert len(first) == len(second) == 2
    assert {*folder.iterdir()} == {*second, mine}
    named = [video["data-src"] for video in Page(path.read_text(encoding="utf-8")).videos]
    assert named == [f"talk-files/{place.name}" for place in second]
    assert [place.read_bytes() for place in second] == [
        slide.video.read_bytes() for slide in beats()[1:]
    ]


def test_the_pptx_has_videos_notes_and_loops(beats: Beats, tmp_path: Path) -> None:
    path = tmp_path / "talk.pptx"
    made("pptx", beats(), path)
    from pptx import Presentation

    shown = list(Presentation(str(path)).slides)
    assert [slide.notes_slide.notes_text_frame.text for slide in shown] == list(CAPTIONS)
    loops = ['repeatCount="indefinite"' in slide.element.xml for slide in shown]
    assert loops == [False, True, False]
    with zipfile.ZipFile(path) as parts:
        movies = {parts.read(name) for name in parts.namelist() if name.endswith(".mp4")}
    assert movies == {slide.video.read_bytes() for slide in beats()}


def pages(content: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", content))


def test_the_pdf_has_the_last_picture_of_each_slide(beats: Beats, tmp_path: Path) -> None:
    path = tmp_path / "talk.pdf"
    made("pdf", beats(), path)
    content = path.read_bytes()
    assert pages(content) == 3
    pictures = [
        np.asarray(Image.open(io.BytesIO(found))).astype(int)
        for found in re.findall(rb"\xff\xd8\xff.+?\xff\xd9(?=\s*endstream)", content, re.DOTALL)
    ]
    for picture, slide in zip(pictures, beats(), strict=True):
        assert np.abs(picture - frames_of(slide.video)[-1]).mean() < 3


@pytest.mark.parametrize("to", ["html", "pptx", "pdf"])
def test_the_same_slides_are_the_same_file(to: str, beats: Beats, tmp_path: Path) -> None:
    one, other = tmp_path / "one" / f"talk.{to}", tmp_path / "other" / f"talk.{to}"
    made(to, beats(), one)
    made(to, beats(), other)
    assert one.read_bytes() == other.read_bytes()


# -- opened ------------------------------------------------------------------------------


def browse(path: Path, slide: int, profile: Path, *orders: str) -> str:
    """Chromium at one slide of a page, with no network."""
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,720"),
            *("--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND"),
            *(f"--user-data-dir={profile}", *orders, f"{path.as_uri()}#/{slide}"),
        ],
        capture_output=True,
        encoding="utf-8",
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
@pytest.mark.parametrize("one_file", [True, False], ids=["one file", "videos beside"])
def test_chromium_shows_the_slides_without_a_network(
    one_file: bool, beats: Beats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not one_file:
        monkeypatch.setattr(decks, "ONE_FILE", 0)
    path = tmp_path / "talk.html"
    made("html", beats(), path)
    shot = tmp_path / "shot.png"
    page = Page(browse(path, 1, tmp_path / "profile", "--virtual-time-budget=3000", "--dump-dom"))
    assert page.ready
    assert len(page.videos) == 3
    frames = frames_of(beats()[1].video)
    nearest = np.inf
    for patience in (3000, 20000):  # of the page's own clock, which waits for no busy machine
        budget = f"--virtual-time-budget={patience}"
        browse(path, 1, tmp_path / "profile", budget, f"--screenshot={shot}")
        with Image.open(shot) as taken:
            seen = np.asarray(taken.convert("RGB").resize((TINY.width, TINY.height))).astype(int)
        nearest = min(nearest, *(np.abs(seen - frame).mean() for frame in frames))
        if nearest < 3:
            break
    empty = np.abs(frames[-1] - frames_of(beats()[0].video)[0]).mean()
    assert nearest < min(3, 0.7 * empty)


@pytest.mark.skipif(not OFFICE, reason="LibreOffice is not installed")
def test_libreoffice_opens_the_pptx(beats: Beats, tmp_path: Path) -> None:
    path = tmp_path / "talk.pptx"
    made("pptx", beats(), path)
    subprocess.run(
        [
            *(OFFICE, f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--headless"),
            *("--convert-to", "pdf", "--outdir", str(tmp_path / "opened"), str(path)),
        ],
        check=True,
        capture_output=True,
        timeout=200,
    )
    assert pages((tmp_path / "opened" / "talk.pdf").read_bytes()) == 3


# -- orders ------------------------------------------------------------------------------


def order(name: str = "tale", **others: object) -> Order:
    return replace(Order(name, SceneOptions(), TINY, "silent"), **others)  # type: ignore[arg-type]


def test_a_lecture_has_a_slide_a_chapter_unless_it_is_for_paper() -> None:
    lecture = replace(order("introduction"), quality=QUALITIES["medium"], voice="espeak")
    found = {to: SlidesOrder(lecture, to) for to in slides.FORMATS}
    assert {to: one.unit for to, one in found.items()} == {
        "html": "chapter",
        "pptx": "chapter",
        "pdf": "beat",
    }
    assert SlidesOrder(order(), "html").unit == "beat"
    assert str(found["pptx"].path) == "media/introduction/introduction-seed0-slides.pptx"
    by_beat = SlidesOrder(lecture, "pptx", "beat").path
    assert by_beat.name == "introduction-seed0-slides-by-beat.pptx"
    assert SlidesOrder(lecture, "pptx", "chapter").path == found["pptx"].path


def test_the_output_is_a_file_of_the_format_or_a_folder(tmp_path: Path) -> None:
    assert SlidesOrder(order(output=Path("talk.PPTX")), "pptx").path == Path("talk.PPTX")
    folder = tmp_path / "talks.2026"
    folder.mkdir()
    assert SlidesOrder(order(output=folder), "html").path.parent == folder
    with pytest.raises(UsageError, match=r"talk\.pptx must end in \.html"):
        _ = SlidesOrder(order(output=Path("talk.pptx")), "html").path


def test_all_that_was_made_is_told_and_in_the_manifest(
    tale: SilentScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("manim_slides", reason="the extra `slides` is not installed")
    import json

    monkeypatch.setattr(slides, "render", lambda *arguments: Rendered({}, [tale]))
    monkeypatch.setattr(decks, "ONE_FILE", 0)
    deck = make_slides(SlidesOrder(order(output=tmp_path / "talk.html")))
    facts = deck.as_facts()
    assert facts["count"] == 3
    assert len(facts["files"]) == 4
    left = {str(path) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*facts["files"], facts["manifest"]}
    manifest = json.loads(deck.manifest.read_text(encoding="utf-8"))
    assert manifest["provenance"]["order"]["to"] == "html"
    assert len(manifest["provenance"]["files"]) == 4


def test_without_manim_slides_it_is_said_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "manim_slides.convert", None)
    monkeypatch.setattr(slides, "render", lambda *arguments: pytest.fail("it was rendered"))
    with pytest.raises(MissingRequirement, match=r"pip install 'diffusion-lectures\[slides\]'"):
        make_slides(SlidesOrder(order(output=tmp_path / "talk.html")))
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_makes_nothing(tmp_path: Path, cache: Path) -> None:
    place = Workplace(tmp_path / "here", cache)
    command = ("slides", "forward_process", "--to", "pptx", "--dry-run", "--json")
    facts = place.render(*command).facts
    assert facts["slides"] == "media/forward_process/forward_process-seed0-slides.pptx"
    assert facts["by"] == "beat"
    assert place.files() == {}
