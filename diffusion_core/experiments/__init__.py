"""Experiments: one question each, answered by recordings.

Every experiment is one function, with its question at the head of its
docstring.  It checks its arguments before the denoiser is called once, and
returns its recordings by name (``Runs``); their facts say what was done to
each of them, and hold the few numbers that were measured.  Pictures are
(B, C, H, W); points in the plane are pictures of two channels and one pixel.
"""

from diffusion_core.experiments.between_noises import interpolation, lerp, slerp
from diffusion_core.experiments.brush import noise_brush
from diffusion_core.experiments.canvas import noise_canvas
from diffusion_core.experiments.checks import Patch
from diffusion_core.experiments.deciding import Classifier, decision, judged
from diffusion_core.experiments.field import density, field, score_field
from diffusion_core.experiments.forking import Branch, forks
from diffusion_core.experiments.forward_mistakes import (
    mistake_no_noise_weight,
    mistake_no_rescaling,
    unscaled_linear,
)
from diffusion_core.experiments.forward_routes import routes
from diffusion_core.experiments.inpaint import KeepingKnown, inpainting
from diffusion_core.experiments.inside_unet import inside_unet
from diffusion_core.experiments.learning import learning, loss_curve, stage_name
from diffusion_core.experiments.noise_changes import sensitivity_map, similar_noise
from diffusion_core.experiments.paths import Runs
from diffusion_core.experiments.process import ReverseProcess
from diffusion_core.experiments.race import path_distance, sampler_race
from diffusion_core.experiments.reverse_mistakes import (
    mistake_no_time_embedding,
    mistake_noise_at_the_end,
)
from diffusion_core.experiments.turning_back import erased, repair, turn_name, u_turn

__all__ = [
    "Branch",
    "Classifier",
    "KeepingKnown",
    "Patch",
    "ReverseProcess",
    "Runs",
    "decision",
    "density",
    "erased",
    "field",
    "forks",
    "inpainting",
    "inside_unet",
    "interpolation",
    "judged",
    "learning",
    "lerp",
    "loss_curve",
    "mistake_no_noise_weight",
    "mistake_no_rescaling",
    "mistake_no_time_embedding",
    "mistake_noise_at_the_end",
    "noise_brush",
    "noise_canvas",
    "path_distance",
    "repair",
    "routes",
    "sampler_race",
    "score_field",
    "sensitivity_map",
    "similar_noise",
    "slerp",
    "stage_name",
    "turn_name",
    "u_turn",
    "unscaled_linear",
]
