"""The doctor: what is installed, what is missing, and how to get it.

It looks at the things themselves (ffmpeg's encoders, the digest of the
weights, a file written to the cache) and imports nothing heavy to be read.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from diffusion_core import encoder_files, models, places
from diffusion_core.errors import LectureError
from diffusion_core.files import read_arrays

DISTRIBUTION = "diffusion-lectures"
PYTHON = (3, 11)
ENCODERS = ("libx264", "aac")
FONTS_FOLDER = places.ROOT / "scenes" / "stage" / "fonts"
FONTS = ("Inter-Regular.otf", "Inter-SemiBold.otf")
SETUP = "make setup"
PATIENCE = 30.0
"""Seconds that a program has to say its version."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    name
        What it is.
    ok
        Whether it is there and works.
    detail
        What was found.
    remedy
        How to put it right; empty when it is ok.
    required
        Whether lectures cannot be made without it.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    required: bool = True


def examine() -> list[Finding]:
    """Look at everything that lectures are made with, in the order in which it is needed."""
    return [
        _python(),
        *_packages(),
        _ffmpeg(),
        _espeak(),
        *_weights(),
        _fonts(),
        _cache(),
        _mnist(),
        _encoder(),
        _pretrained(),
        _hub_cache(),
        _accelerator(),
    ]


def _python() -> Finding:
    wanted = ".".join(map(str, PYTHON))
    return Finding(
        "Python",
        sys.version_info >= PYTHON,
        f"{platform.python_version()} at {sys.executable}",
        "" if sys.version_info >= PYTHON else f"install Python {wanted} or newer, then {SETUP}",
    )


def requirements() -> list[Requirement]:
    """What the project depends on, as the clone says, or the installation; ``dev`` left out."""
    project = places.ROOT / "pyproject.toml"
    if project.exists():
        given = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    else:
        given = metadata.requires(DISTRIBUTION) or []
    return [one for one in map(Requirement, given) if _applies(one)]


def _applies(one: Requirement, extra: str = "") -> bool:
    return one.marker is None or one.marker.evaluate({"extra": extra})


def _packages() -> list[Finding]:
    return [finding for one in requirements() for finding in (_package(one), *_extras(one))]


def _extras(wanted: Requirement) -> list[Finding]:
    """The packages behind the brackets, such as typst behind manim[typst]."""
    try:
        behind = [Requirement(line) for line in metadata.requires(wanted.name) or []]
    except metadata.PackageNotFoundError:
        return []
    return [
        _package(one)
        for extra in sorted(wanted.extras)
        for one in behind
        if _applies(one, extra) and not _applies(one)
    ]


def _package(wanted: Requirement) -> Finding:
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return Finding(wanted.name, False, "not installed", SETUP)
    if not wanted.specifier.contains(version, prereleases=True):
        return Finding(wanted.name, False, f"{version}, not {wanted.specifier}", SETUP)
    return Finding(wanted.name, True, version)


def _output(*command: str) -> str:
    """What a program prints; empty when it fails or does not answer in time."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _installation(package: str) -> str:
    """How to get a system package; its name is the same with Homebrew."""
    return f"brew install {package}" if sys.platform == "darwin" else f"apt-get install {package}"


def _ffmpeg() -> Finding:
    remedy = _installation("ffmpeg")
    for name in ("ffmpeg", "ffprobe"):
        if shutil.which(name) is None:
            return Finding("ffmpeg", False, f"{name} is not installed", remedy)
    words = _output("ffmpeg", "-version").split()
    if len(words) < 3:
        return Finding("ffmpeg", False, "ffmpeg does not run", remedy)
    listed = {
        columns[1]
        for line in _output("ffmpeg", "-hide_banner", "-encoders").splitlines()
        if len(columns := line.split()) > 1
    }
    lacking = [encoder for encoder in ENCODERS if encoder not in listed]
    if lacking:
        detail = f"{words[2]}, without {' and '.join(lacking)}"
        return Finding("ffmpeg", False, detail, f"{remedy} (a build with {', '.join(lacking)})")
    return Finding("ffmpeg", True, f"{words[2]} with {' and '.join(ENCODERS)}")


def _espeak() -> Finding:
    remedy = f"{_installation('espeak-ng')}, or use --voice silent"
    if shutil.which("espeak-ng") is None:
        return Finding("espeak-ng", False, "not installed", remedy)
    said = _output("espeak-ng", "--version").partition("Data at")[0].partition(":")[2].strip()
    if not said:
        return Finding("espeak-ng", False, "espeak-ng does not run", remedy)
    return Finding("espeak-ng", True, said)


def _weights() -> list[Finding]:
    names = sorted({models.DEFAULT_MODEL, *models.shipped_models()})
    return [_weight(name) for name in names]


def _weight(name: str) -> Finding:
    title = f"weights of {name}"
    path = models.WEIGHTS / f"{name}.safetensors"
    try:
        from diffusion_core.checkpoints import WEIGHTS_KIND

        _, _, digest = read_arrays(path, kind=WEIGHTS_KIND)
    except (ImportError, OSError) as error:  # OSError: a library of torch that does not load
        return Finding(title, False, f"cannot be read without torch ({error})", SETUP)
    except LectureError as error:
        return Finding(title, False, str(error), f"git checkout -- {_shown(path)}")
    return Finding(title, True, f"digest {digest[:12]} verified")


def _shown(path: Path) -> str:
    """``path`` from the clone's folder, where it lies in it."""
    return str(path.relative_to(places.ROOT) if path.is_relative_to(places.ROOT) else path)


