"""What plugins hear of sessions: configs, deletions, facts, live calls."""

import pytest

from core.sessions.conftest import Core
from lidbook.capabilities import Capability
from lidbook.errors import EngineDisconnected, LidbookError, RateLimited
from lidbook.facts import Field, FieldFact, Source
from lidbook.hookspecs import hookimpl
from lidbook.identifiers import PhoneNumber
from lidbook.session_config import SessionConfig

ANN = PhoneNumber("15550101")


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.sessions: list[tuple[str, str]] = []
        self.facts: list[tuple[str, str, int]] = []
        self.calls: list[tuple[Capability, str | None]] = []

    @hookimpl
    def lidbook_session_configured(self, session: str) -> None:
        self.sessions.append(("configured", session))

    @hookimpl
    def lidbook_session_deleted(self, session: str) -> None:
        self.sessions.append(("deleted", session))

    @hookimpl
    def lidbook_facts_taken(self, session: str, engine: str, facts: int) -> None:
        self.facts.append((session, engine, facts))

    @hookimpl
    def lidbook_live_call_ended(self, capability: Capability, seconds: float, error: str | None) -> None:
        assert seconds >= 0
        self.calls.append((capability, error))


@pytest.fixture
def listener(core: Core) -> Listener:
    """Somebody who listens to everything that `core` tells."""
    listener = Listener()
    core.lidbook.hooks.register(listener, "listener")
    return listener


async def test_configs_and_deletions_are_told_once_each(core: Core, listener: Listener) -> None:
    await core.lidbook.sessions.create("s", SessionConfig(), start=False)
    await core.lidbook.sessions.update("s", SessionConfig(debug=True))
    await core.lidbook.sessions.delete("s")
    await core.lidbook.sessions.delete("s")
    assert listener.sessions == [("configured", "s"), ("configured", "s"), ("deleted", "s")]


async def test_facts_are_told_when_they_are_taken_and_not_when_they_are_refused(core: Core, listener: Listener) -> None:
    await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    fact = FieldFact(ANN, Field.FULL_NAME, "Ann", Source.ADDRESS_BOOK, 10**12)
    context = core.script.sessions[-1].context
    await context.facts([fact, fact, fact])
    with pytest.raises((TypeError, ValueError)):
        await context.facts([fact, "no fact"])  # type: ignore[list-item]
    assert listener.facts == [("s", "scripted", 3)]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, None),
        (EngineDisconnected("gone"), "engine_disconnected"),
        (RateLimited("slowly", 1.0), "rate_limited"),
        (RuntimeError("boom"), "engine_error"),
    ],
)
async def test_a_live_call_is_told_with_how_it_ended(
    core: Core, listener: Listener, error: Exception | None, code: str | None
) -> None:
    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    core.script.error = error
    if error is None:
        await session.live.check(ANN)
        await session.live.check(ANN)  # the second answer comes from the directory
    else:
        with pytest.raises(LidbookError):
            await session.live.check(ANN)
    assert listener.calls == [(Capability.CONTACTS_CHECK, code)]
