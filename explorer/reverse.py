"""The tab "Reverse": noise becomes digits, held, stepped and scrubbed at will."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion_core.files import written_whole
from diffusion_core.grids import grid
from diffusion_core.recipe import SAMPLERS, SEED_LIMIT, VP_SCHEDULES, ReverseRecipe
from diffusion_core.recipes.checks import seeds_from
from diffusion_core.trajectory import Trajectory
from explorer.addresses import number, one_of, whole, words
from explorer.frames import Frame, drawn, frame_of, frame_of_look
from explorer.page import Page
from explorer.people import Person
from explorer.serving import Finished, Tell, Waiting
from explorer.showing import (
    seed_of,
    status,
    taken,
    whole_number,
)
from scenes.options import USUAL_GUIDANCE, SceneOptions

MOST_STEPS, MOST_SAMPLES = 200, 16
REPLAY_PAUSE = 0.06
"""Seconds that each state of a recording is shown when it is played again."""
HELD = "Held. Step, go on, or move through what there is so far."
LABELS = {False: "Pause", True: "Go on"}
"""Of the button that holds."""


def recipe_of(
    prompt: str,
    guidance: float,
    seed: int | None,
    samples: int,
    sampler: str,
    steps: int,
    schedule: str,
) -> ReverseRecipe:
    """What the controls ask for; without words there is nothing to guide towards."""
    prompt = " ".join(prompt.split())
    return ReverseRecipe(
        prompt=prompt,
        guidance=guidance if prompt else 1.0,
        seeds=seeds_from(seed_of(seed), samples),
        sampler=sampler,
        steps=steps,
        schedule=schedule,
    )


def build(page: Page) -> None:
    """Lay the tab out and tie its controls."""
    import gradio as gr

    gr.HTML(
        '<p class="explain">Run it: the network names the <b>noise</b> that it sees, a '
        '<b class="guess">guess</b> of the picture is what remains, and the sampler takes a '
        "small step towards it. Hold it, step, and go back through what was recorded.</p>"
    )
    with gr.Row(elem_classes="bench"):
        with gr.Column(elem_classes="controls", min_width=240, scale=0):
            settings = build_settings(page)
        with gr.Column(elem_classes="stage"):
            with gr.Row(elem_classes="line"):
                run = gr.Button("Run", variant="primary", elem_id="reverse-run", size="sm")
                pause = gr.Button("Pause", elem_id="reverse-pause", size="sm")
                back = gr.Button("Step back", elem_id="reverse-back", size="sm")
                step = gr.Button("Step", elem_id="reverse-step", size="sm")
                again = gr.Button("Play again", elem_id="reverse-again", size="sm")
            scrub = gr.Slider(
                0, 50, value=0, step=1, label="State of the recording", elem_id="reverse-scrub"
            )
            says = gr.HTML(
                status("Nothing has run yet."),
                elem_id="reverse-says",
            )
            shown = gr.HTML(elem_id="reverse-shown")
    player = Player(page)
    page.live([run.click], player.run, settings, [scrub, shown, says, pause])
    page.live([again.click], player.again, [], [scrub, shown, says, pause])
    page.quick([pause.click], player.pause, [], [pause, says], trigger_mode="multiple")
    page.quick([scrub.input, scrub.release], player.show, [scrub], [shown])
    for button, by in ((back, -1), (step, 1)):
        page.quick(
            [button.click],
            lambda person, at, by=by: player.move(person, at + by),
            [scrub],
            [scrub, shown, pause],
            trigger_mode="multiple",
        )

    def options(person: Person, *values: Any) -> SceneOptions:
        recipe = recipe_of(*values)
        return SceneOptions(
            prompt=recipe.prompt,
            guidance=recipe.guidance if recipe.prompt else None,
            seed=recipe.seeds[0],
            sampler=recipe.sampler,
            steps=recipe.steps,
            schedule=recipe.schedule,
        )

    page.scene(
        "reverse",
        "reverse_process",
        settings,
        options,
        "It draws 24 samples; the first of them are those above, pixel by pixel.",
    )


def build_settings(page: Page) -> list[Any]:
    """The controls that say what is run, in the order of ``recipe_of``."""
    import gradio as gr

    prompt = gr.Textbox(
        "",
        label="Prompt",
        placeholder="a bold seven; or nothing",
        elem_id="reverse-prompt",
        max_length=120,
    )
    guidance = gr.Slider(
        1,
        10,
        value=USUAL_GUIDANCE,
        step=0.5,
        label="Guidance, with a prompt",
        elem_id="reverse-guidance",
    )
    seed = whole_number("Seed", "reverse-seed", 0)
    samples = gr.Slider(
        1, MOST_SAMPLES, value=1, step=1, label="Samples", elem_id="reverse-samples-count"
    )
    sampler = gr.Dropdown(list(SAMPLERS), value="ddim", label="Sampler", elem_id="reverse-sampler")
    steps = gr.Slider(1, MOST_STEPS, value=50, step=1, label="Steps", elem_id="reverse-steps")
    schedule = gr.Dropdown(
        list(VP_SCHEDULES), value="cosine", label="Schedule", elem_id="reverse-schedule"
    )
    page.remember(prompt, words(120))
    page.remember(guidance, number(1, 10))
    page.remember(seed, whole(0, SEED_LIMIT - 1))
    page.remember(samples, whole(1, MOST_SAMPLES))
    page.remember(sampler, one_of(SAMPLERS))
    page.remember(steps, whole(1, MOST_STEPS))
    page.remember(schedule, one_of(VP_SCHEDULES))
    return [prompt, guidance, seed, samples, sampler, steps, schedule]


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """The recording that the tab shows, mapped from its file."""

    run: Trajectory
    nfe: list[int]

    @classmethod
    def load(cls, recipe: ReverseRecipe, path: Path) -> Kept:
        """The recording of ``recipe`` in the file at ``path``."""
        from diffusion_core.counting import evaluations_so_far

        run = Trajectory.load(path)
        return cls(run, evaluations_so_far(recipe, run))

    def frame(self, index: int) -> Frame:
        """The state at ``index``; the nearest there is."""
        return frame_of(self.run, self.nfe, min(max(index, 0), self.run.steps))


@dataclass(frozen=True, slots=True, eq=False)
class Player:
    """Runs, holds and scrubs; a run that is under way is scrubbed as far as it has come.

    What it yields is for the slider, the picture, what is said, and the button
    that holds and lets go.
    """

    page: Page

    def run(self, person: Person, *values: Any) -> Iterator[Any]:
        """Show the run as it goes, and keep its recording; one that is kept is played."""
        import gradio as gr

        recipe = recipe_of(*values)
        self.page.work.show(person, "reverse", None)
        yield gr.Slider(value=0, maximum=recipe.steps), gr.skip(), status("…"), "Pause"
        seen = False
        for news in self.page.work.run(person, recipe, frame_of_look):
            if isinstance(news, Waiting):
                yield gr.skip(), gr.skip(), status(str(news)), gr.skip()
            elif isinstance(news, Frame):
                seen = True
                yield self._shown(person, news, f"It runs: step {news.index} of {news.total}.")
            elif isinstance(news, Finished):
                kept = Kept.load(recipe, news.result.path)
                self.page.work.show(person, "reverse", kept)
                if seen:
                    yield self._ended(person, kept)
                else:
                    yield from self.again(person)

    def again(self, person: Person) -> Iterator[Any]:
        """Play the recording from its beginning."""
        import gradio as gr

        kept: Kept | None = self.page.work.shown(person, "reverse")
        if kept is None:
            yield gr.skip(), gr.skip(), status("There is nothing yet: run it first."), gr.skip()
            return

        def job(tell: Tell) -> None:
            for index in range(kept.run.steps + 1):
                tell(kept.frame(index))
                time.sleep(REPLAY_PAUSE)

        for news in self.page.work.do(person, job):
            if isinstance(news, Frame):
                said = f"The recording: state {news.index} of {news.total}."
                yield self._shown(person, news, said)
            elif isinstance(news, Waiting):
                yield gr.skip(), gr.skip(), status(str(news)), gr.skip()
            elif isinstance(news, Finished):
                yield self._ended(person, kept)

    def pause(self, person: Person) -> tuple[str, Any]:
        """Hold the run where it is, or let it go on."""
        import gradio as gr

        handle = self.page.work.handle(person)
        if handle is None:
            return "Pause", gr.skip()
        handle.pause(not handle.paused)
        return ("Go on", status(HELD)) if handle.paused else ("Pause", gr.skip())

    def _shown(self, person: Person, frame: Frame, said: str) -> tuple[Any, ...]:
        """A frame on its way; where it is held, it says so."""
        handle = self.page.work.handle(person)
        held = handle is not None and handle.paused
        return frame.index, drawn(frame), status(HELD if held else said), LABELS[held]

    def show(self, person: Person, index: int) -> Any:
        """The state at ``index`` of the run under way, or of the recording."""
        import gradio as gr

        frame = self._find(person, index)
        return gr.skip() if frame is None else drawn(frame)

    def move(self, person: Person, index: int) -> tuple[Any, Any, Any]:
        """One state back or on; a run that is held takes one more step where it has to."""
        import gradio as gr

        handle = self.page.work.handle(person)
        held = "Pause" if handle is None else "Go on"
        if handle is not None:
            reached = handle.seen[-1].index if handle.seen else index
            if not handle.paused or index > reached:
                handle.step()
                return gr.skip(), gr.skip(), held
        frame = self._find(person, index)
        if frame is None:
            return gr.skip(), gr.skip(), held
        return frame.index, drawn(frame), held

    def _find(self, person: Person, index: int) -> Frame | None:
        handle = self.page.work.handle(person)
        if handle is not None and handle.seen:
            frames: list[Frame] = handle.seen
            return min(frames, key=lambda frame: abs(frame.index - index))
        kept: Kept | None = self.page.work.shown(person, "reverse")
        return None if kept is None else kept.frame(index)

    def _ended(self, person: Person, kept: Kept) -> tuple[Any, ...]:
        """The last state, and the finished pictures to take away."""
        room, last = self.page.work.room(person), kept.frame(kept.run.steps)
        path = room.place("samples.png")
        with written_whole(path) as partial:
            grid(kept.run.states[-1], scale=4).save(partial)
        what = f"{last.nfe} network evaluations in {last.total} steps, every state recorded."
        return last.index, drawn(last), taken(room.offer(path), what), "Pause"
