"""Contacts over HTTP. Test names and ids follow WAHA's endpoints."""

import asyncio
from typing import Any

import httpx
import pytest

from lidbook.capabilities import Capability
from lidbook.world.conditions import Kind

from .served import Served

KEYS = [
    "id",
    "number",
    "name",
    "pushname",
    "shortName",
    "isMe",
    "isGroup",
    "isWAContact",
    "isMyContact",
    "isBlocked",
    "lid",
    "username",
    "verifiedName",
    "isBusiness",
    "displayName",
]


async def get(client: httpx.AsyncClient, path: str, **query: str) -> Any:
    """The body of a GET that succeeds."""
    response = await client.get(path, params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def test_every_contact_has_every_key_in_the_same_order(reader: httpx.AsyncClient) -> None:
    contacts = await get(reader, "/api/contacts/all")
    assert len(contacts) == 22
    assert {tuple(contact) for contact in contacts} == {tuple(KEYS)}


async def test_one_person_is_one_row(reader: httpx.AsyncClient) -> None:
    contacts = await get(reader, "/api/contacts/all")
    lids = [contact["lid"] for contact in contacts if contact["lid"]]
    assert len(lids) == len(set(lids))
    assert len({contact["id"] for contact in contacts}) == len(contacts)


async def test_without_a_limit_the_whole_list_is_streamed(reader: httpx.AsyncClient) -> None:
    response = await reader.get("/api/contacts/all")
    assert "content-length" not in response.headers
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-total-count"] == str(len(response.json()))


async def test_pages_concatenate_to_the_whole_list(reader: httpx.AsyncClient) -> None:
    whole = await get(reader, "/api/contacts/all")
    pages = [await get(reader, "/api/contacts/all", limit="5", offset=str(offset)) for offset in range(0, 25, 5)]
    assert [contact for page in pages for contact in page] == whole


async def test_the_offset_counts_without_a_limit_too(reader: httpx.AsyncClient) -> None:
    whole = await get(reader, "/api/contacts/all")
    assert await get(reader, "/api/contacts/all", offset="20") == whole[20:]
    assert await get(reader, "/api/contacts/all", offset="9007199254740993000") == []


async def test_a_limit_of_0_is_an_empty_list(reader: httpx.AsyncClient) -> None:
    response = await reader.get("/api/contacts/all?limit=0")
    assert response.content == b"[]"
    assert response.headers["x-total-count"] == "22"


async def test_a_blank_limit_is_no_limit(reader: httpx.AsyncClient) -> None:
    assert len(await get(reader, "/api/contacts/all", limit="", offset="")) == 22


@pytest.mark.parametrize("limit", ["1e999999", "99999999999999999999999"])
async def test_a_limit_beyond_any_list_is_taken_or_refused_but_no_failure(
    reader: httpx.AsyncClient, limit: str
) -> None:
    assert (await reader.get(f"/api/contacts/all?limit={limit}")).status_code in (200, 400)


async def test_sorted_by_name_is_a_to_z_with_the_nameless_last(reader: httpx.AsyncClient) -> None:
    names = [c["displayName"] for c in await get(reader, "/api/contacts/all", sortBy="name")]
    named = [name for name in names if name is not None]
    assert names[: len(named)] == named
    assert [name.casefold() for name in named] == sorted(name.casefold() for name in named)
    assert names[0] == "Amelia Ashworth"


async def test_desc_is_z_to_a(reader: httpx.AsyncClient) -> None:
    ascending = [c["id"] for c in await get(reader, "/api/contacts/all", sortBy="id", sortOrder="asc")]
    descending = [c["id"] for c in await get(reader, "/api/contacts/all", sortBy="id", sortOrder="desc")]
    assert ascending == sorted(ascending)
    assert descending == ascending[::-1]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=abc", "limit must be a number conforming to the specified constraints"),
        ("limit=NaN", "limit must be a number conforming to the specified constraints"),
        ("limit=1&limit=2", "limit must be a number conforming to the specified constraints"),
        ("limit=-1", "limit must not be less than 0"),
        ("limit=1.5", "limit must be an integer number"),
        ("offset=-3", "offset must not be less than 0"),
        ("sortBy=number", "sortBy must be one of the following values: id, name"),
        ("sortBy=id&sortBy=name", "sortBy must be one of the following values: id, name"),
        ("sortOrder=ASC", "sortOrder must be one of the following values: desc, asc"),
    ],
)
async def test_a_parameter_that_does_not_fit_is_named(reader: httpx.AsyncClient, query: str, message: str) -> None:
    response = await reader.get(f"/api/contacts/all?{query}")
    assert response.status_code == 400
    assert response.json() == {"message": [message], "error": "Bad Request", "statusCode": 400}


