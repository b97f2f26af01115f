"""A picture to start from, or one of many: bundled or the user's own; no torch at import."""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from diffusion_core.errors import LectureError

BUNDLED = {"flower": "flower.jpg", "temple": "china.jpg"}
"""Photographs that come with scikit-learn, so that every machine has them."""

DEFAULT_PICTURE = "flower"
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
MAX_PIXELS = 80_000_000


def load_picture(image: str, size: int) -> NDArray[np.float32]:
    """A picture as (3, size, size) in −1 … 1: upright, cropped to its middle square.

    Pictures of every mode work (grey, palette, CMYK, 16 bits; transparency is
    laid on white; of an animation the first frame is taken).  Larger ones are
    reduced smoothly, smaller ones enlarged without smoothing.

    Parameters
    ----------
    image
        The name of a bundled picture, or a path.
    size
        Height and width of the result.

    Raises
    ------
    LectureError
        When there is no such picture, or it cannot be read as one.
    """
    if image in BUNDLED:
        picture = _bundled(image)
    else:
        names = f"give the path of a picture, or one of: {', '.join(BUNDLED)}"
        picture = read_picture(Path(image), way_out=names)
    levels = np.asarray(middle_square(picture, size), np.float32)
    return (levels / 127.5 - 1).transpose(2, 0, 1)


def picture_digest(image: str, size: int) -> str:
    """SHA-256 of the pixels that ``load_picture`` returns."""
    return hashlib.sha256(np.ascontiguousarray(load_picture(image, size)).tobytes()).hexdigest()


def _bundled(name: str) -> Image.Image:
    # Found without importing scikit-learn, which takes longer than all else before a video.
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise LectureError(
            f"picture {name!r} comes with scikit-learn, which is not installed: "
            "pip install scikit-learn, or give the path of a picture"
        )
    return read_picture(Path(spec.origin).parent / "datasets" / "images" / BUNDLED[name])


def middle_square(picture: Image.Image, size: int) -> Image.Image:
    """The middle square of ``picture``, size × size: reduced smoothly, enlarged crisply."""
    enlarge = min(picture.size) < size
    resample = Image.Resampling.NEAREST if enlarge else Image.Resampling.LANCZOS
    return ImageOps.fit(picture, (size, size), method=resample)


def read_picture(
    path: Path, *, way_out: str = "leave it out", at_least: int | None = None
) -> Image.Image:
    """The picture in a file as RGB: upright, its first frame, transparency laid on white.

    Parameters
    ----------
    path
        The file; what it is called does not matter.
    way_out
        What the user may do instead, for the messages.
    at_least
        Pixels a side that are enough, where the picture is reduced afterwards: a
        large JPEG is then decoded at a half, a quarter or an eighth of its size,
        but no smaller than this, in a tenth of the time.

    Raises
    ------
    LectureError
        When there is no such file, it is no picture of the formats in
        ``FORMATS``, it is damaged, or it has more than ``MAX_PIXELS``.
    """
    try:
        if not path.is_file():
            kind = "is not a file" if path.exists() else "does not exist"
            raise LectureError(f"picture {str(path)!r} {kind}; {way_out}")
        if path.stat().st_size == 0:
            raise LectureError(f"picture {path} is empty; {way_out}")
    except OSError as error:  # a name that is too long, a folder that is closed
        raise LectureError(
            f"picture {path} cannot be read ({error.strerror}); {way_out}"
        ) from error
    try:
        with warnings.catch_warnings():
            # Of large pictures Pillow only warns up to twice its own limit, and decodes
            # all the same; of damage it warns before it gives up, or where it need not.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as opened:
                width, height = opened.size
                if width * height > MAX_PIXELS:
                    raise LectureError(
                        f"picture {path} has {width}×{height} pixels; at most "
                        f"{MAX_PIXELS // 10**6} million are taken: make it smaller first"
                    )
                if at_least is not None:
                    opened.draft(None, (at_least, at_least))
                opened.load()
                return _to_rgb(ImageOps.exif_transpose(opened))
    except Image.DecompressionBombError:
        raise LectureError(
            f"picture {path} has far more than {MAX_PIXELS // 10**6} million pixels, the most "
            "that are taken: make it smaller first"
        ) from None
    except UnidentifiedImageError:
        raise LectureError(
            f"{path} is not a picture of a known format ({', '.join(FORMATS)})"
        ) from None
    except (OSError, SyntaxError, ValueError, TypeError, EOFError) as error:
        raise LectureError(
            f"picture {path} is damaged ({error}); save it again, or {way_out}"
        ) from error


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I") or picture.mode == "F":
        return _from_deep(np.asarray(picture, np.float64))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def _from_deep(values: NDArray[np.float64]) -> Image.Image:
    """Grey of more than 8 bits: its own full scale (1, 255 or 65,535) becomes white."""
    values = np.nan_to_num(values, posinf=0, neginf=0)
    top = next((limit for limit in (1.0, 255.0, 65535.0) if values.max() <= limit), values.max())
    levels = np.clip(values / top, 0, 1) * 255
    return Image.fromarray(np.rint(levels).astype(np.uint8)).convert("RGB")
