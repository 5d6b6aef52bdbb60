"""Conditions: switched here, switched elsewhere, used up."""

from pathlib import Path

import pytest

from lidbook.capabilities import Capability
from lidbook.errors import InvalidRequest
from lidbook.identifiers import PhoneNumber
from lidbook.world.conditions import Condition, ConditionFolder, Conditions, Kind

CHECK, ABOUT = Capability.CONTACTS_CHECK, Capability.CONTACTS_ABOUT


def test_nothing_is_wrong_at_first(tmp_path: Path) -> None:
    conditions = Conditions(tmp_path / "none.json")
    assert conditions.all() == ()
    assert all(conditions.active(kind) is None for kind in Kind)


@pytest.mark.parametrize("in_file", [False, True])
def test_a_condition_holds_until_it_is_cleared(tmp_path: Path, in_file: bool) -> None:
    conditions = Conditions(tmp_path / "a.json" if in_file else None)
    conditions.set(Condition(Kind.SLOW, milliseconds=7))
    conditions.set(Condition(Kind.SILENCE))
    assert conditions.active(Kind.SLOW) == Condition(Kind.SLOW, milliseconds=7)
    conditions.clear(Kind.SLOW)
    assert [condition.kind for condition in conditions.all()] == [Kind.SILENCE]
    conditions.clear()
    assert conditions.all() == ()


def test_a_condition_may_be_for_some_calls_only() -> None:
    conditions = Conditions()
    conditions.set(Condition(Kind.RATE_LIMIT, frozenset({CHECK})))
    assert conditions.active(Kind.RATE_LIMIT, CHECK) is not None
    assert conditions.active(Kind.RATE_LIMIT, ABOUT) is None


def test_another_object_on_the_same_file_sees_it_after_a_refresh(tmp_path: Path) -> None:
    here, there = Conditions(tmp_path / "a.json"), Conditions(tmp_path / "a.json")
    heard: list[int] = []
    stop = here.subscribe(lambda: heard.append(len(here.all())))
    limit = Condition(Kind.RATE_LIMIT, frozenset({CHECK, ABOUT}), retry_after=2.5)
    there.set(limit)
    assert here.all() == ()
    here.refresh()
    assert here.all() == (limit,)
    here.refresh()
    there.clear()
    here.refresh()
    assert here.all() == ()
    assert heard == [1, 0]
    stop()
    here.set(limit)
    assert heard == [1, 0]


def test_a_file_that_is_removed_switches_everything_off(tmp_path: Path) -> None:
    conditions = Conditions(tmp_path / "a.json")
    conditions.set(Condition(Kind.TIMEOUT))
    (tmp_path / "a.json").unlink()
    conditions.refresh()
    assert conditions.all() == ()


def test_conflicts_are_counted_down_in_the_file(tmp_path: Path) -> None:
    conditions = Conditions(tmp_path / "a.json")
    conditions.set(Condition(Kind.CONFLICT, times=2))
    assert conditions.take(Kind.CONFLICT)
    assert Conditions(tmp_path / "a.json").active(Kind.CONFLICT) == Condition(Kind.CONFLICT, times=1)
    assert conditions.take(Kind.CONFLICT)
    assert not conditions.take(Kind.CONFLICT)


def test_what_holds_cannot_be_used_up() -> None:
    with pytest.raises(ValueError, match="until it is cleared"):
        Conditions().take(Kind.SILENCE)


@pytest.mark.parametrize(
    "text", ["", "{", "{}x", '[{"kind":"storm"}]', '[{"kind":"slow","capabilities":["x"]}]', "[1]"]
)
def test_a_file_that_holds_something_else_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InvalidRequest, match=r"a\.json holds no conditions"):
        Conditions(tmp_path / "a.json")


def test_writing_leaves_no_other_file_behind(tmp_path: Path) -> None:
    conditions = Conditions(tmp_path / "a.json")
    for kind in Kind:
        conditions.set(Condition(kind))
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_accounts_have_conditions_of_their_own(tmp_path: Path) -> None:
    folder = ConditionFolder(tmp_path)
    ana, ben = PhoneNumber("12025550101"), PhoneNumber("12025550102")
    assert folder.of(ana) is folder.of(ana)
    Conditions(tmp_path / "12025550102.json").set(Condition(Kind.LOGOUT))
    folder.refresh()
    assert folder.of(ana).all() == ()
    assert folder.of(ben).take(Kind.LOGOUT)
