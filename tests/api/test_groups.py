"""Groups over HTTP."""

from typing import Any

import httpx
import pytest

from lidbook.capabilities import Capability
from lidbook.world.conditions import Kind

from .served import Served

PATH = "/api/default/groups"
BOOK_CLUB = "120363049876543210@g.us"


async def get(client: httpx.AsyncClient, path: str) -> Any:
    """The body of a GET that succeeds."""
    response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.json()


async def test_groups_are_an_array_of_one_shape(reader: httpx.AsyncClient) -> None:
    response = await reader.get(PATH)
    groups = response.json()
    assert response.headers["x-total-count"] == "3"
    assert [group["id"] for group in groups] == sorted(group["id"] for group in groups)
    for group in groups:
        assert list(group) == ["id", "subject", "description", "owner", "creation", "size", "participants"]
        assert group["size"] == len(group["participants"])
        assert all(list(participant) == ["id", "lid", "pn", "role"] for participant in group["participants"])


async def test_groups_are_counted(reader: httpx.AsyncClient) -> None:
    assert await get(reader, f"{PATH}/count") == {"count": 3}


async def test_groups_are_paged_and_sorted(reader: httpx.AsyncClient) -> None:
    subjects = [group["subject"] for group in await get(reader, f"{PATH}?sortBy=subject")]
    assert subjects == ["Book club", "Choir ♪", "Viagem 2024 🌎"]
    backwards = [group["subject"] for group in await get(reader, f"{PATH}?sortBy=subject&sortOrder=desc")]
    assert backwards == subjects[::-1]
    page = await get(reader, f"{PATH}?sortBy=subject&limit=1&offset=1")
    assert [group["subject"] for group in page] == subjects[1:2]
    assert await get(reader, f"{PATH}?limit=0") == []


@pytest.mark.parametrize("query", ["exclude=participants", "exclude=&exclude=participants"])
async def test_participants_can_be_left_out(reader: httpx.AsyncClient, query: str) -> None:
    groups = await get(reader, f"{PATH}?{query}")
    assert len(groups) == 3
    assert all("participants" not in group and group["size"] > 0 for group in groups)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("sortBy=name", "sortBy must be one of the following values: id, subject"),
        ("exclude=owner", "each value in exclude must be one of the following values: participants"),
        ("limit=-1", "limit must not be less than 0"),
    ],
)
async def test_a_parameter_that_does_not_fit_is_named(reader: httpx.AsyncClient, query: str, message: str) -> None:
    response = await reader.get(f"{PATH}?{query}")
    assert response.json() == {"message": [message], "error": "Bad Request", "statusCode": 400}


async def test_one_group(reader: httpx.AsyncClient) -> None:
    group = await get(reader, f"{PATH}/{BOOK_CLUB}")
    assert group == next(one for one in await get(reader, PATH) if one["id"] == BOOK_CLUB)
    assert await get(reader, f"{PATH}/{BOOK_CLUB.replace('@', '%40')}") == group


async def test_participants_are_the_same_in_both_versions_and_carry_both_ids(reader: httpx.AsyncClient) -> None:
    participants = await get(reader, f"{PATH}/{BOOK_CLUB}/participants/v2")
    assert participants == (await get(reader, f"{PATH}/{BOOK_CLUB}"))["participants"]
    assert participants == await get(reader, f"{PATH}/{BOOK_CLUB}/participants")
    assert {
        "id": "11231231231@c.us",
        "lid": "208817345501126@lid",
        "pn": "11231231231@c.us",
        "role": "participant",
    } in (participants)
    assert [p["role"] for p in participants if p["id"] == "12025550100@c.us"] == ["superadmin"]


async def test_a_participant_whose_number_is_hidden_is_known_by_lid(reader: httpx.AsyncClient) -> None:
    participants = await get(reader, f"{PATH}/120363041234567890@g.us/participants/v2")
    owen = {"id": "231985067714402@lid", "lid": "231985067714402@lid", "pn": None, "role": "participant"}
    assert owen in participants


@pytest.mark.parametrize("tail", ["", "/participants", "/participants/v2"])
async def test_an_unknown_group_is_404(reader: httpx.AsyncClient, tail: str) -> None:
    response = await reader.get(f"{PATH}/120363000000000000@g.us{tail}")
    assert (response.status_code, response.json()["error"]) == (404, "Not Found")
    assert response.headers["lidbook-error"] == "group_not_found"


@pytest.mark.parametrize("group", ["abc@g.us", "11231231231@c.us"])
async def test_what_is_no_group_is_400(reader: httpx.AsyncClient, group: str) -> None:
    response = await reader.get(f"{PATH}/{group}")
    assert (response.status_code, response.headers["lidbook-error"]) == (400, "invalid_group_id")


async def test_refresh_is_200_although_it_is_a_post(client: httpx.AsyncClient) -> None:
    response = await client.post(f"{PATH}/refresh")
    assert (response.status_code, response.content) == (200, b'{"success":true}')


async def test_a_refresh_that_whatsapp_limits_is_429(served: Served) -> None:
    served.make(Kind.RATE_LIMIT, Capability.GROUPS_REFRESH)
    response = await served.client.post(f"{PATH}/refresh")
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
