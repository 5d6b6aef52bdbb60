"""A world in the gateway's JSON. It keeps to itself what a server keeps to itself."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from lidbook.facts import Participant
from lidbook.identifiers import Lid, PhoneNumber, UserId
from lidbook.values import Person
from lidbook.world.changes import (
    AboutChanged,
    Blocked,
    Change,
    ContactRemoved,
    ContactSaved,
    MessageReceived,
    NumberChanged,
    NumberReassigned,
    PictureChanged,
    PushnameChanged,
    RoleChanged,
    Unblocked,
)
from lidbook.world.model import BookEntry
from lidbook.world.service import WorldService
from lidbook.world.views import GroupView, SavedContact, SeenPerson

Row = dict[str, Any]


def written(user: UserId) -> str:
    """An identifier."""
    return f"{user.digits}@s.whatsapp.net" if isinstance(user, PhoneNumber) else f"{user.digits}@lid"


def person_row(phone: PhoneNumber | None, lid: Lid | None) -> Row:
    """Somebody."""
    return {"jid": None if phone is None else written(phone), "lid": None if lid is None else written(lid)}


def contact_row(saved: SavedContact) -> Row:
    """A line of the address book."""
    names = {"first": saved.first_name, "last": saved.last_name, "name": saved.full_name}
    return {"type": "contact", **person_row(saved.person.phone, saved.person.lid), **names, "at": saved.changed}


def group_row(view: GroupView) -> Row:
    """A group."""
    return {
        "type": "group",
        "id": str(view.id),
        "subject": view.subject,
        "description": view.description,
        "owner": None if view.owner is None else written(view.owner),
        "created": view.creation,
        "members": [_member_row(member) for member in view.participants],
    }


def blocklist_row(service: WorldService) -> Row:
    """Everybody who is blocked."""
    return {"type": "blocklist", "users": sorted(written(user) for user in service.blocklist())}


async def snapshot_rows(service: WorldService, cursor: str) -> AsyncIterator[Row]:
    """Everything that linking a device brings; it ends with a line that says so."""
    state = service.state
    counts = {"contacts": len(state.book), "groups": len(state.groups), "blocklist": len(state.blocked)}
    yield {"type": "begin", "cursor": cursor, "as_of": service.live.moment(), "counts": counts}
    for saved in service.address_book():
        yield contact_row(saved)
    for mapping in service.lid_mappings():
        yield {"type": "pair", **person_row(mapping.phone, mapping.lid), "at": mapping.at}
    for seen in service.push_names():
        yield _met_row(seen)
    yield blocklist_row(service)
    ids = [str(group) for group in state.groups]
    for view in service.each_group():
        yield group_row(view)
    yield {"type": "groups", "ids": ids}
    yield {"type": "end"}


def change_rows(service: WorldService, change: Change) -> Iterator[Row]:
    """What the account's devices are told of a change, if anything."""
    match change:
        case ContactSaved() | ContactRemoved() | Blocked() | Unblocked() | MessageReceived():
            if change.account == service.lid:
                yield from _own_rows(service, change)
        case RoleChanged(at, group, lid, role):
            held = service.live.state.groups.get(group)
            person = service.live.state.people.get(lid)
            if lid == service.lid:
                yield {"type": "my_groups", "at": at}
            elif held is not None and person is not None and group in service.state.groups:
                member = _member_row(service.participant(held, person, role))
                yield {"type": "participant", "group": str(group), **member, "at": at}
        case NumberChanged(at, lid) | NumberReassigned(at, _, lid):
            person = service.live.state.people.get(lid)
            if person is not None and service.has_met(lid) and service.knows_phone(person):
                yield {"type": "number", **person_row(person.phone, lid), "at": at}
        case PictureChanged(at, lid, picture) if service.has_met(lid):
            yield {"type": "picture", **person_row(None, lid), "removed": picture is None, "at": at}
        case AboutChanged(at, lid, about) if service.has_met(lid) and not service.live.person(lid).hides_about:
            yield {"type": "about", **person_row(None, lid), "about": about, "at": at}
        case PushnameChanged(at, lid, pushname) if lid in service.state.chats or lid in service.state.seen:
            yield {"type": "push", **person_row(None, lid), "push": pushname, "at": at}
        case _:
            return


def _own_rows(
    service: WorldService, change: ContactSaved | ContactRemoved | Blocked | Unblocked | MessageReceived
) -> Iterator[Row]:
    match change:
        case ContactSaved(at, _, user, first, last, full):
            yield contact_row(service.saved(BookEntry(user, first, last, full, at)))
        case ContactRemoved(at, _, user):
            gone = contact_row(service.saved(BookEntry(user, None, None, None, at)))
            yield {**gone, "type": "contact_removed"}
        case Blocked(at, _, lid) | Unblocked(at, _, lid):
            shown = service.shown(service.live.person(lid))
            kind = "blocked" if isinstance(change, Blocked) else "unblocked"
            yield {"type": kind, **person_row(shown.phone, shown.lid), "at": at}
        case MessageReceived(at, _, lid):
            person = service.live.person(lid)
            yield {"type": "message", **person_row(person.phone, lid), "push": person.pushname, "at": at}


def _member_row(member: Participant) -> Row:
    return {**person_row(member.phone, member.lid), "role": member.role.value}


def _met_row(seen: SeenPerson) -> Row:
    person: Person = seen.person
    return {
        "type": "met",
        **person_row(person.phone, person.lid),
        "push": seen.pushname,
        "username": person.username,
        "business": {"name": seen.verified_name} if seen.business else None,
        "chat": seen.chat,
        "at": seen.at,
    }
