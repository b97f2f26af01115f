"""``captions.csv``: what may be said of the pictures of a folder."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import torch

from diffusion_core.captions import Captions, normalised
from diffusion_core.errors import LectureError

TABLE = "captions.csv"
COLUMNS = ("file", "caption")


def read_table(path: Path) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The captions of each file that the table names, and what of it is unusable.

    UTF-8, with or without the mark that spreadsheets put in front; columns are
    separated by commas, and those besides ``file`` and ``caption`` are left
    alone.  A file with several captions has several rows.

    Returns
    -------
    captions
        File, as it is written there ↦ captions, as ``normalised`` spells them.
    skipped
        The rows that say nothing, each in one line.

    Raises
    ------
    LectureError
        When this is no such table, or cannot be read.
    """
    captions: dict[str, list[str]] = {}
    skipped: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            # Strict: an open quotation mark would swallow the rows behind it in silence.
            table = csv.DictReader(opened, strict=True, skipinitialspace=True)
            _check_columns(path, table.fieldnames or ())
            for row in table:
                file, caption = ((row[column] or "").strip() for column in COLUMNS)
                reason = _unusable(row, file, caption)
                if reason:
                    skipped.append(f"{path.name}, line {table.line_num}: {reason}")
                    continue
                said = captions.setdefault(file, [])
                if normalised(caption) not in said:
                    said.append(normalised(caption))
    except UnicodeDecodeError as error:
        raise LectureError(
            f"{path} is not UTF-8 ({error.reason} at byte {error.start}); save it as CSV in UTF-8"
        ) from error
    except csv.Error as error:
        raise LectureError(
            f"{path} is no table ({error}, after line {table.line_num}); close its quotation "
            "marks, and write one that is meant twice"
        ) from error
    except OSError as error:
        raise LectureError(f"{path} cannot be read ({error.strerror or error})") from error
    return {file: tuple(said) for file, said in captions.items()}, skipped


def _check_columns(path: Path, found: Sequence[str]) -> None:
    missing = [column for column in COLUMNS if column not in found]
    if missing:
        columns = ", ".join(map(repr, found)) if found else "it is empty"
        raise LectureError(
            f"{path} has no column {missing[0]!r} (its first line: {columns}); begin it with "
            f"{','.join(COLUMNS)}, separated by a comma"
        )


def _unusable(row: dict[str | None, object], file: str, caption: str) -> str:
    """Why a row says nothing; "" of one that does."""
    if None in row:
        return "it has more fields than there are columns; put captions with commas in quotes"
    if not file:
        return "it names no file"
    if not normalised(caption):
        return f"it says nothing of {file}"
    return ""


def captions_of(said: Sequence[tuple[str, ...]]) -> Captions:
    """The captions of each picture, in the pictures' order, as a vocabulary and indices.

    Pictures of which the same may be said are one group; where there is less to say
    than of others, it is said again.
    """
    groups = {row: group for group, row in enumerate(dict.fromkeys(said))}
    texts = {text: i for i, text in enumerate(dict.fromkeys(t for row in groups for t in row))}
    longest = max(map(len, groups))
    wordings = [[texts[row[k % len(row)]] for k in range(longest)] for row in groups]
    return Captions(
        tuple(texts),
        torch.tensor(wordings, dtype=torch.int64),
        torch.tensor([groups[row] for row in said], dtype=torch.int64),
    )
