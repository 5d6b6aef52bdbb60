"""The engine contract: what an engine supports follows from its code, and a false claim is no class at all."""

import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest
from pydantic import ValidationError

from lidbook.capabilities import Capability, Claim, Feed, Level, absent, full, partial, planned
from lidbook.engine import (
    API_VERSION,
    LIVE_CALLS,
    Engine,
    EngineSession,
    EngineSettings,
    SessionContext,
)
from lidbook.errors import NotSupported
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.passkey import PasskeyAssertion
from lidbook.runtime import Runtime, RuntimeStatus
from lidbook.values import Person, Registration

PHONE = PhoneNumber("491712345678")
PERSON = Person(PHONE, Lid("100000000000001"))

ARGUMENTS: Mapping[str, tuple[tuple[object, ...], Mapping[str, object]]] = {
    "logout": ((), {}),
    "pairing_code": ((PHONE,), {}),
    "answer_passkey": ((PasskeyAssertion("AQ", "AQ", "e30", "AQ", "AQ"),), {}),
    "confirm_passkey": ((), {}),
    "screenshot": ((), {}),
    "check": (([PHONE],), {}),
    "query_lids": (([PHONE],), {}),
    "about": (([PERSON],), {}),
    "picture": ((PERSON,), {}),
    "update_contact": ((PERSON, "Ada", None), {"save_on_phone": True}),
    "delete_contact": ((PERSON,), {}),
    "block": ((PERSON,), {}),
    "unblock": ((PERSON,), {}),
    "refresh_groups": ((), {}),
}


METHODS = [(capability, method) for capability, methods in LIVE_CALLS.items() for method in methods]


