"""`lidbook webhooks`, as a user has it."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from api.access.processes import lidbook
from api.served import Served, serve
from lidbook.hookspecs import ChangeKind

from .conftest import configured, written
from .receivers import Receiver, answer, receiver
from .test_routes import until


class Shop:
    """A server with a session `a`, its receiver, and the command line."""

    def __init__(self, served: Served, there: Receiver, home: Path) -> None:
        self.served = served
        self.there = there
        self.home = home

    async def webhooks(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`lidbook webhooks`."""
        return await asyncio.to_thread(lidbook, self.home, "webhooks", *arguments, LIDBOOK_URL=self.served.url)

    async def refused(self, count: int) -> None:
        """So many dead letters more."""
        self.there.answering = lambda _: answer(410)
        session = self.served.lidbook.sessions.get("a")
        have = len(self.there.received)
        changes = await self.served.lidbook.database.write(
            lambda connection: written(connection, session.id, count, ChangeKind.CONTACT_CREATED)
        )
        self.served.lidbook.hooks.tell_changes_committed("a", changes)
        await self.there.until(have + count)
        (lane,) = self.served.app.state.services.webhooks.of(session)
        await until(lambda: self.served.app.state.services.webhooks.of(session)[0].seq >= changes[-1].seq)
        self.there.answering = lambda _: answer()
        assert lane.url == self.there.url


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A server whose session `a` has a webhook that gives up at once."""
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(receiver())
        served = await stack.enter_async_context(serve(tmp_path / "data"))
        config = configured({"url": there.url, "retries": {"attempts": 0}})
        await served.lidbook.sessions.create("a", config, start=False)
        yield Shop(served, there, tmp_path)


async def test_list_shows_where_events_go(shop: Shop) -> None:
    await shop.refused(2)
    shown = await shop.webhooks("list", "a")
    titles, row = shown.stdout.splitlines()
    assert titles.split() == ["URL", "STATE", "WAITING", "DEAD", "LETTERS", "LAST", "ERROR"]
    *cells, day, moment, said, status = row.split()
    assert (cells, said, status) == ([shop.there.url, "idle", "0", "2"], "answered", "410")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", f"{day} {moment}"), "it may have recovered since"


async def test_test_says_whether_a_webhook_works(shop: Shop) -> None:
    tried = await shop.webhooks("test", "a", shop.there.url)
    assert (tried.returncode, tried.stdout[:22]) == (0, "taken: answered 200 wi")
    shop.there.answering = lambda _: answer(401)
    tried = await shop.webhooks("test", "a", shop.there.url)
    assert (tried.returncode, tried.stderr) == (1, "lidbook: not taken: answered 401\n")
    tried = await shop.webhooks("test", "a", "http://other/")
    assert tried.returncode == 1
    assert "none of this session's webhooks: set it in config.webhooks first" in tried.stderr


async def test_dead_letters_are_listed_shown_sent_again_and_deleted(shop: Shop) -> None:
    await shop.refused(4)
    listed = await shop.webhooks("dead-letters", "list", "a", "--limit", "3")
    titles, *rows = [line.split() for line in listed.stdout.splitlines()]
    assert titles == ["ID", "TIME", "EVENT", "SEQ", "ATTEMPTS", "URL", "REASON"]
    assert [row[0] for row in rows] == ["4", "3", "2"]
    assert rows[0][3:] == ["contact.created", "4", "1", shop.there.url, "answered", "410"]
    shown = json.loads((await shop.webhooks("dead-letters", "show", "a", "1")).stdout)
    assert shown["body"] == shop.there.received[0].event
    one = await shop.webhooks("dead-letters", "resend", "a", "2")
    assert one.stdout.startswith("taken: answered 200")
    deleted = await shop.webhooks("dead-letters", "delete", "a", "3")
    assert deleted.stdout == "deleted 1\n"
    shop.there.answering = lambda received: answer(400 if received.seq == 4 else 200)
    every = await shop.webhooks("dead-letters", "resend", "a", "--all")
    assert (every.returncode, every.stderr) == (1, "lidbook: sent 1, 1 left: answered 400\n")
    shop.there.answering = lambda _: answer()
    every = await shop.webhooks("dead-letters", "resend", "a", "--all")
    assert (every.returncode, every.stdout) == (0, "sent 1\n")
    await shop.refused(2)
    assert (await shop.webhooks("dead-letters", "delete", "a", "--all")).stdout == "deleted 2\n"


@pytest.mark.parametrize("command", ["resend", "delete"])
async def test_which_letters_are_meant_has_to_be_said(shop: Shop, command: str) -> None:
    for arguments in ((), ("1", "--all")):
        refused = await shop.webhooks("dead-letters", command, "a", *arguments)
        assert (refused.returncode, refused.stderr) == (1, "lidbook: say which: the id of one letter, or --all\n")
