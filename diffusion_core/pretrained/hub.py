"""Models of the hub: found in its cache, or fetched into it, whole or not at all; no torch.

A name without a revision means the commit that was fetched first: nothing is
asked of the hub again, and the same command does the same tomorrow.
``name@main`` asks what is newest.
"""

from __future__ import annotations

import glob
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from diffusion_core.errors import LectureError
from diffusion_core.pretrained.layout import check_index, choose, files_in
from diffusion_core.pretrained.names import INDEX, HubName
from diffusion_core.pretrained.reading import read_object
from diffusion_core.pretrained.refusals import told_plainly
from diffusion_core.pretrained.whole import check_fetched

Report = Callable[[int, int], None]

MAIN = "main"
ANSWER = 10.0
"""Seconds that the hub has to answer."""
ABANDONED = 3600.0
"""Seconds after which a file that is half-way belongs to nobody."""
MARGIN = 200_000_000
"""Bytes that must be left on a disk."""
_COMMIT = re.compile(r"[0-9a-f]{40}")

_resolved: dict[HubName, str] = {}
"""Commits that this process has settled on: a branch does not move under its feet."""


def hub_cache() -> Path:
    """Where the hub's library keeps what it fetched."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def settle(hub: HubName, commit: str) -> None:
    """Mean ``commit`` by ``hub`` from now on, whatever its branch says."""
    _resolved[hub] = commit


def fetched(hub: HubName, *, half: bool, download: bool, report: Report) -> tuple[Path, str]:
    """The folder of a model of the hub, and its commit; fetched where it is not here.

    Parameters
    ----------
    hub
        The model.
    half
        Whether 16-bit weights are preferred where there are any.
    download
        Whether anything may be fetched.
    report
        Told how many bytes have come, of all.

    Raises
    ------
    LectureError
        When it is neither here nor can be had, or is none that can be shown.
    """
    commit = _resolved.get(hub) or (hub.revision if _COMMIT.fullmatch(hub.revision) else "")
    if not commit and not hub.revision:
        commit = _cached_commit(hub, MAIN)
    if not commit:
        commit = _asked_commit(hub, download)
    folder = _snapshot(hub, commit)
    if not _complete(hub, folder, commit, half):
        if not download:
            raise LectureError(
                f"model {hub.repository!r} is not in the hub's cache ({hub_cache()}), or not all "
                "of it, and nothing is fetched here; run the command without --dry-run"
            )
        _fetch(hub, commit, half, report)
    _resolved[hub] = commit
    return folder, commit


def _repository_folder(hub: HubName) -> Path:
    from huggingface_hub.file_download import repo_folder_name

    return hub_cache() / repo_folder_name(repo_id=hub.repository, repo_type="model")


def _snapshot(hub: HubName, commit: str) -> Path:
    return _repository_folder(hub) / "snapshots" / commit


def _cached_commit(hub: HubName, revision: str) -> str:
    """The commit that the cache has ``revision`` for; "" for none."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(
        hub.repository, INDEX, revision=revision, cache_dir=str(hub_cache())
    )
    return Path(found).parent.name if isinstance(found, str) else ""


def _asked_commit(hub: HubName, download: bool) -> str:
    """The commit that the hub has; that of the cache where it cannot be asked."""
    from huggingface_hub import HfApi

    revision = hub.revision or MAIN
    before = _cached_commit(hub, revision)
    if not download and before:
        return before
    try:
        with told_plainly(hub):
            found = HfApi().model_info(hub.repository, revision=revision, timeout=ANSWER)
    except LectureError:
        if before:
            return before  # as good as it was
        raise
    return str(found.sha)


def _complete(hub: HubName, folder: Path, commit: str, half: bool) -> bool:
    """Whether all that is wanted lies in ``folder``."""
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    if not (folder / INDEX).is_file():
        return False
    try:
        _, components = check_index(hub.repository, read_object(folder / INDEX))
        here = files_in(folder, components)
        try:
            tree = get_cached_repo_tree(hub.repository, revision=commit, cache_dir=str(hub_cache()))
            there = {entry.path for entry in tree}
        except CachedRepoTreeNotFoundError:
            there = here  # fetched by something else: what it took is all that is known
        parts = choose(hub.repository, components, there, half=half)
    except LectureError:
        return False  # fetching says what is the matter
    return {path for part in parts.values() for path in part.files} <= here


