"""Loops: which stretch of a scene, under which name, and in which words for a README."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from diffusion_core.errors import UsageError
from scenes.catalog import scene_entry
from scenes.cues import Chapter, Cue, Sentence
from scenes.options import SceneOptions
from studio.animated_image import FORMATS
from studio.loops import LoopOrder, LoopProduct, alt_text, kind_of
from studio.production import Order
from studio.quality import QUALITIES
from studio.workspace import alone

CAPTIONS = ("One.", "Two, with [x_t] in it.", "Three.")
CUES = tuple(
    Cue(start, start + 2, Sentence(caption, caption))
    for start, caption in zip((0.5, 4.0, 9.0), CAPTIONS, strict=True)
)
CHAPTER = Chapter("Title", 0.0, 12.0, CUES)
USUAL = Order("forward_process", SceneOptions(), QUALITIES["medium"], "silent")


def asked(order: Order = USUAL, **choices: object) -> LoopOrder:
    return LoopOrder(order, FORMATS["gif"], 5_000_000, **choices)  # type: ignore[arg-type]


# -- which stretch ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("beats", "start", "end", "said"),
    [((1, 1), 0.5, 4.0, [0]), ((1, 2), 0.5, 9.0, [0, 1]), ((3, 3), 9.0, 12.0, [2])],
)
def test_beats_go_until_the_next_begins_or_the_scene_ends(
    beats: tuple[int, int], start: float, end: float, said: list[int]
) -> None:
    wanted = (start, end, tuple(CUES[i] for i in said))
    assert asked(beats=beats).stretch(CHAPTER) == wanted


@pytest.mark.parametrize(
    ("seconds", "said"),
    [((0.0, 0.4), []), ((1.0, 3.0), [0]), ((3.0, 9.5), [1, 2]), ((0.0, 12.0), [0, 1, 2])],
)
def test_a_range_has_what_is_said_meanwhile(seconds: tuple[float, float], said: list[int]) -> None:
    assert asked(seconds=seconds).stretch(CHAPTER) == (*seconds, [CUES[i] for i in said])


def test_the_usual_stretch_is_that_of_the_table_of_contents() -> None:
    first, last = scene_entry("forward_process").loop
    cues = tuple(Cue(at, at + 1, Sentence(str(at), "")) for at in range(10))
    start, end, said = asked().stretch(Chapter("Title", 0, 10, cues))
    assert (start, end) == (first - 1, last)
    assert said == cues[first - 1 : last]


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"beats": (0, 1)}, "beats 0:1 are not among the 3 .* 1:3"),
        ({"beats": (2, 4)}, "beats 2:4 are not"),
        ({"beats": (3, 2)}, "beats 3:2 are not"),
        ({"seconds": (3.0, 12.1)}, r"--range 3:12\.1 goes beyond the 12\.00 s"),
    ],
)
def test_what_the_scene_does_not_have_is_refused(choice: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        asked(**choice).stretch(CHAPTER)


# -- under which name ---------------------------------------------------------------


def test_names_say_what_is_not_as_usual() -> None:
    seed = replace(USUAL, options=SceneOptions(seed=3))
    webm = replace(asked(), kind=FORMATS["webm"])
    names = {
        "forward_process-seed0.gif": asked(),
        "forward_process-seed3.gif": asked(seed),
        "forward_process-seed0-draft.gif": asked(replace(USUAL, quality=QUALITIES["draft"])),
        "forward_process-seed0-beats-2-3.gif": asked(beats=(2, 3)),
        "forward_process-seed0-range-2-3.5.gif": asked(seconds=(2.0, 3.5)),
        "forward_process-seed0.webm": webm,
    }
    for name, order in names.items():
        assert order.path == Path("media/forward_process") / name
    assert asked(replace(USUAL, output=Path("here"))).path == Path("here/forward_process-seed0.gif")
    assert asked(replace(USUAL, output=Path("a.gif")), beats=(1, 1)).path == Path("a.gif")


def test_what_is_beside_a_loop_is_beside_no_other() -> None:
    made = [LoopProduct(Path(name), "", {}, fresh=True) for name in ("a.gif", "a.webp", "b.gif")]
    files = [path for product in made for path in product.files]
    assert len(set(files)) == 9
    assert {Path("a.png"), Path("a.json")} & set(files) == set(), "they may be anybody's"


@pytest.mark.parametrize(
    ("given", "output", "name"),
    [
        (None, None, "gif"),
        (None, "a.webp", "webp"),
        (None, "A.AVIF", "avif"),
        ("webm", None, "webm"),
        ("webm", "folder", "webm"),
        ("gif", "a.gif", "gif"),
    ],
)
def test_the_format_is_what_was_said_or_what_the_output_ends_in(
    given: str | None, output: str | None, name: str
) -> None:
    assert kind_of(given, Path(output) if output else None) is FORMATS[name]


@pytest.mark.parametrize(("given", "output"), [(None, "a.mp4"), ("gif", "a.webp"), ("gif", "a.x")])
def test_a_format_that_contradicts_the_output_is_refused(given: str | None, output: str) -> None:
    with pytest.raises(UsageError, match=output):
        kind_of(given, Path(output))


# -- in which words -----------------------------------------------------------------


def test_the_alt_text_says_what_the_scene_shows_and_what_is_said() -> None:
    entry = scene_entry("forward_process")
    alt = alt_text(entry, CUES[:2])
    assert alt == f"{entry.title}: {entry.teaches}. One. Two, with [x_t] in it."


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("media/a.gif", r"![x\_t \[or so\]](media/a.gif)"),
        ("my (old) loops/a.webp", r"![x\_t \[or so\]](<my (old) loops/a.webp>)"),
        ("a.webm", r"[![x\_t \[or so\]](a.webm.png)](a.webm)"),
    ],
)
def test_what_is_pasted_is_markdown(path: str, line: str) -> None:
    assert LoopProduct(Path(path), "x_t [or so]", {}, fresh=True).markdown == line


# -- two at once --------------------------------------------------------------------


def test_who_comes_second_waits_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.gif"
    entered = threading.Event()

    def second() -> None:
        with alone(path):
            entered.set()

    with alone(path), alone(tmp_path / "another.gif"):
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.3)
    assert entered.wait(30)
    thread.join()
    [told] = caplog.messages
    assert f"{path} is being made by another command" in told
