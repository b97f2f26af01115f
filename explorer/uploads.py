"""Pictures that people bring, and files that they take away."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from diffusion_core.errors import LectureError
from diffusion_core.files import written_whole
from diffusion_core.pictures import BUNDLED, DEFAULT_PICTURE, middle_square, read_picture
from explorer.addresses import one_of
from explorer.door import token_in
from explorer.people import Person, Room
from explorer.serving import Work
from explorer.showing import kind_of

if TYPE_CHECKING:
    from fastapi import FastAPI

    from explorer.page import Page

LARGEST_SIDE = 512
"""Pixels a side that are kept of a picture."""
OWN = "your own"


def add_routes(app: FastAPI, work: Work) -> None:
    """What gradio does not do: take a picture in, hand a file out, each to its own browser."""
    from anyio import to_thread
    from fastapi import Request
    from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response

    async def take(request: Request) -> Response:
        try:
            room = work.people.room(token_in(request.headers.get("cookie", "")))
            name = unquote(request.headers.get("x-name", ""))[:200] or "picture"
            sent = room.place(f"sent-{name}")
            try:
                with sent.open("wb") as into:
                    async for part in request.stream():
                        into.write(part)
                kept = await to_thread.run_sync(keep_picture, room, sent, name)
            finally:
                sent.unlink(missing_ok=True)
        except LectureError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"picture": room.offer(kept), "name": name})

    async def hand_out(request: Request, token: str, name: str) -> Response:
        try:
            room = work.people.room(token_in(request.headers.get("cookie", "")))
        except LectureError:
            room = None
        picture = room.shown(token) if room else None
        if picture is not None:
            kept = {"Cache-Control": "private, max-age=600"}
            return Response(picture, media_type=f"image/{kind_of(picture)}", headers=kept)
        path = room.offered(token) if room else None
        if path is None or not path.is_file():
            return PlainTextResponse("there is nothing here", status_code=404)
        return FileResponse(path, headers={"Cache-Control": "private, no-store"})

    take.__annotations__ = {"request": Request, "return": Response}
    hand_out.__annotations__ = {"request": Request, "token": str, "name": str, "return": Response}
    app.add_api_route("/pictures", take, methods=["POST"], response_model=None)
    app.add_api_route(
        "/kept/{token}/{name}", hand_out, methods=["GET", "HEAD"], response_model=None
    )


def keep_picture(room: Room, sent: Path, name: str) -> Path:
    """The middle square of a picture that was sent, at most ``LARGEST_SIDE`` a side, as a PNG.

    Raises
    ------
    LectureError
        When it is no picture, or too large; says so of the name that the person knows.
    """
    try:
        picture = read_picture(sent, way_out="choose another", at_least=LARGEST_SIDE)
    except LectureError as error:
        raise LectureError(str(error).replace(str(sent), name)) from None
    side = min(LARGEST_SIDE, *picture.size)
    kept = room.place(f"{Path(name).stem}.png")
    with written_whole(kept) as partial:
        middle_square(picture, side).save(partial)
    room.tidy()
    return kept


@dataclass(frozen=True)
class Picker:
    """Where a picture is chosen: the controls, and the events that say it is another.

    ``inputs`` are handed to ``chosen``; ``events`` fire when either changes.
    """

    choice: Any
    own: Any

    @property
    def inputs(self) -> list[Any]:
        """What says which picture it is."""
        return [self.choice, self.own]

    @property
    def events(self) -> list[Any]:
        """What happens when it is another."""
        return [self.choice.change, self.own.change]


def picker(page: Page, tab: str, *, others: tuple[str, ...] = (), value: str = "") -> Picker:
    """Bundled pictures, ``others`` by name before them, and one's own."""
    import gradio as gr

    names = [*others, *BUNDLED, OWN]
    choice = gr.Radio(
        names, value=value or DEFAULT_PICTURE, label="Picture", elem_id=f"{tab}-picture"
    )
    gr.HTML(DROP.format(tab=tab), elem_id=f"{tab}-upload")
    own = gr.Textbox("", label="Your own picture", elem_id=f"{tab}-own", elem_classes="unseen")
    # A picture of one's own stays with one's browser: a shared address has none.
    page.remember(choice, one_of(names[:-1]))
    own.change(None, [own], [choice], js=f"(own) => own ? '{OWN}' : '{names[0]}'")
    return Picker(choice, own)


def chosen(work: Work, person: Person, choice: str, own: str) -> str:
    """A bundled picture's name, or the path of the person's own: what a recipe takes as image.

    Raises
    ------
    LectureError
        When there is no such picture in the person's room.
    """
    if choice != OWN:
        return choice
    token = own.split("/")[1] if own.count("/") == 2 else ""
    path = work.room(person).offered(token)
    if path is None or not path.is_file():
        raise LectureError("your own picture is not here (any more); upload it, or choose another")
    return str(path)


DROP = """
<label class="drop" for="{tab}-file">Upload a picture
<input type="file" id="{tab}-file" data-own="{tab}-own"
accept="image/png,image/jpeg,image/gif,image/webp,image/bmp,image/tiff,.ppm,.pgm">
<span>or drop it here</span></label>
<p class="status" role="status" id="{tab}-upload-says"></p>
"""
