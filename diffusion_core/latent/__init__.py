"""Diffusion in the latents of an autoencoder (Rombach et al. 2022, arXiv:2112.10752).

An autoencoder squeezes a picture into a small grid of numbers, its latent, and
draws the picture again from it.  Noise and denoising then work on the latents,
by the same schedules, samplers and recordings as on pixels; what is finished is
decoded once.

``models`` knows the files, ``space`` encodes and decodes, ``model`` pairs a
space with the denoiser that learnt its latents, ``learning``, ``run`` and
``train`` make such a pair, and ``experiment`` records one at work.
"""
