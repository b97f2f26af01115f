"""Pictures of every mode, and everything that is none."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from diffusion_core.errors import DamagedFile, LectureError, MissingRequirement, UsageError
from diffusion_core.pictures import BUNDLED, DEFAULT_PICTURE, load_picture, picture_digest
from tests.diffusion_core.conftest import one_line

RED, GREEN, BLUE, WHITE, BLACK = (1, -1, -1), (-1, 1, -1), (-1, -1, 1), (1, 1, 1), (-1, -1, -1)
GREY = (0.0, 0.0, 0.0)


@pytest.fixture(autouse=True)
def no_warning_reaches_the_user() -> Iterator[None]:
    with warnings.catch_warnings():
        for kind in (UserWarning, RuntimeWarning):
            warnings.simplefilter("error", kind)
        yield


def quarters(*colours: tuple[float, ...], side: int = 32) -> np.ndarray:
    """Four colours in reading order, as levels (side, side, 3)."""
    square = np.asarray(colours, np.float64).reshape(2, 2, 3)
    levels = np.rint((square + 1) * 127.5).astype(np.uint8)
    return levels.repeat(side // 2, 0).repeat(side // 2, 1)


def corners(picture: np.ndarray) -> list[tuple[float, ...]]:
    """The colours in the middles of the four quarters, in reading order, in tenths."""
    size = picture.shape[-1]
    near, far = size // 4, size - 1 - size // 4
    points = [(near, near), (near, far), (far, near), (far, far)]
    return [tuple((picture[:, y, x].astype(float).round(1) + 0.0).tolist()) for y, x in points]


def encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def loaded(path: Path, content: bytes, size: int = 16) -> np.ndarray:
    path.write_bytes(content)
    picture = load_picture(str(path), size)
    assert picture.shape == (3, size, size)
    assert picture.dtype == np.float32
    assert abs(picture).max() <= 1
    return picture


def refused(path: Path | str) -> str:
    with pytest.raises(LectureError) as error:
        load_picture(str(path), 16)
    assert not isinstance(error.value, UsageError | MissingRequirement | DamagedFile)
    assert error.value.exit_code == 1
    message = one_line(error)
    assert str(path) in message
    return message


COLOURS = Image.fromarray(quarters(RED, GREEN, BLUE, WHITE))
GREYS = COLOURS.convert("L")
GREY_CORNERS = [tuple([round(v / 127.5 - 1, 1)] * 3) for v in (76, 150, 29, 255)]
DEEP = np.asarray(GREYS, np.uint16) * 257


def with_hole() -> Image.Image:
    """The first quarter is transparent, over black."""
    picture = COLOURS.convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 16, 16))
    return picture


def palette_with_hole() -> Image.Image:
    picture = COLOURS.quantize(4)
    picture.info["transparency"] = picture.getpixel((1, 1))
    return picture


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


class TestModes:
    @pytest.mark.parametrize(
        ("picture", "form", "expected"),
        [
            (COLOURS, "PNG", [RED, GREEN, BLUE, WHITE]),
            (COLOURS, "BMP", [RED, GREEN, BLUE, WHITE]),
            (COLOURS, "PPM", [RED, GREEN, BLUE, WHITE]),
            (COLOURS, "TIFF", [RED, GREEN, BLUE, WHITE]),
            (COLOURS.quantize(4), "PNG", [RED, GREEN, BLUE, WHITE]),
            (COLOURS.quantize(4), "GIF", [RED, GREEN, BLUE, WHITE]),
            (COLOURS.convert("CMYK"), "TIFF", [RED, GREEN, BLUE, WHITE]),
            (with_hole(), "PNG", [WHITE, GREEN, BLUE, WHITE]),
            (with_hole(), "WEBP", [WHITE, GREEN, BLUE, WHITE]),
            (palette_with_hole(), "PNG", [WHITE, GREEN, BLUE, WHITE]),
            (GREYS, "PNG", GREY_CORNERS),
            (with_hole().convert("LA"), "PNG", [WHITE, *GREY_CORNERS[1:]]),
            (GREYS.point(lambda v: 255 * (v > 100)).convert("1"), "PNG", [BLACK, WHITE] * 2),
            (Image.fromarray(DEEP), "PNG", GREY_CORNERS),
            (Image.fromarray(DEEP), "TIFF", GREY_CORNERS),
            (Image.fromarray(DEEP.astype(np.int32)), "TIFF", GREY_CORNERS),
            (Image.fromarray(DEEP.astype(np.float32) / 65535), "TIFF", GREY_CORNERS),
        ],
        ids=lambda value: value.mode if isinstance(value, Image.Image) else None,
    )
    @pytest.mark.parametrize("size", [16, 32, 48])
    def test_colours_arrive(
        self, tmp_path: Path, picture: Image.Image, form: str, expected: list[Any], size: int
    ) -> None:
        content = encoded(picture, form, **({"lossless": True} if form == "WEBP" else {}))
        assert corners(loaded(tmp_path / "picture", content, size)) == expected

    @pytest.mark.parametrize("mode", ["RGB", "CMYK", "L"])
    def test_jpeg_of_every_mode(self, tmp_path: Path, mode: str) -> None:
        content = encoded(COLOURS.convert(mode), "JPEG", quality=100, subsampling=0)
        found = np.array(corners(loaded(tmp_path / "picture.jpg", content)))
        expected = GREY_CORNERS if mode == "L" else [RED, GREEN, BLUE, WHITE]
        assert abs(found - np.array(expected)).max() <= 0.11

    def test_half_transparent_is_half_white(self, tmp_path: Path) -> None:
        picture = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
        found = loaded(tmp_path / "picture.png", encoded(picture, "PNG"), 8)
        assert abs(found).max() < 0.01

    def test_a_dark_deep_picture_stays_dark(self, tmp_path: Path) -> None:
        levels = np.full((8, 8), 6553, np.uint16)
        found = loaded(tmp_path / "dark.png", encoded(Image.fromarray(levels), "PNG"), 8)
        assert abs(found - (-0.8)).max() < 0.01

    def test_values_that_are_no_numbers_are_black(self, tmp_path: Path) -> None:
        values = np.full((8, 8), 0.5, np.float32)
        values[0, 0], values[0, 1] = np.nan, np.inf
        found = loaded(tmp_path / "f.tiff", encoded(Image.fromarray(values), "TIFF"), 8)
        assert found[0, 0, 0] == found[0, 0, 1] == -1
        assert abs(found[:, 1:]).max() < 0.01

    @pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
    @pytest.mark.parametrize(
        ("orientation", "expected"),
        [
            (1, [BLACK, WHITE, GREY, GREY]),
            (2, [WHITE, BLACK, GREY, GREY]),
            (3, [GREY, GREY, WHITE, BLACK]),
            (6, [GREY, BLACK, GREY, WHITE]),
            (8, [WHITE, GREY, BLACK, GREY]),
        ],
    )
    def test_a_turned_picture_stands_upright(
        self, tmp_path: Path, form: str, orientation: int, expected: list[Any]
    ) -> None:
        picture = Image.fromarray(quarters(BLACK, WHITE, GREY, GREY))
        content = encoded(picture, form, exif=turned(orientation), quality=100)
        found = np.array(corners(loaded(tmp_path / "picture", content)))
        assert abs(found - np.array(expected)).max() <= 0.11

    @pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
    def test_of_many_frames_the_first_is_taken(self, tmp_path: Path, form: str) -> None:
        first, *others = (Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue"))
        content = encoded(first, form, save_all=True, append_images=others, lossless=True)
        with Image.open(io.BytesIO(content)) as opened:
            assert opened.n_frames == 3  # type: ignore[attr-defined]
        assert corners(loaded(tmp_path / "film", content)) == [RED] * 4


class TestSizes:
    def test_a_tiny_picture_is_enlarged_without_smoothing(self, tmp_path: Path) -> None:
        levels = np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8)
        content = encoded(Image.fromarray(levels), "PNG")
        found = loaded(tmp_path / "tiny.png", content, 50)
        expected = (levels / np.float32(127.5) - 1).transpose(2, 0, 1).repeat(10, 1).repeat(10, 2)
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_the_same_size_is_left_alone(self, tmp_path: Path) -> None:
        levels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        found = loaded(tmp_path / "same.png", encoded(Image.fromarray(levels), "PNG"))
        np.testing.assert_allclose((found + 1) * 127.5, levels.transpose(2, 0, 1), atol=1e-4)

    @pytest.mark.parametrize("shape", [(20, 60), (60, 20)])
    def test_of_an_oblong_one_the_middle_square_is_taken(
        self, tmp_path: Path, shape: tuple[int, int]
    ) -> None:
        levels = np.zeros((*shape, 3), np.uint8)
        levels[shape[0] // 2 - 10 : shape[0] // 2 + 10, shape[1] // 2 - 10 : shape[1] // 2 + 10] = (
            quarters(RED, GREEN, BLUE, WHITE, side=20)
        )
        content = encoded(Image.fromarray(levels), "PNG")
        assert corners(loaded(tmp_path / "oblong.png", content)) == [RED, GREEN, BLUE, WHITE]

    @pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (300, 299)])
    @pytest.mark.parametrize("size", [8, 64, 512])
    def test_any_shape_becomes_the_asked_square(
        self, tmp_path: Path, shape: tuple[int, int], size: int
    ) -> None:
        content = encoded(Image.new("RGB", shape, "red"), "PNG")
        found = loaded(tmp_path / "picture.png", content, size)
        assert corners(found) == [RED] * 4


def zeros_png(width: int, height: int) -> bytes:
    """A sound black PNG of one bit a pixel, made without holding it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    packer, row = zlib.compressobj(1), bytes(1 + (width + 7) // 8)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", packed), chunk(b"IEND", b"")]
    )


