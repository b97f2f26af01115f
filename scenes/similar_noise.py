"""Similar noise, similar pictures: a patch, a sample, and the way between two noises."""

from __future__ import annotations

import numpy as np
from manim import (
    DOWN,
    RIGHT,
    Arrow,
    Create,
    FadeIn,
    FadeOut,
    Group,
    Indicate,
    LaggedStart,
    Square,
    ValueTracker,
    VGroup,
    linear,
)

from diffusion_core.trajectory import Trajectory
from scenes.stage.layout import AXIS, STAGE, TALL_STAGE, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import SMALL_SIZE
from scenes.stage.numbers import fixed
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.stage.time_axis import TimeAxis

CELL, ROW_CELL, WAY_CELL = 8, 6, 4
"""Screen pixels a picture's pixel at 720p: of three tiles, in rows of samples, on a way."""


def change(one: Trajectory, other: Trajectory, sample: int) -> np.ndarray:
    """|one − other| of a sample at every state, (N + 1, C, H, W): black where nothing changed."""
    both = (run.states[:, sample].astype(np.float32) for run in (one, other))
    return np.abs(next(both) - next(both)) - 1


def middle(run: Trajectory) -> int:
    """The sample nearest to half of the way between two noises."""
    return int(np.argmin(np.abs(np.array(run.facts["weights"]) - 0.5)))


def strongest_inside(run: Trajectory) -> str:
    """The sentence that counts the pictures which changed most inside the patch."""
    both = zip(run.facts["rms_inside"], run.facts["rms_outside"], strict=True)
    changes = [inside > outside for inside, outside in both]
    count, total = sum(changes), len(changes)
    which = f"all {total}" if count == total else f"{count} of {total}"
    return f"In {which} pictures, the change is strongest where the noise is new."


