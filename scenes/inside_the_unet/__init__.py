"""Inside the U-Net: what stands where while it answers, and what each part is good for."""

from scenes.inside_the_unet.scene import InsideTheUnet

__all__ = ["InsideTheUnet"]
