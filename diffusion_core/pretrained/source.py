"""A pretrained model's files: found, checked, and their digest; no torch at import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from diffusion_core.errors import MissingRequirement, UsageError
from diffusion_core.files import Facts, digest_of
from diffusion_core.pretrained.digests import file_digests
from diffusion_core.pretrained.layout import Part, check_index, choose, files_in
from diffusion_core.pretrained.names import FORM, INDEX, hub_name
from diffusion_core.pretrained.reading import read_object
from diffusion_core.pretrained.runtime import runtime
from diffusion_core.pretrained.whole import check_whole_weights

__all__ = ["Report", "Source", "located", "pin", "read_object"]

Report = Callable[[int, int], None]
"""Is told how many bytes have come, and how many there will be."""

WORDS = ("StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline")


def silent(done: int, total: int) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Source:
    """A pretrained model on this disk, its files looked at.

    Parameters
    ----------
    name
        As it was asked for.
    folder
        Where all of its files lie.
    pipeline
        The class that its index names.
    revision
        The commit of the hub that it is; "" for a folder.
    components
        Of each the library and the class: ("diffusers", "UNet2DModel").
    parts
        Of each its files.
    digest
        SHA-256 over all of these files and what they are called.
    """

    name: str
    folder: Path
    pipeline: str
    revision: str
    components: Mapping[str, tuple[str, str]]
    parts: Mapping[str, Part]
    digest: str

    def place(self, component: str) -> Path:
        """The folder of a component, as ``from_pretrained`` wants it."""
        return self.folder / self.parts[component].folder

    def variant(self, component: str) -> str | None:
        """The variant of a component's weights, as ``from_pretrained`` wants it."""
        return self.parts[component].variant or None

    @property
    def index(self) -> Facts:
        """What its ``model_index.json`` says; of a DiT also the names of its classes."""
        return read_object(self.folder / INDEX)

    def config(self, component: str) -> Facts:
        """The settings of a component."""
        return read_object(self.folder / self.parts[component].configs[0])

    def weights(self, component: str) -> tuple[Path, ...]:
        """The safetensors of a component."""
        return tuple(
            self.folder / path
            for path in self.parts[component].weights
            if path.endswith(".safetensors")
        )

    @property
    def reads(self) -> Literal["words", "classes", ""]:
        """What can be asked of it."""
        if self.pipeline in WORDS:
            return "words"
        return "classes" if self.pipeline == "DiTPipeline" else ""


def located(name: str, *, download: bool = True, report: Report = silent) -> Source:
    """The pretrained model that ``name`` means, on this disk and whole.

    Parameters
    ----------
    name
        A folder with a ``model_index.json``, or a model of the hub.
    download
        Whether what is not here may be fetched.
    report
        Told of the bytes as they come.

    Raises
    ------
    UsageError
        When ``name`` can mean neither.
    MissingRequirement
        When a library is missing that every pipeline is read with.
    LectureError
        When the hub cannot be reached or refuses, the disk is too small, files
        are missing, pickled or damaged, or the pipeline is none of those known.
    """
    key = (name, str(Path.cwd()), _half())
    before = _known.get(key)
    if before is not None and before[1] == _stamps(before[0]):
        return before[0]
    check_installed()
    found = _found(name, download, report)
    _known[key] = (found, _stamps(found))
    return found


_known: dict[tuple[str, str, bool], tuple[Source, list[tuple[int, int]]]] = {}
"""What was looked at in this process, and how large and how old its files were."""


def check_installed() -> None:
    """Raise a MissingRequirement where a library is missing that pipelines are read with."""
    lacking = [name for name in ("diffusers", "transformers") if find_spec(name) is None]
    if lacking:
        raise MissingRequirement(
            f"pretrained models need {' and '.join(lacking)}, which is not installed; "
            "pip install 'diffusion-lectures[pretrained]'"
        )


def pin(name: str, revision: str) -> None:
    """Mean by a name of the hub the commit ``revision``, in this process and from now on."""
    hub = hub_name(name)
    if hub is not None:
        from diffusion_core.pretrained.hub import settle

        settle(hub, revision)
        for key in [key for key in _known if key[0] == name]:
            del _known[key]


def _stamps(source: Source) -> list[tuple[int, int]]:
    """Sizes and times of all files; empty where one is gone."""
    files = [INDEX, *(path for part in source.parts.values() for path in part.files)]
    try:
        facts = [(source.folder / path).stat() for path in files]
    except OSError:
        return []
    return [(one.st_size, one.st_mtime_ns) for one in facts]


def _found(name: str, download: bool, report: Report) -> Source:
    hub = hub_name(name)
    if hub is not None:
        from diffusion_core.pretrained.hub import fetched

        folder, revision = fetched(hub, half=_half(), download=download, report=report)
        return _looked_at(name, folder, revision)
    folder = Path(name)
    if not (folder / INDEX).is_file():
        raise UsageError(
            f"model {name!r} is no folder with a {INDEX}, and no name of the hub ({FORM})"
        )
    return _looked_at(name, folder.absolute(), "")


def _half() -> bool:
    return runtime().dtype == "float16"


def _looked_at(name: str, folder: Path, revision: str) -> Source:
    pipeline, components = check_index(name, read_object(folder / INDEX))
    parts = choose(name, components, files_in(folder, components), half=_half())
    for part in parts.values():
        for path in part.configs:
            if path.endswith(".json"):
                read_object(folder / path)
        check_whole_weights(folder, part)
    files = sorted({INDEX, *(path for part in parts.values() for path in part.files)})
    digest = digest_of(file_digests(folder, files))
    return Source(name, folder, pipeline, revision, components, parts, digest)
