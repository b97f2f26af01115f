"""The recipe of a process that runs in the latents of an autoencoder."""

from __future__ import annotations

from dataclasses import dataclass, field

from diffusion_core.errors import UsageError
from diffusion_core.files import Facts, read_digest
from diffusion_core.latent.models import DEFAULT_LATENT_MODEL, latent_weights_path
from diffusion_core.models import DEFAULT_MODEL, model_inputs, weights_path
from diffusion_core.pictures import picture_digest
from diffusion_core.pretrained.names import is_pretrained
from diffusion_core.recipes.checks import LATER, check_seed, check_whole, seeds_from, settle
from diffusion_core.recipes.own import check_ours
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

    A pretrained pipeline of latents has no model of pixels beside it, and may be
    asked.  Its runs are "process", whose states and guesses are looked at as
    ``pictures`` and ``guesses``; "picture", what is encoded: ``image``, or what the
    process drew; and "latents", "returned", "small", "enlarged", "erased latents"
    and "erased" of it.  "costs" hold the numbers of a picture under "pixels", and no
    step there.

    Parameters
    ----------
    model
        A latent model that ships, the file or folder of one, or a pretrained
        pipeline of latents.
    picture_model
        The model of pixels; it draws pictures of the size that ``model`` encodes.
        "" beside a pretrained model.
    seed, samples
        The first sample's seed, 0 … 2³² − 1, and how many there are, 1 … 1000;
        the others follow it.
    spacing, schedule, T, zero_terminal_snr, sampler, eta, steps
        Of both processes, as in ``Sampling``.
    prompt, guidance, image
        Of a pretrained model: what is asked for and the scale of it, as in ``Asking``,
        and a bundled picture's name or the path of one, "" for what was drawn.
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
    prompt: str = field(default="", metadata=LATER)
    guidance: float = field(default=1.0, metadata=LATER)
    image: str = field(default="", metadata=LATER)

    def __post_init__(self) -> None:
        fields = {name: getattr(self, name) for name in RULE}
        if self.pretrained:
            self._check_latents()
            fields |= {"model": self.model, "prompt": self.prompt, "guidance": self.guidance}
            settle(self, picture_model="")
        elif (self.prompt, self.guidance, self.image) != ("", 1.0, ""):
            raise UsageError(
                f"model {self.model!r} draws without words, the pictures that are encoded among "
                "them; leave prompt, guidance and image out, or choose a pretrained pipeline"
            )
        else:
            check_ours("picture_model must be", self.picture_model)
        rule = Sampling(**fields)
        settle(
            self,
            seed=check_seed(self.seed),
            samples=check_whole("samples", self.samples, 1, 1000),
            **{name: getattr(rule, name) for name in RULE},
        )

    @property
    def pretrained(self) -> bool:
        """Whether the model is a pretrained pipeline."""
        return is_pretrained(self.model)

    def _check_latents(self) -> None:
        from diffusion_core.pretrained.source import located

        if "vae" not in located(self.model).components:
            raise UsageError(
                f"model {self.model!r} is a pipeline of pixels, which has no autoencoder; for "
                "latents choose one of Stable Diffusion, of its XL or of DiT"
            )

    @property
    def seeds(self) -> tuple[int, ...]:
        """One a sample."""
        return seeds_from(self.seed, self.samples)

    def inputs(self) -> Facts:
        """Digests of what the recipe names."""
        if self.pretrained:
            # A reduced picture says what the picture is; the model's own size may be large.
            picture = {"picture": picture_digest(self.image, 64)} if self.image else {}
            return model_inputs(self.model) | picture
        return {
            "weights": read_digest(latent_weights_path(self.model)),
            "picture_weights": read_digest(weights_path(self.picture_model)),
        }
