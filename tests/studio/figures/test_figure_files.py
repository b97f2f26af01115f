"""Files of figures: crisp pictures, letters that can be embedded, the same bytes again."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image

from diffusion_core.errors import LectureError
from studio.figures.fonts import FONTS, SHIPPED, converted
from studio.figures.making import FigureOrder, make_figure
from studio.figures.style import DOTS
from tests.helpers import Workplace
from tests.studio.figures.conftest import Case

Cases = Callable[[str], Case]
XLINK = "{http://www.w3.org/1999/xlink}href"


@pytest.mark.parametrize(("theme", "width"), [("paper", 80.0), ("dark", 160.0), ("light", 211.3)])
def test_each_pixel_of_a_picture_is_a_square_of_whole_dots(
    width: float, theme: str, case: Cases, tmp_path: Path
) -> None:
    page = case("timesteps").page(theme, width)
    page.save(tmp_path / "it.png", "png", "title", "words")
    with Image.open(tmp_path / "it.png") as opened:
        assert opened.size == (page.columns, page.rows)
        assert opened.info["dpi"][0] >= DOTS - 1
        assert page.columns / opened.info["dpi"][0] * 25.4 == pytest.approx(width, abs=0.2)
        assert opened.info["Description"] == "words"
        sheet = np.asarray(opened.convert("RGB"))
    for axes in page.figure.axes:
        shown = page.shown[str(axes.get_label())]
        box = axes.get_window_extent()
        left, top = round(box.x0), round(page.rows - box.y1)
        enlarged = shown.repeat(page.factor, 0).repeat(page.factor, 1)
        found = sheet[top : top + len(enlarged), left : left + enlarged.shape[1]]
        np.testing.assert_array_equal(found, enlarged, err_msg=str(axes.get_label()))
    background = tuple(int(page.theme.background[i : i + 2], 16) for i in (1, 3, 5))
    assert tuple(sheet[0, 0]) == background


def test_an_svg_holds_each_picture_as_it_is_and_letters_as_outlines(
    case: Cases, tmp_path: Path
) -> None:
    page = case("timesteps").page()
    page.save(tmp_path / "it.svg", "svg", "a title", "a description")
    text = (tmp_path / "it.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)  # noqa: S314 - it has just been written here
    images = [node for node in root.iter() if node.tag.endswith("}image")]
    assert len(images) == len(page.shown)
    for node in images:
        content = base64.b64decode(node.attrib[XLINK].partition(",")[2])
        with Image.open(io.BytesIO(content)) as opened:
            found = np.asarray(opened.convert("RGB"))
        shown = page.shown[node.attrib["id"]]
        flipped = "scale(1 -1)" in node.attrib.get("transform", "")
        np.testing.assert_array_equal(found[::-1] if flipped else found, shown)
        assert "pixelated" in node.attrib["style"]
    # Nothing that another machine would have to have: no font, no address.
    assert not [node for node in root.iter() if node.tag.endswith("}text")]
    assert "font-family" not in text
    assert "a description" in text
    outlines = [node for node in root.iter() if node.tag.endswith("}use")]
    assert len(outlines) > 50


def streams(content: bytes) -> list[bytes]:
    """What a PDF's streams hold, as far as they are compressed."""
    found = []
    for match in re.finditer(rb"stream\r?\n", content):
        try:
            found.append(zlib.decompressobj().decompress(content[match.end() :]))
        except zlib.error:
            continue
    return found


