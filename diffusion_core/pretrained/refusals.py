"""What the hub's library says when it fails, as one line that says the way out."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from diffusion_core.errors import LectureError
from diffusion_core.pretrained.names import HubName


@contextmanager
def told_plainly(hub: HubName) -> Iterator[None]:
    """Raise what goes wrong with the hub as a LectureError; the library itself keeps silent."""
    from huggingface_hub.utils import logging as chatter

    level = chatter.get_verbosity()
    chatter.set_verbosity(logging.CRITICAL)
    try:
        yield
    except LectureError:
        raise
    except Exception as error:  # its client has exceptions of its own, and changes them
        raise LectureError(_line(hub, error)) from error
    finally:
        chatter.set_verbosity(level)


def _line(hub: HubName, error: Exception) -> str:
    from huggingface_hub import constants, errors

    model, place = f"model {hub.repository!r}", constants.ENDPOINT
    login = "log in with `hf auth login`, or put a token that may read it in HF_TOKEN"
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return f"{model} is gated: accept its terms at {place}/{hub.repository}, then {login}"
    if isinstance(error, errors.RevisionNotFoundError):
        return (
            f"{model} has no revision {hub.revision!r}; choose a branch, a tag or a commit that "
            f"{place}/{hub.repository} lists"
        )
    if status == 404 or isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"{model} is no folder here, and {place} has none of that name that may be seen "
            f"({status}); look at how it is spelt, or, if it is private, {login}"
        )
    if status in (401, 403):
        return f"{model}: {place} refuses it ({status}); {login}"
    if status is not None:
        return f"{model}: {place} answers {status}; try again later"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return (
            f"{model} is no folder here and not in the hub's cache ({constants.HF_HUB_CACHE}), and "
            "HF_HUB_OFFLINE says not to ask the hub; unset it, or give a folder"
        )
    reason = str(error.__cause__ or error).strip().partition("\n")[0] or type(error).__name__
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS):
        return (
            f"{model} cannot be kept in {constants.HF_HUB_CACHE} ({error.strerror}); make room "
            "there, or name another folder in HF_HOME"
        )
    return (
        f"{model} is no folder here, not whole in the hub's cache, and {place} could not be read "
        f"({reason}); try again with a network, or give a folder"
    )
