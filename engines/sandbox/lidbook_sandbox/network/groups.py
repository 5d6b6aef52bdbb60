"""Groups: what a query for them is answered, and how one is told, each as far as the account may see its members."""

from lidbook.errors import InvalidGroupId
from lidbook.facts import Participant, Role
from lidbook.identifiers import PhoneNumber, parse_group
from lidbook.world.model import Addressing, WorldGroup
from lidbook.world.service import WorldService
from lidbook.world.views import GroupView
from lidbook_sandbox.network.stanzas import Attributes, lid_jid, pn_jid, refusal, result
from lidbook_sandbox.network.wire.node import Node


def answer_groups(service: WorldService, query: Node) -> Node:
    """The answer to `w:g2`: all groups of the account, or the one that is asked."""
    if query.child("participating") is not None:
        return result(query, Node("groups", {}, [group_node(service, view) for view in service.each_group()]))
    if query.child("query") is None:
        return refusal(query, 501, "feature-not-implemented")
    target = query.jid("to")
    try:
        group = parse_group("" if target is None else target.user)
    except InvalidGroupId:
        return refusal(query, 404, "item-not-found")
    view = service.group(group)
    if view is not None:
        return result(query, group_node(service, view))
    known = group in service.live.state.groups
    return refusal(query, 403, "forbidden") if known else refusal(query, 404, "item-not-found")


def group_node(service: WorldService, view: GroupView) -> Node:
    """A group as the server describes it."""
    group = service.live.state.groups[view.id]
    owner = owner_attributes(service, group, view)
    attributes: Attributes = {
        "id": view.id.local,
        "subject": view.subject,
        "s_t": str(view.creation),
        "creation": str(view.creation),
        "addressing_mode": mode_of(group),
        "size": str(len(view.participants)),
        **owner,
    }
    children = [participant_node(group, participant) for participant in view.participants]
    if view.description is not None:
        body = Node("body", {}, view.description)
        described: Attributes = {"id": f"{view.creation:X}", "t": str(view.creation)}
        children.append(Node("description", described, [body]))
    return Node("group", attributes, children)


def participant_node(group: WorldGroup, participant: Participant) -> Node:
    """A member under the identifier that the group goes by, and under the other one where it is shown."""
    attributes: Attributes = {}
    if group.addressing is Addressing.PN and participant.phone is not None:
        attributes["jid"] = pn_jid(participant.phone)
        if participant.lid is not None:
            attributes["lid"] = lid_jid(participant.lid)
    elif participant.lid is not None:
        attributes["jid"] = lid_jid(participant.lid)
        if participant.phone is not None:
            attributes["phone_number"] = pn_jid(participant.phone)
    elif participant.phone is not None:
        attributes["jid"] = pn_jid(participant.phone)
    if participant.role in (Role.ADMIN, Role.SUPERADMIN):
        attributes["type"] = participant.role.value
    return Node("participant", attributes)


def owner_attributes(service: WorldService, group: WorldGroup, view: GroupView) -> Attributes:
    """`creator`, and `creator_pn` where the account may see the number."""
    owner = None if group.owner is None else service.live.state.people.get(group.owner)
    if owner is None:
        return {}
    if group.addressing is Addressing.PN and isinstance(view.owner, PhoneNumber):
        return {"creator": pn_jid(view.owner)}
    attributes: Attributes = {} if owner.lid is None else {"creator": lid_jid(owner.lid)}
    if isinstance(view.owner, PhoneNumber):
        attributes["creator_pn"] = pn_jid(view.owner)
    return attributes


def mode_of(group: WorldGroup) -> str:
    """The value of `addressing_mode`."""
    return "pn" if group.addressing is Addressing.PN else "lid"
