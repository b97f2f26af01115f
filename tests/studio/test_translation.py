"""Sentences in another language, their values, and catalogues in which nothing is lost."""

from __future__ import annotations

import pickle
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_core.errors import LectureError, UsageError
from diffusion_core.places import ROOT
from scenes.cues import Sentence
from studio.po_files import find_catalogue, language_of, load, update_catalogue
from studio.translation import Translation, mp4_language, template_of


def same(text: str) -> Sentence:
    return Sentence(text, text)


EQUAL = Sentence("At t = 496, they are equal.", "At t equals 496, they are equal.")
ASKED = same("We ask for “7 bold sevens”.")
SHARE = same("With 1,234.5 steps, 20 % are left.")


def fill(path: Path, **translations: str) -> None:
    """Write translations in, each by the beginning of its sentence."""
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    for number, block in enumerate(blocks):
        for beginning, text in translations.items():
            spoken = beginning.startswith("spoken_")
            begin = beginning.removeprefix("spoken_").replace("_", " ")
            if f'msgid "{begin}' in block and ('msgctxt "spoken"' in block) == spoken:
                blocks[number] = block.rpartition("msgstr")[0] + f'msgstr "{text}"\n'
    path.write_text("\n\n".join(blocks), encoding="utf-8")


def catalogue(folder: Path, *sentences: Sentence, name: str = "de.po") -> Path:
    path = folder / name
    update_catalogue(path, [("Somewhere, 0:01", one) for one in sentences])
    return path


# -- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "template", "values"),
    [
        ("At t = 496, half.", "At t = {0}, half.", ("496",)),
        ("60,000 digits, 7.5 times.", "{0} digits, {1} times.", ("60,000", "7.5")),
        ("It ends at 28×28.", "It ends at {0}×{1}.", ("28", "28")),
        ("We ask for “a 7”, in 2 steps.", "We ask for {0}, in {1} steps.", ("“a 7”", "2")),
        ("x0_hat, t2 and DPM-Solver++(2M).", "x0_hat, t2 and DPM-Solver++(2M).", ()),
        ("By −3 it falls.", "By −{0} it falls.", ("3",)),
    ],
)
def test_values_are_numbers_and_what_is_quoted(
    text: str, template: str, values: tuple[str, ...]
) -> None:
    assert template_of(text) == (template, values)


@given(st.text(alphabet="ab 0123456789.,“”=()M_", max_size=40))
def test_a_template_and_its_values_are_the_text_again(text: str) -> None:
    template, values = template_of(text)
    for number, value in enumerate(values):
        template = template.replace(f"{{{number}}}", value, 1)
    assert template == text


def test_one_translation_serves_every_value_as_the_language_writes_it(tmp_path: Path) -> None:
    path = catalogue(tmp_path, EQUAL, ASKED, SHARE)
    fill(
        path,
        At_t="Sie sind gleich bei t = {0}.",
        spoken_At_t="Sie sind gleich bei t gleich {0}.",
        We="{0} sei gewünscht.",
        With="{1} % sind nach {0} Schritten übrig.",
    )
    told = load(path)
    assert told.told(EQUAL) == Sentence(
        "Sie sind gleich bei t = 496.", "Sie sind gleich bei t gleich 496."
    )
    other = Sentence("At t = 258, they are equal.", "At t equals 258, they are equal.")
    assert told.told(other).caption == "Sie sind gleich bei t = 258."
    assert told.told(ASKED) == same("“7 bold sevens” sei gewünscht.")
    assert told.told(SHARE) == same("20 % sind nach 1.234,5 Schritten übrig.")
    assert pickle.loads(pickle.dumps(told)).told(SHARE) == told.told(SHARE)  # noqa: S301


def test_a_translation_with_other_places_is_refused(tmp_path: Path) -> None:
    path = catalogue(tmp_path, SHARE)
    fill(path, With="{0} Schritte")
    with pytest.raises(LectureError, match=r"“{0} Schritte” must have the same places"):
        load(path)


# -- what is missing -------------------------------------------------------------------------


def test_what_is_not_translated_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = catalogue(tmp_path, EQUAL, ASKED, same("Pure noise."))
    fill(path, At_t="Gleich bei t = {0}.", Pure="Reines Rauschen.")
    told = load(path)
    with pytest.raises(LectureError) as caught:
        told.check("story", [EQUAL, ASKED, same("Pure noise.")])
    message = str(caught.value)
    assert "2 of the 3 sentences of 'story'" in message
    assert "“At t = 496, they are equal.”, “We ask for “7 bold sevens”.”" in message
    assert f"render.py script story --to {path}" in message
    assert "Pure noise" not in message
    told.check("story", [same("Pure noise.")])
    with pytest.raises(LectureError, match="does not translate"):
        told.told(ASKED)