async def test_unknown_parameters_are_dropped(reader: httpx.AsyncClient) -> None:
    assert len(await get(reader, "/api/contacts/all", limit="2", tier="PLUS")) == 2


SPELLINGS = [
    "11231231231",
    "%2B11231231231",
    "+11231231231",
    "+1%20123%20123-1231",
    "+1%20(123)%20123-1231",
    "11231231231@c.us",
    "11231231231%40c.us",
    "11231231231%2540c.us",
    "11231231231@s.whatsapp.net",
    "11231231231:12@s.whatsapp.net",
    "11231231231:12@c.us",
    "208817345501126@lid",
    "208817345501126%40lid",
    "208817345501126:3@lid",
]


@pytest.mark.parametrize("path", ["/api/contacts?session=default&contactId={}", "/api/default/contacts/{}"])
@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_person_in_any_spelling_is_the_same_bytes(reader: httpx.AsyncClient, path: str, spelling: str) -> None:
    wanted = (await reader.get("/api/contacts?contactId=11231231231@c.us")).content
    assert b'"name":"John Doe"' in wanted
    assert (await reader.get(path.format(spelling))).content == wanted


async def test_a_person_known_only_by_lid_has_it_as_id(reader: httpx.AsyncClient) -> None:
    contact = await get(reader, "/api/contacts", contactId="221705938846150@lid")
    assert contact["id"] == contact["lid"] == "221705938846150@lid"
    assert contact["number"] is None


@pytest.mark.parametrize("contact_id", ["4915555555555", "999999999999@lid"])
async def test_somebody_unknown_is_the_object_with_nulls(reader: httpx.AsyncClient, contact_id: str) -> None:
    contact = await get(reader, "/api/contacts", contactId=contact_id)
    assert list(contact) == KEYS
    assert contact["name"] is contact["pushname"] is contact["displayName"] is None
    assert contact["isMyContact"] is contact["isBlocked"] is False


async def test_whether_an_unknown_number_is_registered_is_null_until_checked(client: httpx.AsyncClient) -> None:
    unchecked = await get(client, "/api/contacts", contactId="4915555555555")
    await get(client, "/api/contacts/check-exists", phone="4915555555555")
    checked = await get(client, "/api/contacts", contactId="4915555555555")
    assert (unchecked["isWAContact"], checked["isWAContact"]) == (None, False)


async def test_a_contact_without_id_is_refused(reader: httpx.AsyncClient) -> None:
    response = await reader.get("/api/contacts")
    assert response.status_code == 400
    assert response.json()["message"] == ["contactId must be a string"]


@pytest.mark.parametrize("contact_id", ["120363049876543210@g.us", "status@broadcast", "0@c.us", "1@newsletter"])
async def test_what_names_no_person_is_no_contact(reader: httpx.AsyncClient, contact_id: str) -> None:
    for path in (f"/api/contacts?contactId={contact_id}", f"/api/default/contacts/{contact_id}"):
        response = await reader.get(path)
        assert response.status_code == 400
        assert response.headers["lidbook-error"] == "not_a_person"


@pytest.mark.parametrize("path", ["/api/contacts/check-exists", "/api/checkNumberStatus"])
async def test_check_exists_of_a_registered_number(client: httpx.AsyncClient, path: str) -> None:
    assert await get(client, path, phone="11231231231", session="default") == {
        "numberExists": True,
        "chatId": "11231231231@c.us",
        "pn": "11231231231@c.us",
        "lid": "208817345501126@lid",
    }


