"""`lidbook sessions`: see, make, start, stop and link sessions of a running server."""

import json
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from lidbook_api.commands.remote import DEFAULT_URL, Key, Url, ask, call, in_path, refuse, said

if TYPE_CHECKING:
    from pydantic import JsonValue  # slow to import

commands = typer.Typer(
    help="See, make, start, stop and link sessions of a running server.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at a session that waits to be scanned."""
_TOLD: Final = ("STARTING", "PASSKEY_REQUIRED", "PASSKEY_CONFIRMATION_REQUIRED")
"""Statuses in which there is no code to draw, and that somebody who waits for one has to hear of."""

Name = Annotated[str, typer.Argument(help="The session's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether that is meant.")]
Document = Mapping[str, object]


@commands.command("list")
def list_sessions(as_json: AsJson = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List sessions, stopped ones too."""
    sessions = call(url, key, "GET", "/api/sessions", query={"all": "true"})
    if not isinstance(sessions, list):
        _not_lidbook()
    if as_json:
        _print_json(sessions)
        return
    rows = [_row(_document(session)) for session in sessions]
    _table(("name", "status", "engine", "account", "phone", "lid", "what to do"), rows)


@commands.command()
def show(name: Name, as_json: AsJson = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Show a session."""
    session = _session(url, key, "GET", name)
    if as_json:
        _print_json(session)
        return
    for title, value in _facts(session):
        typer.echo(f"{title:<12}{_clean(value)}")


@commands.command()
def create(
    name: Name,
    engine: Annotated[str | None, typer.Option(help="Its engine, as `lidbook engines` lists them.")] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Its config: a file with JSON, or - for standard input.")
    ] = None,
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start it at once.")] = True,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Make a session, and start it."""
    given = {} if config is None else _read_config(config)
    if engine is not None:
        given = {**given, "engine": engine}
    body: JsonValue = {"name": name, "start": start, "config": given}
    _tell(_document(call(url, key, "POST", "/api/sessions", body=body)))


@commands.command()
def start(name: Name, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Start a session; one that runs already is no error."""
    _tell(_session(url, key, "POST", name, "start"))


@commands.command()
def stop(name: Name, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Stop a session and keep its credentials."""
    _session(url, key, "GET", name)
    _tell(_session(url, key, "POST", name, "stop"))


@commands.command()
def restart(name: Name, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Stop a session and start it."""
    _tell(_session(url, key, "POST", name, "restart"))


@commands.command()
def logout(name: Name, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Unlink the account. What is known through it stays."""
    _tell(_session(url, key, "POST", name, "logout"))


@commands.command()
def reset(name: Name, yes: Yes = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Forget a session's credentials and everything known through it; name and config stay."""
    _session(url, key, "GET", name)
    _confirm(f"Forget the credentials of session {name} and everything known through it?", yes=yes)
    _tell(_session(url, key, "POST", name, "reset"))


@commands.command()
def delete(name: Name, yes: Yes = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Delete a session with everything that is known through it."""
    _session(url, key, "GET", name)
    _confirm(f"Delete session {name} with everything known through it?", yes=yes)
    call(url, key, "DELETE", _path(name))
    typer.echo(f"{name}: deleted")


@commands.command()
def qr(
    name: Name,
    once: Annotated[bool, typer.Option("--once", help="Draw the code that is shown now, and leave.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Draw the QR code to scan, and each new one, until the session works or has failed."""
    drawn: str | None = None
    told: str | None = None
    while True:
        session = _session(url, key, "GET", name)
        status = str(session["status"])
        if status in _TOLD and _line(session) != told:
            told = _line(session)
            typer.echo(told, err=True)
        if status == "WORKING":
            _tell(session)
            return
        if status in ("FAILED", "STOPPED"):
            refuse(f"{_line(session)}; start it with  lidbook sessions start {name}")
        code = _code(url, key, name) if status == "SCAN_QR_CODE" else None
        if code is not None and code != drawn:
            _draw(name, code)
            drawn = code
        if once and code is not None:
            return
        time.sleep(LOOK_EVERY)


@commands.command()
def code(
    name: Name,
    phone: Annotated[str, typer.Argument(help="The account's phone number, in international form.")],
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Get a code to type on the phone instead of scanning a QR code."""
    answer = call(url, key, "POST", f"/api/{in_path(name)}/auth/request-code", body={"phoneNumber": phone})
    typer.echo(_clean(str(_document(answer)["code"])))


def _session(url: str, key: str | None, method: str, name: str, action: str = "") -> Document:
    """What the server says of a session, after an action on it."""
    return _document(call(url, key, method, _path(name) + (f"/{action}" if action else "")))


def _code(url: str, key: str | None, name: str) -> str | None:
    """The QR code's text; None when the session has gone on meanwhile, or has not got one yet."""
    response = ask(url, key, "GET", f"/api/{in_path(name)}/auth/qr", query={"format": "raw"})
    if response.status_code in (422, 500):
        return None
    if not response.is_success:
        refuse(f"no QR code: {response.status_code} {said(response) or response.reason_phrase}")
    return str(_document(response.json())["value"])


def _draw(name: str, code: str) -> None:
    from lidbook_api.qr_code import drawn  # noqa: PLC0415

    clear = "\x1b[2J\x1b[H" if sys.stdout.isatty() else ""
    typer.echo(f"{clear}{drawn(code)}\nSession {name}: scan this with WhatsApp, under linked devices.")


def _path(name: str) -> str:
    return f"/api/sessions/{in_path(name)}"


def _document(value: object) -> Document:
    return value if isinstance(value, dict) else _not_lidbook()


def _not_lidbook() -> NoReturn:
    refuse("the answer is none of Lidbook's: is --url right?")


def _read_config(place: str) -> "dict[str, JsonValue]":
    try:
        text = sys.stdin.read() if place == "-" else Path(place).read_text("utf-8")
        config = json.loads(text)
    except OSError as error:
        if place.lstrip().startswith("{"):
            refuse("--config takes no JSON: give a file that holds it, or - for standard input")
        refuse(f"cannot read {place}: {error.strerror}")
    except ValueError as error:
        refuse(f"{place} is not JSON: {error}")
    return config if isinstance(config, dict) else refuse(f"{place} must be a JSON object")


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        refuse("nobody is there to ask whether that is meant: give --yes")
    if not typer.confirm(question):
        refuse("nothing was done")


def _row(session: Document) -> tuple[str, ...]:
    me = session.get("me")
    account = me if isinstance(me, dict) else {}
    return (
        str(session["name"]),
        _status(session),
        _engine(session),
        str(account.get("pushName") or ""),
        str(account.get("id") or "").partition("@")[0],
        str(account.get("lid") or "").partition("@")[0],
        str(session.get("statusMessage") or _advice(session)),
    )


def _advice(session: Document) -> str:
    """What to do where the server has no sentence for it."""
    match session["status"], session.get("statusReason"):
        case "SCAN_QR_CODE", _:
            return f"lidbook sessions qr {session['name']}"
        case "STARTING", "network":
            return "nothing: the network is away, and it comes back by itself"
        case _:
            return ""


def _facts(session: Document) -> Iterable[tuple[str, str]]:
    name, status, engine, account, phone, lid, advice = _row(session)
    yield from (("name", name), ("status", status), ("engine", engine))
    if phone or lid:
        yield "account", "  ".join(filter(None, (account, phone, f"LID {lid}" if lid else "")))
    if advice:
        yield "what to do", advice
    sync = session.get("sync")
    for feed, report in sync.items() if isinstance(sync, dict) else ():
        yield "sync", f"{feed}: {_progress(report)}"
    yield "config", json.dumps(session.get("config"), ensure_ascii=False)


def _progress(report: Document) -> str:
    received, expected = report.get("received"), report.get("expected")
    count = f"{received} of {expected}" if expected is not None else f"{received or 0}"
    return f"{count}, complete" if report.get("complete") else f"{count} so far"


def _line(session: Document) -> str:
    message = session.get("statusMessage")
    return _clean(f"{session['name']}: {_status(session)}" + (f": {message}" if message else ""))


def _tell(session: Document) -> None:
    typer.echo(_line(session))


def _status(session: Document) -> str:
    reason = session.get("statusReason")
    return str(session["status"]) + (f" ({reason})" if reason else "")


def _engine(session: Document) -> str:
    engine = session.get("engine")
    if not isinstance(engine, dict):
        return str(engine or "")
    return str(engine.get("engine")) + (" (assumed)" if engine.get("assumed") else "")


def _table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title.upper(), no_wrap=title != titles[-1], overflow="fold")
    for row in rows:
        table.add_row(*(Text(_clean(cell)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000  # whoever reads this from a pipe wants a session a line
    console.print(table)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _clean(text: str) -> str:
    from lidbook.redaction import printable  # noqa: PLC0415

    return printable(text)
