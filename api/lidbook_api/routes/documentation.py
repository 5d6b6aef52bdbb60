"""The API's own documentation: the OpenAPI document, and Swagger UI from files of this machine."""

import asyncio
from importlib import resources
from typing import Final, cast

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import Response

from lidbook_api.answers import Answer, json_answer

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