def test_a_pdf_holds_its_fonts_as_truetype_and_each_picture_as_it_is(
    case: Cases, tmp_path: Path
) -> None:
    page = case("timesteps").page()
    page.save(tmp_path / "it.pdf", "pdf", "a title", "a description")
    content = (tmp_path / "it.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    fonts = [stream for stream in streams(content) if stream[:4] in (b"\0\1\0\0", b"OTTO")]
    assert len(fonts) >= 2  # words, and mathematics
    assert all(font.startswith(b"\0\1\0\0") for font in fonts)
    assert all(TTFont(io.BytesIO(font))["glyf"].glyphs for font in fonts)
    assert len(fonts) == content.count(b"/FontFile2")
    assert b"/Type3" not in content
    assert b"Inter-Regular" in content
    sizes = re.findall(rb"/Subtype /Image.*?>>", content, re.DOTALL)
    assert len(sizes) == len(page.shown)
    assert all(b"/Width 8" in size and b"/Height 8" in size for size in sizes)
    assert b"CreationDate" not in content


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Workplace:
    return Workplace(tmp_path_factory.mktemp("files"), cache)


def test_the_same_command_gives_the_same_bytes(case: Cases, place: Workplace) -> None:
    options = case("timesteps").choices.options
    command = ["figure", "timesteps", "--timesteps", "0,400,999", "--images", "2"]
    command += ["--model", options.model, "--steps", "5", "--to", "pdf,svg,png", "--json"]
    once = place.render(*command, "--output", "one", PYTHONHASHSEED="1")
    again = place.render(*command, "--output", "two", PYTHONHASHSEED="2")
    figures, others = once.facts["figures"], again.facts["figures"]
    assert figures.keys() == {"pdf", "svg", "png"}
    page = case("timesteps").page()
    for kind, path in figures.items():
        content = (place.folder / path).read_bytes()
        assert content == (place.folder / others[kind]).read_bytes(), kind
        assert content, kind
        told = json.loads((place.folder / once.facts["manifests"][kind]).read_text())
        assert told["files"] == {Path(path).name: hashlib.sha256(content).hexdigest()}
        assert told["command"] == "figure"
        assert (
            told["order"]
            | {
                "to": kind,
                "timesteps": "0,400,999",
                "images": 2,
                "seed": 0,
                "theme": "paper",
            }
            == told["order"]
        )
        assert told["caption"] == once.facts["caption"]
        (recording,) = told["recordings"].values()
        assert recording["recipe"]["times"] == [0, 400, 999]
        assert recording["fingerprint"] == once.facts["recordings"]["timesteps"]
    with Image.open(place.folder / figures["png"]) as opened:
        assert opened.size == (page.columns, page.rows)
    assert "recording timesteps" in once.err


def test_a_figure_that_cannot_be_written_says_so_and_leaves_nothing(
    case: Cases, tmp_path: Path
) -> None:
    small = case("timesteps")
    (tmp_path / "file").write_text("in the way")
    order = FigureOrder(
        entry=small.entry,
        choices=small.choices,
        output=tmp_path / "file" / "it.png",
        asked={"name": "timesteps"},
    )
    with pytest.raises(LectureError, match="--output"):
        make_figure(order)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_converted_font_is_the_font_that_ships(name: str) -> None:
    before, after = TTFont(FONTS / name), TTFont(converted(FONTS / name))
    assert "glyf" in after
    assert "CFF " not in after
    letters = before.getBestCmap()
    assert after.getBestCmap().keys() >= {*map(ord, "aZ0ᾱεσ√−→“”…ₜ₀")}
    for code, glyph in after.getBestCmap().items():
        assert after["hmtx"][glyph][0] == before["hmtx"][letters[code]][0], chr(code)
    for letter in "ag&Ωσ":
        one, other = (_area(font, font.getBestCmap()[ord(letter)]) for font in (before, after))
        assert other == pytest.approx(one, rel=2e-3), letter


def _area(font: TTFont, glyph: str) -> float:
    """What an outline encloses, its direction not counted."""
    from fontTools.pens.areaPen import AreaPen

    glyphs = font.getGlyphSet()
    pen = AreaPen(glyphs)
    glyphs[glyph].draw(pen)
    return abs(float(pen.value))


def test_a_prompt_is_no_mathematics(case: Cases, tmp_path: Path) -> None:
    page = case("timesteps").page(width=90)
    page.text(5, 5, "5 $ and $x_{", literal=True)
    page.save(tmp_path / "it.svg", "svg", "", "")
    assert (tmp_path / "it.svg").stat().st_size
    assert page.extent("a $x_{ b") > page.extent("a b")
