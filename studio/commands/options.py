"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import cloup

from diffusion_core.pretrained.runtime import DEVICES, DTYPES
from diffusion_core.recipe import SAMPLERS, SEED_LIMIT, VP_SCHEDULES
from scenes.brought import LONGEST
from scenes.options import CUTS, USUAL_GUIDANCE, SceneOptions

QUALITY_NAMES = ("draft", "medium", "high", "4k")
USUAL = SceneOptions()

Command = Callable[..., Any]


class Voice(click.ParamType):
    """A voice by its name, with what belongs to it."""

    name = "voice"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See ``click.ParamType.convert``."""
        from studio.speakers import VOICES

        kind, colon, which = str(value).partition(":")
        takes = {voice.partition(":")[0]: ":" in voice for voice in VOICES}
        if kind not in takes or (takes[kind] and not which) or (colon and not which):
            self.fail(f"{value!r} is not one of {', '.join(map(repr, VOICES))}", param, ctx)
        return str(value)


class OwnRecipe(click.ParamType):
    """Fields of a recipe: JSON, or the file that holds it."""

    name = "json or file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See ``click.ParamType.convert``."""
        text = str(value)
        if not text.strip() or text.lstrip().startswith(("{", "[")):
            return text
        try:
            with Path(text).open(encoding="utf-8") as file:
                return file.read(LONGEST + 1)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            self.fail(f"{text[:80]!r} is neither JSON, {{…}}, nor a file that can be read ({why})")


def option(flag: str, **settings: Any) -> Any:
    """An option that the environment may set as well: DIFFUSION_LECTURES_<NAME>."""
    name = flag.removeprefix("--").replace("-", "_").upper()
    return cloup.option(flag, envvar=f"DIFFUSION_LECTURES_{name}", show_default=True, **settings)


SEED = option(
    "--seed", type=int, default=USUAL.seed, help=f"Seed of the noise, 0 to {SEED_LIMIT - 1}."
)
MODEL = option(
    "--model",
    default=USUAL.model,
    help="A model that ships, weights (a path), or a pretrained diffusers pipeline: its folder, "
    "or owner/name[@revision] on the hub.",
)
SAMPLER = option("--sampler", type=click.Choice(SAMPLERS), default=USUAL.sampler)
STEPS = option("--steps", type=int, default=USUAL.steps, help="Steps of the sampler.")
SCHEDULE = option("--schedule", type=click.Choice(VP_SCHEDULES), default=USUAL.schedule)
PROMPT = option("--prompt", default="", help='What is asked for, e.g. "a bold seven".')
GUIDANCE = option(
    "--guidance", type=float, help=f"Guidance scale; 1 is none, {USUAL_GUIDANCE:g} with a prompt."
)
RECIPE = option(
    "--recipe",
    type=OwnRecipe(),
    default=USUAL.recipe,
    help="What a scene is brought of one's own: JSON, or its file, as the explorer writes it.",
)
CHECKPOINT = cloup.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="Weights, a training's checkpoint or its folder; instead of --model.",
)
DATA_DIR = option("--data-dir", type=click.Path(path_type=Path), help="Where datasets are kept.")
JSON = cloup.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
QUIET = cloup.option("--quiet", is_flag=True, help="Show no progress.")
AUTO = "auto"
COMPUTING = cloup.option_group(
    "How a pretrained model computes",
    option(
        "--device",
        type=click.Choice([AUTO, *DEVICES]),
        default=AUTO,
        help="auto: a GPU where there is one.",
    ),
    option(
        "--dtype",
        type=click.Choice([AUTO, *DTYPES]),
        default=AUTO,
        help="auto: float16 on CUDA, float32 elsewhere.",
    ),
    option("--attention-slicing", is_flag=True, help="Slower, in less memory."),
    option("--cpu-offload", is_flag=True, help="Keep on the GPU only the network that computes."),
    cloup.option("--yes", is_flag=True, help="Begin a long run without asking."),
)
"""Of every command that runs recipes."""
_RUN = cloup.option_group(
    "What is run",
    SEED,
    option("--image", default=USUAL.image, help="flower, temple, or the path of a picture."),
    SCHEDULE,
    MODEL,
    SAMPLER,
    STEPS,
    PROMPT,
    GUIDANCE,
    RECIPE,
)
VOICE = option(
    "--voice",
    type=Voice(),
    default="espeak",
    help="espeak, silent, piper:FILE.onnx, voiceover:SERVICE, recorded:FOLDER (+espeak fills "
    "its gaps).",
)
LANGUAGE = option(
    "--language",
    default="en",
    help="What is said and captioned, by translations/LANGUAGE.po, NAME.LANGUAGE.po or a path.",
)
DRY_RUN = cloup.option("--dry-run", is_flag=True, help="Say what would be done; do nothing.")
LOOK = cloup.option_group(
    "How it looks and sounds",
    option("--theme", type=click.Choice(["dark", "light"]), default=USUAL.theme),
    option("--quality", type=click.Choice(QUALITY_NAMES), default="medium"),
    VOICE,
    LANGUAGE,
    option(
        "--cut",
        type=click.Choice(CUTS),
        default=USUAL.cut,
        help="short: the essential beats of each scene, about half of its time.",
    ),
)
STRICT = cloup.option(
    "--strict", is_flag=True, help="Fail where something overlaps, cannot be read or drags on."
)
OUTPUT = option("--output", type=click.Path(path_type=Path), help="The MP4, or a folder for it.")


def RUN(command: Command) -> Command:  # noqa: N802
    """The options of what is run, and of how a pretrained model computes it."""
    decorated: Command = _RUN(COMPUTING(command))
    return decorated


def shared(command: Command) -> Command:
    """The options of ``scene`` and ``lecture``."""
    for decorate in reversed((RUN, LOOK, OUTPUT, STRICT, JSON, DRY_RUN, QUIET)):
        command = decorate(command)
    return command
