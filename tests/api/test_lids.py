"""LIDs over HTTP."""

import asyncio
from typing import Any

import httpx
import pytest

from lidbook.capabilities import Capability
from lidbook.facts import LinkFact, Source
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.world.conditions import Kind

from .served import Served

JOHN = {"lid": "208817345501126@lid", "pn": "11231231231@c.us"}
PATH = "/api/default/lids"


async def get(client: httpx.AsyncClient, path: str) -> Any:
    """The body of a GET that succeeds."""
    response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.json()


async def test_pairs_are_mapped_and_ordered_by_lid(reader: httpx.AsyncClient) -> None:
    response = await reader.get(PATH)
    pairs = response.json()
    assert [list(pair) for pair in pairs] == [["lid", "pn"]] * len(pairs)
    assert [pair["lid"] for pair in pairs] == sorted(pair["lid"] for pair in pairs)
    assert all(pair["lid"].endswith("@lid") and pair["pn"].endswith("@c.us") for pair in pairs)
    assert JOHN in pairs
    assert response.headers["x-total-count"] == str(len(pairs))
    assert await get(reader, f"{PATH}/count") == {"count": len(pairs)}


async def test_pages_of_pairs_concatenate(reader: httpx.AsyncClient) -> None:
    whole = await get(reader, PATH)
    pages = [await get(reader, f"{PATH}?limit=6&offset={offset}") for offset in range(0, 30, 6)]
    assert [pair for page in pages for pair in page] == whole
    assert await get(reader, f"{PATH}?limit=0") == []


async def test_a_page_of_pairs_is_100_unless_told_otherwise(served: Served) -> None:
    directory = served.lidbook.sessions.get("default").directory
    pairs = [(PhoneNumber(f"49151{n:07}"), Lid(f"9000000{n:05}")) for n in range(150)]
    await directory.apply([LinkFact(phone, lid, Source.HISTORY, 1) for phone, lid in pairs])
    response = await served.client.get(PATH)
    assert len(response.json()) == 100
    assert int(response.headers["x-total-count"]) > 150
    assert len(await get(served.client, f"{PATH}?limit=1000")) == int(response.headers["x-total-count"])


async def test_unresolved_adds_the_rest(reader: httpx.AsyncClient) -> None:
    mapped = await get(reader, PATH)
    everything = await get(reader, f"{PATH}?unresolved=true")
    rest = [pair for pair in everything if pair not in mapped]
    assert everything[: len(mapped)] == mapped
    assert rest
    assert all(pair["pn"] is None for pair in rest)
    assert await get(reader, f"{PATH}/count?unresolved=1") == {"count": len(everything)}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=abc", "limit must be a number conforming to the specified constraints"),
        ("limit=-1", "limit must not be less than 0"),
        ("offset=x", "offset must be a number conforming to the specified constraints"),
        ("unresolved=maybe", "unresolved must be a boolean value"),
    ],
)
async def test_a_parameter_that_does_not_fit_is_named(reader: httpx.AsyncClient, query: str, message: str) -> None:
    response = await reader.get(f"{PATH}?{query}")
    assert response.json() == {"message": [message], "error": "Bad Request", "statusCode": 400}


async def test_sort_parameters_are_dropped(reader: httpx.AsyncClient) -> None:
    assert await get(reader, f"{PATH}?sortBy=pn&sortOrder=desc") == await get(reader, PATH)


@pytest.mark.parametrize(
    "lid",
    [
        "208817345501126",
        "208817345501126@lid",
        "208817345501126%40lid",
        "208817345501126:5@lid",
        "+208817345501126",
    ],
)
async def test_a_lid_in_any_spelling_is_the_same_bytes(reader: httpx.AsyncClient, lid: str) -> None:
    response = await reader.get(f"{PATH}/{lid}")
    assert response.content == b'{"lid":"208817345501126@lid","pn":"11231231231@c.us"}'
    assert response.headers["lidbook-lid"] == "mapped"


async def test_an_unknown_lid_is_null_and_no_error(reader: httpx.AsyncClient) -> None:
    response = await reader.get(f"{PATH}/999999999999999")
    assert (response.status_code, response.json()) == (200, {"lid": "999999999999999@lid", "pn": None})
    assert response.headers["lidbook-lid"] == "unknown"


async def test_a_lid_that_was_seen_without_its_number_says_so(reader: httpx.AsyncClient) -> None:
    response = await reader.get(f"{PATH}/231985067714402")
    assert response.json() == {"lid": "231985067714402@lid", "pn": None}
    assert response.headers["lidbook-lid"] == "hidden"


