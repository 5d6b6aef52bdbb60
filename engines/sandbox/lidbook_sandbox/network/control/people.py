"""Control of everybody else in the world: what they do, whoever looks on."""

from itertools import islice
from typing import Annotated, Final, Literal

from aiohttp import web
from pydantic import Field

from lidbook.errors import InvalidRequest, NotFound
from lidbook.facts import Role
from lidbook.identifiers import Lid, parse_dialable, parse_user
from lidbook.world.model import WorldGroup, WorldPerson
from lidbook_sandbox.network.control.requests import Body, Text, answer, group_in, lid_in, person_in, read, steered

LISTED: Final = 1000
"""How many people, or members of a group, are listed at most."""


class PersonChange(Body):
    """What becomes different about somebody; what is not given stays."""

    pushname: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    about: Text | None = None
    picture: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] | Literal[True] | None = None
    """Another picture: its id, which is part of its address, or true for any that is new. Null: none any more."""
    phone: Text | None = None
    """Another phone number, to which the LID moves along."""
    hides: tuple[Literal["about", "picture", "phone"], ...] | None = None
    """What is hidden from now on; everything else is shown."""


class Newcomer(Body):
    """Somebody who registers with a number that was another's."""

    lid: Text | None = None
    pushname: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class Place(Body):
    """A place in a group."""

    role: Literal["participant", "admin"] = "participant"


async def get_person(request: web.Request) -> web.Response:
    """Everything true of somebody, hidden or not."""
    return answer(_person(person_in(steered(request).live, request.match_info["user"])))


async def change_person(request: web.Request) -> web.Response:
    """Somebody changes something about themselves."""
    body, live = await read(request, PersonChange), steered(request).live
    lid = lid_in(live, request.match_info["user"])
    phone = None if body.phone is None else parse_dialable(body.phone)
    if not body.model_fields_set:
        raise InvalidRequest("say what changes: pushname, about, picture, phone or hides")
    if body.pushname is not None:
        live.change_pushname(lid, body.pushname)
    if body.about is not None:
        live.change_about(lid, body.about)
    if "picture" in body.model_fields_set:
        live.change_picture(lid, f"{lid.digits}-{live.sequence + 1}" if body.picture is True else body.picture)
    if phone is not None:
        live.change_number(lid, phone)
    if body.hides is not None:
        hidden = {name: name in body.hides for name in ("about", "picture", "phone")}
        live.change_privacy(lid, **hidden)
    return answer(_person(live.person(lid)))


async def reassign(request: web.Request) -> web.Response:
    """Somebody else registers with this number; whoever had it is left with the LID alone."""
    body, live = await read(request, Newcomer), steered(request).live
    phone = parse_dialable(request.match_info["phone"])
    lid = None if body.lid is None else parse_user(body.lid)
    if lid is not None and not isinstance(lid, Lid):
        raise InvalidRequest("lid: send a LID, <digits>@lid")
    if lid is not None and lid in live.state.people:
        raise InvalidRequest(f"{lid} is somebody already: leave the LID out, or send one that is nobody's")
    return answer(_person(live.person(live.reassign_number(phone, lid, body.pushname))), 201)


async def list_groups(request: web.Request) -> web.Response:
    """The groups of the world."""
    return answer([_group(group) for group in islice(steered(request).live.state.groups.values(), LISTED)])


async def put_member(request: web.Request) -> web.Response:
    """Somebody joins a group, or is promoted or demoted in it."""
    body, live = await read(request, Place), steered(request).live
    group, lid = group_in(live, request.match_info["group"]), lid_in(live, request.match_info["user"])
    is_member = _is_member(live.state.groups[group], lid)
    if not is_member:
        live.join_group(group, lid)
    if body.role == "admin":
        live.promote(group, lid)
    elif is_member:
        live.demote(group, lid)
    return answer(_group(live.state.groups[group]))


async def remove_member(request: web.Request) -> web.Response:
    """Somebody leaves a group."""
    live = steered(request).live
    group, lid = group_in(live, request.match_info["group"]), lid_in(live, request.match_info["user"])
    if not _is_member(live.state.groups[group], lid):
        raise NotFound(f"{request.match_info['user']} is not in the group {group}")
    live.leave_group(group, lid)
    return answer(_group(live.state.groups[group]))


async def list_people(request: web.Request) -> web.Response:
    """The people of the world, the first thousand of them."""
    live = steered(request).live
    return answer([_person(person) for person in islice(live.state.people.values(), LISTED)])


def _is_member(group: WorldGroup, lid: Lid) -> bool:
    return any(member.lid == lid and member.role is not Role.LEFT for member in group.members)


def _person(person: WorldPerson) -> dict[str, object]:
    hides = {"about": person.hides_about, "picture": person.hides_picture, "phone": person.hides_phone}
    return {
        "phone": None if person.phone is None else person.phone.digits,
        "lid": None if person.lid is None else str(person.lid),
        "pushname": person.pushname,
        "verifiedName": person.verified_name,
        "username": person.username,
        "about": person.about,
        "picture": person.picture,
        "business": person.business,
        "hides": [name for name, hidden in hides.items() if hidden],
    }


def _group(group: WorldGroup) -> dict[str, object]:
    members = [{"lid": str(member.lid), "role": member.role.value} for member in group.members[:LISTED]]
    return {"id": str(group.id), "subject": group.subject, "size": len(group.members), "members": members}


ROUTES: Final = (
    web.get("/people", list_people),
    web.get("/people/{user}", get_person),
    web.patch("/people/{user}", change_person),
    web.post("/numbers/{phone}/reassign", reassign),
    web.get("/groups", list_groups),
    web.put("/groups/{group}/members/{user}", put_member),
    web.delete("/groups/{group}/members/{user}", remove_member),
)
