"""Capabilities, feeds, levels and claims: closed sets that explain themselves."""

import pickle
import re

import pytest

from lidbook.capabilities import FEEDS_NEEDED, Capability, Claim, Feed, Level, absent, full, partial, planned
from lidbook.engine import LIVE_CALLS
from lidbook.features import described

METHODS = {"GET", "PUT", "POST", "DELETE"}


def test_a_capability_is_its_wire_name() -> None:
    assert Capability("contacts.check") is Capability.CONTACTS_CHECK  # type: ignore[call-arg]
    assert str(Capability.CONTACTS_CHECK) == "contacts.check"
    assert pickle.loads(pickle.dumps(Capability.CONTACTS_CHECK)) is Capability.CONTACTS_CHECK  # noqa: S301


@pytest.mark.parametrize("capability", Capability)
def test_a_capability_is_served_in_the_one_way_it_says(capability: Capability) -> None:
    assert (capability in FEEDS_NEEDED) == (capability.served_by == "directory")
    assert (capability in LIVE_CALLS) == (capability.served_by == "engine")


@pytest.mark.parametrize("capability", Capability)
def test_a_capability_has_a_label_and_a_route(capability: Capability) -> None:
    method, _, path = capability.route.partition(" ")

    assert capability.label[0].isupper()
    assert method in METHODS
    assert path.startswith("/api/")


def test_labels_and_names_are_told_apart() -> None:
    assert len({capability.label for capability in Capability}) == len(Capability)
    assert all(re.fullmatch(r"[a-z]+(\.[a-z_]+)?", capability.value) for capability in Capability)


@pytest.mark.parametrize("enum", [Capability, Level])
def test_every_member_is_described_in_a_sentence(enum: type[Capability] | type[Level]) -> None:
    descriptions = described(enum)

    assert set(descriptions) == set(enum.__members__)
    assert all(text.endswith((".", "?")) and "\n" not in text for text in descriptions.values())


def test_directory_reads_rest_on_feeds_that_exist() -> None:
    assert set().union(*FEEDS_NEEDED.values()) == set(Feed)


def test_a_claim_that_is_less_than_full_needs_a_note() -> None:
    assert full() == Claim(Level.FULL)
    assert full("and more").note == "and more"
    for make, level in ((partial, Level.PARTIAL), (planned, Level.PLANNED), (absent, Level.ABSENT)):
        assert make("because").level is level
        with pytest.raises(TypeError, match=f"level '{level.value}' needs a note"):
            make("")


@pytest.mark.parametrize(("claim", "provided"), [(full(), True), (partial("n"), True), (planned("n"), False)])
def test_only_what_is_full_or_partial_may_be_called(claim: Claim, provided: bool) -> None:
    assert claim.provided is provided
