"""What a live call does when the server does not: an error of the core's tree, soon, and never an empty answer."""

import asyncio
from typing import Any

import pytest

from lidbook.capabilities import Capability
from lidbook.errors import (
    Conflict,
    EngineDisconnected,
    EngineTimeout,
    LidbookError,
    LoggedOut,
    RateLimited,
)
from lidbook.testing.cast import Cast, phone_of
from lidbook.testing.compliance.base import OnStage
from lidbook.testing.compliance.refusals import CALLS
from lidbook.testing.needs import needs
from lidbook.testing.simulation import RETRY_AFTER
from lidbook.testing.stage import Stage
from lidbook.values import SessionStatus, StatusReason
from lidbook.world.conditions import Kind


class Faults(OnStage):
    """`faulty` is each live call that the engine provides and that asks the server."""

    async def test_silence_is_a_timeout(self, linked: Stage, faulty: Capability) -> None:
        """A server that does not answer is an `EngineTimeout` after the engine's own limit, for every call.

        If this fails: put a limit around the library's call, and raise `EngineTimeout` when it is reached. An empty
        list, "not registered" or "hidden" would be believed, and kept.
        """
        linked.simulation.make(Kind.SILENCE, faulty)
        await _fails_with(linked, faulty, EngineTimeout)

    async def test_a_late_answer_is_a_timeout_too(self, linked: Stage, faulty: Capability) -> None:
        """An answer that comes after the engine gave up is an error as well, even if the server did what was asked.

        If this fails: as for silence; what was changed on the server arrives as a fact of its own.
        """
        linked.simulation.make(Kind.TIMEOUT, faulty)
        await _fails_with(linked, faulty, EngineTimeout)

    async def test_the_servers_limit_is_told_with_its_time(self, linked: Stage, faulty: Capability) -> None:
        """WhatsApp's own rate limit is `RateLimited` with the seconds to wait: a 429 with `Retry-After`.

        If this fails: map the library's error for 429 and `rate-overlimit`; anything else becomes a 500.
        """
        linked.simulation.make(Kind.RATE_LIMIT, faulty)
        error = await _fails_with(linked, faulty, RateLimited)
        assert isinstance(error, RateLimited)
        assert 0 < error.retry_after <= RETRY_AFTER

    async def test_a_connection_that_is_away_is_said_to_be(self, linked: Stage, faulty: Capability) -> None:
        """While there is no connection a call is `EngineDisconnected`, at once or after the engine's own limit.

        If this fails: map the library's error for a closed socket.
        """
        session = linked.engine_session
        linked.simulation.make(Kind.DISCONNECT)
        await linked.status(SessionStatus.STARTING, StatusReason.NETWORK)
        error = await _outcome(linked, CALLS[faulty](session, linked.simulation), faulty)
        assert isinstance(error, EngineDisconnected | EngineTimeout), _said(faulty, error)

    async def test_a_removal_in_the_midst_of_a_call_is_told(self, linked: Stage, faulty: Capability) -> None:
        """The device is removed while a call waits: the call fails, and the session is FAILED with `logged_out`.

        If this fails: end the calls under way when the server says that the device was removed.
        """
        session = linked.engine_session
        linked.simulation.make(Kind.SILENCE, faulty)
        call = asyncio.ensure_future(_outcome(linked, CALLS[faulty](session, linked.simulation), faulty))
        await asyncio.sleep(0)
        linked.simulation.make(Kind.LOGOUT)
        await linked.status(SessionStatus.FAILED, StatusReason.LOGGED_OUT)
        error = await call
        assert isinstance(error, LoggedOut | EngineDisconnected | EngineTimeout), _said(faulty, error)

    async def test_slow_is_not_silent(self, linked: Stage, faulty: Capability) -> None:
        """A server that takes its time, but less than the engine's limit, is answered for.

        If this fails: the limit is for the server's silence, and not for its answer to be quick.
        """
        linked.simulation.make(Kind.SLOW, faulty)
        outcome = await _outcome(linked, CALLS[faulty](linked.engine_session, linked.simulation), faulty)
        assert not isinstance(outcome, BaseException), _said(faulty, outcome)

    async def test_afterwards_it_answers_again(self, linked: Stage, faulty: Capability) -> None:
        """A fault leaves nothing behind: the same call is answered when the fault is over.

        If this fails: look for a lock, a queue or a request id that the failed call still holds.
        """
        over = linked.simulation.make(Kind.RATE_LIMIT, faulty)
        await _fails_with(linked, faulty, RateLimited)
        over()
        outcome = await _outcome(linked, CALLS[faulty](linked.engine_session, linked.simulation), faulty)
        assert not isinstance(outcome, BaseException), _said(faulty, outcome)

    @needs(Capability.CONTACTS_CHECK)
    async def test_nothing_is_learnt_from_silence(self, linked: Stage, cast: Cast) -> None:
        """After a timeout nobody is known to be registered, or not to be.

        If this fails: a timeout became an answer on its way; see the test for silence.
        """
        phone = phone_of(cast.stranger)
        linked.simulation.make(Kind.SILENCE, Capability.CONTACTS_CHECK)
        error = await _outcome(linked, linked.session.live.check(phone), Capability.CONTACTS_CHECK)
        assert isinstance(error, EngineTimeout), _said(Capability.CONTACTS_CHECK, error)
        assert linked.contact(phone)["isWAContact"] is None

    @needs(Capability.CONTACTS_UPDATE)
    async def test_a_conflict_that_stays_is_said(self, linked: Stage, cast: Cast) -> None:
        """When every try conflicts the call is a `Conflict`, and the name is as it was.

        If this fails: try a few times and then raise `Conflict`; neither success nor a 500.
        """
        phone, before = phone_of(cast.friend), linked.contact(phone_of(cast.friend))["name"]
        linked.simulation.make(Kind.CONFLICT, Capability.CONTACTS_UPDATE, times=100)
        error = await _outcome(
            linked,
            CALLS[Capability.CONTACTS_UPDATE](linked.engine_session, linked.simulation),
            Capability.CONTACTS_UPDATE,
        )
        assert isinstance(error, Conflict), _said(Capability.CONTACTS_UPDATE, error)
        assert linked.contact(phone)["name"] == before


async def _fails_with(stage: Stage, capability: Capability, kind: type[LidbookError]) -> BaseException:
    """The error with which a call ends; fails unless it is of this kind."""
    error = await _outcome(stage, CALLS[capability](stage.engine_session, stage.simulation), capability)
    assert isinstance(error, kind), f"{_said(capability, error)}, and not with {kind.__name__}"
    return error


async def _outcome(stage: Stage, call: Any, capability: Capability) -> Any:
    """What a call returns or raises; fails when it does neither."""
    task = asyncio.ensure_future(call)
    done, _ = await asyncio.wait({task}, timeout=stage.opening.patience)
    if not done:
        task.cancel()
        pytest.fail(
            f"{capability.value} was still waiting after {stage.opening.patience:g} s: it has no limit of its own"
        )
    return task.exception() or task.result()


def _said(capability: Capability, outcome: object) -> str:
    if isinstance(outcome, BaseException):
        return f"{capability.value} failed with {type(outcome).__module__}.{type(outcome).__name__}: {outcome}"
    return f"{capability.value} answered {outcome!r}"
