"""One stanza or element of WhatsApp's binary XML."""

from __future__ import annotations

from dataclasses import dataclass, field

from lidbook_sandbox.network.wire.errors import Malformed
from lidbook_sandbox.network.wire.jid import Jid


@dataclass(frozen=True, slots=True)
class Node:
    """An element: attributes are strings or JIDs, content is bytes, a string, children, or absent.

    Content given as `str` is sent as bytes. In what was received `str` means that the client packed it, which Baileys
    does with content that is in the dictionary or all digits: read `text` or `data`, which do not care.
    """

    tag: str
    attributes: dict[str, str | Jid] = field(default_factory=dict)
    content: bytes | str | list[Node] | None = None

    def child(self, tag: str) -> Node | None:
        """The first child with this tag."""
        return next((node for node in self.children() if node.tag == tag), None)

    def children(self, tag: str | None = None) -> list[Node]:
        """The children, all or those with this tag, in order; none when the content is not a list."""
        if not isinstance(self.content, list):
            return []
        return [node for node in self.content if tag is None or node.tag == tag]

    @property
    def data(self) -> bytes:
        """The content as bytes; empty when there is none; raises `Malformed` for an element with children."""
        match self.content:
            case None | []:
                return b""
            case bytes(content):
                return content
            case str(content):
                return content.encode()
        raise Malformed(f"<{self.tag}> has children where bytes are expected")

    @property
    def text(self) -> str:
        """The content as a string; empty when there is none; raises `Malformed` unless it is UTF-8."""
        try:
            return self.data.decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"the content of <{self.tag}> is not UTF-8") from error

    def string(self, name: str) -> str:
        """An attribute as a string, JIDs written out; empty when it is absent, as clients omit empty attributes."""
        return str(self.attributes.get(name, ""))

    def jid(self, name: str) -> Jid | None:
        """An attribute as a JID, parsed when it was sent as a string; None when it is absent; raises `Malformed`."""
        value = self.attributes.get(name)
        return Jid.parse(value) if isinstance(value, str) else value
