"""From play to lecture: the command that makes a scene of what is on the page."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from diffusion_core.errors import LectureError
from diffusion_core.places import ROOT
from explorer.serving import Tell
from scenes.catalog import scene_entry
from scenes.options import SceneOptions

LONGEST_TYPED = 2000
"""Characters of a recipe in a command line; a longer one goes into a file."""
LOOK = 0.5
"""Seconds after which it is looked whether the video is still wanted."""


@dataclass(frozen=True)
class Line:
    """What a subprocess says of how far it is."""

    text: str


def scene_arguments(
    name: str, options: SceneOptions, *, recipe: Path | str | None = None
) -> list[str]:
    """What ``render.py`` is given for the scene ``name``: all that is not as usual.

    ``recipe`` stands for what the scene is brought, where that is not to be
    spelt out as it is: the file that holds it, for example.
    """
    scene_entry(name)
    usual = SceneOptions()
    accepted = scene_entry(name).accepts
    arguments = ["scene", name]
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name in accepted and value != getattr(usual, field.name):
            spelt = f"{value:g}" if isinstance(value, float) else str(value)
            spelt = str(recipe or spelt) if field.name == "recipe" else spelt
            arguments += [f"--{field.name}", spelt]
    return arguments


def command_line(arguments: Sequence[str]) -> str:
    """The command as it is typed."""
    return shlex.join(["python", "render.py", *arguments])


def render_scene(arguments: Sequence[str], folder: Path, tell: Tell) -> Path:
    """Render the scene at draft quality in a process of its own; the MP4.

    Parameters
    ----------
    arguments
        As ``scene_arguments`` gives them.
    folder
        Where the files go.
    tell
        Told of how far it is, also where nothing new is said; what it raises
        ends the process.

    Raises
    ------
    LectureError
        When the command failed; says what it said.
    """
    command = [sys.executable, str(ROOT / "render.py"), *arguments]
    command += ["--quality", "draft", "--output", str(folder), "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            last, out = _follow(running, tell)
        except BaseException:
            running.terminate()
            raise
    if running.returncode:
        raise LectureError(last.removeprefix("error: ") or "the scene could not be rendered")
    made: dict[str, Any] = json.loads(out)
    return Path(made["video"])


def _follow(running: subprocess.Popen[str], tell: Tell) -> tuple[str, str]:
    """The last line that the process says on stderr, and its stdout; tells of it meanwhile."""
    lines: Queue[str | None] = Queue()

    def listen() -> None:
        assert running.stderr is not None
        for line in running.stderr:
            lines.put(" ".join(line.split()))
        lines.put(None)

    threading.Thread(target=listen, daemon=True).start()
    last, begun = "", time.monotonic()
    while True:
        try:
            line = lines.get(timeout=LOOK)
        except Empty:
            line = ""
        if line is None:
            break
        last = line or last
        tell(Line(f"{last or 'getting ready'} ({time.monotonic() - begun:.0f} s)"))
    assert running.stdout is not None
    return last, running.stdout.read()
