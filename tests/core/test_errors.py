"""The error tree: the drawing in `errors.py` is the truth, and the classes are held to it."""

import inspect
import re

import pytest

from lidbook import errors
from lidbook.errors import (
    EngineNotFound,
    InvalidConfig,
    InvalidUserId,
    LidbookError,
    NotAPerson,
    NotSupported,
    RateLimited,
    SessionNotReady,
    UnknownEngine,
)

DRAWN_LINE = re.compile(r"^    (?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+) +(?P<code>[a-z_]+) +(?P<status>\d{3})$")


def drawn_tree() -> dict[str, tuple[str, str, int]]:
    """Class -> parent, code and status, as the module's docstring draws them."""
    tree: dict[str, tuple[str, str, int]] = {}
    parents = {0: "LidbookError"}
    for line in (errors.__doc__ or "").splitlines():
        found = DRAWN_LINE.match(line)
        if found:
            depth = len(found["branch"]) // 4
            parents[depth] = found["name"]
            tree[found["name"]] = (parents[depth - 1], found["code"], int(found["status"]))
    return tree


def written_tree() -> dict[str, tuple[str, str, int]]:
    """The same, as the classes have it."""
    return {
        name: (cls.__mro__[1].__name__, cls.code, cls.status)
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, LidbookError) and cls is not LidbookError
    }


def test_the_tree_is_drawn_as_it_is() -> None:
    assert drawn_tree() == written_tree()
    assert len(drawn_tree()) > 25


def test_every_code_is_used_once_and_fits_a_header() -> None:
    codes = [code for _, code, _ in written_tree().values()]

    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_every_class_says_in_its_own_docstring_when_it_is_raised() -> None:
    silent = [name for name in written_tree() if not vars(getattr(errors, name)).get("__doc__")]

    assert silent == []


def test_a_message_is_what_is_raised() -> None:
    error = LidbookError("the disk is full")

    assert error.message == str(error) == "the disk is full"


def test_a_refusal_carries_engine_capability_and_note() -> None:
    refusal = NotSupported("web", "contacts.check", "no server")

    assert (refusal.engine, refusal.capability, refusal.note) == ("web", "contacts.check", "no server")
    assert refusal.message == "The method is not implemented by 'web' engine: contacts.check (no server)"
    assert NotSupported("web", "contacts.check").message.endswith("contacts.check")


def test_a_missing_engine_is_answered_with_those_that_are_there() -> None:
    assert EngineNotFound("wpp", ["sandbox", "web"]).message == "Engine 'wpp' is not installed; installed: sandbox, web"
    assert "installed: none" in UnknownEngine("wpp", []).message
    assert UnknownEngine("wpp", []).messages == [UnknownEngine("wpp", []).message]


def test_a_config_with_several_faults_names_each() -> None:
    assert InvalidConfig(["a is wrong", "b too"]).message == "a is wrong; b too"


def test_a_session_that_is_not_ready_says_what_it_is_and_what_it_should_be() -> None:
    error = SessionNotReady("default", "FAILED", ["WORKING"], "banned")

    assert (error.session_status, error.expected, error.reason) == ("FAILED", ["WORKING"], "banned")


def test_a_limit_says_when_to_come_back() -> None:
    assert RateLimited("too many checks", 2.5).retry_after == 2.5


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\nb", "\u202eevil", "\x00", "\ud800"])
def test_the_users_text_is_shown_without_its_control_characters(text: str) -> None:
    for error in (InvalidUserId(text), NotAPerson(text, "a group"), EngineNotFound(text, []), UnknownEngine(text, [])):
        assert error.message.isprintable()
        error.message.encode()


def test_the_users_text_is_shown_short() -> None:
    assert len(InvalidUserId("9" * 5000).message) < 250
