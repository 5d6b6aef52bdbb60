"""A session, its account and its config as clients are shown them."""

from typing import Final
from urllib.parse import urlsplit

from pydantic import JsonValue

from lidbook.network_descriptor import OWN, SPOKEN_TO
from lidbook.redaction import HIDDEN
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.values import Account, SessionStatus
from lidbook_api.access.scopes import Access, Scope

ASSUMED_NOTE: Final = (
    "No engine was named, so this is the sandbox: its people are simulated. Name one in config.engine, or in "
    "LIDBOOK_DEFAULT_ENGINE."
)


def engine(session: Session) -> dict[str, object]:
    """What serves the session; with a note where its people are simulated and nobody may have meant that."""
    body: dict[str, object] = {
        "engine": session.engine.name,
        "title": session.engine.title,
        "assumed": session.engine_assumed,
    }
    if session.network is not None:
        body |= {"network": OWN, "note": SPOKEN_TO}
    if session.engine_assumed:
        body["note"] = ASSUMED_NOTE
    return body


def me(account: Account) -> dict[str, object]:
    """The linked account, in WAHA's shape; `jid` with the device where the engine knows it."""
    body: dict[str, object] = {"id": str(account.phone), "lid": str(account.lid), "pushName": account.pushname}
    if account.device is not None:
        body["jid"] = f"{account.phone.digits}:{account.device}@s.whatsapp.net"
    return body


def passkey_challenge(session: Session) -> dict[str, JsonValue] | None:
    """What the account's passkey has to sign now, as browsers take it; None where nothing is pending."""
    asked = session.linking.challenge
    if asked is None:
        return None
    return {
        "challenge": asked.challenge,
        "timeout": asked.timeout,
        "rpId": asked.rp_id,
        "allowCredentials": [
            {"id": each.id, "type": each.type, "transports": list(each.transports)} for each in asked.allow_credentials
        ],
        "userVerification": asked.user_verification,
        "extensions": dict(asked.extensions),
    }


def passkey_confirmation(session: Session) -> dict[str, JsonValue] | None:
    """The code that has to be the one on the phone; None where nothing is pending."""
    code = session.linking.code
    return None if code is None else {"code": code}


def pending(session: Session, status: object) -> dict[str, JsonValue] | None:
    """What the session shows now that goes with a status, as WAHA's `session.status` carries it."""
    if status == SessionStatus.PASSKEY_REQUIRED:
        return passkey_challenge(session)
    return passkey_confirmation(session) if status == SessionStatus.PASSKEY_CONFIRMATION_REQUIRED else None


def config(config: SessionConfig, access: Access) -> dict[str, JsonValue]:
    """A session's config as it was given; without its secrets for a key that could not set them."""
    document = config.stored()
    if access.is_admin or Scope.SETTING in access.scopes:
        return document
    if config.webhooks is not None:
        document["webhooks"] = [_webhook(webhook) for webhook in _objects(document["webhooks"])]
    for proxy in _objects([document.get("proxy")]):
        document["proxy"] = {**proxy, **({"password": HIDDEN} if proxy.get("password") else {})}
    return document


def url(text: str) -> str:
    """A webhook's URL without its query, which may hold a token."""
    return urlsplit(text)._replace(query=HIDDEN).geturl() if urlsplit(text).query else text


def _webhook(webhook: dict[str, JsonValue]) -> dict[str, JsonValue]:
    hidden: dict[str, JsonValue] = {**webhook, "url": url(str(webhook["url"]))}
    for hmac in _objects([webhook.get("hmac")]):
        hidden["hmac"] = {**hmac, **({"key": HIDDEN} if hmac.get("key") else {})}
    if webhook.get("customHeaders"):
        hidden["customHeaders"] = [{**header, "value": HIDDEN} for header in _objects(webhook["customHeaders"])]
    return hidden


def _objects(value: JsonValue) -> list[dict[str, JsonValue]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
