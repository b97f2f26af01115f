"""``figure``: stills for slides and papers."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click
import cloup

from diffusion_core.errors import UsageError
from diffusion_core.recipes.sampling import PUBLISHED
from scenes.options import OPTION_NAMES, SceneOptions
from studio.commands.computing import CHOICES, ask_first, compute_as, left_to_run
from studio.commands.options import (
    COMPUTING,
    DATA_DIR,
    GUIDANCE,
    JSON,
    MODEL,
    PROMPT,
    QUIET,
    SAMPLER,
    SCHEDULE,
    SEED,
    STEPS,
    option,
)
from studio.commands.reporting import display, report
from studio.figures.choices import FIGURES, Choices, figure_entry
from studio.figures.style import FIGURE_THEMES, FORMATS


def whole_numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Whole numbers with commas between."""
    parts = [part.strip() for part in (value or "").split(",") if part.strip()]
    if not all(re.fullmatch(r"\d+", part) for part in parts):
        raise click.BadParameter(f"{value!r} is not a list of whole numbers, for example 0,50,999")
    return tuple(int(part) for part in parts)


def numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Numbers with commas between."""
    try:
        return tuple(float(part) for part in (value or "").split(",") if part.strip())
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of numbers, for example 1,2,4") from None


def formats(context: click.Context, parameter: click.Parameter, value: str) -> Any:
    """Formats with commas between."""
    parts = tuple(dict.fromkeys(part.strip().lower() for part in value.split(",") if part.strip()))
    if not parts or not set(parts) <= set(FORMATS):
        raise click.BadParameter(f"{value!r} is not among {', '.join(FORMATS)}")
    return parts


def millimetres(context: click.Context, parameter: click.Parameter, value: str) -> Any:
    """A length in mm or in."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(mm|cm|in)?", value.strip())
    if found is None:
        raise click.BadParameter(f"{value!r} is not a length, for example 160mm or 3.3in")
    return float(found[1]) * {"in": 25.4, "cm": 10.0}.get(found[2], 1.0)


LIST: dict[str, Any] = {"callback": whole_numbers, "metavar": "N,N,…"}


