"""Bytes of an address book to lines, a block at a time: which format it is, which encoding, where lines end."""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lidbook.errors import InvalidWorld

_BLOCK = 1 << 18
_HEAD = 1 << 16
_LONGEST_LINE = 1 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BEGIN = re.compile(rb"\s*BEGIN[ \t]*:[ \t]*VCARD\b", re.IGNORECASE)
_BEGIN_LATER = re.compile(rb"^[ \t]*BEGIN[ \t]*:[ \t]*VCARD\b", re.IGNORECASE | re.MULTILINE)
_VCARD_NAMES = frozenset({".vcf", ".vcard"})
_CSV_NAMES = frozenset({".csv", ".tsv"})


class Format(StrEnum):
    """What an address book can be written in."""

    VCARD = "vcard"
    """Cards between BEGIN:VCARD and END:VCARD."""
    CSV = "csv"
    """A table whose first row names the columns."""


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What the beginning of a file tells of it."""

    format: Format
    encoding: str
    bom: int
    """Bytes to skip at the beginning."""


def sniff(path: Path) -> Sniffed:
    """Format and encoding of the file, by content first and by extension where that says nothing.

    Raises `InvalidWorld` for a file that is empty, is no text, or is neither format; `OSError` when it cannot be read.
    """
    with path.open("rb") as file:
        raw = file.read(_HEAD)
    if not raw:
        raise InvalidWorld(f"{path.name} is empty: export the contacts again")
    bom, encoding = next(((mark, name) for mark, name in _BOMS if raw.startswith(mark)), (b"", _unmarked(raw)))
    head = raw[len(bom) :]
    if encoding != "utf-8":
        head = head.decode(encoding, "replace").encode()
    return Sniffed(_format(path, head), encoding, len(bom))


def blocks(path: Path, sniffed: Sniffed) -> Iterator[bytes]:
    """The file's bytes after its byte order mark; UTF-16 becomes UTF-8, anything else stays as it is.

    Not decoded here, because one vCard file may hold properties in several encodings.
    """
    decoder = None if sniffed.encoding == "utf-8" else codecs.getincrementaldecoder(sniffed.encoding)("replace")
    with path.open("rb") as file:
        file.seek(sniffed.bom)
        while block := file.read(_BLOCK):
            yield block if decoder is None else decoder.decode(block).encode("utf-8", "replace")
        if decoder is not None:
            yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def physical_lines(source: Iterable[bytes]) -> Iterator[bytes]:
    r"""Lines with their ends, which may be \r\n, \n and \r in one file.

    Only the first MiB or so of a line is kept: pictures come in lines without end, names and numbers do not.
    """
    rest = b""
    after_return = False
    for block in source:
        if after_return and block.startswith(b"\n"):
            block = block[1:]
        after_return = False
        lines = (rest + block).splitlines(keepends=True)
        rest = b""
        if lines and not lines[-1].endswith((b"\n", b"\r")):
            rest = lines.pop()[:_LONGEST_LINE]
        elif lines:
            after_return = lines[-1].endswith(b"\r")
        yield from lines
    if rest:
        yield rest


def decoded(raw: bytes, charset: str | None = None) -> str:
    """Text in UTF-8, in its declared charset, or in Windows' western one, whichever fits first.

    Charsets of one byte a character fit anything, so UTF-8 goes before them: files are converted and keep the label.
    """
    if raw.isascii() and (charset is None or _is_one_byte(charset)):
        return raw.decode("ascii")
    declared = [] if charset is None or _is_escape(charset) else [charset]
    for name in ["utf-8", *declared] if charset is None or _is_one_byte(charset) else [*declared, "utf-8"]:
        try:
            return raw.decode(name)
        except (ValueError, LookupError):
            continue
    return raw.decode("cp1252", "replace")


def _is_one_byte(charset: str) -> bool:
    name = charset.lower().replace("_", "-")
    return name.startswith(
        ("utf-8", "utf8", "iso-8859", "latin", "windows-12", "cp12", "us-ascii", "ascii", "koi8", "mac")
    )


def _is_escape(charset: str) -> bool:
    """Python's own escapes are no charsets, though `decode` knows them."""
    return any(word in charset.lower() for word in ("escape", "punycode", "idna"))


def _unmarked(raw: bytes) -> str:
    """The encoding of a file without a byte order mark, told by where its zero bytes stand."""
    if b"\0" not in raw or _BEGIN.match(raw):
        return "utf-8"
    even, odd = raw[0::2], raw[1::2]
    if odd.count(0) > len(odd) * 0.4 and even.count(0) < len(even) * 0.05:
        return "utf-16-le"
    if even.count(0) > len(even) * 0.4 and odd.count(0) < len(odd) * 0.05:
        return "utf-16-be"
    return "utf-8"


def _format(path: Path, head: bytes) -> Format:
    suffix = path.suffix.lower()
    if _BEGIN.match(head):
        return Format.VCARD
    if head.startswith(b"PK\x03\x04"):
        raise InvalidWorld(f"{path.name} is a spreadsheet or a zip file: export it as .csv or .vcf")
    if b"\0" in head:
        raise InvalidWorld(f"{path.name} is not text: give a .vcf or .csv export of the contacts")
    if suffix in _VCARD_NAMES or (suffix not in _CSV_NAMES and _BEGIN_LATER.search(head)):
        return Format.VCARD
    if suffix in _CSV_NAMES or b"," in head or b";" in head or b"\t" in head:
        return Format.CSV
    raise InvalidWorld(f"{path.name} is neither a vCard nor a CSV file: give a .vcf or .csv export of the contacts")
