"""What an account's devices are told of a change in the world: those whom it concerns, and nobody else.

The rules of whom a change concerns are those of `lidbook.world.facts.change_facts`; here they become stanzas, whose
`t` is the second of the change.
"""

from typing import Final

from lidbook.facts import Role
from lidbook.identifiers import GroupId, Lid
from lidbook.world.changes import (
    AboutChanged,
    Blocked,
    Change,
    MessageReceived,
    NumberChanged,
    NumberReassigned,
    PictureChanged,
    PushnameChanged,
    RoleChanged,
    Unblocked,
)
from lidbook.world.live import LiveWorld
from lidbook.world.model import WorldPerson
from lidbook_sandbox.network.account import AccountServer
from lidbook_sandbox.network.groups import group_node, mode_of, participant_node
from lidbook_sandbox.network.queries import blocked_attributes, dhash
from lidbook_sandbox.network.stanzas import STATUS, Attributes, group_jid, lid_jid, pn_jid, seconds
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.signal import PhoneSession
from lidbook_sandbox.network.wire.wire_pb2 import Message

GREETING: Final = "Hello from the sandbox"


class Roles:
    """Who was what in every group before the change at hand: a stanza says what happened, a change what is."""

    def __init__(self, live: LiveWorld) -> None:
        self._roles: dict[GroupId, dict[Lid, Role]] = {
            group.id: {member.lid: member.role for member in group.members} for group in live.state.groups.values()
        }

    def happened(self, change: RoleChanged) -> str | None:
        """What a change of role is on the wire; None for one that changes nothing."""
        members = self._roles.setdefault(change.group, {})
        before = members.pop(change.lid, None)
        if change.role is not Role.LEFT:
            members[change.lid] = change.role
        if before is change.role or (before is None and change.role is Role.LEFT):
            return None
        if change.role is Role.LEFT:
            return "remove"
        if before is None:
            return "add"
        return "demote" if change.role is Role.PARTICIPANT else "promote"


def announce(account: AccountServer, change: Change, happened: str | None) -> None:
    """Tell the account's devices; `happened` is what `Roles` makes of a change of role."""
    account.book.apply(change)
    match change:
        case Blocked(account=owner) | Unblocked(account=owner) if owner == account.lid:
            _tell_block(account, change)
        case MessageReceived(account=owner) if owner == account.lid:
            _tell_message(account, change)
        case RoleChanged():
            _tell_role(account, change, happened)
        case NumberChanged() | NumberReassigned():
            _tell_number(account, change)
        case PictureChanged():
            _tell_picture(account, change)
        case AboutChanged():
            _tell_about(account, change)
        case PushnameChanged():
            _tell_push_name(account, change)
        case _:
            pass  # the address book tells itself, and privacy nobody


def _tell_block(account: AccountServer, change: Blocked | Unblocked) -> None:
    action = "block" if isinstance(change, Blocked) else "unblock"
    item = Node("item", {**blocked_attributes(account, change.lid), "action": action})
    before = len(account.service.state.blocked) + (-1 if isinstance(change, Blocked) else 1)
    attributes: Attributes = {"action": "modify", "dhash": dhash(account), "prev_dhash": f"before:{before}"}
    sender: Attributes = {"from": lid_jid(account.lid)}
    _notify(account, change, "account_sync", sender, Node("blocklist", attributes, [item]))


def _tell_picture(account: AccountServer, change: PictureChanged) -> None:
    if not account.service.has_met(change.lid):
        return
    jid = lid_jid(change.lid)
    if change.picture is None:
        child = Node("delete", {"jid": jid, "author": jid})
    else:
        child = Node("set", {"jid": jid, "id": change.picture, "author": jid})
    _notify(account, change, "picture", {"from": jid}, child)


def _tell_about(account: AccountServer, change: AboutChanged) -> None:
    person = account.service.live.state.people.get(change.lid)
    if person is None or person.hides_about or not account.service.has_met(change.lid):
        return
    _notify(account, change, "status", {"from": lid_jid(change.lid)}, Node("set", {}, change.about.encode()))


def _tell_role(account: AccountServer, change: RoleChanged, happened: str | None) -> None:
    service = account.service
    group = service.live.state.groups.get(change.group)
    person = service.live.state.people.get(change.lid)
    mine = change.lid == account.lid
    if happened is None or group is None or person is None or not (mine or change.group in service.state.groups):
        return
    actor = change.lid if happened in ("add", "remove") or group.owner is None else group.owner
    attributes: Attributes = {
        "from": group_jid(change.group),
        "participant": lid_jid(actor),
        "addressing_mode": mode_of(group),
    }
    view = service.group(change.group)
    if mine and happened == "add" and view is not None:
        child = Node("create", {"type": "new", "reason": "invite"}, [group_node(service, view)])
    else:
        child = Node(happened, {}, [participant_node(group, service.participant(group, person, change.role))])
    _notify(account, change, "w:gp2", attributes, child)


def _tell_number(account: AccountServer, change: NumberChanged | NumberReassigned) -> None:
    """A device list under the new number, which is how a server pairs the two; the address book tells the rest."""
    state = account.service.state
    person = account.service.live.state.people.get(change.lid)
    numbers = [change.phone]
    if isinstance(change, NumberChanged) and change.old_phone is not None:
        numbers.append(change.old_phone)
    concerns = (
        change.lid in state.mapped
        or change.lid in state.chats
        or any(state.entry(number) is not None for number in numbers)
    )
    if person is None or person.phone != change.phone or not concerns:
        return
    attributes: Attributes = {"from": pn_jid(change.phone), "lid": lid_jid(change.lid)}
    _notify(account, change, "devices", attributes, Node("update", {"device_hash": "2:sandbox"}))


def _tell_message(account: AccountServer, change: MessageReceived) -> None:
    person = account.service.live.state.people.get(change.lid)
    if person is None:
        return
    attributes: Attributes = {"from": lid_jid(change.lid), "addressing_mode": "lid", "type": "text"}
    if person.phone is not None:
        attributes["sender_pn"] = pn_jid(person.phone)
    _write(account, change, person, attributes)


def _tell_push_name(account: AccountServer, change: PushnameChanged) -> None:
    """A status, which shows a name without there being a chat."""
    state = account.service.state
    person = account.service.live.state.people.get(change.lid)
    if person is None or change.lid == account.lid or not (change.lid in state.chats or change.lid in state.seen):
        return
    attributes: Attributes = {"from": STATUS, "participant": lid_jid(change.lid), "type": "text"}
    shown = account.service.shown(person)
    if shown.phone is not None:
        attributes["participant_pn"] = pn_jid(shown.phone)
    _write(account, change, person, attributes)


def _write(account: AccountServer, change: Change, person: WorldPerson, attributes: Attributes) -> None:
    """A message with this envelope; each has a Signal session of its own, as after a reinstallation."""
    if person.lid is None:
        return
    attributes = {**attributes, "t": seconds(change.at)}
    if person.pushname is not None:
        attributes["notify"] = person.pushname
    message = Message(conversation=GREETING).SerializeToString()
    for device in tuple(account.devices.values()):
        bundle = account.bundle(device, one_time=False)
        session = PhoneSession.begin(account.sender(person.lid), bundle)
        content = Node("enc", {"v": "2", "type": "pkmsg"}, session.encrypt(message))
        account.deliver(Node("message", attributes, [content]), [device.number])


def _notify(account: AccountServer, change: Change, kind: str, attributes: Attributes, child: Node) -> None:
    account.deliver(Node("notification", {**attributes, "type": kind, "t": seconds(change.at)}, [child]))
