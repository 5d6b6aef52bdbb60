"""Control of the phones: what the owner of an account does with it."""

from typing import Annotated, Final

from aiohttp import web
from pydantic import Field

from lidbook.errors import NotFound, NotOnWhatsApp
from lidbook_sandbox.network.control.requests import (
    Body,
    Text,
    account_of,
    answer,
    lid_in,
    phone_of,
    read,
    steered,
    user_in,
)
from lidbook_sandbox.network.phone import LinkedDevice, Phone


class Code(Body):
    """What a device shows."""

    code: Text


class Names(Body):
    """A line of the address book."""

    first_name: Annotated[str, Field(min_length=1, max_length=1000)]
    last_name: Text | None = None


class Sender(Body):
    """Who writes."""

    sender: Text


async def list_accounts(request: web.Request) -> web.Response:
    """The accounts, the world's first one first."""
    live = steered(request).live
    people = [live.person(lid) for lid in live.state.accounts]
    return answer(
        [
            {
                "account": person.phone.digits,
                "lid": str(person.lid),
                "pushname": person.pushname,
                "devices": [_device(device) for device in steered(request).phone(person.phone).devices()],
            }
            for person in people
            if person.phone is not None
        ]
    )


async def scan(request: web.Request) -> web.Response:
    """Scan the QR code that a device shows; `code` is the text in it."""
    body = await read(request, Code)
    return answer(_device(await phone_of(request).scan(body.code.strip())), 201)


async def enter_code(request: web.Request) -> web.Response:
    """Type the pairing code that a device shows."""
    body = await read(request, Code)
    return answer(_device(await phone_of(request).enter_code(body.code.strip())), 201)


async def list_devices(request: web.Request) -> web.Response:
    """The devices that are linked to the account."""
    return answer([_device(device) for device in phone_of(request).devices()])


async def log_out_all(request: web.Request) -> web.Response:
    """Remove every device of the account."""
    return answer({"removed": await phone_of(request).log_out()})


async def log_out(request: web.Request) -> web.Response:
    """Remove one device of the account."""
    phone, number = phone_of(request), int(request.match_info["device"])
    there = [device.number for device in phone.devices()]
    if number not in there:
        listed = ", ".join(map(str, there)) or "none"
        raise NotFound(f"{request.match_info['account']} has no device {number}; it has {listed}")
    return answer({"removed": await phone.log_out(number)})


async def get_contacts(request: web.Request) -> web.Response:
    """The address book of the account."""
    book = phone_of(request).service.state.book
    return answer(
        [
            {
                "user": str(entry.user),
                "firstName": entry.first_name,
                "lastName": entry.last_name,
                "name": entry.full_name,
            }
            for entry in book.values()
        ]
    )


async def edit(request: web.Request) -> web.Response:
    """Write somebody into the address book on the phone."""
    body, service = await read(request, Names), phone_of(request).service
    user = user_in(request.match_info["user"])
    service.phone_edits_contact(user, body.first_name, body.last_name)
    entry = service.state.entry(user)
    return answer({"user": str(user), "name": None if entry is None else entry.full_name})


async def delete(request: web.Request) -> web.Response:
    """Delete somebody from the address book on the phone."""
    service, user = phone_of(request).service, user_in(request.match_info["user"])
    before = len(service.state.book)
    service.phone_deletes_contact(user)
    if len(service.state.book) == before:
        raise NotFound(f"{user} is not in the address book of {account_of(request).digits}")
    return answer({"user": str(user)})


async def get_blocklist(request: web.Request) -> web.Response:
    """Everybody whom the account blocked: LIDs, and the phone numbers that it knows."""
    return _blocklist(phone_of(request))


async def block(request: web.Request) -> web.Response:
    """Block somebody on the phone."""
    phone = phone_of(request)
    phone.service.phone_blocks(user_in(request.match_info["user"]))
    return _blocklist(phone)


async def unblock(request: web.Request) -> web.Response:
    """Unblock somebody on the phone."""
    phone = phone_of(request)
    phone.service.phone_unblocks(user_in(request.match_info["user"]))
    return _blocklist(phone)


async def receive_message(request: web.Request) -> web.Response:
    """Somebody writes to the account: `sender` is their phone number or LID."""
    body, service = await read(request, Sender), phone_of(request).service
    lid = lid_in(steered(request).live, body.sender)
    if lid == service.lid:
        raise NotOnWhatsApp(f"{body.sender} is the account itself: name somebody else who writes to it")
    service.reveal_phone(lid)
    return answer({"sender": str(lid), "pushname": steered(request).live.person(lid).pushname}, 201)


def _device(device: LinkedDevice) -> dict[str, object]:
    return {
        "number": device.number,
        "platform": device.platform,
        "linkedAt": device.linked_at,
        "connected": device.connected,
    }


def _blocklist(phone: Phone) -> web.Response:
    return answer(sorted(map(str, phone.service.blocklist())))


ACCOUNT: Final = "/accounts/{account}"
ROUTES: Final = (
    web.get("/accounts", list_accounts),
    web.post(f"{ACCOUNT}/scan", scan),
    web.post(f"{ACCOUNT}/code", enter_code),
    web.get(f"{ACCOUNT}/devices", list_devices),
    web.delete(f"{ACCOUNT}/devices", log_out_all),
    web.delete(f"{ACCOUNT}/devices/{{device:\\d{{1,9}}}}", log_out),
    web.get(f"{ACCOUNT}/contacts", get_contacts),
    web.put(f"{ACCOUNT}/contacts/{{user}}", edit),
    web.delete(f"{ACCOUNT}/contacts/{{user}}", delete),
    web.get(f"{ACCOUNT}/blocklist", get_blocklist),
    web.put(f"{ACCOUNT}/blocklist/{{user}}", block),
    web.delete(f"{ACCOUNT}/blocklist/{{user}}", unblock),
    web.post(f"{ACCOUNT}/messages", receive_message),
)
