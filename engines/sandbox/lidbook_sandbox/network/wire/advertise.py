"""ADV, the phone's word for a companion: built when it is linked, confirmed by the companion's own signature."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from lidbook_sandbox.network.wire.errors import BadSignature, Malformed
from lidbook_sandbox.network.wire.keys import KeyPair, verify
from lidbook_sandbox.network.wire.wire_pb2 import (
    ADVDeviceIdentity,
    ADVSignedDeviceIdentity,
    ADVSignedDeviceIdentityHMAC,
)

ACCOUNT_PREFIX = b"\x06\x00"
DEVICE_PREFIX = b"\x06\x01"


@dataclass(frozen=True, slots=True)
class Introduction:
    """What the phone says of one companion: `box` is for `<device-identity>` of pair-success."""

    details: bytes
    account_public: bytes
    companion_identity: bytes
    box: bytes

    def confirm(self, signed: bytes) -> None:
        """Check the `ADVSignedDeviceIdentity` of the companion's pair-device-sign.

        Raises `Malformed`, and `BadSignature` when the companion signed other details than these, or not with its key.
        The account's key is absent in it: both clients strip it.
        """
        try:
            answer = ADVSignedDeviceIdentity.FromString(signed)
        except DecodeError as error:
            raise Malformed("not an ADVSignedDeviceIdentity") from error
        if answer.details != self.details:
            raise BadSignature("the companion signed other details than the phone's")
        message = DEVICE_PREFIX + self.details + self.companion_identity + self.account_public
        if not verify(self.companion_identity, message, answer.deviceSignature):
            raise BadSignature("the companion's device signature does not verify")


def introduce(
    account: KeyPair, companion_identity: bytes, adv_secret: bytes, *, key_index: int, raw_id: int, timestamp: int
) -> Introduction:
    """The phone's introduction of a companion.

    `account` is the phone's identity key pair, also its Signal identity. `adv_secret` is in the QR code, or agreed on
    by the pairing code. `key_index` is the device number; `timestamp` is in unix seconds.
    """
    details = ADVDeviceIdentity(rawID=raw_id, timestamp=timestamp, keyIndex=key_index).SerializeToString()
    signed = ADVSignedDeviceIdentity(
        details=details,
        accountSignatureKey=account.public,
        accountSignature=account.sign(ACCOUNT_PREFIX + details + companion_identity),
    ).SerializeToString()
    box = ADVSignedDeviceIdentityHMAC(details=signed, HMAC=hmac.digest(adv_secret, signed, hashlib.sha256))
    return Introduction(details, account.public, companion_identity, box.SerializeToString())


def countersign(companion: KeyPair, box: bytes, adv_secret: bytes) -> bytes:
    """A companion's answer to `box`: the `ADVSignedDeviceIdentity` for pair-device-sign.

    Raises `Malformed`, and `BadSignature` when the phone's HMAC or signature is wrong.
    """
    try:
        parsed = ADVSignedDeviceIdentityHMAC.FromString(box)
        signed = ADVSignedDeviceIdentity.FromString(parsed.details)
    except DecodeError as error:
        raise Malformed("not an ADVSignedDeviceIdentityHMAC") from error
    if not hmac.compare_digest(hmac.digest(adv_secret, parsed.details, hashlib.sha256), parsed.HMAC):
        raise BadSignature("the HMAC of the device identity does not match the ADV secret")
    account = signed.accountSignatureKey
    if not verify(account, ACCOUNT_PREFIX + signed.details + companion.public, signed.accountSignature):
        raise BadSignature("the phone's account signature does not verify")
    signed.deviceSignature = companion.sign(DEVICE_PREFIX + signed.details + companion.public + account)
    signed.ClearField("accountSignatureKey")
    return signed.SerializeToString()
