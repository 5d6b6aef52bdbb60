"""A device and `lidbook phone`, each in a process of its own: linked, found again, and logged out."""

import signal
import subprocess
from collections.abc import Callable

import pytest

from .device import Credentials, Unlinked, log_in
from .processes import LIDBOOK, NetworkProcess, Phone, Serve, read

ME = "12025550100"
Link = Callable[..., Credentials]


@pytest.fixture
def link(environment: dict[str, str]) -> Link:
    """Links a device with `lidbook phone scan`, which reads the code from standard input."""

    def link(network: NetworkProcess, *arguments: str) -> Credentials:
        device = Unlinked(network.websocket, network.descriptor["root_key"])
        command = [LIDBOOK, "phone", "scan", "-", *arguments]
        with subprocess.Popen(command, env=environment, stdin=-1, stdout=-1, stderr=-1, text=True) as phone:
            assert phone.stdin is not None
            phone.stdin.write(f"{device.code}\n")
            phone.stdin.close()
            credentials = device.link()
            assert phone.stdout is not None
            said = phone.stdout.read()
        assert phone.returncode == 0
        assert said.startswith(f"scanned: device {credentials.number} (")
        assert said.endswith(f" is linked to {credentials.digits}\n")
        return credentials

    return link


def connected(network: NetworkProcess, credentials: Credentials) -> str:
    """What a device is told that logs in."""
    with log_in(network.websocket, network.descriptor["root_key"], credentials) as device:
        stanza = device.stanza()
        assert stanza is not None
        return stanza.tag


def test_a_device_is_linked_listed_and_logged_out(serve: Serve, phone: Phone, link: Link) -> None:
    network = serve()
    credentials = link(network)
    assert credentials.digits == ME
    (listed,) = read(phone("devices", "--json"))
    assert (listed["number"], listed["connected"]) == (credentials.number, False)
    with log_in(network.websocket, network.descriptor["root_key"], credentials) as device:
        device.until("success")
        assert phone("devices").startswith(f"device {credentials.number} (")
        assert phone("devices").endswith("connected\n")
        said = phone("logout", "--device", str(credentials.number))
        assert said.startswith(f"device {credentials.number} of {ME} is logged out; ")
        assert device.until("stream:error").string("code") == "401"
    assert phone("devices").startswith("no device is linked")
    assert connected(network, credentials) == "failure"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_linked_device_connects_again_without_a_scan(serve: Serve, phone: Phone, link: Link, number: int) -> None:
    network = serve()
    credentials = link(network)
    network.stop(number)
    again = serve()
    assert again.websocket == network.websocket
    assert connected(again, credentials) == "success"
    assert [device["number"] for device in read(phone("devices", "--json"))] == [credentials.number]


def test_each_account_has_a_phone_of_its_own(serve: Serve, phone: Phone, link: Link) -> None:
    network = serve()
    credentials = link(network, "--account", "+1 202 555 0114")
    assert credentials.digits == "12025550114"
    assert read(phone("devices", "--json")) == []
    assert len(read(phone("devices", "--account", "12025550114", "--json"))) == 1
    assert phone("logout", "--account", "12025550114").startswith("1 device of 12025550114 is logged out")


def test_a_code_links_one_device_once(serve: Serve, phone: Phone, environment: dict[str, str]) -> None:
    network = serve()
    device = Unlinked(network.websocket, network.descriptor["root_key"])
    damaged = device.code.replace(device.codes[0], "2@someone-elses")
    assert "no device shows this code now" in phone("scan", damaged, exit_code=1)
    with subprocess.Popen([LIDBOOK, "phone", "scan", device.code], env=environment, stdout=-1) as scanning:
        device.link()
        scanning.communicate(timeout=30)
    assert scanning.returncode == 0
    assert "no device shows this code now" in phone("scan", device.code, exit_code=1)


def test_a_condition_reaches_a_device_that_is_connected(serve: Serve, phone: Phone, link: Link, lidbook: Phone) -> None:
    """Another process switches it, and nobody asks the network meanwhile."""
    network = serve()
    credentials = link(network)
    with log_in(network.websocket, network.descriptor["root_key"], credentials) as device:
        device.until("success")
        lidbook("sandbox", "condition", "set", "disconnect", "--account", ME)
        while device.stanza() is not None:
            pass
    lidbook("sandbox", "condition", "clear", "--account", ME)
    with log_in(network.websocket, network.descriptor["root_key"], credentials) as device:
        device.until("success")
        lidbook("sandbox", "condition", "set", "logout", "--account", ME)
        assert device.until("stream:error").string("code") == "401"
    assert phone("devices").startswith("no device is linked")
