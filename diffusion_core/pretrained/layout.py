"""How a pipeline's files lie: which of them are wanted, of all that there are.

The same rule chooses from a folder and from what the hub lists, before
anything is downloaded.  Only safetensors are taken: pickled weights run code
as they are opened.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from diffusion_core.errors import LectureError
from diffusion_core.files import Facts
from diffusion_core.pretrained.names import INDEX

NETWORKS = {
    "unet": ("UNet2DModel", "UNet2DConditionModel"),
    "transformer": ("DiTTransformer2DModel", "Transformer2DModel", "SD3Transformer2DModel"),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("CLIPTextModel", "CLIPTextModelWithProjection"),
    "text_encoder_2": ("CLIPTextModel", "CLIPTextModelWithProjection"),
    "text_encoder_3": ("T5EncoderModel",),
}
"""Components with weights, and the classes that each may have."""

_STABLE = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
PIPELINES = {
    "DDPMPipeline": ("unet", "scheduler"),
    "DDIMPipeline": ("unet", "scheduler"),
    "StableDiffusionPipeline": _STABLE,
    "StableDiffusionXLPipeline": (*_STABLE, "text_encoder_2", "tokenizer_2"),
    "DiTPipeline": ("transformer", "vae", "scheduler"),
    "StableDiffusion3Pipeline": (
        *("transformer", "vae", "scheduler", "text_encoder", "tokenizer"),
        *("text_encoder_2", "tokenizer_2", "text_encoder_3", "tokenizer_3"),
    ),
}
"""The pipelines that can be shown, and the components of each that are needed."""
MAY_LACK = {"StableDiffusion3Pipeline": ("text_encoder_3", "tokenizer_3")}
"""Components that a pipeline works without: SD 3 draws without its largest encoder."""

_STEMS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
"""What the weights' files of a library are called."""
_TOKENIZER = ("*.json", "*.txt", "*.model")
_PICKLED = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".msgpack", ".h5")


@dataclass(frozen=True, slots=True)
class Part:
    """What is wanted of a component.

    Parameters
    ----------
    folder
        Where its files lie, from the pipeline's: its name, or "" for the pipeline's own.
    configs
        Its settings and, of a tokenizer, its words; from the pipeline's folder.
    weights
        Its safetensors; several where they are in parts.
    variant
        "fp16" where the files of that name were chosen; "" for the usual ones.
    """

    folder: str
    configs: tuple[str, ...]
    weights: tuple[str, ...] = ()
    variant: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.configs, *self.weights)


def check_index(name: str, index: object) -> tuple[str, dict[str, tuple[str, str]]]:
    """The pipeline's class and its components (library, class), if they can be shown.

    Raises
    ------
    LectureError
        For a pipeline or a component that is none of those known here, code of
        the model's own among them, and for a component that is missing.
    """
    if not isinstance(index, Mapping):
        raise LectureError(f"model {name!r}: its {INDEX} must be an object that names components")
    pipeline = index.get("_class_name")
    if not isinstance(pipeline, str) or pipeline not in PIPELINES:
        own = " (code of the model's own is never run)" if isinstance(pipeline, list) else ""
        raise LectureError(
            f"model {name!r} is of the pipeline {pipeline!r}{own}; choose a model of one of: "
            f"{', '.join(PIPELINES)}"
        )
    may_lack = MAY_LACK.get(pipeline, ())
    found = {}
    for component in PIPELINES[pipeline]:
        told = index.get(component)
        library, kind = told if isinstance(told, list) and len(told) == 2 else (None, None)
        if (library, kind) == (None, None) and component in may_lack:
            continue
        if not isinstance(library, str) or not isinstance(kind, str):
            raise LectureError(
                f"model {name!r} lacks its {component}: its {INDEX} must name library and class "
                f"of it, and says {told!r}; choose a whole {pipeline}"
            )
        _check_class(name, component, library, kind)
        found[component] = (library, kind)
    return pipeline, found


