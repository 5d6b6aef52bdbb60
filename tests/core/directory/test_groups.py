"""Groups: whole lists, single changes, and participants who are one person under two identifiers."""

import orjson
import pytest

from core.directory.conftest import Opened
from lidbook.errors import GroupNotFound
from lidbook.facts import Fact, GroupFact, GroupListFact, LinkFact, Participant, ParticipantFact, Role, Source
from lidbook.hookspecs import ChangeKind
from lidbook.identifiers import GroupId, Lid, PhoneNumber
from lidbook.values import LidState

ROWING, CHOIR = GroupId("120363001"), GroupId("120363002")
ANN, ANN_LID, BEN_LID = PhoneNumber("15550101"), Lid("9001"), Lid("9002")


def rowing(at: int, *participants: Participant) -> GroupFact:
    return GroupFact(
        ROWING,
        Source.SERVER,
        at,
        subject="Rowing",
        description="Early birds",
        owner=ANN_LID,
        creation=1_700_000_000,
        participants=participants,
    )


async def test_a_group_has_every_documented_key(opened: Opened) -> None:
    await opened.directory.apply([rowing(1, Participant(ANN, ANN_LID, Role.SUPERADMIN), Participant(None, BEN_LID))])
    assert orjson.loads(await opened.directory.group(ROWING)) == {
        "id": "120363001@g.us",
        "subject": "Rowing",
        "description": "Early birds",
        "owner": "15550101@c.us",
        "creation": 1_700_000_000,
        "size": 2,
        "participants": [
            {"id": "15550101@c.us", "lid": "9001@lid", "pn": "15550101@c.us", "role": "superadmin"},
            {"id": "9002@lid", "lid": "9002@lid", "pn": None, "role": "participant"},
        ],
    }


async def test_a_participant_with_both_identifiers_is_a_link(opened: Opened) -> None:
    await opened.directory.apply([rowing(1, Participant(ANN, ANN_LID), Participant(None, BEN_LID))])
    assert opened.directory.lid_pair(ANN_LID).phone == ANN
    assert opened.directory.lid_pair(BEN_LID).state is LidState.PENDING, "seen, but without a phone number"


async def test_a_member_gets_a_phone_number_when_the_link_arrives(opened: Opened) -> None:
    await opened.directory.apply([rowing(1, Participant(None, BEN_LID))])
    await opened.directory.apply([LinkFact(PhoneNumber("15550102"), BEN_LID, Source.MESSAGE, 2)])
    members = orjson.loads(await opened.directory.group_participants(ROWING))
    assert members == [{"id": "15550102@c.us", "lid": "9002@lid", "pn": "15550102@c.us", "role": "participant"}]


async def test_a_whole_list_drops_who_is_not_on_it(opened: Opened) -> None:
    await opened.directory.apply([rowing(1, Participant(ANN, None), Participant(None, BEN_LID))])
    opened.told.clear()
    await opened.directory.apply([rowing(2, Participant(ANN, None))])
    assert len(orjson.loads(await opened.directory.group_participants(ROWING))) == 1
    assert [change.kind for change in opened.told] == [ChangeKind.GROUP_REFRESHED]
    opened.told.clear()
    await opened.directory.apply([rowing(1, Participant(ANN, None), Participant(None, BEN_LID))])
    assert len(orjson.loads(await opened.directory.group_participants(ROWING))) == 1, "an old list changes nothing"


async def test_single_changes_count_from_their_time_on(opened: Opened) -> None:
    def changed(at: int, role: Role) -> Fact:
        return ParticipantFact(ROWING, Participant(None, BEN_LID, role), Source.NOTIFICATION, at)

    await opened.directory.apply([rowing(5, Participant(ANN, None))])
    await opened.directory.apply([changed(3, Role.ADMIN)])
    assert len(orjson.loads(await opened.directory.group_participants(ROWING))) == 1
    await opened.directory.apply([changed(6, Role.PARTICIPANT), changed(7, Role.ADMIN)])
    assert orjson.loads(await opened.directory.group_participants(ROWING))[1]["role"] == "admin"
    await opened.directory.apply([changed(8, Role.LEFT)])
    assert len(orjson.loads(await opened.directory.group_participants(ROWING))) == 1


async def test_one_person_under_two_identifiers_is_one_participant(opened: Opened) -> None:
    await opened.directory.apply([rowing(1, Participant(ANN, None), Participant(None, ANN_LID, Role.ADMIN))])
    assert len(orjson.loads(await opened.directory.group_participants(ROWING))) == 2
    await opened.directory.apply([LinkFact(ANN, ANN_LID, Source.MESSAGE, 2)])
    assert len(orjson.loads(await opened.directory.group_participants(ROWING))) == 1
    assert orjson.loads(await opened.directory.group(ROWING))["size"] == 1


async def test_a_group_that_a_whole_list_of_groups_does_not_name_is_gone(opened: Opened) -> None:
    await opened.directory.apply(
        [rowing(1, Participant(ANN, None)), GroupFact(CHOIR, Source.SERVER, 1, subject="Choir", participants=())]
    )
    assert await opened.directory.groups_count() == 2
    await opened.directory.apply([GroupListFact(frozenset({CHOIR}), Source.SERVER, 2)])
    assert [group["id"] for group in orjson.loads(await opened.directory.groups())] == ["120363002@g.us"]
    with pytest.raises(GroupNotFound):
        await opened.directory.group(ROWING)


async def test_groups_are_paged_sorted_and_shown_without_participants(opened: Opened) -> None:
    await opened.directory.apply(
        [
            rowing(1, Participant(ANN, None)),
            GroupFact(CHOIR, Source.SERVER, 1, subject="Choir", participants=()),
            GroupFact(GroupId("120363000"), Source.SERVER, 1),
        ]
    )

    async def shown(**options: object) -> list[str]:
        found = orjson.loads(await opened.directory.groups(**options))  # type: ignore[arg-type]
        return [group["subject"] for group in found]

    assert await shown(sort_by="subject") == ["Choir", "Rowing", None]
    assert await shown(sort_by="subject", descending=True) == ["Rowing", "Choir", None]
    assert await shown(limit=1, offset=1) == ["Rowing"]
    bare = orjson.loads(await opened.directory.groups(participants=False))
    assert "participants" not in bare[1]
    assert bare[1]["size"] == 1
