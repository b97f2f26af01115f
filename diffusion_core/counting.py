"""How many network evaluations a recorded run had taken at each of its steps."""

from __future__ import annotations

import itertools

from diffusion_core.recipe import ReverseRecipe
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import make_schedule
from diffusion_core.trajectory import Trajectory


def evaluations_so_far(recipe: ReverseRecipe, run: Trajectory) -> list[int]:
    """NFE when each state of ``run`` was reached, 0 at x_T; all states must have been kept.

    The recording knows the sum; the sampler knows which steps take how many.

    Raises
    ------
    ValueError
        Where the recording was thinned: what lies between is not known.
    """
    schedule = make_schedule(recipe.schedule, recipe.T, zero_terminal_snr=recipe.zero_terminal_snr)
    sampler = make_sampler(recipe.sampler, schedule, recipe.eta)
    times = run.timesteps.tolist()
    asked = [sampler.evaluations(t, s) for t, s in itertools.pairwise(times)]
    each, rest = divmod(int(run.facts["nfe"]), sum(asked))
    if rest or run.noise is None:
        raise ValueError("this recording was thinned; how much each step took is not in it")
    return [each * n for n in itertools.accumulate(asked, initial=0)]
