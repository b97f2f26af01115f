"""The web application: gradio's page, what belongs to each browser, and the door before it."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.door import LOOPBACK, Door
from explorer.serving import Work

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger(__name__)

STATIC = Path(__file__).resolve().parent / "static"
FONTS = Path(__file__).resolve().parent.parent / "scenes" / "stage" / "fonts"


def scripts() -> list[Path]:
    """What runs in the browser; the one that the others use comes first."""
    return sorted(STATIC.glob("*.js"), key=lambda path: (path.stem != "explorer", path.name))


def quiet_libraries() -> None:
    """Nothing is told to anybody; to be called before gradio is imported."""
    for name in ("GRADIO_ANALYTICS_ENABLED", "GRADIO_RUN_HISTORY", "GRADIO_SHARE"):
        os.environ[name] = "False"
    for name in ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE", "DO_NOT_TRACK"):
        os.environ[name] = "1"


class _OneLine:
    """Stands for ``traceback`` in gradio, which prints one for every wrong value that is sent."""

    @staticmethod
    def print_exc(*_: object) -> None:
        """Say what it was."""
        log.warning("refused: %s", str(sys.exc_info()[1]).partition("\n")[0])


def make_app(work: Work, hosts: frozenset[str] | None = LOOPBACK) -> FastAPI:
    """The application.

    Parameters
    ----------
    work
        Runs what is asked for; the caller closes it.
    hosts
        Names under which it may be asked; any where it is None.
    """
    quiet_libraries()
    import gradio as gr
    import gradio.queueing
    import gradio.routes
    from fastapi import FastAPI
    from fastapi.staticfiles import StaticFiles

    for module in (gradio.routes, gradio.queueing):
        vars(module)["traceback"] = _OneLine
    from explorer.look import STYLE, theme
    from explorer.page import build_page
    from explorer.uploads import add_routes

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_routes(app, work)
    app.mount("/own", StaticFiles(directory=STATIC))
    app.mount("/fonts", StaticFiles(directory=FONTS))
    gr.mount_gradio_app(
        app,
        build_page(work),
        path="/",
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        show_error=True,  # what is shown are the one-line messages of ``page.plainly``
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        max_file_size=1,
        theme=theme(),
        css=STYLE,
        head="".join(f'<script src="own/{script.name}" defer></script>' for script in scripts()),
    )
    app.add_middleware(Door, hosts=hosts)
    return app
