"""A picture of which a part is known: the known is put back at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from diffusion_core.denoiser import Denoiser, Posterior
from diffusion_core.experiments.checks import check_mask, per_sample
from diffusion_core.experiments.paths import Runs, rms, saying
from diffusion_core.experiments.process import ReverseProcess, describe_sampler, start_noise
from diffusion_core.forward import forward_step, jump
from diffusion_core.recipe import check_whole
from diffusion_core.samplers import Evaluation, Sampler
from diffusion_core.schedule import CLEAN, Schedule
from diffusion_core.seeds import SampleNoise


class KeepingKnown:
    r"""A sampler after each of whose steps the known part is put back.

        x_s = m · q(x_s | x_0) + (1 − m) · step(x_t)

    (Lugmayr et al. 2022, RePaint, arXiv:2201.09865, eq. 8 and algorithm 1.)
    One draw a step serves both terms: where m is 0 or 1 a pixel uses only one.

    Parameters
    ----------
    sampler, schedule
        The rule whose steps these are, and its schedule.
    x_0
        The picture, (B, C, H, W).
    known
        m, the shape of x_0: 1 where it is known.
    resample
        How often each step is taken.  After all but the last, x_s is noised
        back to t, so that the unknown part hears of the known one.
    noise
        What the run draws from; resampling draws from it too.
    """

    def __init__(
        self,
        sampler: Sampler,
        schedule: Schedule,
        x_0: Tensor,
        known: Tensor,
        *,
        resample: int = 1,
        noise: SampleNoise | None = None,
    ) -> None:
        if resample > 1 and noise is None:
            raise ValueError(f"resample = {resample} draws noise of its own; give its source")
        self.sampler, self.schedule = sampler, schedule
        self.x_0, self.known = x_0, known
        self.resample, self.noise = resample, noise

    def needs_noise(self, t: int, s: int) -> bool:
        """True, for the known part, unless s is the clean picture and the rule needs none."""
        return s != CLEAN or self.sampler.needs_noise(t, s)

    def evaluations(self, t: int, s: int) -> int:
        """The rule's, as often as the step is taken."""
        return self.sampler.evaluations(t, s) * self._rounds(s)

    def _rounds(self, s: int) -> int:
        # What is taken to the clean picture is finished.
        return 1 if s == CLEAN else self.resample

    def step(
        self,
        x_t: Tensor,
        t: int,
        s: int,
        posterior: Posterior,
        noise: Tensor | None = None,
        *,
        previous: Evaluation | None = None,
        denoiser: Denoiser | None = None,
    ) -> Tensor:
        """x_s (B, C, H, W) from x_t, for −1 ≤ s < t.

        Raises
        ------
        ValueError
            When noise or the denoiser is missing where it is needed.
        """
        x_s = self._once(x_t, t, s, posterior, noise, previous, denoiser)
        for _ in range(self._rounds(s) - 1):
            if denoiser is None or self.noise is None:
                raise ValueError("resampling asks the denoiser again; give it")
            x_t = forward_step(x_s, s, t, self.schedule, self.noise.draw().to(x_s.dtype))
            x_s = self._once(x_t, t, s, denoiser(x_t, t), self.noise.draw(), None, denoiser)
        return x_s

    def _once(
        self,
        x_t: Tensor,
        t: int,
        s: int,
        posterior: Posterior,
        noise: Tensor | None,
        previous: Evaluation | None,
        denoiser: Denoiser | None,
    ) -> Tensor:
        unknown = self.sampler.step(
            x_t, t, s, posterior, noise, previous=previous, denoiser=denoiser
        )
        if s == CLEAN:
            known = self.x_0
        elif noise is None:
            raise ValueError(f"the known part at s = {s} needs noise")
        else:
            known = jump(self.x_0, s, self.schedule, noise.to(x_t.dtype))
        return self.known * known + (1 - self.known) * unknown


def inpainting(
    process: ReverseProcess,
    x_0: Tensor,
    mask: Tensor,
    seeds: Sequence[int],
    *,
    resample: int = 1,
) -> Runs:
    """The unknown part of a picture is made to fit the known one.

    Can a model that was never trained to fill holes fill one?

    The run starts from pure noise where nothing is known, and at every step
    the known part is replaced by the picture at that noise level, so that the
    unknown part grows to fit (RePaint, Lugmayr et al. 2022, arXiv:2201.09865).
    Made for samplers that add noise; a deterministic one is taken as well, and
    forgets less of where it started.

    Parameters
    ----------
    process
        Where a DPM-Solver++ step is resampled, it is of first order.
    x_0
        (B, C, H, W), one a seed, or (1, C, H, W): the same for all.
    mask
        1 where the picture is known, 0 where it is made; between, a blend.
        Broadcasts to (B, C, H, W).
    seeds
        One a sample, of the start and of the steps.
    resample
        How often each step is taken, 1 … 100; 1 is plain replacement.

    Returns
    -------
    Runs
        "inpainting".  With ``resample`` above 1 each x_s is what the last round
        left; the rounds' own noise is drawn from the same seeds and not kept.
        Facts: "mask", "resample", "rms_known": distance of the known part to
        x_0 at the end, 0 for a mask of 0 and 1.

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range.
    """
    x_0 = per_sample(x_0, seeds)
    known = check_mask("mask", mask, x_0)
    check_whole("resample", resample, 1, 100)
    eps, noise = start_noise(seeds, x_0.shape[1:])
    eps = eps.to(x_0.dtype)
    start = process.times[0]
    seen = jump(x_0, start, process.schedule, eps)
    sampler = KeepingKnown(
        process.sampler, process.schedule, x_0, known, resample=resample, noise=noise
    )
    run = replace(process, sampler=sampler).record(
        known * seen + (1 - known) * process.pure_noise(eps),
        noise,
        facts={
            **describe_sampler(process.sampler),
            "experiment": "inpainting",
            "seeds": [int(seed) for seed in seeds],
            "mask": mask.tolist(),
            "resample": resample,
        },
    )
    return {"inpainting": saying(run, rms_known=rms(run.states[-1], x_0, known))}
