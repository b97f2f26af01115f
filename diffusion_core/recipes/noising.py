"""The recipe of pictures with more and more noise: chosen pictures, chosen times."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_core.errors import UsageError
from diffusion_core.files import Facts
from diffusion_core.pictures import picture_digest
from diffusion_core.recipes.checks import check_name, check_seed, check_whole, seeds_from, settle
from diffusion_core.recipes.sampling import PUBLISHED, Sampling, checked_times


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisingRecipe(Sampling):
    """Pictures at chosen times: one jump from each x_0 to each x_t.

    The run is "forward", a sample a picture.  The fields of ``Sampling``, by
    which the model draws the pictures where neither an image nor a dataset is
    given, and:

    Parameters
    ----------
    image, size
        A bundled picture's name or the path of one, "" for none, and the height
        and width that it is brought to, 8 … 512.  It stays in colour.
    dataset, indices
        A published set, "" for none, and which of its pictures to test with are
        taken; those of ``indices`` as they are in the set, the first by default.
    seed
        Of the first noise, 0 … 2³² − 1; the others follow it.  Where the model
        draws, the first picture is the sample of this seed, and the noise comes
        after the pictures' seeds: it is never the noise that a picture came from.
    samples
        How many pictures, 1 … 1000: as many indices, where these are given; of
        an image, so many noises.
    times
        Rising times in 0 … T − 1.
    """

    image: str = ""
    size: int = 64
    dataset: str = ""
    indices: tuple[int, ...] = ()
    seed: int = 0
    samples: int = 1
    times: tuple[int, ...] = (0, 50, 100, 200, 400, 600, 800, 999)

    def __post_init__(self) -> None:
        Sampling.__post_init__(self)
        if self.image and self.dataset:
            raise UsageError(
                f"image {self.image!r} and dataset {self.dataset!r} are two sources of pictures; "
                "give one"
            )
        if self.dataset:
            check_name("dataset", self.dataset, PUBLISHED)
        settle(
            self,
            size=check_whole("size", self.size, 8, 512),
            indices=tuple(check_whole("an index", index, 0, 9_999) for index in self.indices),
            seed=check_seed(self.seed),
            samples=check_whole("samples", len(self.indices) or self.samples, 1, 1000),
            times=checked_times("times", self.times, self.T),
        )

    @property
    def drawn(self) -> bool:
        """Whether the pictures are the model's own."""
        return not (self.image or self.dataset)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the noise, one a picture."""
        return seeds_from(self.seed + self.samples if self.drawn else self.seed, self.samples)

    @property
    def taken(self) -> tuple[int, ...]:
        """Which pictures of the dataset are taken."""
        return self.indices or tuple(range(self.samples))

    def inputs(self) -> Facts:
        """Digests of what the pictures come from; a published set is what its name says."""
        if self.image:
            return {"picture": picture_digest(self.image, self.size)}
        return {} if self.dataset else Sampling.inputs(self)
