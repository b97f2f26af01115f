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
    VMobject,
    linear,
)

from diffusion_core.bundle import Bundle
from diffusion_core.trajectory import Trajectory
from scenes.asked import in_the_corner
from scenes.noise_brush.stroke import edge_of
from scenes.stage.fitting import tile_of
from scenes.stage.frames import States
from scenes.stage.layout import AXIS, STAGE, TALL_STAGE, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import SMALL_SIZE
from scenes.stage.numbers import fixed
from scenes.stage.seen import in_latents, pictures_of, unit
from scenes.stage.tiles import Panel
from scenes.stage.time_axis import TimeAxis

WIDE, ROW, WAY = 256, 168, 128
"""Pixels at 720p for a picture: of three tiles, in rows of samples, on a way."""


def change(one: Trajectory, other: Trajectory, sample: int) -> np.ndarray:
    """|one − other| of a sample at every state, (N + 1, C, H, W): black where nothing changed."""
    both = [pictures_of(run)[:, sample] for run in (one, other)]
    if both[0].dtype == np.uint8:
        return np.abs(np.subtract(*both, dtype=np.int16)).astype(np.float32) / 127.5 - 1
    first, second = (states.astype(np.float32) for states in both)
    return np.abs(first - second) - 1


def middle(run: Trajectory) -> int:
    """The sample nearest to half of the way between two noises."""
    return int(np.argmin(np.abs(np.array(run.facts["weights"]) - 0.5)))


Changes = list[tuple[float, float]]
"""How much each finished picture changed inside the patch and outside, RMS."""


def recorded_changes(run: Trajectory) -> Changes:
    """As they were recorded: of latents, where the process runs among them."""
    return list(zip(run.facts["rms_inside"], run.facts["rms_outside"], strict=True))


def changed(bundle: Bundle) -> Changes:
    """As they are seen."""
    run = bundle["patch"]
    if not in_latents(run):
        return recorded_changes(run)
    # What was recorded is of latents; seen is what was decoded of them.
    ends = (unit(pictures_of(bundle[name])[-1]) for name in ("patch", "original"))
    squared = (next(ends) - next(ends)) ** 2
    top, left, height, width = bundle.facts["recipe"]["patch"]
    rows, columns = (
        side / own for side, own in zip(squared.shape[-2:], run.states.shape[-2:], strict=True)
    )
    inside = np.zeros(squared.shape[-2:], bool)
    inside[
        round(top * rows) : round((top + height) * rows),
        round(left * columns) : round((left + width) * columns),
    ] = True
    return [
        (float(np.sqrt(s[..., inside].mean())), float(np.sqrt(s[..., ~inside].mean())))
        for s in squared
    ]


def patches_of(bundle: Bundle) -> list[tuple[int, int, int, int]]:
    """(top, left, height, width) of each patch that is new."""
    recipe = bundle.facts["recipe"]
    return [tuple(patch) for patch in (recipe["patch"], *recipe.get("further", ()))]


def covered(bundle: Bundle) -> np.ndarray:
    """(H, W): where the noise is new."""
    inside = np.zeros(bundle["original"].states.shape[-2:], bool)
    for top, left, height, width in patches_of(bundle):
        inside[top : top + height, left : left + width] = True
    return inside


def strongest_inside(run: Trajectory, seen: Changes | None = None) -> str:
    """The sentence that counts the pictures which changed most inside the patch."""
    changes = [inside > outside for inside, outside in seen or recorded_changes(run)]
    count, total = sum(changes), len(changes)
    which = f"all {total}" if count == total else f"{count} of {total}"
    return f"In {which} pictures, the change is strongest where the noise is new."


def neighbours(bundle: Bundle) -> str:
    """The sentence on the samples beside the one whose noise is new."""
    entry = bundle.facts["recipe"]["entry"]
    ends = (bundle[name].states[-1] for name in ("original", "entry"))
    moved = np.abs(next(ends).astype(np.float64) - next(ends)).max((1, 2, 3))
    if not np.delete(moved, entry).any():
        return "One picture becomes another. Its neighbours do not change at all."
    return "One picture becomes another. Its neighbours stay, but for their last bits."


