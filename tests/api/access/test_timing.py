"""How long a wrong key takes tells nothing of the right ones.

Samples of different kinds of wrong keys are taken in turn and compared by how often one of the one kind takes longer
than one of the other: 0.5 when kinds do not matter. Two groups of the same kind say how far off chance alone gets.
"""

import gc
import json
import random
import socket
import string
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

from lidbook_api.access.local import create_admin_key
from lidbook_api.access.stored import KeyWanted

from .conftest import Kept
from .processes import serving

SAMPLES = 600
CALLS = 40
"""Calls a sample: one alone is shorter than what the clock sees."""
KEYS = 200
ROUNDS_OVER_HTTP, CALLS_OVER_HTTP, KEYS_OVER_HTTP = 300, 3, 20
ATTEMPTS = 5
"""A machine that is busy with something else may disturb a measurement; what a key gives away shows in every one."""
TOLERANCE = 0.1
"""A comparison that stops at the first wrong letter is at 1.0, as the last test shows."""

Kind = Callable[[], bytes]


def longer(left: list[int], right: list[int]) -> float:
    """The chance that a sample of `left` takes longer than one of `right`."""
    ranked = sorted([(value, 0) for value in left] + [(value, 1) for value in right])
    wins = ties = position = 0
    seen_right = 0
    while position < len(ranked):
        end = position
        while end < len(ranked) and ranked[end][0] == ranked[position][0]:
            end += 1
        lefts = sum(1 for _, side in ranked[position:end] if side == 0)
        rights = end - position - lefts
        wins += lefts * seen_right
        ties += lefts * rights
        seen_right += rights
        position = end
    return (wins + ties / 2) / (len(left) * len(right))


def measure(
    check: Callable[[bytes], object], kinds: dict[str, Kind], rounds: int = SAMPLES, calls: int = CALLS
) -> dict[str, list[int]]:
    """Nanoseconds a sample, by kind; the kinds take turns in an order of chance.

    Every key is made beforehand, in the same way and in the order of its turn: where it lies in memory, and what making
    it leaves in the caches, would be measured otherwise.
    """
    chance = random.Random(1)
    samples: list[tuple[str, list[bytes]]] = []
    for _ in range(rounds):
        turn = [(name, [make() for _ in range(calls)]) for name, make in kinds.items()]
        chance.shuffle(turn)
        samples += [(name, [bytes(bytearray(each)) for each in given]) for name, given in turn]
    taken: dict[str, list[int]] = {name: [] for name in kinds}
    gc.disable()
    try:
        for name, given in samples:
            started = time.perf_counter_ns()
            for each in given:
                check(each)
            taken[name].append(time.perf_counter_ns() - started)
    finally:
        gc.enable()
    return taken


def wrong_keys(right: list[bytes]) -> dict[str, Kind]:
    """Kinds of keys that open nothing, by how near they are to ones that do.

    All are of lengths that Python keeps in memory of one size: another size may lie nearer to the processor.
    """
    chance = random.Random(2)
    letters = (string.ascii_letters + string.digits).encode()

    def letter() -> bytes:
        return bytes([chance.choice(letters)])

    def made_up() -> bytes:
        return b"key_" + b"".join(letter() for _ in range(32))

    def near() -> bytes:
        key = chance.choice(right)
        return key[:-1] + next(each for each in iter(letter, None) if each != key[-1:])

    def first_wrong() -> bytes:
        key = chance.choice(right)
        return b"K" + key[1:]

    return {
        "made up": made_up,
        "made up too": made_up,
        "all but the last letter": near,
        "all but the first letter": first_wrong,
        "too short": lambda: made_up()[:-3],
        "too long": lambda: made_up() + b"12345678",
    }


async def test_a_wrong_key_takes_as_long_whatever_it_is(kept: Kept) -> None:
    keys = kept.store()
    right = [(await keys.create(KeyWanted(session="ab"[i % 2])))[1].encode() for i in range(KEYS)]
    kinds = wrong_keys(right)
    expect_no_difference(kinds, lambda: measure(keys.access, kinds))


def expect_no_difference(kinds: dict[str, Kind], measured: Callable[[], dict[str, list[int]]]) -> None:
    """Measure until no kind takes longer than another, and not for ever."""
    told: list[dict[str, float]] = []
    for _ in range(ATTEMPTS):
        taken = measured()
        off = {name: longer(taken[name], taken["made up"]) - 0.5 for name in kinds if name != "made up"}
        told.append(off)
        bound = TOLERANCE + 3 * abs(off["made up too"])
        if all(abs(off[name]) <= bound for name in kinds if not name.startswith("made")):
            return
    raise AssertionError(f"how much longer each kind takes: {told}")


def expect_difference(kind: str, measured: Callable[[], dict[str, list[int]]]) -> None:
    """Measure until this kind is seen to take longer than what is made up, and not for ever."""
    told: list[float] = []
    for _ in range(ATTEMPTS):
        taken = measured()
        told.append(longer(taken[kind], taken["made up"]) - 0.5)
        if told[-1] > 3 * TOLERANCE:
            return
    raise AssertionError(f"how much longer {kind} takes: {told}")


def test_a_wrong_key_takes_as_long_over_http_whatever_it_is(tmp_path: Path) -> None:
    """From a request sent to its answer read, by a real server: all that anybody can measure.

    That the gate alone is passed, and not what lies behind it, is noticed: that is how much this can see.
    """
    data_dir = tmp_path / "data"
    _, admin = create_admin_key(data_dir, None)
    with (
        serving(tmp_path, "--data-dir", str(data_dir)) as server,
        closing(HTTPConnection(server.url.removeprefix("http://"), timeout=20)) as client,
    ):
        client.connect()
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask(key: bytes) -> int:
            client.request("GET", "/api/server/version", headers={"X-Api-Key": key})
            response = client.getresponse()
            response.read()
            return response.status

        right = []
        for _ in range(KEYS_OVER_HTTP):
            headers = {"X-Api-Key": admin, "Content-Type": "application/json"}
            client.request("POST", "/api/keys", body='{"session": "default"}', headers=headers)
            right.append(str(json.loads(client.getresponse().read())["key"]).encode())
        kinds = wrong_keys(right)
        assert {ask(make()) for make in kinds.values()} == {401}
        assert ask(right[0]) == 200
        expect_no_difference(kinds, lambda: measure(ask, kinds, ROUNDS_OVER_HTTP, CALLS_OVER_HTTP))
        behind = {"made up": kinds["made up"], "right": lambda: right[0]}
        expect_difference("right", lambda: measure(ask, behind, ROUNDS_OVER_HTTP, CALLS_OVER_HTTP))


def test_this_test_would_notice_a_comparison_that_stops_early() -> None:
    right = b"key_" + b"a1B2" * 8

    def check(given: bytes) -> bool:
        return len(given) == len(right) and all(a == b for a, b in zip(given, right, strict=True))

    kinds = wrong_keys([right])
    expect_difference("all but the last letter", lambda: measure(check, kinds))
