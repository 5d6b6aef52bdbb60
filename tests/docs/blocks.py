"""The fenced code blocks of README.md and docs/*.md."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs").glob("*/*.md")))
_FENCE: Final = re.compile(r"^```")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. Two of the same words on one page are two blocks."""

    page: str
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order. Raises `ValueError` for a fence without an end."""
    return list(_blocks(page.relative_to(ROOT).as_posix(), page.read_text("utf-8").splitlines()))


def every_block() -> list[Block]:
    """Those of all pages."""
    return [block for page in PAGES for block in blocks(page)]


def _blocks(page: str, lines: list[str]) -> Iterator[Block]:
    opened: tuple[int, str] | None = None
    for number, line in enumerate(lines, 1):
        if not _FENCE.match(line.lstrip()):
            continue
        if opened is None:
            opened = (number, line.strip().removeprefix("```"))
        else:
            start, language = opened
            yield Block(page, start, language, "\n".join(lines[start : number - 1]) + "\n")
            opened = None
    if opened is not None:
        raise ValueError(f"{page}:{opened[0]}: this block has no end")
