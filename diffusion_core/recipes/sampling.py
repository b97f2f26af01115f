"""The fields that all recipes share which ask a network, or start from a picture."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_core.errors import UsageError
from diffusion_core.files import Facts
from diffusion_core.models import DEFAULT_MODEL, model_inputs
from diffusion_core.pictures import picture_digest
from diffusion_core.pretrained.names import is_pretrained
from diffusion_core.recipes.checks import (
    OWN,
    SAMPLERS,
    SPACINGS,
    check_name,
    check_range,
    check_schedule,
    check_seed,
    check_whole,
    seeds_from,
    settle,
)
from diffusion_core.recipes.own import check_asked, own_fields

PUBLISHED = ("mnist", "fashion-mnist", "cifar10")
"""The sets that a picture can be taken from; those of ``datasets.DATASETS``."""

PATCH = ("top", "left", "height", "width")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Which network is asked, for what, and under which schedule.

    Parameters
    ----------
    model
        A model that ships, the path of weights, or a pretrained pipeline: its folder
        or its name on the hub.
    prompt, guidance
        What is asked for ("" for nothing), and the guidance scale g of it,
        0 … 100: 1 is none.
    spacing
        Which times the steps visit; "own" of a pretrained model: those that its
        scheduler visits.
    schedule, T, zero_terminal_snr
        The noise schedule, its number of levels, 10 … 100,000, and whether it is
        stretched to end without any signal.  Of a pretrained model the schedule is
        "own", the table that it brings, whatever is given here, and T its length.
    """

    model: str = DEFAULT_MODEL
    prompt: str = ""
    guidance: float = 1.0
    spacing: str = "trailing"
    schedule: str = "cosine"
    T: int = 1000
    zero_terminal_snr: bool = False

    def __post_init__(self) -> None:
        if is_pretrained(self.model):
            check_name("spacing", self.spacing, (*SPACINGS, OWN))
            settle(self, **own_fields(self.model))
            check_asked(self.model, self.asked())
        else:
            self._check_schedule()
        check_range("guidance", self.guidance, 0, 100)
        if self.guidance != 1 and not any(self.asked()):
            raise UsageError(f"guidance = {self.guidance} needs a prompt to guide towards")
        settle(self, guidance=abs(float(self.guidance)))  # −0.0 is 0.0

    def _check_schedule(self) -> None:
        check_name("spacing", self.spacing, SPACINGS)
        settle(
            self,
            T=check_schedule(self.schedule, self.T, self.zero_terminal_snr),
            zero_terminal_snr=bool(self.zero_terminal_snr),
        )

    def asked(self) -> tuple[str, ...]:
        """Every prompt that the network is asked for."""
        return (self.prompt,)

    def inputs(self) -> Facts:
        """Digests of what the recipe names."""
        return model_inputs(self.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling(Asking):
    """A network that is asked, and the rule that uses its answers.

    Parameters
    ----------
    sampler, eta, steps
        The rule (``eta`` is of "ddim", 0 … 1), and the number of steps from
        T − 1 to the picture, 1 … T.
    """

    sampler: str = "ddim"
    eta: float = 0.0
    steps: int = 50

    def __post_init__(self) -> None:
        Asking.__post_init__(self)
        check_name("sampler", self.sampler, SAMPLERS)
        check_range("eta", self.eta, 0, 1)
        if self.eta and self.sampler != "ddim":
            raise UsageError(f"eta = {self.eta} is for the sampler 'ddim', not {self.sampler!r}")
        settle(self, eta=abs(float(self.eta)), steps=check_whole("steps", self.steps, 1, self.T))

    def check_takes_no_noise(self) -> None:
        """Raise a UsageError for a sampler that adds noise of its own."""
        if self.sampler == "ddpm" or self.eta:
            raise UsageError(
                f"sampler {self.sampler!r} with eta = {self.eta} adds noise of its own, and what "
                "is compared here is the noise of the start; choose ddim with eta = 0, euler, "
                "heun or dpmpp"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class FromPicture(Sampling):
    """A run that begins with a picture: the model's own, the user's, or one of a set.

    Pictures are brought to the model's size, and to grey where it knows no colour.

    Parameters
    ----------
    image
        A bundled picture's name or the path of one; "" for none.
    dataset, index
        A published set, "" for none, and which of its pictures to test with is
        taken, from 0.  Without image and dataset the model draws its own: the
        sample of ``seed``.
    seed
        Of that sample, 0 … 2³² − 1; the noise of the experiment has the seeds
        that follow it, so that it is never the noise that the picture came from.
    samples
        How often the picture is taken, each time with noise of its own, 1 … 1000.
    """

    image: str = ""
    dataset: str = ""
    index: int = 0
    seed: int = 0
    samples: int = 1

    def __post_init__(self) -> None:
        Sampling.__post_init__(self)
        if self.image and self.dataset:
            raise UsageError(
                f"image {self.image!r} and dataset {self.dataset!r} are two pictures; give one"
            )
        if self.dataset:
            check_name("dataset", self.dataset, PUBLISHED)
        settle(
            self,
            index=check_whole("index", self.index, 0, 9_999),
            seed=check_seed(self.seed),
            samples=check_whole("samples", self.samples, 1, 1000),
        )

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the noise, one a sample: those that follow ``seed``."""
        return seeds_from(self.seed + 1, self.samples)

    def inputs(self) -> Facts:
        """Digests of what the recipe names; a published set is what its name says."""
        found = Sampling.inputs(self)
        return found | {"picture": picture_digest(self.image, 64)} if self.image else found


def checked_patch(what: str, patch: tuple[int, ...]) -> tuple[int, ...]:
    """``patch`` as (top, left, height, width) in whole pixels; empty for none.

    Raises
    ------
    UsageError
        When it has other than four numbers, or one that no picture allows.
    """
    if not patch:
        return ()
    if len(patch) != len(PATCH):
        raise UsageError(f"{what} = {tuple(patch)} must be (top, left, height, width)")
    lows = (0, 0, 1, 1)
    return tuple(
        check_whole(f"{what} {name}", value, low, 4096)
        for name, value, low in zip(PATCH, patch, lows, strict=True)
    )


def checked_times(what: str, times: tuple[int, ...], T: int) -> tuple[int, ...]:
    """``times`` if they rise, there is at least one, and all lie in 0 … T − 1.

    Raises
    ------
    UsageError
        Otherwise.
    """
    checked = tuple(check_whole(f"a time of {what}", t, 0, T - 1) for t in times)
    if not checked or sorted(set(checked)) != list(checked):
        raise UsageError(f"{what} = {checked} must rise and hold at least one time")
    return checked