def _fetch(hub: HubName, commit: str, half: bool, report: Report) -> None:
    """Fetch what is wanted of ``commit``, first what says what that is."""
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download
    from huggingface_hub.hf_api import RepoFile

    with told_plainly(hub), tempfile.TemporaryDirectory() as trial:
        listed = HfApi().list_repo_tree(hub.repository, revision=commit, recursive=True)
        sizes = {entry.path: entry.size for entry in listed if isinstance(entry, RepoFile)}
        if INDEX not in sizes:
            raise LectureError(
                f"model {hub.repository!r} has no {INDEX}, so it is no diffusers pipeline; choose "
                "one that is"
            )

        def tried(files: Collection[str]) -> Path:
            """Fetched aside, so that nothing of what is refused gets into the cache."""
            snapshot_download(
                hub.repository,
                revision=commit,
                local_dir=trial,
                allow_patterns=_exactly(files),
                tqdm_class=_bar(silent),
            )
            return Path(trial)

        index = read_object(tried([INDEX]) / INDEX, _of(hub, INDEX))
        _, components = check_index(hub.repository, index)
        parts = choose(hub.repository, components, sizes, half=half)
        settings = [
            path for part in parts.values() for path in part.files if path.endswith(".json")
        ]
        place = tried(settings)
        for path in settings:
            read_object(place / path, _of(hub, path))
    wanted = {INDEX, *(path for part in parts.values() for path in part.files)}
    folder = _snapshot(hub, commit)
    sizes[INDEX] = 0  # it comes before the counting
    missing = sum(sizes[path] for path in wanted if not (folder / path).is_file())
    check_room(hub, missing)
    with _nothing_half_done(hub, commit), told_plainly(hub):
        _remove_stale(hub)
        # This also notes what else there is, by which it is known offline what is missing.
        snapshot_download(
            hub.repository,
            revision=commit,
            cache_dir=hub_cache(),
            allow_patterns=_exactly([INDEX]),
            tqdm_class=_bar(silent),
        )
        for path in sorted(wanted):
            # One after the other in this thread, so that Ctrl-C ends it at once.
            left = sum(sizes[other] for other in wanted if not (folder / other).is_file())
            hf_hub_download(
                hub.repository,
                path,
                revision=commit,
                cache_dir=hub_cache(),
                tqdm_class=_bar(partial(_told, report, missing - left, missing)),
            )
        report(missing, missing)
        check_fetched(hub.repository, folder, parts.values())
        _note_revision(hub, commit)


def _of(hub: HubName, path: str) -> str:
    """What a file of the hub is called."""
    return f"{path} of model {hub.repository!r}"


def _remove_stale(hub: HubName) -> None:
    """Remove what killed processes left of files half-way: nobody has written it for an hour."""
    for partial_file in (_repository_folder(hub) / "blobs").glob("*.incomplete"):
        with suppress(OSError):
            if time.time() - partial_file.stat().st_mtime > ABANDONED:
                partial_file.unlink()


def check_room(hub: HubName, needed: int) -> None:
    """Raise a LectureError where the cache's disk has no room for ``needed`` bytes."""
    place = hub_cache()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed + MARGIN > free:
        raise LectureError(
            f"model {hub.repository!r} needs {needed / 1e9:.1f} GB, and {hub_cache()} has "
            f"{free / 1e9:.1f} GB free; make room there, or name another folder in HF_HOME"
        )


def _note_revision(hub: HubName, commit: str) -> None:
    """Note, as the hub's library does, which commit a branch was found at."""
    if hub.revision == commit:
        return
    from diffusion_core.files import written_whole

    with written_whole(_repository_folder(hub) / "refs" / (hub.revision or MAIN)) as place:
        place.write_text(commit, encoding="ascii")


@contextmanager
def _nothing_half_done(hub: HubName, commit: str) -> Iterator[None]:
    """Leave no part of a model behind; files that came whole stay for the next time."""
    folder, repository = _snapshot(hub, commit), _repository_folder(hub)
    before = folder.exists()
    try:
        yield
    except BaseException:
        if not before:
            shutil.rmtree(folder, ignore_errors=True)
            (repository / "trees" / f"{commit}.json").unlink(missing_ok=True)
        # Folders that nothing is left in, the deepest first.
        places = [path for path in repository.rglob("*") if path.is_dir()]
        for place in (*sorted(places, reverse=True), repository):
            with suppress(OSError):
                place.rmdir()
        raise


def _exactly(files: Collection[str]) -> list[str]:
    """Patterns that match these names and no others."""
    return [glob.escape(path) for path in sorted(files)]


def _told(report: Report, before: int, total: int, done: int) -> None:
    """Tell how far all files are, of which one has come so far."""
    report(before + done, total)


def silent(done: int) -> None:
    """Say nothing."""


def _bar(report: Callable[[int], None]) -> Any:
    """What the hub's library takes for a progress bar: it shows nothing, and tells ``report``."""
    from huggingface_hub.utils.tqdm import tqdm

    class Told(tqdm):
        """Counts the bytes of a file that were written."""

        def __init__(self, *args: Any, **settings: Any) -> None:
            self.written = 0
            # Xet has two bars of a file: what came over the network, and what was written.
            self.counts = not str(settings.get("name")).endswith(".transfer")
            super().__init__(*args, **{**settings, "disable": True})

        def update(self, n: float | None = 1) -> None:
            """See ``tqdm.update``."""
            if self.counts:
                self.written += int(n or 0)
                report(self.written)

    return Told
