"""One small order of each figure, recorded once: tiny weights, few steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from diffusion_core.recipe import Recipe
from diffusion_core.store import Recording
from scenes.options import SceneOptions
from studio.figures.choices import FIGURES, Choices, FigureEntry
from studio.figures.page import Page
from studio.figures.style import FIGURE_THEMES, Style, matplotlib_as_here
from studio.production import record
from tests.diffusion_core.fakes import small_history, tiny_reading_weights


@dataclass(frozen=True)
class Case:
    """A figure of small things, and what was recorded for it."""

    entry: FigureEntry
    choices: Choices
    recipes: dict[str, Recipe]
    recordings: Mapping[str, Recording]
    drawn: dict[tuple[str, float, bool], Page] = field(default_factory=dict)

    def page(self, theme: str = "paper", width: float = 160.0, captioned: bool = True) -> Page:
        """The figure, drawn once."""
        key = theme, width, captioned
        if key not in self.drawn:
            self.drawn[key] = self._draw(theme, width, captioned)
        return self.drawn[key]

    def _draw(self, theme: str, width: float, captioned: bool) -> Page:
        style, kind = Style(FIGURE_THEMES[theme], width), self.entry.kind
        caption = kind.caption(self.choices, self.recordings) if captioned else ""
        with matplotlib_as_here(style):
            return kind.draw(self.choices, self.recordings, style, caption)


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Choices]:
    """Choices that make each figure small."""
    folder = tmp_path_factory.mktemp("figures")
    model = str(tiny_reading_weights(folder / "reading.safetensors"))
    small_history().save(folder / "run" / "history.safetensors")

    def options(**settings: Any) -> SceneOptions:
        return SceneOptions(**{"image": "", "model": model, "steps": 5, **settings})

    return {
        "timesteps": Choices(options=options(), timesteps=(0, 400, 999), images=2),
        "schedules": Choices(options=options(image="flower"), timesteps=(99, 499, 999)),
        "process": Choices(options=options(prompt="dark"), images=2, columns=3),
        "u_turn": Choices(options=options(), timesteps=(300, 900), images=3),
        "samplers": Choices(options=options(), nfe=(2, 4)),
        "guidance": Choices(options=options(prompt="dark"), scales=(1.0, 3.0), images=3),
        "training": Choices(options=options(model=str(folder / "run")), images=2, columns=2),
    }


@pytest.fixture(scope="session")
def case(few: dict[str, Choices], cache: Path) -> Callable[[str], Case]:
    """The case of a figure by its name."""
    made: dict[str, Case] = {}

    def of(name: str) -> Case:
        if name not in made:
            entry = FIGURES[name]
            recipes = entry.kind.recipes(few[name])
            made[name] = Case(entry, few[name], recipes, record(recipes))
        return made[name]

    return of
