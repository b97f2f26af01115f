"""Which files are taken of all that a model has: as the hub's well-known models lie."""

from __future__ import annotations

import pytest

from diffusion_core.errors import LectureError
from diffusion_core.pretrained.layout import PIPELINES, Part, check_index, choose

SD = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.6.0",
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
NETWORKS = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
    "safety_checker": "model",
}
WEIGHTS = [
    f"{folder}/{stem}{middle}{ending}"
    for folder, stem in NETWORKS.items()
    for middle in ("", ".fp16", ".non_ema")
    for ending in (".safetensors", ".bin")
]
SETTINGS = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    *(f"{folder}/config.json" for folder in NETWORKS),
    *(f"tokenizer/{name}" for name in ("vocab.json", "merges.txt", "tokenizer_config.json")),
]
FILES = {*SETTINGS, *WEIGHTS, "README.md", "v1-5-pruned.ckpt", "run.py", "unet/code.py"}


def taken(index: dict[str, object], files: set[str], *, half: bool = False) -> dict[str, Part]:
    return choose("a model", check_index("a model", index)[1], files, half=half)


def test_of_stable_diffusion_what_draws_is_taken_and_nothing_else() -> None:
    parts = taken(SD, FILES)
    files = {path for part in parts.values() for path in part.files}
    assert set(parts) == set(PIPELINES["StableDiffusionPipeline"])
    assert {path for path in files if path.endswith(".safetensors")} == {
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
    }
    assert files - {p for p in files if p.endswith(".safetensors")} == {
        path for path in SETTINGS if path != "model_index.json" and "safety" not in path
    }


def test_files_of_sixteen_bits_are_taken_where_they_are_wanted_or_the_only_ones() -> None:
    assert taken(SD, FILES)["unet"].variant == ""
    half = taken(SD, FILES, half=True)
    assert half["unet"].weights == ("unet/diffusion_pytorch_model.fp16.safetensors",)
    assert half["text_encoder"].variant == "fp16"
    without = FILES - {"unet/diffusion_pytorch_model.fp16.safetensors"}
    assert taken(SD, without, half=True)["unet"].variant == ""
    only = FILES - {"vae/diffusion_pytorch_model.safetensors"}
    assert taken(SD, only)["vae"].variant == "fp16"


def test_an_early_model_keeps_everything_in_one_folder() -> None:
    """As google/ddpm-celebahq-256 lies."""
    index = {
        "_class_name": "DDPMPipeline",
        "scheduler": ["diffusers", "DDPMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    }
    files = {
        "config.json",
        "model_index.json",
        "scheduler_config.json",
        "diffusion_pytorch_model.bin",
        "diffusion_pytorch_model.safetensors",
        "images/generated_image_0.png",
    }
    parts = taken(index, files)
    assert parts["unet"] == Part("", ("config.json",), ("diffusion_pytorch_model.safetensors",))
    assert parts["scheduler"] == Part("", ("scheduler_config.json",))


@pytest.mark.parametrize("between", ["model.fp16-{n}-of-2", "model-{n}-of-2.fp16"])
def test_weights_in_parts_come_with_their_index(between: str) -> None:
    """As the T5 of Stable Diffusion 3 lies; the second name is an older one."""
    index = {
        "_class_name": "StableDiffusion3Pipeline",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "transformer": ["diffusers", "SD3Transformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        **{f"text_encoder{n}": ["transformers", "CLIPTextModelWithProjection"] for n in ("", "_2")},
        "text_encoder_3": ["transformers", "T5EncoderModel"],
        **{f"tokenizer{n}": ["transformers", "CLIPTokenizer"] for n in ("", "_2")},
        "tokenizer_3": ["transformers", "T5TokenizerFast"],
    }
    whole = {name: stem for name, stem in NETWORKS.items() if name != "safety_checker"}
    whole |= {"transformer": "diffusion_pytorch_model", "text_encoder_2": "model"}
    parts_of = {f"text_encoder_3/{between.format(n=n)}.safetensors" for n in (1, 2)}
    usual = {f"text_encoder_3/model-{n}-of-2.safetensors" for n in (1, 2)}
    files = {
        "scheduler/scheduler_config.json",
        *(f"{folder}/{stem}.safetensors" for folder, stem in whole.items()),
        *(f"{folder}/config.json" for folder in (*whole, "text_encoder_3")),
        *(f"tokenizer{n}/tokenizer.json" for n in ("", "_2", "_3")),
        "tokenizer_3/spiece.model",
        *parts_of,
        *usual,
        "text_encoder_3/model.safetensors.index.json",
        "text_encoder_3/model.safetensors.index.fp16.json",
    }
    assert set(taken(index, files)["text_encoder_3"].weights) == {
        *usual,
        "text_encoder_3/model.safetensors.index.json",
    }
    assert set(taken(index, files, half=True)["text_encoder_3"].weights) == {
        *parts_of,
        "text_encoder_3/model.safetensors.index.fp16.json",
    }
    assert "tokenizer_3/spiece.model" in taken(index, files)["tokenizer_3"].files
    without = {**index, "text_encoder_3": [None, None], "tokenizer_3": [None, None]}
    assert "text_encoder_3" not in taken(without, files)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"_class_name": "FluxPipeline"}, "is of the pipeline 'FluxPipeline'; choose a model of"),
        ({"_class_name": None}, "is of the pipeline None"),
        ({"_class_name": ["pipeline", "Mine"]}, r"\(code of the model's own is never run\)"),
        ({"unet": ["my_code", "UNet2DConditionModel"]}, "unet is my_code.UNet2DConditionModel"),
        ({"unet": ["diffusers", "FluxTransformer2DModel"]}, "must be UNet2DModel or UNet2DCond"),
        ({"scheduler": ["diffusers", "AutoencoderKL"]}, "must be a scheduler of diffusers"),
        ({"tokenizer": ["transformers", "os.system"]}, "must be a tokenizer of"),
        ({"vae": [None, None]}, r"lacks its vae: its model_index.json must name library and cla"),
        ({"text_encoder": None}, "lacks its text_encoder"),
        ({"unet": "UNet2DConditionModel"}, "lacks its unet"),
    ],
)
def test_an_index_that_cannot_be_shown_is_refused(changed: dict[str, object], says: str) -> None:
    with pytest.raises(LectureError, match=says):
        check_index("a model", {**SD, **changed})


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        ({"unet/config.json"}, "lacks its unet: there is no unet/config.json"),
        ({"scheduler/scheduler_config.json"}, "lacks its scheduler: there is no scheduler/sched"),
        ({p for p in FILES if p.startswith("tokenizer/")}, "lacks its tokenizer"),
        ({p for p in FILES if p.startswith("vae/diffusion")}, "there is no vae/diffusion_pytorch"),
        (
            {p for p in FILES if p.endswith(".safetensors")},
            r"its unet are pickled only \(unet/diffusion_pytorch_model.bin\).* may run code",
        ),
        ({p for p in FILES if p.startswith("unet/")}, "lacks its unet"),
    ],
)
def test_a_model_that_is_not_whole_is_refused(gone: set[str], says: str) -> None:
    with pytest.raises(LectureError, match=says):
        taken(SD, FILES - gone)
