"""Logs: numbers shortened however they are written, secrets gone, and one event stays one line."""

import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidbook.logs import discreet, shortened
from lidbook.redaction import masked, names_a_secret, printable
from lidbook.ulid import ulid

COUNTRIES = ["1202", "4477", "5531", "5215", "5491", "49151", "9198", "2010", "351", "971"]
BETWEEN = ["", " ", "-", "(", ")", ") ", " (", "\u00a0", "\u2011", "\u2013", "\u202f", "%20", "%2D", "%2520"]

PROLOGUE = """
import asyncio, logging, sys, warnings
import structlog
from lidbook import logs
logs.configure(*sys.argv[1:2], json="json" in sys.argv)
log = structlog.stdlib.get_logger("lidbook.test")
"""


@st.composite
def phones(draw: st.DrawFn) -> str:
    """Digits of a number that could be somebody's."""
    country = draw(st.sampled_from(COUNTRIES))
    rest = draw(st.integers(min_value=9 - len(country), max_value=15 - len(country)))
    return country + draw(st.text("0123456789", min_size=rest, max_size=rest))


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str]:
    """A number's digits, and the number as somebody wrote it, with a plus in front."""
    digits = draw(phones())
    plus = draw(st.sampled_from(["+", "%2B", "%2b", "%252B", "+ ", "tel:+"]))
    return digits, plus + "".join(digit + draw(st.sampled_from([*BETWEEN, ".", "/"])) for digit in digits)


around = st.sampled_from(["", "x", "for ", "id-", "/contacts/", '{"phone": "', "[", "jid=", "é"])
behind = st.sampled_from(["", "x", " is gone", "/", '"}', "]", "@c.us", ":12@s.whatsapp.net", "%40c.us", ".", ", 5"])


def digits_of(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


@given(phones(), around, behind)
def test_a_number_never_stands_whole(phone: str, before: str, after: str) -> None:
    text = shortened(before + phone + after)
    assert phone not in text
    assert phone[:3] in text
    assert text.startswith(before)


@given(written(), around, behind)
def test_a_number_never_stands_whole_however_it_is_written(number: tuple[str, str], before: str, after: str) -> None:
    digits, text = number
    shown = shortened(f"{before} {text}{after}")
    assert digits not in digits_of(shown.replace("%20", "").replace("%2D", "").replace("%40", ""))
    assert "…" in shown


@given(phones())
def test_a_number_inside_a_container_is_shortened(phone: str) -> None:
    value = {"people": [{"phone": phone}, (int(phone), {phone: phone})], phone: {phone}}
    assert phone not in str(discreet("answer", value))


@given(st.uuids(), st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1)))  # noqa: DTZ001 - hypothesis wants it
def test_what_is_no_number_stays(identity: uuid.UUID, moment: datetime) -> None:
    text = f"{identity} at {moment.isoformat()} and {moment:%Y-%m-%d %H:%M:%S} and {moment:%Y%m%d-%H%M%S}"
    assert shortened(text) == text


@given(st.integers(min_value=1_500_000_000_000, max_value=1_999_999_999_999), st.binary(min_size=10, max_size=10))
def test_moments_and_ulids_stay(at: int, entropy: bytes) -> None:
    text = f"at {at}, evt_{ulid(at, entropy)}"
    assert shortened(text) == text


@given(st.binary(min_size=16, max_size=64))
def test_the_digest_of_anything_stays(raw: bytes) -> None:
    letters = sum(c in "abcdef" for c in raw.hex())
    if letters >= len(raw) * 0.5:
        assert shortened(raw.hex()) == raw.hex()


@pytest.mark.parametrize(
    "text",
    [
        "2.3000.1015901307",
        "127.0.0.1:45678",
        "10.0.0.1 192.168.100.200",
        "took 12.123456789 s",
        "since 1700000000.123",
        "port 3000, 1024 of 65536",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "3EB0A1B2C3D4E5F60718",
        "2026-01-31T12:00:00.123456789+01:00",
    ],
)
def test_versions_addresses_and_durations_stay(text: str) -> None:
    assert shortened(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+55 31 98888-7777", "+553…777"),
        ("(31) 98888-7777", "(319…777"),
        ("55 31 98888-7777", "553…777"),
        ("phone=%2B5531988887777&x=1", "phone=+553…777&x=1"),
        ("447700900101-1700000000@g.us", "447…101-170…000@g.us"),
        ("120363040000000042@g.us", "120…042@g.us"),
        ("15550100@c.us", "15…00@c.us"),
        ("+1 (202) 555-0100 2026-01-31T12:00:00Z", "+120…100 2026-01-31T12:00:00Z"),
        ("/data/sandbox/12025550100.json", "/data/sandbox/120…100.json"),
    ],
)
def test_how_a_number_is_shown(text: str, shown: str) -> None:
    assert shortened(text) == shown


@pytest.mark.parametrize(
    "name",
    [
        "at", "created_at", "startedAt", "timestamp", "freeBytes", "size", "pid",  "uptime", "rss", "seq",
        "duration_ms",
    ],
)  # fmt: skip
def test_a_whole_number_that_measures_something_stays(name: str) -> None:
    assert discreet(name, 1_700_000_000_000) == 1_700_000_000_000


@pytest.mark.parametrize("name", ["phone", "number", "jid", "of", "contact", "what", "concat"])
def test_a_whole_number_under_any_other_name_is_shortened(name: str) -> None:
    assert discreet(name, 5531988887777) == "553…777"
    assert discreet(name, 5531988887777.0) == "553…777"
    assert discreet(name, 200) == 200


@pytest.mark.parametrize("value", [None, True, 3, 0.5, float("nan"), float("inf"), -5531988887777])
def test_other_values_stay_what_they_are(value: object) -> None:
    assert discreet("value", value) is value


