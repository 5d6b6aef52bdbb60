"""The certificate chain in the Noise handshake: root signs intermediate, intermediate signs the server's static key."""

from __future__ import annotations

import time

from google.protobuf.message import DecodeError

from lidbook_sandbox.network.wire.errors import BadSignature, Malformed
from lidbook_sandbox.network.wire.keys import KeyPair, verify
from lidbook_sandbox.network.wire.wire_pb2 import CertChain

ROOT_SERIAL = 0
INTERMEDIATE_SERIAL = 1
LEAF_SERIAL = 2
DAY = 24 * 60 * 60
LIFETIME = 10 * 365 * DAY


def chain(root: KeyPair, intermediate: KeyPair, static_public: bytes, *, now: int | None = None) -> bytes:
    """A serialised `CertChain` for `static_public`, valid from a day before `now` (unix seconds) for ten years."""
    start = (int(time.time()) if now is None else now) - DAY
    first = _certificate(root, ROOT_SERIAL, INTERMEDIATE_SERIAL, intermediate.public, start)
    leaf = _certificate(intermediate, INTERMEDIATE_SERIAL, LEAF_SERIAL, static_public, start)
    return CertChain(leaf=leaf, intermediate=first).SerializeToString()


def check_chain(data: bytes, root_public: bytes, static_public: bytes, *, now: int | None = None) -> None:
    """Check a chain as a client does; raises `Malformed` or `BadSignature` saying which part is wrong."""
    at = int(time.time()) if now is None else now
    try:
        parsed = CertChain.FromString(data)
        first = CertChain.NoiseCertificate.Details.FromString(parsed.intermediate.details)
        leaf = CertChain.NoiseCertificate.Details.FromString(parsed.leaf.details)
    except DecodeError as error:
        raise Malformed("the certificate chain is not a CertChain") from error
    if not verify(root_public, parsed.intermediate.details, parsed.intermediate.signature):
        raise BadSignature("the intermediate certificate is not signed by this root")
    if not verify(first.key, parsed.leaf.details, parsed.leaf.signature):
        raise BadSignature("the leaf certificate is not signed by the intermediate key")
    if first.issuerSerial != ROOT_SERIAL or leaf.issuerSerial != first.serial:
        raise Malformed("the serials of the certificates do not form a chain")
    if leaf.key != static_public:
        raise Malformed("the leaf certificate is for another key than the server's static key")
    if not all(part.notBefore <= at <= part.notAfter for part in (first, leaf)):
        raise Malformed("a certificate is not valid at this time")


def _certificate(
    issuer: KeyPair, issuer_serial: int, serial: int, key: bytes, start: int
) -> CertChain.NoiseCertificate:
    """One certificate; `issuerSerial` is written even when it is zero, for clients that look for the field."""
    details = CertChain.NoiseCertificate.Details(
        serial=serial, issuerSerial=issuer_serial, key=key, notBefore=start, notAfter=start + LIFETIME
    ).SerializeToString()
    return CertChain.NoiseCertificate(details=details, signature=issuer.sign(details))
