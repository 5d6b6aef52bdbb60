"""What a device is told of changes in the world: whom they concern, when, and the history it starts with."""

from collections.abc import Callable

import pytest

from lidbook.facts import Field, FieldFact, LinkFact
from lidbook.identifiers import GroupId, Lid, PhoneNumber, UserId, parse_user
from lidbook.world.changes import Change
from lidbook.world.facts import change_facts, introduction_facts
from lidbook.world.live import LiveWorld
from lidbook_sandbox.network.phone import Phone
from lidbook_sandbox.network.server import SandboxNetwork
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.wire_pb2 import HistorySync, PreKeySignalMessage

from .device import Device
from .linking import link, linked
from .served import DANA, conditions, conditions_folder, device, live, network, phone

__all__ = ["conditions", "conditions_folder", "device", "live", "network", "phone"]

ROBIN = Lid("104900213377001")
AMELIA = Lid("71554209918833")
OWEN = Lid("231985067714402")  # hides the number; seen, in no chat
NIAMH = Lid("187700423915560")  # hides everything; never met
ISLA = Lid("113380624957718")  # never met
CALLUM = Lid("150233908471265")  # hides the about text
QUIETFOX = Lid("221705938846150")  # has no number
CHOIR = GroupId("120363041234567890")


def seconds(change: Change) -> str:
    """The time of a change as stanzas carry it."""
    return str(change.at // 1000)


def last(live: LiveWorld) -> Change:
    """The change made last."""
    return live.since(live.sequence - 1)[0]


def child(node: Node, tag: str) -> Node:
    """A child that is there."""
    found = node.child(tag)
    assert found is not None, f"no <{tag}> in {node}"
    return found


async def nothing(device: Device) -> None:
    """Nothing was told."""
    await device.ping()
    assert not device.heard("notification", lambda node: node.string("type") != "server_sync")
    assert not device.heard("message")


async def test_a_picture_is_told_by_id_or_as_gone(device: Device, live: LiveWorld) -> None:
    live.change_picture(AMELIA, "new-picture")
    notification = await device.announced("picture")
    assert notification.string("t") == seconds(last(live))
    told = child(notification, "set")
    assert (told.string("id"), told.string("jid")) == ("new-picture", str(AMELIA))
    live.change_picture(AMELIA, None)
    assert child(await device.announced("picture"), "delete").string("jid") == str(AMELIA)


async def test_an_about_text_is_told_unless_it_is_hidden(device: Device, live: LiveWorld) -> None:
    live.change_about(AMELIA, "Coffee first")
    notification = await device.announced("status")
    assert (str(notification.jid("from")), child(notification, "set").text) == (str(AMELIA), "Coffee first")
    assert notification.string("t") == seconds(last(live))
    live.change_about(CALLUM, "Still hidden")
    await nothing(device)


@pytest.mark.parametrize(
    "change",
    [
        lambda live: live.change_picture(ISLA, "new"),
        lambda live: live.change_about(ISLA, "new"),
        lambda live: live.change_pushname(ISLA, "new"),
        lambda live: live.change_number(ISLA, PhoneNumber("447700900777")),
        lambda live: live.change_privacy(AMELIA, about=True),
    ],
)
async def test_strangers_and_privacy_are_nobodys_business(
    device: Device, live: LiveWorld, phone: Phone, change: Callable[[LiveWorld], None]
) -> None:
    change(live)
    assert not list(change_facts(phone.service, last(live)))
    await nothing(device)


async def test_a_message_shows_name_and_number_and_can_be_read(device: Device, live: LiveWorld, phone: Phone) -> None:
    phone.service.reveal_phone(NIAMH)
    message = await device.expect("message")
    assert (message.string("notify"), str(message.jid("from"))) == ("Niamh", str(NIAMH))
    assert str(message.jid("sender_pn")) == "447700900105@s.whatsapp.net"
    assert message.string("t") == seconds(last(live))
    assert device.read(message).conversation
    phone.service.reveal_phone(QUIETFOX)
    message = await device.expect("message")
    assert "sender_pn" not in message.attributes


async def test_another_push_name_comes_without_a_chat(device: Device, live: LiveWorld) -> None:
    live.change_pushname(OWEN, "Owen Two")
    message = await device.expect("message")
    assert str(message.jid("from")) == "status@broadcast"
    assert (str(message.jid("participant")), message.string("notify")) == (str(OWEN), "Owen Two")
    assert "participant_pn" not in message.attributes
    live.change_pushname(AMELIA, "Amelia Two")
    message = await device.expect("message")
    assert str(message.jid("participant_pn")) == "447700900101@s.whatsapp.net"
    assert device.read(message).conversation


async def test_one_sender_keeps_one_identity(device: Device, phone: Phone) -> None:
    phone.service.reveal_phone(NIAMH)
    phone.service.reveal_phone(NIAMH)
    first, second = [await device.expect("message") for _ in range(2)]
    assert identity(first) == identity(second)
    phone.service.reveal_phone(ISLA)
    assert identity(await device.expect("message")) != identity(first)


def identity(message: Node) -> bytes:
    """The sender's identity key in a message."""
    return PreKeySignalMessage.FromString(child(message, "enc").data[1:]).identityKey


async def test_a_number_known_from_a_chat_is_told_by_a_device_list(device: Device, live: LiveWorld) -> None:
    harbour = Lid("202176634589013")
    live.change_number(harbour, PhoneNumber("61491570999"))
    notification = await device.announced("devices")
    assert str(notification.jid("from")) == "61491570999@s.whatsapp.net"
    assert str(notification.jid("lid")) == str(harbour)
    assert not device.heard("notification")


async def test_a_block_is_told_with_the_number_the_account_knows(device: Device, phone: Phone, live: LiveWorld) -> None:
    phone.block(AMELIA)
    (item,) = child(await device.announced("account_sync"), "blocklist").children("item")
    assert (item.string("jid"), item.string("action")) == (str(AMELIA), "block")
    assert item.string("pn_jid") == "447700900101@s.whatsapp.net"
    phone.unblock(AMELIA)
    (item,) = child(await device.announced("account_sync"), "blocklist").children("item")
    assert item.string("action") == "unblock"
    phone.block(NIAMH)
    (item,) = child(await device.announced("account_sync"), "blocklist").children("item")
    assert "pn_jid" not in item.attributes


# groups


async def test_members_come_and_go_and_rise_and_fall(device: Device, live: LiveWorld) -> None:
    steps: list[tuple[Callable[[GroupId, Lid], None], str]] = [
        (live.join_group, "add"),
        (live.promote, "promote"),
        (live.demote, "demote"),
        (live.leave_group, "remove"),
    ]
    for step, tag in steps:
        step(CHOIR, ISLA)
        notification = await device.announced("w:gp2")
        assert str(notification.jid("from")) == str(CHOIR)
        assert notification.string("t") == seconds(last(live))
        member = child(child(notification, tag), "participant")
        assert member.string("jid") == str(ISLA)
        assert member.string("phone_number") == "447700900107@s.whatsapp.net"


async def test_a_member_who_hides_the_number_is_told_by_lid_alone(device: Device, live: LiveWorld) -> None:
    live.promote(CHOIR, NIAMH)
    member = child(child(await device.announced("w:gp2"), "promote"), "participant")
    assert (member.string("jid"), member.string("phone_number")) == (str(NIAMH), "")


async def test_what_changes_nothing_is_not_told(device: Device, live: LiveWorld) -> None:
    live.join_group(CHOIR, NIAMH)
    live.leave_group(CHOIR, ISLA)
    await nothing(device)


async def test_the_account_itself_leaves_and_joins_with_the_whole_group(
    device: Device, live: LiveWorld, phone: Phone
) -> None:
    live.leave_group(CHOIR, ROBIN)
    member = child(child(await device.announced("w:gp2"), "remove"), "participant")
    assert member.string("jid") == str(ROBIN)
    live.join_group(CHOIR, ISLA)
    await nothing(device)
    live.join_group(CHOIR, ROBIN)
    group = child(child(await device.announced("w:gp2"), "create"), "group")
    view = phone.service.group(CHOIR)
    assert view is not None
    assert group.string("id") == CHOIR.local
    assert len(group.children("participant")) == len(view.participants)


async def test_each_account_is_told_what_it_may_see(network: SandboxNetwork, device: Device, live: LiveWorld) -> None:
    """Dana is an admin of the choir, and sees every number."""
    other, _ = await linked(network.network, network.phone(DANA))
    live.promote(CHOIR, OWEN)
    numbers = []
    for each in (device, other):
        member = child(child(await each.announced("w:gp2"), "promote"), "participant")
        numbers.append(member.string("phone_number"))
    assert numbers == ["", "447700900106@s.whatsapp.net"]
    await other.close()


# history


async def test_the_history_is_what_the_account_has_met(device: Device, phone: Phone) -> None:
    chats: dict[UserId, HistorySync] = {}
    names: dict[UserId, str] = {}
    pairs: set[tuple[UserId, UserId]] = set()
    usernames: dict[UserId, str] = {}
    for part in device.history:
        for conversation in part.conversations:
            chats[user(conversation.ID)] = part
            if conversation.pnJID:
                pairs.add((user(conversation.pnJID), user(conversation.lidJID)))
        names |= {user(each.ID): each.pushname for each in part.pushnames}
        usernames |= {user(each.lid): each.username for each in part.accounts}
        pairs |= {(user(each.pnJID), user(each.lidJID)) for each in part.phoneNumberToLidMappings}
    facts = [fact for each in phone.service.introductions() for fact in introduction_facts(each)]
    fields = [fact for fact in facts if isinstance(fact, FieldFact)]
    assert set(chats) == {fact.user for fact in fields if fact.field is Field.CHAT}
    assert names == {fact.user: fact.value for fact in fields if fact.field is Field.PUSHNAME}
    assert usernames == {fact.user: fact.value for fact in fields if fact.field is Field.USERNAME}
    assert pairs == {(fact.phone, fact.lid) for fact in facts if isinstance(fact, LinkFact)}


async def test_chats_carry_the_time_a_token_and_no_hidden_number(device: Device) -> None:
    found = {each.ID: each for part in device.history for each in part.conversations}
    johnny, fox = found["208817345501126@lid"], found["221705938846150@lid"]
    assert johnny.conversationTimestamp == 1_717_952_400
    assert len(johnny.tcToken) == 16
    assert (johnny.pnJID, fox.pnJID, fox.username) == ("11231231231@s.whatsapp.net", "", "quietfox")


async def test_history_comes_in_order_and_says_how_far_it_is(device: Device) -> None:
    assert [part.chunkOrder for part in device.history] == [1, 2, 3]
    assert [part.progress for part in device.history] == [33, 66, 100]
    kinds = [HistorySync.INITIAL_BOOTSTRAP, HistorySync.INITIAL_STATUS_V3, HistorySync.PUSH_NAME]
    assert [part.syncType for part in device.history] == kinds


async def test_businesses_bring_their_verified_names(device: Device, phone: Phone) -> None:
    chats = [each for part in device.history for each in part.conversations]
    names = {user(each.ID): each.messages[0].message.verifiedBizName for each in chats if each.messages}
    posted = [each for part in device.history for each in part.statusV3Messages]
    assert not names.keys() & {user(each.participant) for each in posted}
    names |= {user(each.participant): each.verifiedBizName for each in posted}
    facts = [fact for each in phone.service.introductions() for fact in introduction_facts(each)]
    assert names == {
        fact.user: fact.value for fact in facts if isinstance(fact, FieldFact) and fact.field is Field.VERIFIED_NAME
    }


async def test_a_device_that_went_away_is_introduced_when_it_is_back(network: SandboxNetwork, phone: Phone) -> None:
    credentials = await link(network.network, phone)
    async with Device(network.network, credentials) as first:
        await first.login()
    async with Device(network.network, credentials) as second:
        await second.login()
        await second.introduced()
    async with Device(network.network, credentials) as third:
        await third.login()
        await third.ping()
        assert not third.heard("message")


def user(jid: str) -> UserId:
    """The person in a JID."""
    return parse_user(jid)
