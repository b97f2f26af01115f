"""What the scene says of its recordings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffusion_core.bundle import Bundle
from scenes.measures import begins_blurred
from scenes.stage.numbers import fixed

MILLION, BILLION = 10**6, 10**9
BETTER = 0.9
"""Share of a distance below which another one is called better."""
NEARLY = 0.2
"""Distance of pictures in −1 … 1 up to which one is almost the other."""

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


def counted(most: float) -> tuple[str, float]:
    """In which unit so many multiplications are counted."""
    return ("billion", BILLION) if most >= BILLION / 10 else ("million", MILLION)


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


def alone(bundle: Bundle) -> bool:
    """Whether no process on pixels stands beside that among latents: of a pretrained model."""
    return "pixels" not in bundle


def what_is_asked(bundle: Bundle) -> str:
    """The question of the scene."""
    if alone(bundle):
        return "Must a network that draws this picture judge every pixel, at every step?"
    return "To draw a picture, the network judges every pixel, at every step. Must it?"


def how_it_goes(bundle: Bundle) -> str:
    """The sentence on the process among latents."""
    few = f"{bundle.facts['costs']['latents']['numbers']:,}"
    if alone(bundle):
        return f"It goes step by step, as it would on pixels; only that it is {few} numbers."
    return f"The same schedule, the same steps as on pixels; only {few} numbers."


def what_is_watched(bundle: Bundle) -> str:
    """The sentence on what the decoder makes of the guesses."""
    if alone(bundle) and not begins_blurred(bundle["process"]):
        return "The decoder lets us watch: here is what it draws of each guess."
    return "The decoder lets us watch: its picture of the guess grows sharp."


def what_is_counted(bundle: Bundle, count: int) -> str:
    """The sentence before the multiplications add up, for so many pictures."""
    if alone(bundle):
        return f"What does it cost? Once more, for {count} pictures at once, and we count."
    return f"What does it save? Both ways again, {count} pictures each, and we count."


def how_small(bundle: Bundle) -> str:
    """The sentence that says what the encoder makes of the picture."""
    costs = bundle.facts["costs"]
    few, many = (f"{costs[what]['numbers']:,}" for what in ("latents", "pixels"))
    return f"An encoder squeezes this picture into a small grid: {few} numbers instead of {many}."


def how_true(bundle: Bundle) -> str:
    """The sentence on the picture that comes back."""
    off = bundle["returned"].facts["rms_to_picture"][0]
    if off <= NEARLY:
        return f"It comes back almost as it was: {percent(off)} off."
    return f"It does not come back as it was: {percent(off)} off."


def instead(bundle: Bundle) -> str:
    """The sentence on the picture that was only shrunk."""
    learnt, shrunk = (bundle[name].facts["rms_to_picture"][0] for name in ("returned", "enlarged"))
    numbers = f"{bundle['small'].states[0, 0, 0].size:,}"
    more = "loses more" if shrunk > learnt else "does as well here"
    if shrunk < BETTER * learnt:
        more = "does better here"
    return f"Shrinking it to {numbers} pixels {more}: that is {percent(shrunk)} off."


def what_is_lost(bundle: Bundle) -> str:
    """The sentence on the cell that was erased."""
    near = 100 * bundle["erased"].facts["share_near"][0]
    return f"Erase one cell of the grid, and {near:.0f} % of the change lies around its place."


def what_latents_cost(bundle: Bundle) -> str:
    """The sentence on the multiplications of one picture, where nothing stands beside it."""
    asked, whole = bundle["process"].facts["nfe"], float(spent(bundle, "process")[-1])
    unit, size = counted(whole)
    return (
        f"The network is asked {asked} times: {fixed(1)(whole / size)} {unit} multiplications for"
        " one picture, decoding included."
    )


def what_it_costs(bundle: Bundle) -> tuple[str, str]:
    """The sentences on the multiplications of one picture, on pixels and among latents."""
    pixels, latents = (spent(bundle, name)[-1] for name in ("pixels", "process"))
    steps = bundle["process"].steps
    first = f"{steps} steps on pixels: {billions(pixels)} billion multiplications for one picture."
    then = f"Among latents, {billions(latents)} billion, decoding included."
    if pixels >= 1.5 * latents:
        then = f"{then} That is {pixels / latents:.1f} times fewer."
    return first, then
