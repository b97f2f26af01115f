"""Our loop and the pipelines themselves: the same noise, the same picture, to 1e-4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from diffusion_core.any_model import course_of, decoded
from diffusion_core.pretrained.model import load_pretrained
from diffusion_core.recipe import ReverseRecipe
from diffusion_core.reverse import reverse_process
from diffusion_core.samplers import make_sampler
from diffusion_core.seeds import SampleNoise
from tests.tiny_pipelines import TinyPipelines, ddim, import_diffusers, learned_variance

# numpy 2 beside their np.array(tensor).
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CLOSE = 1e-4


def our_picture(folder: Path, **asked: Any) -> Tensor:
    """The end of our run, before anything is cut: a latent, or a picture in −1 … 1."""
    recipe = ReverseRecipe(model=str(folder), **asked)
    model = load_pretrained(recipe.model)
    schedule, times = course_of(recipe, model, recipe.steps)
    noise = SampleNoise(recipe.seeds, model.shape)
    x = float(schedule.start(times[0])) * noise.draw()
    denoiser = model.denoiser(schedule, recipe.prompt, recipe.guidance)
    sampler = make_sampler(recipe.sampler, schedule, recipe.eta)
    for step in reverse_process(denoiser, sampler, x, times, noise):
        x = step.x_s
    return x


def their_picture(folder: Path, steps: int, seed: int, **asked: Any) -> Tensor:
    """The pipeline's own output."""
    import_diffusers()
    import diffusers

    with torch.no_grad():
        pipeline = diffusers.DiffusionPipeline.from_pretrained(folder)
        pipeline.set_progress_bar_config(disable=True)
        generator = torch.Generator().manual_seed(seed)
        made = pipeline(
            num_inference_steps=steps, generator=generator, **{"output_type": "pt"} | asked
        ).images
    return made if isinstance(made, Tensor) else torch.tensor(made).permute(0, 3, 1, 2)


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    # Of two white pictures, or of what was cut alone, nothing would be learnt.
    assert float(theirs.std()) > 0.02
    assert float(((theirs != 0) & (theirs != 1)).double().mean()) > 0.05
    assert float((ours - theirs).abs().max()) < CLOSE


def unit(x: Tensor) -> Tensor:
    return (x / 2 + 0.5).clamp(0, 1)


WORDS = "a DOG, sitting; ε 犬 🐕"


class TestPixels:
    def test_ddpm_with_given_noise(self, tiny_pipelines: TinyPipelines) -> None:
        """β for the variance, clipped, leading: as ``google/ddpm-…`` are configured."""
        ours = our_picture(
            tiny_pipelines["ddpm"], sampler="ddpm", steps=12, spacing="own", seeds=(7,)
        )
        assert_same(unit(ours), their_picture(tiny_pipelines["ddpm"], 12, 7))

    @pytest.mark.parametrize(
        "configured",
        [
            {},
            {"prediction_type": "v_prediction", "beta_schedule": "scaled_linear"},
            {"prediction_type": "sample", "timestep_spacing": "leading", "clip_sample_range": 0.7},
            {"thresholding": True, "clip_sample": False, "sample_max_value": 1.5},
            {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True},
            {"trained_betas": [0.01 + 0.005 * i for i in range(40)], "num_train_timesteps": 40},
            {"timestep_spacing": "leading", "steps_offset": 1, "set_alpha_to_one": False},
        ],
    )
    def test_ddim_as_it_may_be_configured(self, tmp_path: Path, configured: dict[str, Any]) -> None:
        """With ε̂ derived again of a clipped x̂0, as here; their default leaves it."""
        folder = ddim(tmp_path / "ddim", **configured)
        ours = our_picture(folder, steps=8, spacing="own", seeds=(3,))
        theirs = their_picture(folder, 8, 3, use_clipped_model_output=True)
        assert_same(unit(ours), theirs)

    def test_a_variance_that_the_network_says_is_split_off(self, tmp_path: Path) -> None:
        """DDIM asks for ε alone."""
        import_diffusers()
        from diffusers import DDIMScheduler, UNet2DModel

        folder = learned_variance(tmp_path / "learned")
        ours = our_picture(folder, steps=4, spacing="leading", seeds=(0,))
        network = UNet2DModel.from_pretrained(folder / "unet")
        scheduler: Any = DDIMScheduler()
        scheduler.set_timesteps(4)
        x = SampleNoise((0,), (3, 16, 16)).draw()
        with torch.no_grad():
            for t in scheduler.timesteps:
                eps, _ = network(x, t).sample.chunk(2, dim=1)
                x = scheduler.step(eps, t, x, use_clipped_model_output=True).prev_sample
        assert_same(ours, x)


