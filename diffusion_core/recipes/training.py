"""Recipe of what a training run went through."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_core.files import Facts, read_digest
from diffusion_core.history import history_path
from diffusion_core.models import DEFAULT_MODEL
from diffusion_core.recipes.checks import check_whole, settle
from diffusion_core.recipes.own import check_ours


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecipe:
    """The stages of a training that has been run (``experiments.learning``); nothing is trained.

    The runs are "step n" for each stage n: the noise of each seed, and the
    picture that the network of then made of it.

    Parameters
    ----------
    model
        A model that ships, or the folder of a training run (see ``history.history_path``).
    points
        Of the loss curve, at most: 10 … 10,000.
    """

    model: str = DEFAULT_MODEL
    points: int = 240

    def __post_init__(self) -> None:
        check_ours("the stages of a training are kept of", self.model)
        settle(self, points=check_whole("points", self.points, 10, 10_000))

    def inputs(self) -> Facts:
        """Digests of what the recipe names."""
        return {"history": read_digest(history_path(self.model))}
