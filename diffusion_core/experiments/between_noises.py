"""From one noise to another: along a straight line, and along the sphere."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffusion_core.experiments.checks import check_batch
from diffusion_core.experiments.paths import Runs, rms
from diffusion_core.experiments.process import ReverseProcess
from diffusion_core.recipe import check_range


def lerp(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """(1 − w) · a + w · b, the shape of both.

    Of two independent standard normals it has the variance (1 − w)² + w² < 1:
    half of it at w = ½.
    """
    return (1 - weight) * a + weight * b


def slerp(a: Tensor, b: Tensor, weight: float) -> Tensor:
    r"""Along the great circle from a to b (Shoemake 1985, "Animating rotation with quaternions").

        (sin((1 − w)θ) · a + sin(wθ) · b) / sin θ,      cos θ = ⟨a, b⟩ / (‖a‖ ‖b‖)

    θ is one angle for each sample, (B, C, H, W) flattened; computed in float64.
    Where a and b point the same way it is ``lerp``.

    Raises
    ------
    ValueError
        When some a and b point in opposite directions, or one is zero: no
        great circle is the one between them.
    """
    x, y = (v.to(torch.float64).flatten(1) for v in (a, b))
    cos = torch.nn.functional.cosine_similarity(x, y, dim=1).clamp(-1, 1)
    norms = torch.minimum(x.norm(dim=1), y.norm(dim=1))
    if bool((cos < -1 + 1e-9).any()) or not bool((norms > 0).all()):
        raise ValueError(
            "slerp has no way between opposite or zero noises; take the noise of other seeds"
        )
    theta = torch.arccos(cos)[:, None]
    # sin(wθ)/sin θ tends to w as θ tends to 0.
    towards_a, towards_b = (
        torch.where(theta > 1e-6, torch.sin(w * theta) / torch.sin(theta), w)
        for w in (1 - weight, weight)
    )
    return (towards_a * x + towards_b * y).reshape(a.shape).to(a.dtype)


def interpolation(
    process: ReverseProcess, x_a: Tensor, x_b: Tensor, weights: Sequence[float]
) -> Runs:
    """Pictures from the noises between two, by two ways.

    What lies between two noises, and why not on the straight line?

    Noise in D dimensions lies close to a sphere of radius √D; a network has
    seen nothing else at T − 1.  The straight line leaves the sphere: in its
    middle the norm is √½ of what it should be.  From noise that is too small
    come pictures that are plainer and more alike than the data (from none at
    all, one and the same for every seed); along the great circle the norm
    stays, and with it the variety (Song et al. 2021, arXiv:2010.02502, section
    5.3).  In two dimensions noise lies everywhere, and the two ways differ less.

    Parameters
    ----------
    process
        Deterministic.
    x_a, x_b
        The two starts at ``times[0]``, (1, C, H, W).
    weights
        w of each sample: 0 is x_a, 1 is x_b; in 0 … 1.

    Returns
    -------
    Runs
        "lerp" and "slerp", a sample for each weight.  Facts: "weights", and
        "rms_of_start", which is 1 for noise where variance is preserved.

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range, or a sampler
        that adds noise.
    """
    process.check_deterministic("interpolation")
    check_batch("x_a", x_a, (1, *x_a.shape[1:]))
    check_batch("x_b", x_b, x_a.shape)
    if not weights:
        raise ValueError("weights is empty; give at least one, in 0 … 1")
    for weight in weights:
        check_range("weight", weight, 0, 1)
    starts = {
        way.__name__: torch.cat([way(x_a, x_b, weight) for weight in weights])
        for way in (lerp, slerp)
    }
    return {
        name: process.record(
            x,
            facts={
                "experiment": "interpolation",
                "way": name,
                "weights": list(weights),
                "rms_of_start": rms(x, torch.zeros_like(x)),
            },
        )
        for name, x in starts.items()
    }
