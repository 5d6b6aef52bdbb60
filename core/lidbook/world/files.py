"""World files: JSON that people write by hand.

    {
      "name": "my world",
      "people": [
        {"phone": "+1 202 555 0101", "lid": "100200300400501@lid", "pushname": "Ana", "about": "Hi", "picture": true},
        {"phone": "+44 7700 900001", "pushname": "Ben", "hides": ["about", "picture", "phone"]},
        {"phone": "+44 7700 900002", "registered": false}
      ],
      "accounts": [
        {"person": "+1 202 555 0101",
         "addressBook": [{"phone": "+44 7700 900001", "firstName": "Ben", "lastName": "Old"}],
         "chats": ["+44 7700 900001"], "seen": [], "mapped": [], "blocklist": []}
      ],
      "groups": [
        {"id": "120363000000000001@g.us", "subject": "Us", "owner": "+1 202 555 0101",
         "admins": [], "members": ["+44 7700 900001"]}
      ]
    }

People are named by phone number or LID wherever they are mentioned. A registered person without a `lid` gets one that
follows from the phone number. Times are ISO 8601. Unknown keys are errors, because they are mostly misspelt ones.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from lidbook.errors import InvalidGroupId, InvalidRequest, InvalidWorld
from lidbook.facts import Role
from lidbook.identifiers import (
    Lid,
    PhoneNumber,
    UserId,
    check_dialable,
    parse_dialable,
    parse_group,
    parse_user,
    spellings,
)
from lidbook.world.lids import derive_lid
from lidbook.world.model import EPOCH, Addressing, BookEntry, Chat, Member, World, WorldAccount, WorldGroup, WorldPerson

START: Final = datetime.fromtimestamp(EPOCH / 1000, UTC)
Hidden = Literal["about", "picture", "phone"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)


class PersonText(_Model):
    """One of `people`."""

    phone: str | None = None
    lid: str | None = None
    registered: bool = True
    pushname: str | None = None
    verified_name: str | None = None
    username: str | None = None
    about: str = ""
    picture: bool | str = False
    business: bool = False
    hides: list[Hidden] = []
    since: AwareDatetime = START


class EntryText(_Model):
    """One of `addressBook`; `name` is put together from the other two if it is missing."""

    phone: str | None = None
    lid: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    changed: AwareDatetime = START
    on_phone: bool = True


class AccountText(_Model):
    """One of `accounts`."""

    person: str
    device: int = 1
    address_book: list[EntryText] = []
    chats: list[str | tuple[str, AwareDatetime]] = []
    seen: list[str] = []
    mapped: list[str] = []
    blocklist: list[str] = []
    since: AwareDatetime = START


class GroupText(_Model):
    """One of `groups`; the owner is a member with the role `superadmin`, unless listed otherwise."""

    id: str
    subject: str
    description: str | None = None
    owner: str | None = None
    admins: list[str] = []
    members: list[str] = []
    addressing: Addressing = Addressing.LID
    created: AwareDatetime = START
    changed: AwareDatetime | None = None


class WorldText(_Model):
    """A whole file."""

    name: str = "world"
    people: list[PersonText]
    accounts: Annotated[list[AccountText], Field(min_length=1)]
    groups: list[GroupText] = []


def load_world(path: Path) -> World:
    """The world in a JSON file. Raises `InvalidWorld`, which says who or what is wrong and what to write instead."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidWorld(f"cannot read the world file {path}: {error.strerror}") from error
    return parse_world(content, str(path))


def parse_world(content: bytes, origin: str) -> World:
    """The world in the text of a JSON file; `origin` says in messages where the text is from."""
    try:
        text = WorldText.model_validate_json(content)
    except ValidationError as error:
        faults = "; ".join(f"{_place(fault['loc'])}: {fault['msg']}" for fault in error.errors()[:5])
        raise InvalidWorld(f"{origin} is no world: {faults}") from error
    return _Reader(origin).world(text)


def save_world(world: World, path: Path) -> None:
    """Write `world` as JSON; `load_world` gives the same world back."""
    text = WorldText(
        name=world.name,
        people=[_person_text(person) for person in world.people],
        accounts=[_account_text(account) for account in world.accounts],
        groups=[_group_text(group) for group in world.groups],
    )
    path.write_text(text.model_dump_json(by_alias=True, exclude_defaults=True, indent=2) + "\n", "utf-8")


