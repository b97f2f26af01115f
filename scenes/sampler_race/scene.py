"""The race: five rules, one noise, as many evaluations for each; then with fewer and with more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from manim import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    Circumscribe,
    Create,
    FadeIn,
    FadeOut,
    Group,
    Indicate,
    LaggedStart,
    Line,
    ValueTracker,
    linear,
)

from scenes.sampler_race.chart import RULES, Chart
from scenes.sampler_race.results import NAMES, NUMBERS, Result, Results, aloud
from scenes.stage.layout import FRAME, MARGIN, Zone, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import SMALL_SIZE, WORDS_SIZE
from scenes.stage.numbers import Readout, fixed, whole
from scenes.stage.tiles import Frames, Panel, Tile

CELL = 6
"""Screen pixels a picture's pixel at 720p."""
PITCH = 30
"""Pixels at 720p between two lanes."""
LANES = Zone(MARGIN, 122, FRAME.right - MARGIN, 634)
CHART = Zone(130, 184, 636, 548)
PICTURES = Zone(880, 124, FRAME.right - MARGIN, 590)


class Lane(Group):
    """A racer: its name, its picture, what it has spent, and later what is still wrong."""

    def __init__(self, scene: SamplerRace, result: Result, colour: str) -> None:
        theme, letters = scene.theme, scene.lettering
        self.result, self.run = result, result.run
        name = letters.words(NAMES[result.runner], size=SMALL_SIZE, bold=True)
        tile = Tile(Frames.of(self.run.states[:, 0]), CELL)
        tile.add_updater(
            lambda tile: tile.show(result.state_after(scene.spent.get_value())), call_updater=True
        )
        self.panel = Panel(tile, colour=colour, label=name)
        self.start = self.panel.border.get_corner(DOWN + LEFT) + DOWN * px(10)
        track = Line(self.start, self.start + RIGHT * self.panel.border.width)
        self.track = track.set_stroke(theme.line, 4)
        self.bar = track.copy().set_stroke(colour, 6)
        self.count = Readout(letters, '"NFE"', lambda: self.spent(scene), whole, size=WORDS_SIZE)
        self.count.next_to(self.track, DOWN, buff=px(12))
        super().__init__(self.panel, self.track, self.bar, self.count)
        # Below stands the guess while the race goes on, and then what is wrong with the picture.
        assert self.run.x0_hat is not None
        guess = Tile(Frames.of(self.run.x0_hat[:, 0]), CELL)
        guess.add_updater(
            lambda tile: tile.show(max(result.state_after(scene.spent.get_value()) - 1, 0)),
            call_updater=True,
        )
        self.guess = Panel(guess, colour=theme.prediction)
        wrong = self.run.states[-1:, 0].astype(np.float64) - scene.results.reference.states[-1:, 0]
        self.wrong = Panel(Tile(Frames.of(wrong), CELL), colour=theme.line)
        for below in (self.guess, self.wrong):
            below.next_to(self.count, DOWN, buff=px(14)).set_x(self.panel.get_x())
        self.number = letters.maths(fixed(3)(result.distances[0]), size=WORDS_SIZE)
        self.number.next_to(self.wrong, DOWN, buff=px(12))
        self.all = Group(self, self.guess, self.wrong, self.number)

    def spent(self, scene: SamplerRace) -> float:
        """Evaluations made so far: as many as its steps until now have taken."""
        reached = self.result.state_after(scene.spent.get_value())
        return float(sum(self.run.facts["evaluations"][:reached]))

    def follow(self, scene: SamplerRace) -> None:
        """Count, and fill the bar, from now on."""
        self.count.follow()
        self.bar.add_updater(lambda bar: self.fill(scene))
        self.fill(scene)

    def fill(self, scene: SamplerRace) -> None:
        """Draw the bar as long as what is spent."""
        share = max(self.spent(scene) / self.result.allowed, 0.005)
        left = self.track.get_left()
        self.bar.put_start_and_end_on(left, left + RIGHT * self.track.width * share)


