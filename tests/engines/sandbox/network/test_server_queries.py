"""What a linked device asks: every answer is the world's, as far as the account may see it."""

from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest

from lidbook.capabilities import Capability
from lidbook.identifiers import GroupId, Lid, PhoneNumber
from lidbook.values import Person
from lidbook.world.conditions import Condition, Conditions, Kind
from lidbook.world.live import LiveWorld
from lidbook.world.model import Addressing
from lidbook_sandbox.network.phone import Phone
from lidbook_sandbox.network.server import SandboxNetwork
from lidbook_sandbox.network.wire.jid import Jid
from lidbook_sandbox.network.wire.keys import DJB, KeyPair
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.wire_pb2 import VerifiedNameCertificate

from .device import Device, named, typed, usync
from .served import conditions, conditions_folder, device, live, network, phone

__all__ = ["conditions", "conditions_folder", "device", "live", "network", "phone"]

CALLUM = "447700900102@s.whatsapp.net"  # hides the about text
FREYA = "447700900103@s.whatsapp.net"  # hides the picture
RORY = "447700900104@s.whatsapp.net"  # has no picture and no about text
KRAUSE = "4915228817386@s.whatsapp.net"
CHECK = [
    Node("contact", {"addressing_mode": "lid"}),
    Node("business", {}, [Node("verified_name")]),
    Node("username"),
]


async def code(device: Device, xmlns: str, kind: str, *content: Node, target: Jid | None = None) -> str:
    """The code with which a query is refused."""
    answer = await device.ask(xmlns, kind, *content, target=target)
    error = answer.child("error")
    assert error is not None, answer
    return error.string("code")


def child(node: Node, tag: str) -> Node:
    """A child that is there."""
    found = node.child(tag)
    assert found is not None, f"no <{tag}> in {node}"
    return found


# usync


@pytest.mark.parametrize("number", ["+5531988887777", "+553188887777"])
async def test_a_number_is_checked_under_any_spelling(device: Device, number: str) -> None:
    (user,) = await device.usync(CHECK, typed(number))
    assert (str(user.jid("jid")), str(user.jid("pn_jid"))) == (
        "119084467325598@lid",
        "553188887777@s.whatsapp.net",
    )
    contact = child(user, "contact")
    assert (contact.string("type"), contact.text) == ("in", f"{number}@c.us")


async def test_baileys_is_answered_under_the_phone_number(device: Device) -> None:
    user = Node("user", {}, [Node("contact", {}, "+5531988887777")])
    (found,) = await device.usync([Node("contact")], user)
    assert str(found.jid("jid")) == "553188887777@s.whatsapp.net"
    assert child(found, "contact").string("type") == "in"


@pytest.mark.parametrize(("mode", "attribute"), [("lid", "pn_jid"), ("pn", "jid")])
async def test_an_unknown_number_is_out(device: Device, mode: str, attribute: str) -> None:
    (user,) = await device.usync([Node("contact", {"addressing_mode": mode})], typed("+12025550115"))
    assert str(user.jid(attribute)) == "12025550115@s.whatsapp.net"
    assert child(user, "contact").string("type") == "out"


async def test_a_business_has_a_certificate_and_nobody_else_has(device: Device) -> None:
    krause, chloe = await device.usync(CHECK, typed("+4915228817386"), typed("+33639980001"))
    certificate = VerifiedNameCertificate.FromString(child(child(krause, "business"), "verified_name").data)
    assert VerifiedNameCertificate.Details.FromString(certificate.details).verifiedName == "Blumen Krause"
    assert chloe.child("business") is None
    assert child(chloe, "username").text == "chloe.lumiere"
    assert krause.child("username") is None


@pytest.mark.parametrize(
    ("jid", "lid"),
    [
        ("553188887777@s.whatsapp.net", "119084467325598@lid"),
        ("5531988887777@s.whatsapp.net", None),
        ("12025550115@s.whatsapp.net", None),
    ],
)
async def test_a_lid_is_told_for_the_exact_spelling_alone(device: Device, jid: str, lid: str | None) -> None:
    (user,) = await device.usync([Node("lid")], named(jid))
    assert str(user.jid("jid")) == jid
    found = user.child("lid")
    assert (None if found is None else str(found.jid("val"))) == lid


async def test_no_server_tells_the_number_of_a_lid(device: Device) -> None:
    (user,) = await device.usync([Node("lid"), Node("contact")], named("71554209918833@lid"))
    assert "pn_jid" not in user.attributes or str(user.jid("pn_jid")) == "447700900101@s.whatsapp.net"
    (unknown,) = await device.usync([Node("lid")], named("240059127738816@lid"))
    assert set(unknown.attributes) == {"jid"}
    assert unknown.child("lid") is None