def _check_class(name: str, component: str, library: str, kind: str) -> None:
    if component in NETWORKS:
        known: Collection[str] = NETWORKS[component]
        right = kind in known
    else:
        role = component.partition("_")[0]
        right, known = kind.isidentifier() and role.capitalize() in kind, (f"a {role}",)
    if library not in _STEMS or not right:
        raise LectureError(
            f"model {name!r}: its {component} is {library}.{kind}, which is not run here; it must "
            f"be {' or '.join(known)} of diffusers or transformers"
        )


def files_in(folder: Path, components: Iterable[str]) -> set[str]:
    """The files of a pipeline's folder and of its components' folders, by their paths from there.

    A component's folder may be a link to another place.
    """
    found = set()
    for part in ("", *components):
        place = folder / part
        if place.is_dir():
            files = (path for path in place.iterdir() if path.is_file())
            found |= {path.relative_to(folder).as_posix() for path in files}
    return found


def choose(
    name: str, components: Mapping[str, tuple[str, str]], there: Collection[str], *, half: bool
) -> dict[str, Part]:
    """What is wanted of ``there``, the paths of all files from the pipeline's folder.

    Parameters
    ----------
    name
        Of the model, for what is said.
    components
        As ``check_index`` found them.
    there
        Paths with "/" between their parts.
    half
        Whether files of 16-bit weights are preferred where there are any.

    Raises
    ------
    LectureError
        When a component's files are missing, or its weights are pickled only.
    """
    return {
        component: _part(name, component, *components[component], there, half)
        for component in components
    }


def _part(
    name: str, component: str, library: str, kind: str, there: Collection[str], half: bool
) -> Part:
    # Early models keep network and scheduler in the pipeline's folder itself.
    inside = {path for path in there if path.startswith(f"{component}/")}
    folder = component if inside else ""
    here = sorted(inside or {path for path in there if "/" not in path})
    start = f"{folder}/" if folder else ""
    if component not in NETWORKS:
        wanted = ("scheduler_config.json",) if component == "scheduler" else _TOKENIZER
        configs = [path for path in here if any(fnmatch(path, start + one) for one in wanted)]
        if not inside and component != "scheduler":
            configs = []
        if not configs:
            raise _missing(name, component, f"{component}/{wanted[0]}")
        return Part(folder, tuple(configs))
    if f"{start}config.json" not in here:
        raise _missing(name, component, f"{component}/config.json")
    stem = start + _STEMS[library]
    usual, fp16 = (sorted(_weights(here, stem, variant)) for variant in ("", "fp16"))
    variant = "fp16" if fp16 and (half or not usual) else ""
    weights = fp16 if variant else usual
    if not weights:
        pickled = [path for path in here if path.endswith(_PICKLED)]
        if pickled:
            raise LectureError(
                f"model {name!r}: the weights of its {component} are pickled only "
                f"({pickled[0]}), and a pickle may run code as it is opened; choose a model or a "
                "revision (name@revision) with .safetensors, or convert it and give its folder"
            )
        raise _missing(name, component, f"{stem}.safetensors")
    return Part(folder, (f"{start}config.json",), tuple(weights), variant)


def _weights(here: Collection[str], stem: str, variant: str) -> Iterator[str]:
    """The file of the weights, or all of its parts with their index."""
    middle = f".{variant}" if variant else ""
    single = f"{stem}{middle}.safetensors"
    if single in here:
        yield single
        return
    index = f"{stem}.safetensors.index{middle}.json"
    parts = re.compile(
        rf"{re.escape(stem + middle)}-\d+-of-\d+\.safetensors"
        rf"|{re.escape(stem)}-\d+-of-\d+{re.escape(middle)}\.safetensors"
    )
    found = [path for path in here if parts.fullmatch(path)]
    if found and index in here:
        yield from (*found, index)


def _missing(name: str, component: str, path: str) -> LectureError:
    return LectureError(
        f"model {name!r} lacks its {component}: there is no {path}; put it there, or choose a "
        "whole model"
    )


def listed(index: Facts, path: str) -> set[str]:
    """The files that the index of weights in parts names, beside it.

    Raises
    ------
    LectureError
        When it is no such index.
    """
    table = index.get("weight_map")
    if not isinstance(table, dict) or not all(isinstance(part, str) for part in table.values()):
        raise LectureError(f"{path} is no index of weights in parts: it lacks a weight_map")
    return set(table.values())
