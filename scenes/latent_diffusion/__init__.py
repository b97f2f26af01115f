"""Latent diffusion: the same process in fewer numbers, and a decoder that draws."""

from scenes.latent_diffusion.scene import LatentDiffusion

__all__ = ["LatentDiffusion"]
