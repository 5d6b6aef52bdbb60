"""What the phone tells a device once it is linked: its app-state key, its chats, and the push names it has seen.

Everything comes inside encrypted messages: history of any kind may be inline, so that no media server is needed.
"""

import asyncio
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

from lidbook.identifiers import PhoneNumber
from lidbook.world.service import WorldService
from lidbook.world.views import LidMapping, SeenPerson
from lidbook_sandbox.network.account import AccountServer
from lidbook_sandbox.network.stanzas import STATUS, Attributes, lid_jid, new_id, pn_jid, seconds, user_jid
from lidbook_sandbox.network.store import Device
from lidbook_sandbox.network.wire.keys import hkdf
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.wire_pb2 import (
    Account,
    AppStateSyncKey,
    AppStateSyncKeyData,
    AppStateSyncKeyFingerprint,
    AppStateSyncKeyId,
    AppStateSyncKeyShare,
    Conversation,
    HistorySync,
    HistorySyncMsg,
    HistorySyncNotification,
    Message,
    MessageKey,
    PhoneNumberToLIDMapping,
    ProtocolMessage,
    Pushname,
    WebMessageInfo,
)

CHUNK: Final = 1000
"""How many chats, or names, one message is about."""
RAW_ID: Final = 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Part:
    """One history message."""

    kind: HistorySync.HistorySyncType
    content: HistorySync


async def introduce(account: AccountServer, device: Device) -> None:
    """Hand everything over, in messages that wait for the device until it has them; does nothing while it does so."""
    if device.number in account.introducing:
        return
    account.introducing.add(device.number)
    try:
        await _introduce(account, device)
    finally:
        account.introducing.discard(device.number)


async def _introduce(account: AccountServer, device: Device) -> None:
    await account.book.open()
    tell(account, device, Message(protocolMessage=_key_share(account, device)))
    service = account.service
    seen, mappings = list(service.push_names()), list(service.lid_mappings())
    parts = (*_bootstrap(service, seen, mappings), *_statuses(seen), *_names(seen))
    for order, part in enumerate(parts, start=1):
        if account.devices.get(device.number) is not device:
            return
        part.content.chunkOrder = order
        part.content.progress = 100 * order // len(parts)
        tell(account, device, _history(part.content))
        await asyncio.sleep(0)
    device.introduced = True
    account.keep(device)


def tell(account: AccountServer, device: Device, message: Message) -> None:
    """Send a message from the phone to one of its companions."""
    encrypted = account.write(device, message)
    attributes: Attributes = {
        "from": pn_jid(PhoneNumber(device.phone)),
        "type": "text",
        "category": "peer",
        "t": seconds(),
        "sender_lid": lid_jid(account.lid),
        "peer_recipient_lid": lid_jid(account.lid),
    }
    content = Node("enc", {"v": "2", "type": "pkmsg"}, encrypted)
    account.deliver(Node("message", attributes, [content]), [device.number])


def _key_share(account: AccountServer, device: Device) -> ProtocolMessage:
    fingerprint = AppStateSyncKeyFingerprint(rawID=RAW_ID, currentIndex=0, deviceIndexes=[0, device.number])
    data = AppStateSyncKeyData(keyData=account.key.data, fingerprint=fingerprint, timestamp=device.linked_at)
    key = AppStateSyncKey(keyID=AppStateSyncKeyId(keyID=account.key.id), keyData=data)
    return ProtocolMessage(
        type=ProtocolMessage.APP_STATE_SYNC_KEY_SHARE, appStateSyncKeyShare=AppStateSyncKeyShare(keys=[key])
    )


def _bootstrap(service: WorldService, seen: Sequence[SeenPerson], mappings: Sequence[LidMapping]) -> Iterator[_Part]:
    """The chats, the pairs that the account knows, and the usernames of whom it has met; at least one message."""
    chats = [person for person in seen if person.chat]
    named = [person for person in seen if person.person.username is not None]
    for chunk_chats, chunk_named, chunk_mappings in _together(chats, named, mappings):
        content = HistorySync(
            syncType=HistorySync.INITIAL_BOOTSTRAP,
            conversations=[_conversation(service, person) for person in chunk_chats],
            accounts=[_account(person) for person in chunk_named],
            phoneNumberToLidMappings=[
                PhoneNumberToLIDMapping(pnJID=str(pn_jid(pair.phone)), lidJID=str(lid_jid(pair.lid)))
                for pair in chunk_mappings
            ],
        )
        yield _Part(HistorySync.INITIAL_BOOTSTRAP, content)


