"""What the scene says of its recordings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffusion_core.bundle import Bundle
from scenes.stage.numbers import fixed

BILLION = 10**9

Floats = NDArray[np.float64]


def percent(rms: float) -> str:
    """A distance of pictures in −1 … 1 as a share of the way from black to white."""
    share = 100 * rms / 2
    return f"{share:.0f} %" if share >= 1 else f"{share:.1f} %"


def aloud(sentence: str) -> str:
    """The sentence as it is said."""
    return sentence.replace(" %", " percent")


def billions(multiplications: float) -> str:
    """As it is written and said, in billions."""
    return fixed(1)(multiplications / BILLION)


def spent(bundle: Bundle, name: str) -> Floats:
    """Multiplications for one sample of "pixels" or of "process", up to each state, (N + 1,).

    The last latent is decoded, and that is counted with the last step.
    """
    costs, run = bundle.facts["costs"], bundle[name]
    own = costs["latents"] if name == "process" else costs["pixels"]
    # Rules differ in how often they ask in a step; on average it is so often.
    values = np.linspace(0, run.facts["nfe"] * own["step"], run.steps + 1)
    values[-1] += own.get("decode", 0)
    return values


def how_small(bundle: Bundle) -> str:
    """The sentence that says what the encoder makes of the picture."""
    costs = bundle.facts["costs"]
    few, many = costs["latents"]["numbers"], costs["pixels"]["numbers"]
    return f"An encoder squeezes this picture into a small grid: {few} numbers instead of {many}."


def how_true(bundle: Bundle) -> str:
    """The sentence on the picture that comes back."""
    off = percent(bundle["returned"].facts["rms_to_picture"][0])
    return f"It comes back almost as it was: {off} off."


def instead(bundle: Bundle) -> str:
    """The sentence on the picture that was only shrunk."""
    learnt, shrunk = (bundle[name].facts["rms_to_picture"][0] for name in ("returned", "enlarged"))
    numbers = bundle["small"].states[0, 0].size
    more = "loses more" if shrunk > learnt else "does as well here"
    return f"Shrinking it to {numbers} pixels {more}: that is {percent(shrunk)} off."


def what_is_lost(bundle: Bundle) -> str:
    """The sentence on the cell that was erased."""
    near = 100 * bundle["erased"].facts["share_near"][0]
    return f"Erase one cell of the grid, and {near:.0f} % of the change lies around its place."


def what_it_costs(bundle: Bundle) -> tuple[str, str]:
    """The sentences on the multiplications of one picture, on pixels and among latents."""
    pixels, latents = (spent(bundle, name)[-1] for name in ("pixels", "process"))
    steps = bundle["process"].steps
    first = f"{steps} steps on pixels: {billions(pixels)} billion multiplications for one picture."
    then = f"Among latents, {billions(latents)} billion, decoding included."
    if pixels >= 1.5 * latents:
        then = f"{then} That is {pixels / latents:.1f} times fewer."
    return first, then
