"""One moment of a run as a column of tiles, its t below."""

from __future__ import annotations

from manim import DOWN, Group, VGroup

from scenes.stage.layout import px
from scenes.stage.tiles import Panel, Tile

NARROW = 128
"""Pixels at 720p for a picture of a column."""


class Column(Group):
    """One moment: panels under one another, and its t below."""

    def __init__(self, panels: list[Panel], t: VGroup) -> None:
        self.panels, self.t = panels, t
        # Three of the largest only just fit under one another.
        gap = 8 if panels[0].tile.height < px(NARROW) - 1e-6 else 3
        stack = Group(*panels).arrange(DOWN, buff=px(gap))
        t.next_to(stack, DOWN, buff=px(10))
        super().__init__(*panels, t)

    @property
    def tiles(self) -> list[Tile]:
        """From top to bottom."""
        return [panel.tile for panel in self.panels]

    def light(self, opacity: float) -> Column:
        """Let the pictures be seen fully, or recede; the time stays readable."""
        for panel in self.panels:
            panel.tile.set_opacity(opacity)
            panel.border.set_stroke(opacity=opacity)
        return self
