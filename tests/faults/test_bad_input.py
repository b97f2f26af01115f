"""A user's mistakes: one line each, the right exit code, and nothing made."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_core.files import read_arrays, read_digest
from diffusion_core.models import weights_path
from diffusion_core.recipe import SEED_LIMIT
from diffusion_core.trajectory import FORMAT
from tests.diffusion_core.fakes import tiny_weights
from tests.helpers import Done, Workplace, path_with

DRAFT = ("--quality", "draft", "--voice", "silent")


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path / "here", tmp_path / "cache")


def refused(place: Workplace, code: int, *arguments: str, **settings: str) -> str:
    """The one line with which a command is refused, having made nothing."""
    before = place.files()
    done = place.render(*arguments, **settings)
    line = only_line(done, code)
    assert place.files() == before
    kept = [path for path in place.cache.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert kept == []
    return line


def only_line(done: Done, code: int) -> str:
    assert (done.code, done.out) == (code, ""), done.err
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1, done.err
    assert done.err.endswith("\n")
    return done.err.strip()


# -- what no run could accept ------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["scene", "forward_proces"], "did you mean 'forward_process'?"),
        (["scene", "reverse"], "did you mean 'reverse_process'?"),
        (["scene", "zzz"], "there are: forward_process"),
        (["record", "introductoin"], "unknown"),
        (["lecture", "introductoin"], "did you mean 'introduction'?"),
        (["lecture", "forward_process"], "lecture 'forward_process' is unknown"),
        (["scene"], "Missing argument 'NAME'"),
        (["scenes"], "No such command 'scenes'"),
        (["scene", "forward_process", "--sed", "3"], "--seed"),
        (
            ["scene", "forward_process", "--seed", "-1"],
            f"seed = -1 is outside 0 … {SEED_LIMIT - 1}",
        ),
        (["record", "reverse_process", "--seed", str(SEED_LIMIT)], f"seed = {SEED_LIMIT} is"),
        (["sample", "--seed", "-1"], "-1 is outside"),
        (["sample", "--seed", str(SEED_LIMIT)], f"{SEED_LIMIT} is outside"),
        (["sample", "--guidance", "3"], "guidance = 3.0 needs a prompt to guide towards"),
        (["sample", "--guidance", "-1", "--prompt", "seven"], "guidance = -1.0 is outside 0 … 100"),
        (["sample", "--intermediate", "film"], "'film' is not one of 'strip', 'pictures'"),
        (["sample", "--states", "0"], "0 is not in the range"),
        (["sample", "--checkpoint", "."], "holds neither weights nor checkpoints"),
        (["train", "--seed", "-1"], "seed = -1 is outside"),
        (["train", "--dataset", "mnits"], "dataset 'mnits' is unknown"),
        (["train", "--minutes", "1", "--epochs", "2"], "--minutes"),
        (["train", "--minutes", "0"], "minutes = 0.0 is outside 0.01 … 100000"),
        (["train", "--minutes", "nan"], "minutes = nan is outside"),
        (["train", "--epochs", "0"], "epochs = 0 must be at least 1"),
        (["train", "--batch-size", "0"], "batch_size = 0 is outside 1 … 65536"),
        (["train", "--learning-rate", "2"], "learning_rate = 2.0 is outside (0, 1]"),
        (["train", "--timesteps", "3"], "T = 3 is outside 10 … 100000"),
        (["train", "--precision", "float8"], "'float8' is not one of 'auto', 'float32'"),
        (["scene", "forward_process", "--seed", "abc"], "'abc' is not a valid integer"),
        (["scene", "forward_process", "--quality", "ultra"], "'ultra' is not one of 'draft'"),
        (["scene", "forward_process", "--voice", "parrot"], "'parrot' is not one of 'espeak'"),
        (["scene", "forward_process", "--voice", "recorded:"], "'recorded:' is not one of"),
        (["scene", "forward_process", "--voice", "espeak:xx"], "espeak-ng has no voice 'xx'"),
        (["scene", "forward_process", "--language", "klingon"], "'klingon' is no language"),
        (["scene", "reverse_process", "--sampler", "magic"], "'magic' is not one of 'ddim'"),
        (["scene", "reverse_process", "--steps", "0"], "steps = 0 is outside 1 … 1000"),
        (["lecture", "introduction", "--steps", "1001"], "steps = 1001 is outside 1 … 1000"),
        (["sample", "--steps", "1001"], "steps = 1001 is outside 1 … 1000"),
        (["sample", "--n", "0"], "0 is not in the range"),
        (["sample", "--output", "samples.jpg"], "samples.jpg must end in .png"),
        (["gif", "forward_proces"], "did you mean 'forward_process'?"),
        (["gif", "forward_process", "--beats", "4-6"], "'4-6' is not FIRST:LAST"),
        (["gif", "forward_process", "--range", "4:x"], "'4:x' is not START:END in seconds"),
        (["gif", "forward_process", "--range", "5:4"], "'5:4' is not START:END in seconds"),
        (["gif", "forward_process", "--range", "nan:4"], "'nan:4' is not START:END"),
        (["gif", "forward_process", "--range", "4:4.1"], "with END 0.2 s after START"),
        (["gif", "forward_process", "--range", "4:5", "--beats", "4"], "give one of them"),
        (
            ["gif", "forward_process", "--max-size", "11MB"],
            "'11MB' is not a size from 20kB to 10MB",
        ),
        (["gif", "forward_process", "--max-size", "5 GB"], "'5 GB' is not a size"),
        (["gif", "forward_process", "--max-size", "1kB"], "'1kB' is not a size"),
        (["gif", "forward_process", "--output", "a.mp4"], "a.mp4 must end in one of .gif, .webp"),
        (["gif", "forward_process", "--format", "webp", "--output", "a.gif"], "leave one of them"),
        (["gif", "forward_process", "--format", "mp4"], "'mp4' is not one of 'gif', 'webp'"),
        (["scene", "reverse_process", "--image", "x.png"], "has no use for --image; it takes"),
        (["scene", "reverse_process", "--recipe", "{}"], "has no use for --recipe; it takes"),
        (["lecture", "introduction", "--recipe", "{}"], "has no use for --recipe; it takes"),
        (["scene", "u_turn", "--recipe", "no.json"], "'no.json' is neither JSON, {…}, nor a file"),
        (["scene", "u_turn", "--recipe", "."], "'.' is neither JSON, {…}, nor a file"),
        (["sweep", "u_turn", "--recipe", '{"t": 1}'], "cannot be brought 't' by --recipe"),
        (["scene", "forward_process", "--steps", "10"], "has no use for --steps; it takes"),
        (["record", "forward_process", "--model", "mnist"], "has no use for --model; it takes"),
        (["record", "reverse_process", "--model", "mist"], "'mist'"),
        (["sample", "--model", "mist"], "'mist'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_asked_for(arguments: list[str], says: str, place: Workplace) -> None:
    assert says in refused(place, 2, *arguments)


def test_every_option_of_the_wrong_scene_is_refused_by_name(place: Workplace) -> None:
    line = refused(place, 2, "scene", "forward_process", "--sampler", "ddim")
    assert "--sampler" in line
    assert "--cut, --image, --recipe, --schedule, --seed, --theme" in line


# -- pictures ------------------------------------------------------------------------


def noisy(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def truncated(path: Path) -> None:
    noisy(path)
    path.write_bytes(path.read_bytes()[:3000])


def bomb(path: Path) -> None:
    Image.new("1", (30_000, 30_000)).save(path)
    assert path.stat().st_size < 1e6


PICTURES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "does not exist"),
    "empty": (Path.touch, "is empty"),
    "truncated": (truncated, "is damaged"),
    "text": (lambda path: path.write_text("a picture of a cat\n"), "is not a picture"),
    "bomb": (bomb, "million pixels"),
    "folder": (Path.mkdir, "is not a file"),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_is_none(kind: str, place: Workplace) -> None:
    make, says = PICTURES[kind]
    make(place.folder / f"{kind}.png")
    line = refused(place, 1, "scene", "forward_process", "--image", f"{kind}.png", *DRAFT)
    assert f"{kind}.png" in line
    assert says in line


def test_a_good_picture_is_taken(place: Workplace) -> None:
    noisy(place.folder / "good.png")
    plan = place.render("scene", "forward_process", "--image", "good.png", "--dry-run", "--json")
    assert plan.facts["recipes"]["forward"]["recipe"]["image"] == "good.png"


# -- what is not installed -----------------------------------------------------------


def test_no_voice(place: Workplace, tmp_path: Path) -> None:
    found = path_with(tmp_path / "bin", "ffmpeg", "ffprobe")
    line = refused(place, 3, "scene", "forward_process", "--quality", "draft", PATH=found)
    assert "espeak-ng is not installed" in line
    assert "apt-get install espeak-ng" in line
    assert "--voice silent" in line


def test_no_ffmpeg(place: Workplace, tmp_path: Path) -> None:
    found = path_with(tmp_path / "bin", "espeak-ng")
    line = refused(place, 3, "scene", "forward_process", *DRAFT, PATH=found)
    assert "ffmpeg is not installed" in line
    assert "apt-get install ffmpeg" in line


# -- places that cannot be written ------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("file/video.mp4", "file cannot be written"),
        ("file/below/video.mp4", "file/below cannot be written"),
        ("file", "file cannot be written"),
        ("/proc/video.mp4", "/proc cannot be written"),
        ("/proc/here/video.mp4", "/proc/here cannot be written"),
        ("folder.mp4", "folder.mp4 is a folder"),
    ],
)
def test_an_output_that_cannot_be_written(output: str, says: str, place: Workplace) -> None:
    (place.folder / "file").write_text("a file, not a folder")
    (place.folder / "folder.mp4").mkdir()
    line = refused(place, 1, "scene", "forward_process", *DRAFT, "--output", output)
    assert says in line
    assert "--output" in line


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("file/a.gif", "file cannot be written"),
        ("/proc/a.gif", "/proc cannot be written"),
        ("folder.gif", "folder.gif is a folder"),
        ("still.gif", "still.gif.png is a folder"),
        ("folder.gif/below.gif.json/a.gif", "below.gif.json cannot be written"),
    ],
)
def test_a_loop_that_cannot_be_written(output: str, says: str, place: Workplace) -> None:
    (place.folder / "file").write_text("a file, not a folder")
    (place.folder / "folder.gif").mkdir()
    (place.folder / "folder.gif" / "below.gif.json").write_text("a file, not a folder")
    (place.folder / "still.gif.png").mkdir()
    line = refused(place, 1, "gif", "forward_process", "--quality", "draft", "--output", output)
    assert says in line
    assert "--output" in line


def test_a_prompt_for_a_model_that_cannot_read(place: Workplace) -> None:
    tiny_weights(place.folder / "mine.safetensors")
    line = refused(place, 2, "sample", "--model", "mine.safetensors", "--prompt", "seven")
    assert "prompt 'seven': this model was trained without words" in line


def test_an_empty_folder_is_nothing_to_train_on(place: Workplace) -> None:
    (place.folder / "pictures").mkdir()
    line = refused(place, 1, "train", "--dataset", "pictures", "--output", "run")
    assert "pictures" in line


def test_a_run_that_cannot_be_written(place: Workplace) -> None:
    (place.folder / "pictures").mkdir()
    for i in range(2):
        noisy(place.folder / "pictures" / f"{i}.png")
    (place.folder / "file").write_text("a file, not a folder")
    line = refused(
        *(place, 1, "train", "--dataset", "pictures", "--no-words", "--epochs", "1"),
        *("--batch-size", "1", "--checkpoint-every", "1", "--output", "file/run"),
    )
    assert "file/run" in line
    assert "cannot be written" in line
    assert "--output" in line


def test_samples_that_cannot_be_written(place: Workplace) -> None:
    (place.folder / "file").write_text("a file, not a folder")
    line = refused(place, 1, "sample", "--n", "1", "--steps", "1", "--output", "file/one.png")
    assert "file cannot be written" in line


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file, not a folder")
    place = Workplace(tmp_path / "here", tmp_path / "file" / "cache")
    line = refused(place, 1, "scene", "forward_process", *DRAFT)
    assert str(place.cache) in line
    assert "DIFFUSION_LECTURES_CACHE" in line


# -- damaged files ----------------------------------------------------------------------


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    """One bit of the last array is another."""
    return content[:-100] + bytes([content[-100] ^ 4]) + content[-99:]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": cut,
    "one bit": flipped,
    "other": lambda content: b"hello, hello, hello",
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_weights_are_named(kind: str, place: Workplace) -> None:
    weights = place.folder / "mine.safetensors"
    weights.write_bytes(DAMAGE[kind](weights_path("mnist").read_bytes()))
    line = refused(place, 1, "record", "reverse_process", "--steps", "1", "--model", weights.name)
    assert "mine.safetensors is damaged" in line


def test_weights_that_are_nowhere_are_named(place: Workplace) -> None:
    line = refused(place, 1, "sample", "--n", "1", "--model", "mine.safetensors")
    assert "mine.safetensors does not exist" in line


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with one recording."""
    place = Workplace(tmp_path_factory.mktemp("recorded"), tmp_path_factory.mktemp("cache"))
    place.render("record", "reverse_process", "--steps", "1", "--json").facts  # noqa: B018
    return place.cache


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_recording_is_named_and_made_again(
    kind: str, recorded: Path, place: Workplace
) -> None:
    shutil.copytree(recorded, place.cache)
    [path] = (place.cache / "recordings").glob("*.safetensors")
    digest = read_digest(path)
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    done = place.render("record", "reverse_process", "--steps", "1", "--json")
    assert done.facts["reverse"]["fresh"] is True
    warning, progress = done.err.splitlines()
    assert warning.startswith(f"WARNING: {path} is damaged")
    assert warning.endswith("it is recorded again")
    assert progress == "recording reverse: done"
    _, _, made = read_arrays(path, kind=FORMAT)
    assert made == digest