@pytest.mark.parametrize(
    ("jid", "about", "hidden"),
    [
        ("447700900101@s.whatsapp.net", "Tea first ☕️", ""),
        ("71554209918833@lid", "Tea first ☕️", ""),
        (RORY, "", ""),
        (CALLUM, "", "401"),
        ("12025550115@s.whatsapp.net", "", "404"),
    ],
)
async def test_an_about_text_is_told_unless_it_is_hidden(device: Device, jid: str, about: str, hidden: str) -> None:
    (user,) = await device.usync([Node("status")], named(jid))
    status = child(user, "status")
    assert (status.text, status.string("code")) == (about, hidden)


async def test_the_other_protocols_are_answered_as_well(device: Device) -> None:
    protocols = [Node("picture"), Node("devices", {"version": "2"}), Node("disappearing_mode"), Node("bot")]
    krause, freya, me = await device.usync(protocols, named(KRAUSE), named(FREYA), named("12025550100@s.whatsapp.net"))
    assert child(krause, "picture").string("id") == "krause-logo"
    assert child(freya, "picture").string("code") == "401"
    assert krause.child("bot") is None
    listed = child(child(me, "devices"), "device-list")
    assert [each.string("id") for each in listed.children("device")] == ["0", "1"]


async def test_a_usync_query_with_parts_missing_is_refused(device: Device) -> None:
    assert await code(device, "usync", "get", Node("usync")) == "400"
    assert await device.usync([Node("contact")], Node("user")) == []


# pictures


async def test_a_picture_has_an_address_where_it_is_fetched(
    device: Device, network: SandboxNetwork, phone: Phone
) -> None:
    asked = Node("picture", {"type": "preview", "query": "url"})
    answer = await device.ask("w:profile:picture", "get", asked, target=Jid.parse(KRAUSE))
    picture = child(answer, "picture")
    url, port = picture.string("url"), urlsplit(network.network.websocket).port
    theirs = phone.service.picture(Person(PhoneNumber("4915228817386"), None)).url
    assert theirs is not None
    assert url == f"http://127.0.0.1:{port}{theirs.removeprefix('https://pps.sandbox.invalid')}"
    assert (picture.string("id"), picture.string("type")) == ("krause-logo", "preview")
    assert url.endswith(picture.string("direct_path"))
    async with httpx.AsyncClient() as http:
        fetched = await http.get(url)
        assert fetched.headers["content-type"] == "image/jpeg"
        assert fetched.content.startswith(b"\xff\xd8")
        assert (await http.get(url.replace("krause-logo", "other"))).content != fetched.content
        assert (await http.get(url.partition("?")[0])).status_code == 403
        assert (await http.get(url.partition("?")[0] + "?oe=1")).status_code == 403


async def test_a_picture_that_the_device_has_is_not_told_again(device: Device) -> None:
    asked = Node("picture", {"type": "image", "id": "krause-logo"})
    answer = await device.ask("w:profile:picture", "get", asked, target=Jid.parse(KRAUSE))
    assert child(answer, "picture").string("status") == "304"


@pytest.mark.parametrize(
    ("jid", "reason"), [(FREYA, "401"), (RORY, "404"), ("12025550115@s.whatsapp.net", "404"), ("1@g.us", "404")]
)
async def test_a_picture_that_is_hidden_or_missing_is_refused(device: Device, jid: str, reason: str) -> None:
    asked = Node("picture", {"type": "image"})
    assert await code(device, "w:profile:picture", "get", asked, target=Jid.parse(jid)) == reason


# blocklist


def blocked(answer: Node) -> dict[str, str]:
    """The LIDs of an answer, and the numbers with them."""
    return {item.string("jid"): item.string("pn_jid") for item in child(answer, "list").children("item")}


async def test_blocking_is_written_into_the_world(device: Device, phone: Phone) -> None:
    before = blocked(await device.ask("blocklist", "get"))
    assert before == {"153870249961178@lid": "12025550111@s.whatsapp.net"}
    item = {"jid": Jid.parse("71554209918833@lid"), "pn_jid": Jid.parse("447700900101@s.whatsapp.net")}
    answer = await device.ask("blocklist", "set", Node("item", {**item, "action": "block"}))
    assert blocked(answer) == before | {"71554209918833@lid": "447700900101@s.whatsapp.net"}
    assert Lid("71554209918833") in phone.service.blocklist()
    told = child(await device.announced("account_sync"), "blocklist")
    assert told.string("dhash") == child(answer, "list").string("dhash")
    lid_only = Node("item", {"jid": Jid.parse("71554209918833@lid"), "action": "unblock"})
    assert blocked(await device.ask("blocklist", "set", lid_only)) == before


