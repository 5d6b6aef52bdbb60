"""A running server, as the commands reach it."""

from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

if TYPE_CHECKING:
    from httpx import Response
    from pydantic import JsonValue  # slow to import

DEFAULT_URL: Final = "http://127.0.0.1:3000"

Url = Annotated[str, typer.Option("--url", envvar="LIDBOOK_URL", help="Where the server is.", show_default=DEFAULT_URL)]
"""The option `--url`; give it `DEFAULT_URL` as its default."""
Key = Annotated[
    str | None,
    typer.Option(
        "--key", envvar="LIDBOOK_API_KEY", help="The API key; better given in LIDBOOK_API_KEY.", show_envvar=False
    ),
]
"""The option `--key`; its default is None."""


def refuse(message: str) -> NoReturn:
    """End the command with a message for the operator."""
    typer.echo(f"lidbook: {message}", err=True)
    raise typer.Exit(1)


def call(
    url: str, key: str | None, method: str, path: str, *, body: "JsonValue" = None, query: dict[str, str] | None = None
) -> "JsonValue":
    """The JSON a server answers, None for an empty body; ends the command when it refuses or is not there."""
    content = fetch(url, key, method, path, body=body, query=query)
    if not content:
        return None
    import orjson  # noqa: PLC0415 - only once a server has answered

    try:
        document: JsonValue = orjson.loads(content)
    except ValueError:
        not_lidbook(url)
    return document


def fetch(
    url: str,
    key: str | None,
    method: str,
    path: str,
    *,
    body: "JsonValue" = None,
    query: dict[str, str] | None = None,
    accept: str = "application/json",
) -> bytes:
    """The bytes a server answers; ends the command when it refuses or is not there."""
    response = ask(url, key, method, path, body=body, query=query, accept=accept)
    if response.is_success:
        return response.content
    shown = said(response)
    refuse(f"{method} {path}: {response.status_code} {shown or response.reason_phrase}")


def ask(
    url: str,
    key: str | None,
    method: str,
    path: str,
    *,
    body: "JsonValue" = None,
    query: dict[str, str] | None = None,
    accept: str = "application/json",
) -> "Response":
    """What a server answers, a refusal too; ends the command when it is not there or does not take the key."""
    import httpx  # noqa: PLC0415 - slow to import

    headers = {"Accept": accept} | ({"X-Api-Key": key} if key else {})
    try:
        response = httpx.request(
            method, url.rstrip("/") + path, json=body, params=query, headers=headers, timeout=60, trust_env=False
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        refuse(f"{url} is no URL: {error}; give --url like {DEFAULT_URL}")
    except httpx.HTTPError as error:
        refuse(f"no answer from {url}: {error}; is the server running? Say where with --url")
    if not response.is_success and "Lidbook-Error" not in response.headers:
        not_lidbook(url, f" ({method} {path}: {response.status_code} {response.reason_phrase})")
    if response.status_code == 401 and key:
        refuse(
            f"{url} refuses the API key in LIDBOOK_API_KEY, or given with --key: it is wrong, expired or deactivated"
        )
    if response.status_code == 401:
        refuse(f"{url} asks for an API key: set LIDBOOK_API_KEY, or give --key")
    return response


def not_lidbook(url: str, detail: str = "") -> NoReturn:
    """End the command: somebody else answers there."""
    refuse(f"what answers at {url} is no Lidbook{detail}: is LIDBOOK_URL, or --url, right?")


def said(response: "Response") -> str | None:
    """Why a server refused, in its own words; None when it gave none."""
    try:
        body = response.json()
        message = body.get("message", body.get("error"))
    except (ValueError, AttributeError):
        return None
    return "; ".join(map(str, message)) if isinstance(message, list) else message and str(message)


def in_path(name: str) -> str:
    """A name as one part of a path."""
    from urllib.parse import quote  # noqa: PLC0415

    return quote(name, safe="")
