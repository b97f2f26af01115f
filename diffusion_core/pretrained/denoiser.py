"""A pretrained network as a denoiser: one sample at a time, under its own schedule."""

from __future__ import annotations

import torch
from torch import Tensor

from diffusion_core.denoiser import (
    Denoiser,
    Posterior,
    Prediction,
    check_time,
    to_posterior,
)
from diffusion_core.files import Facts
from diffusion_core.pretrained.flow import flow_posterior
from diffusion_core.pretrained.networks import PipelineNetwork
from diffusion_core.pretrained.prompts import Asked
from diffusion_core.pretrained.runtime import runtime
from diffusion_core.pretrained.schedule import OwnSchedule


class PretrainedDenoiser:
    """A pipeline's network, asked for one thing.

    Samples are judged one after the other: a network of this size keeps a
    processor busy with one, and a sample is the same in any company.

    Parameters
    ----------
    network
        Of the pipeline.
    schedule
        The model's own.
    prediction
        What the network predicts; of a flow it is ε − x_0, whatever is said here.
    asked
        What it is given.
    """

    evaluations = 1

    def __init__(
        self,
        network: PipelineNetwork,
        schedule: OwnSchedule,
        prediction: Prediction,
        asked: Asked,
    ) -> None:
        self.network, self.schedule, self.asked = network, schedule, asked
        self.prediction: Prediction = prediction

    @torch.no_grad()
    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        """Judge ``x_t`` (B, C, H, W) at time t in 0 … T − 1."""
        check_time(t, self.schedule.T)
        chosen = runtime()
        told = self.schedule.told(t).to(chosen.device)
        own = x_t.to(chosen.device, getattr(torch, chosen.dtype))
        output = torch.cat([self.network(x, told, self.asked) for x in own.split(1)])
        # Some networks say a variance behind what they predict, in as many channels.
        output = output[:, : x_t.shape[1]].to(x_t)
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        if self.schedule.flow:
            return flow_posterior(output, x_t, alpha, sigma)
        return to_posterior(output, x_t, self.prediction, alpha, sigma)


class Limited:
    """A denoiser whose x0_hat is limited as the model's scheduler is configured to.

    After guidance, as in the pipelines.  eps_hat is derived again, so that the two
    still make up x_t; diffusers' DDIM leaves it as it was, unless told otherwise.

    Parameters
    ----------
    denoiser
        What is limited.
    schedule
        The model's own, whose ``clip_sample`` or ``thresholding`` it is.
    facts
        What a recording made with it should say.
    """

    def __init__(self, denoiser: Denoiser, schedule: OwnSchedule, facts: Facts) -> None:
        self.denoiser, self.schedule, self.facts = denoiser, schedule, facts

    @property
    def evaluations(self) -> int:
        """Of the network, a call."""
        return self.denoiser.evaluations

    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        """Judge ``x_t`` (B, C, H, W) at time t."""
        posterior = self.denoiser(x_t, t)
        x0_hat = self.limited(posterior.x0_hat)
        if x0_hat is posterior.x0_hat or not bool(torch.isfinite(x0_hat).all()):
            return posterior
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        again = to_posterior(x0_hat, x_t, "x0", alpha, sigma)
        return Posterior(again.x0_hat, again.eps_hat, posterior.eps_cond, posterior.eps_uncond)

    def limited(self, x0_hat: Tensor) -> Tensor:
        """x0_hat within the range that the scheduler keeps to; itself where it keeps to none."""
        setting = self.schedule.setting
        if setting("thresholding", False):
            return thresholded(
                x0_hat,
                float(setting("dynamic_thresholding_ratio", 0.995)),
                float(setting("sample_max_value", 1.0)),
            )
        if setting("clip_sample", False):
            reach = float(setting("clip_sample_range", 1.0))
            return x0_hat.clamp(-reach, reach)
        return x0_hat


def thresholded(x0_hat: Tensor, share: float, most: float) -> Tensor:
    """Dynamic thresholding (Saharia et al. 2022, arXiv:2205.11487, section 2.3).

    Parameters
    ----------
    x0_hat
        (B, C, H, W).
    share
        Of the values of a sample that are left within; beyond the largest of these
        in size, p, all are cut, and the sample is divided by p.
    most
        p is at least 1, and at most this.
    """
    p = x0_hat.flatten(1).abs().quantile(share, dim=1).clamp(1, most)[:, None, None, None]
    return torch.minimum(torch.maximum(x0_hat, -p), p) / p
