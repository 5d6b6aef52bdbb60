"""Linking an account: QR code, pairing code, and what the engine's browser shows."""

import base64
import io
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from lidbook.errors import EngineError, InvalidState, NotSupported
from lidbook.identifiers import parse_dialable
from lidbook.sessions.session import Session
from lidbook.values import Image, SessionStatus
from lidbook_api.access.scopes import Scope
from lidbook_api.answers import Answer, Headers, json_answer
from lidbook_api.bodies import identifier, read_object
from lidbook_api.core import lidbook_of, running, served_by, sessions_of
from lidbook_api.faults import Faults, refuse
from lidbook_api.operation import Fault, Operation, ref
from lidbook_api.parameters import SESSION, SESSION_PATH, Choice, Schema
from lidbook_api.query import parse_query

_NO_SCREENSHOT: Final = {SessionStatus.STARTING: "Can not get screenshot in status STARTING"}
"""What is said where WAHA does not call the status unknown."""

FORMAT: Final = Choice("format", "`raw` is the text in the QR code, `image` a PNG.", ("image", "raw"), "image")


async def get_qr(request: Request) -> Response:
    """The QR code to scan. WAHA's clients get base64 when they accept `application/json` and nothing else."""
    query = parse_query(request.scope["query_string"])
    session = await sessions_of(request).usable(request.scope["path_params"]["session"], SessionStatus.SCAN_QR_CODE)
    code = _code(session)
    if query.get(FORMAT.name) == "raw":
        return json_answer({"value": code}, served_by(session))
    return _image(request, qr_image(code), served_by(session))


async def request_code(request: Request) -> Response:
    """A code for the account's owner to type."""
    name: str = request.scope["path_params"]["session"]
    fields = await read_object(request)
    faults: Faults = []
    given = identifier(fields, "phoneNumber", faults)
    refuse(faults)
    phone = parse_dialable(given)
    session = running(request, name)
    await session.settled(lidbook_of(request).settings.ready_timeout)
    if session.status is not SessionStatus.SCAN_QR_CODE:
        raise InvalidState(
            f"Can request code only in SCAN_QR_CODE status. The current status is {session.status.value}"
        )
    return json_answer({"code": await session.live.pairing_code(phone)}, served_by(session), status=201)


async def get_screenshot(request: Request) -> Response:
    """What the engine's browser shows. An engine without one shows the QR code while there is one, as WAHA's do."""
    session = running(request, SESSION.read(parse_query(request.scope["query_string"])))
    if session.status is SessionStatus.SCAN_QR_CODE:
        return _image(request, qr_image(_code(session)), served_by(session))
    if session.status is not SessionStatus.WORKING:
        raise InvalidState(_NO_SCREENSHOT.get(session.status, f"Unknown status - {session.status.value}"))
    try:
        image = await session.live.screenshot()
    except NotSupported as error:
        raise InvalidState("Can not get screenshot for non chrome based engine.") from error
    return _image(request, image, served_by(session))


def qr_image(code: str) -> Image:
    """A QR code as a PNG."""
    import segno  # noqa: PLC0415 - few servers ever draw one

    drawn = io.BytesIO()
    segno.make(code, error="l", micro=False).save(drawn, kind="png", scale=8, border=4)
    return Image("image/png", drawn.getvalue())


def _code(session: Session) -> str:
    if session.qr is None:
        raise EngineError("the engine waits for a scan but has shown no QR code yet; ask again in a moment")
    return session.qr


def _image(request: Request, image: Image, headers: Headers) -> Response:
    if request.headers.get("accept") == "application/json":
        return json_answer({"mimetype": image.media_type, "data": base64.b64encode(image.data).decode()}, headers)
    return Answer(image.data, [(b"content-type", image.media_type.encode()), *headers])


_TAG: Final = "Pairing"
_PNG: Final[dict[str, Schema]] = {"image/png": {"type": "string", "format": "binary"}}

OPERATIONS: Final = (
    Operation(
        "GET",
        "/api/{session}/auth/qr",
        get_qr,
        _TAG,
        "Get the QR code",
        "Only while the session is in status SCAN_QR_CODE. A PNG; with `Accept: application/json` and nothing else, "
        "base64; with `format=raw`, the text.",
        (SESSION_PATH, FORMAT),
        answer={"oneOf": [ref("Base64File"), ref("QrValue")]},
        media=_PNG,
        headers=("Lidbook-Engine",),
        faults=(Fault.SESSION, Fault.FAILED),
        scope=Scope.CONTROL,
    ),
    Operation(
        "POST",
        "/api/{session}/auth/request-code",
        request_code,
        _TAG,
        "Get a pairing code",
        "To be typed on the phone, where a QR code cannot be scanned.",
        (SESSION_PATH,),
        body=ref("RequestCode"),
        body_example={"phoneNumber": "12025550100"},
        status=201,
        answer=ref("PairingCode"),
        headers=("Lidbook-Engine",),
        faults=(
            Fault.NOT_FOUND,
            Fault.UNPROCESSABLE,
            Fault.RATE_LIMITED,
            Fault.FAILED,
            Fault.NOT_SUPPORTED,
        ),
        scope=Scope.CONTROL,
    ),
    Operation(
        "GET",
        "/api/screenshot",
        get_screenshot,
        _TAG,
        "Get a screenshot",
        "Of the engine's browser. While a session waits for a scan, any engine shows the QR code.",
        (SESSION,),
        answer=ref("Base64File"),
        media=_PNG,
        headers=("Lidbook-Engine",),
        faults=(Fault.BAD_REQUEST, Fault.NOT_FOUND, Fault.UNPROCESSABLE, Fault.FAILED),
        scope=Scope.CONTROL,
    ),
)
