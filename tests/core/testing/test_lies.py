"""The kit catches every planted lie, by the test that is named here, and says what to mend.

    python tests/core/testing/test_lies.py

runs the whole kit against each of them and prints which tests caught it.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

HERE: Final = Path(__file__).parent
LIARS: Final = HERE / "liars.py"
TESTS: Final = HERE.parents[1]


class Caught(NamedTuple):
    """The test that catches a lie, and words of the message that it gives."""

    test: str
    words: str


CAUGHT: Final = {
    "ClaimsToWriteAndDoesNot": Caught("test_a_contact_is_written_and_read_back", "read"),
    "ClaimsToDeleteAndDoesNot": Caught("test_a_contact_is_removed", "send the removal"),
    "SwallowsATimeoutIntoNotRegistered": Caught("test_silence_is_a_timeout[contacts.check]", "answered"),
    "SwallowsATimeoutIntoHidden": Caught("test_silence_is_a_timeout[contacts.about]", "answered"),
    "SwallowsATimeoutIntoAnEmptyBlocklist": Caught("test_silence_is_a_timeout[contacts.block]", "answered frozenset()"),
    "WaitsForEver": Caught("test_silence_is_a_timeout[contacts.picture]", "no limit of its own"),
    "ReportsALimitAsAFault": Caught(
        "test_the_servers_limit_is_told_with_its_time[contacts.check]", "not with RateLimited"
    ),
    "LetsTheLibrarysOwnErrorsOut": Caught(
        "test_a_connection_that_is_away_is_said_to_be[contacts.check]", "ConnectionResetError"
    ),
    "AnswersInAnyOrder": Caught("test_a_check_answers_about_each_number_in_order", "sort by what was asked"),
    "AnswersTheNumberAsItWasAsked": Caught("test_a_check_gives_the_servers_spelling", "never the one that was asked"),
    "DropsTheLidOfAnAnswer": Caught("test_what_a_check_finds_is_known_afterwards", "Registration.lid"),
    "MakesALidOfANumber": Caught("test_the_server_is_asked_for_a_lid", "every number that was asked"),
    "TakesAHiddenPictureForNone": Caught("test_pictures_are_present_none_or_hidden", "HIDDEN"),
    "ForgetsWhenAPictureExpires": Caught("test_pictures_are_present_none_or_hidden", "should say when"),
    "ReadsBackOnlyWhomItBlocked": Caught("test_blocking_returns_the_whole_blocklist", "return all of it"),
    "GivesUpAtTheFirstConflict": Caught("test_a_conflict_is_tried_again", "send the change once more"),
    "KeysByPhone": Caught("test_every_contact_is_listed_once", "push names under the LID"),
    "MakesANumberOfALid": Caught("test_no_number_is_made_up", "parse identifiers in one place"),
    "DropsTheHistorysListOfPairs": Caught("test_pairs_are_those_that_the_account_may_know", "whole list of mappings"),
    "NeverSaysThatANumberIsWithheld": Caught("test_a_number_that_is_withheld_is_hidden_and_not_unknown", "HIDDEN"),
    "DropsFactsUnderLoad": Caught("test_a_slow_directory_loses_nothing", "while the directory was slow"),
    "DoesNotWaitForTheDirectory": Caught("test_one_batch_follows_the_other", "before the batch before was taken"),
    "TakesTheTimeOfArrival": Caught("test_facts_are_as_of_their_stanza", "another time than the address book's"),
    "RunsAheadOfTime": Caught("test_nothing_is_told_of_the_future", "seconds and milliseconds"),
    "CountsInSeconds": Caught("test_every_fact_was_taken", "in milliseconds since 1970"),
    "ReportsASyncCompleteBeforeItIs": Caught("test_a_sync_is_complete_after_its_last_facts", "complete too early"),
    "PutsPushNamesIntoTheAddressBook": Caught("test_names_are_kept_apart_by_source", "mix them in one"),
    "NamesTheWrongSource": Caught("test_names_come_from_where_they_belong", "where a fact was read"),
    "NeverTellsADeletion": Caught("test_a_contact_deleted_on_the_phone_is_no_contact", "deletion on the phone"),
    "NeverTellsWhichGroupsThereAre": Caught("test_a_refresh_tells_who_is_in_a_group_now", "has left is still listed"),
    "NeverTellsWhoIsInTheAddressBook": Caught(
        "test_what_was_deleted_between_two_links_is_gone", "everybody in it, as of when"
    ),
    "DatesNewsWithTheBeginningOfTheSecond": Caught("test_news_of_the_second_of_an_answer_is_newer", "within_second"),
    "HearsNothingAfterTheFirstSync": Caught("test_a_new_push_name_arrives", "push name in a message"),
    "ForgetsWhatHappenedWhileItWasAway": Caught(
        "test_what_happens_while_it_is_away_arrives_later", "the name given meanwhile"
    ),
    "ReportsWorkingTooEarly": Caught(
        "test_working_is_not_reported_before_there_is_a_connection", "while there was no connection"
    ),
    "TakesARemovalForALostConnection": Caught("test_a_device_that_was_removed_is_logged_out", "FAILED (logged_out)"),
    "ForgetsItsCredentials": Caught("test_a_server_that_is_started_again_has_it_all", "asked for another scan"),
    "KeepsCredentialsAfterALogout": Caught("test_logging_out_forgets_the_link", "a new QR code"),
    "LeavesTasksBehind": Caught("test_stopping_frees_everything", "tasks that still run"),
    "ConnectsWithinStart": Caught("test_start_returns_although_the_server_is_silent", "while the server is silent"),
    "StaysInGroupsThatTheAccountLeft": Caught(
        "test_a_group_that_the_account_leaves_is_gone", "the group that the account left to be gone"
    ),
    "DoesNotHearOfAboutTexts": Caught("test_a_changed_about_text_is_not_the_old_one", "the new about text"),
    "AnswersAfterItWasStopped": Caught("test_a_call_after_stop_is_refused", "look whether there is a connection"),
    "TakesSlowForSilent": Caught("test_slow_is_not_silent[contacts.check]", "EngineTimeout"),
    "SharesStateBetweenAccounts": Caught("test_two_accounts_do_not_mix", "nothing in the engine"),
}
"""Each lie, by the class in `liars.py` that tells it."""


class Outcome(NamedTuple):
    """How one compliance test ended for one liar."""

    failed: bool
    text: str


def run(*arguments: str) -> dict[str, dict[str, Outcome]]:
    """Liar -> compliance test -> how it ended."""
    report = os.environ.get("LIARS_REPORT")
    assert report is None, "a run within a run"
    with_path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    target = HERE / ".liars-report"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "core.testing.liars_report", "-p", "no:cacheprovider"]
    ended = subprocess.run(
        [*command, "--tb=short", "--rootdir", str(TESTS.parent), *arguments],
        env=os.environ | {"PYTHONPATH": with_path, "LIARS_REPORT": str(target), "LIDBOOK_REQUIRE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        assert ended.returncode in (0, 1), ended.stdout + ended.stderr
        outcomes: dict[str, dict[str, Outcome]] = defaultdict(dict)
        for line in target.read_text("utf-8").splitlines():
            entry = json.loads(line)
            liar, test = entry["node"].split("::")[1:3]
            before = outcomes[liar].get(test, Outcome(failed=False, text=""))
            outcomes[liar][test] = Outcome(before.failed or entry["failed"], before.text + entry["text"])
        return outcomes
    finally:
        target.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Outcome]]:
    """The tests that are to catch the lies, run against them."""
    return run(*(f"{LIARS}::Test{lie}::{caught.test}" for lie, caught in CAUGHT.items()))


@pytest.mark.parametrize("lie", list(CAUGHT))
def test_the_lie_is_caught(lie: str, outcomes: dict[str, dict[str, Outcome]]) -> None:
    caught = CAUGHT[lie]
    outcome = outcomes[f"Test{lie}"][caught.test]
    assert outcome.failed, f"{caught.test} did not notice"
    assert caught.words in outcome.text
    assert "what to mend" in outcome.text


def test_every_liar_is_tried() -> None:
    named = {
        line.split("(")[0].removeprefix("class Test")
        for line in LIARS.read_text().splitlines()
        if "(EngineCompliance)" in line
    }
    assert named == set(CAUGHT)


def main(lies: Sequence[str]) -> None:
    """Print every test that caught a lie."""
    chosen = lies or list(CAUGHT)
    for lie, found in run(*(f"{LIARS}::Test{lie}" for lie in chosen)).items():
        by = sorted(test for test, outcome in found.items() if outcome.failed)
        print(f"{lie.removeprefix('Test')}: {len(by)} of {len(found)}: {', '.join(by)}")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
