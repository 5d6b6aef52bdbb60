"""A session whose foreign library lives in a host: every call is a message, and so is every answer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from pydantic import Field, JsonValue

from lidbook.engine import EngineSession, EngineSettings, SessionContext
from lidbook.errors import EngineError
from lidbook.facts import Picture
from lidbook.hosts import encoding
from lidbook.hosts.reading import JsonObject, Malformed, text
from lidbook.hosts.tenant import Tenant
from lidbook.identifiers import Lid, PhoneNumber, UserId
from lidbook.passkey import PasskeyAssertion
from lidbook.values import AboutAnswer, AddressBookEntry, Person, Registration

T = TypeVar("T")

LOGOUT_AT_MOST = 10.0
"""Seconds in which a host has to unlink a device: who logs out waits for it."""


class HostedSettings(EngineSettings):
    """Settings that every engine with a host has; an engine adds its own."""

    query_timeout: float = Field(default=20.0, gt=0, le=600)
    """Seconds in which WhatsApp has to answer a query. The server's own limit for a request stands above it."""


class Hosts(Protocol):
    """What a session needs of those who keep the hosts."""

    async def start(self, tenant: Tenant) -> None:
        """Find a host for it, and begin."""

    async def stop(self, tenant: Tenant) -> None:
        """End it, whatever its host does."""

    async def call(self, tenant: Tenant, method: str, params: JsonObject, timeout: float) -> JsonObject:  # noqa: ASYNC109
        """Ask the host, which gives up after `timeout` seconds."""


class HostedSession(EngineSession):
    """Serves every live call of the host protocol.

    An engine whose host lacks one takes the base's refusal back: `delete_contact = EngineSession.delete_contact`.
    """

    def __init__(self, context: SessionContext, hosts: Hosts) -> None:
        super().__init__(context)
        self._hosts = hosts
        self._tenant = Tenant(context, self.host_settings)

    def host_settings(self) -> dict[str, JsonValue]:
        """What `session.start` carries as `settings`: all of `config.settings`, unless an engine says otherwise."""
        return self.context.settings.model_dump(mode="json")

    async def start(self) -> None:
        """Have a host begin to connect; one that crashes over it is reported as STARTING, and started again."""
        await self._hosts.start(self._tenant)

    async def stop(self) -> None:
        """End it in the host; a host that does not do it in time is killed."""
        try:
            await self._hosts.stop(self._tenant)
        finally:
            await self._tenant.end()
            await super().stop()

    async def logout(self) -> None:
        """Unlink the device and forget its credentials."""
        await self._ask("session.logout", {}, _nothing, at_most=LOGOUT_AT_MOST)

    async def pairing_code(self, phone: PhoneNumber) -> str:
        """A code to type on the phone."""
        return await self._ask("session.pairing_code", {"phone": str(phone)}, lambda answer: text(answer, "code"))

    async def answer_passkey(self, assertion: PasskeyAssertion) -> None:
        """Hand over what was signed."""
        await self._ask("session.passkey", {"assertion": encoding.assertion_json(assertion)}, _nothing)

    async def confirm_passkey(self) -> None:
        """Say that the code was seen on the phone."""
        await self._ask("session.passkey_confirm", {}, _nothing)

    async def check(self, phones: Sequence[PhoneNumber]) -> Sequence[Registration]:
        """Ask about each number, in one query."""
        params: JsonObject = {"phones": [str(phone) for phone in phones]}
        return await self._ask("contacts.check", params, lambda answer: encoding.registrations(answer, phones))

    async def query_lids(self, phones: Sequence[PhoneNumber]) -> Mapping[PhoneNumber, Lid | None]:
        """Ask for the LID of each number, in one query."""
        params: JsonObject = {"phones": [str(phone) for phone in phones]}
        return await self._ask("lids.query", params, lambda answer: encoding.lids(answer, phones))

    async def about(self, persons: Sequence[Person]) -> Sequence[AboutAnswer]:
        """Ask for about texts, in one query."""
        params: JsonObject = {"persons": [encoding.person_json(person) for person in persons]}
        return await self._ask("contacts.about", params, lambda answer: encoding.abouts(answer, persons))

    async def picture(self, person: Person) -> Picture:
        """Ask for a profile picture."""
        return await self._ask("contacts.picture", _whom(person), encoding.picture)

    async def update_contact(
        self, person: Person, first_name: str, last_name: str | None, *, save_on_phone: bool
    ) -> AddressBookEntry:
        """Write a contact."""
        params = {"first_name": first_name, "last_name": last_name, "save_on_phone": save_on_phone}
        return await self._ask("contacts.update", {**_whom(person), **params}, encoding.entry)

    async def delete_contact(self, person: Person) -> None:
        """Remove a contact."""
        await self._ask("contacts.delete", _whom(person), _nothing)

    async def block(self, person: Person) -> frozenset[UserId]:
        """Block a person."""
        return await self._ask("contacts.block", _whom(person), _blocklist)

    async def unblock(self, person: Person) -> frozenset[UserId]:
        """Unblock a person."""
        return await self._ask("contacts.unblock", _whom(person), _blocklist)

    async def refresh_groups(self) -> None:
        """Have all groups told again."""
        await self._ask("groups.refresh", {}, _nothing)

    async def _ask(
        self, method: str, params: JsonObject, read: Callable[[JsonObject], T], *, at_most: float | None = None
    ) -> T:
        timeout = self._query_timeout if at_most is None else min(self._query_timeout, at_most)
        answer = await self._hosts.call(self._tenant, method, params, timeout)
        try:
            return read(answer)
        except Malformed as error:
            raise EngineError(f"the host's answer to {method} cannot be read: {error}") from error

    @property
    def _query_timeout(self) -> float:
        settings = self.context.settings
        return (settings if isinstance(settings, HostedSettings) else HostedSettings()).query_timeout


def _nothing(_answer: JsonObject) -> None:
    return None


def _whom(person: Person) -> dict[str, JsonValue]:
    return {"person": encoding.person_json(person)}


def _blocklist(answer: JsonObject) -> frozenset[UserId]:
    return encoding.users(answer, "users")
