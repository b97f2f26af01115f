"""From an order to files: record, draw, save in each format, and say what was made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path

from diffusion_core.errors import UsageError
from diffusion_core.files import Facts, digest_of
from diffusion_core.recipe import Recipe
from scenes.options import SceneOptions
from studio.figures.choices import Choices, FigureEntry
from studio.figures.style import FIGURE_THEMES, FORMATS, HALF_PAGE, Style, matplotlib_as_here
from studio.manifest import provenance, write_manifest
from studio.production import MEDIA, check_writable, record
from studio.progress import Progress, unwatched

NARROWEST, WIDEST = 40.0, 600.0
USUAL_THEME = "paper"
USUAL_WIDTH = 2 * HALF_PAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureOrder:
    """What the user wants.

    Parameters
    ----------
    entry, choices
        The figure, and what it shows.
    formats
        Of the files, some of ``FORMATS``.
    theme, width
        One of ``FIGURE_THEMES``, and millimetres.
    captioned
        Whether the caption stands in the figure; it is in the manifest in any case.
    output
        A file, or a folder; ``media/figures`` by default.
    asked
        The order in the command line's words, for whoever makes the figure again.
    """

    entry: FigureEntry
    choices: Choices
    formats: tuple[str, ...] = ("png",)
    theme: str = USUAL_THEME
    width: float = USUAL_WIDTH
    captioned: bool = True
    output: Path | None = None
    asked: Mapping[str, object]

    def __post_init__(self) -> None:
        if not NARROWEST <= self.width <= WIDEST:
            raise UsageError(
                f"width = {self.width:g} mm is outside {NARROWEST:g} … {WIDEST:g}; give it in mm "
                "or in, for example 160mm or 3.3in"
            )
        ending = self._named.suffix.lower().removeprefix(".") if self._named else ""
        if ending and self.formats != (ending,):
            raise UsageError(
                f"--output {self.output} ends in .{ending}, and --to is "
                f"{','.join(self.formats)}; let them agree, or name a folder"
            )

    @property
    def _named(self) -> Path | None:
        """The file that ``output`` names, if it is no folder."""
        named = self.output
        known = named is not None and named.suffix.lower().removeprefix(".") in FORMATS
        return named if known else None

    def path(self, kind: str) -> Path:
        """Where the file of a format goes."""
        if self._named is not None:
            return self._named
        return (self.output or MEDIA / "figures") / f"{self.stem}.{kind}"

    @property
    def stem(self) -> str:
        """The files' name: the figure, its seed, and whatever is not as usual."""
        options, usual = self.choices.options, SceneOptions(image="")
        parts = [self.entry.name]
        parts += [f"seed{options.seed}"] if "seed" in self.entry.accepts else []
        for field in fields(SceneOptions):
            value = getattr(options, field.name)
            if field.name != "seed" and value != getattr(usual, field.name):
                parts.append(f"{field.name}-{_plain(value)}")
        for name in ("dataset", "indices", "images", "columns", "timesteps", "nfe", "scales"):
            value = getattr(self.choices, name)
            if value or value == 0:
                parts.append(f"{name}-{_plain(value)}")
        parts += [self.theme] if self.theme != USUAL_THEME else []
        parts += [f"{self.width:g}mm"] if self.width != USUAL_WIDTH else []
        parts += [] if self.captioned else ["uncaptioned"]
        return "-".join(parts)

    def recipes(self) -> dict[str, Recipe]:
        """What is run for it."""
        return self.entry.kind.recipes(self.choices)


def _plain(value: object) -> str:
    """A value as a part of a file's name; what had to be changed for it is told by a digest."""
    if isinstance(value, tuple):
        value = ",".join(f"{number:g}" for number in value)
    text = str(value)
    path = Path(text)
    plain = re.sub(r"[^\w.,+-]+", "-", path.name).strip("-")[:40]
    if path.exists():  # cat.png and pets/cat.png must not share a name
        return f"{plain}-{digest_of(str(path.resolve()))[:6]}"
    known_again = text in (plain, plain.replace("-", " "))
    return plain if known_again else f"{plain}-{digest_of(text)[:6]}".lstrip("-")


@dataclass(frozen=True, slots=True)
class Made:
    """What was made: the files by format, each with a manifest beside it."""

    files: dict[str, Path]
    manifests: dict[str, Path]
    caption: str
    fingerprints: dict[str, str]

    def as_facts(self) -> Facts:
        """JSON-ready."""
        return {
            "figures": {kind: str(path) for kind, path in self.files.items()},
            "manifests": {kind: str(path) for kind, path in self.manifests.items()},
            "caption": self.caption,
            "recordings": self.fingerprints,
        }


def make_figure(order: FigureOrder, progress: Progress = unwatched) -> Made:
    """Record what ``order`` shows, draw it, and write it with a manifest beside each file.

    Every file is whole or absent, and the same order gives the same bytes.

    Raises
    ------
    UsageError
        For a choice that the figure has no room for, before anything is run.
    LectureError
        When something cannot be read, run or written.
    """
    recipes = order.recipes()
    files = {kind: order.path(kind) for kind in order.formats}
    for path in files.values():
        check_writable(path)
    recordings = record(recipes, progress)
    kind = order.entry.kind
    style = Style(FIGURE_THEMES[order.theme], order.width)
    caption = kind.caption(order.choices, recordings)
    with matplotlib_as_here(style):
        page = kind.draw(order.choices, recordings, style, caption if order.captioned else "")
    manifests = {}
    for name, path in files.items():
        page.save(path, name, order.entry.title, caption)
        manifests[name] = path.with_name(f"{path.name}.json")
        provenanced = provenance(
            "figure",
            {**order.asked, "to": name},
            path,
            [path],
            recipes=recipes,
            recordings=recordings,
        )
        told = {
            "name": order.entry.name,
            "title": order.entry.title,
            "caption": caption,
            "millimetres": [round(side * style.scale, 2) for side in (page.width, page.height)],
            "dots": [page.columns, page.rows] if name == "png" else None,
            "matplotlib": metadata.version("matplotlib"),
        }
        write_manifest(manifests[name], told | provenanced)
    prints = {name: found.fingerprint for name, found in recordings.items()}
    return Made(files, manifests, caption, prints)
