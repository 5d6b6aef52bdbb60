"""The table of transitions: what an engine may report, what it may not, and that the documentation says so."""

import re
from pathlib import Path

import pytest

from core.sessions.conftest import Core
from lidbook.session_config import SessionConfig
from lidbook.sessions.transitions import TRANSITIONS, Mover, is_known, may_report, to_markdown
from lidbook.values import SessionStatus, StatusReason

DOCUMENT = (Path(__file__).parents[3] / "docs" / "sessions.md").read_text(encoding="utf-8")
S = SessionStatus
LINKING = {S.SCAN_QR_CODE, S.PASSKEY_REQUIRED, S.PASSKEY_CONFIRMATION_REQUIRED}
UP = {S.STARTING, S.WORKING} | LINKING
REPORTED = {(t.before, t.after) for t in TRANSITIONS if t.mover is Mover.ENGINE}
GROUPS = {"UP": UP, "LINKING": LINKING}


async def in_status(core: Core, status: SessionStatus) -> None:
    """A session `s` that the engine brought into this status."""
    session = await core.lidbook.sessions.create("s", SessionConfig(settings={"slow_start": True}))
    core.script.sessions[-1].report(status)
    assert await session.until(lambda now: now is status, 5)


@pytest.mark.parametrize(("before", "after"), sorted(REPORTED))
async def test_what_an_engine_may_report_is_shown(core: Core, before: SessionStatus, after: SessionStatus) -> None:
    await in_status(core, before)
    session = core.lidbook.sessions.get("s")
    reason = StatusReason.BANNED if after is S.FAILED else StatusReason.NETWORK
    core.script.sessions[-1].report(after, reason)
    assert await session.until(lambda _: session.reason is reason, 5)
    assert session.status is after


@pytest.mark.parametrize(
    ("before", "after"), sorted((before, after) for before in UP for after in S if (before, after) not in REPORTED)
)
async def test_what_an_engine_may_not_report_ends_the_session(
    core: Core, before: SessionStatus, after: SessionStatus
) -> None:
    await in_status(core, before)
    session = core.lidbook.sessions.get("s")
    core.script.sessions[-1].report(after)
    assert await session.until(lambda now: now is S.FAILED, 5)
    assert (session.reason, session.is_running) == (StatusReason.CRASHED, False)
    assert session.detail == "the engine reported something that cannot be; see the server's log"


def test_an_engine_moves_nothing_that_is_down() -> None:
    assert not any(may_report(before, after) for before in (S.STOPPED, S.FAILED) for after in S)
    assert not any(may_report(before, S.STOPPED) for before in S)


def test_every_status_can_be_reached_and_left() -> None:
    for status in S:
        others = set(S) - {status}
        assert any(is_known(other, status) for other in others), f"nothing leads to {status}"
        assert any(is_known(status, other) for other in others), f"nothing leads away from {status}"


def test_the_documentation_has_the_table_as_it_is() -> None:
    table = re.search(r"<!-- transitions -->\n(.*)<!-- /transitions -->", DOCUMENT, re.DOTALL)
    assert table is not None
    assert table[1] == to_markdown()


def test_the_drawing_shows_every_move_and_no_other() -> None:
    drawing = re.search(r"```mermaid\n(.*?)```", DOCUMENT, re.DOTALL)
    assert drawing is not None
    drawn: set[tuple[SessionStatus, SessionStatus]] = set()
    for before, after in re.findall(r"^ *(\w+) -->(?:\|[^|]*\|)? (\w+)$", drawing[1], re.MULTILINE):
        drawn |= {(a, b) for a in _statuses(before) for b in _statuses(after) if a is not b}
    assert set(S) <= set(re.findall(r"\b[A-Z_]{6,}\b", drawing[1]))
    assert drawn == {(t.before, t.after) for t in TRANSITIONS if t.before is not t.after}


def _statuses(name: str) -> set[SessionStatus]:
    return GROUPS.get(name) or {SessionStatus(name)}


def test_the_documentation_explains_every_status_and_every_reason() -> None:
    cells = re.findall(r"^\| `?(\w+)`? \|", DOCUMENT, re.MULTILINE)
    assert set(S) | set(StatusReason) <= set(cells)
