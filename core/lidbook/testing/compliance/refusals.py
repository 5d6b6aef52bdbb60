"""What an engine does not provide is refused, and says why."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import pytest

from lidbook.capabilities import Capability
from lidbook.engine import LIVE_CALLS, EngineSession
from lidbook.errors import NotSupported
from lidbook.passkey import PasskeyAssertion
from lidbook.testing.cast import asked, phone_of
from lidbook.testing.compliance.base import OnStage
from lidbook.testing.simulation import Simulation
from lidbook.testing.stage import Stage

Call = Callable[[EngineSession, Simulation], Awaitable[object]]

CALLS: Final[Mapping[Capability, Call]] = {
    Capability.CONTACTS_CHECK: lambda engine, on: engine.check([phone_of(on.cast.friend)]),
    Capability.LIDS_QUERY: lambda engine, on: engine.query_lids([phone_of(on.cast.friend)]),
    Capability.CONTACTS_ABOUT: lambda engine, on: engine.about([asked(on.cast.friend)]),
    Capability.CONTACTS_PICTURE: lambda engine, on: engine.picture(asked(on.cast.friend)),
    Capability.CONTACTS_UPDATE: lambda engine, on: engine.update_contact(
        asked(on.cast.friend), "Ada", "Lovelace", save_on_phone=True
    ),
    Capability.CONTACTS_DELETE: lambda engine, on: engine.delete_contact(asked(on.cast.friend)),
    Capability.CONTACTS_BLOCK: lambda engine, on: engine.block(on.service.shown(on.cast.friend)),
    Capability.CONTACTS_UNBLOCK: lambda engine, on: engine.unblock(on.service.shown(on.cast.blocked)),
    Capability.GROUPS_REFRESH: lambda engine, _: engine.refresh_groups(),
    Capability.SESSION_LOGOUT: lambda engine, _: engine.logout(),
    Capability.SESSION_PAIRING_CODE: lambda engine, on: engine.pairing_code(on.phone),
    Capability.SESSION_PASSKEY: lambda engine, _: engine.answer_passkey(PasskeyAssertion("", "", "", "", "")),
    Capability.SESSION_SCREENSHOT: lambda engine, _: engine.screenshot(),
}
"""One ordinary call of each live capability."""


class Refusals(OnStage):
    """A refusal carries the engine, the capability and the note of the claim."""

    async def test_what_is_not_provided_is_refused(self, linked: Stage, refused: Capability) -> None:
        """A planned or absent capability raises `NotSupported` with the note of its claim: clients get a 501 with it.

        If this fails: leave the method of `EngineSession` alone; the base refuses by itself.
        """
        claim = self.engine.claim(refused)
        error = await _refusal(linked, refused)
        assert (error.engine, error.capability, error.note) == (self.engine.name, refused.value, claim.note)


async def _refusal(stage: Stage, capability: Capability) -> NotSupported:
    if capability not in LIVE_CALLS:
        with pytest.raises(NotSupported) as caught:
            stage.session.require(capability)
        return caught.value
    call = CALLS[capability](stage.engine_session, stage.simulation)
    with pytest.raises(NotSupported) as caught:
        await call
    return caught.value
