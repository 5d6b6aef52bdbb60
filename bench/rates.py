"""Reads and pages: requests a second, beside the floor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import orjson

from bench import limits
from bench.generator import Generator, Load, Measured
from bench.processes import ChildFailed
from bench.served import DRAWN, Drawn, Served
from bench.table import Limit, Row, Unit

PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """A load with what is said about it in the table, and how one of its answers is told from a wrong one."""

    load: Load
    limit: Limit
    peer: str
    is_right: Callable[[str, bytes], bool]

    def check(self, served: Served) -> None:
        """Ask a few times before anything is measured. Raises `ChildFailed`: a wrong answer is quick as well."""
        for path in self.load.paths[:5]:
            body = served.get(path)
            if not self.is_right(path, body):
                raise ChildFailed(f"{self.load.what}: {path} was answered with {body[:200].decode()}")


def reads(served: Served, drawn: Drawn) -> list[Asked]:
    """One person or one pair at a time; who is asked for is random."""
    contact_by_query = [f"/api/contacts?contactId={user}&session=default" for user in drawn.ids]
    contact_by_path = [f"/api/default/contacts/{user}" for user in drawn.ids]
    by_lid = [f"/api/default/lids/{lid}" for lid, _ in drawn.pairs]
    by_phone = [f"/api/default/lids/pn/{phone.removesuffix('@c.us')}" for _, phone in drawn.pairs]
    return [
        _asked(served, "contact by id", contact_by_query, limits.READ, limits.PEER_CONTACT, _is_person),
        _asked(served, "contact by id, in the path", contact_by_path, limits.READ, "", _is_person),
        _asked(served, "lids/{lid}", by_lid, limits.READ, limits.PEER_LID, _is_pair),
        _asked(served, "lids/pn/{phone}", by_phone, limits.READ, "", _is_pair),
    ]


def pages(served: Served, drawn: Drawn, random: Random) -> list[Asked]:
    """A hundred persons or pairs at a time."""
    contacts = f"/api/contacts/all?session=default&limit={PAGE}"
    by_name = [f"{contacts}&sortBy=name&offset={offset}" for offset in _offsets(random, drawn.contacts)]
    from_z = [f"{contacts}&sortBy=name&sortOrder=desc&offset={offset}" for offset in _offsets(random, drawn.contacts)]
    lids = [f"/api/default/lids?limit={PAGE}&offset={offset}" for offset in _offsets(random, drawn.lids)]
    deep = f"{contacts}&offset={drawn.contacts // 2}"
    return [
        _asked(served, "contacts/all, first page", [contacts], limits.PAGE, limits.PEER_PAGE, _is_page),
        _asked(served, "contacts/all, 50 % deep", [deep], limits.PAGE, limits.PEER_DEEP_PAGE, _is_page),
        _asked(served, "contacts/all by name, any depth", by_name, limits.PAGE, limits.PEER_BY_NAME, _is_page),
        _asked(served, "contacts/all by name Z to A, any depth", from_z, limits.PAGE, "", _is_page),
        _asked(served, "lids, any depth", lids, limits.PAGE, limits.PEER_LIDS, _is_page),
    ]


def measure(generator: Generator, asked: Sequence[Asked], seconds: float) -> list[Row]:
    """A row each."""
    measured = generator.beside_floor([each.load for each in asked], seconds)
    return [row(found, each.limit, each.peer) for each, found in zip(asked, measured, strict=True)]


def row(measured: Measured, limit: Limit | None, peer: str = "") -> Row:
    """Requests a second, of the floor's."""
    own, floor = measured.own, measured.floor
    return Row(
        measured.what,
        (own.rated.rps,),
        Unit.RPS,
        floor=floor.rated.rps,
        ratio=measured.ratio,
        limit=limit,
        peer=peer,
        latencies=(own.rated.p50 * 1000, own.rated.p95 * 1000, own.rated.p99 * 1000),
        cpu=(own.cpu * 1e6, floor.cpu * 1e6),
    )


def _asked(
    served: Served, what: str, paths: list[str], limit: Limit, peer: str, is_right: Callable[[str, bytes], bool]
) -> Asked:
    return Asked(Load(what, served.child, paths), limit, peer, is_right)


def _offsets(random: Random, total: int) -> list[int]:
    return [random.randrange(max(total - PAGE, 0) + 1) for _ in range(DRAWN // 10)]


def _is_person(path: str, body: bytes) -> bool:
    person = orjson.loads(body)
    return bool(person["id"] in path and person["displayName"] != "")


def _is_pair(path: str, body: bytes) -> bool:
    pair = orjson.loads(body)
    wanted = path.rpartition("/")[2]
    return None not in (pair["lid"], pair["pn"]) and wanted in (pair["lid"], pair["pn"].removesuffix("@c.us"))


def _is_page(_: str, body: bytes) -> bool:
    return len(orjson.loads(body)) == PAGE
