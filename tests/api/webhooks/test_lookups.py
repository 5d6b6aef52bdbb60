"""Names that take long to resolve: those of one session hold up nobody else's."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from lidbook.errors import InvalidConfig
from lidbook_api.webhooks import destinations
from lidbook_api.webhooks.destinations import Destinations
from lidbook_api.webhooks.lookups import LOOKUPS_SHARE
from lidbook_api.webhooks.receivers import Receiver as Where
from lidbook_api.webhooks.sender import Outcome, Result, Sender

from .conftest import configured
from .receivers import receiver


class Names:
    """A name server that says nothing about `slow…`, as long as it likes; it cannot be told to stop."""

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.asked: Counter[str] = Counter()

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked[host.partition("-")[0]] += 1
        if host.startswith("slow"):
            await self.answer.wait()
            raise OSError("no such name")
        return ["127.0.0.1"]


def sent(sender: Sender, url: str, session: str) -> "asyncio.Task[Outcome]":
    return asyncio.create_task(sender.send(Where.of(url), [], b"{}", session=session, trusted=True))


async def test_names_that_hang_use_up_the_share_of_their_session_and_no_more() -> None:
    """A lookup that nobody waits for any more still counts: its thread is there until the name server answers."""
    names = Names()
    impatient = Sender(Destinations(resolve=names), timeout=0.02, patience=0.01)
    sends = [sent(impatient, f"http://slow-{n}.example/", "a") for n in range(3 * LOOKUPS_SHARE)]
    assert {outcome.result for outcome in await asyncio.gather(*sends)} == {Result.DOWN}
    assert names.asked["slow"] == LOOKUPS_SHARE
    async with receiver() as there:
        quick = f"http://quick.example:{there.port}/"
        assert (await sent(impatient, quick, "a")).result is Result.DOWN
        assert (await sent(impatient, quick, "b")).result is Result.TAKEN
        names.answer.set()
        async with asyncio.timeout(20):
            while (await sent(impatient, quick, "a")).result is not Result.TAKEN:
                pass
    impatient.close()


async def test_the_end_waits_for_no_name() -> None:
    names = Names()
    sender = Sender(Destinations(resolve=names), timeout=0.01)
    assert (await sent(sender, "http://slow-1.example/", "a")).result is Result.DOWN
    (lookup,) = sender._lookups._under_way
    sender.close()
    await asyncio.wait([lookup])
    assert sender._lookups._under_way == set()


async def test_names_of_configs_are_not_looked_up_at_the_cost_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destinations, "CHECKS", 0)
    rules = Destinations()
    await rules.check(configured({"url": "http://localhost/"}), None, trusted=False)
    assert set(await rules.addresses("localhost", 80, trusted=True)) <= {"127.0.0.1", "::1"}
    with pytest.raises(InvalidConfig):
        await rules.check(configured({"url": "http://127.0.0.1/"}), None, trusted=False)
