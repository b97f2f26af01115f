"""Networks on disk: weights, their configuration and where they came from.

Weights that ship are kept as float16 beside this module; a training run's
checkpoints hold the full state in float32.  Both are one safetensors file
with a digest (see ``files``), so loading runs no code and finds damage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusion_core.denoiser import PREDICTIONS, NetworkDenoiser, Prediction
from diffusion_core.errors import DamagedFile, UsageError
from diffusion_core.files import Arrays, Facts, kind_of, read_arrays, write_arrays
from diffusion_core.guidance import GuidedDenoiser
from diffusion_core.models import weights_path
from diffusion_core.recipes.own import check_ours
from diffusion_core.schedule import Schedule
from diffusion_core.text import Vocabulary, embed
from diffusion_core.unet import UNet, UNetConfig

NETWORK, AVERAGE, EMBEDDINGS = "network.", "average.module.", "captions.embeddings"
"""What arrays are called: weights, their average in a checkpoint, the captions taught."""

WEIGHTS_KIND = "diffusion-lectures weights 2"
CHECKPOINT_KIND = "diffusion-lectures training checkpoint 2"


def to_arrays(tensors: Mapping[str, Tensor], prefix: str = "") -> Arrays:
    """Tensors as numpy arrays, names prefixed."""
    return {prefix + name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}


def from_arrays(arrays: Arrays, prefix: str = "") -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, without it."""
    return {
        # Copied, because what was read is a read-only view of the file.
        name.removeprefix(prefix): torch.from_numpy(array.copy())
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def channels_last(network: UNet) -> UNet:
    """``network`` with its weights laid out as CPUs convolve fastest."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@dataclass(frozen=True)
class TrainedModel:
    """A network ready to use, what it was taught to read, and the facts of its training."""

    network: UNet
    prediction: Prediction
    vocabulary: Vocabulary | None
    facts: Facts
    digest: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of its pictures."""
        config = self.network.config
        return (config.channels, config.size, config.size)

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """The same: its states are pictures."""
        return self.shape

    def text(self, prompt: str) -> Tensor | None:
        """The embedding of ``prompt`` as the network takes it, (1, text); None for "".

        Raises
        ------
        UsageError
            When the model was not taught to read.
        MissingRequirement
            When the prompt was not taught and there is no encoder for it.
        """
        if not prompt:
            return None
        if self.vocabulary is None:
            raise UsageError(
                f"prompt {prompt!r}: this model was trained without words; leave the prompt out, "
                "or choose a model that reads"
            )
        return torch.from_numpy(embed(prompt, self.vocabulary).astype("float32"))[None]

    def denoiser(
        self, schedule: Schedule, prompt: str = "", guidance: float = 1.0
    ) -> NetworkDenoiser | GuidedDenoiser:
        """The network as a denoiser under ``schedule``, asked for ``prompt``.

        ``guidance`` is g: 1 for none (see ``guidance.GuidedDenoiser``).

        Raises
        ------
        UsageError, MissingRequirement
            As ``text`` does; and for guidance without a prompt.
        """
        free = NetworkDenoiser(self.network, schedule, self.prediction)
        text = self.text(prompt)
        if text is None:
            if guidance != 1:
                raise UsageError(f"guidance = {guidance} needs a prompt to guide towards")
            return free
        asked = NetworkDenoiser(self.network, schedule, self.prediction, text=text)
        return asked if guidance == 1 else GuidedDenoiser(asked, free, schedule, guidance)


def save_weights(
    path: Path,
    network: UNet,
    prediction: Prediction,
    facts: Facts,
    vocabulary: Vocabulary | None = None,
) -> str:
    """Write the weights of ``network`` as float16, whole; return their digest.

    With them go the embeddings of what the network was taught to read.
    """
    arrays = to_arrays({k: v.to(torch.float16) for k, v in network.state_dict().items()}, NETWORK)
    facts = {**facts, "network": network.config.as_dict(), "prediction": prediction}
    more_arrays, more_facts = vocabulary_arrays(vocabulary)
    return write_arrays(path, arrays | more_arrays, facts | more_facts, kind=WEIGHTS_KIND)


def vocabulary_arrays(vocabulary: Vocabulary | None) -> tuple[Arrays, Facts]:
    """What a file keeps of the captions that a network was taught."""
    if vocabulary is None:
        return {}, {}
    facts = {"captions": list(vocabulary.texts), "encoder": vocabulary.encoder}
    return {EMBEDDINGS: vocabulary.embeddings}, facts


def load_weights(path: Path) -> TrainedModel:
    """Read finished weights, or the averaged ones of a training's checkpoint, ready for inference.

    Raises
    ------
    DamagedFile
        When the content is not what was written, or does not fit a network.
    LectureError
        When the file is absent or cannot be read.
    """
    finished = kind_of(path) != CHECKPOINT_KIND
    arrays, facts, digest = read_arrays(path, kind=WEIGHTS_KIND if finished else CHECKPOINT_KIND)
    try:
        if not finished:
            facts = {**facts, **_facts_of_run(facts)}
        network = UNet(UNetConfig(**facts["network"]))
        weights = from_arrays(arrays, NETWORK if finished else AVERAGE)
        network.load_state_dict({k: v.to(torch.float32) for k, v in weights.items()})
        vocabulary = None
        if network.config.text:
            texts, encoder = tuple(facts["captions"]), facts["encoder"]
            vocabulary = Vocabulary(texts, np.array(arrays[EMBEDDINGS]), encoder)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedFile(f"{path} does not hold a network of this project: {error}") from error
    if facts.get("prediction") not in PREDICTIONS:
        raise DamagedFile(f"{path} does not say what its network predicts")
    network.eval().requires_grad_(False)
    # The captions are in the vocabulary; the facts go into every recording.
    facts = {key: value for key, value in facts.items() if key != "captions"}
    return TrainedModel(channels_last(network), facts["prediction"], vocabulary, facts, digest)


def _facts_of_run(facts: Facts) -> Facts:
    """The facts of finished weights, as far as a checkpoint knows them."""
    identity = facts["identity"]
    return {
        "network": identity["network"],
        "prediction": identity["settings"]["prediction"],
        "training": {**identity["settings"], "steps": facts["step"]},
        "data": identity["data"],
    }


def load_model(name: str) -> TrainedModel:
    """The model that ships under ``name``, or the weights at the path ``name``.

    Raises
    ------
    UsageError
        For a name that is neither, a pretrained pipeline's among them: what asks
        here works on a network of ours (see ``any_model.load_any_model``).
    """
    check_ours("this needs", name)
    return load_weights(weights_path(name))
