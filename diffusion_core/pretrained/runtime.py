"""Where pretrained networks compute, and in which numbers; no torch at import.

It is one choice for the whole process, since it says nothing of what is run.
What changes the numbers (device and type) goes into the fingerprints of what
is recorded with it.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass

from diffusion_core.errors import UsageError
from diffusion_core.files import Facts

DEVICES = ("cpu", "cuda", "mps")
DTYPES = ("float32", "float16", "bfloat16")
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
"""Of a number."""
_PREFIX = "DIFFUSION_LECTURES_"
_FLAGS = ("attention_slicing", "cpu_offload")


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where pretrained networks compute.

    Parameters
    ----------
    device
        "cpu", "cuda" or "mps".
    dtype
        What weights and activations are kept in: "float32", "float16", "bfloat16".
    attention_slicing
        Whether attention is computed a part at a time: slower, in less memory.
    cpu_offload
        Whether only the network that computes is on the device, the others in
        the processor's memory.

    Raises
    ------
    UsageError
        For a choice that cannot be run.
    """

    device: str = "cpu"
    dtype: str = "float32"
    attention_slicing: bool = False
    cpu_offload: bool = False

    def __post_init__(self) -> None:
        for what, value, known in (("device", self.device, DEVICES), ("dtype", self.dtype, DTYPES)):
            if value not in known:
                raise UsageError(
                    f"{what} {value!r} is unknown; choose one of: auto, {', '.join(known)}"
                )
        if self.dtype == "float16" and self.device == "cpu":
            raise UsageError(
                "dtype 'float16' is for a GPU: a processor has no fast arithmetic of it; choose "
                "float32, or --device cuda or mps"
            )
        if self.cpu_offload and self.device != "cuda":
            raise UsageError(
                f"cpu_offload moves networks between a GPU and the processor, and device "
                f"{self.device!r} is no such GPU; leave it out, or choose --device cuda"
            )

    @property
    def facts(self) -> Facts:
        """What changes the numbers; empty for the usual, the processor in float32."""
        usual = self.device == "cpu" and self.dtype == "float32"
        return {} if usual else {"device": self.device, "dtype": self.dtype}


_chosen: Runtime | None = None


def set_runtime(chosen: Runtime | None) -> None:
    """Compute so from now on in this process, and in those that it starts; None as at first."""
    global _chosen
    _chosen = chosen


def runtime() -> Runtime:
    """What ``set_runtime`` chose, or the environment, or the processor in float32.

    ``DIFFUSION_LECTURES_DEVICE``, ``_DTYPE``, ``_ATTENTION_SLICING`` and
    ``_CPU_OFFLOAD`` are looked at.  "auto" is the command line's to settle, which
    looks what there is; here it is the processor.
    """
    return _chosen or _of_environment()


def as_environment() -> dict[str, str]:
    """What tells other processes to compute as this one; nothing where that is as usual."""
    chosen = runtime()
    if chosen == Runtime():
        return {}
    flags = {name: "1" for name in _FLAGS if getattr(chosen, name)}
    told = {"device": chosen.device, "dtype": chosen.dtype, **flags}
    return {_PREFIX + name.upper(): value for name, value in told.items()}


def as_order() -> Facts:
    """The command line's options that say the same."""
    return asdict(runtime())


def usual_dtype(device: str) -> str:
    """What "auto" means on ``device``: half of the memory where that is fast."""
    return "float16" if device == "cuda" else "float32"


def _of_environment() -> Runtime:
    device = _setting("device", "auto")
    device = "cpu" if device == "auto" else device
    dtype = _setting("dtype", "auto")
    flags = {name: _setting(name, "").lower() in ("1", "true", "yes", "on") for name in _FLAGS}
    return Runtime(device, usual_dtype(device) if dtype == "auto" else dtype, **flags)


def _setting(name: str, usual: str) -> str:
    return os.environ.get(_PREFIX + name.upper()) or usual
