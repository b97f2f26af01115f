"""``sample`` and ``evaluate``: what a model draws, and how well."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from diffusion_core.errors import UsageError
from diffusion_core.pretrained.names import is_pretrained
from diffusion_core.recipe import SAMPLERS, SEED_LIMIT, SPACINGS, check_seed
from scenes.asking import SCALES
from scenes.options import USUAL_GUIDANCE
from studio.commands.computing import ask_first, compute_as
from studio.commands.options import (
    CHECKPOINT,
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
    USUAL,
)
from studio.commands.reporting import report

if TYPE_CHECKING:
    from diffusion_core.recipe import ReverseRecipe


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


def usual_guidance(model: str, prompt: str) -> float:
    """The guidance scale where none was chosen: that of the scenes."""
    if not prompt:
        return 1.0
    if not is_pretrained(model):
        return USUAL_GUIDANCE
    from diffusion_core.pretrained.source import located

    return SCALES.get(located(model).reads, USUAL_GUIDANCE)


@cloup.command("sample")
@cloup.option("--n", "count", type=click.IntRange(1, 4096), default=64, show_default=True)
@PROMPT
@GUIDANCE
@SEED
@SAMPLER
@STEPS
@SCHEDULE
@MODEL
@CHECKPOINT
@COMPUTING
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
    **computing: Any,
) -> None:
    """Draw samples from a model and write them as one PNG; the first has the asked seed."""
    from diffusion_core.recipe import ReverseRecipe
    from studio.production import MEDIA, check_writable

    name = str(checkpoint) if checkpoint else model
    compute_as([name], computing)
    seeds = tuple((check_seed(seed) + i) % SEED_LIMIT for i in range(count))
    recipe = ReverseRecipe(
        model=name,
        seeds=seeds,
        prompt=prompt,
        guidance=guidance if guidance is not None else usual_guidance(name, prompt),
        sampler=sampler,
        steps=steps,
        schedule=schedule,
        keep=min(states, steps),
    )
    path = output or MEDIA / "samples" / f"{sample_name(recipe)}.png"
    if path.suffix.lower() != ".png":
        raise UsageError(f"--output {path} must end in .png")
    check_writable(path)
    # Nothing of it is in the store: samples are drawn anew each time.
    asked = [recipe] if is_pretrained(name) else []
    ask_first(asked, yes=computing["yes"], recorded=intermediate is not None)
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


@cloup.command("evaluate")
@cloup.option("--n", "count", type=int, default=10_000, show_default=True, help="Samples a row.")
@cloup.option(
    "--samplers",
    callback=ways,
    default="ddim:20,dpmpp:10,dpmpp:20,dpmpp:20:linspace,heun:10",
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
    from diffusion_core.recipes.own import check_ours
    from studio.display import counted

    name = str(checkpoint) if checkpoint else model
    check_ours("what is measured here is", name)
    with counted("evaluating", quiet=quiet) as told:
        found = evaluate(
            name,
            ways=[Way(*way) for way in samplers],
            guidance=guidance,
            n=count,
            seed=seed,
            schedule=schedule,
            data_dir=data_dir,
            report=told,
        )
    report(found.as_facts(), as_json, found.table())
