"""Recipes of experiments become bundles of recordings here."""

from __future__ import annotations

from functools import singledispatch

import torch
from torch import Tensor

from diffusion_core import experiments
from diffusion_core.any_model import course_of, facts_of_model, load_any_model, schedule_of
from diffusion_core.bundle import Bundle
from diffusion_core.captions import facts_of
from diffusion_core.checkpoints import load_model
from diffusion_core.denoiser import Denoiser, NetworkDenoiser
from diffusion_core.errors import UsageError
from diffusion_core.experiment_parts import (
    HALF,
    black_of,
    bundle_of,
    classes_in,
    learnt_by,
    patch_of,
    picture_of,
    pictures_of,
    policy_of,
    process_of,
    read_digits,
)
from diffusion_core.experiments import Branch, ReverseProcess
from diffusion_core.experiments.brush import brushed
from diffusion_core.experiments.canvas import dabbed
from diffusion_core.experiments.paths import Runs, record_jumps, saying
from diffusion_core.experiments.process import start_noise
from diffusion_core.files import Facts
from diffusion_core.gaussians import ExactDenoiser
from diffusion_core.history import history_path, load_history
from diffusion_core.latent.running import latent_runs
from diffusion_core.pictures import load_picture
from diffusion_core.point_network import PointTraining, train_point_network
from diffusion_core.points import as_mixture, point_set, ring
from diffusion_core.recipe import (
    BrushRecipe,
    CanvasRecipe,
    ExperimentRecipe,
    ForksRecipe,
    InpaintingRecipe,
    InsideRecipe,
    InterpolationRecipe,
    LatentRecipe,
    MistakesRecipe,
    NoisingRecipe,
    RaceRecipe,
    RoutesRecipe,
    ScoreFieldRecipe,
    SensitivityRecipe,
    SimilarNoiseRecipe,
    TrainingRecipe,
    UTurnRecipe,
    describe,
)
from diffusion_core.recipes.checks import OWN, seeds_from
from diffusion_core.recording import Report, silent
from diffusion_core.reverse import sample
from diffusion_core.runs import equal_weights_time, kept_times
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import Schedule, make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.text import words_as_numbers
from diffusion_core.timesteps import sampling_times


@singledispatch
def run_experiment(recipe: ExperimentRecipe, report: Report = silent) -> Bundle:
    """Run the experiment of ``recipe`` from start to end and return what was recorded.

    Raises
    ------
    LectureError
        When something that the recipe names cannot be read, or the network's
        output is not finite.
    """
    raise TypeError(f"{type(recipe).__name__} is no recipe of an experiment")


# -- from noise up ----------------------------------------------------------------


@run_experiment.register
def _routes(recipe: RoutesRecipe, report: Report = silent) -> Bundle:
    schedule = make_schedule(recipe.schedule, recipe.T)
    x_0 = torch.from_numpy(load_picture(recipe.image, recipe.size))[None]
    times = kept_times(recipe.T, recipe.keep) | {equal_weights_time(schedule)}
    return bundle_of(recipe, experiments.routes(schedule, x_0, sorted(times), recipe.seeds))


@run_experiment.register
def _similar_noise(recipe: SimilarNoiseRecipe, report: Report = silent) -> Bundle:
    model = load_any_model(recipe.model)
    process = process_of(recipe, model, report, runs=3)
    x_T = process.pure_noise(start_noise(recipe.seeds, model.shape)[0])
    patches = [patch_of(patch) for patch in recipe.patches]
    runs = experiments.similar_noise(
        process, x_T, recipe.new_seeds, patch=patches or None, entry=recipe.entry
    )
    return bundle_of(recipe, runs, model, report)


