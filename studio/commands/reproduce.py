"""``reproduce``: what a manifest says, made again and compared."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import click
import cloup

from diffusion_core.errors import LectureError, UsageError
from studio.commands.options import JSON, QUIET
from studio.commands.reporting import report


@cloup.command("reproduce")
@cloup.argument("manifest", type=click.Path(path_type=Path), help="The .json beside what was made.")
@cloup.option(
    "--output",
    type=click.Path(path_type=Path),
    help="A folder that keeps what is made; it is removed otherwise.",
)
@JSON
@QUIET
@click.pass_context
def reproduce_command(
    context: click.Context, manifest: Path, output: Path | None, as_json: bool, quiet: bool
) -> None:
    """Make again what a manifest says, from nothing, and say whether it is identical.

    Relative paths of pictures and weights are taken from the present folder.
    What differs is named, and so is what it was made by and is no longer.
    """
    from studio.reproduce import read_past, reproduce

    past = read_past(manifest)
    group = context.find_root().command
    assert isinstance(group, click.Group)
    command = group.commands.get(past.command)
    options = {name for given in command.params for name in given.opts} if command else set()
    if command is None or command is context.command or "--output" not in options:
        raise UsageError(f"{manifest} is of the command {past.command!r}, which makes no such file")

    def run(name: str, arguments: Sequence[str]) -> None:
        more = ["--quiet"] if quiet and "--quiet" in options else []
        with _only_as_said(command, past.order), redirect_stdout(io.StringIO()):
            group.main([name, *more, *arguments], context.info_name, standalone_mode=False)

    found = reproduce(past, run, output)
    other = [f"{name}: {verdict}" for name, verdict in found.files.items()]
    verdict = "identical" if found.identical else "not identical"
    report(found.as_facts(), as_json, *other, *found.differences, verdict)
    if not found.identical:
        raise LectureError(f"what {manifest} says did not come out again; see above what differs")


@contextmanager
def _only_as_said(command: click.Command, order: dict[str, object]) -> Iterator[None]:
    """Of what the manifest names nothing is taken from the environment, however it keeps silent."""
    settings = {
        str(given.envvar)
        for given in command.params
        if given.envvar and (given.name in order or _long(given) in order)
    }
    before = {name: os.environ.pop(name) for name in settings if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


def _long(given: click.Parameter) -> str:
    """The name of an option as manifests have it: ``max_size`` for ``--max-size``."""
    return given.opts[0].removeprefix("--").replace("-", "_")
