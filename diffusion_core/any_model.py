"""A model of either kind, ours or a pretrained one, and what a recipe wants of it."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from diffusion_core.checkpoints import TrainedModel, load_model
from diffusion_core.files import Facts
from diffusion_core.latent.space import LatentSpace
from diffusion_core.pretrained.model import PretrainedModel, load_pretrained
from diffusion_core.pretrained.names import is_pretrained
from diffusion_core.recipes.checks import OWN
from diffusion_core.schedule import Schedule, make_schedule
from diffusion_core.timesteps import sampling_times

AnyModel = TrainedModel | PretrainedModel


class Course(Protocol):
    """The fields of a recipe that say along which times a network is asked."""

    @property
    def schedule(self) -> str: ...  # noqa: D102
    @property
    def T(self) -> int: ...  # noqa: D102
    @property
    def zero_terminal_snr(self) -> bool: ...  # noqa: D102
    @property
    def spacing(self) -> str: ...  # noqa: D102


def load_any_model(name: str) -> AnyModel:
    """The model ``name``: one that ships, a file or a folder of ours, or a pretrained pipeline.

    Raises
    ------
    UsageError
        For a name that is none of these.
    DamagedFile, LectureError
        When its files cannot be had, or are not what they should be.
    """
    return load_pretrained(name) if is_pretrained(name) else load_model(name)


def schedule_of(recipe: Course, model: object = None, steps: int | None = None) -> Schedule:
    """The noise schedule that the recipe names, or that its pretrained model brings.

    Parameters
    ----------
    recipe
        Says which.
    model
        Whoever is asked along it.
    steps
        Of a run; where these are taken as the model's own scheduler would, the
        levels that it visits are in the schedule.
    """
    if recipe.schedule != OWN:
        return make_schedule(recipe.schedule, recipe.T, zero_terminal_snr=recipe.zero_terminal_snr)
    if not isinstance(model, PretrainedModel):
        raise ValueError("the schedule 'own' is a pretrained model's; give the model")
    exact = recipe.spacing == OWN and steps is not None
    return model.schedule.for_steps(steps) if exact and steps is not None else model.schedule


def course_of(recipe: Course, model: object, steps: int) -> tuple[Schedule, list[int]]:
    """The schedule, and the falling times of a run of ``steps`` steps, −1 last."""
    schedule = schedule_of(recipe, model, steps)
    return schedule, sampling_times(schedule, steps, recipe.spacing)


def facts_of_model(model: AnyModel) -> Facts:
    """What each recording says of the model that it was made with."""
    facts: Facts = {"model": model.digest, "pictures": model.facts["data"]["pictures"]}
    if isinstance(model, PretrainedModel):
        facts["pretrained"] = model.facts["pretrained"]
    return facts


def space_of(model: AnyModel) -> LatentSpace | None:
    """The latent space that the model's states are of; None where they are pictures."""
    return model.space if isinstance(model, PretrainedModel) else None


def as_picture(model: AnyModel, x_0: Tensor) -> Tensor:
    """A finished sample as the clean state of other runs: pictures within −1 … 1, latents as is."""
    return x_0.clamp(-1, 1) if space_of(model) is None else x_0


def encoded(model: AnyModel, pictures: Tensor) -> Tensor:
    """Pictures (B, C, H, W) in −1 … 1 as the model's states are."""
    space = space_of(model)
    return pictures if space is None else space.encode(pictures)


def decoded(model: AnyModel, states: Tensor) -> Tensor:
    """States of the model as pictures (B, C, H, W), nearly in −1 … 1."""
    space = space_of(model)
    return states if space is None else space.decode(states)
