"""``script``: what is to be read, recorded or translated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from diffusion_core.errors import UsageError
from scenes.catalog import LECTURES, scene_entry
from scenes.options import CUTS
from studio.commands.options import JSON, LANGUAGE, QUIET, RUN, USUAL, option
from studio.commands.orders import place_order
from studio.commands.reporting import display, report

if TYPE_CHECKING:
    from studio.script import Line
    from studio.voices.recorded import Recordings

KINDS = (".md", ".csv", ".po")


@cloup.command("script")
@cloup.argument("name", help="A scene or a lecture (see `list`).")
@RUN
@cloup.option_group(
    "What is read",
    LANGUAGE,
    option("--cut", type=click.Choice(CUTS), default=USUAL.cut),
    cloup.option(
        "--to",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A sheet (….md, ….csv), or a gettext catalogue to translate in (de.po).",
    ),
    cloup.option(
        "--recordings",
        type=click.Path(path_type=Path),
        help="A folder of recordings: say which lines are missing there, or have changed.",
    ),
)
@JSON
@QUIET
def script_command(
    name: str,
    to: Path | None,
    recordings: Path | None,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Print the sheet to read a narration from, or write the sentences to be translated."""
    from studio.po_files import language_of
    from studio.production import check_writable, record
    from studio.script import lines_of
    from studio.telling import script_of
    from studio.voices.recorded import Recordings

    if name not in LECTURES:
        scene_entry(name)
    if to is not None and to.suffix.lower() not in KINDS:
        raise UsageError(f"--to {to} must end in {', '.join(KINDS)}")
    rest = {"theme": USUAL.theme, "quality": "draft", "voice": "silent", "output": None}
    order = place_order(name, {**chosen, **rest})
    catalogue = to if to is not None and to.suffix.lower() == ".po" else None
    if catalogue is not None:
        language_of(catalogue)
    if to is not None:
        check_writable(to)
    read = Recordings.of(recordings) if recordings is not None else None
    translation = order.translation if catalogue is None else None
    parts = {"recording": list(order.recipes()), "speaking": list(order.scenes)}
    with display(parts, quiet=quiet) as shown:
        chapters = script_of(order, record(order.recipes(), shown), shown)
    if catalogue is not None:
        write_catalogue(name, catalogue, lines_of(chapters), as_json)
        return
    if translation is not None:
        translation.check(name, (cue.sentence for chapter in chapters for cue in chapter.cues))
    write_sheet(order.entry.title, to, lines_of(chapters, translation), read, as_json)


def write_catalogue(name: str, path: Path, lines: Sequence[Line], as_json: bool) -> None:
    """Write what is to be translated, and report how far it is."""
    from studio.po_files import update_catalogue
    from studio.script import told_where

    updated = update_catalogue(path, [(told_where(line), line.source) for line in lines])
    open_ = updated.total - updated.translated
    facts = {
        "catalogue": str(path),
        "messages": updated.total,
        "translated": updated.translated,
        "fuzzy": updated.fuzzy,
        "obsolete": updated.obsolete,
    }
    report(
        facts,
        as_json,
        f"{path}: {updated.translated} of {updated.total} messages are translated; {open_} to do, "
        f"of which {updated.fuzzy} are fuzzy (an old translation to be checked)",
        f"then: render.py {'lecture' if name in LECTURES else 'scene'} {name} --language {path}",
    )


def write_sheet(
    title: str, to: Path | None, lines: Sequence[Line], read: Recordings | None, as_json: bool
) -> None:
    """Print or write the sheet, and report what is recorded."""
    from diffusion_core.files import write_text
    from studio.script import as_csv, as_markdown

    facts: dict[str, Any] = {"lines": [line.facts for line in lines]}
    told: list[str] = []
    status: dict[int, str] = {}
    if read is not None:
        status, about = compare(read, lines)
        facts["recordings"] = about
        for line in facts["lines"]:
            line["status"] = status[line["number"]]
        told.append(
            f"{read.folder}: {about['recorded']} of {len(lines)} lines are recorded; "
            f"{len(about['missing'])} missing, {len(about['changed'])} changed"
        )
        told += [f"  {what}" for what in about["missing"] + about["changed"]]

    def known(line: Line) -> str:
        return status.get(line.number, "")

    sheet = as_markdown(lines, title, known)
    if to is not None:
        write_text(to, as_csv(lines, known) if to.suffix.lower() == ".csv" else sheet)
        facts["sheet"] = str(to)
        told.insert(0, f"{to} ({len(lines)} lines)")
    else:
        told.insert(0, sheet)
    report(facts, as_json, *told)


def compare(read: Recordings, lines: Sequence[Line]) -> tuple[dict[int, str], dict[str, Any]]:
    """What is known of each line's recording, by its number, and all of it in words."""
    texts = [line.sentence.spoken for line in lines]
    read = read.noted(texts)
    changed = read.changed(texts)
    lacking = dict(read.missing(texts))
    before = {one.number: one for one in changed if one.number in lacking}
    status = {
        line.number: "recorded"
        if line.number not in lacking
        else ("changed" if line.number in before else "missing")
        for line in lines
    }
    facts = {
        "folder": str(read.folder),
        "recorded": len(lines) - len(lacking),
        "missing": [
            f"{line.file}: “{line.sentence.spoken}”"
            for line in lines
            if status[line.number] == "missing"
        ],
        "changed": [
            f"{one.file.name} says “{one.text or 'another sentence'}”"
            + (
                f", the script “{texts[one.number - 1]}”: record it anew as "
                f"{lines[one.number - 1].file}"
                if one.number in lacking
                else ", which the script does not"
            )
            for one in changed
        ],
    }
    return status, facts
