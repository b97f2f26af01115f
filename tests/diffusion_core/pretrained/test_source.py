"""A pretrained model's folder: what is read of it, its digest, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from diffusion_core.errors import DamagedFile, LectureError, MissingRequirement, UsageError
from diffusion_core.models import model_digest, model_inputs, reads_words
from diffusion_core.pretrained import source as source_module
from diffusion_core.pretrained.runtime import (
    Runtime,
    as_environment,
    as_order,
    runtime,
    set_runtime,
)
from diffusion_core.pretrained.source import located
from diffusion_core.recipe import ReverseRecipe, fingerprint
from tests.tiny_pipelines import TinyPipelines

UNET = "unet/diffusion_pytorch_model.safetensors"
INDEX = "model_index.json"


@pytest.fixture(autouse=True)
def usual_runtime() -> Iterator[None]:
    yield
    set_runtime(None)


@pytest.fixture
def sd(tiny_pipelines: TinyPipelines, tmp_path: Path) -> Path:
    """A Stable Diffusion of one's own, to be changed."""
    return Path(shutil.copytree(tiny_pipelines["sd"], tmp_path / "sd"))


def test_what_is_known_of_a_folder(tiny_pipelines: TinyPipelines) -> None:
    found = located(str(tiny_pipelines["sd"]))
    assert found.folder == tiny_pipelines["sd"]
    assert (found.pipeline, found.revision, found.reads) == ("StableDiffusionPipeline", "", "words")
    assert found.components["unet"] == ("diffusers", "UNet2DConditionModel")
    assert "safety_checker" not in found.components
    assert found.config("scheduler")["beta_schedule"] == "scaled_linear"
    assert found.weights("vae") == (found.folder / "vae" / "diffusion_pytorch_model.safetensors",)
    assert found.place("tokenizer") == found.folder / "tokenizer"
    assert found.variant("unet") is None
    assert len(found.digest) == 64


@pytest.mark.parametrize(("kind", "reads"), [("ddpm", ""), ("dit", "classes"), ("sd3", "words")])
def test_what_can_be_asked_of_it(kind: str, reads: str, tiny_pipelines: TinyPipelines) -> None:
    name = str(tiny_pipelines[kind])
    assert located(name).reads == reads
    assert reads_words(name) == (reads == "words")


def test_the_digest_is_of_what_the_files_hold_wherever_they_lie(sd: Path, tmp_path: Path) -> None:
    digest = model_digest(str(sd))
    again = shutil.copytree(sd, tmp_path / "elsewhere")
    (again / "README.md").write_text("what is not read does not count")
    assert model_digest(str(again)) == digest
    for path in (UNET, "scheduler/scheduler_config.json", INDEX):
        content = (sd / path).read_bytes()
        changed = content.replace(b"0.012", b"0.013").replace(b'"0.4', b'"0.5')
        if path == UNET:
            changed = content[:-1] + bytes([content[-1] ^ 1])
        assert changed != content
        (sd / path).write_bytes(changed)
        assert model_digest(str(sd)) != digest
        (sd / path).write_bytes(content)
    assert model_digest(str(sd)) == digest


