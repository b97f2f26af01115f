"""What a lecturer would not show is found, and what one would show is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from manim import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    Circle,
    Dot,
    FadeIn,
    Group,
    Indicate,
    Line,
    PMobject,
    Rectangle,
    SurroundingRectangle,
    Text,
    Transform,
    Typst,
    ValueTracker,
    tempconfig,
)
from manim.renderer.cairo_renderer import CairoRenderer

from scenes.options import SceneOptions
from scenes.stage.camera import StageCamera
from scenes.stage.checks.boxes import boxes_of
from scenes.stage.checks.findings import Finding
from scenes.stage.checks.watcher import Watcher
from scenes.stage.layout import CAPTIONS, FRAME, STAGE, on_purpose, px
from scenes.stage.lecture_scene import LectureScene, SceneInputs
from scenes.stage.lettering import SMALL_SIZE, Lettering
from scenes.stage.numbers import Readout, whole
from scenes.stage.theme import DARK, MIN_CONTRAST, THEMES, contrast
from scenes.stage.tiles import Frames, Panel, Tile
from studio.performance import settings
from studio.quality import QUALITIES
from tests.scenes.conftest import Reader

LETTERS = Lettering(DARK)


@pytest.fixture(scope="module", autouse=True)
def frame(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with tempconfig(settings(QUALITIES["draft"], tmp_path_factory.mktemp("manim"))):
        yield


def found(tell: Callable[[LectureScene], None], theme: str = "dark") -> tuple[Finding, ...]:
    """What is found in a scene that is told so."""

    class Told(LectureScene):
        def construct(self) -> None:
            tell(self)

    watcher = Watcher("told")
    inputs = SceneInputs("Told", SceneOptions(theme=theme), {}, Reader(), watcher)
    renderer = CairoRenderer(camera_class=StageCamera, skip_animations=True)
    scene = Told(inputs, renderer)
    scene.render()
    return watcher.findings(scene.cues, scene.now)


def shown(*mobjects: Any, theme: str = "dark") -> tuple[Finding, ...]:
    """What is found where these are on the stage, at a good pace."""

    def tell(scene: LectureScene) -> None:
        with scene.beat("Look at this."):
            scene.appear(*mobjects)

    return found(tell, theme)


def tile(level: float = 0.0, cells: int = 20) -> Tile:
    """A tile of one grey, −1 black … 1 white."""
    return Tile(Frames.of(np.full((2, 1, cells, cells), level)), 6)


def words(text: str, **options: Any) -> Typst:
    return LETTERS.words(text, **options)


def rules(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in findings]


def only(findings: tuple[Finding, ...], rule: str) -> str:
    """What the only finding says."""
    assert rules(findings) == [rule], "\n".join(map(str, findings))
    return findings[0].what


# -- what is shown as it should be -----------------------------------------------------


def test_a_good_stage_has_no_finding() -> None:
    """A labelled tile with its border, a playhead on its axis, a point on its curve."""
    panel = Panel(
        tile(),
        colour=DARK.noise,
        label=LETTERS.maths("hat(epsilon)", colour=DARK.noise),
        words=words("the noise it sees", size=SMALL_SIZE, colour=DARK.quiet),
    )
    STAGE.put(panel)
    readout = Readout(LETTERS, "t", lambda: 496.0, whole)
    readout.next_to(panel, DOWN, buff=px(20))
    axis = Line(LEFT * 4, RIGHT * 4).next_to(readout, DOWN, buff=px(20))
    knob = Dot(axis.get_center(), radius=px(9))
    curve = Circle(radius=1).next_to(panel, RIGHT, buff=px(40))
    point = Dot(curve.get_right())
    assert shown(panel, readout, axis, knob, curve, point) == ()


def test_what_cannot_be_seen_is_not_in_the_way() -> None:
    far = Circle().shift(RIGHT * 30).set_stroke(opacity=0)
    ghost = words("nobody sees this").set_opacity(0)
    hidden = tile().set_opacity(0)
    assert shown(words("what is seen"), ghost, hidden, far, ValueTracker(999)) == ()


# -- frame and captions ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "across", "down"), [("left", 0, 0.5), ("right", 1, 0.5), ("top", 0.5, 0)]
)
def test_what_leaves_the_frame_is_found(side: str, across: float, down: float) -> None:
    said = only(shown(words("far out").move_to(FRAME.point(across, down))), "frame")
    assert f"over the {side} edge" in said
    assert "'far out'" in said


def test_a_picture_and_a_cloud_that_leave_the_frame_are_found() -> None:
    cloud = PMobject().add_points([[0, 0, 0], [9, 0, 0]])
    assert rules(shown(tile().move_to(FRAME.point(0.01)), cloud)) == ["frame", "frame"]


def test_a_line_counts_at_its_full_width() -> None:
    level = FRAME.point(0.5, 0)[1] - px(3)
    line = Line([-1, level, 0], [1, level, 0], stroke_width=4)
    assert shown(line) == ()
    assert "top edge" in only(shown(line.set_stroke(width=20)), "frame")


def test_what_lies_under_the_captions_is_found() -> None:
    low = words("too low").move_to(CAPTIONS.point(0.5, 0.2))
    assert "captions' place" in only(shown(low), "captions")
    assert shown(words("just above").next_to(CAPTIONS.point(0.5, 0), UP, buff=px(2))) == ()


# -- overlap ---------------------------------------------------------------------------


def test_words_over_words_are_found() -> None:
    said = only(shown(words("one thing"), words("another").shift(UP * px(10))), "overlap")
    assert "'one thing'" in said
    assert "'another'" in said
    assert "overlaps by" in said


def test_words_that_run_together_are_found_and_a_gap_is_enough() -> None:
    left, right = words("left"), words("right")
    right.next_to(left, RIGHT, buff=px(2))
    assert "only 2 px from" in only(shown(left, right), "overlap")
    assert shown(left, right.next_to(left, RIGHT, buff=px(6))) == ()


def test_glyphs_count_and_not_the_box_round_them() -> None:
    """A number may stand in the hollow of a formula's box."""
    formula = LETTERS.maths("sum_(k=1)^n x")
    low = words("a").next_to(formula[-1], UP, buff=px(8))
    boxes = boxes_of([m.points for m in (formula, low) for m in m.family_members_with_points()])
    assert low.get_top()[1] < formula.get_top()[1]
    assert len(boxes) == len(formula.family_members_with_points()) + 1
    assert shown(formula, low) == ()


