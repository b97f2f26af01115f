"""Own recordings: a folder with one file a sentence.

A recording is of a text.  Which one, its file's name says ("007-1f3a9c2e.wav",
as the sheet has it), or, where it is named by number alone, the folder's
index, which notes for each file what was to be read when it was recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from diffusion_core.errors import LectureError
from diffusion_core.files import digest_of, write_text
from studio.finished import file_digest
from studio.speakers import Speaker, write_wav
from studio.voices.sounds import SUFFIXES, read_sound

INDEX = "recordings.json"
"""The index of a folder: what each of its files says."""


def line_digest(text: str) -> str:
    """Eight hexadecimal digits that stand for a sentence as it is spoken."""
    return digest_of(" ".join(text.split()))[:8]


def folder_and_rest(which: str) -> tuple[Path, str]:
    """The folder in "FOLDER+espeak", and the voice that fills its gaps ("" for none)."""
    folder, plus, rest = which.rpartition("+")
    if not plus or Path(which).is_dir() or not re.match(r"(espeak|silent|piper|voiceover)\b", rest):
        return Path(which), ""
    return Path(folder), rest


@dataclass(frozen=True, slots=True)
class Changed:
    """A file whose text is no longer in the script; ``text`` is what it says, where that is known.

    ``number`` is the line that it was recorded for, where its name says.
    """

    file: Path
    number: int | None
    text: str


@dataclass(frozen=True)
class Recordings:
    """The recordings in a folder.

    Parameters
    ----------
    folder
        Where they are.
    contents
        SHA-256 of each file.
    index
        What files were noted to say when they had a certain content.
    """

    folder: Path
    contents: Mapping[Path, str]
    index: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, folder: Path) -> Recordings:
        """What is in ``folder``.

        Raises
        ------
        LectureError
            When it is no folder, cannot be read, or its index is damaged.
        """
        if not folder.is_dir():
            raise LectureError(f"{folder} is not a folder; name the one that holds the recordings")
        try:
            files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
            contents = {file: file_digest(file) for file in files if file.is_file()}
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            index = {
                name: {key: noted[key] for key in ("sha256", "text")}
                for name, noted in index.items()
            }
        except FileNotFoundError:
            index = {}
        except OSError as error:
            raise LectureError(f"{folder} cannot be read ({error.strerror or error})") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LectureError(
                f"{folder / INDEX} is damaged ({error!r}); delete it, and render.py script "
                "NAME --recordings writes it anew"
            ) from error
        return cls(folder, contents, index)

    def said_in(self, file: Path) -> str | None:
        """The digest of the text that ``file`` says; None where nobody has said which."""
        named = re.fullmatch(r"(?:.*[-_ ])?([0-9a-f]{8})", file.stem)
        if named:
            return named.group(1)
        noted = self.index.get(file.name, {})
        known = noted.get("sha256") == self.contents[file]
        return line_digest(noted["text"]) if known else None

    def by_text(self) -> dict[str, Path]:
        """The file of each text, by its digest.

        Raises
        ------
        LectureError
            When two files say one text.
        """
        found: dict[str, Path] = {}
        for file in self.contents:
            said = self.said_in(file)
            if said is None:
                continue
            if said in found:
                raise LectureError(
                    f"{found[said]} and {file.name} are recordings of one sentence; remove one"
                )
            found[said] = file
        return found

    def noted(self, lines: Sequence[str]) -> Recordings:
        """The same, once files that are named by number alone are taken for those ``lines``.

        A file that was noted before and has not changed since stays what it
        was, so that a script that has changed is noticed.  The index is written.

        Raises
        ------
        LectureError
            When the index cannot be written.
        """
        texts = {line_digest(text): text for text in lines}
        index = dict(self.index)
        for file, content in self.contents.items():
            said, number = self.said_in(file), number_of(file)
            if said is None and number is not None and 1 <= number <= len(lines):
                index[file.name] = {"sha256": content, "text": lines[number - 1]}
            elif said in texts:
                index[file.name] = {"sha256": content, "text": texts[said]}
        if index != self.index:
            text = json.dumps(index, indent=2, ensure_ascii=False, sort_keys=True)
            write_text(self.folder / INDEX, text + "\n")
        return Recordings(self.folder, self.contents, index)

    def changed(self, lines: Sequence[str]) -> list[Changed]:
        """Recordings of sentences that are not among ``lines``."""
        wanted = {line_digest(text) for text in lines}
        return [
            Changed(file, number_of(file), self.index.get(file.name, {}).get("text", ""))
            for said, file in self.by_text().items()
            if said not in wanted
        ]

    def missing(self, lines: Sequence[str]) -> list[tuple[int, str]]:
        """Those of ``lines`` that nobody has recorded, with their numbers."""
        found = self.by_text()
        return [(i, text) for i, text in enumerate(lines, 1) if line_digest(text) not in found]


def number_of(file: Path) -> int | None:
    """The line's number that a file's name begins with; None where it does not."""
    found = re.match(r"(\d{1,5})(?![0-9a-f])", file.stem)
    return int(found.group(1)) if found else None


def file_name(number: int, text: str) -> str:
    """What the recording of a line is to be called, without its suffix."""
    return f"{number:03}-{line_digest(text)}"


class RecordedSpeaker:
    """The recordings in a folder, and another voice for what is missing there, if one is named.

    Parameters
    ----------
    folder
        Where they are.
    rest
        Says what nobody has recorded; by default that is an error.

    Raises
    ------
    LectureError
        When the folder is not there, or holds two recordings of one sentence.
    """

    def __init__(self, folder: Path, rest: Speaker | None = None) -> None:
        self.recordings = Recordings.of(folder)
        self.files = self.recordings.by_text()
        self.rest = rest
        contents = {said: self.recordings.contents[file] for said, file in self.files.items()}
        self.name = f"recorded {digest_of(contents)[:12]}" + (f" + {rest.name}" if rest else "")

    def speak(self, text: str, path: Path) -> None:
        """Write the recording of ``text`` to ``path`` as a mono 16-bit WAV file.

        Raises
        ------
        LectureError
            When there is none, or it cannot be read.
        """
        file = self.files.get(line_digest(text))
        if file is not None:
            write_wav(path, *read_sound(file))
        elif self.rest is not None:
            self.rest.speak(text, path)
        else:
            raise self.lacking([(None, text)])

    def check(self, lines: Sequence[str]) -> None:
        """Find out before any work whether all ``lines`` can be said.

        Raises
        ------
        LectureError
            When some were not recorded and no other voice fills the gaps; names their files.
        """
        missing = self.recordings.missing(lines)
        if missing and self.rest is None:
            raise self.lacking(missing)

    def lacking(self, lines: Sequence[tuple[int | None, str]]) -> LectureError:
        """An error that names the files which are to be recorded."""
        named = [
            f"{file_name(number, text) if number else line_digest(text)}.wav (“{text}”)"
            for number, text in lines
        ]
        more = f" and {len(named) - 6} more" if len(named) > 6 else ""
        unbound = [file.name for file in self.recordings.contents if not self.bound(file)]
        hint = f"; {unbound[0]} is noted for no line yet" if unbound else ""
        return LectureError(
            f"{self.recordings.folder} lacks {', '.join(named[:6])}{more}{hint}: render.py script "
            "NAME --recordings FOLDER lists what to record, or add +espeak to the voice"
        )

    def bound(self, file: Path) -> bool:
        """Whether it is known what ``file`` says."""
        return self.recordings.said_in(file) is not None
