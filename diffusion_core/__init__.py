"""The mathematics, the models and the recordings behind the lectures.

Nothing here knows of manim, of the scenes or of the command line.  Importing
the package, a recipe or a trajectory does not import torch.
"""

import os

# Threads of torch that wait by spinning starve one another as soon as the machine does anything
# else: a training step was seen to take 25 times as long.  OpenMP reads this when torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
