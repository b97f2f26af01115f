"""Recipes, one kind of run a file; ``diffusion_core.recipe`` names them all."""
