"""A session, its account and its config as clients are shown them."""

from urllib.parse import urlsplit

from pydantic import JsonValue

from lidbook.redaction import HIDDEN
from lidbook.session_config import SessionConfig
from lidbook.values import Account
from lidbook_api.access.scopes import Access, Scope


def me(account: Account) -> dict[str, object]:
    """The linked account, in WAHA's shape; `jid` with the device where the engine knows it."""
    body: dict[str, object] = {"id": str(account.phone), "lid": str(account.lid), "pushName": account.pushname}
    if account.device is not None:
        body["jid"] = f"{account.phone.digits}:{account.device}@s.whatsapp.net"
    return body


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
