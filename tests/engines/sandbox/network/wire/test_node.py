"""Reading a node without caring how the client packed it."""

import pytest

from lidbook_sandbox.network.wire.errors import Malformed
from lidbook_sandbox.network.wire.jid import Jid
from lidbook_sandbox.network.wire.node import Node

QUERY = Node(
    "iq", {"to": Jid("", "s.whatsapp.net"), "jid": "1@lid"}, [Node("user", {}, "5"), Node("key"), Node("user")]
)


def test_children_are_found_by_tag() -> None:
    assert QUERY.child("user") == Node("user", {}, "5")
    assert QUERY.children("user") == [Node("user", {}, "5"), Node("user")]
    assert [node.tag for node in QUERY.children()] == ["user", "key", "user"]
    assert QUERY.child("none") is None


@pytest.mark.parametrize("content", [None, b"bytes", "text"])
def test_a_node_without_children_has_none(content: bytes | str | None) -> None:
    assert Node("status", {}, content).children() == []


@pytest.mark.parametrize(("content", "text"), [(None, ""), ([], ""), (b"ol\xc3\xa1", "olá"), ("olá", "olá")])
def test_content_reads_the_same_however_it_was_packed(content: bytes | str | list[Node] | None, text: str) -> None:
    node = Node("status", {}, content)
    assert node.text == text
    assert node.data == text.encode()


def test_text_that_is_not_utf_8_is_malformed() -> None:
    with pytest.raises(Malformed, match="<status> is not UTF-8"):
        _ = Node("status", {}, b"\xff").text


def test_children_are_no_bytes() -> None:
    with pytest.raises(Malformed, match="<iq> has children"):
        _ = QUERY.data


def test_attributes_are_read_as_strings_and_as_jids() -> None:
    assert QUERY.string("to") == "s.whatsapp.net"
    assert QUERY.string("id") == ""
    assert QUERY.jid("to") == Jid("", "s.whatsapp.net")
    assert QUERY.jid("jid") == Jid("1", "lid")
    assert QUERY.jid("id") is None