# -- the file with settings -----------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("seed = = 3", "diffusion-lectures.toml cannot be read"),
        ("[scene]\nseed = 3", "sets 'scene'"),
        ("sede = 3", "sets 'sede'; it may set"),
        ("seed = -1", "seed = -1 is outside"),
        ('seed = "abc"', "'abc' is not a valid integer"),
        ("seed = 1.5", "'1.5' is not a valid integer"),
        ("seed = true", "sets 'seed' to True"),
        ("seed = [1, 2]", "sets 'seed' to [1, 2]"),
        ('quality = "ultra"', "'ultra' is not one of 'draft'"),
        ("steps = 5000", "steps = 5000 is outside"),
    ],
)
def test_a_file_with_settings_that_cannot_be_followed(
    content: str, says: str, place: Workplace
) -> None:
    (place.folder / "diffusion-lectures.toml").write_text(content)
    assert says in refused(place, 2, "scene", "reverse_process", "--dry-run")


def test_a_file_with_settings_that_is_no_text(place: Workplace) -> None:
    (place.folder / "diffusion-lectures.toml").write_bytes(b"seed = \xff\xfe")
    assert "cannot be read" in refused(place, 2, "scene", "reverse_process", "--dry-run")


def test_an_environment_that_cannot_be_followed(place: Workplace) -> None:
    command = ("scene", "reverse_process", "--dry-run")
    assert "'ten' is not" in refused(place, 2, *command, DIFFUSION_LECTURES_SEED="ten")
    assert "seed = -5" in refused(place, 2, *command, DIFFUSION_LECTURES_SEED="-5")
