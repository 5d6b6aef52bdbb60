"""Several clients that change the same person at the same time."""

import asyncio

import httpx

JOHN = "11231231231"
BY_LID = "208817345501126@lid"


async def test_changes_of_one_person_are_made_in_turn(client: httpx.AsyncClient) -> None:
    """Each is verified by reading back, so another one in between would look like a failure of its own."""

    async def change(what: str, contact: str) -> int:
        return (await client.post(f"/api/contacts/{what}", json={"contactId": contact})).status_code

    async def write(contact: str, name: str) -> int:
        body = {"firstName": name, "lastName": "Doe"}
        return (await client.put(f"/api/default/contacts/{contact}", json=body)).status_code

    for _ in range(5):
        statuses = await asyncio.gather(
            change("block", JOHN), change("unblock", BY_LID), write(JOHN, "John"), write(BY_LID, "Jack")
        )
        assert list(statuses) == [201, 201, 200, 200]
    await change("block", JOHN)
    contact = (await client.get(f"/api/contacts?contactId={JOHN}")).json()
    assert contact["isBlocked"] is True
    assert contact["name"] in ("John Doe", "Jack Doe")
