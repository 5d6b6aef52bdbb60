"""The gateway: links devices, answers their questions, tells them the news, and lets phones scan."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from lidbook.capabilities import Capability
from lidbook.errors import LidbookError, NotOnWhatsApp
from lidbook.facts import PictureState
from lidbook.identifiers import PhoneNumber, parse_dialable, parse_user
from lidbook.values import Person
from lidbook.world.conditions import ConditionFolder, Kind
from lidbook.world.live import LiveWorld
from lidbook.world.service import WorldService
from lidbook.world.wire import Away, Limited, Removed, WireState
from lidbook_stranger.gateway.accounts import Account, CursorLost, LinkedDevice, Tickets
from lidbook_stranger.gateway.http import HangUp, HttpServer, Lines, Reply, Request
from lidbook_stranger.gateway.writing import (
    Row,
    blocklist_row,
    group_row,
    person_row,
    snapshot_rows,
    written,
)

T = TypeVar("T")
TICKET_SECONDS: Final = 60.0


class Refusal(Exception):
    """An answer that is none."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.reply: Final = Reply(status, {"error": {"code": code, "message": message}}, headers or {})


class Gateway:
    """One gateway in front of one world; it keeps nothing when it is closed."""

    def __init__(
        self, live: LiveWorld, conditions: ConditionFolder | None = None, ticket_seconds: float = TICKET_SECONDS
    ) -> None:
        self._live = live
        self._conditions = conditions or ConditionFolder()
        self._server = HttpServer(self._answer)
        self._tickets = Tickets(ticket_seconds, lambda: asyncio.get_running_loop().time())
        self._accounts: dict[PhoneNumber, Account] = {}
        self._devices: dict[str, LinkedDevice] = {}
        self.url = ""

    async def open(self, port: int = 0) -> None:
        """Listen on this port, or on any."""
        self.url = f"http://127.0.0.1:{await self._server.open(port)}"

    async def close(self) -> None:
        """End."""
        await self._server.close()
        for device in self._devices.values():
            device.wire.close()
        for account in self._accounts.values():
            account.close()

    async def use_code(self, phone: PhoneNumber, code: str) -> None:
        """The owner of this number scans a code, or types one. Raises `Refusal`."""
        ticket = self._tickets.showing(code.replace("-", "") if "@" not in code else code)
        if ticket is None:
            raise Refusal(410, "ticket_expired", "no screen shows this code any more")
        device = LinkedDevice(self._account(phone))
        self._devices[device.token] = device
        ticket.token = device.token
        ticket.changed.set()

    def expire_tickets(self) -> None:
        """Nobody scanned in time."""
        self._tickets.expire()

    def forget_devices(self) -> None:
        """Know none of the devices that were linked, as after a disk was lost."""
        for device in self._devices.values():
            device.wire.close()
        self._devices.clear()

    def _account(self, phone: PhoneNumber) -> Account:
        if phone not in self._accounts:
            self._accounts[phone] = Account(WorldService(self._live, phone), self._conditions.of(phone))
        return self._accounts[phone]

    # The wire.

    async def _answer(self, request: Request) -> Reply | Lines:
        try:
            return await self._routed(request)
        except Refusal as refusal:
            return refusal.reply
        except Away as error:
            raise HangUp from error
        except Removed as error:
            return Refusal(410, "removed", str(error)).reply
        except CursorLost:
            return Refusal(410, "cursor_lost", "ask for a snapshot").reply
        except Limited as error:
            return Refusal(429, "rate_limited", str(error), {"Retry-After": f"{error.retry_after:g}"}).reply
        except NotOnWhatsApp as error:
            return Refusal(404, "not_registered", error.message).reply
        except (LidbookError, KeyError, TypeError, ValueError) as error:
            return Refusal(400, "malformed", f"{type(error).__name__}: {error}").reply

    async def _routed(self, request: Request) -> Reply | Lines:
        match request.method, request.path:
            case "POST", ("phone", digits, "scan" | "type"):
                await self.use_code(parse_dialable(digits), request.body["code"])
                return Reply(204)
            case "POST", ("v1", "link"):
                ticket = self._tickets.new()
                return Reply(201, {"id": ticket.id, "code": ticket.code})
            case "GET" | "POST", ("v1", "link", name, *rest):
                return await self._link(request, name, rest)
        device = self._devices.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if device is None:
            raise Refusal(401, "unknown_token", "this gateway knows no such device")
        match request.method, request.path:
            case "GET", ("v1", "me"):
                await device.open()
                me = device.account.service.account()
                return Reply(200, {**person_row(me.phone, me.lid), "push": me.pushname, "device": me.device})
            case "GET", ("v1", "snapshot"):
                await device.open()
                return Lines(snapshot_rows(device.account.service, device.cursor))
            case "GET", ("v1", "events"):
                events = await device.news(request.query["after"], float(request.query.get("wait", "0")))
                return Reply(200, {"events": events, "cursor": device.cursor})
        return Reply(200, await _answered(device, request))

    async def _link(self, request: Request, name: str, rest: list[str]) -> Reply:
        ticket = self._tickets.get(name)
        if ticket is None:
            raise Refusal(410, "ticket_expired", "take another ticket")
        if rest == ["code"]:
            ticket.typed = ticket.id.replace("_", "0").replace("-", "1").upper()[:8]
            return Reply(200, {"code": ticket.typed})
        return Reply(200, {"token": await self._tickets.token(ticket, float(request.query.get("wait", "0")))})