@cloup.command("figure")
@cloup.argument("name", help=f"{', '.join(FIGURES)}.")
@cloup.option_group(
    "What is shown",
    cloup.option("--timesteps", help="Times t (timesteps, schedules, u_turn).", **LIST),
    cloup.option("--images", type=int, help="How many pictures, seeds or prompts."),
    cloup.option("--columns", type=int, help="How many moments (process, training)."),
    cloup.option("--nfe", help="Network evaluations (samplers).", **LIST),
    cloup.option("--scales", callback=numbers, metavar="G,G,…", help="Guidance scales (guidance)."),
)
@cloup.option_group(
    "Which pictures; the model's own by default",
    option("--image", default="", help="flower, temple, or the path of a picture."),
    cloup.option("--dataset", type=click.Choice(PUBLISHED), help="One that is published."),
    cloup.option("--index", help="Which of its test pictures; the first by default.", **LIST),
    DATA_DIR,
)
@cloup.option_group("What is run", SEED, SCHEDULE, MODEL, SAMPLER, STEPS, PROMPT, GUIDANCE)
@COMPUTING
@cloup.option_group(
    "How it looks",
    cloup.option(
        "--to",
        "to",
        callback=formats,
        default="png",
        show_default=True,
        help="png, svg, pdf, or several with commas between.",
    ),
    option("--theme", type=click.Choice(list(FIGURE_THEMES)), default="paper"),
    cloup.option(
        "--width", callback=millimetres, default="160mm", show_default=True, help="In mm, cm or in."
    ),
    cloup.option("--no-caption", is_flag=True, help="Leave the caption to the text around."),
)
@cloup.option("--output", type=click.Path(path_type=Path), help="The file, or a folder for it.")
@JSON
@QUIET
def figure_command(
    name: str,
    to: tuple[str, ...],
    theme: str,
    width: float,
    no_caption: bool,
    output: Path | None,
    data_dir: Path | None,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Make a figure for slides or a paper from recorded runs, with its caption."""
    from studio.figures.making import FigureOrder, make_figure

    entry = figure_entry(name)
    computing = {key: chosen.pop(key) for key in (*CHOICES, "yes")}
    unused = settle(name, chosen, entry.accepts)
    compute_as([chosen["model"]], computing)
    if data_dir is not None:
        os.environ["DIFFUSION_LECTURES_DATA"] = str(data_dir)  # where datasets are looked for
    asked = {
        "name": name,
        "theme": theme,
        "width": f"{width:g}mm",
        "no_caption": no_caption,
        **{
            key: told(chosen[key])
            for key in sorted(entry.accepts - unused)
            if chosen[key] not in (None, (), "")
        },
    }
    run = {key: chosen[key] for key in OPTION_NAMES if key in chosen}
    shown = {key: chosen[key] for key in ("images", "columns", "timesteps", "nfe", "scales")}
    order = FigureOrder(
        entry=entry,
        choices=Choices(
            options=SceneOptions(**run),
            dataset=chosen["dataset"] or "",
            indices=chosen["index"],
            **shown,
        ),
        formats=to,
        theme=theme,
        width=width,
        captioned=not no_caption,
        output=output,
        asked=asked,
    )
    ask_first(left_to_run(order.recipes().values()), yes=computing["yes"])
    with display({"recording": list(order.recipes())}, quiet=quiet) as progress:
        made = make_figure(order, progress)
    report(made.as_facts(), as_json, *(str(path) for path in made.files.values()))


def told(value: object) -> object:
    """A list as the command line takes it."""
    return ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else value


EMPTY = {"timesteps": (), "nfe": (), "scales": (), "index": ()}
DRAWING = ("model", "prompt", "guidance", "sampler", "steps")


def given(key: str) -> bool:
    """Whether an option stands on the command line."""
    source = click.get_current_context().get_parameter_source(key)
    return source is click.core.ParameterSource.COMMANDLINE


def forget(chosen: dict[str, Any], key: str) -> None:
    """Take an option as if nothing had been said of it."""
    chosen[key] = getattr(SceneOptions(image=""), key, EMPTY.get(key))


def settle(name: str, chosen: dict[str, Any], accepts: frozenset[str]) -> frozenset[str]:
    """Refuse what was given though the figure has no use for it; settings elsewhere give way.

    Returns what of ``accepts`` is of no use beside the other choices.

    Raises
    ------
    UsageError
        For such an option, or two that contradict each other.
    """
    for key in chosen.keys() - accepts:
        if given(key):
            taken = ", ".join(f"--{option}" for option in sorted(accepts))
            raise UsageError(f"figure {name!r} has no use for --{key}; it takes {taken}")
        forget(chosen, key)
    settle_source(chosen)
    source = chosen["image"] or chosen["dataset"]
    if name != "timesteps" or not source:
        return frozenset()
    for key in DRAWING:
        if given(key):
            raise UsageError(
                f"--{key} says how the model draws, and the pictures are from {source!r}; "
                "leave one out"
            )
        forget(chosen, key)
    if chosen["index"] and chosen["images"] not in (None, len(chosen["index"])):
        raise UsageError(
            f"--images {chosen['images']} and {len(chosen['index'])} of --index contradict "
            "each other; leave one out"
        )
    return frozenset(DRAWING)


def settle_source(chosen: dict[str, Any]) -> None:
    """One source of pictures: what the command line names, before what settings name."""
    if chosen["dataset"] and chosen["image"]:
        if given("image"):
            raise UsageError("--image and --dataset are two sources of pictures; give one")
        forget(chosen, "image")
    if chosen["index"] and not chosen["dataset"]:
        raise UsageError("--index says which pictures of a set, and none is named; add --dataset")