def fingerprint(content: bytes, *also: object) -> str:
    """A short text that changes whenever a world's source, or anything else it is made from, changes."""
    return hashlib.sha256(content + repr(also).encode()).hexdigest()[:32]


class _Reader:
    """Turns the texts of one file into a world; keeps who is who while doing so."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._lids: dict[UserId, Lid] = {}
        self._numbers: set[PhoneNumber] = set()

    def world(self, text: WorldText) -> World:
        people = tuple(self._person(person, index) for index, person in enumerate(text.people))
        accounts = tuple(self._account(account, index) for index, account in enumerate(text.accounts))
        if len({account.lid for account in accounts}) < len(accounts):
            self._fail("accounts", "the same person is listed twice", "keep one of the two accounts")
        groups = tuple(self._group(group, index) for index, group in enumerate(text.groups))
        if len({group.id for group in groups}) < len(groups):
            self._fail("groups", "two groups have the same id", "give each an id of its own")
        return World(text.name, people, accounts, groups)

    def _person(self, text: PersonText, index: int) -> WorldPerson:
        place = f"people[{index}]" + (f" ({text.pushname})" if text.pushname else "")
        phone = None if text.phone is None else self._phone(text.phone, place)
        if phone is not None:
            if not self._numbers.isdisjoint(spellings(phone)):
                self._fail(place, f"{text.phone} belongs to somebody else already", "give everybody another number")
            self._numbers.add(phone)
        lid = self._lid_of(text, phone, place)
        if lid is not None:
            if lid in self._lids:
                self._fail(place, f"{lid} belongs to somebody else already", "give everybody another lid")
            self._lids[lid] = lid
            if phone is not None:
                self._lids.update(dict.fromkeys(spellings(phone), lid))
        if isinstance(text.picture, str):
            picture: str | None = text.picture
        else:
            picture = f"{(lid or phone or index)}".partition("@")[0] if text.picture else None
        return WorldPerson(
            phone,
            lid,
            _milliseconds(text.since),
            text.pushname,
            text.verified_name,
            text.username,
            text.about,
            picture,
            text.business,
            "about" in text.hides,
            "picture" in text.hides,
            "phone" in text.hides,
        )

    def _lid_of(self, text: PersonText, phone: PhoneNumber | None, place: str) -> Lid | None:
        if not text.registered:
            if text.lid is not None or phone is None:
                self._fail(place, "somebody who is not registered has a phone and no lid", "correct one of the three")
            return None
        if text.lid is not None:
            user = self._user(text.lid if "@" in text.lid else f"{text.lid}@lid", place)
            if not isinstance(user, Lid):
                self._fail(place, f"{text.lid} is no LID", "write <digits>@lid")
            return user
        if phone is None:
            self._fail(place, "there is neither a phone nor a lid", "write at least one of them")
        return derive_lid(phone, self._lids)

    def _account(self, text: AccountText, index: int) -> WorldAccount:
        place = f"accounts[{index}]"
        lid = self._member(text.person, f"{place}.person")
        chats = []
        for chat in text.chats:
            who, at = (chat, text.since) if isinstance(chat, str) else chat
            chats.append(Chat(self._member(who, f"{place}.chats"), _milliseconds(at)))
        return WorldAccount(
            lid,
            tuple(self._entry(entry, f"{place}.addressBook[{i}]") for i, entry in enumerate(text.address_book)),
            tuple(chats),
            self._members(text.seen, f"{place}.seen"),
            self._members(text.mapped, f"{place}.mapped"),
            self._members(text.blocklist, f"{place}.blocklist"),
            text.device,
            _milliseconds(text.since),
        )

    def _entry(self, text: EntryText, place: str) -> BookEntry:
        if (text.phone is None) == (text.lid is None):
            self._fail(place, "an entry is under a phone or under a lid", "write one of the two")
        name = text.name or " ".join(part for part in (text.first_name, text.last_name) if part) or None
        user: UserId = self._phone(text.phone, place) if text.phone is not None else self._member(text.lid or "", place)
        return BookEntry(user, text.first_name, text.last_name, name, _milliseconds(text.changed), text.on_phone)

    def _group(self, text: GroupText, index: int) -> WorldGroup:
        place = f"groups[{index}] ({text.subject})"
        try:
            group = parse_group(text.id)
        except InvalidGroupId as error:
            raise InvalidWorld(f"{self._origin}: {place}: {error.message}") from error
        owner = None if text.owner is None else self._member(text.owner, place)
        roles = {} if owner is None else {owner: Role.SUPERADMIN}
        for role, names in ((Role.ADMIN, text.admins), (Role.PARTICIPANT, text.members)):
            for name in names:
                roles.setdefault(self._member(name, place), role)
        created = _milliseconds(text.created)
        return WorldGroup(
            group,
            text.subject,
            tuple(Member(lid, role) for lid, role in roles.items()),
            text.description,
            owner,
            created // 1000,
            text.addressing,
            created if text.changed is None else _milliseconds(text.changed),
        )

    def _members(self, names: list[str], place: str) -> frozenset[Lid]:
        return frozenset(self._member(name, place) for name in names)

    def _member(self, name: str, place: str) -> Lid:
        lid = self._lids.get(self._user(name, place))
        if lid is None:
            self._fail(place, f"{name} is nobody registered in `people`", "add the person there, or take the name out")
        return lid

    def _phone(self, text: str, place: str) -> PhoneNumber:
        try:
            return parse_dialable(text)
        except InvalidRequest as error:
            raise InvalidWorld(f"{self._origin}: {place}: {error.message}") from error

    def _user(self, text: str, place: str) -> UserId:
        try:
            user = parse_user(text)
            if isinstance(user, PhoneNumber):
                check_dialable(user, text)
        except InvalidRequest as error:
            raise InvalidWorld(f"{self._origin}: {place}: {error.message}") from error
        return user

    def _fail(self, place: str, fault: str, remedy: str) -> NoReturn:
        raise InvalidWorld(f"{self._origin}: {place}: {fault}; {remedy}")


def _place(location: tuple[int | str, ...]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).lstrip(".") or "the file"


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _person_text(person: WorldPerson) -> PersonText:
    hides: list[Hidden] = []
    if person.hides_about:
        hides.append("about")
    if person.hides_picture:
        hides.append("picture")
    if person.hides_phone:
        hides.append("phone")
    return PersonText(
        phone=None if person.phone is None else f"+{person.phone.digits}",
        lid=None if person.lid is None else str(person.lid),
        registered=person.registered,
        pushname=person.pushname,
        verified_name=person.verified_name,
        username=person.username,
        about=person.about,
        picture=person.picture or False,
        business=person.business,
        hides=hides,
        since=_moment(person.since),
    )


def _account_text(account: WorldAccount) -> AccountText:
    return AccountText(
        person=str(account.lid),
        device=account.device,
        address_book=[
            EntryText(
                phone=f"+{entry.user.digits}" if isinstance(entry.user, PhoneNumber) else None,
                lid=str(entry.user) if isinstance(entry.user, Lid) else None,
                first_name=entry.first_name,
                last_name=entry.last_name,
                name=entry.full_name,
                changed=_moment(entry.changed),
                on_phone=entry.on_phone,
            )
            for entry in account.book
        ],
        chats=[(str(chat.lid), _moment(chat.at)) for chat in account.chats],
        seen=sorted(str(lid) for lid in account.seen),
        mapped=sorted(str(lid) for lid in account.mapped),
        blocklist=sorted(str(lid) for lid in account.blocklist),
        since=_moment(account.since),
    )


def _group_text(group: WorldGroup) -> GroupText:
    return GroupText(
        id=str(group.id),
        subject=group.subject,
        description=group.description,
        owner=None if group.owner is None else str(group.owner),
        admins=[str(m.lid) for m in group.members if m.role is Role.ADMIN],
        members=[str(m.lid) for m in group.members if m.role is Role.PARTICIPANT],
        addressing=group.addressing,
        created=_moment(group.creation * 1000),
        changed=_moment(group.changed),
    )
