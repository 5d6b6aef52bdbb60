"""Whose webhooks may lead to private addresses."""

import pytest

from lidbook.changelog import cursors
from lidbook.changelog.cursors import SetBy, trust
from lidbook.directory.database import Database
from lidbook.session_config import SessionConfig

A, B, OWN = "http://a/", "http://b/", "http://own/"


def config(*urls: str, key: str | None = None) -> SessionConfig:
    entries = [{"url": url, "events": ["*"], **({"hmac": {"key": key}} if key else {})} for url in urls]
    return SessionConfig.parse({"webhooks": entries})


SERVERS = config(OWN).webhooks or []


async def kept(
    database: Database, session: int, given: SessionConfig, before: SessionConfig | None, set_by: SetBy
) -> dict[str, bool]:
    """Who is trusted once a config is stored."""
    urls = trust(given, before, SERVERS, set_by)
    await database.write(lambda connection: cursors.keep(connection, session, urls))
    return {url: cursors.is_trusted(database.reader, session, url) for url in (A, B, OWN)}


async def test_what_an_admin_sets_is_trusted_and_the_servers_own_needs_no_mark(
    database: Database, session: int
) -> None:
    assert await kept(database, session, config(A), None, "admin") == {A: True, B: False, OWN: False}
    assert cursors.position(database.reader, session, OWN) == 0


async def test_what_a_session_key_sets_is_not(database: Database, session: int) -> None:
    assert await kept(database, session, config(A, B), None, "session") == {A: False, B: False, OWN: False}


async def test_trust_outlives_a_restart(database: Database, session: int) -> None:
    await kept(database, session, config(A), None, "admin")
    with_b = config(A, B)
    await kept(database, session, with_b, config(A), "session")
    assert await kept(database, session, with_b, with_b, "nobody") == {A: True, B: False, OWN: False}


async def test_what_a_session_key_sends_back_unchanged_stays_trusted(database: Database, session: int) -> None:
    await kept(database, session, config(A, B), None, "admin")
    assert await kept(database, session, config(B), config(A, B), "session") == {A: False, B: True, OWN: False}


async def test_what_a_session_key_changes_in_any_way_is_no_longer_trusted(database: Database, session: int) -> None:
    await kept(database, session, config(A), None, "admin")
    changed = config(A, key="mine")
    assert await kept(database, session, changed, config(A), "session") == {A: False, B: False, OWN: False}
    assert await kept(database, session, config(A), changed, "session") == {A: False, B: False, OWN: False}


async def test_a_second_entry_of_a_trusted_url_takes_the_trust_away(database: Database, session: int) -> None:
    await kept(database, session, config(A), None, "admin")
    both = SessionConfig.parse(
        {"webhooks": [{"url": A, "events": ["*"]}, {"url": A, "events": ["lid.*"], "hmac": {"key": "mine"}}]}
    )
    assert (await kept(database, session, both, config(A), "session"))[A] is False


async def test_an_admin_takes_over_what_a_session_key_set(database: Database, session: int) -> None:
    await kept(database, session, config(A), None, "session")
    assert (await kept(database, session, config(A), config(A), "admin"))[A] is True


async def test_what_was_left_out_and_comes_back_is_new(database: Database, session: int) -> None:
    await kept(database, session, config(A), None, "admin")
    await kept(database, session, config(), config(A), "session")
    assert (await kept(database, session, config(A), config(), "session"))[A] is False


@pytest.mark.parametrize("set_by", ["session", "nobody"])
async def test_the_servers_own_url_in_a_session_gets_no_trust_from_it(
    database: Database, session: int, set_by: SetBy
) -> None:
    assert (await kept(database, session, config(OWN), None, set_by))[OWN] is False