def test_words_over_a_tile_are_found_unless_that_is_meant() -> None:
    panel = Panel(tile(-1), colour=DARK.line, label=LETTERS.maths("x_t"))
    over = words("over").move_to(panel.tile)
    said = only(shown(panel, over), "overlap")
    assert "tile formula 'x_t'" in said
    assert shown(panel, on_purpose(over)) == ()


def test_a_tile_over_a_tile_is_found_and_one_exactly_over_another_is_not() -> None:
    one, other = tile(), tile(1)
    assert shown(one, other) == ()
    assert "Tile of 120×120 px" in only(shown(one, other.copy().shift(RIGHT * px(30))), "overlap")
    assert shown(one, other.copy().next_to(one, RIGHT, buff=0)) == ()
    assert rules(shown(one, other.copy().set_opacity(0.5))) == ["overlap"]


def test_a_line_through_words_is_found_and_a_box_round_them_is_not() -> None:
    said = words("read this")
    through = Line(said.get_corner(DOWN + LEFT), said.get_corner(UP + RIGHT))
    assert "runs through 'read this'" in only(shown(said, through), "overlap")
    assert shown(said, SurroundingRectangle(said, buff=px(6))) == ()
    assert shown(said, Line(said.get_left(), said.get_right()).next_to(said, DOWN, px(3))) == ()
    # A slanting line whose box holds the words, but which passes them by.
    assert shown(said, Line([-3, -3.0, 0], [5, 2.5, 0])) == ()
    assert shown(said, on_purpose(through)) == ()


def test_points_in_words_are_found() -> None:
    said = words("read this")
    cloud = PMobject().add_points([said[0].get_center(), [3, 1, 0]])
    assert only(shown(said, cloud), "overlap").startswith("1 points of PMobject")


def test_a_solid_plate_parts_what_lies_over_it_from_what_lies_under() -> None:
    below, above = tile(1), words("on a plate")
    line = Line([-3, 0, 0], [3, 0, 0])
    plate = SurroundingRectangle(
        above, buff=px(8), fill_color=DARK.background, fill_opacity=1, stroke_width=0
    )
    assert shown(below, line, plate, above) == ()
    assert set(rules(shown(below, line, above))) == {"overlap", "contrast"}


def test_the_same_words_twice_at_one_place_are_one() -> None:
    assert shown(words("once"), words("once")) == ()


# -- size ------------------------------------------------------------------------------


def test_small_words_are_found_however_they_became_small() -> None:
    assert "24.0 points" in only(shown(words("tiny", size=24)), "size")
    assert "14.0 points" in only(shown(words("shrunk", size=28).scale(0.5)), "size")
    assert "20.0 points" in only(shown(Text("by manim", font_size=20)), "size")
    assert "20.0 points" in only(shown(Typst("by manim", font_size=20, color="#ffffff")), "size")
    assert shown(LETTERS.maths("x_(t-1)", size=SMALL_SIZE)) == ()  # indices may be smaller
    assert shown(words("turned", size=SMALL_SIZE).rotate(0.7)) == ()


def test_a_small_readout_is_found() -> None:
    readout = Readout(LETTERS, "t", lambda: 7.0, whole, size=20)
    assert "readout t = 7" in only(shown(readout), "size")


def test_words_that_become_others_keep_their_size() -> None:
    """manim gives them the others' outlines, of another height."""
    one, other = words("ace", size=SMALL_SIZE), words("Quality", size=SMALL_SIZE)

    def tell(scene: LectureScene) -> None:
        with scene.beat("One becomes the other."):
            scene.appear(one)
            scene.play(Transform(one, other))

    assert found(tell) == ()


