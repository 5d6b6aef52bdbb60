"""The API's own documentation: the OpenAPI document, and Swagger UI from files of this machine."""

import asyncio
import base64
import functools
import hashlib
import hmac
from collections.abc import Iterator
from importlib import resources
from typing import Final, cast

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import Response

from lidbook_api.answers import JSON, Answer, json_answer
from lidbook_api.errors import UNAUTHORIZED
from lidbook_api.operation import Endpoint

ASSETS: Final = {
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "swagger-ui.css": b"text/css; charset=utf-8",
    "favicon-32x32.png": b"image/png",
}
"""Files of Swagger UI, as the package `fastapi-swagger` brings them: no browser has to reach a CDN."""

_SELF_ONLY: Final = (
    b"content-security-policy",
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
)

_LOGIN: Final = (b"www-authenticate", b'Basic realm="Lidbook", charset="UTF-8"')


async def openapi_document(request: Request) -> Response:
    """The OpenAPI document."""
    return json_answer(cast("FastAPI", request.app).openapi())


async def swagger_ui(request: Request) -> Response:  # noqa: ARG001 - every endpoint takes the request
    """Swagger UI."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title="Lidbook",
        swagger_js_url="swagger/swagger-ui-bundle.js",
        swagger_css_url="swagger/swagger-ui.css",
        swagger_favicon_url="swagger/favicon-32x32.png",
        swagger_ui_parameters={
            "tryItOutEnabled": True,
            "persistAuthorization": False,
            "displayRequestDuration": True,
            "docExpansion": "list",
            "filter": True,
            "validatorUrl": None,
        },
    )
    return Answer(bytes(page.body), [(b"content-type", b"text/html; charset=utf-8"), _SELF_ONLY])


async def swagger_asset(request: Request) -> Response:
    """One of Swagger UI's files."""
    name: str = request.scope["path_params"]["file"]
    media_type = ASSETS.get(name)
    if media_type is None:
        return json_answer({"message": "File not found", "error": "Not Found", "statusCode": 404}, status=404)
    body = await asyncio.to_thread(resources.files("fastapi_swagger.resources").joinpath(name).read_bytes)
    return Answer(body, [(b"content-type", media_type), (b"cache-control", b"public, max-age=86400")])


ROUTES: Final = (
    ("/", swagger_ui),
    ("/-json", openapi_document),
    ("/openapi.json", openapi_document),
    ("/swagger/{file}", swagger_asset),
)
"""Served, and not part of the document."""


def routes(login: tuple[str, str] | None) -> Iterator[tuple[str, Endpoint]]:
    """The same; with a `login`, only for who gives that name and password."""
    for path, endpoint in ROUTES:
        yield path, endpoint if login is None else _behind(endpoint, *login)


def _behind(endpoint: Endpoint, username: str, password: str) -> Endpoint:
    """The endpoint, for whom the browser asks for username and password."""
    expected = hashlib.sha512(base64.b64encode(f"{username}:{password}".encode())).digest()

    @functools.wraps(endpoint)
    async def locked(request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        matches = hmac.compare_digest(hashlib.sha512(given.strip().encode()).digest(), expected)
        if scheme.lower() == "basic" and matches:
            return await endpoint(request)
        return Answer(bytes(UNAUTHORIZED.body), [JSON, _LOGIN], status=401)

    return locked
