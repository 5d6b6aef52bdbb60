"""Addresses, written and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidbook_sandbox.network.wire.errors import Malformed
from lidbook_sandbox.network.wire.jid import SERVER, Jid


@pytest.mark.parametrize(
    ("text", "jid"),
    [
        ("5511912345678@s.whatsapp.net", Jid("5511912345678", "s.whatsapp.net")),
        ("5511912345678:12@s.whatsapp.net", Jid("5511912345678", "s.whatsapp.net", 12)),
        ("123456789012345:3@lid", Jid("123456789012345", "lid", 3)),
        ("120363-1@g.us", Jid("120363-1", "g.us")),
        ("s.whatsapp.net", SERVER),
    ],
)
def test_a_jid_is_read_and_written(text: str, jid: Jid) -> None:
    assert Jid.parse(text) == jid
    assert str(jid) == text


def test_baileys_spelling_of_the_server_is_read() -> None:
    assert Jid.parse("@s.whatsapp.net") == SERVER


def test_device_zero_is_the_phone() -> None:
    assert Jid.parse("5511912345678:0@s.whatsapp.net") == Jid("5511912345678", "s.whatsapp.net")


def test_a_device_s_bare_jid_is_the_user() -> None:
    assert Jid("1", "lid", 4).bare == Jid("1", "lid")


@pytest.mark.parametrize(
    "text", ["", "1@", "1:@lid", "1:x@lid", "1:-1@lid", "1:²@lid", "1@2@lid", "1:" + "9" * 5000 + "@lid"]
)
def test_what_is_no_jid_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="not a JID"):
        Jid.parse(text)


@given(text=st.text(alphabet="0a:@.-", max_size=12) | st.text(max_size=12))
def test_any_text_is_a_jid_or_refused(text: str) -> None:
    try:
        jid = Jid.parse(text)
    except Malformed:
        return
    assert Jid.parse(str(jid)) == jid
