"""How facts are told: by whom, as of when, one batch after the other, and none of them lost."""

import asyncio
from typing import Final

from lidbook.capabilities import Feed
from lidbook.clock import now_ms
from lidbook.facts import ContactListFact, Field, FieldFact, Source
from lidbook.testing.cast import phone_of
from lidbook.testing.compliance.base import OnStage
from lidbook.testing.needs import needs, world_of
from lidbook.testing.stage import Stage
from lidbook.world.facts import feed_of

CROWD: Final = 8000
"""People of the world in which a directory is slow."""
HELD: Final = 0.5
"""Seconds for which that directory takes nothing; whoever has a queue has it full by then."""
MOST: Final = 20_000
"""Facts that one batch should not exceed."""
_BOOK: Final = frozenset({Field.FIRST_NAME, Field.LAST_NAME, Field.FULL_NAME})
_OWN: Final = frozenset({Field.PUSHNAME, Field.USERNAME})
SECOND: Final = 1000


class Discipline(OnStage):
    """What was told, looked at one by one."""

    async def test_every_fact_was_taken(self, linked: Stage) -> None:
        """The core refused none of the facts: types, identifiers and times were right.

        If this fails: the message names the fact and what is wrong with it.
        """
        assert linked.record.refused == []

    async def test_names_come_from_where_they_belong(self, linked: Stage) -> None:
        """Address-book names from the address book, push names and usernames never from there.

        If this fails: say in `source` where a fact was read; it decides which of two answers wins.
        """
        fields = [fact for fact in linked.record.facts if isinstance(fact, FieldFact)]
        wrong = [f for f in fields if f.field in _BOOK and f.source is not Source.ADDRESS_BOOK]
        wrong += [f for f in fields if f.field in _OWN and f.source is Source.ADDRESS_BOOK]
        assert wrong == []
        lists = [fact for fact in linked.record.facts if isinstance(fact, ContactListFact)]
        assert {each.source for each in lists} <= {Source.ADDRESS_BOOK}, "a list of contacts is the address book"
        assert [f for f in fields if f.field is Field.ME] == [], "the core says who `me` is"

    @needs(Feed.CONTACTS)
    async def test_facts_are_as_of_their_stanza(self, linked: Stage) -> None:
        """A name that was written years ago is as of then, although it arrives today.

        If this fails: use the time in the app-state mutation, message or notification, and not the clock.
        """
        written = {s.person.id: s.changed for s in linked.simulation.service.address_book()}
        names = [
            fact
            for fact in linked.record.facts
            if isinstance(fact, FieldFact) and fact.field is Field.FULL_NAME and fact.user in written
        ]
        assert names, "no name of the address book was told under its person's id"
        late = [fact for fact in names if abs(fact.observed_at - written[fact.user]) >= SECOND]
        assert late == [], "facts of another time than the address book's"

    async def test_nothing_is_told_of_the_future(self, linked: Stage) -> None:
        """No fact is later than now: it would win over everything that is still to come.

        If this fails: look for seconds and milliseconds mixed up, or a clock that is wrong.
        """
        future = [fact for fact in linked.record.facts if fact.observed_at > now_ms() + SECOND]
        assert future == []

    async def test_one_batch_follows_the_other(self, linked: Stage) -> None:
        """`context.facts` is awaited before it is called again; that is what keeps memory bounded.

        If this fails: have one task feed, with a queue in front of it, instead of one task an event.
        """
        linked.simulation.service.phone_edits_contact(phone_of(linked.simulation.cast.friend), "One")
        linked.simulation.service.phone_edits_contact(phone_of(linked.simulation.cast.friend), "Two")
        await linked.until(lambda: linked.record.under_way == 0, "the batch under way to be taken")
        assert linked.record.overlaps == 0, "facts were handed over before the batch before was taken"
        assert linked.record.largest <= MOST, "one batch was very large; hand over a few thousand facts at a time"

    async def test_a_sync_is_complete_after_its_last_facts(self, linked: Stage) -> None:
        """`sync(complete=True)` comes after the last batch was awaited: a crash in between is then fetched again.

        If this fails: await the facts, and only then report the sync complete.
        """
        record = linked.record
        assert set(record.complete) >= linked.feeds
        early = [
            f"{feed.value} after {taken} facts, and then came {fact}"
            for feed, taken in record.complete.items()
            for fact in record.facts[taken:]
            if feed_of(fact) is feed
        ]
        assert early == [], "reported complete too early"

    @needs(Feed.CONTACTS)
    async def test_a_change_that_was_not_taken_is_told_again(self, linked: Stage) -> None:
        """A server that ends while a change is handed over is told of it when it runs again.

        If this fails: note how far the account was told (a cursor, an acknowledgement) after `context.facts` has
        returned, and never before.
        """
        phone, record = phone_of(linked.simulation.cast.friend), linked.record
        record.gate.clear()
        linked.simulation.service.phone_edits_contact(phone, "Half", "Told")
        await linked.until(lambda: record.under_way > 0, "the change to be handed over")
        await linked.close()
        record.gate.set()
        await linked.open()
        await linked.until(
            lambda: linked.contact(phone)["name"] == "Half Told", "the change that was not taken before the end"
        )

    @world_of(CROWD)
    @needs(Feed.CONTACTS)
    async def test_a_slow_directory_loses_nothing(self, stage: Stage) -> None:
        """Of thousands of people none is lost while the directory is slow, nor is what changes meanwhile.

            directory: takes a batch … nothing for a while … takes the rest
            phone:                     renames twenty people

        If this fails: no queue of the engine may drop what it has no room for; stop reading from the library instead.
        """
        service = stage.simulation.service
        book = list(service.address_book())
        await stage.begin()
        await stage.until(lambda: bool(stage.records), "the session to be opened")
        record = stage.record
        record.gate.clear()
        await stage.until(lambda: record.under_way > 0, "the first facts")
        for number, saved in enumerate(book[-20:]):
            service.phone_edits_contact(saved.person.id, f"Renamed {number}")
        await asyncio.sleep(HELD)
        record.gate.set()
        await stage.synced()

        def lost() -> list[str]:
            expected = ((saved.person.id, saved.full_name) for saved in service.address_book())
            return [str(user) for user, name in expected if stage.contact(user)["name"] != name]

        await stage.until(lambda: not lost(), "the names that changed while the directory was slow")
        assert len(book) > CROWD // 10, "the world has too small an address book for this"
