"""What a run costs, before it begins: the counting, held against runs and against arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from diffusion_core.errors import DamagedFile, LectureError, MissingRequirement
from diffusion_core.experiment_runs import run_experiment
from diffusion_core.pretrained import estimate as estimate_module
from diffusion_core.pretrained.devices import free_memory, settled
from diffusion_core.pretrained.estimate import (
    PROGRAM,
    check_memory,
    decoding_cost,
    estimate,
    evaluation_cost,
    measured_speed,
    weights_bytes,
)
from diffusion_core.pretrained.evaluations import evaluations, is_small, shown_pictures
from diffusion_core.pretrained.meta import PROCESSORS, cost_of
from diffusion_core.pretrained.model import load_pretrained
from diffusion_core.pretrained.runtime import Runtime, set_runtime
from diffusion_core.pretrained.source import located
from diffusion_core.recipe import (
    BrushRecipe,
    ForksRecipe,
    InpaintingRecipe,
    InterpolationRecipe,
    LatentRecipe,
    RaceRecipe,
    Recipe,
    ReverseRecipe,
    SensitivityRecipe,
    SimilarNoiseRecipe,
    UTurnRecipe,
)
from diffusion_core.runs import run
from tests.tiny_pipelines import TinyPipelines

WITHOUT = {"steps": 4}
COUNTED: dict[str, Recipe] = {
    "ddim": ReverseRecipe(seeds=(0, 1, 1), **WITHOUT),
    "heun": ReverseRecipe(sampler="heun", **WITHOUT),
    "similar": SimilarNoiseRecipe(samples=2, patch=(2, 2, 3, 3), entry=1, **WITHOUT),
    "sensitivity": SensitivityRecipe(rows=2, columns=2, **WITHOUT),
    "between": InterpolationRecipe(points=3, **WITHOUT),
    "forks": ForksRecipe(sampler="ddpm", reseeds=(1, 2), after=2, samples=2, **WITHOUT),
    "brush": BrushRecipe(samples=2, t=499, **WITHOUT),
    "u-turn": UTurnRecipe(turns=(249, 749), samples=2, **WITHOUT),
    "inpainting": InpaintingRecipe(hole=(0, 0, 4, 4), resample=2, **WITHOUT),
    "race": RaceRecipe(samplers=("ddim", "heun"), nfe=4, also=(6,), reference_steps=5, samples=2),
}


@pytest.fixture(autouse=True)
def usual_runtime() -> Iterator[None]:
    yield
    set_runtime(None)


@pytest.mark.parametrize("kind", COUNTED)
def test_evaluations_are_counted_as_they_are_made(
    kind: str, tiny_pipelines: TinyPipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(tiny_pipelines["ddpm"])
    recipe = replace(COUNTED[kind], model=name)
    model, made = load_pretrained(name), 0
    ask = model.network.network.forward

    def counted(x: torch.Tensor, *rest: object, **more: object) -> object:
        nonlocal made
        made += len(x)
        return ask(x, *rest, **more)

    monkeypatch.setattr(model.network.network, "forward", counted)
    run(recipe) if isinstance(recipe, ReverseRecipe) else run_experiment(recipe)
    said = evaluations(recipe)
    # Of four steps the last of Heun's asks once, and a way back from t may have one more or less.
    slack = {"heun": 1, "u-turn": 8, "brush": 4, "inpainting": 8, "race": 6}.get(kind, 0)
    assert abs(said - made) <= slack, (said, made)
    assert said > 0


def test_what_is_decoded_is_counted_as_it_is_kept(tiny_pipelines: TinyPipelines) -> None:
    model = str(tiny_pipelines["sd"])
    for keep in (None, 2):
        recipe = ReverseRecipe(
            model=model, prompt="a cat", guidance=3, steps=5, seeds=(0, 1), keep=keep
        )
        recorded = run(recipe)
        assert recorded.shown is not None
        assert recorded.shown_x0 is not None
        shown = recorded.shown.shape[:2], recorded.shown_x0.shape[:2]
        assert shown_pictures(recipe) == sum(rows * samples for rows, samples in shown)
        assert evaluations(recipe) == 2 * 5 * 2


def test_a_run_among_latents_is_counted(tiny_pipelines: TinyPipelines) -> None:
    recipe = LatentRecipe(model=str(tiny_pipelines["sd"]), steps=3, samples=2)
    process = run_experiment(recipe).runs["process"]
    assert evaluations(recipe) == 2 * process.facts["nfe"] == 6
    assert process.shown is not None
    assert shown_pictures(recipe) == 2 * (len(process.shown) + len(process.x0_hat))  # type: ignore[arg-type]


def test_flops_and_bytes_are_those_of_arithmetic() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.SiLU(), nn.Conv2d(16, 4, 1))

    found = cost_of(build, lambda network: network(torch.zeros(1, 8, 512, 512)))
    pixels = 512**2
    assert found.flops == 2 * pixels * (9 * 8 * 16 + 16 * 4)
    # The most lives at once while SiLU reads 16 channels and writes as many; x is there as well.
    assert found.activations == 4 * pixels * (8 + 16 + 16)


def test_attention_is_counted() -> None:
    heads, tokens, width = 2, 64, 8

    def ask(network: nn.Module) -> object:
        x = torch.zeros(1, heads, tokens, width)
        return nn.functional.scaled_dot_product_attention(x, x, x)

    assert cost_of(nn.Identity, ask).flops == 2 * 2 * heads * tokens**2 * width


@pytest.mark.parametrize("kind", ["ddpm", "sd", "sdxl", "dit", "sd3"])
def test_what_is_counted_is_what_a_real_evaluation_does(
    kind: str, tiny_pipelines: TinyPipelines
) -> None:
    source = located(str(tiny_pipelines[kind]))
    model = load_pretrained(source.name)
    t = model.schedule.told(5)
    prompt = {"dit": "goldfish"}.get(kind, "a cat" if source.reads else "")
    asked = model.asked(prompt)
    with FlopCounterMode(display=False, custom_mapping=PROCESSORS) as counter, torch.no_grad():
        model.network(torch.zeros(1, *model.shape), t, asked)
    made = counter.get_total_flops()
    said = evaluation_cost(source).flops
    # As many words as a prompt may have are counted, of T5 as many as its pipeline takes.
    assert said == made if kind != "sd3" else made <= said < 2 * made
    if model.space is None:
        assert decoding_cost(source).flops == 0
        return
    with FlopCounterMode(display=False, custom_mapping=PROCESSORS) as counter:
        model.space.decode(torch.zeros(1, *model.shape))
    assert decoding_cost(source).flops == counter.get_total_flops()


def test_an_estimate_adds_up(tiny_pipelines: TinyPipelines) -> None:
    source = located(str(tiny_pipelines["sd"]))
    recipe = ReverseRecipe(model=source.name, steps=5, seeds=(0, 1))
    found = estimate(source, [recipe])
    assert (found.evaluations, found.decodings) == (10, 22)
    work = 10 * found.flops[0] + 22 * found.flops[1]
    assert found.seconds == pytest.approx(work / found.speed)
    assert found.speed < measured_speed("float32")
    parts = load_pretrained(source.name).network.pipeline.components
    networks = [part for part in parts.values() if isinstance(part, nn.Module)]
    held = sum(p.numel() * 4 for network in networks for p in network.parameters())
    assert weights_bytes(source) == pytest.approx(held, rel=0.01)
    assert found.memory == found.weights + found.activations + PROGRAM
    assert estimate(source, [recipe], recorded=False).decodings == 2
    assert "10 evaluations of" in found.words
    assert found.as_facts()["memory"] == found.memory


def test_sixteen_bits_take_half_but_for_the_autoencoder(tiny_pipelines: TinyPipelines) -> None:
    source = located(str(tiny_pipelines["sd"]))
    whole = weights_bytes(source)
    set_runtime(Runtime("cpu", "bfloat16"))
    half = weights_bytes(source)
    decoder = sum(p.numel() * 4 for p in load_pretrained(source.name).space.network.parameters())  # type: ignore[union-attr]
    assert half == pytest.approx((whole + decoder) / 2, rel=0.01)
    set_runtime(Runtime("cuda", "bfloat16", cpu_offload=True))
    assert weights_bytes(source) < half


def test_too_little_memory_is_refused(
    tiny_pipelines: TinyPipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = located(str(tiny_pipelines["ddpm"]))
    recipe = ReverseRecipe(model=source.name, steps=5)
    monkeypatch.setattr(estimate_module, "free_memory", lambda device: 400_000_000)
    with pytest.raises(
        LectureError, match=r"1.0 GB of memory on cpu .* 0.4 GB are free; take half"
    ):
        check_memory(estimate(source, [recipe]))
    monkeypatch.setattr(estimate_module, "free_memory", lambda device: None)
    check_memory(estimate(source, [recipe]))  # what is not known is no reason to refuse


def test_what_is_free_is_what_the_machine_says() -> None:
    free = free_memory("cpu")
    assert free is not None
    assert 10**8 < free < 10**15


def test_tiny_models_are_not_counted_and_large_ones_are(tiny_pipelines: TinyPipelines) -> None:
    source = located(str(tiny_pipelines["ddpm"]))
    recipe = ReverseRecipe(model=source.name, steps=10)
    assert is_small(source, [recipe])
    assert not is_small(source, [replace(recipe, steps=1000, seeds=tuple(range(24)))])


def test_settings_that_make_no_network_are_said(
    tiny_pipelines: TinyPipelines, tmp_path: Path
) -> None:
    import json
    import shutil

    folder = shutil.copytree(tiny_pipelines["ddpm"], tmp_path / "ddpm")
    config = json.loads((folder / "unet" / "config.json").read_text())
    config["block_out_channels"] = [8]
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    with pytest.raises(DamagedFile, match="settings of its unet make no UNet2DModel"):
        evaluation_cost(located(str(folder)))


def test_a_device_that_is_not_there_is_refused() -> None:
    if not torch.cuda.is_available():
        with pytest.raises(MissingRequirement, match="device 'cuda' is not there"):
            settled("cuda")
        assert settled().device in ("cpu", "mps")
    assert settled("cpu") == Runtime("cpu", "float32")
    assert settled("cpu", "bfloat16").dtype == "bfloat16"