def _fonts() -> Finding:
    damaged = [name for name in FONTS if not _is_opentype(FONTS_FOLDER / name)]
    if damaged:
        detail = f"{' and '.join(damaged)} missing or damaged"
        return Finding("fonts", False, detail, f"git checkout -- {_shown(FONTS_FOLDER)}")
    return Finding("fonts", True, ", ".join(Path(name).stem for name in FONTS))


def _is_opentype(path: Path) -> bool:
    try:
        with path.open("rb") as content:
            return content.read(4) == b"OTTO"
    except OSError:
        return False


def _cache() -> Finding:
    folder = places.cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(b"?")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        detail = f"{folder} cannot be written ({error.strerror or error})"
        return Finding("cache", False, detail, "name another folder in DIFFUSION_LECTURES_CACHE")
    return Finding("cache", True, f"{folder}, {free / 1e9:.1f} GB free")


def _mnist() -> Finding:
    looked = places.data_dirs()
    for place in looked:
        if (place / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
            return Finding("MNIST", True, str(place), required=False)
    return Finding(
        "MNIST",
        False,
        f"not in {' or '.join(map(str, looked))}; only training and --dataset mnist need it",
        "it is downloaded when first asked for, or name the folder that holds MNIST/raw in "
        "DIFFUSION_LECTURES_DATA",
        required=False,
    )


def _encoder() -> Finding:
    """The sentence encoder: its library, and its files against their digests."""
    title = "sentence encoder"
    use = "only prompts that no model was taught, and training with captions, need it"
    remedy = f"{SETUP}, or {encoder_files.INSTALLATION}"
    if not encoder_files.library_installed():
        return Finding(
            title, False, f"sentence-transformers is not installed; {use}", remedy, False
        )
    try:
        source = encoder_files.find_encoder()
    except LectureError as error:
        remedy = f"name a folder that holds it in {encoder_files.FOLDER_VARIABLE}, or none"
        return Finding(title, False, str(error), remedy, False)
    if source is None:
        detail = f"{encoder_files.REPOSITORY} is not on this machine; {use}"
        remedy = f"{remedy}; with a network it is fetched when first asked for"
        return Finding(title, False, detail, remedy, False)
    try:
        encoder_files.check_encoder(source)
    except LectureError as error:
        return Finding(title, False, str(error), source.remedy, False)
    return Finding(title, True, f"{_shown(source.folder)}, digests verified", required=False)


def _pretrained() -> Finding:
    """The libraries that pretrained pipelines are read with."""
    title = "pretrained models"
    versions = {name: _version(name) for name in ("diffusers", "transformers", "accelerate")}
    lacking = [name for name in ("transformers", "accelerate") if versions[name] is None]
    if lacking:
        detail = f"{' and '.join(lacking)} not installed; only --model with a pipeline needs them"
        remedy = f"{SETUP}, or pip install '{DISTRIBUTION}[pretrained]'"
        return Finding(title, False, detail, remedy, required=False)
    detail = ", ".join(f"{name} {version}" for name, version in versions.items())
    return Finding(title, True, detail, required=False)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _hub_cache() -> Finding:
    """Where models of the hub are kept, and how much there is."""
    title = "hub cache"
    try:
        from huggingface_hub import CacheNotFound, constants, scan_cache_dir
    except ImportError as error:
        detail = f"huggingface_hub does not load ({error})"
        return Finding(title, False, detail, SETUP, required=False)
    place = Path(constants.HF_HUB_CACHE)
    try:
        found = scan_cache_dir(place)
    except (CacheNotFound, OSError, ValueError):
        return Finding(title, True, f"{place}, nothing in it", required=False)
    count = len(found.repos)
    what = "repository" if count == 1 else "repositories"
    kept = f"{count} {what}, {found.size_on_disk / 1e9:.1f} GB" if count else "nothing in it"
    offline = "; HF_HUB_OFFLINE: nothing is fetched" if constants.HF_HUB_OFFLINE else ""
    return Finding(title, True, f"{place}, {kept}{offline}", required=False)


def _accelerator() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("accelerator", False, f"torch does not load ({error})", SETUP, False)
    if torch.cuda.is_available():
        detail = torch.cuda.get_device_name()
    elif torch.backends.mps.is_available():
        detail = "Apple GPU (MPS)"
    else:
        detail = f"none; {torch.get_num_threads()} CPU threads are enough for the lectures"
    return Finding("accelerator", True, detail, required=False)
