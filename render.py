"""The command line: parse, call, report; nothing else."""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import cloup

from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from diffusion_core.recipe import SAMPLERS, SEED_LIMIT, SPACINGS, VP_SCHEDULES, check_seed
from scenes.catalog import LECTURES, SCENES, lecture_entry, scene_entry
from scenes.options import CUTS, OPTION_NAMES, USUAL_GUIDANCE, SceneOptions

if TYPE_CHECKING:
    from diffusion_core.recipe import ReverseRecipe
    from studio.production import Order

SETTINGS = Path("diffusion-lectures.toml")
QUALITY_NAMES = ("draft", "medium", "high", "4k")
VOICE_NAMES = ("espeak", "silent")
USUAL = SceneOptions()

Command = Callable[..., Any]


def option(flag: str, **settings: Any) -> Any:
    """An option that the environment may set as well: DIFFUSION_LECTURES_<NAME>."""
    name = flag.removeprefix("--").replace("-", "_").upper()
    return cloup.option(flag, envvar=f"DIFFUSION_LECTURES_{name}", show_default=True, **settings)


SEED = option(
    "--seed", type=int, default=USUAL.seed, help=f"Seed of the noise, 0 to {SEED_LIMIT - 1}."
)
MODEL = option("--model", default=USUAL.model, help="A model that ships, or weights (a path).")
SAMPLER = option("--sampler", type=click.Choice(SAMPLERS), default=USUAL.sampler)
STEPS = option("--steps", type=int, default=USUAL.steps, help="Steps of the sampler.")
SCHEDULE = option("--schedule", type=click.Choice(VP_SCHEDULES), default=USUAL.schedule)
PROMPT = option("--prompt", default="", help='What is asked for, e.g. "a bold seven".')
GUIDANCE = option(
    "--guidance", type=float, help=f"Guidance scale; 1 is none, {USUAL_GUIDANCE:g} with a prompt."
)
CHECKPOINT = cloup.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="Weights, a training's checkpoint or its folder; instead of --model.",
)
DATA_DIR = option("--data-dir", type=click.Path(path_type=Path), help="Where datasets are kept.")
JSON = cloup.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
QUIET = cloup.option("--quiet", is_flag=True, help="Show no progress.")
RUN = cloup.option_group(
    "What is run",
    SEED,
    option("--image", default=USUAL.image, help="flower, temple, or the path of a picture."),
    SCHEDULE,
    MODEL,
    SAMPLER,
    STEPS,
    PROMPT,
    GUIDANCE,
)
DRY_RUN = cloup.option("--dry-run", is_flag=True, help="Say what would be done; do nothing.")
LOOK = cloup.option_group(
    "How it looks and sounds",
    option("--theme", type=click.Choice(["dark", "light"]), default=USUAL.theme),
    option("--quality", type=click.Choice(QUALITY_NAMES), default="medium"),
    option("--voice", type=click.Choice(VOICE_NAMES), default="espeak"),
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


def shared(command: Command) -> Command:
    """The options of ``scene`` and ``lecture``."""
    for decorate in reversed((RUN, LOOK, OUTPUT, STRICT, JSON, DRY_RUN, QUIET)):
        command = decorate(command)
    return command


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
    known = {*OPTION_NAMES, "quality", "voice", "output"}
    unknown = sorted(set(found) - known)
    if unknown:
        raise UsageError(f"{SETTINGS} sets {unknown[0]!r}; it may set {', '.join(sorted(known))}")
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise UsageError(f"{SETTINGS} sets {name!r} to {value!r}; a text or a number is taken")
    # As text, so that each value is read as it would be from the command line.
    texts = {name: str(value) for name, value in found.items()}
    # A folder for videos is no place for GIFs, samples or a training run.
    elsewhere = {name: text for name, text in texts.items() if name != "output"}
    return {name: texts if name in ("scene", "lecture") else elsewhere for name in cli.commands}


@contextmanager
def display(parts: dict[str, list[str]], *, quiet: bool) -> Iterator[Any]:
    """The progress display on stderr, told which parts each stage will have."""
    from rich.console import Console

    from studio.display import Display
    from studio.progress import Stage

    with Display(Console(stderr=True), quiet=quiet) as shown:
        for stage, names in parts.items():
            shown.expect(Stage(stage), names)
        yield shown


def report(facts: dict[str, Any], as_json: bool, *lines: str) -> None:
    """The result on stdout: all of it as JSON, or what a person wants to know."""
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        for line in lines:
            click.echo(line)


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


@cli.command("list")
@JSON
def list_command(as_json: bool) -> None:
    """Scenes and lectures, and what each can be asked for."""
    scenes = [entry for entry in SCENES.values() if not entry.card]
    facts = {
        kind: [
            {
                "name": entry.name,
                "title": entry.title,
                "teaches": entry.teaches,
                "options": sorted(entry.accepts),
            }
            for entry in entries
        ]
        for kind, entries in (("scenes", scenes), ("lectures", list(LECTURES.values())))
    }
    lines = []
    for kind, entries in facts.items():
        lines.append(f"{kind.capitalize()}:")
        for entry in entries:
            lines.append(f"  {entry['name']:<18} {entry['teaches']}")
            lines.append(f"  {'':<18} --" + " --".join(entry["options"]))
    report(facts, as_json, *lines)


def place_order(name: str, chosen: dict[str, Any]) -> Order:
    """An order from what the command line was given.

    Raises a UsageError for an option that was given on the command line
    though ``name`` has no use for it.
    """
    from studio.production import Order
    from studio.quality import QUALITIES

    options = {key: chosen[key] for key in OPTION_NAMES}
    order = Order(
        name=name,
        options=SceneOptions(**options),
        quality=QUALITIES[chosen["quality"]],
        voice=chosen["voice"],
        output=chosen["output"],
        strict=chosen.get("strict", False),
    )
    context = click.get_current_context()
    usual = SceneOptions()
    for key in OPTION_NAMES:
        if key in order.accepts:
            continue
        if context.get_parameter_source(key) is click.core.ParameterSource.COMMANDLINE:
            accepted = ", ".join(f"--{accepted}" for accepted in sorted(order.accepts))
            raise UsageError(f"{name!r} has no use for --{key}; it takes {accepted}")
        options[key] = getattr(usual, key)
    return replace(order, options=SceneOptions(**options))


def make(name: str, as_json: bool, dry_run: bool, quiet: bool, **chosen: Any) -> None:
    """Plan or produce one video, and report it."""
    from studio.production import plan, produce

    order = place_order(name, chosen)
    if dry_run:
        facts = plan(order)
        recipes = [
            f"  {'kept' if recipe['recorded'] else 'to run':<7} {key} "
            f"({recipe['fingerprint'][:12]})"
            for key, recipe in facts["recipes"].items()
        ]
        report(facts, as_json, f"would make {order.video}", "recordings:", *recipes)
        return
    recipes = list(order.recipes())
    scenes = list(order.scenes)
    parts = {"recording": recipes, "speaking": scenes, "rendering": scenes}
    with display(parts, quiet=quiet) as shown:
        product = produce(order, shown)
    made = product.as_facts()
    report(made, as_json, f"{product.video} ({product.seconds:.0f} s)")


@cli.command("scene")
@cloup.argument("name", help="A scene (see `list`).")
@shared
def scene_command(name: str, **chosen: Any) -> None:
    """Render one scene to a narrated MP4."""
    scene_entry(name)
    make(name, **chosen)


@cli.command("lecture")
@cloup.argument("name", help="A lecture (see `list`).")
@shared
def lecture_command(name: str, **chosen: Any) -> None:
    """Render a lecture to one narrated MP4 with chapters."""
    lecture_entry(name)
    make(name, **chosen)


def beat_range(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """FIRST:LAST, or one number for both."""
    if value is None:
        return None
    first, _, last = value.partition(":")
    if not first.isdigit() or not (last or first).isdigit():
        raise click.BadParameter(f"{value!r} is not FIRST:LAST, for example 4:6")
    return int(first), int(last or first)


@cli.command("gif")
@cloup.argument("name", help="A scene (see `list`).")
@RUN
@cloup.option_group(
    "How it looks",
    option("--theme", type=click.Choice(["dark", "light"]), default=USUAL.theme),
    cloup.option("--beats", callback=beat_range, help="FIRST:LAST, counted from 1."),
    cloup.option(
        "--max-size",
        type=click.FloatRange(0.1, 10),
        default=5,
        show_default=True,
        help="Megabytes.",
    ),
)
@cloup.option("--output", type=click.Path(path_type=Path), help="The GIF.")
@JSON
@QUIET
def gif_command(
    name: str,
    beats: tuple[int, int] | None,
    max_size: float,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Make a loop for a README: some beats of a scene, without sound, within a size."""
    from studio.production import loop

    scene_entry(name)
    rest = {"cut": USUAL.cut, "quality": "medium", "voice": "silent"}
    order = place_order(name, {**chosen, **rest})
    parts = {"recording": list(order.recipes()), "speaking": [name], "rendering": [name]}
    with display(parts, quiet=quiet) as shown:
        made = loop(order, beats, int(max_size * 1e6), shown)
    facts = {
        "gif": str(made.path),
        "bytes": made.size,
        "width": made.setting.width,
        "frame_rate": made.setting.frame_rate,
        "colours": made.setting.colours,
        "speed": round(made.speed, 3),
    }
    report(facts, as_json, f"{made.path} ({made.size / 1e6:.1f} MB)")


@cli.command("record")
@cloup.argument("name", help="A scene or a lecture (see `list`).")
@RUN
@JSON
@QUIET
def record_command(name: str, as_json: bool, quiet: bool, **chosen: Any) -> None:
    """Run what a scene or a lecture shows, and keep the recordings; render nothing."""
    from studio.production import record

    if name not in LECTURES:
        scene_entry(name)
    look = {"theme": USUAL.theme, "cut": USUAL.cut}
    rest = {**look, "quality": "medium", "voice": "silent", "output": None}
    order = place_order(name, {**chosen, **rest})
    with display({"recording": list(order.recipes())}, quiet=quiet) as shown:
        recordings = record(order.recipes(), shown)
    facts = {
        key: {"path": str(kept.path), "fingerprint": kept.fingerprint, "fresh": kept.fresh}
        for key, kept in recordings.items()
    }
    report(facts, as_json, *(f"{key}: {kept.path}" for key, kept in recordings.items()))


@cli.command("train")
@cloup.option_group(
    "What is learnt",
    cloup.option(
        "--dataset",
        default="mnist",
        show_default=True,
        help="mnist, fashion-mnist, cifar10, or a folder of pictures.",
    ),
    DATA_DIR,
    cloup.option("--limit", type=click.IntRange(2), help="Use only so many of the pictures."),
    cloup.option("--size", type=int, help="Pixels a side for the pictures of a folder (32)."),
    cloup.option(
        "--words/--no-words",
        default=True,
        show_default=True,
        help="Teach what the pictures show, where that is known.",
    ),
)
@cloup.option_group(
    "How long",
    cloup.option("--minutes", type=float, help="Train so long."),
    cloup.option("--epochs", type=int, help="Or pass over the pictures so often (20)."),
    constraint=cloup.constraints.mutually_exclusive,
)
@cloup.option_group(
    "How",
    cloup.option("--batch-size", type=int, default=128, show_default=True),
    cloup.option("--learning-rate", type=float, default=2e-3, show_default=True),
    cloup.option(
        "--restart",
        type=int,
        help="Begin the learning rate's schedule anew after so many epochs, with half the peak: "
        "so a finished run is made longer.",
    ),
    cloup.option("--timesteps", type=int, default=1000, show_default=True),
    SCHEDULE,
    cloup.option(
        "--precision",
        type=click.Choice(["auto", "float32", "bfloat16"]),
        default="auto",
        show_default=True,
        help="auto takes the faster one.",
    ),
    SEED,
    cloup.option("--sample-every", type=int, default=1000, show_default=True, help="Steps."),
    cloup.option("--checkpoint-every", type=int, default=500, show_default=True, help="Steps."),
)
@cloup.option("--output", type=click.Path(path_type=Path), help="The folder of the run.")
@JSON
@QUIET
def train_command(
    dataset: str,
    data_dir: Path | None,
    limit: int | None,
    size: int | None,
    words: bool,
    output: Path | None,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Train the tiny model; the same command again resumes where it was.

    A folder may hold pictures, pictures in a folder for each class, or pictures
    and captions.csv (file, caption).  The folder of the run receives
    checkpoints, sample grids at fixed seeds and prompts, the loss as CSV and
    PNG, and in the end weights.safetensors with a model card.
    """
    from diffusion_core.training import TrainingSettings, start
    from studio.display import show_training
    from studio.production import MEDIA

    chosen = TrainingSettings(**{k: v for k, v in settings.items() if v is not None})
    folder = output or MEDIA / "training" / f"{Path(dataset).resolve().name}-seed{chosen.seed}"
    run = start(dataset, chosen, folder, data_dir=data_dir, limit=limit, size=size, words=words)
    show_training(run.run(), quiet=quiet or not run.processes.main)
    if not run.processes.main:
        return
    facts = {"weights": str(run.weights), "loss": run.final_loss(), "seconds": run.seconds}
    report(facts, as_json, f"{run.weights} (loss {facts['loss']:.4f})")


def sample_name(recipe: ReverseRecipe) -> str:
    """What a sheet of samples is called: what it was drawn with, as far as it is not usual."""
    words = re.sub(r"[^\w]+", "-", recipe.prompt.casefold()).strip("-")[:60]
    parts = [Path(recipe.model).stem, words, f"seed{recipe.seeds[0]}"]
    parts += [f"{recipe.sampler}{recipe.steps}"]
    if recipe.guidance != 1:
        parts.append(f"g{recipe.guidance:g}")
    if recipe.schedule != USUAL.schedule:
        parts.append(recipe.schedule)
    return "-".join(part for part in parts if part)


@cli.command("sample")
@cloup.option("--n", "count", type=click.IntRange(1, 4096), default=64, show_default=True)
@PROMPT
@GUIDANCE
@SEED
@SAMPLER
@STEPS
@SCHEDULE
@MODEL
@CHECKPOINT
@cloup.option(
    "--intermediate",
    type=click.Choice(["strip", "pictures"]),
    help="Also write what lies on the way: as one strip, or as a grid for each time.",
)
@cloup.option(
    "--states",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="So many of them, besides the noise.",
)
@cloup.option("--output", type=click.Path(path_type=Path), help="The PNG.")
@JSON
def sample_command(
    count: int,
    prompt: str,
    guidance: float | None,
    seed: int,
    sampler: str,
    steps: int,
    schedule: str,
    model: str,
    checkpoint: Path | None,
    intermediate: str | None,
    states: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Draw samples from a model and write them as one PNG; the first has the asked seed."""
    from diffusion_core.recipe import ReverseRecipe
    from studio.production import MEDIA, check_writable

    name = str(checkpoint) if checkpoint else model
    seeds = tuple((check_seed(seed) + i) % SEED_LIMIT for i in range(count))
    recipe = ReverseRecipe(
        model=name,
        seeds=seeds,
        prompt=prompt,
        guidance=guidance if guidance is not None else (USUAL_GUIDANCE if prompt else 1.0),
        sampler=sampler,
        steps=steps,
        schedule=schedule,
        keep=min(states, steps),
    )
    path = output or MEDIA / "samples" / f"{sample_name(recipe)}.png"
    if path.suffix.lower() != ".png":
        raise UsageError(f"--output {path} must end in .png")
    check_writable(path)
    from diffusion_core.sheets import write_samples

    written = write_samples(recipe, path, intermediate)
    facts = {
        "picture": str(path),
        "intermediate": [str(more) for more in written.intermediate],
        "seeds": [seeds[0], seeds[-1]],
        "prompt": recipe.prompt,
        "guidance": recipe.guidance,
        "nfe": written.nfe,
    }
    report(facts, as_json, str(path), *(str(more) for more in written.intermediate[:1]))


def ways(context: click.Context, parameter: click.Parameter, value: str) -> Any:
    """SAMPLER:STEPS[:SPACING], several with commas between."""
    found = []
    for part in value.split(","):
        name, _, rest = part.strip().partition(":")
        steps, _, spacing = rest.partition(":")
        if name not in SAMPLERS or not steps.isdigit() or spacing not in ("", *SPACINGS):
            raise click.BadParameter(
                f"{part.strip()!r} is not SAMPLER:STEPS or SAMPLER:STEPS:SPACING, for example "
                f"ddim:20,dpmpp:20:linspace; samplers: {', '.join(SAMPLERS)}; "
                f"spacings: {', '.join(SPACINGS)}"
            )
        found.append((name, int(steps), spacing or "trailing"))
    return found


def numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Numbers with commas between."""
    if value is None:
        return None
    try:
        return [float(part) for part in value.split(",") if part.strip()]
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of numbers, for example 1,2,4") from None


@cli.command("evaluate")
@cloup.option("--n", "count", type=int, default=10_000, show_default=True, help="Samples a row.")
@cloup.option(
    "--samplers",
    callback=ways,
    default="ddim:10,ddim:20,dpmpp:10,dpmpp:20,heun:10",
    show_default=True,
    help="SAMPLER:STEPS[:SPACING], a row each.",
)
@cloup.option(
    "--guidance", callback=numbers, help="Scales at which prompts are tried; 1,2 by default."
)
@SEED
@SCHEDULE
@MODEL
@CHECKPOINT
@DATA_DIR
@JSON
@QUIET
def evaluate_command(
    count: int,
    samplers: list[tuple[str, int, str]],
    guidance: list[float] | None,
    seed: int,
    schedule: str,
    model: str,
    checkpoint: Path | None,
    data_dir: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure a model of MNIST: FID beside its floor and ceiling, and whether prompts are met.

    FID is taken on the features of the classifier that ships, between samples
    and the test set; its floor is that of training pictures, its ceiling that
    of noise.  Prompts are read off the test set, so that their pictures should
    be like it.
    """
    from diffusion_core.drawing import Way
    from diffusion_core.evaluation import evaluate
    from studio.display import counted

    with counted("evaluating", quiet=quiet) as told:
        found = evaluate(
            str(checkpoint) if checkpoint else model,
            ways=[Way(*way) for way in samplers],
            guidance=guidance,
            n=count,
            seed=seed,
            schedule=schedule,
            data_dir=data_dir,
            report=told,
        )
    report(found.as_facts(), as_json, found.table())


@cli.command("doctor")
@JSON
def doctor_command(as_json: bool) -> None:
    """What is installed, what is missing, and how to get it."""
    from studio.doctor import examine

    findings = examine()
    missing = [finding for finding in findings if finding.required and not finding.ok]
    lines = []
    for finding in findings:
        mark = "ok" if finding.ok else ("MISSING" if finding.required else "absent")
        lines.append(f"{mark:<8} {finding.name:<16} {finding.detail}")
        if not finding.ok and finding.remedy:
            lines.append(f"{'':<8} {'':<16} → {finding.remedy}")
    facts = {
        finding.name: {
            "ok": finding.ok,
            "required": finding.required,
            "detail": finding.detail,
            "remedy": finding.remedy,
        }
        for finding in findings
    }
    report(facts, as_json, *lines)
    if missing:
        names = ", ".join(finding.name for finding in missing)
        raise MissingRequirement(f"missing: {names}; see above how to get it")


if __name__ == "__main__":
    main()