async def test_nobody_can_block_a_stranger(device: Device) -> None:
    stranger = Node("item", {"jid": Jid.parse("1@lid"), "action": "block"})
    assert await code(device, "blocklist", "set", stranger) == "404"
    assert await code(device, "blocklist", "set", Node("item", {"action": "block"})) == "400"


# groups


async def test_groups_show_the_numbers_that_the_account_may_see(device: Device, phone: Phone) -> None:
    answer = await device.ask("w:g2", "get", Node("participating"), to=Jid.parse("g.us"))
    found = {group.string("id"): group for group in child(answer, "groups").children("group")}
    views = {view.id.local: view for view in phone.service.groups()}
    assert found.keys() == views.keys()
    hidden = 0
    for name, view in views.items():
        if found[name].string("addressing_mode") == "pn":
            continue
        members = {member.string("jid"): member for member in found[name].children("participant")}
        for participant in view.participants:
            member = members[str(participant.lid)]
            shown = "" if participant.phone is None else f"{participant.phone.digits}@s.whatsapp.net"
            assert member.string("phone_number") == shown
            assert member.string("type") == ("" if participant.role == "participant" else participant.role.value)
            hidden += not shown
        creator = found[name].string("creator_pn") or found[name].string("creator")
        assert creator.replace("s.whatsapp.net", "c.us") == str(view.owner)
        assert found[name].string("creation") == str(view.creation)
        described = found[name].child("description")
        assert (None if described is None else child(described, "body").text) == view.description
    assert hidden


async def test_an_old_group_goes_by_phone_numbers(device: Device, live: LiveWorld, phone: Phone) -> None:
    group = next(iter(phone.service.state.groups))
    live.state.groups[group] = replace(live.state.groups[group], addressing=Addressing.PN)
    answer = await device.ask("w:g2", "get", Node("query", {"request": "interactive"}), to=Jid(group.local, "g.us"))
    found = child(answer, "group")
    assert found.string("addressing_mode") == "pn"
    jids = [(member.string("jid"), member.string("lid")) for member in found.children("participant")]
    assert all(lid.endswith("@lid") for jid, lid in jids if jid.endswith("@s.whatsapp.net"))
    assert any(lid for _, lid in jids)


@pytest.mark.parametrize(
    ("group", "query", "reason"), [("not-a-group", "query", "404"), ("120363041234567890", "invite", "501")]
)
async def test_what_is_no_group_or_no_query_is_refused(device: Device, group: str, query: str, reason: str) -> None:
    answer = await device.ask("w:g2", "get", Node(query), to=Jid(group, "g.us"))
    assert child(answer, "error").string("code") == reason


async def test_a_group_of_others_is_forbidden_and_none_is_not_found(device: Device, live: LiveWorld) -> None:
    query = Node("query", {"request": "interactive"})
    answer = await device.ask("w:g2", "get", query, to=Jid("120363999", "g.us"))
    assert child(answer, "error").string("code") == "404"
    group = GroupId("120363041234567890")
    live.leave_group(group, Lid("104900213377001"))
    answer = await device.ask("w:g2", "get", query, to=Jid(group.local, "g.us"))
    assert child(answer, "error").string("code") == "403"


# keys and the rest


async def test_few_prekeys_are_asked_for_and_those_sent_are_counted(device: Device) -> None:
    count = Node("count")
    assert child(await device.ask("encrypt", "get", count), "count").string("value") == "3"
    keys = [Node("key", {}, [Node("id", {}, bytes([0, 0, n])), Node("value", {}, bytes(32))]) for n in range(50)]
    own = device.credentials.companion
    bundle = own.bundle(None)
    signed = [
        Node("id", {}, (1).to_bytes(3, "big")),
        Node("value", {}, bundle.signed_prekey),
        Node("signature", {}, bundle.signed_prekey_signature),
    ]
    parts = [Node("identity", {}, own.identity.public), Node("list", {}, keys), Node("skey", {}, signed)]
    assert (await device.ask("encrypt", "set", *parts)).string("type") == "result"
    assert child(await device.ask("encrypt", "get", count), "count").string("value") == "50"