class TestHuge:
    def test_what_is_made_here_is_a_picture(self, tmp_path: Path) -> None:
        assert corners(loaded(tmp_path / "small.png", zeros_png(300, 200))) == [BLACK] * 4

    # Beyond twice Pillow's limit it refuses by itself; between, it only warns.
    @pytest.mark.parametrize("side", [30_000, 13_300, 8_950])
    def test_it_is_refused_before_anything_is_decoded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int
    ) -> None:
        path = tmp_path / "huge.png"
        path.write_bytes(zeros_png(side, side))

        def decode(self: ImageFile.ImageFile) -> None:
            raise AssertionError("it was decoded")

        monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
        message = refused(path)
        assert "80 million" in message
        assert "make it smaller first" in message
        path.write_bytes(zeros_png(30, 30))
        with pytest.raises(AssertionError, match="it was decoded"):
            load_picture(str(path), 16)


class TestWhatIsNoPicture:
    def test_a_missing_one(self, tmp_path: Path) -> None:
        message = refused(tmp_path / "missing.png")
        assert "does not exist; give the path of a picture, or one of: flower, temple" in message

    def test_a_folder_and_a_device(self, tmp_path: Path) -> None:
        assert "is not a file" in refused(tmp_path)
        assert "is not a file" in refused("/dev/zero")

    def test_an_empty_one(self, tmp_path: Path) -> None:
        (tmp_path / "empty.png").touch()
        assert "is empty" in refused(tmp_path / "empty.png")

    def test_a_name_that_no_file_system_takes(self) -> None:
        assert "File name too long" in refused("long" * 100 + ".png")
        for name, says in (("no\0name.png", "does not exist"), ("", "is not a file")):
            with pytest.raises(LectureError, match=says) as error:
                load_picture(name, 16)
            one_line(error)

    @pytest.mark.parametrize(
        "content",
        [b"These are words.\n" * 20, b"<svg xmlns='http://www.w3.org/2000/svg'/>", bytes(500)],
        ids=["text", "SVG", "zeros"],
    )
    def test_something_else_under_a_pictures_name(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "notes.png").write_bytes(content)
        assert "is not a picture of a known format (PNG, JPEG," in refused(tmp_path / "notes.png")

    def test_a_format_that_runs_programs(self, tmp_path: Path) -> None:
        """Pillow hands EPS to Ghostscript."""
        (tmp_path / "picture.eps").write_bytes(encoded(COLOURS, "EPS"))
        assert "known format" in refused(tmp_path / "picture.eps")

    @pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
    def test_one_that_is_cut_short(self, tmp_path: Path, form: str) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        content = encoded(Image.fromarray(noise), form)
        path = tmp_path / f"cut.{form.lower()}"
        for tenths in range(1, 10):
            path.write_bytes(content[: len(content) * tenths // 10])
            refused(path)
        path.write_bytes(content[:3])
        refused(path)

    @settings(max_examples=150)
    @given(st.data())
    def test_damage_gives_a_picture_or_one_line(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        """Nothing but a LectureError, whatever bits flip, and no warning beside it."""
        form = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"]))
        exif = {} if form in ("GIF", "BMP", "PPM") else {"exif": turned(6)}
        content = bytearray(encoded(COLOURS, form, **exif))
        for _ in range(data.draw(st.integers(1, 6))):
            # The header, where most can go wrong, half of the time.
            last = len(content) - 1
            place = data.draw(st.integers(0, min(last, 120)) | st.integers(0, last))
            content[place] ^= 1 << data.draw(st.integers(0, 7))
        path = tmp_path_factory.getbasetemp() / "damaged"
        message = ""
        try:
            loaded(path, bytes(content))
        except LectureError as error:
            message = str(error)
        assert "\n" not in message

    def test_a_tag_of_the_wrong_type(self, tmp_path: Path) -> None:
        """A TIFF whose rows begin at a fraction: Pillow answers with a TypeError."""
        content = encoded(COLOURS, "TIFF")
        start = struct.pack("<HHI", 273, 4, 1)
        assert content.count(start) == 1
        (tmp_path / "odd.tiff").write_bytes(content.replace(start, struct.pack("<HHI", 273, 5, 1)))
        refused(tmp_path / "odd.tiff")


class TestBundled:
    @pytest.mark.parametrize("name", BUNDLED)
    def test_names_work_and_give_the_same_each_time(self, name: str) -> None:
        for size in (8, 64, 512):
            first = load_picture(name, size)
            assert first.shape == (3, size, size)
            np.testing.assert_array_equal(first, load_picture(name, size))
            assert first.std() > 0.2  # there is something to see

    def test_the_default_is_one_of_them(self) -> None:
        assert DEFAULT_PICTURE in BUNDLED

    def test_digests_tell_pictures_and_sizes_apart(self) -> None:
        digests = {picture_digest(name, size) for name in BUNDLED for size in (8, 64)}
        assert len(digests) == 4
        assert picture_digest("flower", 64) == picture_digest("flower", 64)

    def test_a_file_of_that_name_does_not_hide_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = load_picture("flower", 16)
        monkeypatch.chdir(tmp_path)
        (tmp_path / "flower").write_bytes(encoded(Image.new("RGB", (16, 16), "red"), "PNG"))
        np.testing.assert_array_equal(load_picture("flower", 16), expected)
        assert corners(load_picture("./flower", 16)) == [RED] * 4