@run_experiment.register
def _sensitivity(recipe: SensitivityRecipe, report: Report = silent) -> Bundle:
    model = load_any_model(recipe.model)
    process = process_of(recipe, model, report, runs=2)
    x_T = process.pure_noise(start_noise([recipe.seed], model.shape)[0])
    (other,) = seeds_from(recipe.seed + 1, 1)
    grid = recipe.rows, recipe.columns
    runs = experiments.sensitivity_map(process, x_T, other, grid)
    return bundle_of(recipe, runs, model, report)


@run_experiment.register
def _interpolation(recipe: InterpolationRecipe, report: Report = silent) -> Bundle:
    model = load_any_model(recipe.model)
    process = process_of(recipe, model, report, runs=2)
    x = process.pure_noise(start_noise([recipe.seed, recipe.other], model.shape)[0])
    runs = experiments.interpolation(process, x[:1], x[1:], recipe.weights)
    return bundle_of(recipe, runs, model, report)


@run_experiment.register
def _race(recipe: RaceRecipe, report: Report = silent) -> Bundle:
    model = load_any_model(recipe.model)
    # Every racer has its own steps: where these are the model's own, the nearest of its table.
    schedule = schedule_of(recipe, model)
    reference = ReverseProcess(
        model.denoiser(schedule, recipe.prompt, recipe.guidance),
        make_sampler(recipe.reference_sampler, schedule),
        schedule,
        sampling_times(schedule, recipe.reference_steps, recipe.spacing),
        policy=policy_of(model, 1 + len(recipe.samplers) * (1 + len(recipe.also))),
        report=report,
        facts=facts_of_model(model),
    )
    samplers = {name: make_sampler(name, schedule) for name in recipe.samplers}
    runs = experiments.sampler_race(
        reference,
        samplers,
        recipe.seeds,
        model.shape,
        nfe=recipe.nfe,
        also=recipe.also,
        spacing=recipe.spacing,
    )
    return bundle_of(recipe, runs, model, report)


@run_experiment.register
def _forks(recipe: ForksRecipe, report: Report = silent) -> Bundle:
    model = load_any_model(recipe.model)
    # The scale is for whoever asks; a path without a prompt has nothing to guide towards.
    schedule, times = course_of(recipe, model, recipe.steps)

    def asked(prompt: str) -> Denoiser:
        return model.denoiser(schedule, prompt, recipe.guidance if prompt else 1.0)

    process = ReverseProcess(
        asked(recipe.prompt),
        make_sampler(recipe.sampler, schedule, recipe.eta),
        schedule,
        times,
        policy=policy_of(model, len(recipe.prompts) + len(recipe.reseeds)),
        report=report,
        facts=facts_of_model(model),
    )
    branches = {prompt: Branch(asked(prompt)) for prompt in recipe.prompts}
    for seed in recipe.reseeds:
        branches[f"seed {seed}"] = Branch(seeds=seeds_from(seed, recipe.samples))
    t = process.times[recipe.after]
    runs = experiments.forks(process, recipe.seeds, model.shape, t, branches)
    facts: Facts = {}
    if recipe.words and model.vocabulary is not None:
        facts["words"] = words_as_numbers(recipe.asked(), model.vocabulary)
    return bundle_of(recipe, read_digits(runs, learnt_by(model)), model, report, **facts)


@run_experiment.register
def _noising(recipe: NoisingRecipe, report: Report = silent) -> Bundle:
    x_0, facts = pictures_of(recipe, report)
    model = load_any_model(recipe.model) if recipe.schedule == OWN else None
    eps = [SampleNoise(recipe.seeds, x_0.shape[1:]).draw()] * len(recipe.times)
    facts = {"experiment": "noising", "seeds": list(recipe.seeds), **facts}
    forward = record_jumps(x_0, recipe.times, eps, schedule_of(recipe, model), facts)
    return bundle_of(recipe, {"forward": forward}, model if recipe.drawn else None, report)


# -- from a picture on ------------------------------------------------------------


