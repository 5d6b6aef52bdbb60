"""Places that sessions share: shares, hosts, turns, and places that come back."""

import asyncio

from lidbook_api.webhooks.pool import Pool


class Queue:
    """Sends that wait for a place, and the order in which they got one."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.entered: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def add(self, *sends: str) -> None:
        """Each is `session/host`, or `session` alone."""
        self.tasks += [asyncio.create_task(self._enter(send)) for send in sends]
        await turn()

    async def leave(self, send: str) -> list[str]:
        """Give a place back; returns who has got one since."""
        before = len(self.entered)
        session, _, host = send.partition("/")
        self.pool.leave(session, host)
        await turn()
        return self.entered[before:]

    async def _enter(self, send: str) -> None:
        session, _, host = send.partition("/")
        await self.pool.enter(session, host)
        self.entered.append(send)


async def turn() -> None:
    """Let everybody do what can be done now."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_sessions_get_places_in_turn_however_many_wait() -> None:
    queue = Queue(Pool(1, share=1))
    await queue.add("a", "a", "a", "a", "b", "c", "b")
    order = [send for last in ("a", "a", "b", "c", "a", "b") for send in await queue.leave(last)]
    assert order == ["a", "b", "c", "a", "b", "a"]


async def test_a_session_has_its_share_and_the_rest_is_for_others() -> None:
    queue = Queue(Pool(4, share=2))
    await queue.add("a", "a", "a", "a", "b", "c", "d")
    assert queue.entered == ["a", "a", "b", "c"]
    assert await queue.leave("b") == ["d"]
    assert await queue.leave("c") == []
    assert await queue.leave("a") == ["a"]


async def test_a_full_host_holds_up_only_who_goes_there() -> None:
    queue = Queue(Pool(9, share=9, per_host=1))
    await queue.add("a/x", "b/x", "a/x", "a/y", "c/z")
    assert queue.entered == ["a/x", "a/y", "c/z"]
    assert await queue.leave("a/x") == ["b/x"]
    assert await queue.leave("b/x") == ["a/x"]


async def test_one_place_that_comes_back_may_be_two_that_were_missing() -> None:
    """The share of its session and the part of its host, which different ones wait for."""
    queue = Queue(Pool(9, share=1, per_host=1))
    await queue.add("a/x", "a/y", "b/x")
    assert queue.entered == ["a/x"]
    assert await queue.leave("a/x") == ["a/y", "b/x"]


async def test_who_waits_no_longer_costs_no_place() -> None:
    pool = Pool(1, share=1)
    queue = Queue(pool)
    await queue.add("a", "b", "b", "c")
    queue.tasks[1].cancel()
    assert await queue.leave("a") == ["b"]
    pool.leave("b", "")
    queue.tasks[3].cancel()  # it has its place already, and does not know yet
    await turn()
    assert queue.entered == ["a", "b"]
    await queue.add("d")
    assert queue.entered == ["a", "b", "d"]
    assert await queue.leave("d") == []
    assert (pool._free, pool._sessions, pool._waiting) == (1, {}, {})