def test_gigabytes_are_read_once(sd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = model_digest(str(sd))
    monkeypatch.setattr(source_module, "_known", {})  # as in another process
    times = (sd / UNET).stat().st_atime_ns, (sd / UNET).stat().st_mtime_ns
    content = (sd / UNET).read_bytes()
    (sd / UNET).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(sd / UNET, ns=times)
    # Of the same length and age: it is not read again, which is what this shows.
    assert model_digest(str(sd)) == digest
    os.utime(sd / UNET, ns=(times[0], times[1] + 1))
    assert model_digest(str(sd)) != digest


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _index(folder: Path, **changed: object) -> None:
    facts = json.loads((folder / INDEX).read_text())
    (folder / INDEX).write_text(json.dumps({**facts, **changed}))


def _in_parts(folder: Path) -> None:
    """The U-Net's weights as the first of two parts; the second is missing."""
    first = folder / "unet" / "diffusion_pytorch_model-00001-of-00002.safetensors"
    (folder / UNET).rename(first)
    table = {"weight_map": {"a": first.name, "b": first.name.replace("00001-", "00002-")}}
    (folder / f"{UNET}.index.json").write_text(json.dumps(table))


DAMAGE: dict[str, tuple[Callable[[Path], object], type[LectureError], str]] = {
    "cut": (lambda f: _cut(f / UNET), DamagedFile, "safetensors is damaged"),
    "empty": (lambda f: (f / UNET).write_bytes(b""), DamagedFile, "safetensors is damaged"),
    "no safetensors": (
        lambda f: (f / UNET).write_bytes(b"PK\x03\x04" + bytes(900)),
        DamagedFile,
        "put a whole one there",
    ),
    "pickled": (
        lambda f: (f / UNET).rename(f / "unet" / "diffusion_pytorch_model.bin"),
        LectureError,
        "pickled only",
    ),
    "index no JSON": (lambda f: _cut(f / INDEX), DamagedFile, f"{INDEX} is no JSON"),
    "index a list": (lambda f: (f / INDEX).write_text("[]"), DamagedFile, "must hold a JSON obj"),
    "settings no JSON": (
        lambda f: (f / "unet" / "config.json").write_text("{'a': 1}"),
        DamagedFile,
        "unet/config.json is no JSON",
    ),
    "settings of bytes": (
        lambda f: (f / "tokenizer" / "tokenizer_config.json").write_bytes(b"\xff\xfe{"),
        DamagedFile,
        "tokenizer_config.json is no JSON",
    ),
    "part missing": (_in_parts, LectureError, "00002-of-00002.safetensors, which is not beside"),
    "component missing": (
        lambda f: shutil.rmtree(f / "vae"),
        LectureError,
        "lacks its vae: there is no vae/config.json",
    ),
    "another class": (
        lambda f: _index(f, _class_name="StableDiffusionInpaintPipeline"),
        LectureError,
        "choose a model of one of: DDPMPipeline",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_is_wrong_with_a_folder_is_said_before_any_work(kind: str, sd: Path) -> None:
    damage, error, says = DAMAGE[kind]
    damage(sd)
    with pytest.raises(error, match=says) as refused:
        located(str(sd))
    assert "\n" not in str(refused.value)


def test_weights_in_parts_are_taken_all(sd: Path) -> None:
    _in_parts(sd)
    first = next((sd / "unet").glob("*-00001-of-00002.safetensors"))
    shutil.copy(first, first.with_name(first.name.replace("00001-", "00002-")))
    assert len(located(str(sd)).weights("unet")) == 2


def test_what_was_made_of_another_model_is_not_taken_for_made(sd: Path) -> None:
    from studio.finished import made_of

    recipes = {"reverse": ReverseRecipe(model=str(sd), steps=2)}
    key = made_of({}, recipes)
    assert made_of({}, recipes) == key
    set_runtime(Runtime("cpu", "bfloat16"))
    assert made_of({}, recipes) != key
    set_runtime(None)
    scheduler = sd / "scheduler" / "scheduler_config.json"
    scheduler.write_text(scheduler.read_text().replace("0.012", "0.013"))
    assert made_of({}, recipes) != key


def test_a_part_may_be_a_link_to_another_place(sd: Path, tmp_path: Path) -> None:
    digest = model_digest(str(sd))
    shutil.move(sd / "vae", tmp_path / "somewhere")
    (sd / "vae").symlink_to(tmp_path / "somewhere")
    assert model_digest(str(sd)) == digest


def test_sixteen_bits_are_another_model_where_its_files_are(sd: Path) -> None:
    usual = located(str(sd)).digest
    shutil.copy(sd / UNET, sd / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    assert located(str(sd)).digest == usual
    set_runtime(Runtime("cuda", "float16"))
    assert located(str(sd)).variant("unet") == "fp16"
    assert located(str(sd)).digest != usual


def test_what_changes_the_numbers_changes_the_fingerprint(tiny_pipelines: TinyPipelines) -> None:
    name = str(tiny_pipelines["ddpm"])
    usual = fingerprint(ReverseRecipe(model=name, steps=2))
    assert model_inputs(name) == {"weights": located(name).digest}
    set_runtime(Runtime(attention_slicing=True))
    assert fingerprint(ReverseRecipe(model=name, steps=2)) == usual
    set_runtime(Runtime("cpu", "bfloat16"))
    assert model_inputs(name)["runtime"] == {"device": "cpu", "dtype": "bfloat16"}
    assert fingerprint(ReverseRecipe(model=name, steps=2)) != usual
    assert "runtime" not in model_inputs("mnist")


def test_the_environment_says_how_it_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime() == Runtime()
    assert as_environment() == {}
    set_runtime(Runtime("cuda", "bfloat16", cpu_offload=True))
    assert as_order() == {
        "device": "cuda",
        "dtype": "bfloat16",
        "attention_slicing": False,
        "cpu_offload": True,
    }
    for name, value in as_environment().items():
        monkeypatch.setenv(name, value)
    set_runtime(None)
    assert runtime() == Runtime("cuda", "bfloat16", cpu_offload=True)
    monkeypatch.setenv("DIFFUSION_LECTURES_DTYPE", "auto")
    assert runtime().dtype == "float16"


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"device": "tpu"}, "device 'tpu' is unknown; choose one of: auto, cpu, cuda, mps"),
        ({"dtype": "float8"}, "dtype 'float8' is unknown"),
        ({"dtype": "float16"}, "dtype 'float16' is for a GPU"),
        ({"cpu_offload": True}, "choose --device cuda"),
    ],
)
def test_what_cannot_be_computed_with(chosen: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Runtime(**chosen)  # type: ignore[arg-type]


def test_a_library_that_is_missing_is_named(
    tiny_pipelines: TinyPipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(tiny_pipelines["ddpm"])
    monkeypatch.setattr(source_module, "_known", {})
    monkeypatch.setattr(source_module, "find_spec", lambda name: None)
    with pytest.raises(MissingRequirement, match=r"diffusers and transformers.*\[pretrained\]"):
        located(name)