class SimilarNoise(LectureScene):
    """What of the noise makes what of the picture."""

    def construct(self) -> None:
        """Change a patch, change a sample, walk from one noise to another."""
        self.noises, self.ways = self.runs("similar_noise"), self.runs("between")
        self.count = len(patches_of(self.noises))
        self.where = "the patch" if self.count == 1 else "the patches"
        self.everywhere = bool(covered(self.noises).all())
        self.latents = in_latents(self.noises["original"])
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
        kept = (self.title, *self.asked, self.axis, self.readouts, self.playhead)
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
        self.asked = in_the_corner(self, self.noises)
        self.title = self.heading("If the noise changes a little, what becomes of the picture?")
        one, other = self.noises["original"], self.noises["patch"]

        def panel(states: States, words: str, colour: str) -> Panel:
            return Panel(
                tile_of(states, WIDE).follow(self.playhead),
                colour=colour,
                words=letters.words(words, size=SMALL_SIZE, colour=theme.quiet),
            )

        first, second = (pictures_of(run)[:, 0] for run in (one, other))
        self.first = panel(first, "one noise", theme.text)
        self.second = panel(
            second, "a patch is new" if self.count == 1 else "patches are new", theme.noise
        )
        self.differs = panel(change(one, other, 0), "what differs", theme.signal)
        Group(self.first, self.second, self.differs).arrange(RIGHT, buff=px(96))
        STAGE.put(Group(self.first, self.second, self.differs), 0.5, 0.3)
        self.patches = VGroup(
            *(self.outline(panel) for panel in (self.first, self.second, self.differs))
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

    def outline(self, panel: Panel) -> VMobject:
        """The patch, drawn over a tile; in colour, on a band that sets it off from noise."""
        if self.count > 1:
            theme, inside = self.theme, covered(self.noises)
            return edge_of(inside, panel.tile, colour=theme.noise, halo=theme.background)
        ((top, left, height, width),) = patches_of(self.noises)
        cell = panel.tile.width / self.noises["original"].states.shape[-1]
        frame = Square(color=self.theme.noise, stroke_width=4)
        frame.stretch_to_fit_width(width * cell).stretch_to_fit_height(height * cell)
        corner = panel.tile.get_corner((-1, 1, 0))
        frame.move_to(corner + np.array([left + width / 2, -(top + height / 2), 0]) * cell)
        if pictures_of(self.noises["original"]).shape[2] == 1:
            return frame
        band = frame.copy().set_stroke(self.theme.background, width=12)
        return VGroup(band, frame)

    def ask(self) -> None:
        """One noise."""
        with self.beat("Every picture begins as noise. Change the noise a little: what happens?"):
            self.appear(self.title, *self.asked)
            self.appear(self.first, seconds=0.8)
            self.appear(self.axis, self.readouts, seconds=0.6)
            self.axis.follow()

    def new_patch(self) -> None:
        """The same noise but for a patch."""
        new = "one patch of it is new" if self.count == 1 else f"{self.count} patches of it are new"
        with self.beat(f"Here is the same noise again, but {new}."):
            self.appear(self.second, seconds=0.8)
            self.play(*(Create(patch) for patch in self.patches[:2]), run_time=0.9)
        told = f"All that differs is inside {self.where}. Everything else is the same."
        if self.everywhere:
            told = "They cover all of it, so that nothing of the first noise is left."
        if self.latents:
            told = "Among the latents, all that differs is inside the patch. Here it is decoded."
        with self.beat(told, detail=True):
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
        inside, outside = changed(self.noises)[0]
        where = f"inside {self.where}" if inside > outside else f"outside {self.where}"
        told = f"The picture has changed as well, and most of all {where}."
        lines = [f"inside {self.where} {fixed(2)(inside)}", f"outside {fixed(2)(outside)}"]
        if self.everywhere:
            lines, told = lines[:1], "So all of the picture may change: it is another noise."
        self.numbers = numbers = self.lettering.lines(*lines, size=SMALL_SIZE, gap=0.12)
        numbers.next_to(self.differs.border, DOWN, buff=px(10))
        with self.beat(told):
            self.play(FadeOut(self.differs.words), FadeIn(numbers), run_time=0.6)
            self.play(
                Indicate(self.patches[2], color=self.theme.noise, scale_factor=1.08), run_time=1.2
            )

    # -- a sample --------------------------------------------------------------------

    def row(self, run: Trajectory, room: float) -> Group:
        """The samples of a run side by side, at the playhead."""
        shown = pictures_of(run)
        panels = [
            Panel(tile_of(shown[:, i], room).follow(self.playhead), colour=self.theme.text)
            for i in range(shown.shape[1])
        ]
        return Group(*panels).arrange(RIGHT, buff=px(18))

    def many_patches(self) -> None:
        """The same patch in every noise of a row."""
        one, other = self.noises["original"], self.noises["patch"]
        self.refreshed()
        before, after = self.row(one, ROW), self.row(other, ROW)
        self.patched = before, after
        TALL_STAGE.put(Group(before, after).arrange(DOWN, buff=px(40)), 0.5, 0.35)
        patches = VGroup(*(self.outline(panel) for panel in after))
        same = "The same patch is" if self.count == 1 else "The same patches are"
        with self.beat(f"And in other noises? {same} new in each of them."):
            self.appear(before, seconds=0.6)
            self.appear(after, seconds=0.6)
            self.play(LaggedStart(*(Create(patch) for patch in patches), lag_ratio=0.2))
        with self.beat(strongest_inside(other, changed(self.noises))) as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(one.steps),
                run_time=max(beat.left, 5),
            )

    def new_sample(self) -> None:
        """Of a row of noises one is new."""
        theme, entry = self.theme, self.noises.facts["recipe"]["entry"]
        one, other = self.noises["original"], self.noises["entry"]
        self.refreshed()
        before, after = self.row(one, ROW), self.row(other, ROW)
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
        with self.beat(neighbours(self.noises)) as beat:
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
        self.rows = rows = [self.row(run, WAY) for run in (straight, round_)]
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