# secrets


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "api_key",
        "X-Api-Key",
        "hmacSecret",
        "secret",
        "token",
        "PASSWORD",
        "hmac",
        "authorization",
        "root_key",
        "qr",
    ],
)
def test_what_goes_by_the_name_of_a_secret_is_gone(name: str) -> None:
    assert names_a_secret(name)
    assert discreet(name, "hunter2") == "***"
    assert "hunter2" not in str(discreet("config", {"webhooks": [{name: {"deeper": "hunter2"}}]}))


@pytest.mark.parametrize("name", ["key_id", "keys", "monkey", "tokens_left", "hmac_algorithm", "session"])
def test_what_only_sounds_like_one_stays(name: str) -> None:
    assert not names_a_secret(name)


@pytest.mark.parametrize(
    "text",
    [
        "key_6c35dcbf31914c65a90f29e2ca1840d2",
        "GET /ws?x-api-key=6c35dcbf31914c65a90f29e2ca1840d2&session=default",
        "X-Api-Key: 6c35dcbf31914c65a90f29e2ca1840d2",
        "Authorization: Bearer 6c35dcbf31914c65a90f29e2ca1840d2",
        "https://user:6c35dcbf31914c65a90f29e2ca1840d2@example.com/hook",
        '{"password": "6c35dcbf31914c65a90f29e2ca1840d2"}',
        "LIDBOOK_API_KEY=6c35dcbf31914c65a90f29e2ca1840d2",
    ],
)
def test_a_secret_in_a_text_is_masked(text: str) -> None:
    assert "6c35dcbf31914c65a90f29e2ca1840d2" not in masked(f"before {text} after")
    assert "after" in masked(f"before {text} after")


def test_an_id_of_a_key_is_no_secret() -> None:
    text = f"key_id_{ulid()} and key_id_control_default"
    assert masked(text) == text


# lines


@given(st.text())
def test_any_text_is_one_line_without_control_characters(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert shown.isprintable()


def log(code: str, *arguments: str) -> str:
    """What a process of its own writes to stderr."""
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + code, *arguments], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == ""
    return done.stderr


def test_a_name_cannot_fake_a_line_nor_a_value() -> None:
    name = "Ann\n2026-01-31T12:00:00Z error    faked  [lidbook.core]\r\x1b[2K\u2028\u202e"
    (line,) = log(f"log.info('taken', name={name!r}, other='a b=c \"d\"', session='ok')").splitlines()
    assert line.count("\\n2026-01-31T12:00:00Z error") == 1
    assert line.endswith('other="a b=c \\"d\\"" session=ok')
    assert line.isprintable()


def test_a_foreign_message_cannot_fake_a_line() -> None:
    (line,) = log("logging.getLogger('uvicorn.error').warning('bad path %s', '/a\\n2026 error faked')").splitlines()
    assert "\\n2026 error faked" in line
    assert "[uvicorn.error]" in line


def test_json_is_one_object_a_line_and_discreet_too() -> None:
    out = log(
        "log.info('called\\n', phone='+55 31 98888-7777', api_key='hunter2', deep={'jid': [5531988887777]})",
        "info",
        "json",
    )
    (line,) = out.splitlines()
    event = json.loads(line)
    assert event.pop("timestamp")
    assert event == {
        "event": "called\n",
        "logger": "lidbook.test",
        "level": "info",
        "phone": "+553…777",
        "api_key": "***",
        "deep": {"jid": ["553…777"]},
    }


@pytest.mark.parametrize("arguments", [("info",), ("info", "json")])
def test_what_other_libraries_log_goes_the_same_way(arguments: tuple[str, ...]) -> None:
    code = """
try:
    raise ValueError("no such contact: +55 31 98888-7777\\nerror faked")
except ValueError:
    logging.getLogger("asyncio").exception("failed for %s", "5531988887777")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=True)
warnings.warn("do not call 5531988887777")
logging.getLogger("httpx").info("GET https://example.com/?token=x")
"""
    out = log(code, *arguments)
    assert "5531988887777" not in out
    assert "98888-7777" not in out
    assert "example.com" not in out
    assert out.count("ValueError") >= 2
    assert "do not call 553" in out
    assert not [line for line in out.splitlines() if line.startswith("error faked")]


def test_an_exception_in_the_loop_is_logged_like_the_rest() -> None:
    code = """
async def main():
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: int("+55 31 98888-7777"))
    await asyncio.sleep(0)
asyncio.run(main())
"""
    out = log(code)
    assert "ValueError" in out
    assert "98888-7777" not in out


def test_a_broken_record_does_not_break_the_program() -> None:
    out = log("logging.getLogger('stranger').error('%d', 'no number')\nlog.info('still here')")
    assert "still here" in out


def test_the_level_holds_for_both() -> None:
    out = log("log.info('ours'); logging.getLogger('x').warning('theirs'); log.error('bad')", "error")
    assert "bad" in out
    assert "ours" not in out
    assert "theirs" not in out


def test_a_traceback_stands_below_its_line() -> None:
    out = log("try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('broken', session='a')")
    first, *rest = out.splitlines()
    assert first.endswith("broken  [lidbook.test]  session=a")
    assert all(line.startswith("    | ") for line in rest)
    assert rest[-1] == "    | ZeroDivisionError: division by zero"


def test_it_can_be_written_elsewhere() -> None:
    code = """
import io
stream = io.StringIO()
logs.configure(stream=stream)
structlog.stdlib.get_logger("x").info("hello")
sys.stderr.write("elsewhere" if "hello" in stream.getvalue() else "nowhere")
"""
    assert log(code) == "elsewhere"