async def test_keys_that_are_not_the_devices_are_refused(device: Device) -> None:
    stranger = KeyPair.generate()
    bundle = device.credentials.companion.bundle(None)
    forged = [
        Node("id", {}, bytes(3)),
        Node("value", {}, bundle.signed_prekey),
        Node("signature", {}, stranger.sign(DJB + bundle.signed_prekey)),
    ]
    assert await code(device, "encrypt", "set", Node("skey", {}, forged)) == "406"
    identity = Node("identity", {}, stranger.public)
    assert await code(device, "encrypt", "set", identity, Node("skey", {}, forged)) == "406"
    short = Node("list", {}, [Node("key", {}, [Node("id", {}, bytes(3)), Node("value", {}, bytes(31))])])
    assert await code(device, "encrypt", "set", short) == "406"


async def test_what_baileys_asks_besides_is_answered(device: Device) -> None:
    assert child(await device.ask("encrypt", "get", Node("digest")), "digest").child("skey") is not None
    assert child(await device.ask("abt", "get", Node("props")), "props").string("hash")
    assert len(child(await device.ask("privacy", "get", Node("privacy")), "privacy").children()) == 7
    host = child(child(await device.ask("w:m", "set", Node("media_conn")), "media_conn"), "host")
    assert host.string("hostname").startswith("127.0.0.1:")
    assert (await device.ask("w:stats", "set", Node("add"))).string("type") == "result"


# conditions

QUERIES = {
    Capability.CONTACTS_CHECK: ("usync", usync([Node("contact")], typed("+447700900101"))),
    Capability.CONTACTS_ABOUT: ("usync", usync([Node("status"), Node("lid")], named(CALLUM))),
    Capability.LIDS_QUERY: ("usync", usync([Node("lid")], named(CALLUM))),
    Capability.CONTACTS_PICTURE: ("w:profile:picture", Node("picture", {"type": "image"})),
    Capability.CONTACTS_BLOCK: ("blocklist", Node("item", {"jid": Jid("71554209918833", "lid"), "action": "block"})),
    Capability.CONTACTS_UNBLOCK: (
        "blocklist",
        Node("item", {"jid": Jid("153870249961178", "lid"), "action": "unblock"}),
    ),
    Capability.GROUPS_REFRESH: ("w:g2", Node("participating")),
    Capability.SESSION_LOGOUT: (
        "md",
        Node("remove-companion-device", {"jid": Jid("12025550100", "s.whatsapp.net", 1)}),
    ),
}
LIVE = pytest.mark.parametrize("capability", QUERIES)


@LIVE
async def test_a_limited_query_says_when_to_come_back(
    device: Device, conditions: Conditions, capability: Capability
) -> None:
    conditions.set(Condition(Kind.RATE_LIMIT, frozenset({capability}), retry_after=12.5))
    xmlns, query = QUERIES[capability]
    error = child(await device.ask(xmlns, "set", query), "error")
    assert (error.string("code"), error.string("text")) == ("429", "rate-overlimit")
    assert error.string("backoff") == "12.5"


@LIVE
async def test_a_silent_query_is_never_answered_and_changes_nothing(
    device: Device, conditions: Conditions, live: LiveWorld, phone: Phone, capability: Capability
) -> None:
    before = live.sequence
    conditions.set(Condition(Kind.SILENCE, frozenset({capability})))
    xmlns, query = QUERIES[capability]
    identifier = await device.pose(xmlns, "set", query)
    await device.ping()
    conditions.clear()
    await device.ping()
    assert not device.heard("iq", lambda node: node.string("id") == identifier)
    assert live.sequence == before
    assert len(phone.devices()) == 1


async def test_an_answer_that_times_out_comes_late_and_the_change_is_made(
    device: Device, conditions: Conditions, phone: Phone
) -> None:
    conditions.set(Condition(Kind.TIMEOUT))
    item = Node("item", {"jid": Jid("71554209918833", "lid"), "action": "block"})
    identifier = await device.pose("blocklist", "set", item)
    await device.announced("account_sync")
    await device.ping()
    assert not device.heard("iq")
    assert Lid("71554209918833") in phone.service.blocklist()
    conditions.clear()
    assert blocked(await device.answer(identifier)).keys() >= {"71554209918833@lid"}


async def test_a_slow_answer_holds_up_no_other(device: Device, conditions: Conditions) -> None:
    conditions.set(Condition(Kind.SLOW, frozenset({Capability.LIDS_QUERY}), milliseconds=60))
    identifier = await device.pose("usync", "get", usync([Node("lid")], named(CALLUM)))
    await device.ping()
    assert not device.heard("iq")
    assert (await device.answer(identifier)).string("type") == "result"
