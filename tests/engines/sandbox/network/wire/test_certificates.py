"""The certificate chain, as a client checks it."""

import pytest

from lidbook_sandbox.network.wire.certificates import DAY, LIFETIME, chain, check_chain
from lidbook_sandbox.network.wire.errors import BadSignature, Malformed
from lidbook_sandbox.network.wire.keys import KeyPair
from lidbook_sandbox.network.wire.wire_pb2 import CertChain

NOW = 1_790_000_000


@pytest.fixture(scope="module")
def keys() -> tuple[KeyPair, KeyPair, KeyPair]:
    """Root, intermediate and static key."""
    return KeyPair.generate(), KeyPair.generate(), KeyPair.generate()


def test_a_chain_satisfies_its_own_root(keys: tuple[KeyPair, KeyPair, KeyPair]) -> None:
    root, intermediate, static = keys
    check_chain(chain(root, intermediate, static.public), root.public, static.public)


@pytest.mark.parametrize(("at", "valid"), [(-DAY - 1, False), (-DAY, True), (LIFETIME - DAY, True), (LIFETIME, False)])
def test_a_chain_is_valid_from_yesterday_for_ten_years(
    keys: tuple[KeyPair, KeyPair, KeyPair], at: int, valid: bool
) -> None:
    root, intermediate, static = keys
    made = chain(root, intermediate, static.public, now=NOW)
    if valid:
        check_chain(made, root.public, static.public, now=NOW + at)
    else:
        with pytest.raises(Malformed, match="not valid at this time"):
            check_chain(made, root.public, static.public, now=NOW + at)


def test_the_intermediates_issuer_serial_is_written_though_it_is_zero(keys: tuple[KeyPair, KeyPair, KeyPair]) -> None:
    root, intermediate, static = keys
    made = CertChain.FromString(chain(root, intermediate, static.public))
    details = CertChain.NoiseCertificate.Details.FromString(made.intermediate.details)
    assert details.HasField("issuerSerial")
    assert details.issuerSerial == 0


def test_another_root_is_refused(keys: tuple[KeyPair, KeyPair, KeyPair]) -> None:
    root, intermediate, static = keys
    with pytest.raises(BadSignature, match="not signed by this root"):
        check_chain(chain(root, intermediate, static.public), KeyPair.generate().public, static.public)


def test_a_leaf_of_another_chain_is_refused(keys: tuple[KeyPair, KeyPair, KeyPair]) -> None:
    root, intermediate, static = keys
    made = CertChain.FromString(chain(root, intermediate, static.public))
    other = CertChain.FromString(chain(root, KeyPair.generate(), static.public))
    made.leaf.CopyFrom(other.leaf)
    with pytest.raises(BadSignature, match="intermediate key"):
        check_chain(made.SerializeToString(), root.public, static.public)


def test_a_chain_for_another_static_key_is_refused(keys: tuple[KeyPair, KeyPair, KeyPair]) -> None:
    root, intermediate, static = keys
    with pytest.raises(Malformed, match="another key"):
        check_chain(chain(root, intermediate, static.public), root.public, KeyPair.generate().public)


def test_what_is_no_chain_is_refused() -> None:
    with pytest.raises(Malformed, match="not a CertChain"):
        check_chain(b"\xff\xff", bytes(32), bytes(32))
