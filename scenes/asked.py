"""What a run was asked for, on the stage: the prompt, and what of it was not read."""

from __future__ import annotations

from manim import DOWN, RIGHT, FadeOut, Indicate, Mobject, Typst

from diffusion_core.bundle import Bundle, Recorded
from diffusion_core.trajectory import Trajectory
from scenes.stage.layout import TITLE, Zone, px
from scenes.stage.lecture_scene import Beat, LectureScene
from scenes.stage.lettering import SMALL_SIZE
from scenes.stage.quoting import quoted

CORNER = Zone(TITLE.left, TITLE.top, TITLE.right, 120)
LONG = 3.0
"""Seconds for which words may stand still while they are spoken of."""
SHOWN, UNREAD = 36, 48
"""Letters of a prompt in the corner, and of what of it was not read."""


def left_out(run: Trajectory) -> tuple[str, str]:
    """What the model's text encoders did not read of the prompt, and the sentence on it.

    Both empty where it was read to its end.
    """
    unread = run.facts.get("unread") or []
    if not unread:
        return "", ""
    told = max(unread, key=lambda one: int(one["tokens"]))
    rest = quoted(str(told["unread"]), UNREAD)
    who = f"The text encoder{' reads' if len(unread) == 1 else 's read'}"
    return rest, f"{who} only {told['tokens']} tokens of that. Left out is {rest}."


def say_what_is_left_out(
    scene: LectureScene, run: Trajectory, asked: Mobject | None = None
) -> None:
    """Say what of the prompt was not read, if anything.

    It stands under ``asked``, or in the corner of the title strip.
    """
    rest, sentence = left_out(run)
    if not sentence:
        return
    note = scene.lettering.words(f"not read: {rest}", size=SMALL_SIZE, colour=scene.theme.quiet)
    CORNER.put(note, 1, 1)
    if asked is not None:
        note.next_to(asked, DOWN, buff=px(10))
    left, right = (TITLE.point(side, 0)[0] for side in (0, 1))
    note.shift((max(0.0, left - note.get_left()[0]), 0, 0))
    note.shift((min(0.0, right - note.get_right()[0]), 0, 0))
    with scene.beat(sentence) as beat:
        scene.appear(note, seconds=0.8)
        point_at_words(scene, note, beat)
    scene.play(FadeOut(note), run_time=0.4)


def point_at_words(scene: LectureScene, words: Mobject, beat: Beat) -> None:
    """Draw the eye to words, again and again while a long sentence about them is said."""
    scene.play(Indicate(words, color=scene.theme.text, scale_factor=1.02))
    while beat.left > LONG:
        scene.play(Indicate(words, color=scene.theme.text, scale_factor=1.02), run_time=LONG / 2)


def in_the_corner(
    scene: LectureScene, run: Recorded, *, beside_title: bool = False
) -> tuple[Typst, ...]:
    """What was asked for, in the corner of the title strip; nothing where nothing was.

    ``beside_title`` leaves the corner to something tall.
    """
    first = next(iter(run.values())) if isinstance(run, Bundle) else run
    recipe = run.facts.get("recipe") or first.facts.get("recipe") or {}
    prompt = str(recipe.get("prompt", ""))
    if not prompt:
        return ()
    text = f"asked for {quoted(prompt, SHOWN)}"
    if first.facts.get("unread"):
        text = f"asked for the beginning of {quoted(prompt, SHOWN - 12)}"
    label = scene.lettering.words(text, size=SMALL_SIZE, colour=scene.theme.guidance)
    CORNER.put(label, 1, 1)
    if beside_title:
        title = scene.heading("?")[0]
        label.next_to(title, RIGHT, buff=px(40)).match_y(title)
    return (label,)
