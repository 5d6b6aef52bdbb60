"""One account behind the gateway: its life, and the questions it can be asked."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lidbook.engine import EngineSession, SessionContext
from lidbook.errors import (
    ChangeNotTaken,
    Conflict,
    EngineDisconnected,
    EngineError,
    EngineTimeout,
    LoggedOut,
    NotOnWhatsApp,
    RateLimited,
)
from lidbook.facts import Picture, PictureState
from lidbook.identifiers import Lid, PhoneNumber, UserId
from lidbook.values import AboutAnswer, AddressBookEntry, Person, Registration, SessionStatus, StatusReason
from lidbook_stranger.client import Client, Refused
from lidbook_stranger.feed import CURSOR, Feed
from lidbook_stranger.linking import Linking, NobodyScanned
from lidbook_stranger.reading import (
    account_in,
    entry_in,
    lid_in,
    picture_at,
    registration_in,
    users_in,
    written,
)
from lidbook_stranger.settings import GatewaySettings

TOKEN: Final = "token"
"""Name of the blob with the device's credentials."""
TRIES: Final = 3
"""How often a write to the address book is sent when other devices write at the same time."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts to connect; each takes twice as long as the one before."""


class GatewaySession(EngineSession):
    """Feeds from the gateway's snapshot and news; every live call is one HTTP request, or two."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context)
        if not isinstance(context.settings, GatewaySettings):
            raise TypeError(f"the gateway needs GatewaySettings, not {type(context.settings).__name__}")
        self._settings = context.settings
        self._client: Client | None = None
        self._feed = Feed(context)
        self._linking: Linking | None = None

    # Its life.

    async def start(self) -> None:
        """Begin to connect."""
        self.begin(self._run())

    async def stop(self) -> None:
        """Hang up; the device stays linked."""
        await super().stop()
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def logout(self) -> None:
        """Have the gateway unlink the device, and forget the token."""
        await self._ask("DELETE", "/v1/device")
        await self.stop()
        await self._forget()

    async def pairing_code(self, phone: PhoneNumber) -> str:
        """A code for the phone, in two groups of four."""
        if self._linking is None:
            raise EngineError("this device is not waiting to be linked")
        return await self._linking.pairing_code(phone)

    # Questions.

    async def check(self, phones: Sequence[PhoneNumber]) -> Sequence[Registration]:
        """Who is registered; the gateway answers in its own order, and only about those."""
        answer = await self._ask("POST", "/v1/check", {"numbers": [written(phone) for phone in phones]})
        found = {row["query"]: row for row in answer["registered"]}
        return [registration_in(phone, found.get(written(phone))) for phone in phones]

    async def query_lids(self, phones: Sequence[PhoneNumber]) -> Mapping[PhoneNumber, Lid | None]:
        """The LID of each number."""
        answer = await self._ask("POST", "/v1/lids", {"numbers": [written(phone) for phone in phones]})
        found = {row["query"]: lid_in(row) for row in answer["pairs"]}
        return {phone: found.get(written(phone)) for phone in phones}

    async def about(self, persons: Sequence[Person]) -> Sequence[AboutAnswer]:
        """About texts; whoever hides it, or is not there, is left out of the answer."""
        answer = await self._ask("POST", "/v1/about", {"users": [_asked(person) for person in persons]})
        found = {row["query"]: row["about"] for row in answer["abouts"]}
        return [AboutAnswer(person, found.get(_asked(person))) for person in persons]

    async def picture(self, person: Person) -> Picture:
        """The address of a picture."""
        try:
            answer = await self._ask("GET", f"/v1/pictures/{_asked(person)}")
        except Refused as refused:
            if refused.reason == "no_picture":
                return Picture(PictureState.NONE)
            if refused.reason == "hidden":
                return Picture(PictureState.HIDDEN)
            raise
        return picture_at(answer["url"])

    async def update_contact(
        self, person: Person, first_name: str, last_name: str | None, *, save_on_phone: bool
    ) -> AddressBookEntry:
        """Write, and read back; when another device was quicker, hear what it wrote and write again."""
        path = f"/v1/contacts/{written(person.id)}"
        body = {"first": first_name, "last": last_name, "on_phone": save_on_phone}
        for left in reversed(range(TRIES)):
            try:
                await self._ask("PUT", path, body)
                break
            except Conflict:
                if not left:
                    raise
                await self._feed.catch_up(self._connected())
        try:
            return entry_in(await self._ask("GET", path))
        except Refused as refused:
            if refused.reason != "no_contact":
                raise
            raise ChangeNotTaken("the gateway took the contact, and does not show it when read back") from refused

    async def delete_contact(self, person: Person) -> None:
        """Take somebody out of the address book."""
        await self._ask("DELETE", f"/v1/contacts/{written(person.id)}")

    async def block(self, person: Person) -> frozenset[UserId]:
        """Block; the gateway wants the LID, and the number as well when it is known."""
        return await self._change_blocklist("block", person)

    async def unblock(self, person: Person) -> frozenset[UserId]:
        """Unblock."""
        return await self._change_blocklist("unblock", person)

    async def refresh_groups(self) -> None:
        """Tell all groups anew."""
        await self._feed.refresh_groups(self._connected())

    # Within.

    def _connected(self) -> Client:
        if self._client is None or self._client.token is None:
            raise EngineDisconnected("this session is not connected to the gateway")
        return self._client

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        return await self._connected().ask(method, path, body)

    async def _change_blocklist(self, action: str, person: Person) -> frozenset[UserId]:
        lid = person.lid
        if lid is None and person.phone is not None:
            lid = (await self.query_lids([person.phone]))[person.phone]
        if lid is None:
            raise NotOnWhatsApp(f"{person.id} is not on WhatsApp")
        jid = None if person.phone is None else written(person.phone)
        await self._ask("POST", "/v1/blocklist", {"action": action, "lid": written(lid), "jid": jid})
        return users_in((await self._ask("GET", "/v1/blocklist"))["users"])

    async def _run(self) -> None:
        """Be linked and connected, again and again, until the device is removed."""
        client = await asyncio.to_thread(Client, self._settings.url, self._settings.timeout, self.context.config.proxy)
        self._client = client
        failures = 0
        while True:
            try:
                await self._connect(client)
                failures = 0
                await self._feed.begin(client)
                await self._feed.follow(client)
            except NobodyScanned:
                self.context.status(SessionStatus.FAILED, StatusReason.QR_EXPIRED)
                return
            except LoggedOut:
                await self._forget()
                raise
            except (EngineDisconnected, EngineTimeout) as error:
                self.context.log.info("the gateway is away", error=error.message)
                self.context.status(SessionStatus.STARTING, StatusReason.NETWORK)
                pause = min(FIRST_PAUSE * 2**failures, LONGEST_PAUSE) * random.uniform(0.5, 1)
            except RateLimited as error:
                pause = error.retry_after
            failures += 1
            await asyncio.sleep(pause)

    async def _connect(self, client: Client) -> None:
        """Log in, linking the device first if need be."""
        kept = await self.context.vault.get(TOKEN)
        if kept is None:
            linking = self._linking = Linking(self.context, client)
            try:
                kept = (await linking.token()).encode()
            finally:
                self._linking = None
            await self.context.vault.put({TOKEN: kept})
        client.token = kept.decode()
        account = account_in(await client.ask("GET", "/v1/me"))
        self.context.status(SessionStatus.WORKING, account=account)

    async def _forget(self) -> None:
        if self._client is not None:
            self._client.token = None
        await self.context.vault.put({TOKEN: None, CURSOR: None})


def _asked(person: Person) -> str:
    """The identifier under which to ask about somebody: the LID, which stays theirs when the number does not."""
    return written(person.lid or person.id)
