"""The page: what every tab is built with, and the tabs in their order."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from importlib import import_module
from typing import Any

from diffusion_core.errors import LectureError
from diffusion_core.files import write_text
from explorer.addresses import Read, Setting, one_of, read_all
from explorer.lecture import (
    LONGEST_TYPED,
    Line,
    command_line,
    render_scene,
    scene_arguments,
)
from explorer.people import COOKIE, Person
from explorer.serving import Finished, Waiting, Work
from explorer.showing import file_address, status, taken
from scenes.options import SceneOptions

log = logging.getLogger(__name__)

TABS = {
    "forward": "Forward",
    "reverse": "Reverse",
    "brush": "Noise brush",
    "similar": "Similar noise",
    "u_turn": "U-turn",
    "plane": "Two dimensions",
}
"""Modules with a ``build(page)``, and what their tabs are called."""


@dataclass(eq=False)
class Page:
    """What a tab is built with.

    ``quick`` and ``live`` tie a function to a control.  The function is given
    the ``Person`` who asks and then the inputs' values; a LectureError that it
    raises is shown as one line, and what is on the page stays.

    Parameters
    ----------
    work
        Runs recipes, keeps each person's files.
    turn
        An unseen control that counts what is begun in a tab.
    """

    work: Work
    turn: Any
    settings: list[tuple[Setting, Any]] = field(default_factory=list)

    # -- what happens when a control is used -----------------------------------------

    def quick(
        self,
        triggers: Sequence[Callable[..., Any]],
        compute: Callable[..., Any],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        **more: Any,
    ) -> list[Any]:
        """Call ``compute(person, *values)`` at once, outside the line; for what takes no time.

        Of moves that come faster than they are answered the last one counts.
        ``triggers`` are events such as ``slider.input``; ``more`` goes to each.
        """
        settings = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last"}
        return self._tie(triggers, self._answer(compute), inputs, outputs, {**settings, **more})

    def live(
        self,
        triggers: Sequence[Callable[..., Any]],
        stream: Callable[..., Iterator[Any]],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        **more: Any,
    ) -> list[Any]:
        """Show what the generator ``stream(person, *values)`` yields, one after the other.

        It gets what it shows from ``page.work.run`` or ``page.work.do``, which
        wait in line and stop when the tab is closed.  What a person did last counts,
        also where the server comes to hear of it first.
        """
        settings = {
            "concurrency_limit": None,  # the line in ``serving`` counts people, not events
            "show_progress": "hidden",
            "trigger_mode": "multiple",
            "js": "(...values) => [...values.slice(0, -1), window.explorer.turn()]",
        }
        told = [*inputs, self.turn]
        return self._tie(triggers, self._stream(stream), told, outputs, {**settings, **more})

    @staticmethod
    def _tie(
        triggers: Sequence[Callable[..., Any]],
        function: Callable[..., Any],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        settings: dict[str, Any],
    ) -> list[Any]:
        given = {"inputs": list(inputs), "outputs": list(outputs), "api_visibility": "private"}
        return [trigger(function, **given, **settings) for trigger in triggers]

    def _answer(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        import gradio as gr

        # gradio tells what to hand over by the annotation, and copies no bound method.
        def answer(request: gr.Request, *values: Any) -> Any:
            with plainly():
                return compute(person_of(request), *values)

        answer.__annotations__ = {"request": gr.Request}
        return answer

    def _stream(self, stream: Callable[..., Iterator[Any]]) -> Callable[..., Any]:
        import gradio as gr

        def flow(request: gr.Request, *values: Any) -> Iterator[Any]:
            *settings, turn = values
            person = person_of(request)
            with plainly():
                if self.work.is_newest(person, turn or 0):
                    yield from stream(person, *settings)

        flow.__annotations__ = {"request": gr.Request}
        return flow

    # -- what the address keeps --------------------------------------------------------

    def remember(self, component: Any, read: Read) -> Any:
        """Keep the component's value in the address, under its elem_id; gives it back."""
        name = component.elem_id
        self.settings.append((Setting(name, read), component))
        component.change(
            None, [component], None, js=f"(value) => {{ window.explorer.keep('{name}', value); }}"
        )
        return component

    # -- from play to lecture ------------------------------------------------------------

    def scene(
        self,
        tab: str,
        name: str,
        inputs: Sequence[Any],
        options: Callable[..., SceneOptions],
        note: str = "",
    ) -> None:
        """The folded part "Make this a scene".

        Parameters
        ----------
        tab
            Its name, for the elem_ids.
        name
            The scene.
        inputs
            Components that say what is on the page.
        options
            From the person and their values to the scene's options; a picture of the
            person's own by its path.
        note
            What the scene does otherwise than the page, in a sentence.
        """
        import gradio as gr

        def shown(person: Person, *values: Any) -> str:
            try:
                asked = options(person, *values)
            except LectureError as error:
                return status(str(error))
            # A picture of their own by its name alone: elsewhere it lies somewhere else.
            room = re.compile(re.escape(str(self.work.room(person).folder)) + r"/(\w+/)*")
            recipe = room.sub("", asked.recipe)
            file = f"{tab}.json" if len(recipe) > LONGEST_TYPED else ""
            arguments = scene_arguments(name, asked, recipe=file or recipe)
            line = command_line([room.sub("", word) for word in arguments])
            link = taken(file_address(recipe), "beside render.py.", file) if file else ""
            return (
                f'<div class="command"><code id="{tab}-command-text">{unbroken(line)}</code>'
                f'<button type="button" data-copy="{tab}-command-text">Copy</button></div>{link}'
            )

        def rendered(person: Person, *values: Any) -> Iterator[str]:
            asked, room = options(person, *values), self.work.room(person)

            def job(tell: Any) -> str:
                folder = room.place("scene.mp4").parent
                # An argument of a program may not be as long as a recipe.
                file = folder / f"{tab}.json" if asked.recipe else None
                if file is not None:
                    write_text(file, asked.recipe)
                video = render_scene(scene_arguments(name, asked, recipe=file), folder, tell)
                return room.offer(video)

            yield status("Getting ready to render…")
            for news in self.work.do(person, job):
                if isinstance(news, Waiting | Line):
                    yield status(news.text if isinstance(news, Line) else str(news))
                if isinstance(news, Finished):
                    yield (f'<video controls src="{news.result}"></video>' + taken(news.result, ""))

        with gr.Accordion("Make this a scene", open=False, elem_id=f"{tab}-scene"):
            gr.HTML(f"<p>This makes a narrated video of it. {escape(note)}</p>")
            command = gr.HTML(elem_id=f"{tab}-command")
            start = gr.Button(
                "Render it here, at draft quality", elem_id=f"{tab}-render", size="sm"
            )
            made = gr.HTML(elem_id=f"{tab}-video")
        self.quick([one.change for one in inputs], shown, inputs, [command])
        self.at_start(shown, inputs, [command])
        self.live([start.click], rendered, inputs, [made])

    def at_start(
        self, compute: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any]
    ) -> None:
        """Call ``compute`` once the page is there and the address has been read."""
        self._starts.append((compute, inputs, outputs))

    _starts: list[Any] = field(default_factory=list)

    def begin(self, blocks: Any, tabs: Any) -> None:
        """Read the address when the page opens, then let each tab show itself."""
        import gradio as gr

        settings = [setting for setting, _ in self.settings]
        components = [component for _, component in self.settings]

        def read(request: gr.Request) -> list[Any]:
            person = person_of(request)
            self.work.people.enter(person)
            query = dict(request.query_params)
            found, wrong = read_all([*settings, Setting("tab", one_of(TABS))], query)
            if wrong:
                gr.Warning(wrong)
            chosen = gr.Tabs(selected=found["tab"]) if "tab" in found else gr.skip()
            return [chosen, *(found.get(setting.name, gr.skip()) for setting in settings)]

        read.__annotations__ = {"request": gr.Request}

        def left(request: gr.Request) -> None:
            with plainly():
                self.work.leave(person_of(request))

        left.__annotations__ = {"request": gr.Request}
        opened = blocks.load(
            read, None, [tabs, *components], show_progress="hidden", api_visibility="private"
        )
        opened.then(None, None, None, js="() => { window.explorer.ready = true; }")
        for compute, inputs, outputs in self._starts:
            self.quick([opened.then], compute, inputs, outputs, trigger_mode="multiple")
        blocks.unload(left)


