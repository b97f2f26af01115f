"""What the recording of a U-turn says: what came back, from which t, how like the picture."""

from __future__ import annotations

from diffusion_core.bundle import Bundle
from diffusion_core.trajectory import Trajectory
from scenes.digits import DIGITS, a
from scenes.measures import ALIKE, coarse, correlation
from scenes.stage.seen import in_latents, pictures_of

MUCH, LITTLE = 0.5, 0.1
"""Shares of the variance that are the picture's: in little noise, and in almost nothing else."""
SAME = 0.9
"""Correlation from which on two pictures are said to be the same."""


def returns(bundle: Bundle) -> list[Trajectory]:
    """The ways back, from the least noise to the most."""
    return [run for name, run in bundle.items() if name != "forward"]


def digit_of(bundle: Bundle) -> int | None:
    """Which digit the picture is read as; None where it need not be one at all."""
    brought = (bundle.facts.get("recipe") or {}).get("image")
    return None if brought else bundle["forward"].facts.get("class")


def turning_class(bundle: Bundle, sample: int = 0) -> int | None:
    """The first way back of ``sample`` from which on another digit comes; None where none does."""
    mine = digit_of(bundle)
    if mine is None:
        return None
    other = [run.facts.get("final_class", [mine])[sample] != mine for run in returns(bundle)]
    return next((i for i in range(len(other)) if all(other[i:])), None)


def survivors(run: Trajectory, mine: int) -> int:
    """How many samples of a way back show the digit ``mine``."""
    classes: list[int] = run.facts["final_class"]
    return classes.count(mine)


def what_turned(bundle: Bundle) -> str:
    """The sentence that says when the picture turned into another."""
    mine = digit_of(bundle)
    first, ways = turning_class(bundle), returns(bundle)
    if mine is None:
        return what_is_left(bundle)
    if first is None:
        t = ways[-1].facts["turn"]
        return f"Even from t = {t}, this {DIGITS[mine]} came back as {a(mine)}."
    t, found = ways[first].facts["turn"], ways[first].facts["final_class"][0]
    return f"From t = {t}, it is another digit: {a(found)} came back."


def likeness(bundle: Bundle, way: Trajectory) -> tuple[float, float]:
    """How like the picture its first return is: of all pixels, and of the coarsest traits."""
    picture, end = pictures_of(bundle["forward"])[0, 0], pictures_of(way)[-1, 0]
    return correlation(picture, end), correlation(coarse(picture), coarse(end))


def away(way: Trajectory) -> str:
    """How far the first return is from the picture, as a sentence has it."""
    what = "its latent" if in_latents(way) else "the picture"
    return f"{way.facts['rms_to_x0'][0]:.2f} away from {what}"


def how_deep(bundle: Bundle) -> str:
    """The sentence on the way out."""
    least, *_, most = bundle["forward"].alpha_bar[1:]
    if least > MUCH and most < LITTLE:
        return "We bury the same picture in noise, from a little to almost everything."
    return "We bury the same picture in noise, each time a little deeper."


def how_near(bundle: Bundle) -> str:
    """The sentence on the return from the least noise."""
    way = returns(bundle)[0]
    t = way.facts["turn"]
    if likeness(bundle, way)[0] >= SAME:
        return f"From t = {t}, it is the same picture, almost to the pixel."
    return f"From t = {t}, what comes back is {away(way)}."


def what_goes(bundle: Bundle) -> str:
    """The sentence on the returns between the least noise and the most."""
    ways = returns(bundle)
    if all(fine < rough for fine, rough in (likeness(bundle, way) for way in ways[1:-1])):
        if digit_of(bundle) is not None:
            return "With more noise, the strokes begin to move: details are lost first."
        return "With more noise, less comes back: details are lost first."
    distances = [way.facts["rms_to_x0"][0] for way in ways]
    if sorted(distances) == distances:
        return "The more noise, the further is what comes back from the picture."
    return "And from more noise? The distance to the picture stands below each."


def what_is_left(bundle: Bundle) -> str:
    """The sentence on the return from the most noise, where nobody reads what it shows."""
    way = returns(bundle)[-1]
    alike, roughly = likeness(bundle, way)
    if alike < SAME and roughly >= ALIKE:
        return "Far enough out, what comes back has only its coarsest traits left."
    if alike < ALIKE:
        return f"From t = {way.facts['turn']}, another picture comes back."
    return f"From t = {way.facts['turn']}, what comes back is {away(way)}."


def what_is_repaired(bundle: Bundle) -> str:
    """The sentence on a damaged picture that returns from the least noise."""
    facts = returns(bundle)[0].facts
    if facts["hole_to_damaged"][0] < facts["hole_to_x0"][0]:
        return "Too little noise repairs nothing: the hole is faithfully brought back."
    return "From little noise, the place of the hole already looks more like before."


def what_changes(bundle: Bundle) -> str:
    """The sentence on what such a repair does to the rest."""
    first, *_, last = (way.facts["rest_to_x0"][0] for way in returns(bundle))
    if last > first:
        return "With enough noise to hide the hole, the rest of the picture changes too."
    return "And the rest of the picture? How far it has moved stands below."


def how_often(bundle: Bundle) -> str:
    """The sentence on all samples that turned back at the last t."""
    mine, last = digit_of(bundle), returns(bundle)[-1]
    samples = last.states.shape[1]
    if mine is None:
        return f"Other noise, another answer: here are {samples} returns for each t."
    kept = survivors(last, mine)
    said = "all" if kept == samples else "none" if kept == 0 else f"{kept} of {samples}"
    verb = "is" if kept == 1 else "are"
    return f"Try it with other noise: from the last t, {said} {verb} still {a(mine)}."


def aloud(sentence: str) -> str:
    """The sentence as it is said: "t = 800" is "t equals 800"."""
    return sentence.replace("t = ", "t equals ")
