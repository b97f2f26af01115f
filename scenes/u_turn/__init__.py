"""The U-turn: into the noise and back, and how much of a picture returns."""

from scenes.u_turn.scene import UTurn

__all__ = ["UTurn"]
