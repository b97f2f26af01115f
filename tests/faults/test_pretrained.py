"""Pretrained models from the command line: what is refused, what is asked first, the whole way."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from PIL import Image

import render
from diffusion_core.errors import LectureError, UsageError
from diffusion_core.pretrained import estimate, evaluations
from diffusion_core.pretrained.estimate import LONG
from diffusion_core.pretrained.runtime import Runtime, runtime, set_runtime
from studio.sweep.task import Surroundings
from tests.faults.test_bad_input import only_line
from tests.helpers import Workplace
from tests.local_hub import COMMIT, Hub, serving
from tests.tiny_pipelines import TinyPipelines, import_diffusers, large_ddpm

NAME = "somebody/a-model"
NOBODY = "http://127.0.0.1:9"
"""An address at which nothing listens."""


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return at(tmp_path, NOBODY)


def at(folder: Path, endpoint: str) -> Workplace:
    """A place whose hub is at ``endpoint``, with a cache of its own."""
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hub"), "OMP_NUM_THREADS": "1"}
    return Workplace(folder / "here", folder / "cache", settings)


def refused(place: Workplace, code: int, *arguments: str, **settings: str) -> str:
    """The one line with which a command is refused, having made nothing."""
    line = only_line(place.render(*arguments, **settings), code)
    kept = [*place.folder.rglob("*"), *place.cache.rglob("*.safetensors")]
    hub = Path(place.settings["HF_HOME"])
    assert [path for path in (*kept, *hub.rglob("*")) if path.is_file()] == []
    return line


def test_a_hub_that_cannot_be_reached(place: Workplace) -> None:
    line = refused(place, 1, "record", "reverse_process", "--model", NAME)
    assert f"model '{NAME}' is no folder here" in line
    assert f"{NOBODY} could not be read" in line
    assert line.endswith("try again with a network, or give a folder")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sample", "--device", "cpu"], "--device is for pretrained models, and 'mnist' is none"),
        (["record", "reverse_process", "--attention-slicing"], "--attention-slicing is for pret"),
        (["sample", "--device", "tpu"], "'tpu' is not one of 'auto', 'cpu', 'cuda', 'mps'"),
        (["sample", "--model", "owner/"], "a pipeline of the hub as owner/name"),
    ],
)
def test_what_cannot_be_asked_for(arguments: list[str], says: str, place: Workplace) -> None:
    assert says in refused(place, 2, *arguments)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The present folder, empty, for commands that are run in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIFFUSION_LECTURES_CACHE", str(tmp_path / "cache"))
    yield tmp_path
    set_runtime(None)


def run(*arguments: str) -> None:
    """A command in this process, which has imported what it needs."""
    render.cli.main(list(arguments), "render.py", standalone_mode=False)


def test_a_long_run_is_asked_about_first(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import_diffusers()
    model = str(large_ddpm(here / "large"))
    chosen = ["reverse_process", "--model", model, "--steps", "1000"]
    with pytest.raises(UsageError) as refused:  # nobody is there to be asked
        run("record", *chosen)
    line = str(refused.value)
    assert line.startswith(f"this is a long run: {model}: about ")
    assert "(8,000 evaluations of" in line  # eight samples
    assert "GB of memory" in line
    assert line.endswith("a smaller model or a GPU (--device)")

    run("scene", *chosen, "--dry-run", "--json")
    planned = json.loads(capsys.readouterr().out)["estimates"]
    assert [one["model"] for one in planned] == [model]
    assert planned[0]["seconds"] > LONG

    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(click, "confirm", _never)
    with pytest.raises(click.Abort):
        run("record", *chosen)
    assert not list(here.rglob("*.safetensors.lock"))
    assert not (here / "cache" / "recordings").exists()


def _never(question: str, *, abort: bool, err: bool) -> None:
    assert (question, abort, err) == ("Begin?", True, True)
    raise click.Abort


def test_too_little_memory(
    tiny_pipelines: TinyPipelines, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "free_memory", lambda device: 10**8)
    monkeypatch.setattr(evaluations, "LIGHT", 0)  # as if it had many weights
    with pytest.raises(LectureError, match=r"0.1 GB are free; take half of it") as refused:
        run("sample", "--model", str(tiny_pipelines["ddpm"]), "--steps", "2", "--yes")
    assert refused.value.exit_code == 1
    assert not list(here.rglob("*.png"))


def test_samples_are_pictures_whatever_the_states_are(
    tiny_pipelines: TinyPipelines, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["--model", str(tiny_pipelines["sd"]), "--prompt", "a frog", "--steps", "3"]
    chosen.append("--attention-slicing")
    run("sample", *chosen, "--n", "2", "--intermediate", "strip", "--output", "grid.png", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["guidance"], told["nfe"]) == (7.5, 6)
    sizes = [Image.open(here / name).size for name in ("grid.png", "grid.strip.png")]
    # Pictures of 32 pixels and gaps of 2, three times as large; four states a row.
    across = {count: 3 * (count * 32 + (count + 1) * 2) for count in (1, 2, 4)}
    assert sizes == [(across[2], across[1]), (across[4], across[2])]


def test_workers_of_a_sweep_compute_as_it_says() -> None:
    set_runtime(Runtime("cpu", "bfloat16", attention_slicing=True))
    place = Surroundings.here()
    set_runtime(None)
    assert runtime() == Runtime()
    with place.entered():
        assert runtime() == Runtime("cpu", "bfloat16", attention_slicing=True)
    assert runtime() == Runtime()


def test_settings_say_how_it_computes(here: Path) -> None:
    toml = here / "diffusion-lectures.toml"
    toml.write_text('device = "cpu"\ndtype = "bfloat16"\nattention_slicing = true\n')
    found = render.settings()["record"]
    assert found == {"device": "cpu", "dtype": "bfloat16", "attention_slicing": "True"}
    toml.write_text("device = true\n")
    with pytest.raises(UsageError, match="sets 'device' to True; a text or a number is taken"):
        render.settings()
    toml.write_text("yes = true\n")
    with pytest.raises(UsageError, match="sets 'yes'; it may set attention_slicing, cpu_offload"):
        render.settings()


@pytest.fixture(scope="module")
def hub(tiny_pipelines: TinyPipelines) -> Iterator[Hub]:
    with serving() as running:
        running.models = {NAME: tiny_pipelines["ddpm"]}
        yield running


@pytest.fixture(scope="module")
def drawn(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workplace, Path]:
    """A place where a figure was drawn with a model of the hub, and its manifest."""
    place = at(tmp_path_factory.mktemp("drawn"), hub.url)
    options = ("--model", NAME, "--steps", "8", "--output", "process.png")
    done = place.render("figure", "process", *options, "--json")
    assert done.facts["figures"] == {"png": "process.png"}
    assert f"fetching {NAME}: done" in done.err
    return place, place.folder / done.facts["manifests"]["png"]


def test_the_manifest_says_which_model_it_was(drawn: tuple[Workplace, Path], hub: Hub) -> None:
    manifest = json.loads(drawn[1].read_text())
    told = manifest["models"][NAME]
    assert (told["revision"], told["pipeline"]) == (COMMIT, "DDPMPipeline")
    assert manifest["recordings"]["reverse"]["model"] == told["digest"]
    assert manifest["order"]["device"] == "cpu"
    assert manifest["order"]["dtype"] == "float32"
    assert not [path for path in hub.downloads() if path.endswith((".bin", ".py", ".md"))]


def test_it_is_reproduced_without_the_hub(drawn: tuple[Workplace, Path]) -> None:
    place, manifest = drawn
    done = place.render(
        "reproduce", manifest.name, "--json", HF_HUB_OFFLINE="1", HF_ENDPOINT=NOBODY
    )
    assert done.facts["files"] == {"process.png": "identical"}


def test_a_model_that_is_another_is_not_reproduced(drawn: tuple[Workplace, Path]) -> None:
    place, manifest = drawn
    facts = json.loads(manifest.read_text())
    facts["models"][NAME]["digest"] = 64 * "0"
    other = place.folder / "other.json"
    other.write_text(json.dumps(facts))
    line = only_line(place.render("reproduce", "other.json"), 1)
    assert f"model '{NAME}' at {COMMIT} is not what other.json was made of" in line
