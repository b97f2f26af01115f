"""Recipes: what to run, as frozen values; no torch at import.

Two recipes that are equal give the same recording.  The fingerprint of a
recipe is what its recording is filed under: it covers every field, the digests
of what the recipe names (weights, a picture) and the recording's format.
"""

from __future__ import annotations

import operator
from dataclasses import asdict, dataclass

from diffusion_core.errors import UsageError
from diffusion_core.files import Facts, digest_of, read_digest
from diffusion_core.models import DEFAULT_MODEL, weights_path
from diffusion_core.pictures import DEFAULT_PICTURE, picture_digest
from diffusion_core.trajectory import FORMAT

SEED_LIMIT = 2**32
VP_SCHEDULES = ("linear", "scaled_linear", "cosine", "sigmoid")
"""Those that preserve variance: x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε."""
SCHEDULES = (*VP_SCHEDULES, "karras")
SAMPLERS = ("ddim", "ddpm", "euler", "heun", "dpmpp")
SPACINGS = ("trailing", "leading", "linspace", "karras")


def check_seed(seed: int) -> int:
    """Return ``seed`` if every generator used here takes it.

    Raises
    ------
    UsageError
        Outside 0 … 2³² − 1: torch takes more, NumPy does not, and a seed
        means one thing throughout.
    """
    return check_whole("seed", seed, 0, SEED_LIMIT - 1)


def check_name(what: str, name: str, known: tuple[str, ...]) -> str:
    """Return ``name`` if it is one of ``known``; otherwise raise a UsageError."""
    if name not in known:
        raise UsageError(f"{what} {name!r} is unknown; choose one of: {', '.join(known)}")
    return name


def check_range(what: str, value: float, low: float, high: float) -> None:
    """Raise a UsageError unless low ≤ value ≤ high (NaN lies in no range)."""
    if not low <= value <= high:
        raise UsageError(f"{what} = {value} is outside {low} … {high}")


def check_whole(what: str, value: int, low: int, high: int) -> int:
    """Return ``value`` as an int if it is whole and low ≤ value ≤ high.

    Raises
    ------
    UsageError
        Otherwise; 50.0 is not whole, since it would be filed under another name.
    """
    check_range(what, value, low, high)
    try:
        return operator.index(value)
    except TypeError:
        raise UsageError(f"{what} = {value} must be a whole number, {low} … {high}") from None


def check_schedule(name: str, T: int, zero_terminal_snr: bool = False) -> int:
    """Return T if there is a schedule called ``name`` with so many levels.

    Raises
    ------
    UsageError
        For an unknown name, a T outside 10 … 100,000, or zero terminal SNR
        asked of a schedule that does not preserve variance.
    """
    check_name("schedule", name, SCHEDULES)
    if zero_terminal_snr and name not in VP_SCHEDULES:
        raise UsageError(
            f"schedule {name!r} always keeps its signal; zero terminal SNR is for "
            f"{', '.join(VP_SCHEDULES)}"
        )
    return check_whole("T", T, 10, 100_000)


def _settle(recipe: object, **values: object) -> None:
    """Give fields of a frozen recipe the one spelling that its fingerprint is taken of."""
    for name, value in values.items():
        object.__setattr__(recipe, name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardRecipe:
    """A picture dissolves: all T steps of q(x_t | x_{t−1}).

    Parameters
    ----------
    image
        A bundled picture's name or the path of one.
    size
        Height and width that the picture is brought to.
    seed
        Of the noise, 0 … 2³² − 1.
    schedule, T
        The noise schedule and its number of levels, 10 … 100,000.
    keep
        States that are kept besides x_0, evenly spaced in t; all T are run.
        The state at which picture and noise weigh the same is kept as well.
    """

    image: str = DEFAULT_PICTURE
    size: int = 64
    seed: int = 0
    schedule: str = "cosine"
    T: int = 1000
    keep: int = 250

    def __post_init__(self) -> None:
        check_name("schedule", self.schedule, VP_SCHEDULES)
        _settle(
            self,
            seed=check_seed(self.seed),
            T=check_schedule(self.schedule, self.T),
            keep=check_whole("keep", self.keep, 1, self.T),
            size=check_whole("size", self.size, 8, 512),
        )

    def inputs(self) -> Facts:
        """Digests of what the recipe names."""
        return {"picture": picture_digest(self.image, self.size)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReverseRecipe:
    """Noise becomes pictures: every step of a sampler, one sample a seed.

    Parameters
    ----------
    model
        A model that ships, or the path of weights.
    seeds
        One a sample, each 0 … 2³² − 1; a sample is the same in any company.
    prompt, guidance
        What is asked for ("" for nothing), and the guidance scale g of it,
        0 … 100: 1 is none.
    sampler, eta, steps, spacing
        The rule (``eta`` is of "ddim", 0 … 1), the number of steps, 1 … T, and
        which times they visit.
    keep
        States that are kept besides x_T, evenly spaced in ln SNR; all by default.
    schedule, T, zero_terminal_snr
        The noise schedule, its number of levels, 10 … 100,000, and whether it is
        stretched to end without any signal.
    """

    model: str = DEFAULT_MODEL
    seeds: tuple[int, ...] = (0,)
    prompt: str = ""
    guidance: float = 1.0
    sampler: str = "ddim"
    eta: float = 0.0
    steps: int = 50
    spacing: str = "trailing"
    schedule: str = "cosine"
    T: int = 1000
    zero_terminal_snr: bool = False
    keep: int | None = None

    def __post_init__(self) -> None:
        if not self.seeds:
            raise UsageError("seeds is empty; give at least one")
        check_name("sampler", self.sampler, SAMPLERS)
        check_name("spacing", self.spacing, SPACINGS)
        check_range("eta", self.eta, 0, 1)
        if self.eta and self.sampler != "ddim":
            raise UsageError(f"eta = {self.eta} is for the sampler 'ddim', not {self.sampler!r}")
        _settle(
            self,
            seeds=tuple(check_seed(seed) for seed in self.seeds),
            eta=abs(float(self.eta)),  # −0.0 is 0.0
            T=check_schedule(self.schedule, self.T, self.zero_terminal_snr),
            zero_terminal_snr=bool(self.zero_terminal_snr),
            steps=check_whole("steps", self.steps, 1, self.T),
        )
        if self.keep is not None:
            _settle(self, keep=check_whole("keep", self.keep, 1, self.steps))
        check_range("guidance", self.guidance, 0, 100)
        if self.guidance != 1 and not self.prompt:
            raise UsageError(f"guidance = {self.guidance} needs a prompt to guide towards")
        _settle(self, guidance=abs(float(self.guidance)))

    def inputs(self) -> Facts:
        """Digests of what the recipe names."""
        return {"weights": read_digest(weights_path(self.model))}


Recipe = ForwardRecipe | ReverseRecipe


def describe(recipe: Recipe) -> Facts:
    """The recipe as JSON-ready facts: its kind, its fields, its inputs' digests."""
    return {"kind": type(recipe).__name__, **asdict(recipe), "inputs": recipe.inputs()}


def fingerprint(recipe: Recipe) -> str:
    """SHA-256 (64 hexadecimal digits) that the recipe's recording is filed under.

    Raises
    ------
    LectureError
        When a picture or weights that the recipe names cannot be read.
    """
    return digest_of({"recipe": describe(recipe), "format": FORMAT})
