"""Linking a device at the gateway: a ticket, its QR code or pairing code, and a token when the owner has used it."""

from typing import Final

from lidbook.engine import SessionContext
from lidbook.errors import EngineError
from lidbook.identifiers import PhoneNumber
from lidbook_stranger.client import POLL, Client, Refused
from lidbook_stranger.reading import written

ROUNDS: Final = 5
"""How many codes are shown before the session gives up."""


class NobodyScanned(Exception):
    """Every code that was shown expired."""


class Linking:
    """One attempt to be linked; `pairing_code` may be asked for while it lasts."""

    def __init__(self, context: SessionContext, client: Client) -> None:
        self._context = context
        self._client = client
        self._ticket: str | None = None

    async def token(self) -> str:
        """Show codes until the owner has used one. Raises `NobodyScanned`."""
        config = self._context.config
        device = {"name": config.device_name or "Lidbook", "online": config.mark_online}
        for _ in range(ROUNDS):
            ticket = await self._client.ask("POST", "/v1/link", {"device": device})
            self._ticket = ticket["id"]
            self._context.qr(ticket["code"])
            try:
                while True:
                    answer = await self._client.ask("GET", f"/v1/link/{self._ticket}?wait={POLL:g}", wait=POLL)
                    if answer["token"] is not None:
                        return str(answer["token"])
            except Refused as refused:
                if refused.reason != "ticket_expired":
                    raise
        raise NobodyScanned

    async def pairing_code(self, phone: PhoneNumber) -> str:
        """A code that the owner of this number can type."""
        if self._ticket is None:
            raise EngineError("the gateway has not given a ticket yet; ask again in a moment")
        try:
            answer = await self._client.ask("POST", f"/v1/link/{self._ticket}/code", {"jid": written(phone)})
        except Refused as refused:
            if refused.reason == "ticket_expired":
                raise EngineError("the code on the screen has just expired; ask again") from refused
            raise
        code = str(answer["code"])
        return f"{code[:4]}-{code[4:]}"
