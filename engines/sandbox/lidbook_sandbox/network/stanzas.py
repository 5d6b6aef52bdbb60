"""Stanzas in the server's own words: who is named how, and how a query is answered or refused.

Text is always content of bytes, and every JID an attribute of its own kind: whatsmeow sees anything else as missing.
"""

import secrets
import time
from typing import Final

from lidbook.identifiers import GroupId, Lid, PhoneNumber, UserId
from lidbook_sandbox.network.wire.jid import (
    BROADCAST_SERVER,
    GROUP_SERVER,
    LEGACY_SERVER,
    LID_SERVER,
    SERVER,
    USER_SERVER,
    Jid,
)
from lidbook_sandbox.network.wire.node import Node

Attributes = dict[str, str | Jid]

STATUS: Final = Jid("status", BROADCAST_SERVER)
"""Where people post their status: such a message shows a push name without there being a chat."""


def pn_jid(phone: PhoneNumber, device: int = 0) -> Jid:
    """The JID of a phone number."""
    return Jid(phone.digits, USER_SERVER, device)


def lid_jid(lid: Lid, device: int = 0) -> Jid:
    """The JID of a LID."""
    return Jid(lid.digits, LID_SERVER, device)


def group_jid(group: GroupId) -> Jid:
    """The JID of a group."""
    return Jid(group.local, GROUP_SERVER)


def user_jid(user: UserId) -> Jid:
    """The JID of whoever it is."""
    return lid_jid(user) if isinstance(user, Lid) else pn_jid(user)


def user_of(jid: Jid | None) -> UserId | None:
    """The person a JID names, its device left out; None for groups, servers and whatever else is no person."""
    if jid is None or not jid.user.isdigit():
        return None
    if jid.server in (USER_SERVER, LEGACY_SERVER):
        return PhoneNumber(jid.user)
    return Lid(jid.user) if jid.server == LID_SERVER else None


def new_id() -> str:
    """An id for a stanza, unlike any other."""
    return secrets.token_hex(10).upper()


def seconds(milliseconds: int | None = None) -> str:
    """A time as stanzas carry it; now by default."""
    return str(int(time.time()) if milliseconds is None else milliseconds // 1000)


def result(query: Node, *children: Node) -> Node:
    """The answer to a query."""
    return Node("iq", _reply(query, "result"), list(children) or None)


def refusal(query: Node, code: int, text: str, **more: str) -> Node:
    """The refusal of a query; `more` are further attributes of its `<error>`."""
    error = Node("error", {"code": str(code), "text": text, **more})
    return Node("iq", _reply(query, "error"), [error])


def _reply(query: Node, kind: str) -> Attributes:
    target = query.attributes.get("to", SERVER)
    return {"from": target, "id": query.string("id"), "type": kind}