class QuietSession(EngineSession):
    """Starts and stops, and serves nothing live."""

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to free."""


class CheckingSession(QuietSession):
    """Serves one live call."""

    async def check(self, phones: Sequence[PhoneNumber]) -> Sequence[Registration]:
        return [Registration(asked=phone, phone=phone) for phone in phones]


class AnsweringSession(QuietSession):
    """Serves the first step of a live call that has two."""

    async def answer_passkey(self, assertion: PasskeyAssertion) -> None:
        """Taken."""


class PasskeySession(AnsweringSession):
    """Serves both."""

    async def confirm_passkey(self) -> None:
        """Done."""


def make_engine(
    *,
    session: type[EngineSession] = QuietSession,
    feeds: frozenset[Feed] = frozenset(Feed),
    claims: Mapping[Capability, Claim] | None = None,
    name: str = "quiet",
) -> type[Engine]:
    """An engine whose claims are exactly `claims`."""
    attributes = {
        "name": name,
        "title": "An engine for a test",
        "api_version": API_VERSION,
        "feeds": feeds,
        "session": session,
        "claims": claims or {},
    }
    return type("QuietEngine", (Engine,), attributes)


def without(*served: Capability, note: str = "not here") -> dict[Capability, Claim]:
    """A claim `absent` for each live call that is not served."""
    return {capability: absent(note) for capability in LIVE_CALLS if capability not in served}


def opened(engine: type[Engine]) -> EngineSession:
    """A session of `engine`, with no context: for what needs none."""
    return engine(Path()).open(cast("SessionContext", None))


def test_what_an_engine_feeds_and_overrides_is_full_without_a_word() -> None:
    engine = make_engine(session=CheckingSession, claims=without(Capability.CONTACTS_CHECK))

    assert engine.claim(Capability.CONTACTS_CHECK) == full()
    assert engine.claim(Capability.CONTACTS_LIST) == full()
    assert engine.claim(Capability.SESSION_SCREENSHOT) == absent("not here")
    assert set(engine.matrix()) == set(Capability)


def test_a_claim_adds_level_and_note() -> None:
    claims = without(Capability.CONTACTS_CHECK) | {
        Capability.CONTACTS_CHECK: partial("one number at a time"),
        Capability.LIDS_LIST: full("from the first sync on"),
        Capability.CONTACTS_BLOCK: planned("the library cannot yet"),
    }
    engine = make_engine(session=CheckingSession, claims=claims)

    assert engine.claim(Capability.CONTACTS_CHECK) == partial("one number at a time")
    assert engine.claim(Capability.LIDS_LIST) == full("from the first sync on")
    assert engine.claim(Capability.CONTACTS_BLOCK).level is Level.PLANNED


def test_a_live_call_that_is_not_overridden_cannot_be_claimed() -> None:
    claims = without() | {Capability.CONTACTS_ABOUT: full()}

    with pytest.raises(TypeError, match=r"contacts\.about: claimed full, but QuietSession\.about is not overridden"):
        make_engine(claims=claims)


def test_a_directory_read_without_its_feeds_cannot_be_claimed() -> None:
    claims = without() | {Capability.BLOCKLIST: partial("mostly")}

    with pytest.raises(TypeError, match=r"blocklist: claimed partial, but the feeds lack blocklist"):
        make_engine(feeds=frozenset(Feed) - {Feed.BLOCKLIST}, claims=claims)


def test_what_is_provided_cannot_be_claimed_away() -> None:
    with pytest.raises(TypeError, match=r"contacts\.check: claimed absent, but it is provided"):
        make_engine(session=CheckingSession, claims=without())
    with pytest.raises(TypeError, match=r"lids\.list: claimed planned, but it is provided"):
        make_engine(claims=without() | {Capability.LIDS_LIST: planned("soon")})


def test_a_capability_of_two_methods_is_provided_by_both() -> None:
    engine = make_engine(session=PasskeySession, claims=without(Capability.SESSION_PASSKEY))

    assert LIVE_CALLS[Capability.SESSION_PASSKEY] == ("answer_passkey", "confirm_passkey")
    assert engine.claim(Capability.SESSION_PASSKEY) == full()


@pytest.mark.parametrize("claim", [None, absent("no passkeys here"), planned("soon")])
def test_half_a_capability_is_no_capability_whatever_is_claimed(claim: Claim | None) -> None:
    claims = without(Capability.SESSION_PASSKEY) | ({} if claim is None else {Capability.SESSION_PASSKEY: claim})

    with pytest.raises(
        TypeError,
        match=r"session\.passkey: provided by half, for AnsweringSession\.confirm_passkey is not overridden; write all",
    ):
        make_engine(session=AnsweringSession, claims=claims)


def test_half_a_capability_cannot_be_claimed() -> None:
    claims = without() | {Capability.SESSION_PASSKEY: full()}

    with pytest.raises(TypeError, match=r"claimed full, but AnsweringSession\.confirm_passkey is not overridden"):
        make_engine(session=AnsweringSession, claims=claims)
    with pytest.raises(
        TypeError,
        match=r"QuietSession\.answer_passkey is not overridden and QuietSession\.confirm_passkey is not overridden",
    ):
        make_engine(claims=claims)


def test_what_is_not_provided_needs_a_note_that_says_why() -> None:
    with pytest.raises(TypeError, match=r"contacts\.check: not provided, so it needs a claim with a note"):
        make_engine()


def test_a_claim_about_nothing_is_refused() -> None:
    claims = without() | cast("dict[Capability, Claim]", {"contacts.chek": full()})

    with pytest.raises(TypeError, match=r"contacts\.chek: there is no such capability"):
        make_engine(claims=claims)


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(TypeError) as refused:
        make_engine(feeds=frozenset(), name="hollow")

    lines = str(refused.value).splitlines()
    assert lines[0] == "engine 'hollow' claims what it does not do, or the reverse:"
    assert len(lines) == 1 + len(Capability)


def test_an_engine_that_forgets_an_attribute_is_told_which() -> None:
    with pytest.raises(TypeError, match="engine Nameless does not set name, feeds"):
        type("Nameless", (Engine,), {"title": "?", "api_version": 1, "session": QuietSession})


def test_an_abstract_engine_may_leave_attributes_to_its_children() -> None:
    class Hosted(Engine):
        @abc.abstractmethod
        def binary(self) -> Path:
            """Where the host is."""

    class Real(Hosted):
        name = "real"
        title = "Real"
        api_version = API_VERSION
        feeds = frozenset(Feed)
        session = QuietSession
        claims = without()

        def binary(self) -> Path:
            return self.data_dir / "host"

    assert not hasattr(Hosted, "name")
    assert Real(Path("/data")).binary() == Path("/data/host")


@pytest.mark.parametrize(("capability", "method"), METHODS)
async def test_a_base_method_refuses_with_engine_capability_and_note(capability: Capability, method: str) -> None:
    engine = make_engine(claims=without(note="there is no server"))
    arguments, options = ARGUMENTS[method]

    with pytest.raises(NotSupported) as refused:
        await getattr(opened(engine), method)(*arguments, **options)

    assert refused.value.engine == "quiet"
    assert refused.value.capability == capability.value
    assert refused.value.note == "there is no server"


async def test_two_engines_on_one_session_class_refuse_each_in_its_own_name() -> None:
    first = make_engine(name="first", claims=without(note="first cannot"))
    second = make_engine(name="second", claims=without(note="second cannot"))

    for engine in (first, second):
        session = opened(engine)
        assert isinstance(session, QuietSession)
        assert session.engine is engine
        with pytest.raises(NotSupported, match=f"{engine.name} cannot"):
            await session.screenshot()


async def test_an_engine_made_from_another_leaves_it_as_it_was() -> None:
    parent = make_engine(name="parent", claims=without(note="parent cannot"))
    child = type("Child", (parent,), {"name": "child", "claims": without(note="child cannot")})

    assert opened(parent).engine is parent
    assert opened(child).engine is child
    assert parent.claim(Capability.SESSION_SCREENSHOT).note == "parent cannot"
    with pytest.raises(NotSupported, match="child cannot"):
        await opened(child).screenshot()


def test_a_refused_engine_leaves_its_session_class_to_the_others() -> None:
    class Fresh(QuietSession):
        """Nobody's yet."""

    with pytest.raises(TypeError):
        make_engine(session=Fresh)

    assert "engine" not in vars(Fresh)


def test_the_bare_session_class_belongs_to_nobody() -> None:
    make_engine(session=EngineSession, claims=without())

    assert "engine" not in vars(EngineSession)


def test_settings_that_an_engine_does_not_know_are_refused() -> None:
    class Settings(EngineSettings):
        speed: int = 1

    assert Settings.model_validate({"speed": 2}).speed == 2
    with pytest.raises(ValidationError, match="sped"):
        Settings.model_validate({"sped": 2})


async def test_a_runtime_needs_nothing_until_it_says_so() -> None:
    lines: list[str] = []
    runtime = make_engine(claims=without())(Path()).runtime()

    assert isinstance(runtime, Runtime)
    assert runtime.check() == RuntimeStatus(ready=True)
    await runtime.install(lines.append)
    assert lines == ["nothing to install"]


async def test_an_engine_is_held_open_while_sessions_run() -> None:
    async with make_engine(claims=without())(Path()).running() as held:
        assert held is None


def test_arguments_are_given_here_for_every_live_call() -> None:
    assert set(ARGUMENTS) == {method for _, method in METHODS}