@run_experiment.register
def _u_turn(recipe: UTurnRecipe, report: Report = silent) -> Bundle:
    model = load_any_model(recipe.model)
    process = process_of(recipe, model, report, runs=1 + len(recipe.turns))
    x_0 = picture_of(recipe, model, process)
    turns, seeds, shared = recipe.turns, recipe.seeds, recipe.shared
    if recipe.erase:
        mask = patch_of(recipe.erase).mask(*x_0.shape[2:])
        black = black_of(model)
        runs = experiments.repair(process, x_0, mask, turns, seeds, shared=shared, black=black)
    else:
        runs = experiments.u_turn(process, x_0, turns, seeds, shared=shared)
    ends = {name: torch.from_numpy(run.states[-1]) for name, run in runs.items()}
    read = classes_in(ends | {"forward": x_0}, learnt_by(model))
    for name, classes in read.items():
        what = {"class": classes[0]} if name == "forward" else {"final_class": classes}
        runs[name] = saying(runs[name], **what)
    return bundle_of(recipe, runs, model, report)


@run_experiment.register
def _brush(recipe: BrushRecipe, report: Report = silent) -> Bundle:
    model = load_any_model(recipe.model)
    process = process_of(recipe, model, report, runs=2)
    x_0 = picture_of(recipe, model, process)
    mask = brushed(recipe.path, recipe.radius, *x_0.shape[2:])
    runs = experiments.noise_brush(
        process, x_0, mask, recipe.t, recipe.seeds, outside=recipe.outside
    )
    return bundle_of(recipe, _read_before_and_after(runs, x_0, learnt_by(model)), model, report)


@run_experiment.register
def _canvas(recipe: CanvasRecipe, report: Report = silent) -> Bundle:
    model = load_any_model(recipe.model)
    process = process_of(recipe, model, report, runs=2)
    x_0 = picture_of(recipe, model, process)
    std = dabbed(recipe.dabs, recipe.radius, recipe.strength, *x_0.shape[2:])
    runs = experiments.noise_canvas(
        process, x_0, std, recipe.t, recipe.seeds, outside=recipe.outside
    )
    return bundle_of(recipe, _read_before_and_after(runs, x_0, learnt_by(model)), model, report)


def _read_before_and_after(runs: Runs, x_0: Tensor, learnt: Facts) -> Runs:
    """What the judge reads in the picture, and in what came of it, where it can read."""
    end = torch.from_numpy(runs["removed"].states[-1])
    read = classes_in({"painted": x_0, "removed": end}, learnt)
    if not read:
        return runs
    return {
        "painted": saying(runs["painted"], **{"class": read["painted"][0]}),
        "removed": saying(runs["removed"], final_class=read["removed"]),
    }


@run_experiment.register
def _inpainting(recipe: InpaintingRecipe, report: Report = silent) -> Bundle:
    model = load_any_model(recipe.model)
    process = process_of(recipe, model, report)
    x_0 = picture_of(recipe, model, process)
    known = 1 - patch_of(recipe.hole).mask(*x_0.shape[2:])
    runs = experiments.inpainting(process, x_0, known, recipe.seeds, resample=recipe.resample)
    return bundle_of(recipe, runs, model, report)


@run_experiment.register
def _mistakes(recipe: MistakesRecipe, report: Report = silent) -> Bundle:
    model = load_model(recipe.model)
    process = process_of(recipe, model, report)
    if recipe.mistake == "no_time_embedding":
        runs = experiments.mistake_no_time_embedding(process, recipe.seeds, model.shape, recipe.t)
    elif recipe.mistake == "noise_at_the_end":
        runs = experiments.mistake_noise_at_the_end(process, recipe.seeds, model.shape)
    elif recipe.mistake == "no_noise_weight":
        x_0 = picture_of(recipe, model, process)
        times = [t for t in sorted(kept_times(recipe.T, 20)) if t < recipe.t] + [recipe.t]
        runs = experiments.mistake_no_noise_weight(process, x_0, times, recipe.seeds)
    else:

        def under(schedule: Schedule) -> Denoiser:
            return model.denoiser(schedule, recipe.prompt, recipe.guidance)

        x_0 = picture_of(recipe, model, process)
        runs = experiments.mistake_no_rescaling(
            under, x_0, recipe.T, recipe.seeds, facts=facts_of_model(model)
        )
    return bundle_of(recipe, runs)


