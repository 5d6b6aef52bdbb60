"""Every live call goes to the host and comes back in the core's terms; so does what goes wrong."""

import json

import pytest

from core.hosts.conftest import Opening
from core.hosts.misbehaving import AT, CHALLENGE
from core.hosts.stand_in import MisbehavingEngine, MisbehavingSession, Studio
from lidbook.capabilities import Capability, absent
from lidbook.engine import ClientConfig, EngineSession, Proxy
from lidbook.errors import (
    ChangeNotTaken,
    Conflict,
    EngineDisconnected,
    EngineError,
    EngineTimeout,
    LidbookError,
    LoggedOut,
    NotOnWhatsApp,
    NotSupported,
    PasskeyRefused,
    RateLimited,
)
from lidbook.facts import Picture, PictureState
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.passkey import PasskeyAssertion, PasskeyCredential
from lidbook.values import AboutAnswer, Account, AddressBookEntry, Person, Registration, SessionStatus, StatusReason

ADA = Person(PhoneNumber("15550199"), Lid("9199"), "ada")
HIDDEN = Person(None, Lid("9200"))
NOBODY = PhoneNumber("9990000000")


async def test_every_call_is_answered(studio: Studio) -> None:
    session = (await studio.working()).session
    phone = PhoneNumber("15550199")

    assert await session.pairing_code(phone) == "ABCD-EFGH"
    assert await session.check([phone, NOBODY]) == [
        Registration(phone, phone, Lid("15550199")),
        Registration(NOBODY, None),
    ]
    assert await session.query_lids([NOBODY, phone]) == {NOBODY: None, phone: Lid("15550199")}
    assert await session.about([HIDDEN, ADA]) == [AboutAnswer(HIDDEN, None), AboutAnswer(ADA, "Busy")]
    assert await session.picture(ADA) == Picture(PictureState.PRESENT, "https://p.example/1.jpg", AT)
    assert await session.update_contact(ADA, "Ada", None, save_on_phone=True) == AddressBookEntry(
        ADA, "Ada", None, "Ada!"
    )
    assert await session.block(ADA) == {Lid("9199")}
    assert await session.unblock(ADA) == frozenset()
    await session.delete_contact(ADA)
    await session.refresh_groups()
    await session.confirm_passkey()
    await session.logout()


async def test_what_a_session_is_started_with_reaches_the_host(studio: Studio) -> None:
    opened = studio.open(4)
    opened.context.config = ClientConfig(Proxy("proxy:1", "u", "p"), "Desk", "Chrome", mark_online=True)
    await opened.session.start()
    (said,) = opened.written("start.json")

    assert said["folder"] == str(opened.context.folder)
    assert said["settings"] == {"query_timeout": 20.0, "number": 4, "do": ["work"], "answers": {}}
    assert said["client"] == {
        "proxy": {"server": "proxy:1", "username": "u", "password": "p"},
        "device_name": "Desk",
        "browser_name": "Chrome",
        "mark_online": True,
    }
    assert said["synced"] == ["lids"]


async def test_what_links_a_session_is_shown(studio: Studio) -> None:
    opened = await studio.start(1, "scan", "challenge")
    await studio.until(lambda: bool(opened.context.challenges))

    assert opened.context.qrs == ["qr 1"]
    (challenge,) = opened.context.challenges
    assert challenge.challenge == CHALLENGE["challenge"]
    assert challenge.rp_id == "whatsapp.com"
    assert challenge.allow_credentials == (PasskeyCredential("BBBB", ("internal",)),)
    assert challenge.extensions == {"largeBlob": {}}

    await opened.session.answer_passkey(PasskeyAssertion("CC", "CC", "e30", "AQ", "AQ"))
    await studio.until(lambda: bool(opened.context.codes))
    assert opened.context.codes == ["CC"]


async def test_a_status_has_the_account_and_the_detail(studio: Studio) -> None:
    works, fails = await studio.working(5), await studio.start(6, "fail")
    await studio.until(lambda: bool(fails.context.statuses))

    assert works.context.accounts == [Account(PhoneNumber("15550105"), Lid("9105"), "Robin", 3)]
    assert fails.context.status_now == (SessionStatus.FAILED, StatusReason.BANNED)
    assert fails.context.details == ["too many"]


@pytest.mark.parametrize(
    "error",
    [
        EngineTimeout,
        EngineDisconnected,
        LoggedOut,
        Conflict,
        ChangeNotTaken,
        NotOnWhatsApp,
        PasskeyRefused,
        EngineError,
    ],
)
async def test_what_a_host_refuses_is_raised(error: type[LidbookError], studio: Studio) -> None:
    opened = await studio.working(answers={"contacts.about": error.code})

    with pytest.raises(error, match=f"refused: {error.code}") as refused:
        await opened.session.about([ADA])
    assert type(refused.value) is error


async def test_a_limit_says_for_how_long(studio: Studio) -> None:
    opened = await studio.working(answers={"contacts.about": "rate_limited"})

    with pytest.raises(RateLimited) as limited:
        await opened.session.about([ADA])
    assert limited.value.retry_after == 17


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("nonsense", "cannot be read"),
        ("unknown", "does not know contacts.check: .* build it again"),
        ("unheard_of", "unheard_of"),
    ],
)
async def test_what_cannot_be_understood_is_an_error(answer: str, words: str, studio: Studio) -> None:
    opened = await studio.working(answers={"contacts.check": answer})

    with pytest.raises(EngineError, match=words):
        await opened.session.check([NOBODY])


async def test_an_answer_that_comes_late_is_dropped(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lidbook.hosts.host.GRACE", 0.05)
    opened = await studio.start(1, answers={"contacts.picture": "late"}, query_timeout=0.1)

    with pytest.raises(EngineTimeout, match=r"no answer from the host to contacts.picture in 0.1 s"):
        await opened.session.picture(ADA)
    assert await opened.session.about([ADA]) == [AboutAnswer(ADA, "Busy")]  # and with it comes the late answer
    assert await opened.session.block(ADA) == {Lid("9199")}


async def test_a_session_that_was_never_started_has_no_host(studio: Studio) -> None:
    opened = studio.open()

    with pytest.raises(EngineDisconnected):
        await opened.session.about([ADA])
    await opened.session.stop()
    assert studio.engine.processes() == {}


async def test_an_engine_takes_back_what_its_host_lacks(opening: Opening) -> None:
    class Lacking(MisbehavingSession):
        delete_contact = EngineSession.delete_contact

    claims = {**MisbehavingEngine.claims, Capability.CONTACTS_DELETE: absent("no public API")}
    async with opening(session=Lacking, claims=claims) as studio:
        opened = await studio.working()
        with pytest.raises(NotSupported, match="no public API"):
            await opened.session.delete_contact(ADA)
    assert not studio.engine.claim(Capability.CONTACTS_DELETE).provided
    assert studio.engine.claim(Capability.CONTACTS_BLOCK).provided


async def test_a_session_that_a_host_will_not_begin_fails_to_start(studio: Studio) -> None:
    opened = studio.open(1, "refuse")

    with pytest.raises(LoggedOut):
        await opened.session.start()
    await opened.session.stop()


async def test_an_unknown_request_is_answered(studio: Studio) -> None:
    opened = await studio.start(1, "ask", "ghost", "work")
    await studio.until(lambda: bool(opened.written("ghost") and opened.written("weather")))

    assert opened.written("weather")[0]["error"]["code"] == -32601
    assert opened.written("ghost")[0]["error"]["data"] == {"code": "engine_disconnected"}
    assert json.dumps(opened.context.statuses) == '[["WORKING", null]]'
