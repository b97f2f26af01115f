"""What there is to compute on, and how much memory of it is free."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch

from diffusion_core.errors import MissingRequirement
from diffusion_core.pretrained.runtime import Runtime, usual_dtype

AUTO = "auto"


def settled(
    device: str = AUTO,
    dtype: str = AUTO,
    *,
    attention_slicing: bool = False,
    cpu_offload: bool = False,
) -> Runtime:
    """What was asked for, "auto" replaced by what there is: CUDA, else MPS, else the processor.

    Raises
    ------
    MissingRequirement
        When the device is not there.
    UsageError
        For a choice that cannot be run (see ``Runtime``).
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == AUTO:
        device = next((name for name, usable in there.items() if usable), "cpu")
    chosen = Runtime(
        device,
        usual_dtype(device) if dtype == AUTO else dtype,
        attention_slicing=attention_slicing,
        cpu_offload=cpu_offload,
    )
    if cpu_offload and find_spec("accelerate") is None:
        raise MissingRequirement(
            "--cpu-offload needs accelerate, which is not installed; pip install "
            "'diffusion-lectures[pretrained]', or leave it out"
        )
    if not there.get(device, True):
        raise MissingRequirement(
            f"device {device!r} is not there: torch {torch.__version__} finds none; choose "
            "--device cpu, or install a torch that is built for it"
        )
    return chosen


def free_memory(device: str) -> int | None:
    """Bytes that can still be had on ``device``; None where that is not known."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    try:
        told = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return _free_elsewhere()
    available = next((line for line in told if line.startswith("MemAvailable:")), None)
    return int(available.split()[1]) * 1024 if available else None


def _free_elsewhere() -> int | None:
    """The same where there is no /proc: asked of psutil, which comes with accelerate."""
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.virtual_memory().available)
