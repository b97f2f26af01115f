"""Pipelines of diffusers' own classes, tiny, with random weights: saved as people's models are.

Each is a folder with a ``model_index.json`` and safetensors, as ``save_pretrained``
writes it and the hub serves it; a step takes milliseconds.  Nothing was learnt by
them: what they draw is no picture of anything, but it depends on the noise, on t
and on what is asked for, like that of the real ones.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

SIZE = 16
"""Pixels a side of the pixel models; latents are 8 a side, and their pictures 32."""

LATENT, PICTURE = 8, 32
CLASSES = {"0": "tench, Tinca tinca", "1": "goldfish", "2": "great white shark, white shark"}


def ddpm(folder: Path) -> Path:
    """``DDPMPipeline`` of 16×16 pictures in colour: epsilon, linear, clipped."""
    from diffusers import DDPMPipeline, DDPMScheduler

    scheduler = DDPMScheduler(variance_type="fixed_large", clip_sample=True)
    return _saved(lambda: DDPMPipeline(unet=_pixel_unet(), scheduler=scheduler), folder)


def ddim(folder: Path, **scheduler: Any) -> Path:
    """``DDIMPipeline`` of 16×16 pictures in grey; ``scheduler`` changes its configuration."""
    from diffusers import DDIMPipeline, DDIMScheduler

    settings = {"beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "trailing"}
    made = DDIMScheduler(**{**settings, **scheduler})
    return _saved(lambda: DDIMPipeline(unet=_pixel_unet(channels=1), scheduler=made), folder)


def large_ddpm(folder: Path) -> Path:
    """A ``DDPMPipeline`` of 96×96 pictures: above the 64 pixels from which previews are kept."""
    from diffusers import DDPMPipeline, DDPMScheduler

    made = DDPMScheduler()
    return _saved(lambda: DDPMPipeline(unet=_pixel_unet(size=96), scheduler=made), folder)


def learned_variance(folder: Path) -> Path:
    """A ``DDPMPipeline`` whose network says a variance beside the noise, in as many channels."""
    from diffusers import DDPMPipeline, DDPMScheduler

    made = DDPMScheduler(variance_type="learned_range")
    return _saved(lambda: DDPMPipeline(unet=_pixel_unet(out=6), scheduler=made), folder)


def stable_diffusion(folder: Path, prediction: str = "epsilon") -> Path:
    """``StableDiffusionPipeline`` as 1.5 is configured, and as 2.1 with "v_prediction"."""
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(
        **STABLE, prediction_type=prediction, clip_sample=False, set_alpha_to_one=False
    )
    return _stable(scheduler, folder)


def turbo(folder: Path) -> Path:
    """``StableDiffusionPipeline`` as SD-Turbo is configured: Euler, trailing."""
    from diffusers import EulerDiscreteScheduler

    settings = {**STABLE, "timestep_spacing": "trailing"}
    return _stable(EulerDiscreteScheduler(**settings), folder)


def stable_diffusion_xl(folder: Path) -> Path:
    """``StableDiffusionXLPipeline``: two text encoders, pooled embeddings, added time ids."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

    def make() -> Any:
        unet = UNet2DConditionModel(
            **UNET,
            cross_attention_dim=24,
            addition_embed_type="text_time",
            addition_time_embed_dim=4,
            projection_class_embeddings_input_dim=6 * 4 + 16,
        )
        return StableDiffusionXLPipeline(
            vae=_vae(0.13025),
            text_encoder=_clip(8),
            text_encoder_2=_clip(16, projection=16),
            tokenizer=_clip_tokenizer(),
            tokenizer_2=_clip_tokenizer(),
            unet=unet,
            scheduler=EulerDiscreteScheduler(**STABLE),
            add_watermarker=False,
        )

    return _saved(make, folder)


def dit(folder: Path) -> Path:
    """``DiTPipeline``: classes by number or name, a null class, a learned variance."""
    from diffusers import DDIMScheduler, DiTPipeline, DiTTransformer2DModel

    def make() -> Any:
        transformer = DiTTransformer2DModel(
            num_attention_heads=2,
            attention_head_dim=8,
            in_channels=4,
            out_channels=8,
            num_layers=2,
            sample_size=LATENT,
            patch_size=2,
            num_embeds_ada_norm=1000,
            norm_num_groups=4,
        )
        scheduler = DDIMScheduler(clip_sample=False)
        return DiTPipeline(transformer, _vae(0.18215), scheduler)

    _saved(make, folder)
    # id2label is an argument that the pipeline keeps as names, and does not save.
    index = folder / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "id2label": CLASSES}))
    return folder


