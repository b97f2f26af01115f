"""Words become numbers, the numbers steer the noise, and early on they decide."""

from scenes.text_to_image.scene import TextToImage

__all__ = ["TextToImage"]
