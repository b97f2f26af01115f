"""Training: what is learnt while the loss falls, and after its curve looks flat."""

from scenes.training.scene import Training

__all__ = ["Training"]
