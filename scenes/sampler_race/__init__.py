"""The sampler race: five rules, one noise, as many evaluations of the network for each."""

from scenes.sampler_race.scene import SamplerRace

__all__ = ["SamplerRace"]