@pytest.mark.parametrize("lid", ["123@c.us", "123@s.whatsapp.net", "123@LID", "x@g.us", "pn", "@lid"])
async def test_what_is_no_lid_is_wahas_422(reader: httpx.AsyncClient, lid: str) -> None:
    response = await reader.get(f"{PATH}/{lid}")
    assert response.status_code == 422
    assert response.json() == {
        "message": "Invalid LID - it must end with @lid",
        "error": "Unprocessable Entity",
        "statusCode": 422,
    }
    assert response.headers["lidbook-error"] == "invalid_lid"


async def test_a_phone_is_never_made_from_a_lids_digits(reader: httpx.AsyncClient) -> None:
    assert (await get(reader, f"{PATH}/11231231231"))["pn"] is None


async def test_a_mapping_is_waited_for(served: Served) -> None:
    waiting = asyncio.create_task(served.client.get(f"{PATH}/90000000001?wait=10"))
    directory = served.lidbook.sessions.get("default").directory
    while not directory._waiting:  # noqa: ASYNC110 - nothing announces that a request waits
        await asyncio.sleep(0)
    await directory.apply([LinkFact(PhoneNumber("4915112345678"), Lid("90000000001"), Source.GROUP, 1)])
    async with asyncio.timeout(5):
        response = await waiting
    assert response.json() == {"lid": "90000000001@lid", "pn": "4915112345678@c.us"}
    assert response.headers["lidbook-lid"] == "mapped"


async def test_waiting_ends(reader: httpx.AsyncClient) -> None:
    assert (await get(reader, f"{PATH}/90000000002?wait=0.01"))["pn"] is None


@pytest.mark.parametrize(
    ("wait", "message"),
    [
        ("soon", "wait must be a number conforming to the specified constraints"),
        ("-1", "wait must not be less than 0"),
        ("3600", "wait must not be greater than 60"),
    ],
)
async def test_waiting_is_bounded(reader: httpx.AsyncClient, wait: str, message: str) -> None:
    response = await reader.get(f"{PATH}/123?wait={wait}")
    assert response.json()["message"] == [message]


@pytest.mark.parametrize(
    "phone",
    [
        "11231231231",
        "11231231231@c.us",
        "11231231231%40c.us",
        "11231231231@s.whatsapp.net",
        "11231231231:5@c.us",
        "+11231231231",
        "%2B1%20123%20123%201231",
        "208817345501126@lid",
        "208817345501126%40lid",
    ],
)
async def test_a_phone_in_any_spelling_is_the_same_bytes(reader: httpx.AsyncClient, phone: str) -> None:
    response = await reader.get(f"{PATH}/pn/{phone}")
    assert response.content == b'{"lid":"208817345501126@lid","pn":"11231231231@c.us"}'
    assert response.headers["lidbook-lid"] == "mapped"


@pytest.mark.parametrize("phone", ["4915555555555", "0123456789", "123"])
async def test_an_unknown_phone_is_null_and_no_error(client: httpx.AsyncClient, phone: str) -> None:
    assert await get(client, f"{PATH}/pn/{phone}") == {"lid": None, "pn": f"{phone}@c.us"}


async def test_an_unknown_lid_in_the_place_of_a_phone_keeps_its_shape(reader: httpx.AsyncClient) -> None:
    assert await get(reader, f"{PATH}/pn/999999999999999@lid") == {"lid": "999999999999999@lid", "pn": None}


async def test_a_miss_asks_the_server_once_and_is_then_known(served: Served) -> None:
    owen = f"{PATH}/pn/447700900106"
    assert await get(served.client, owen) == {"lid": "231985067714402@lid", "pn": "447700900106@c.us"}
    served.make(Kind.RATE_LIMIT, Capability.LIDS_QUERY)
    assert (await get(served.client, owen))["lid"] == "231985067714402@lid"


async def test_the_ninth_digit_finds_its_way_to_the_lid(client: httpx.AsyncClient) -> None:
    answer = await get(client, f"{PATH}/pn/5531988887777")
    assert answer == {"lid": "119084467325598@lid", "pn": "553188887777@c.us"}


async def test_whatsapps_limit_is_a_429_and_not_an_empty_answer(served: Served) -> None:
    served.make(Kind.RATE_LIMIT, Capability.LIDS_QUERY)
    for phone in ("447700900106", "447700900106", "447700900107"):
        response = await served.client.get(f"{PATH}/pn/{phone}")
        assert response.status_code == 429
        assert 5 <= int(response.headers["retry-after"]) <= 7


@pytest.mark.parametrize("phone", ["120363049876543210@g.us", "status@broadcast"])
async def test_what_names_no_person_has_no_lid(reader: httpx.AsyncClient, phone: str) -> None:
    assert await get(reader, f"{PATH}/pn/{phone}") == {"lid": None, "pn": phone}
