"""The recipe of a process that runs in the latents of an autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_core.files import Facts, read_digest
from diffusion_core.latent.models import DEFAULT_LATENT_MODEL, latent_weights_path
from diffusion_core.models import DEFAULT_MODEL, weights_path
from diffusion_core.recipes.checks import check_seed, check_whole, seeds_from, settle
from diffusion_core.recipes.sampling import Sampling

RULE = ("spacing", "schedule", "T", "zero_terminal_snr", "sampler", "eta", "steps")
"""Fields that mean what they mean in ``Sampling``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentRecipe:
    """Pictures are encoded and decoded, and noise is removed among latents (``latent.experiment``).

    The runs are "pixels", the process of a model of pixels, whose pictures are
    then encoded; "latents" and "returned", these pictures as latents and drawn
    again; "small" and "enlarged", the same in as many pixels as a latent has
    numbers, and at its size again; "erased latents" and "erased", where one cell
    is missing; "process", the same process among latents; and "decoded", all of
    its states and guesses, decoded.  The bundle's facts hold "costs": numbers of a
    state and multiplications of a step, of either process.  No words are asked
    for: latent models are trained without.

    Parameters
    ----------
    model
        A latent model that ships, or the file or folder of one.
    picture_model
        The model of pixels; it draws pictures of the size that ``model`` encodes.
    seed, samples
        The first sample's seed, 0 … 2³² − 1, and how many there are, 1 … 1000;
        the others follow it.
    spacing, schedule, T, zero_terminal_snr, sampler, eta, steps
        Of both processes, as in ``Sampling``.
    """

    model: str = DEFAULT_LATENT_MODEL
    picture_model: str = DEFAULT_MODEL
    seed: int = 0
    samples: int = 1
    spacing: str = "trailing"
    schedule: str = "cosine"
    T: int = 1000
    zero_terminal_snr: bool = False
    sampler: str = "ddim"
    eta: float = 0.0
    steps: int = 50

    def __post_init__(self) -> None:
        rule = Sampling(**{name: getattr(self, name) for name in RULE})
        settle(
            self,
            seed=check_seed(self.seed),
            samples=check_whole("samples", self.samples, 1, 1000),
            **{name: getattr(rule, name) for name in RULE},
        )

    @property
    def seeds(self) -> tuple[int, ...]:
        """One a sample."""
        return seeds_from(self.seed, self.samples)

    def inputs(self) -> Facts:
        """Digests of what the recipe names."""
        return {
            "weights": read_digest(latent_weights_path(self.model)),
            "picture_weights": read_digest(weights_path(self.picture_model)),
        }
