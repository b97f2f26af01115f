"""Recipes of experiments that begin with noise: which noise, which prompt, which sampler."""

from __future__ import annotations

from dataclasses import dataclass, field

from diffusion_core.errors import UsageError
from diffusion_core.recipes.checks import (
    LATER,
    SAMPLERS,
    check_name,
    check_seed,
    check_whole,
    seeds_from,
    settle,
)
from diffusion_core.recipes.sampling import Asking, Sampling, checked_patch

DETERMINISTIC = tuple(name for name in SAMPLERS if name != "ddpm")
"""Samplers that add no noise (DDIM at its usual η = 0)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarNoiseRecipe(Sampling):
    """A patch of the starting noise is replaced, or a sample (``experiments.similar_noise``).

    The runs are "original", and "patch" and "entry" where these are given.
    The fields of ``Sampling``, with a sampler that adds no noise, and:

    Parameters
    ----------
    seed, samples
        The first sample's seed, 0 … 2³² − 1, and how many there are, 1 … 1000;
        the others follow it.
    new_seed
        The first sample's seed of the new noise; the others follow it.  After
        those of the samples by default.
    patch
        (top, left, height, width) in pixels of what is replaced in every sample.
    entry
        Which sample's noise is replaced as a whole, 0 … samples − 1.
    further
        More such patches, replaced together with ``patch``; none twice.
    """

    seed: int = 0
    samples: int = 1
    patch: tuple[int, ...] = ()
    entry: int | None = None
    further: tuple[tuple[int, ...], ...] = field(default=(), metadata=LATER)
    new_seed: int | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        Sampling.__post_init__(self)
        self.check_takes_no_noise()
        settle(
            self,
            seed=check_seed(self.seed),
            samples=check_whole("samples", self.samples, 1, 1000),
            patch=checked_patch("patch", self.patch),
            further=tuple(checked_patch("a patch of further", patch) for patch in self.further),
        )
        if self.new_seed is not None:
            settle(self, new_seed=check_seed(self.new_seed))
        if self.further and len({(), *self.patches}) <= len(self.further) + 1:
            raise UsageError(
                f"patch = {self.patch} and further = {self.further} must be patches, none twice"
            )
        if self.entry is not None:
            settle(self, entry=check_whole("entry", self.entry, 0, self.samples - 1))
        elif not self.patch:
            raise UsageError("nothing is replaced; give a patch, an entry or both")

    @property
    def patches(self) -> tuple[tuple[int, ...], ...]:
        """All that are replaced in every sample, the first one first."""
        return (self.patch, *self.further) if self.patch else ()

    @property
    def seeds(self) -> tuple[int, ...]:
        """One a sample."""
        return seeds_from(self.seed, self.samples)

    @property
    def new_seeds(self) -> tuple[int, ...]:
        """Of the noise that is put in, one a sample."""
        first = self.seed + self.samples if self.new_seed is None else self.new_seed
        return seeds_from(first, self.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityRecipe(Sampling):
    """Every patch of the starting noise in turn is replaced (``experiments.sensitivity_map``).

    The runs are "original" and "changed", a sample a patch in reading order.
    The fields of ``Sampling``, with a sampler that adds no noise, and:

    Parameters
    ----------
    seed
        Of the noise, 0 … 2³² − 1; the one after it is of the other noise.
    rows, columns
        Of patches, 1 … 512; they divide the picture's height and width.
    """

    seed: int = 0
    rows: int = 7
    columns: int = 7

    def __post_init__(self) -> None:
        Sampling.__post_init__(self)
        self.check_takes_no_noise()
        settle(
            self,
            seed=check_seed(self.seed),
            rows=check_whole("rows", self.rows, 1, 512),
            columns=check_whole("columns", self.columns, 1, 512),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpolationRecipe(Sampling):
    """Pictures from the noises between two, by two ways (``experiments.interpolation``).

    The runs are "lerp" and "slerp", a sample a point of the way.  The fields
    of ``Sampling``, with a sampler that adds no noise, and:

    Parameters
    ----------
    seed, other
        Of the two noises, each 0 … 2³² − 1, not the same.
    points
        Of the way, both ends among them, 2 … 1000.
    """

    seed: int = 0
    other: int = 1
    points: int = 9

    def __post_init__(self) -> None:
        Sampling.__post_init__(self)
        self.check_takes_no_noise()
        settle(
            self,
            seed=check_seed(self.seed),
            other=check_seed(self.other),
            points=check_whole("points", self.points, 2, 1000),
        )
        if self.seed == self.other:
            raise UsageError(f"seed and other are both {self.seed}; give two that differ")

    @property
    def weights(self) -> tuple[float, ...]:
        """w at each point: 0 is the noise of ``seed``, 1 that of ``other``."""
        return tuple(i / (self.points - 1) for i in range(self.points))


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceRecipe(Asking):
    """Samplers from one noise, at equal network evaluations (``experiments.sampler_race``).

    The runs are "reference", a deterministic rule with many steps, and the
    racers by their names.  The fields of ``Asking``, and:

    Parameters
    ----------
    samplers
        The racers, at least one, none twice.
    nfe
        Network evaluations that each may use, 1 … 100,000.
    also
        Other such numbers, none twice, for which the race is run again; those
        runs have the number behind their names, "heun 20".
    reference_sampler, reference_steps
        Of the converged answer: a rule that adds no noise, and 1 … T.  Where
        the racers are good it must be better, or it is its own error that they
        are measured by.
    seed, samples
        The first sample's seed, 0 … 2³² − 1, and how many there are, 1 … 1000;
        the others follow it.
    """

    samplers: tuple[str, ...] = SAMPLERS
    nfe: int = 10
    also: tuple[int, ...] = ()
    reference_sampler: str = "ddim"
    reference_steps: int = 200
    seed: int = 0
    samples: int = 4

    def __post_init__(self) -> None:
        Asking.__post_init__(self)
        for name in self.samplers:
            check_name("sampler", name, SAMPLERS)
        if not self.samplers or len(set(self.samplers)) < len(self.samplers):
            raise UsageError(f"samplers = {tuple(self.samplers)} must be at least one, none twice")
        check_name("reference sampler", self.reference_sampler, DETERMINISTIC)
        if len({self.nfe, *self.also}) <= len(self.also):
            raise UsageError(f"nfe = {self.nfe} and also = {self.also} name one number twice")
        settle(
            self,
            samplers=tuple(self.samplers),
            nfe=check_whole("nfe", self.nfe, 1, 100_000),
            also=tuple(check_whole("a number of also", n, 1, 100_000) for n in self.also),
            reference_steps=check_whole("reference_steps", self.reference_steps, 1, self.T),
            seed=check_seed(self.seed),
            samples=check_whole("samples", self.samples, 1, 1000),
        )

    @property
    def seeds(self) -> tuple[int, ...]:
        """One a sample."""
        return seeds_from(self.seed, self.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForksRecipe(Sampling):
    """One path, and several from a time on (``experiments.forks``).

    The runs are called as the prompts are, and "seed s" for other noise.  Where
    the model draws digits, the facts of each hold "final_class" as the judge that
    ships reads it.  The fields of ``Sampling``, whose prompt is that of the shared
    path, and:

    Parameters
    ----------
    prompts
        What is asked for from the fork on, a branch each, none twice; "" for nothing.
    reseeds
        Seeds of other noise from the fork on, a branch each, none twice; for
        a sampler that adds noise.
    after
        How many steps are shared, 0 … steps − 1; 0 is the starting noise alone.
    seed, samples
        The first sample's seed, 0 … 2³² − 1, and how many there are, 1 … 1000;
        the others follow it.
    words
        Whether the bundle's facts hold "words", what is asked for as numbers
        (``text.words_as_numbers``).
    """

    prompts: tuple[str, ...] = ()
    reseeds: tuple[int, ...] = ()
    after: int = 0
    seed: int = 0
    samples: int = 1
    words: bool = False

    def __post_init__(self) -> None:
        Sampling.__post_init__(self)
        for what, values in (("prompts", self.prompts), ("reseeds", self.reseeds)):
            if len(set(values)) < len(values):
                raise UsageError(f"{what} = {tuple(values)} name one branch twice")
        if not self.prompts and not self.reseeds:
            raise UsageError("the path has no branches; give prompts, reseeds or both")
        settle(
            self,
            prompts=tuple(self.prompts),
            reseeds=tuple(check_seed(seed) for seed in self.reseeds),
            after=check_whole("after", self.after, 0, self.steps - 1),
            seed=check_seed(self.seed),
            samples=check_whole("samples", self.samples, 1, 1000),
            words=bool(self.words),
        )
        if self.words and not any(self.asked()):
            raise UsageError("words = True, and there are none: nothing is asked for")

    def asked(self) -> tuple[str, ...]:
        """The shared path's prompt and those of the branches."""
        return (self.prompt, *self.prompts)

    @property
    def seeds(self) -> tuple[int, ...]:
        """One a sample."""
        return seeds_from(self.seed, self.samples)
