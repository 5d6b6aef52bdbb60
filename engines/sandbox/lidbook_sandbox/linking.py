"""Linking a device to a simulated account: QR code or pairing code, then the passkey, as far as they are asked for."""

import asyncio
import base64
import hashlib
import secrets
from typing import Final

from lidbook.engine import SessionContext
from lidbook.errors import EngineError, NotOnWhatsApp, PasskeyRefused
from lidbook.identifiers import PhoneNumber, spellings
from lidbook.passkey import PasskeyAssertion, PasskeyChallenge
from lidbook.world.conditions import Kind
from lidbook.world.service import WorldService
from lidbook_sandbox.line import Line
from lidbook_sandbox.passkey import challenge_for, check
from lidbook_sandbox.settings import SandboxSettings

_CODE_LETTERS: Final = "123456789ABCDEFGHJKLMNPQRSTVWXYZ"


class DeviceLink:
    """One attempt to link one device."""

    def __init__(self, context: SessionContext, settings: SandboxSettings, line: Line, service: WorldService) -> None:
        self._context = context
        self._settings = settings
        self._line = line
        self._service = service
        self._waits_for_scan = False
        self._challenge: PasskeyChallenge | None = None
        """What is to be signed now; None as soon as it was."""
        self._code: str | None = None
        """What is to be confirmed now; None as soon as it was."""
        self._signed = asyncio.Event()
        self._confirmed = asyncio.Event()

    async def run(self) -> bool:
        """Go through it; False if the owner was to do something and did not."""
        if self._settings.require_scan and not await self._scanned():
            return False
        return not self._settings.require_passkey or await self._passkey_confirmed()

    def pairing_code(self, phone: PhoneNumber) -> str:
        """A code to type, for the account's owner alone."""
        if not self._waits_for_scan:
            raise EngineError("this device is not waiting to be linked")
        account = self._service.account()
        if account.phone not in spellings(phone):
            raise NotOnWhatsApp(f"{phone.digits} is not the number of this session's account, {account.phone.digits}")
        told = f"{self._context.session}:{phone.digits}:{self._service.live.time()}"
        return _code(hashlib.sha256(told.encode()).digest())

    def answer_passkey(self, assertion: PasskeyAssertion) -> None:
        """Take what was signed, and show a code to confirm. Raises `PasskeyRefused`."""
        if self._challenge is None:
            raise PasskeyRefused("no passkey challenge is pending: it was answered, or its time is over")
        check(assertion, self._challenge)
        self._challenge, self._code = None, _code(secrets.token_bytes(8))
        self._signed.set()
        self._context.passkey_confirmation(self._code)

    def confirm_passkey(self) -> None:
        """Take the confirmation. Raises `PasskeyRefused`."""
        if self._code is None:
            raise PasskeyRefused("no passkey confirmation is pending: it was given, or its time is over")
        self._code = None
        self._confirmed.set()

    async def _scanned(self) -> bool:
        """Show one QR code after another until one is scanned."""
        self._line.conditions.clear(Kind.SCAN)  # one made before there was a code to scan
        self._waits_for_scan = True
        try:
            for _ in range(self._settings.qr_rounds):
                self._context.qr(self._qr_value(self._service.live.moment()))
                try:
                    async with asyncio.timeout(self._settings.qr_seconds):
                        await self._taken(Kind.SCAN)
                except TimeoutError:
                    continue
                return True
            return False
        finally:
            self._waits_for_scan = False

    async def _passkey_confirmed(self) -> bool:
        """Show one challenge after another until one is signed, and its code confirmed."""
        seconds = self._settings.passkey_seconds
        for _ in range(self._settings.qr_rounds):
            self._signed.clear()
            self._code, self._challenge = None, challenge_for(self._service.lid, seconds)
            self._context.passkey_challenge(self._challenge)
            if await _set_within(self._signed, seconds) and await _set_within(self._confirmed, seconds):
                return True
        self._code = self._challenge = None
        return False

    async def _taken(self, kind: Kind) -> None:
        while True:
            changed = self._line.changed
            if self._line.conditions.take(kind):
                return
            await changed.wait()

    def _qr_value(self, at: int) -> str:
        """Of the shape of WhatsApp's: a reference and three keys, in base64."""
        digests = (hashlib.sha256(f"{self._context.session}:{at}:{part}".encode()).digest() for part in range(4))
        reference, *keys = (base64.b64encode(digest).decode() for digest in digests)
        return ",".join((f"2@{reference}", *keys))


def _code(random: bytes) -> str:
    """Eight letters and digits, as WhatsApp writes them."""
    letters = "".join(_CODE_LETTERS[byte % len(_CODE_LETTERS)] for byte in random[:8])
    return f"{letters[:4]}-{letters[4:]}"


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