async def _answered(device: LinkedDevice, request: Request) -> object:
    """What the server answers to one question of a device, when it does."""
    service, body = device.account.service, request.body

    async def ask(capability: Capability, question: Callable[[], T]) -> T:
        return await device.wire.ask(capability, question)

    match request.method, request.path:
        case "DELETE", ("v1", "device"):
            return await ask(Capability.SESSION_LOGOUT, lambda: device.wire.move(WireState.REMOVED))
        case "POST", ("v1", "check"):
            return await ask(Capability.CONTACTS_CHECK, lambda: _checked(service, body["numbers"]))
        case "POST", ("v1", "lids"):
            return await ask(Capability.LIDS_QUERY, lambda: _lids(service, body["numbers"]))
        case "POST", ("v1", "about"):
            return await ask(Capability.CONTACTS_ABOUT, lambda: _abouts(service, body["users"]))
        case "GET", ("v1", "pictures", user):
            return await ask(Capability.CONTACTS_PICTURE, lambda: _picture(service, _person(user)))
        case "GET", ("v1", "contacts", user):
            return await ask(Capability.CONTACTS_UPDATE, lambda: _contact(service, _person(user)))
        case "PUT", ("v1", "contacts", user):
            return await ask(Capability.CONTACTS_UPDATE, lambda: _update(device, _person(user), body))
        case "DELETE", ("v1", "contacts", user):
            return await ask(Capability.CONTACTS_DELETE, lambda: service.delete_contact(_person(user)))
        case "POST", ("v1", "blocklist"):
            blocks = body["action"] == "block"
            change = service.block if blocks else service.unblock
            who = Person(_phone(body["jid"]) if body.get("jid") else None, _person(body["lid"]).lid)
            kind = Capability.CONTACTS_BLOCK if blocks else Capability.CONTACTS_UNBLOCK
            await ask(kind, lambda: change(who))
            return None
        case "GET", ("v1", "blocklist"):
            await device.open()
            return blocklist_row(service)
        case "GET", ("v1", "groups"):
            return await ask(Capability.GROUPS_REFRESH, lambda: _groups(service))
    raise Refusal(404, "no_such_thing", "this gateway has nothing there")


def _checked(service: WorldService, numbers: list[str]) -> Row:
    found = [
        {
            "query": written(answer.asked),
            **person_row(answer.phone, answer.lid),
            "username": answer.username,
            "business": {"name": answer.verified_name} if answer.business else None,
        }
        for answer in service.check([_phone(number) for number in numbers])
        if answer.registered
    ]
    return {"registered": sorted(found, key=lambda row: str(row["jid"]), reverse=True)}


def _lids(service: WorldService, numbers: list[str]) -> Row:
    found = service.lids([_phone(number) for number in numbers])
    return {"pairs": [{"query": written(n), **person_row(n, lid)} for n, lid in found.items() if lid is not None]}


def _abouts(service: WorldService, users: list[str]) -> Row:
    answers = service.about([_person(user) for user in users])
    return {"abouts": [{"query": written(a.person.id), "about": a.about} for a in answers if a.about is not None]}


def _picture(service: WorldService, person: Person) -> Row:
    picture = service.picture(person)
    match picture.state:
        case PictureState.HIDDEN:
            raise Refusal(403, "hidden", "not for you")
        case PictureState.NONE:
            raise Refusal(404, "no_picture", "there is none")
    return {"url": picture.url}


def _contact(service: WorldService, person: Person) -> Row:
    entry = service.contact(person)
    if entry is None:
        raise Refusal(404, "no_contact", "this is nobody in the address book")
    names = {"first": entry.first_name, "last": entry.last_name, "name": entry.full_name}
    return {**person_row(entry.person.phone, entry.person.lid), **names}


def _update(device: LinkedDevice, person: Person, body: Any) -> None:
    if device.account.conditions.take(Kind.CONFLICT, Capability.CONTACTS_UPDATE):
        raise Refusal(409, "conflict", "another device wrote at the same time")
    device.account.service.update_contact(person, body["first"], body["last"], save_on_phone=body["on_phone"])


def _groups(service: WorldService) -> Row:
    return {"as_of": service.live.moment(), "groups": [group_row(view) for view in service.each_group()]}


def _phone(text: str) -> PhoneNumber:
    user = parse_user(text)
    if not isinstance(user, PhoneNumber):
        raise Refusal(400, "malformed", f"{text} is no phone number")
    return user


def _person(text: str) -> Person:
    user = parse_user(text)
    return Person(user, None) if isinstance(user, PhoneNumber) else Person(None, user)