# -- contrast --------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_faint_words_are_found(theme: str) -> None:
    colours = THEMES[theme]
    ratio = contrast(colours.line, colours.background)
    assert ratio < MIN_CONTRAST
    said = only(shown(words("faint", colour=colours.line), theme=theme), "contrast")
    assert f"{ratio:.1f}:1 ({colours.line} on {colours.background})" in said
    for colour in colours.readable().values():
        assert shown(words("clear", colour=colour), theme=theme) == ()


def test_opacity_counts_and_words_may_recede_a_little() -> None:
    assert shown(words("receding").set_opacity(0.5)) == ()
    assert "less than 3:1" in only(shown(words("gone").set_opacity(0.25)), "contrast")


def test_what_lies_under_and_over_words_counts() -> None:
    said = words("on white")
    white = Rectangle(width=5, height=2, fill_opacity=1, fill_color="#ffffff", stroke_width=0)
    assert "on #ffffff" in only(shown(white, said), "contrast")
    assert "1.0:1" in only(shown(said, white), "contrast")  # hidden
    assert shown(said, white.copy().set_fill(opacity=0.1)) == ()
    on_black, on_white = (tile(level).scale(2) for level in (-1, 1))
    assert shown(on_black, on_purpose(words("label"))) == ()
    assert only(shown(on_white, on_purpose(words("label"))), "contrast").startswith("'label'")


def test_one_faint_part_of_a_formula_is_found() -> None:
    formula = LETTERS.maths("a + {{ b : faint }}", faint=DARK.line)
    assert "'a + b'" in only(shown(formula), "contrast")


def test_what_is_lifted_counts_as_over_what_is_not() -> None:
    plate = Rectangle(width=5, height=2, fill_opacity=1, fill_color="#ffffff", stroke_width=0)
    assert "1.0:1" in only(shown(words("under"), plate), "contrast")
    lifted = words("over", colour="#000000").set_z_index(3)
    assert shown(lifted, plate) == ()
    assert shown(Group(lifted), plate) == ()


# -- what manim takes apart ------------------------------------------------------------


def test_a_part_of_a_formula_that_was_lit_is_still_a_part_of_it() -> None:
    """manim then takes the formula apart; its glyphs are no shapes that run through words."""
    formula = LETTERS.maths("{{ x_t : seen }} = sqrt(macron(alpha)_t) x_0", size=40)
    panel = Panel(tile(), colour=DARK.line, label=formula)
    left = []

    def tell(scene: LectureScene) -> None:
        with scene.beat("Look at this part of it."):
            scene.appear(panel)
            scene.play(Indicate(formula.select("seen"), color=DARK.signal))
            left.extend(scene.mobjects)

    assert found(tell) == ()
    assert panel not in left
    assert formula not in left

    def tell_small(scene: LectureScene) -> None:
        with scene.beat("Look at this part of it."):
            scene.play(FadeIn(formula.scale(0.5).select("seen")))

    assert "'x_t = sqrt(macron(alpha)_t) x_0'" in only(found(tell_small), "size")


def test_a_copy_is_a_text_of_its_own() -> None:
    said = words("twice")
    assert shown(said, said.copy().shift(DOWN)) == ()
    assert rules(shown(said, said.copy().shift(DOWN * px(10)))) == ["overlap"]


# -- pace ------------------------------------------------------------------------------


def test_a_scene_that_stands_still_is_found() -> None:
    def tell(scene: LectureScene) -> None:
        with scene.beat("Something comes."):
            scene.appear(words("here"))
        with scene.beat("And then we talk about it for quite a while, and nothing comes or goes."):
            scene.rest(1)

    [finding] = found(tell)
    assert (finding.rule, finding.beat) == ("pace", 1)
    assert "nothing moves for" in finding.what


def test_updaters_that_count_time_move_something() -> None:
    def tell(scene: LectureScene) -> None:
        clock = ValueTracker(0)
        clock.add_updater(lambda tracker, dt: tracker.increment_value(dt))
        with scene.beat("A clock ticks while this long sentence is said, and it goes on and on."):
            scene.appear(words("here"))
            scene.add(clock)
            scene.wait(6)

    assert found(tell) == ()


# -- what is said of it ----------------------------------------------------------------


def test_a_finding_names_scene_beat_and_objects_once() -> None:
    def tell(scene: LectureScene) -> None:
        with scene.beat("All is well."):
            scene.appear(words("fine"))
        with scene.beat("Here it goes wrong."):
            scene.appear(words("stray").shift(LEFT * px(20)))
        with scene.beat("And it stays wrong."):
            scene.appear(words("below").shift(DOWN))

    [finding] = found(tell)
    assert str(finding).startswith("told, beat 2 ('Here it goes wrong.'): overlap: 'fine' (x ")
    assert "'stray'" in str(finding)


def test_nobody_looks_where_nobody_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*_: object) -> None:
        raise AssertionError("looked")

    monkeypatch.setattr(Watcher, "look", look)

    class Bad(LectureScene):
        def construct(self) -> None:
            self.appear(words("tiny", size=9))

    inputs = SceneInputs("Bad", SceneOptions(), {}, Reader())
    Bad(inputs, CairoRenderer(camera_class=StageCamera, skip_animations=True)).render()
