"""Pictures that people bring: every kind is taken, and what is none is refused in one line."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks._visitors import Visitor, picture
from diffusion_core.dissolving import dissolved
from diffusion_core.recipe import ForwardRecipe
from explorer.showing import pixels_of
from tests.browser.conftest import Opened, pixels, shown_when


@pytest.fixture(scope="module")
def visitor(server: str) -> Iterator[Visitor]:
    with Visitor(server) as visitor:
        yield visitor


def as_file(image: Image.Image, kind: str = "PNG") -> bytes:
    into = io.BytesIO()
    image.save(into, kind)
    return into.getvalue()


MODES = {
    "1": ("1", "PNG"),
    "L": ("L", "PNG"),
    "LA": ("LA", "PNG"),
    "P": ("P", "PNG"),
    "RGB": ("RGB", "JPEG"),
    "RGBA": ("RGBA", "PNG"),
    "CMYK": ("CMYK", "JPEG"),
    "YCbCr": ("YCbCr", "JPEG"),
    "I;16": ("I;16", "PNG"),
    "I": ("I", "TIFF"),
    "F": ("F", "TIFF"),
    "webp": ("RGB", "WEBP"),
    "gif": ("P", "GIF"),
    "bmp": ("RGB", "BMP"),
    "ppm": ("RGB", "PPM"),
}


@pytest.mark.parametrize(("mode", "kind"), MODES.values(), ids=MODES)
def test_every_kind_of_picture_is_taken(visitor: Visitor, mode: str, kind: str) -> None:
    answer = visitor.upload(as_file(Image.new(mode, (80, 60)), kind))
    assert answer.status_code == 200, answer.text
    kept = visitor.client.get("/" + answer.json()["picture"])
    with Image.open(io.BytesIO(kept.content)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (60, 60))


def test_a_large_picture_becomes_512(visitor: Visitor) -> None:
    answer = visitor.upload(as_file(Image.new("RGB", (3000, 2000)), "JPEG"))
    kept = visitor.client.get("/" + answer.json()["picture"])
    assert Image.open(io.BytesIO(kept.content)).size == (512, 512)


def bomb() -> bytes:
    """A PNG that says that it has 900 million pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(30_001 * 1000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("bomb.png", bomb(), "million pixels"),
        ("notes.png", b"dear diary", "notes.png is not a picture of a known format"),
        ("drawing.svg", SVG, "drawing.svg is not a picture of a known format"),
        ("nothing.png", b"", "nothing.png is empty"),
        ("half.png", as_file(Image.effect_noise((64, 64), 50))[:2000], "half.png is damaged"),
        ("page.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n", "page.eps is not a picture"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(
    visitor: Visitor, name: str, content: bytes, said: str
) -> None:
    answer = visitor.upload(content, name)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert said in error
    assert "\n" not in error
    assert "/tmp" not in error


@pytest.mark.parametrize(
    "name", ["../../../climbed.png", "%2e%2e%2fclimbed.png", "/etc/climbed.png"]
)
def test_a_name_that_climbs_stays_in_the_room(visitor: Visitor, name: str) -> None:
    address = visitor.upload(picture(), name).json()["picture"]
    assert address.endswith("/climbed.png")
    assert address.count("/") == 2


def test_nothing_of_what_was_refused_is_kept(tmp_path: Path) -> None:
    from diffusion_core.errors import LectureError
    from explorer.people import Room
    from explorer.uploads import keep_picture

    room = Room(tmp_path)
    sent = room.place("notes.png")
    sent.write_bytes(b"dear diary")
    with pytest.raises(LectureError):
        keep_picture(room, sent, "notes.png")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [sent]


def test_a_picture_is_uploaded_and_dissolves(open_page: Opened, tmp_path: Path) -> None:
    mine = tmp_path / "my cat.png"
    levels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(levels).save(mine)
    page = open_page("forward-size=64&forward-t=200")
    page.set_input_files("#forward-file", mine)
    page.wait_for_function(
        "document.querySelector('#forward-upload-says').textContent.includes('here')"
    )
    recipe = ForwardRecipe(image=str(mine), size=64, T=1000)
    shown_when(page, "forward-x_t", pixels_of(dissolved(recipe, 200).x_t))
    assert page.is_checked("#forward-picture input[value='your own']")


def test_what_is_refused_is_said_on_the_page_and_the_picture_stays(
    open_page: Opened, tmp_path: Path
) -> None:
    wrong = tmp_path / "notes.png"
    wrong.write_text("dear diary")
    page = open_page("forward-size=64")
    page.wait_for_selector("#forward-x_t")
    before = pixels(page, "forward-x_t")
    page.set_input_files("#forward-file", wrong)
    says = page.wait_for_selector("#forward-upload-says.wrong")
    assert says.inner_text().startswith("notes.png is not a picture of a known format")
    assert np.array_equal(pixels(page, "forward-x_t"), before)
