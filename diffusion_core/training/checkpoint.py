"""A run's checkpoints: its whole state, one file each, the last two kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffusion_core.checkpoints import CHECKPOINT_KIND
from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.files import Arrays, Facts, canonical_json, read_arrays, write_arrays

KEPT_CHECKPOINTS = 2


def flat_moments(optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """The optimisers' state by "optimiser.parameter.name", counted from 0."""
    return {
        f"{which}.{i}.{name}": value
        for which, optimizer in enumerate(optimizers)
        for i, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_moments(
    optimizers: Sequence[torch.optim.Optimizer], flat: Mapping[str, Tensor]
) -> None:
    """Put back what ``flat_moments`` gave."""
    for which, optimizer in enumerate(optimizers):
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in flat.items():
            owner, index, key = name.split(".", 2)
            if int(owner) == which:
                laid_out = _laid_out_as(parameters[int(index)], value)
                state.setdefault(int(index), {})[key] = laid_out
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    # A fused optimiser goes through memory and never asks in which order it lies.
    if value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, device=value.device).copy_(value)


class Checkpoints:
    """The checkpoints in a run's folder.

    Parameters
    ----------
    run
        The run's folder; they lie in ``checkpoints/``.
    identity
        What the run is: one that is another is refused.
    shorter
        What a run is called that this one makes longer, where it does.
    """

    def __init__(self, run: Path, identity: Facts, shorter: Facts | None = None) -> None:
        self.run, self.identity, self.shorter = run, identity, shorter
        self.folder = run / "checkpoints"

    def paths(self) -> list[Path]:
        """All of them, the oldest first."""
        return sorted(self.folder.glob("step-*.safetensors"))

    def write(self, step: int, arrays: Arrays, facts: Facts) -> Path:
        """Write the state after ``step`` steps, whole, and drop the oldest."""
        path = self.folder / f"step-{step:06d}.safetensors"
        facts = {"identity": self.identity, "step": step, **facts}
        write_arrays(path, arrays, facts, kind=CHECKPOINT_KIND)
        for old in self.paths()[:-KEPT_CHECKPOINTS]:
            old.unlink()
        return path

    def newest(self) -> tuple[Arrays, Facts] | None:
        """The newest that is whole; None where there is none at all.

        Raises
        ------
        DamagedFile
            When there are some and none is whole.
        LectureError
            When it is of another run.
        """
        damaged: list[str] = []
        for path in reversed(self.paths()):
            try:
                arrays, facts, _ = read_arrays(path, kind=CHECKPOINT_KIND)
            except DamagedFile as error:
                damaged.append(str(error))
                continue
            self._check_identity(facts["identity"])
            return arrays, facts
        if damaged:
            raise DamagedFile(
                f"{damaged[0]}, and no other checkpoint is whole; delete "
                f"{self.folder} to train from the start"
            )
        return None

    def _check_identity(self, found: Facts) -> None:
        if canonical_json(found) in map(
            canonical_json, filter(None, (self.identity, self.shorter))
        ):
            return
        different = [
            f"{part}.{key} = {_brief(found.get(part, {}).get(key))} there, {_brief(value)} now"
            for part, values in self.identity.items()
            for key, value in values.items()
            if found.get(part, {}).get(key) != value
        ]
        raise LectureError(
            f"{self.run} holds a run with other settings ({'; '.join(different)}); "
            "give the same settings to resume it, or another --output"
        )


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