@run_experiment.register
def _inside(recipe: InsideRecipe, report: Report = silent) -> Bundle:
    model = load_model(recipe.model)
    process = process_of(recipe, model, report)
    x_0 = sample(process.denoiser, process.sampler, process.times, recipe.seeds, model.shape).clamp(
        -1, 1
    )

    def asked(prompt: str) -> NetworkDenoiser:
        # Not clipped: what is measured is the network's own answer.
        text = model.text(prompt)
        return NetworkDenoiser(
            model.network, process.schedule, model.prediction, text=text, clip=False
        )

    levels = process.schedule.alpha_bar(torch.arange(recipe.T))
    first = {int((levels > share).sum()) for share in recipe.alpha_bars}
    runs = experiments.inside_unet(
        asked(recipe.prompt),
        x_0,
        sorted(min(t, recipe.T - 1) for t in first),
        recipe.new_seeds,
        other=None if recipe.other == recipe.prompt else asked(recipe.other),
        channels=recipe.channels,
        report=report,
        facts=facts_of_model(model),
    )
    return bundle_of(recipe, runs)


# -- in the plane -----------------------------------------------------------------


@run_experiment.register
def _score_field(recipe: ScoreFieldRecipe, report: Report = silent) -> Bundle:
    schedule = make_schedule(recipe.schedule, recipe.T)
    if recipe.drawn:
        drawn = torch.tensor(recipe.drawn, dtype=torch.float64)
        mixture = as_mixture(drawn, recipe.std)
    elif recipe.points == "ring":
        mixture = ring(std=recipe.std)
    else:
        mixture = as_mixture(point_set(recipe.points, recipe.count, recipe.seed), recipe.std)
    denoisers: dict[str, Denoiser] = {"": ExactDenoiser(mixture, schedule)}
    if recipe.training_steps:
        settings = PointTraining(steps=recipe.training_steps, seed=recipe.seed)
        network = train_point_network(
            mixture,
            schedule,
            settings,
            lambda step, loss, network: report(step, recipe.training_steps),
        )
        denoisers[" learned"] = NetworkDenoiser(network, schedule, settings.prediction, clip=False)
    runs = experiments.score_field(
        denoisers,
        schedule,
        recipe.times,
        recipe.seeds,
        steps=recipe.steps,
        side=recipe.side,
        reach=recipe.reach,
    )
    if recipe.density_side:
        runs["density"] = experiments.density(
            mixture, schedule, recipe.times, side=recipe.density_side, reach=recipe.reach
        )
    return bundle_of(recipe, runs)


# -- of a training that was run before ----------------------------------------------


@run_experiment.register
def _training(recipe: TrainingRecipe, report: Report = silent) -> Bundle:
    history = load_history(history_path(recipe.model))
    runs = read_digits(experiments.learning(history), history.facts["data"])
    prompts = history.facts["samples"]["prompts"]
    facts = {
        "recipe": describe(recipe),
        **history.facts,
        "digits": [_digit_in(prompt) for prompt in prompts],
        "loss": experiments.loss_curve(history.losses, recipe.points),
    }
    return Bundle(runs, facts)


def _digit_in(prompt: str) -> int | None:
    """The digit that a prompt asks for; None where it names none."""
    try:
        return facts_of(prompt).digit if prompt else None
    except UsageError:
        return None  # words of other pictures


# -- among latents ----------------------------------------------------------------


@run_experiment.register
def _latent(recipe: LatentRecipe, report: Report = silent) -> Bundle:
    runs, costs = latent_runs(recipe, HALF, report)
    return Bundle(runs, {"recipe": describe(recipe), "costs": costs})
