"""`lidbook webhooks`: see where events go, try a webhook out, and deal with dead letters."""

import json
import time
from typing import Annotated, NoReturn

import typer

from lidbook.redaction import printable
from lidbook_api.commands.remote import DEFAULT_URL, Key, Url, call, in_path, refuse

commands = typer.Typer(
    help="See where events go, try a webhook out, and deal with dead letters.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
letters = typer.Typer(
    help="Events that a receiver would not take.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
commands.add_typer(letters, name="dead-letters")

Session = Annotated[str, typer.Argument(metavar="SESSION", help="The session's name.")]
Letter = Annotated[int, typer.Argument(metavar="ID", min=1, help="The letter's id, as `list` shows it.")]
Which = Annotated[int | None, typer.Argument(metavar="[ID]", min=1, help="The letter's id; or give --all.")]
All = Annotated[bool, typer.Option("--all", help="All of the session's.")]


@commands.command("list")
def list_webhooks(session: Session, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List where a session's events go, and how far they have got."""
    rows: list[tuple[object, ...]] = []
    for lane in _objects(call(url, key, "GET", _path(session))):
        waiting = _object(lane["position"])["waiting"]
        rows.append((lane["url"], lane["state"], waiting, lane["deadLetters"], _last_error(lane)))
    _table(("URL", "STATE", "WAITING", "DEAD LETTERS", "LAST ERROR"), rows)


@commands.command("test")
def try_out(
    session: Session,
    webhook: Annotated[str, typer.Argument(metavar="URL", help="One of the webhooks in the session's config.")],
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Send the event `webhook.test` to a webhook that is configured, once."""
    _report(_object(call(url, key, "POST", f"{_path(session)}/test", body={"url": webhook})))


@letters.command("list")
def list_letters(
    session: Session,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 100,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List dead letters, the newest first."""
    found = _objects(call(url, key, "GET", _letters(session), query={"limit": str(limit)}))
    shown = ("event", "seq", "attempts", "url", "reason")
    rows = [(each["id"], _time(each["timestamp"]), *(each[name] for name in shown)) for each in found]
    _table(("ID", "TIME", "EVENT", "SEQ", "ATTEMPTS", "URL", "REASON"), rows)


@letters.command()
def show(session: Session, letter: Letter, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Print a dead letter with what was sent, as JSON."""
    found = _object(call(url, key, "GET", f"{_letters(session)}/{letter}"))
    typer.echo(json.dumps(found, indent=2, ensure_ascii=True))


@letters.command()
def resend(
    session: Session,
    letter: Which = None,
    every: All = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Send a dead letter again, or all of them, the oldest first, until one fails."""
    _one_or_all(letter, every=every)
    if letter is not None:
        _report(_object(call(url, key, "POST", f"{_letters(session)}/{letter}/resend")))
        return
    sent = 0
    while True:
        answer = _object(call(url, key, "POST", f"{_letters(session)}/resend"))
        resent, left, error = answer["resent"], answer["left"], answer["error"]
        sent += resent if isinstance(resent, int) else 0
        if not left or not resent or error is not None:
            break
    if error is not None:
        refuse(printable(f"sent {sent}, {left} left: {error}"))
    typer.echo(f"sent {sent}" + (f", {left} left whose webhook is gone" if left else ""))


@letters.command()
def delete(
    session: Session,
    letter: Which = None,
    every: All = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Delete a dead letter, or all of them."""
    _one_or_all(letter, every=every)
    if letter is not None:
        call(url, key, "DELETE", f"{_letters(session)}/{letter}")
        typer.echo("deleted 1")
    else:
        typer.echo(f"deleted {_object(call(url, key, 'DELETE', _letters(session)))['deleted']}")


def _last_error(lane: dict[str, object]) -> str:
    """The last error with its time: the webhook may have recovered since."""
    error = lane["lastError"]
    return f"{_time(lane['lastErrorAt'])} {error}" if error else ""


def _one_or_all(letter: int | None, *, every: bool) -> None:
    if (letter is not None) == every:
        refuse("say which: the id of one letter, or --all")


def _report(attempt: dict[str, object]) -> None:
    if not attempt["ok"]:
        refuse(printable(f"not taken: {attempt['error']}"))
    typer.echo(f"taken: answered {attempt['status']} within {attempt['durationMs']} ms")


def _path(session: str) -> str:
    return f"/api/{in_path(session)}/webhooks"


def _letters(session: str) -> str:
    return f"{_path(session)}/dead-letters"


def _objects(value: object) -> list[dict[str, object]]:
    return [_object(each) for each in value] if isinstance(value, list) else _not_lidbook()


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else _not_lidbook()


def _not_lidbook() -> NoReturn:
    refuse("the answer is none of Lidbook's: is --url right?")


def _time(milliseconds: object) -> str:
    seconds = milliseconds / 1000 if isinstance(milliseconds, int) else 0
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))


def _table(titles: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    cells = [titles, *(tuple(printable(str(value)) for value in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
