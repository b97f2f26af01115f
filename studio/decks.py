"""Slides as HTML, PPTX and PDF, made by manim-slides' converters.

They are handed a presentation of our own: manim-slides' ``Slide`` scene does
not run under manim 0.22, and our scenes are rendered already.  The same slides
give the same file, bit for bit, whenever they are made.  reveal.js, which
shows the HTML, ships in ``studio/reveal`` and goes into the page, so that it
opens without a network and was made without one.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_core.errors import MissingRequirement
from diffusion_core.files import written_whole
from diffusion_core.places import ROOT
from scenes.stage.theme import THEMES
from studio.finished import file_digest

if TYPE_CHECKING:
    from studio.slides import Slide

REVEAL = ROOT / "studio" / "reveal"
TEMPLATE = ROOT / "studio" / "templates" / "slides.html"
ONE_FILE = 60_000_000
"""Bytes of video up to which the HTML holds them itself; browsers are slow with more."""
ASSET = "[0-9][0-9][0-9]-*.mp4"
"""How videos beside the HTML are called: their place, and a digest of what is in them."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a deck is called, its language, the theme of its scenes, the pixels of a slide."""

    title: str
    language: str
    theme: str
    width: int
    height: int


def require() -> None:
    """Find out before any work whether slides can be made.

    Raises
    ------
    MissingRequirement
        When manim-slides is not installed.
    """
    try:
        import manim_slides.convert  # noqa: F401
    except ImportError as error:
        raise MissingRequirement(
            f"manim-slides, which makes slides, cannot be loaded ({error}); "
            "install it: pip install 'diffusion-lectures[slides]'"
        ) from error


def write_deck(
    to: str, slides: Sequence[Slide], path: Path, look: Look, folder: Path
) -> list[Path]:
    """Write ``slides`` to ``path``, whole, and say what else it needs beside it.

    Parameters
    ----------
    to
        "html", "pptx" or "pdf".
    slides
        At least one.
    path
        The file to open.
    look
        Title, theme, size.
    folder
        For what is needed meanwhile.

    Raises
    ------
    LectureError
        When something cannot be written.
    """
    writers = {"html": _write_html, "pptx": _write_pptx, "pdf": _write_pdf}
    return writers[to](slides, path, look, folder)


def _presentation(slides: Sequence[Slide], videos: Sequence[Path], look: Look) -> Any:
    from manim_slides.config import PresentationConfig, SlideConfig

    return PresentationConfig(
        slides=[
            # Nobody plays slides backwards here: the video for that is never opened.
            SlideConfig(
                file=video, rev_file=video, notes=slide.notes, loop=slide.loops, dedent_notes=False
            )
            for slide, video in zip(slides, videos, strict=True)
        ],
        resolution=(look.width, look.height),
        background_color=THEMES[look.theme].background,
    )


def _convert(converter: Any, path: Path) -> None:
    # Its progress bars would be drawn across ours.
    with contextlib.redirect_stderr(io.StringIO()):
        converter.convert_to(path)


def _write_html(slides: Sequence[Slide], path: Path, look: Look, folder: Path) -> list[Path]:
    from manim_slides.convert import RevealJS

    videos = _named(slides, folder / "named")
    one_file = sum(video.stat().st_size for video in videos) <= ONE_FILE
    assets = path.with_name(f"{path.stem}-files")
    beside = [] if one_file else [assets / video.name for video in videos]
    for video, place in zip(videos, beside, strict=False):
        # A deck of before stays whole until this one takes its place: names say what is inside.
        if not place.exists() or file_digest(place) != file_digest(video):
            with written_whole(place) as partial:
                shutil.copyfile(video, partial)
    template = folder / "template.html"
    page = TEMPLATE.read_text(encoding="utf-8").replace("[[language]]", look.language)
    template.write_text(_with_reveal(page), encoding="utf-8")
    converter = RevealJS(
        presentation_configs=[_presentation(slides, videos, look)],
        template=template,
        title=look.title,
        width=look.width,
        height=look.height,
        one_file=one_file,
        assets_dir=assets.name,
    )
    with written_whole(path) as partial:
        _convert(converter, partial)
    for old in set(assets.glob(ASSET)) - set(beside):
        old.unlink()
    with contextlib.suppress(OSError):  # it is not empty, or not there
        assets.rmdir()
    return beside


def _named(slides: Sequence[Slide], folder: Path) -> list[Path]:
    """The videos of ``slides`` under names that say their place and what is in them."""
    folder.mkdir()
    named = []
    for number, slide in enumerate(slides, 1):
        place = folder / f"{number:03}-{file_digest(slide.video)[:12]}.mp4"
        named.append(slide.video.replace(place))
    return named


def _with_reveal(template: str) -> str:
    """``template`` with reveal.js in it, where it names its files."""
    for name in ("reveal.css", "reveal.js", "notes.js"):
        content = (REVEAL / name).read_text(encoding="utf-8")
        template = template.replace(f"[[{name}]]", f"{{% raw %}}{content}{{% endraw %}}")
    return template


def _write_pptx(slides: Sequence[Slide], path: Path, look: Look, folder: Path) -> list[Path]:
    from manim_slides.convert import PowerPoint

    videos = [slide.video for slide in slides]
    # Its size is in pixels at 96 to the inch: the usual 13⅓ inches across, whatever the quality.
    converter = PowerPoint(
        presentation_configs=[_presentation(slides, videos, look)],
        width=1280,
        height=round(1280 * look.height / look.width),
    )
    made = folder / "slides.pptx"
    _convert(converter, made)
    with written_whole(path) as partial:
        _undated_zip(made, partial)
    return []


def _write_pdf(slides: Sequence[Slide], path: Path, look: Look, folder: Path) -> list[Path]:
    from manim_slides.convert import PDF

    videos = [slide.video for slide in slides]
    converter = PDF(
        presentation_configs=[_presentation(slides, videos, look)],
        resolution=look.width * 3 / 40,  # the same 13⅓ inches
    )
    made = folder / f"{look.title.replace('/', ' ')}.pdf"  # the name becomes the document's title
    _convert(converter, made)
    with written_whole(path) as partial:
        partial.write_bytes(re.sub(rb"\(D:\d{14}Z\)", b"(D:19700101000000Z)", made.read_bytes()))
    return []


def _undated_zip(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as dated, zipfile.ZipFile(target, "w") as undated:
        for entry in dated.infolist():
            undated.writestr(
                zipfile.ZipInfo(entry.filename), dated.read(entry), entry.compress_type
            )
