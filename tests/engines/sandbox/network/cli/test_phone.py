"""`lidbook phone`: everything the owner of a phone does, and what is said where it cannot be done."""

import json
from pathlib import Path

from lidbook.network_descriptor import descriptor_path

from .processes import Lidbook, Phone, Serve, read

ME = "12025550100"


def test_every_command_ends_with_what_happened(serve: Serve, phone: Phone) -> None:
    serve()
    assert phone("devices") == f"no device is linked to {ME}: link one with  lidbook phone scan\n"
    assert phone("edit", "447700900106", "Owen", "Hart") == (
        f"447700900106@c.us is Owen Hart in the address book of {ME}\n"
    )
    assert phone("delete", "447700900106") == f"447700900106@c.us is not in the address book of {ME} any more\n"
    assert phone("block", "447700900101").startswith(f"447700900101 is blocked by {ME}; its blocklist: ")
    assert phone("unblock", "71554209918833@lid").startswith(f"71554209918833@lid is not blocked by {ME}; ")
    assert phone("message", "240059127738816@lid") == f"Dana wrote to {ME}\n"
    assert phone("rename", "447700900101", "Amelia A.") == "447700900101 goes by Amelia A.\n"
    assert phone("about", "447700900101", "Away") == "the about text of 447700900101 is: Away\n"
    assert phone("picture", "447700900104") == "447700900104 shows another picture\n"
    assert phone("picture", "447700900104", "--remove") == "447700900104 shows no picture any more\n"
    assert phone("number", "447700900107", "+44 7700 900188") == "447700900107 has the number +44 7700 900188 now\n"
    assert phone("logout") == f"0 devices of {ME} are logged out; linking again takes another scan\n"


def test_groups_are_joined_and_left(serve: Serve, phone: Phone) -> None:
    serve()
    groups = "120363999999999999@g.us"
    said = phone("join", groups, "447700900101", exit_code=1)
    assert "there is no group 120363999999999999@g.us in the world 'demo'; it has " in said
    group = said.split("it has ")[1].split(" ")[0]
    size = read(phone("join", group, "447700900107", "--json"))["size"]
    assert "447700900107 is an admin of" in phone("join", group, "447700900107", "--admin")
    assert f"which has {size - 1} members now" in phone("leave", group, "447700900107")
    assert "is not in the group" in phone("leave", group, "447700900107", exit_code=1)


def test_an_answer_is_had_as_json(serve: Serve, phone: Phone) -> None:
    serve()
    assert read(phone("rename", "447700900101", "A", "--json"))["pushname"] == "A"
    assert read(phone("block", "447700900101", "--json")) == sorted(read(phone("block", "447700900101", "--json")))


REFUSED = [
    (("devices", "--account", "12025550199"), "12025550199 is no account of the world 'demo'; it has 12025550100"),
    (("devices", "--account", "0171 2345678"), "country code"),
    (("scan", "no code at all"), "this is no code of WhatsApp's"),
    (("scan", "2@x,y,z,w"), "the code is damaged"),
    (("code", "1"), "no device shows a pairing code for this account"),
    (("logout", "--device", "7"), "12025550100 has no device 7; it has none"),
    (("delete", "12025550114"), "is not in the address book"),
    (("block", "999999999999999@lid"), "is not on WhatsApp"),
    (("block", "abc"), "'abc' is no phone number and no LID"),
    (("message", "15550001111"), "is nobody in the world"),
    (("message", "12025550100"), "is the account itself"),
    (("rename", "447700900199", "x"), "is nobody in the world"),
    (("number", "447700900101", "0171"), "country code"),
    (("edit", "447700900101", ""), "firstName"),
]


def test_what_cannot_be_done_is_said(serve: Serve, phone: Phone) -> None:
    serve()
    for arguments, says in REFUSED:
        said = phone(*arguments, exit_code=1)
        assert said.startswith("lidbook: ")
        assert says in said


def test_without_a_network_every_command_says_what_starts_one(phone: Phone, tmp_path: Path) -> None:
    remedy = f"lidbook sandbox --data-dir {tmp_path / 'data'}"
    for arguments in (("devices",), ("scan", "x"), ("edit", "1", "a"), ("rename", "1", "a"), ("leave", "1", "2")):
        assert remedy in phone(*arguments, exit_code=1)
    assert "where other.json would describe it" in phone("devices", "--network", "other.json", exit_code=1)


def test_a_stale_or_damaged_descriptor_is_no_network(serve: Serve, phone: Phone, tmp_path: Path) -> None:
    path = descriptor_path(tmp_path / "data")
    network = serve()
    text = path.read_text()
    network.stop()
    path.write_text(text)
    assert "the sandbox network does not run any more" in phone("devices", exit_code=1)
    path.write_text(text.replace("127.0.0.1", "example.com"))
    assert "loopback only: start the network anew with" in phone("devices", exit_code=1)
    path.write_text("{")
    assert "does not describe a sandbox network" in phone("devices", exit_code=1)


def test_another_networks_descriptor_can_be_named(serve: Serve, phone: Phone, tmp_path: Path) -> None:
    serve("--data-dir", str(tmp_path / "elsewhere"))
    path = str(descriptor_path(tmp_path / "elsewhere"))
    assert read(phone("devices", "--network", path, "--json")) == []


def test_a_code_and_a_session_are_two_ways(phone: Phone) -> None:
    assert "not both" in phone("scan", "x", "--session", "y", exit_code=2)


def test_where_no_server_runs_a_code_cannot_be_fetched(serve: Serve, phone: Phone) -> None:
    serve()
    said = phone("scan", "--url", "http://127.0.0.1:1", exit_code=1)
    assert "no answer from http://127.0.0.1:1" in said
    assert "LIDBOOK_NETWORK=sandbox lidbook serve" in said


def test_the_help_of_every_command_is_quick_and_names_the_network(lidbook: Lidbook) -> None:
    assert json.dumps(lidbook("phone", "--help").stdout).count("Somebody") >= 4
