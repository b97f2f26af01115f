"""The command line: parse, call, report; nothing else."""

from __future__ import annotations

import logging
import signal
import sys
import tomllib
from pathlib import Path
from typing import Any, NoReturn

import click
import cloup

from diffusion_core.errors import LectureError, UsageError
from explorer.command import explore_command
from scenes.options import OPTION_NAMES
from studio.commands import (
    about,
    drawing,
    figure,
    loops,
    reproduce,
    script,
    slides,
    storyboard,
    sweep,
    training,
    videos,
)
from studio.commands.computing import CHOICES, FLAGS

SETTINGS = Path("diffusion-lectures.toml")

EXAMPLES = """\b
Examples:
  render.py lecture introduction        a narrated lecture
  render.py scene reverse_process       one scene of it
  render.py list                        what there is
"""


@cloup.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXAMPLES)
@cloup.version_option(package_name="diffusion-lectures")
def cli() -> None:
    """Lecture animations about diffusion models, made from real runs."""


for command in (
    videos.scene_command,
    videos.lecture_command,
    videos.record_command,
    loops.gif_command,
    reproduce.reproduce_command,
    figure.figure_command,
    sweep.sweep_command,
    slides.slides_command,
    storyboard.storyboard_command,
    script.script_command,
    training.train_command,
    drawing.sample_command,
    drawing.evaluate_command,
    explore_command,
    about.list_command,
    about.doctor_command,
):
    cli.add_command(command)


def main() -> NoReturn:
    """Run a command and leave with the code that its result has."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    logging.basicConfig(format="%(levelname)s: %(message)s", stream=sys.stderr)
    logging.getLogger("manim").setLevel(logging.ERROR)
    try:
        cli.main(standalone_mode=False, default_map=settings())
        sys.exit(0)
    except LectureError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"error: {one_line(error)}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)


def one_line(error: click.ClickException) -> str:
    """What click has to say of a wrong use, and where to read on."""
    message = " ".join(error.format_message().split()).removesuffix(".")
    context = getattr(error, "ctx", None)
    return f"{message}; see {context.command_path} --help" if context else message


def settings() -> dict[str, Any]:
    """Defaults from ``diffusion-lectures.toml`` in the present folder, for every command."""
    try:
        found = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{SETTINGS} cannot be read ({error})") from error
    known = {*OPTION_NAMES, *CHOICES, "quality", "voice", "language", "output"}
    unknown = sorted(set(found) - known)
    if unknown:
        raise UsageError(f"{SETTINGS} sets {unknown[0]!r}; it may set {', '.join(sorted(known))}")
    for name, value in found.items():
        flag = name in FLAGS and isinstance(value, bool)
        if not flag and (isinstance(value, bool) or not isinstance(value, str | int | float)):
            raise UsageError(f"{SETTINGS} sets {name!r} to {value!r}; a text or a number is taken")
    # As text, so that each value is read as it would be from the command line.
    texts = {name: str(value) for name, value in found.items()}
    # A folder for videos is no place for GIFs, samples or a training run.
    elsewhere = {name: text for name, text in texts.items() if name != "output"}
    return {name: texts if name in ("scene", "lecture") else elsewhere for name in cli.commands}


if __name__ == "__main__":
    main()