class SimilarNoise(LectureScene):
    """What of the noise makes what of the picture."""

    def construct(self) -> None:
        """Change a patch, change a sample, walk from one noise to another."""
        self.noises, self.ways = self.runs("similar_noise"), self.runs("between")
        self.playhead = ValueTracker(0)
        self.build_patch()
        self.ask()
        self.new_patch()
        self.lead_both()
        if not self.short:
            self.many_patches()
            self.new_sample()
        self.between()

    def refreshed(self) -> None:
        """Back to the noise, and nothing on the stage but the title and the axis."""
        kept = (self.title, self.axis, self.readouts, self.playhead)
        gone = [mobject for mobject in self.mobjects if mobject not in kept]
        self.play(
            *(FadeOut(mobject) for mobject in gone),
            self.playhead.animate.set_value(0),
            run_time=0.7,
        )

    # -- a patch --------------------------------------------------------------------

    def build_patch(self) -> None:
        """Three tiles: a run, the run with other noise in the patch, and what differs."""
        theme, letters = self.theme, self.lettering
        self.title = self.heading("If the noise changes a little, what becomes of the picture?")
        one, other = self.noises["original"], self.noises["patch"]

        def panel(states: np.ndarray, words: str, colour: str) -> Panel:
            return Panel(
                Tile(Frames.of(states), CELL).follow(self.playhead),
                colour=colour,
                words=letters.words(words, size=SMALL_SIZE, colour=theme.quiet),
            )

        self.first = panel(one.states[:, 0], "one noise", theme.text)
        self.second = panel(other.states[:, 0], "a patch is new", theme.noise)
        self.differs = panel(change(one, other, 0), "what differs", theme.signal)
        Group(self.first, self.second, self.differs).arrange(RIGHT, buff=px(96))
        STAGE.put(Group(self.first, self.second, self.differs), 0.5, 0.3)
        self.patches = VGroup(
            *(self.outline(panel, CELL) for panel in (self.first, self.second, self.differs))
        )
        self.axis = TimeAxis(
            letters,
            one,
            self.playhead,
            AXIS,
            start=("noise", theme.noise),
            end=("picture", theme.signal),
            colour=theme.prediction,
        )
        self.readouts = self.axis.readouts()

    def outline(self, panel: Panel, cells: int) -> Square:
        """The patch, drawn over a tile."""
        top, left, height, width = self.noises.facts["recipe"]["patch"]
        cell = px(cells)
        frame = Square(color=self.theme.noise, stroke_width=4)
        frame.stretch_to_fit_width(width * cell).stretch_to_fit_height(height * cell)
        corner = panel.tile.get_corner((-1, 1, 0))
        return frame.move_to(corner + np.array([left + width / 2, -(top + height / 2), 0]) * cell)

    def ask(self) -> None:
        """One noise."""
        with self.beat("Every picture begins as noise. Change the noise a little: what happens?"):
            self.appear(self.title)
            self.appear(self.first, seconds=0.8)
            self.appear(self.axis, self.readouts, seconds=0.6)
            self.axis.follow()

    def new_patch(self) -> None:
        """The same noise but for a patch."""
        with self.beat("Here is the same noise again, but one patch of it is new."):
            self.appear(self.second, seconds=0.8)
            self.play(*(Create(patch) for patch in self.patches[:2]), run_time=0.9)
        with self.beat(
            "All that differs is inside the patch. Everything else is the same.", detail=True
        ):
            self.appear(self.differs, seconds=0.7)
            self.play(Create(self.patches[2]), run_time=0.7)

    def lead_both(self) -> None:
        """Both to their pictures, and where they differ."""
        run = self.noises["original"]
        with self.beat("Now the network takes the noise away from both, step by step.") as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(run.steps),
                run_time=max(beat.left, 6),
            )
        facts = self.noises["patch"].facts
        inside, outside = (facts[name][0] for name in ("rms_inside", "rms_outside"))
        self.numbers = numbers = self.lettering.lines(
            f"inside the patch {fixed(2)(inside)}",
            f"outside {fixed(2)(outside)}",
            size=SMALL_SIZE,
            gap=0.12,
        )
        numbers.next_to(self.differs.border, DOWN, buff=px(10))
        where = "inside the patch" if inside > outside else "outside the patch"
        with self.beat(f"The picture has changed as well, and most of all {where}."):
            self.play(FadeOut(self.differs.words), FadeIn(numbers), run_time=0.6)
            self.play(
                Indicate(self.patches[2], color=self.theme.noise, scale_factor=1.08), run_time=1.2
            )

    # -- a sample --------------------------------------------------------------------

    def row(self, states: np.ndarray, cell: int) -> Group:
        """Samples (N + 1, B, C, H, W) side by side, at the playhead."""
        panels = [
            Panel(Tile(Frames.of(states[:, i]), cell).follow(self.playhead), colour=self.theme.text)
            for i in range(states.shape[1])
        ]
        return Group(*panels).arrange(RIGHT, buff=px(18))

    def many_patches(self) -> None:
        """The same patch in every noise of a row."""
        one, other = self.noises["original"], self.noises["patch"]
        self.refreshed()
        before, after = self.row(one.states, ROW_CELL), self.row(other.states, ROW_CELL)
        self.patched = before, after
        TALL_STAGE.put(Group(before, after).arrange(DOWN, buff=px(40)), 0.5, 0.35)
        patches = VGroup(*(self.outline(panel, ROW_CELL) for panel in after))
        with self.beat("And in other noises? The same patch is new in each of them."):
            self.appear(before, seconds=0.6)
            self.appear(after, seconds=0.6)
            self.play(LaggedStart(*(Create(patch) for patch in patches), lag_ratio=0.2))
        with self.beat(strongest_inside(other)) as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(one.steps),
                run_time=max(beat.left, 5),
            )

    def new_sample(self) -> None:
        """Of a row of noises one is new."""
        theme, entry = self.theme, self.noises.facts["recipe"]["entry"]
        one, other = self.noises["original"], self.noises["entry"]
        self.refreshed()
        before, after = self.row(one.states, ROW_CELL), self.row(other.states, ROW_CELL)
        self.samples = before, after
        rows = Group(before, after).arrange(DOWN, buff=px(40))
        TALL_STAGE.put(rows, 0.5, 0.35)
        arrow = Arrow(
            before[entry].border.get_bottom(),
            after[entry].border.get_top(),
            buff=px(6),
            stroke_width=4,
            color=theme.noise,
        )
        after[entry].border.set_color(theme.noise)
        with self.beat("Now all of one noise is new. The others stay as they were."):
            self.appear(before, seconds=0.7)
            self.appear(after, seconds=0.7)
            self.appear(arrow, seconds=0.5)
        with self.beat("One picture becomes another. Its neighbours do not change at all.") as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(one.steps),
                run_time=max(beat.left, 5),
            )

    # -- the way between --------------------------------------------------------------

    def between(self) -> None:
        """Two ways from one noise to another."""
        theme, letters = self.theme, self.lettering
        straight, round_ = self.ways["lerp"], self.ways["slerp"]
        self.refreshed()
        self.rows = rows = [self.row(run.states, WAY_CELL) for run in (straight, round_)]
        self.sizes = sizes = [
            VGroup(
                *(
                    letters.maths(fixed(2)(value), size=SMALL_SIZE, colour=theme.noise).next_to(
                        panel.border, DOWN, buff=px(10)
                    )
                    for panel, value in zip(row, run.facts["rms_of_start"], strict=True)
                )
            )
            for row, run in zip(rows, (straight, round_), strict=True)
        ]
        names = [
            letters.words(name, size=SMALL_SIZE, colour=theme.quiet)
            for name in (
                "straight line (lerp): size of each noise",
                "along the sphere (slerp): size of each noise",
            )
        ]
        blocks = Group()
        for row, size, name in zip(rows, sizes, names, strict=True):
            name.next_to(row, np.array([0, 1, 0]), buff=px(10))
            blocks.add(Group(name, row, size))
        blocks.arrange(DOWN, buff=px(36))
        TALL_STAGE.put(blocks, 0.5, 0)
        with self.beat("What lies between two noises? The straight line mixes them."):
            self.appear(names[0], seconds=0.5)
            self.play(LaggedStart(*(FadeIn(p) for p in rows[0]), lag_ratio=0.3), run_time=1.8)
        half = straight.facts["rms_of_start"][middle(straight)]
        share = f"{round(100 * half)} percent"
        with self.beat(
            f"Halfway, noises cancel each other: only {share} of their size is left.", detail=True
        ):
            self.appear(sizes[0], seconds=0.6)
            self.play(
                Indicate(rows[0][middle(straight)].border, color=theme.noise, scale_factor=1.08)
            )
        with self.beat(
            "Along the sphere the size stays, as in all noise the network knows.", detail=True
        ):
            self.appear(names[1], seconds=0.4)
            self.play(LaggedStart(*(FadeIn(p) for p in rows[1]), lag_ratio=0.3), run_time=1.5)
            self.appear(sizes[1], seconds=0.5)
        with self.beat("And so one picture turns into the other, along both ways.") as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(straight.steps),
                run_time=max(beat.left, 6),
            )
        with self.beat("Noise is the address of a picture: close addresses, similar pictures."):
            self.play(
                LaggedStart(
                    *(
                        Indicate(panel.border, color=theme.prediction, scale_factor=1.06)
                        for panel in rows[1]
                    ),
                    lag_ratio=0.2,
                ),
                run_time=2.6,
            )
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)