async def test_check_exists_of_an_unregistered_number_has_the_same_keys(client: httpx.AsyncClient) -> None:
    assert await get(client, "/api/contacts/check-exists", phone="12025550115") == {
        "numberExists": False,
        "chatId": None,
        "pn": None,
        "lid": None,
    }


@pytest.mark.parametrize("phone", ["5531988887777", "553188887777", "+55 31 98888-7777", "5531988887777@c.us"])
async def test_check_exists_finds_the_spelling_without_the_ninth_digit(client: httpx.AsyncClient, phone: str) -> None:
    answer = await get(client, "/api/contacts/check-exists", phone=phone)
    assert answer["chatId"] == "553188887777@c.us"


async def test_a_plus_in_the_query_arrives_as_a_space(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/contacts/check-exists?phone=+11231231231")
    assert response.json()["chatId"] == "11231231231@c.us"


@pytest.mark.parametrize(
    ("phone", "advice"),
    [
        ("0031888877", "leave out the leading 00"),
        ("01231231231", "country code"),
        ("12345", "too short"),
        ("208817345501126@lid", "LID"),
    ],
)
async def test_check_exists_of_a_local_number_says_what_to_send(
    reader: httpx.AsyncClient, phone: str, advice: str
) -> None:
    response = await reader.get("/api/contacts/check-exists", params={"phone": phone})
    assert response.status_code == 400
    assert response.headers["lidbook-error"] == "invalid_phone_number"
    assert advice in response.json()["message"]


async def test_check_exists_without_a_phone_is_refused(reader: httpx.AsyncClient) -> None:
    response = await reader.get("/api/contacts/check-exists")
    assert response.json() == {"message": ["phone must be a string"], "error": "Bad Request", "statusCode": 400}


async def test_a_kept_answer_survives_whatsapps_limit_and_a_refresh_is_told_of_it(served: Served) -> None:
    first = await get(served.client, "/api/contacts/check-exists", phone="11231231231")
    served.make(Kind.RATE_LIMIT, Capability.CONTACTS_CHECK)
    assert await get(served.client, "/api/contacts/check-exists", phone="11231231231") == first
    refreshed = await served.client.get("/api/contacts/check-exists?phone=11231231231&refresh=true")
    assert refreshed.status_code == 429
    assert 1 <= int(refreshed.headers["retry-after"]) <= 7
    assert refreshed.json()["statusCode"] == 429


async def test_about(client: httpx.AsyncClient) -> None:
    assert await get(client, "/api/contacts/about", contactId="11231231231") == {"about": "Hi, I use WhatsApp!"}
    assert await get(client, "/api/contacts/about", contactId="208817345501126@lid") == {"about": "Hi, I use WhatsApp!"}


async def test_a_hidden_about_is_null(client: httpx.AsyncClient) -> None:
    assert await get(client, "/api/contacts/about", contactId="447700900102") == {"about": None}


async def test_no_about_is_an_empty_text(client: httpx.AsyncClient) -> None:
    assert await get(client, "/api/contacts/about", contactId="447700900104") == {"about": ""}


async def test_a_timeout_is_an_error_and_no_empty_answer(served: Served) -> None:
    served.make(Kind.SILENCE)
    response = await served.client.get("/api/contacts/about?contactId=11231231231")
    assert response.status_code == 500
    assert response.headers["lidbook-error"] == "engine_timeout"


@pytest.mark.parametrize(
    ("contact_id", "state"),
    [
        ("11231231231", "present"),
        ("208817345501126@lid", "present"),
        ("447700900104", "none"),
        ("447700900103", "hidden"),
        ("0@c.us", "none"),
        ("status@broadcast", "none"),
        ("123@newsletter", "none"),
    ],
)
async def test_a_picture_says_why_it_is_null(client: httpx.AsyncClient, contact_id: str, state: str) -> None:
    response = await client.get("/api/contacts/profile-picture", params={"contactId": contact_id})
    assert response.status_code == 200
    assert list(response.json()) == ["profilePictureURL"]
    assert (response.json()["profilePictureURL"] is not None) == (state == "present")
    assert response.headers["lidbook-picture"] == state


async def test_a_groups_picture_is_not_asked_for_here(reader: httpx.AsyncClient) -> None:
    response = await reader.get("/api/contacts/profile-picture?contactId=120363049876543210@g.us")
    assert response.status_code == 400


@pytest.mark.parametrize("value", ["true", "True", "1", "false", "False", "0"])
async def test_refresh_is_understood(client: httpx.AsyncClient, value: str) -> None:
    response = await client.get(f"/api/contacts/profile-picture?contactId=11231231231&refresh={value}")
    assert response.status_code == 200


@pytest.mark.parametrize("query", ["refresh=yes", "refresh=", "refresh=1&refresh=0"])
async def test_refresh_that_is_no_boolean_is_refused(reader: httpx.AsyncClient, query: str) -> None:
    response = await reader.get(f"/api/contacts/profile-picture?contactId=11231231231&{query}")
    assert response.json()["message"] == ["refresh must be a boolean value"]


async def test_a_picture_is_kept_for_the_person_and_not_for_the_spelling(served: Served) -> None:
    url = "/api/contacts/profile-picture?contactId="
    first = (await served.client.get(url + "11231231231")).content
    served.make(Kind.RATE_LIMIT, Capability.CONTACTS_PICTURE)
    assert (await served.client.get(url + "208817345501126@lid")).content == first
    assert (await served.client.get(url + "11231231231&refresh=1")).status_code == 429


@pytest.mark.parametrize("chat_id", ["11231231231", "11231231231@c.us", "208817345501126@lid"])
async def test_a_contact_is_written_and_read_back(client: httpx.AsyncClient, chat_id: str) -> None:
    response = await client.put(f"/api/default/contacts/{chat_id}", json={"firstName": "Jane", "lastName": "Roe"})
    assert (response.status_code, response.content) == (200, b'{"success":true}')
    contact = await get(client, "/api/contacts", contactId="11231231231")
    assert (contact["name"], contact["shortName"], contact["isMyContact"]) == ("Jane Roe", "Jane", True)


@pytest.mark.parametrize("body", [{"firstName": "Jo"}, {"firstName": "Jo", "lastName": ""}])
async def test_the_last_name_is_optional(client: httpx.AsyncClient, body: dict[str, str]) -> None:
    assert (await client.put("/api/default/contacts/11231231231", json=body)).status_code == 200
    assert (await get(client, "/api/contacts", contactId="11231231231"))["name"] == "Jo"


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ({}, ["firstName must be a string"]),
        ({"firstName": None}, ["firstName must be a string"]),
        ({"firstName": 5}, ["firstName must be a string"]),
        ({"firstName": "  "}, ["firstName should not be empty"]),
        ({"firstName": "J", "lastName": 5}, ["lastName must be a string"]),
        ({"firstName": "J", "saveOnPhone": "yes"}, ["saveOnPhone must be a boolean value"]),
        ({"firstName": 1, "lastName": 2}, ["firstName must be a string", "lastName must be a string"]),
    ],
)
async def test_nobody_becomes_john_doe(client: httpx.AsyncClient, body: object, messages: list[str]) -> None:
    response = await client.put("/api/default/contacts/447700900101", json=body)
    assert response.json() == {"message": messages, "error": "Bad Request", "statusCode": 400}
    assert (await get(client, "/api/contacts", contactId="447700900101"))["name"] == "Amelia Ashworth"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("chat_id", ["0123456789", "120363049876543210@g.us"])
