"""The mathematics, the models and the recordings behind the lectures.

Nothing here knows of manim, of the scenes or of the command line.  Importing
the package, a recipe or a trajectory does not import torch.
"""
