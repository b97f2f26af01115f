"""The course's font as every reader of PDF takes it.

Inter ships with outlines of PostScript's kind.  As Type 42, which journals ask
for, only TrueType's may be embedded; matplotlib embeds the others all the same,
and strict readers then refuse the file.  So the outlines are converted once,
to a thousandth of a letter's height, and kept in the cache.
"""

from __future__ import annotations

import hashlib
import logging
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scenes
from diffusion_core.files import written_whole
from diffusion_core.places import cache_dir

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

FONTS = Path(scenes.__file__).parent / "stage" / "fonts"
FAMILY = "Inter"
SHIPPED = ("Inter-Regular.otf", "Inter-SemiBold.otf")
LETTERS = range(0x20, 0x2300)
"""Unicode's Latin, Greek and Cyrillic letters, punctuation, arrows and signs of mathematics."""
ERROR = 1.0
"""How far a converted outline may be off, in 2,048ths of a letter's height."""
CONVERSION = 1
"""Counts what was changed below, so that no old conversion is taken for a new one."""


@cache
def register() -> None:
    """Make the course's font known to matplotlib, in this process.

    Raises
    ------
    LectureError
        When the cache cannot be written.
    """
    from matplotlib import font_manager

    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it tells of dates in cut fonts
    for name in SHIPPED:
        font_manager.fontManager.addfont(converted(FONTS / name))


def converted(font: Path) -> Path:
    """The TrueType font of ``font``, made where the cache has none."""
    digest = hashlib.sha256(font.read_bytes()).hexdigest()[:16]
    path = cache_dir() / "fonts" / f"{font.stem}-{digest}-{CONVERSION}.ttf"
    if not path.exists():
        with written_whole(path) as partial:
            to_truetype(font).save(partial)
    return path


def to_truetype(path: Path) -> TTFont:
    """The font at ``path`` with quadratic outlines, cut to ``LETTERS``."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    font = TTFont(path, recalcTimestamp=False)
    options = subset.Options(layout_features=["kern"], hinting=False, notdef_outline=True)
    cut = subset.Subsetter(options)
    cut.populate(unicodes=LETTERS)
    cut.subset(font)
    _with_quadratic_outlines(font)
    return font


def _with_quadratic_outlines(font: TTFont) -> None:
    from fontTools.pens.cu2quPen import Cu2QuPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen
    from fontTools.ttLib import newTable

    order, glyphs = font.getGlyphOrder(), font.getGlyphSet()
    outlines: dict[str, Any] = {}
    for name in order:
        pen = TTGlyphPen(glyphs)
        # PostScript's outlines turn the other way round than TrueType's.
        glyphs[name].draw(Cu2QuPen(pen, ERROR, reverse_direction=True))
        outlines[name] = pen.glyph()
    font["loca"], font["glyf"] = newTable("loca"), newTable("glyf")
    font["glyf"].glyphOrder, font["glyf"].glyphs = order, outlines
    del font["CFF "]
    if "VORG" in font:
        del font["VORG"]
    for name in order:
        outlines[name].recalcBounds(font["glyf"])
        advance, _ = font["hmtx"][name]
        font["hmtx"][name] = advance, getattr(outlines[name], "xMin", 0)
    # TrueType's table of limits; what concerns instructions is none, for there are none.
    limits = font["maxp"]
    limits.tableVersion = 0x00010000
    limits.maxZones = 1
    for field in (
        "maxTwilightPoints",
        "maxStorage",
        "maxFunctionDefs",
        "maxInstructionDefs",
        "maxStackElements",
        "maxSizeOfInstructions",
        "maxComponentElements",
        "maxPoints",
        "maxContours",
        "maxCompositePoints",
        "maxCompositeContours",
        "maxComponentDepth",
    ):
        setattr(limits, field, 0)
    limits.recalc(font)
    font["post"].formatType = 2.0
    font["post"].extraNames, font["post"].mapping = [], {}
    font["post"].glyphOrder = order
    font.sfntVersion = "\x00\x01\x00\x00"