async def test_only_persons_reachable_from_abroad_are_written(
    reader: httpx.AsyncClient, method: str, chat_id: str
) -> None:
    response = await reader.request(method, f"/api/default/contacts/{chat_id}", json={"firstName": "Jane"})
    assert response.status_code == 400


async def test_a_conflict_that_does_not_go_away_is_409(served: Served) -> None:
    served.make(Kind.CONFLICT, times=50)
    response = await served.client.put("/api/default/contacts/11231231231", json={"firstName": "Jane"})
    assert (response.status_code, response.json()["error"]) == (409, "Conflict")


async def test_a_contact_is_deleted_once_and_again(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        response = await client.delete("/api/default/contacts/11231231231")
        assert (response.status_code, response.content) == (200, b'{"success":true}')
    contact = await get(client, "/api/contacts", contactId="11231231231")
    assert (contact["name"], contact["isMyContact"]) == (None, False)


@pytest.mark.parametrize("contact_id", ["11231231231", 11231231231, "11231231231@c.us", "208817345501126@lid"])
async def test_block_and_unblock_answer_with_nothing_and_do_it(
    client: httpx.AsyncClient, contact_id: str | int
) -> None:
    for path, blocked in (("block", True), ("unblock", False)):
        response = await client.post(f"/api/contacts/{path}", json={"contactId": contact_id, "session": "default"})
        assert (response.status_code, response.content) == (201, b"")
        assert "content-type" not in response.headers
        assert response.headers["content-length"] == "0"
        assert (await get(client, "/api/contacts", contactId="11231231231"))["isBlocked"] is blocked
        listed = [contact["id"] for contact in await get(client, "/api/default/blocklist")]
        assert ("11231231231@c.us" in listed) is blocked


async def test_block_without_a_person_is_refused(reader: httpx.AsyncClient) -> None:
    response = await reader.post("/api/contacts/block", json={"session": "default"})
    assert response.json()["message"] == ["contactId must be a string"]


async def test_a_group_cannot_be_blocked(reader: httpx.AsyncClient) -> None:
    response = await reader.post("/api/contacts/block", json={"contactId": "120363049876543210@g.us"})
    assert response.status_code == 400


async def test_json_that_curl_labels_as_a_form_and_a_real_form_are_understood(client: httpx.AsyncClient) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    for content in ('{"contactId": "11231231231"}', "contactId=11231231231%40c.us&session=default"):
        response = await client.post("/api/contacts/block", content=content, headers=form)
        assert response.status_code == 201, content


async def test_the_blocklist_is_contacts(reader: httpx.AsyncClient) -> None:
    blocked = await get(reader, "/api/default/blocklist")
    assert [(contact["id"], contact["isBlocked"]) for contact in blocked] == [("12025550111@c.us", True)]
    assert list(blocked[0]) == KEYS


async def test_many_readers_at_once_get_the_same_bytes(reader: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(reader.get("/api/contacts/all") for _ in range(20)))
    assert len({answer.content for answer in answers}) == 1


async def test_the_bare_digits_of_a_known_lid_are_not_written_to_as_a_phone_number(client: httpx.AsyncClient) -> None:
    for request in (
        client.put("/api/default/contacts/208817345501126", json={"firstName": "Bare"}),
        client.request("DELETE", "/api/default/contacts/208817345501126"),
        client.post("/api/contacts/block", json={"contactId": 208817345501126}),
    ):
        response = await request
        assert response.status_code == 400
        assert "send 208817345501126@lid" in response.json()["message"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"firstName": "A\x00nn"}, "firstName must not contain control characters"),
        ({"firstName": "x" * 257}, "firstName must be shorter than or equal to 256 characters"),
        ({"firstName": "Ann", "lastName": "y" * 257}, "lastName must be shorter than or equal to 256 characters"),
    ],
)
async def test_a_name_that_nobody_has_is_refused(reader: httpx.AsyncClient, body: dict[str, str], message: str) -> None:
    response = await reader.put("/api/default/contacts/11231231231", json=body)
    assert response.json()["message"] == [message]


async def test_a_session_that_is_null_is_not_given(client: httpx.AsyncClient) -> None:
    assert (
        await client.post("/api/contacts/block", json={"contactId": "11231231231", "session": None})
    ).status_code == 201


@pytest.mark.parametrize("limit", ["1_0", "\u0663", "0x1", "ten"])
async def test_what_only_python_reads_as_a_number_is_none(reader: httpx.AsyncClient, limit: str) -> None:
    assert (await reader.get("/api/contacts/all", params={"limit": limit})).status_code == 400
