"""What a figure is asked for, and the table of figures; no matplotlib at import."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from diffusion_core.errors import UsageError
from diffusion_core.recipe import Recipe
from diffusion_core.trajectory import Trajectory
from scenes.options import SceneOptions

if TYPE_CHECKING:
    from diffusion_core.store import Recording
    from studio.figures.page import Page
    from studio.figures.style import Style

MOST_IMAGES = 12
MOST_COLUMNS = 12
"""More pictures side by side would be smaller than a digit can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What is to be shown.

    Parameters
    ----------
    options
        What is run, as scenes take it; ``image`` is "" where none was chosen.
    dataset, indices
        A published set and which of its pictures, the first by default.
    images
        How many pictures, seeds or prompts; what is usual in the figure when None.
    columns
        How many moments of a run, likewise.
    timesteps, nfe, scales
        Times, network evaluations, guidance scales; likewise when empty.
    """

    options: SceneOptions
    dataset: str = ""
    indices: tuple[int, ...] = ()
    images: int | None = None
    columns: int | None = None
    timesteps: tuple[int, ...] = ()
    nfe: tuple[int, ...] = ()
    scales: tuple[float, ...] = ()

    def count(self, usual: int, most: int = MOST_IMAGES) -> int:
        """How many pictures: those that were asked for, if there is room for them."""
        return _within("images", usual if self.images is None else self.images, most)

    def moments(self, usual: int, most: int = MOST_COLUMNS) -> int:
        """How many columns, likewise."""
        return _within("columns", usual if self.columns is None else self.columns, most)


def _within(what: str, count: int, most: int) -> int:
    if not 1 <= count <= most:
        raise UsageError(f"{what} = {count}: this figure has room for 1 to {most}")
    return count


def several(
    what: str, values: tuple[float, ...], usual: tuple[float, ...], most: int
) -> tuple[float, ...]:
    """The values asked for, or the usual ones: rising, and no more than there is room for.

    Raises
    ------
    UsageError
        Otherwise.
    """
    chosen = values or usual
    if sorted(set(chosen)) != list(chosen):
        told = ",".join(f"{value:g}" for value in chosen)
        raise UsageError(f"{what} = {told} must rise, none twice")
    if len(chosen) > most:
        raise UsageError(f"{what} has {len(chosen)} values; this figure has room for {most}")
    return chosen


class Kind(Protocol):
    """What a module of a figure gives."""

    @staticmethod
    def recipes(choices: Choices) -> dict[str, Recipe]:
        """What is run for it."""
        ...

    @staticmethod
    def caption(choices: Choices, recordings: Mapping[str, Recording]) -> str:
        """What is to be seen, and where it comes from."""
        ...

    @staticmethod
    def draw(
        choices: Choices, recordings: Mapping[str, Recording], style: Style, caption: str
    ) -> Page:
        """The page."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureEntry:
    """One figure.

    Parameters
    ----------
    name, title, shows
        What it is asked for by, its heading, and what is to be seen.
    accepts
        Names of the options that change it.
    """

    name: str
    title: str
    shows: str
    accepts: frozenset[str]

    @property
    def kind(self) -> Kind:
        """Its module."""
        return cast(Kind, import_module(f"studio.figures.{self.name}"))


RUN = frozenset({"seed", "model", "schedule", "sampler", "steps", "prompt", "guidance"})
SOURCE = frozenset({"image", "dataset", "index"})
FIGURES = {
    entry.name: entry
    for entry in (
        FigureEntry(
            name="timesteps",
            title="The forward process at chosen times",
            shows="pictures at chosen times of the forward process, the noise beside them",
            accepts=RUN | SOURCE | {"timesteps", "images"},
        ),
        FigureEntry(
            name="schedules",
            title="Noise schedules",
            shows="ᾱ, σ and log SNR of each schedule, and what they make of a picture",
            accepts=frozenset({"seed", "image", "timesteps"}),
        ),
        FigureEntry(
            name="process",
            title="The reverse process",
            shows="x_t, ε̂ and x̂_0 along a run",
            accepts=RUN | {"images", "columns"},
        ),
        FigureEntry(
            name="u_turn",
            title="The U-turn",
            shows="a picture noised to t and led back: a row a t, a column a seed",
            accepts=RUN | SOURCE | {"timesteps", "images"},
        ),
        FigureEntry(
            name="samplers",
            title="Samplers from one noise",
            shows="what each sampler makes of one noise with few evaluations and with many",
            accepts=RUN - {"sampler", "steps"} | {"nfe"},
        ),
        FigureEntry(
            name="guidance",
            title="Guidance",
            shows="the same noises at rising guidance scales: a row a scale, a column a seed",
            accepts=RUN | {"scales", "images"},
        ),
        FigureEntry(
            name="training",
            title="A training",
            shows="the loss, and what the same noise becomes, through a training",
            accepts=frozenset({"model", "images", "columns"}),
        ),
    )
}


def figure_entry(name: str) -> FigureEntry:
    """The figure called ``name``.

    Raises
    ------
    UsageError
        When there is none; it names what is nearest.
    """
    if name in FIGURES:
        return FIGURES[name]
    near = difflib.get_close_matches(name, FIGURES, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(f"figure {name!r} is unknown; {hint}there are: {', '.join(FIGURES)}")


def run_of(recording: Recording, name: str | None = None) -> Trajectory:
    """The run called ``name`` of a bundle, or the run that was recorded alone."""
    recorded = recording.trajectory
    if isinstance(recorded, Trajectory):
        return recorded
    return recorded[name or next(iter(recorded))]