def person_of(request: Any) -> Person:
    """Who sent a request."""
    return Person(request.cookies.get(COOKIE, ""), str(request.session_hash or ""))


@contextmanager
def plainly() -> Iterator[None]:
    """What a user can put right is shown as one line; the rest as a line too, and logged."""
    import gradio as gr

    try:
        yield
    except LectureError as error:
        raise gr.Error(str(error), print_exception=False, title="Not this way") from None
    except gr.Error:
        raise
    except Exception as error:
        log.exception("a request failed")
        raise gr.Error(
            "something went wrong here; the server's terminal says what", print_exception=False
        ) from error


def unbroken(line: str) -> str:
    """A command as HTML, whose lines end between its words only."""
    return " ".join(f"<span>{escape(word)}</span>" for word in line.split(" "))


def build_page(work: Work) -> Any:
    """The whole page as gradio's blocks."""
    import gradio as gr

    with gr.Blocks(title="Diffusion explorer", analytics_enabled=False) as blocks:
        gr.HTML(HEADER, elem_id="header")
        page = Page(work, gr.Number(0, label="Turn", elem_id="turn", elem_classes="unseen"))
        with gr.Tabs(elem_id="tabs") as tabs:
            for name, title in TABS.items():
                module = _tab(name)
                if module is None:
                    continue
                with gr.Tab(title, id=name, elem_id=f"tab-{name}") as tab:
                    module.build(page)
                tab.select(
                    None, None, None, js=f"() => {{ window.explorer.keep('tab', '{name}'); }}"
                )
        page.begin(blocks, tabs)
    blocks.queue(max_size=200, api_open=False)
    return blocks


@functools.cache
def _tab(name: str) -> Any:
    try:
        return import_module(f"explorer.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"explorer.{name}":
            raise
        return None


HEADER = """
<header><h1>Diffusion, in your hands</h1>
<button type="button" id="theme-switch" aria-pressed="false">Dark</button>
<p>Every picture and every number here comes from a run that you started.</p></header>
"""