def _statuses(seen: Sequence[SeenPerson]) -> Iterator[_Part]:
    """What businesses posted that the account does not chat with: there is no other place for their verified names."""
    posted = [_posted(person) for person in seen if person.business and not person.chat]
    for chunk in _chunks(posted):
        content = HistorySync(syncType=HistorySync.INITIAL_STATUS_V3, statusV3Messages=chunk)
        yield _Part(HistorySync.INITIAL_STATUS_V3, content)


def _names(seen: Sequence[SeenPerson]) -> Iterator[_Part]:
    """The push names; at least one message, though it may be empty."""
    named = [
        Pushname(ID=str(user_jid(person.person.lid or person.person.id)), pushname=person.pushname)
        for person in seen
        if person.pushname is not None
    ]
    for chunk in _chunks(named) or [[]]:
        yield _Part(HistorySync.PUSH_NAME, HistorySync(syncType=HistorySync.PUSH_NAME, pushnames=chunk))


def _conversation(service: WorldService, seen: SeenPerson) -> Conversation:
    """One chat, under the LID; with the number only where the account sees it, and with a privacy token."""
    person = seen.person
    at = seen.at // 1000
    conversation = Conversation(
        ID=str(user_jid(person.lid or person.id)),
        conversationTimestamp=at,
        lastMsgTimestamp=at,
        endOfHistoryTransfer=True,
        endOfHistoryTransferType=Conversation.COMPLETE_AND_NO_MORE_MESSAGE_REMAIN_ON_PRIMARY,
        tcTokenTimestamp=service.live.time() // 1000,
    )
    if person.lid is not None:
        conversation.lidJID = str(lid_jid(person.lid))
        conversation.tcToken = hkdf(f"{service.lid.digits}/{person.lid.digits}".encode(), 16, info=b"privacy token")
    if person.phone is not None:
        conversation.pnJID = str(pn_jid(person.phone))
    if person.username is not None:
        conversation.username = person.username
    if seen.business:
        conversation.messages.append(HistorySyncMsg(message=_business_notice(seen), msgOrderID=1))
    return conversation


def _business_notice(seen: SeenPerson) -> WebMessageInfo:
    """The line in a business's chat that says whose it is; Baileys reads the verified name in it."""
    chat = str(user_jid(seen.person.lid or seen.person.id))
    notice = WebMessageInfo(
        key=MessageKey(remoteJID=chat, fromMe=False, ID=new_id()),
        messageTimestamp=seen.at // 1000,
        messageStubType=WebMessageInfo.BIZ_PRIVACY_MODE_TO_BSP,
        bizPrivacyStatus=WebMessageInfo.BSP,
    )
    if seen.verified_name is not None:
        notice.messageStubParameters.append(seen.verified_name)
        notice.verifiedBizName = seen.verified_name
    return notice


def _posted(seen: SeenPerson) -> WebMessageInfo:
    """A status of somebody."""
    sender = str(user_jid(seen.person.lid or seen.person.id))
    post = WebMessageInfo(
        key=MessageKey(remoteJID=str(STATUS), fromMe=False, ID=new_id(), participant=sender),
        message=Message(conversation=""),
        messageTimestamp=seen.at // 1000,
        participant=sender,
        bizPrivacyStatus=WebMessageInfo.BSP,
    )
    if seen.pushname is not None:
        post.pushName = seen.pushname
    if seen.verified_name is not None:
        post.verifiedBizName = seen.verified_name
    return post


def _account(seen: SeenPerson) -> Account:
    person = seen.person
    return Account(lid=str(user_jid(person.lid or person.id)), username=person.username)


def _history(content: HistorySync) -> Message:
    """A history message with its content inline."""
    notification = HistorySyncNotification(
        syncType=HistorySync.HistorySyncType.Name(content.syncType),
        chunkOrder=content.chunkOrder,
        progress=content.progress,
        initialHistBootstrapInlinePayload=zlib.compress(content.SerializeToString()),
    )
    return Message(
        protocolMessage=ProtocolMessage(
            type=ProtocolMessage.HISTORY_SYNC_NOTIFICATION, historySyncNotification=notification
        )
    )


def _together(
    chats: Sequence[SeenPerson], named: Sequence[SeenPerson], mappings: Sequence[LidMapping]
) -> Iterator[tuple[list[SeenPerson], list[SeenPerson], list[LidMapping]]]:
    for start in range(0, max(len(chats), len(named), len(mappings), 1), CHUNK):
        end = start + CHUNK
        yield list(chats[start:end]), list(named[start:end]), list(mappings[start:end])


def _chunks(items: Iterable[T]) -> list[list[T]]:
    iterator = iter(items)
    chunks: list[list[T]] = []
    while chunk := list(islice(iterator, CHUNK)):
        chunks.append(chunk)
    return chunks