def stable_diffusion_3(folder: Path, shift: float = 3.0, t5: bool = True) -> Path:
    """``StableDiffusion3Pipeline``: flow matching, three text encoders; ``t5`` may be absent."""
    from diffusers import (
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )

    def make() -> Any:
        transformer = SD3Transformer2DModel(
            sample_size=LATENT,
            patch_size=2,
            in_channels=4,
            out_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=32,
            caption_projection_dim=16,
            pooled_projection_dim=8 + 16,
            pos_embed_max_size=LATENT,
        )
        return StableDiffusion3Pipeline(
            transformer=transformer,
            scheduler=FlowMatchEulerDiscreteScheduler(shift=shift),
            vae=_vae(1.5305, shift=0.0609, use_quant_conv=False, use_post_quant_conv=False),
            text_encoder=_clip(8, projection=8),
            tokenizer=_clip_tokenizer(),
            text_encoder_2=_clip(16, projection=16),
            tokenizer_2=_clip_tokenizer(),
            text_encoder_3=_t5(32) if t5 else None,
            tokenizer_3=_t5_tokenizer() if t5 else None,
        )

    return _saved(make, folder)


PIPELINES: dict[str, Callable[[Path], Path]] = {
    "ddpm": ddpm,
    "ddim": ddim,
    "sd": stable_diffusion,
    "sd-v": lambda folder: stable_diffusion(folder, "v_prediction"),
    "turbo": turbo,
    "sdxl": stable_diffusion_xl,
    "dit": dit,
    "sd3": stable_diffusion_3,
}
"""One of each kind, by a short name."""


class TinyPipelines:
    """The folders of ``PIPELINES``, each made when it is first asked for; read only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getitem__(self, name: str) -> Path:
        place = self.folder / name
        if not place.exists():
            import_diffusers()
            PIPELINES[name](place)
        return place


def import_diffusers() -> None:
    """Import the library that the functions above use, as it can be imported here."""
    from diffusion_core.vision import import_torchvision

    import_torchvision()  # before diffusers, which imports it as it comes
    import diffusers  # noqa: F401


STABLE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
UNET = {
    "sample_size": LATENT,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "attention_head_dim": 4,
    "norm_num_groups": 4,
}


def _saved(make: Callable[[], Any], folder: Path) -> Path:
    import torch
    from torch import nn

    with torch.random.fork_rng(), _quiet():
        torch.manual_seed(0)
        pipeline = make()
        for component in pipeline.components.values():
            if isinstance(component, nn.Module):
                _wake(component)
        pipeline.save_pretrained(folder)
    return folder


def _wake(module: nn.Module) -> None:
    """Parameters that a training would begin at zero are given values: their paths count."""
    from torch import nn

    for parameter in module.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.05)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the libraries say of models that nobody has trained."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _pixel_unet(channels: int = 3, size: int = SIZE, out: int | None = None) -> Any:
    from diffusers import UNet2DModel

    return UNet2DModel(
        sample_size=size,
        in_channels=channels,
        out_channels=out or channels,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(8, 16),
        layers_per_block=1,
        attention_head_dim=4,
        norm_num_groups=4,
    )


def _vae(scale: float, shift: float | None = None, **settings: Any) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=PICTURE,
        scaling_factor=scale,
        shift_factor=shift,
        **settings,
    )


def _stable(scheduler: Any, folder: Path) -> Path:
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel

    def make() -> Any:
        return StableDiffusionPipeline(
            vae=_vae(0.18215),
            text_encoder=_clip(16),
            tokenizer=_clip_tokenizer(),
            unet=UNet2DConditionModel(**UNET, cross_attention_dim=16),
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )

    return _saved(make, folder)


BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def _clip_tokenizer() -> Any:
    """CLIP's, of single bytes: every text is some tokens, as with the real one."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(letter + "</w>" for letter in letters), BEGIN, END]
    vocabulary = {word: i for i, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def _clip(width: int, projection: int | None = None) -> nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=514,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=projection or width,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )
    return CLIPTextModel(config) if projection is None else CLIPTextModelWithProjection(config)


def _t5_tokenizer() -> Any:
    from transformers import T5Tokenizer

    letters = [chr(code) for code in range(33, 127)]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    vocabulary = special + [(letter, -3.0) for letter in letters]
    return T5Tokenizer(vocab=vocabulary, extra_ids=0, model_max_length=512)


def _t5(width: int) -> nn.Module:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=98, d_model=width, d_kv=8, d_ff=32, num_layers=1, num_heads=2, pad_token_id=0
    )
    return T5EncoderModel(config)
