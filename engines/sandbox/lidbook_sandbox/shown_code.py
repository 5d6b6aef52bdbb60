"""The QR code that a session of a running Lidbook server shows: `lidbook phone scan` without a code."""

import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

DEFAULT_URL: Final = "http://127.0.0.1:3000"
NETWORK_VARIABLE: Final = "LIDBOOK_NETWORK=sandbox"
PATIENCE: Final = 20.0
"""Seconds that a session which is STARTING gets to show its code."""
_STEP: Final = 0.1


class NoCode(Exception):
    """No code can be had; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class LidbookServer:
    """A server, and the key to it."""

    url: str
    key: str | None

    def code(self, session: str | None) -> tuple[str, str]:
        """Name and QR code of a session; of the only one that shows a code when none is named. Raises `NoCode`.

        One that is on its way to show a code is waited for.
        """
        until = time.monotonic() + PATIENCE
        sessions = self._sessions()
        while _is_on_its_way(session, sessions) and time.monotonic() < until:
            time.sleep(_STEP)
            sessions = self._sessions()
        name = self._waiting(sessions) if session is None else session
        if name not in sessions:
            listed = ", ".join(sessions) or "none"
            raise NoCode(f"no session {name} runs at {self.url}; there are {listed}")
        self._check_engine(name, sessions[name])
        return name, str(self._ask(f"/api/{quote(name, safe='')}/auth/qr?format=raw")["value"])

    def _sessions(self) -> dict[str, Any]:
        """Those that run, by name."""
        return {str(found["name"]): found for found in self._ask("/api/sessions")}

    def _waiting(self, sessions: dict[str, Any]) -> str:
        """The session that shows a code for this network."""
        waiting = [name for name, found in sessions.items() if found["status"] == "SCAN_QR_CODE"]
        here = [name for name in waiting if sessions[name]["engine"]["engine"] != "sandbox"]
        if len(here) == 1:
            return here[0]
        if here:
            raise NoCode(f"{' and '.join(here)} show a code: say which with --session")
        if waiting:
            return waiting[0]
        raise NoCode(
            f"no session at {self.url} shows a code: make one with an engine that speaks to the network, as  "
            f"""curl -X POST {self.url}/api/sessions -H 'Content-Type: application/json' """
            """-d '{"name": "phone", "config": {"engine": "go-bridge"}}'"""
        )

    def _check_engine(self, name: str, session: dict[str, Any]) -> None:
        """Raise `NoCode` where the code is none for a sandbox network."""
        engine = session["engine"]
        if engine["engine"] == "sandbox":
            raise NoCode(
                f"session {name} has engine sandbox, which is its own WhatsApp: scan its code with  lidbook sandbox "
                "scan  or give it an engine that speaks to the network, as go-bridge"
            )
        if engine.get("network") is None:
            raise NoCode(
                f"the server at {self.url} speaks to WhatsApp, and so does session {name}: its code is for a real "
                f"phone. To have it speak to the sandbox network, start it with  {NETWORK_VARIABLE} lidbook serve"
            )

    def _ask(self, path: str) -> Any:
        import httpx  # noqa: PLC0415 - slow to import

        headers = {"Accept": "application/json"} | ({"X-Api-Key": self.key} if self.key else {})
        try:
            response = httpx.get(self.url.rstrip("/") + path, headers=headers, timeout=60, trust_env=False)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise NoCode(f"{self.url} is no URL: {error}; give --url like {DEFAULT_URL}") from error
        except httpx.HTTPError as error:
            raise NoCode(
                f"no answer from {self.url}: {error}; start the server with  {NETWORK_VARIABLE} lidbook serve  or say "
                "with --url where it is"
            ) from error
        if response.status_code == 401:
            raise NoCode(f"{self.url} asks for an API key: set LIDBOOK_API_KEY, or give --key")
        try:
            document = response.json()
        except ValueError as error:
            raise NoCode(f"what answers at {self.url} is no Lidbook: is LIDBOOK_URL, or --url, right?") from error
        if not response.is_success:
            raise NoCode(_said(document, response.status_code))
        return document


def _is_on_its_way(session: str | None, sessions: dict[str, Any]) -> bool:
    """Whether the session that is meant may show its code soon."""
    meant = [found for name, found in sessions.items() if session in (None, name)]
    shown = any(found["status"] == "SCAN_QR_CODE" and found["engine"]["engine"] != "sandbox" for found in meant)
    return not shown and any(found["status"] == "STARTING" for found in meant)


def _said(document: Any, status: int) -> str:
    """Why the server refused, in its own words, with the session's status where that is why."""
    if not isinstance(document, dict):
        return f"the server answers {status}"
    said = document.get("message", document.get("error", status))
    text = "; ".join(map(str, said)) if isinstance(said, list) else str(said)
    return f"{text} ({document['status']})" if "status" in document else text
