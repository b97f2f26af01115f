"""Models that others have trained: diffusers pipelines, from a folder or the hub."""
