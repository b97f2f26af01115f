"""The storyboard: what it shows is what would be rendered, said and found."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_core.errors import UsageError
from diffusion_core.recipe import fingerprint
from scenes.catalog import SCENES, scene_entry
from scenes.options import SceneOptions
from scenes.stage.theme import THEMES
from studio import storyboard
from studio.production import Order
from studio.sketches import Sketch
from studio.sketching import sketch
from studio.storyboard import clock, make_storyboard, storyboard_path
from tests.helpers import Workplace
from tests.studio.tale import CAPTIONS, ENTRIES, SPOKEN, TINY, Voice, job, rendered
from tests.studio.test_slides import frames_of


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, entry in ENTRIES.items():
        monkeypatch.setitem(SCENES, name, entry)


def sketched(name: str, theme: str = "dark") -> Sketch:
    return sketch(job(Path("unused.mp4"), name, theme), Voice())


class Page(HTMLParser):
    """The pictures, the sentences, the findings of a page, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures: list[bytes] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.targets: set[str] = set()
        self.texts: dict[str, list[str]] = {}
        self._kind = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.targets.add(found.get("id", ""))
        if tag == "a":
            self.links.append(found["href"])
        else:
            self.loads += [found[name] for name in ("src", "href", "srcset") if name in found]
        if tag == "img":
            self.pictures.append(base64.b64decode(found["src"].partition(",")[2]))
        if tag == "p":
            self._kind = found.get("class", "")
            self.texts.setdefault(self._kind, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self._kind = ""

    def handle_data(self, data: str) -> None:
        if self._kind:
            self.texts[self._kind][-1] += data


def page_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str = "tale", theme: str = "dark"
) -> tuple[Page, str, storyboard.Storyboard]:
    """The page of a scene that is sketched in this process."""
    monkeypatch.setattr(storyboard, "_sketched", lambda jobs, progress: {name: sketched(name)})
    options = SceneOptions(theme=theme)
    made = make_storyboard(Order(name, options, TINY, "silent", tmp_path / "page.html"))
    text = made.path.read_text(encoding="utf-8")
    return Page(text), text, made


@pytest.mark.parametrize("theme", THEMES)
def test_key_frames_are_what_the_video_shows_when_a_beat_rests(theme: str, tmp_path: Path) -> None:
    found = sketched("tale", theme)
    scene = rendered(tmp_path / "tale.mp4", theme)
    assert found.chapter == scene.chapter
    frames = frames_of(scene.job.target)
    assert len(found.pictures) == len(found.chapter.cues) == 3
    for cue, picture in zip(found.chapter.cues, found.pictures, strict=True):
        with Image.open(io.BytesIO(picture)) as drawn:
            assert drawn.size == (TINY.width, TINY.height)
            shown = np.asarray(drawn.convert("RGB")).astype(int)
        assert cue.rest is not None
        resting = frames[round(cue.rest * TINY.frame_rate) - 1]
        earlier = frames[round(cue.start * TINY.frame_rate)]
        difference = np.abs(shown - resting).mean()
        assert difference < 3
        assert difference < np.abs(shown - earlier).mean() / 2


def test_the_page_tells_words_times_and_pace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, text, made = page_of(tmp_path, monkeypatch)
    chapter = sketched("tale").chapter
    assert len(page.pictures) == made.beats == 3
    assert page.texts["said"] == list(CAPTIONS)
    assert page.texts["spoken"] == [f"Spoken: {said}" for said in SPOKEN[:2]]
    ends = [*(cue.start for cue in chapter.cues[1:]), chapter.end]
    starts = [0.0, *ends]
    for told, cue, start, end in zip(page.texts["when"], chapter.cues, starts, ends, strict=False):
        assert f"at {clock(cue.start)}" in told
        assert f"takes {end - start:.1f} s" in told
        pace = 60 * len(cue.sentence.spoken.split()) / (cue.end - cue.start)
        assert f"{pace:.0f} words a minute" in told
        assert ("loops in a talk" in told) == cue.loops
    assert made.seconds == chapter.end
    assert "A &lt;tale&gt;" in text
    assert "nothing &amp; everything" in text


def test_the_page_loads_nothing_and_its_links_lead_somewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, text, _ = page_of(tmp_path, monkeypatch)
    assert page.loads
    assert all(load.startswith("data:") for load in page.loads)
    assert not re.findall(r"url\(|@import|<script", text)
    assert len(page.links) == 3
    assert {link.removeprefix("#") for link in page.links} <= page.targets


@pytest.mark.parametrize("theme", THEMES)
def test_the_page_has_the_colours_of_its_theme(
    theme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text, _ = page_of(tmp_path, monkeypatch, theme=theme)
    assert f"--ground: {THEMES[theme].background};" in text
    assert f"color-scheme: {theme};" in text


def test_findings_stand_with_their_beat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, text, made = page_of(tmp_path, monkeypatch, "dull")
    assert {finding.rule for finding in made.findings} == {"pace"}
    assert {finding.beat for finding in made.findings} == {1}
    assert [told.strip() for told in page.texts["finding"]] == [
        f"pace {finding.what}" for finding in made.findings
    ]
    assert page.links[: len(made.findings)] == ["#dull-1"] * len(made.findings)
    first, _, second = text.partition('id="dull-2"')
    assert 'class="finding"' in first
    assert 'class="finding"' not in second
    assert made.as_facts()["findings"] == [str(finding) for finding in made.findings]


def test_what_is_clean_has_no_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, text, made = page_of(tmp_path, monkeypatch)
    assert made.findings == ()
    assert "no findings" in text


def test_times_are_told_to_the_tenth() -> None:
    assert [clock(time) for time in (0, 7.44, 59.96, 750)] == [
        "0:00.0",
        "0:07.4",
        "1:00.0",
        "12:30.0",
    ]


def test_the_output_is_a_page_or_a_folder(tmp_path: Path) -> None:
    order = Order("tale", SceneOptions(), TINY, "silent", tmp_path)
    assert storyboard_path(order) == tmp_path / "tale-seed0-tiny-silent-storyboard.html"
    assert storyboard_path(replace(order, output=Path("board.html"))) == Path("board.html")
    with pytest.raises(UsageError, match=r"board\.pdf must end in \.html"):
        storyboard_path(replace(order, output=Path("board.pdf")))


def test_the_command_makes_one_page_that_names_the_recording(tmp_path: Path, cache: Path) -> None:
    place = Workplace(tmp_path / "here", cache)
    command = ("storyboard", "forward_process", "--cut", "short", "--voice", "silent")
    facts = place.render(*command, "--quality", "draft", "--json").facts
    [path] = place.files()
    assert facts["storyboard"] == path
    text = (place.folder / path).read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.pictures) == facts["beats"] > 2
    assert facts["findings"] == []
    options = SceneOptions(cut="short")
    [recipe] = scene_entry("forward_process").runs(options).values()
    assert fingerprint(recipe) in text
    assert "cut short" in text