class SamplerRace(LectureScene):
    """DDPM, DDIM, Euler, Heun and DPM-Solver++ on the way to the converged answer."""

    def construct(self) -> None:
        """Ask, show the finish, race, look at what is wrong, race again with more."""
        self.results = Results(self.runs("race"))
        self.spent = ValueTracker(0)
        self.playhead = ValueTracker(0)
        self.build()
        self.ask()
        self.show_finish()
        self.go()
        self.compare()
        self.clear_lanes()
        self.measure()
        self.finish()

    # -- what is on the stage ----------------------------------------------------

    def colour(self, runner: str) -> str:
        """Noise's colour for the rule that adds noise, the prediction's for the others."""
        return self.theme.noise if runner == "ddpm" else self.theme.prediction

    def build(self) -> None:
        """Five lanes, and the converged answer beside them."""
        theme, letters, results = self.theme, self.lettering, self.results
        self.lanes = {name: Lane(self, results.of(name), self.colour(name)) for name in NAMES}
        tile = Tile(Frames.of(results.reference.states[:, 0]), CELL).follow(self.playhead)
        self.goal = Panel(
            tile,
            colour=theme.signal,
            label=letters.words("converged", size=SMALL_SIZE, colour=theme.signal),
        )
        self.goal_count = Readout(
            letters,
            '"NFE"',
            lambda: float(sum(results.reference.facts["evaluations"][: tile.index])),
            whole,
            size=WORDS_SIZE,
        )
        first = self.lanes["ddpm"]
        wide = self.goal.border.width + px(PITCH)
        columns = [(lane.panel, lane.all) for lane in self.lanes.values()]
        columns.append((self.goal, self.goal))
        for place, (panel, column) in enumerate(columns):
            middle = LANES.point(0.5, 0)[0] + (place - (len(columns) - 1) / 2) * wide
            top = LANES.point(0, 0)[1] - px(44)
            border = panel.border
            column.shift(RIGHT * (middle - border.get_x()) + UP * (top - border.get_top()[1]))
        names = [panel.label for panel, _ in columns if panel.label is not None]
        for name in names[1:]:
            name.set_y(names[0].get_y())
        # Placed as it will be at the end, when it is widest.
        tile.show(results.reference.steps)
        self.goal_count.refresh()
        self.goal_count.next_to(self.goal.border, DOWN, buff=px(12)).match_y(first.count)
        guesses = letters.lines("guess of", "the picture,", "so far", size=SMALL_SIZE, gap=0.12)
        self.guesses = guesses.set_color(theme.prediction).match_x(self.goal.border)
        self.guesses.match_y(first.guess)
        said = letters.lines("difference to", "the converged", "answer", size=SMALL_SIZE, gap=0.12)
        self.said = said.set_color(theme.quiet).match_x(self.goal.border).match_y(first.wrong)
        self.unit = letters.words("RMS distance", size=SMALL_SIZE, colour=theme.quiet)
        self.unit.match_x(self.goal.border).match_y(first.number)

    # -- the race --------------------------------------------------------------------

    def ask(self) -> None:
        """The question, and what is counted."""
        with self.beat("Five rules lead from noise to a picture. Which one needs the least work?"):
            self.asked = self.heading("Which rule makes the most of each look of the network?")
            self.appear(self.asked, seconds=0.6)
            panels = [lane.panel for lane in self.lanes.values()]
            for panel in panels:
                panel.tile.update()
            self.play(
                LaggedStart(
                    *(FadeIn(panel, shift=DOWN * px(16)) for panel in panels), lag_ratio=0.4
                ),
                run_time=2.4,
            )
        said = "Work is asking the network. We count every evaluation: the NFE."
        with self.beat(said, aloud(said)):
            tracks = [Group(lane.track, lane.count) for lane in self.lanes.values()]
            self.play(
                LaggedStart(*(FadeIn(track) for track in tracks), lag_ratio=0.2), run_time=1.2
            )
            self.play(
                *(Indicate(lane.count, color=self.theme.text) for lane in self.lanes.values())
            )

    def show_finish(self) -> None:
        """The converged answer."""
        reference = self.results.reference
        self.goal.update()
        with self.beat("First the finish: one run with many, tiny steps.") as beat:
            self.appear(self.goal, self.goal_count, seconds=0.6)
            self.goal_count.follow()
            self.play(
                self.playhead.animate(rate_func=linear).set_value(reference.steps),
                run_time=max(beat.left, 2.5),
            )
        said = f"After {reference.facts['nfe']} evaluations we call this the converged answer."
        with self.beat(said, detail=True):
            self.play(Indicate(self.goal.border, color=self.theme.signal, scale_factor=1.06))
        self.goal_count.clear_updaters()

    def go(self) -> None:
        """All of them at once, evaluation by evaluation."""
        results, lanes = self.results, list(self.lanes.values())
        said = f"Now everyone has the same noise, and {results.nfe} evaluations."
        with self.beat(said, detail=True):
            self.play(
                LaggedStart(
                    *(
                        Indicate(lane.panel.border, color=self.theme.noise, scale_factor=1.05)
                        for lane in lanes
                    ),
                    lag_ratio=0.3,
                ),
                run_time=2.4,
            )
        for lane in lanes:
            lane.follow(self)
            self.add(lane)
        half = results.nfe / 2
        first = max(lane.run.facts["evaluations"][0] for lane in lanes)
        with self.beat("Go! Below is what each of them takes the picture for, so far.") as beat:
            self.play(self.spent.animate(rate_func=linear).set_value(first), run_time=0.8)
            self.appear(self.guesses, *(lane.guess for lane in lanes), seconds=0.8)
            self.play(
                self.spent.animate(rate_func=linear).set_value(half), run_time=max(beat.left, 3)
            )
        with self.beat(
            "Heun looks twice at every step, so its steps are fewer and longer."
        ) as beat:
            self.play(
                Circumscribe(self.lanes["heun"].count, color=self.theme.text, buff=px(8)),
                self.spent.animate(rate_func=linear).set_value(results.nfe),
                run_time=max(beat.left, 3),
            )

    # -- who is where ------------------------------------------------------------------

    def compare(self) -> None:
        """What is wrong with each picture, and what the pairs mean."""
        results, lanes = self.results, list(self.lanes.values())
        with self.beat("How far is each picture from the converged answer?"):
            self.play(FadeOut(self.guesses, *(lane.guess for lane in lanes)), run_time=0.5)
            self.appear(self.said, self.unit, seconds=0.5)
            pairs = [Group(lane.wrong, lane.number) for lane in lanes]
            self.play(LaggedStart(*(FadeIn(pair) for pair in pairs), lag_ratio=0.3), run_time=2.0)
        with self.beat(results.of_ddim_and_euler(), detail=True):
            self.light("ddim", "euler")
            self.play(
                *(
                    Circumscribe(self.lanes[name].number, color=self.theme.text, buff=px(8))
                    for name in ("ddim", "euler")
                )
            )
        said = "DDPM is far away: it throws dice, and ends at a picture of its own."
        with self.beat(said, detail=True):
            self.play(Circumscribe(self.lanes["ddpm"].number, color=self.theme.text, buff=px(8)))
            self.light("ddpm", seconds=1.8)
        said = results.who_is_nearest()
        with self.beat(said, aloud(said)) as beat:
            for name in results.ranking:
                self.light(name, seconds=max(beat.seconds / 3 - 0.1, 0.8))

    def light(self, *names: str, seconds: float = 1.2) -> None:
        """Draw the eye to lanes."""
        self.play(
            *(
                Indicate(border, color=self.theme.text, scale_factor=1.05)
                for name in names
                for border in (self.lanes[name].panel.border, self.lanes[name].wrong.border)
            ),
            run_time=seconds,
        )

    def clear_lanes(self) -> None:
        """Make room for the chart."""
        lanes = list(self.lanes.values())
        for lane in lanes:
            lane.count.clear_updaters()
            lane.bar.clear_updaters()
        gone = [Group(lane, lane.wrong, lane.number) for lane in lanes]
        self.play(
            FadeOut(Group(*gone, self.goal, self.goal_count, self.said, self.unit)), run_time=0.5
        )

    # -- with fewer and with more ----------------------------------------------------------

    def pictures(self, runner: str) -> Group:
        """What a rule drew of the first noise, with every number of evaluations."""
        letters = self.lettering
        panels = []
        for result in self.results.row(runner):
            name = letters.maths(f'"NFE" = {result.nfe}', size=SMALL_SIZE)
            frames = Frames.of(result.run.states[-1:, 0])
            panels.append(
                Panel(Tile(frames, CELL), colour=self.colour(runner), label=name).settle()
            )
        grid = Group(*panels).arrange_in_grid(cols=2, buff=(px(12), px(20)))
        title = letters.words(self.called(runner), size=WORDS_SIZE, bold=True)
        PICTURES.put(grid, 0.5, 0.55)
        return Group(title.next_to(grid, UP, buff=px(20)), *grid)

    def called(self, runner: str) -> str:
        """DDIM stands for Euler, too."""
        return "DDIM = Euler" if runner == "ddim" else NAMES[runner]

    def measure(self) -> None:
        """One line a rule: distance over evaluations."""
        results = self.results
        self.chart = Chart(self.lettering, CHART, results, self.colour, self.called)
        others = [str(budget) for budget in results.budgets if budget != results.nfe]
        noises = NUMBERS[results.samples] if results.samples < len(NUMBERS) else results.samples
        said = f"We run it again with {listed(others)} evaluations, for {noises} noises."
        with self.beat(said, detail=True):
            self.appear(self.chart.plot, seconds=1.2)
            self.appear(self.chart.said, seconds=0.8)
            self.play(Indicate(self.chart.said, color=self.theme.text, scale_factor=1.03))
        self.shown = Group()
        self.gallery = {runner: self.pictures(runner) for runner in RULES}
        rows = (
            ("ddpm", (results.of_ddpm(),)),
            ("ddim", (results.of_ddim(),)),
            ("heun", (results.of_heun(),)),
            (
                "dpmpp",
                (
                    "DPM-Solver++ looks once a step, and remembers its last answer.",
                    results.of_dpmpp(),
                ),
            ),
        )
        for runner, sentences in rows:
            self.draw_line(runner, sentences)

    def draw_line(self, runner: str, sentences: Sequence[str]) -> None:
        """A rule's line, and its pictures beside it."""
        line, pictures = self.chart.lines[runner], self.gallery[runner]
        for number, said in enumerate(sentences):
            detail = number > 0 or runner in ("ddpm", "heun")
            with self.beat(said, aloud(said), detail=detail) as beat:
                if number:
                    self.compare_with_ddim(runner)
                    continue
                self.play(
                    FadeOut(self.shown),
                    *(old.animate.recede() for old in self.chart.drawn(runner)),
                    run_time=0.4,
                )
                self.shown = pictures
                self.play(
                    FadeIn(pictures[0]),
                    Create(line.path, rate_func=linear),
                    LaggedStart(*(FadeIn(dot) for dot in line.dots), lag_ratio=0.8),
                    LaggedStart(*(FadeIn(panel) for panel in pictures[1:]), lag_ratio=0.8),
                    run_time=max(beat.seconds - 1.2, 2.0),
                )
                self.play(FadeIn(line.label), run_time=0.4)

    def compare_with_ddim(self, runner: str) -> None:
        """How far apart two lines are at their ends."""
        ddim, line = self.chart.lines["ddim"], self.chart.lines[runner]
        self.play(ddim.animate.come_forward(), run_time=0.6)
        between = Line(ddim.end, line.end, color=self.theme.text, stroke_width=6)
        self.play(Create(between), run_time=1.2)
        self.play(
            *(
                Indicate(mark.dots[-1], color=self.theme.text, scale_factor=1.8)
                for mark in (ddim, line)
            ),
            run_time=1.2,
        )
        self.play(FadeOut(between), run_time=0.4)

    def finish(self) -> None:
        """All lines, and the sentence to remember."""
        lines = list(self.chart.lines.values())
        with self.beat("The network knows the way. A good rule has to ask it less often."):
            self.play(*(line.animate.come_forward() for line in lines), run_time=0.8)
            self.play(
                LaggedStart(
                    *(
                        Indicate(line.label, color=self.theme.text, scale_factor=1.05)
                        for line in lines
                    ),
                    lag_ratio=0.4,
                ),
                run_time=2.2,
            )
        self.rest(0.8)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)


def listed(words: Sequence[str]) -> str:
    """The words with commas, and "and" before the last."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