class TestWords:
    @pytest.mark.parametrize("name", ["sd", "sd-v"])
    @pytest.mark.parametrize("guidance", [1.0, 7.5])
    def test_stable_diffusion(
        self, tiny_pipelines: TinyPipelines, name: str, guidance: float
    ) -> None:
        """Leading with an offset of 1, and an end at ᾱ_0."""
        asked = {"prompt": WORDS, "guidance": guidance}
        ours = our_picture(tiny_pipelines[name], steps=6, spacing="own", seeds=(1,), **asked)
        theirs = their_picture(
            tiny_pipelines[name],
            *(6, 1),
            prompt=WORDS,
            guidance_scale=guidance,
            output_type="latent",
        )
        assert_same(ours, theirs)

    def test_the_decoded_picture(self, tiny_pipelines: TinyPipelines) -> None:
        folder = tiny_pipelines["sd-v"]
        ours = our_picture(folder, steps=3, spacing="own", seeds=(1,), prompt=WORDS)
        theirs = their_picture(folder, 3, 1, prompt=WORDS, guidance_scale=1.0)
        assert_same(unit(decoded(load_pretrained(str(folder)), ours)), theirs)

    def test_a_scale_of_noise_that_the_scheduler_begins_with(
        self, tiny_pipelines: TinyPipelines
    ) -> None:
        """SD-Turbo: Euler, trailing, one step to four, their guidance 0 is none."""
        for steps in (1, 4):
            ours = our_picture(
                tiny_pipelines["turbo"], sampler="euler", steps=steps, seeds=(2,), prompt=WORDS
            )
            theirs = their_picture(
                tiny_pipelines["turbo"],
                *(steps, 2),
                prompt=WORDS,
                guidance_scale=0.0,
                output_type="latent",
            )
            scheduler = load_pretrained(str(tiny_pipelines["turbo"])).schedule.scheduler
            assert float(scheduler.init_noise_sigma) > 1
            assert_same(ours, theirs)

    def test_two_encoders_and_the_size(self, tiny_pipelines: TinyPipelines) -> None:
        folder = tiny_pipelines["sdxl"]
        ours = our_picture(
            folder,
            sampler="euler",
            steps=5,
            spacing="own",
            seeds=(4,),
            prompt=WORDS,
            guidance=5.0,
        )
        theirs = their_picture(folder, 5, 4, prompt=WORDS, guidance_scale=5.0, output_type="latent")
        assert_same(ours, theirs)


def test_classes(tiny_pipelines: TinyPipelines) -> None:
    """By name, and its picture decoded: ``DiTPipeline`` gives no latents."""
    folder = tiny_pipelines["dit"]
    for prompt, guidance in (("goldfish", 4.0), ("1", 4.0), ("Great White Shark", 1.0)):
        ours = our_picture(
            folder, steps=4, spacing="own", seeds=(0,), prompt=prompt, guidance=guidance
        )
        number = 2 if "Shark" in prompt else 1
        theirs = their_picture(folder, 4, 0, class_labels=[number], guidance_scale=guidance)
        assert_same(unit(decoded(load_pretrained(str(folder)), ours)), theirs)


class TestFlow:
    @pytest.mark.parametrize("sampler", ["euler", "ddim"])
    def test_the_levels_that_the_scheduler_visits(
        self, tiny_pipelines: TinyPipelines, sampler: str
    ) -> None:
        """Between those of a table of 1,000: they are put into it."""
        asked = {"prompt": WORDS, "guidance": 4.0}
        ours = our_picture(
            tiny_pipelines["sd3"], sampler=sampler, steps=7, spacing="own", seeds=(5,), **asked
        )
        theirs = their_picture(
            tiny_pipelines["sd3"],
            *(7, 5),
            prompt=WORDS,
            guidance_scale=4.0,
            output_type="latent",
        )
        assert_same(ours, theirs)

    def test_even_levels(self, tiny_pipelines: TinyPipelines) -> None:
        """Trailing times are the pipeline's ``sigmas`` 1 − i/N, shifted."""
        ours = our_picture(
            tiny_pipelines["sd3"], sampler="euler", steps=4, seeds=(5,), prompt=WORDS
        )
        theirs = their_picture(
            tiny_pipelines["sd3"],
            *(4, 5),
            prompt=WORDS,
            guidance_scale=1.0,
            sigmas=[1, 0.75, 0.5, 0.25],
            output_type="latent",
        )
        assert_same(ours, theirs)