# -- catalogues ------------------------------------------------------------------------------


def test_an_update_loses_nothing_and_marks_what_has_changed(tmp_path: Path) -> None:
    goes, before = same("This one goes away altogether."), same("Noise is added at every step.")
    path = catalogue(tmp_path, before, goes, EQUAL)
    fill(path, Noise="In jedem Schritt kommt Rauschen dazu.", This="Dieser geht.", At_t="Bei {0}.")
    after = same("Noise is added at every single step.")
    updated = update_catalogue(path, [("There, 0:02", after), ("There, 0:04", EQUAL)])
    assert (updated.total, updated.translated, updated.fuzzy) == (3, 1, 1)
    text = path.read_text(encoding="utf-8")
    assert "#, fuzzy\n" in text
    assert "In jedem Schritt kommt Rauschen dazu." in text
    told = load(path)
    assert told.lacks(after)  # what is fuzzy is not said
    # What other options say is still translated, and so is what it was taken for.
    assert told.told(goes) == same("Dieser geht.")
    assert told.told(before) == same("In jedem Schritt kommt Rauschen dazu.")
    again = update_catalogue(path, [("There, 0:02", before), ("There, 0:04", goes)])
    assert (again.total, again.translated, again.fuzzy) == (2, 2, 0)


def test_the_same_update_twice_changes_no_byte(tmp_path: Path) -> None:
    path = catalogue(tmp_path, EQUAL, ASKED)
    fill(path, We="{0} bitte.")
    catalogue(tmp_path, EQUAL, ASKED)
    once = path.read_bytes()
    catalogue(tmp_path, EQUAL, ASKED)
    assert path.read_bytes() == once


def test_gettext_takes_the_catalogue_that_ships() -> None:
    shipped = ROOT / "translations" / "de.po"
    told = load(shipped)
    assert (told.language, told.point, told.comma) == ("de", ",", ".")
    try:
        command = ["msgfmt", "--check", "-o", "/dev/null", str(shipped)]
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("msgfmt is not installed")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"this is no catalogue\n", "is no gettext catalogue"),
        (b'msgid "a"\nmsgstr "\xff"\n', "is no gettext catalogue"),
        (b'msgid ""\nmsgstr "Language: nowhere\\n"\n\nmsgid "a"\nmsgstr "b"\n', "nowhere"),
    ],
)
def test_a_damaged_catalogue_is_an_error(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "de.po").write_bytes(content)
    with pytest.raises(LectureError, match=says):
        load(tmp_path / "de.po")


# -- where it is looked for ------------------------------------------------------------------


def test_a_catalogue_is_found_where_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = find_catalogue("de", "story", tmp_path / "out")
    assert shipped == ROOT / "translations" / "de.po"
    (tmp_path / "out").mkdir()
    beside = catalogue(tmp_path / "out", EQUAL, name="story.de.po")
    assert find_catalogue("de", "story", tmp_path / "out") == beside
    (tmp_path / "translations").mkdir()
    own = catalogue(tmp_path / "translations", EQUAL)
    assert find_catalogue("de", "story", tmp_path / "out") == beside  # it is the story's own
    assert find_catalogue("de", "tale", tmp_path / "out") == own.relative_to(tmp_path)
    assert find_catalogue(str(beside), "story", tmp_path) == beside
    with pytest.raises(LectureError, match=r"script story --to translations/story.fr.po"):
        find_catalogue("fr", "story", tmp_path / "out")
    with pytest.raises(LectureError, match=r"nowhere.po does not exist"):
        find_catalogue("nowhere.po", "story", tmp_path)


@pytest.mark.parametrize("name", ["sheet.po", "qq.po", "x.klingon.po", ".po"])
def test_a_catalogue_s_name_ends_with_a_language(name: str) -> None:
    with pytest.raises(UsageError, match="is no language"):
        language_of(Path(name))


def test_languages_have_their_codes_in_an_mp4() -> None:
    known = "de-deu en-eng fr-fra zh-zho ar-ara fa-fas nl-nld cs-ces et-est ro-ron hr-hrv sr-srp"
    known += " sq-sqi sw-swa lv-lav ms-msa ja-jpn pt-br-por"
    codes = {pair.rpartition("-")[0]: pair.rpartition("-")[2] for pair in known.split()}
    assert {language: mp4_language(language) for language in codes} == codes
    assert mp4_language("qq") == "und"


def test_what_is_said_is_in_the_digest(tmp_path: Path) -> None:
    path = catalogue(tmp_path, EQUAL, ASKED)
    before = load(path).digest
    fill(path, We="{0} bitte.")
    assert load(path).digest != before
    assert isinstance(load(path), Translation)
