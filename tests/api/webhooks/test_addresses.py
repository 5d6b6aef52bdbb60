"""Where addresses lead, in whatever notation."""

import pytest

from lidbook_api.webhooks.addresses import Reach, parse, reach
from lidbook_api.webhooks.destinations import Destinations, NotAllowedThere

PUBLIC = ("8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")
PRIVATE = (
    "10.0.0.1",
    "127.0.0.1",
    "127.255.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:a00:1::",
)
FORBIDDEN = (
    "169.254.169.254",
    "169.254.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1",
    "2001:0:0808:0808:0:0:5601:5601",
    "2606:4700::5efe:a9fe:a9fe",
    "2606:4700::200:5efe:a9fe:a9fe",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(text, kind) for kind, texts in zip(Reach, (PUBLIC, PRIVATE, FORBIDDEN), strict=True) for text in texts],
)
def test_an_address_leads_as_far_as_the_worst_that_is_in_it(text: str, expected: Reach) -> None:
    address = parse(text)
    assert address is not None
    assert reach(address) is expected


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "0xA9FEA9FE",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "025177524776",
        "169.254.43518",
        "169.16689662",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "0:0:0:0:0:ffff:a9fe:a9fe",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "0",
        "0x0",
        "fe80::1%lo",
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
async def test_metadata_services_are_reached_in_no_notation_and_by_nobody(host: str, trusted: bool) -> None:
    with pytest.raises(NotAllowedThere, match="metadata service"):
        await Destinations.of(["169.254.0.0/16", "metadata.google.internal"]).addresses(host, 80, trusted=trusted)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "017700000001", "::1", "localhost", "::ffff:7f00:1"]
)
async def test_private_addresses_are_reached_by_the_trusted_alone_in_every_notation(host: str) -> None:
    assert await Destinations().addresses(host, 80, trusted=True)
    with pytest.raises(NotAllowedThere, match="LIDBOOK_WEBHOOK_ALLOW"):
        await Destinations().addresses(host, 80, trusted=False)
