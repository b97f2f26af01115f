"""Translations as gettext catalogues (``….po``): found, read, and kept up with a script."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from diffusion_core.errors import LectureError, UsageError
from diffusion_core.files import write_text
from diffusion_core.places import ROOT
from scenes.cues import Sentence
from studio.translation import PLACE, SPOKEN, Translation, template_of

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog, Message


def find_catalogue(language: str, name: str, folder: Path) -> Path:
    """The catalogue for ``--language``: a path, or one of those that lie where they are looked for.

    Parameters
    ----------
    language
        A path that ends in .po, or a language.
    name
        The scene or lecture.
    folder
        Where its video goes.

    Raises
    ------
    UsageError
        When there is no such language.
    LectureError
        When there is no such file.
    """
    if language.lower().endswith(".po"):
        if not Path(language).is_file():
            raise LectureError(f"{language} does not exist; {_writes_it(name, language)}")
        return Path(language)
    checked_language(language)
    names = (f"{name}.{language}.po", f"{language}.po")
    for file in names:
        for place in (Path("translations"), folder, ROOT / "translations"):
            if (place / file).is_file():
                return place / file
    raise LectureError(
        f"no translation of {name!r} into {language!r} is here: neither {names[0]} nor {names[1]} "
        f"is in translations/ or {folder}; {_writes_it(name, f'translations/{names[0]}')}"
    )


def _writes_it(name: str, path: str) -> str:
    return f"render.py script {name} --to {path} writes one to fill in"


def checked_language(language: str) -> str:
    """``language``, when there is one of that name.

    Raises
    ------
    UsageError
        When there is none.
    """
    from babel import Locale, UnknownLocaleError

    try:
        Locale.parse(language.replace("-", "_"))
    except (ValueError, UnknownLocaleError, TypeError) as error:
        raise UsageError(
            f"{language!r} is no language; name one by its code, such as de or pt-br, "
            "or a file that ends in .po"
        ) from error
    return language


def language_of(path: Path) -> str:
    """The language that a catalogue's name ends with: "de" of "introduction.de.po"."""
    return checked_language(path.stem.rpartition(".")[2])


def read_catalogue(path: Path) -> Catalog:
    """The catalogue at ``path``.

    Raises
    ------
    LectureError
        When it cannot be read.
    """
    from babel.messages.pofile import PoFileError, read_po

    try:
        return read_po(io.BytesIO(path.read_bytes()), abort_invalid=True)
    except OSError as error:
        raise LectureError(f"{path} cannot be read ({error.strerror or error})") from error
    except (PoFileError, ValueError) as error:
        raise LectureError(f"{path} is no gettext catalogue: {error}") from error


def load(path: Path) -> Translation:
    """The translation in a catalogue, without what is not translated or marked fuzzy.

    What is obsolete counts as well: a sentence that one choice of options does
    not say, another may.

    Raises
    ------
    LectureError
        When it cannot be read, names no language, or a translation has not the
        values of its sentence.
    """
    from babel.numbers import get_decimal_symbol, get_group_symbol

    catalogue = read_catalogue(path)
    language = str(catalogue.locale_identifier or language_of(path)).replace("_", "-").lower()
    checked_language(language)
    locale = language.replace("-", "_")
    captions: dict[str, str] = {}
    spoken: dict[str, str] = {}
    for message in [*catalogue.obsolete.values(), *catalogue]:
        if not message.id or not message.string or message.fuzzy:
            continue
        source, text = str(message.id), str(message.string)
        if sorted(set(PLACE.findall(text))) != sorted(set(PLACE.findall(source))):
            raise LectureError(
                f"{path}: the translation “{text}” must have the same places {{0}}, {{1}}, … as "
                f"“{source}”"
            )
        (spoken if message.context == SPOKEN else captions)[source] = text
    return Translation(
        language,
        path,
        captions,
        spoken,
        get_decimal_symbol(locale),
        get_group_symbol(locale),
    )


@dataclass(frozen=True, slots=True)
class Updated:
    """What a catalogue holds now, in messages."""

    total: int
    translated: int
    fuzzy: int
    obsolete: int


def update_catalogue(path: Path, told: Sequence[tuple[str, Sentence]]) -> Updated:
    """Write the sentences of a script into the catalogue at ``path``; nothing there is lost.

    Parameters
    ----------
    path
        The catalogue, ``….LANGUAGE.po`` or ``LANGUAGE.po``; it is made where there is none.
    told
        The sentences, each with where it is said.

    Raises
    ------
    UsageError
        When its name ends with no language.
    LectureError
        When it cannot be read or written.
    """
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import write_po

    language = language_of(path)
    catalogue = Catalog(
        locale=language.replace("-", "_"),
        project="diffusion-lectures",
        header_comment="# What the lectures say, translated.  {0}, {1}, … are values; keep them.",
        fuzzy=False,
    )
    before: dict[tuple[str | None, str], Message] = {}
    if path.exists():
        catalogue = read_catalogue(path)
        # What is said again is no longer obsolete.
        for message in catalogue.obsolete.values():
            if (message.context, message.id) not in ((m.context, m.id) for m in catalogue):
                catalogue[message.id] = message
        catalogue.obsolete.clear()
        before = {(m.context, str(m.id)): m for m in catalogue if m.id}
    catalogue.update(_template(told), update_creation_date=False)
    here = {(message.context, message.id) for message in catalogue}
    for (context, id_), message in before.items():
        # Babel drops what it offered, fuzzy, for a new sentence.
        if (context, id_) not in here and message.string:
            catalogue.obsolete[(id_, context) if context else id_] = message
    content = io.BytesIO()
    write_po(content, catalogue, width=96)
    write_text(path, content.getvalue().decode())
    messages = [message for message in catalogue if message.id]
    fuzzy = [message for message in messages if message.fuzzy]
    translated = [message for message in messages if message.string and not message.fuzzy]
    return Updated(len(messages), len(translated), len(fuzzy), len(catalogue.obsolete))


def _template(told: Sequence[tuple[str, Sentence]]) -> Catalog:
    from babel.messages.catalog import Catalog

    catalogue = Catalog(fuzzy=False)

    def add(text: str, where: str, context: str | None = None) -> None:
        template, values = template_of(text)
        comments = [where] + ([f"for example: {text}"] if values else [])
        if (found := catalogue.get(template, context)) is None:
            catalogue.add(template, auto_comments=comments, context=context)
        else:
            found.auto_comments = list(dict.fromkeys([*found.auto_comments, where]))

    for where, sentence in told:
        add(sentence.caption, where)
        if sentence.spoken != sentence.caption:
            add(sentence.spoken, f"{where}, as it is spoken", SPOKEN)
    return catalogue
