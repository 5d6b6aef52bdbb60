"""Where in an ordered list a position is, without counting from the start.

Keys fall into blocks of some dozens; for each block its first key and its size are kept in memory. A deep page is one
seek and a short skip. The writer moves the counts along after every COMMIT; readers see one version or the next.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound="tuple[str, ...]")

BLOCK: Final = 64


class OrderIndex(Generic[K]):
    """Blocks of an ordered set of keys: where each begins, and how many keys stand before its end.

    `middle(start, skip)` fetches from the store the key that stands `skip` after `start`; it is asked when a block has
    grown too large. `laid_out` says where pages are read from.
    """

    __slots__ = ("_middle", "_view", "laid_out")

    def __init__(
        self, blocks: Iterable[tuple[K, int]], middle: Callable[[K, int], K | None], *, laid_out: bool = False
    ) -> None:
        pairs = list(blocks)
        self.laid_out: Final = laid_out
        self._middle = middle
        self._view = ([start for start, _ in pairs], list(accumulate(count for _, count in pairs)))

    @property
    def total(self) -> int:
        """How many keys there are."""
        ends = self._view[1]
        return ends[-1] if ends else 0

    def locate(self, position: int) -> tuple[K, int] | None:
        """A key to seek and how many to skip from there to reach `position`; None behind the end."""
        starts, ends = self._view
        if not ends or position >= ends[-1]:
            return None
        block = bisect_right(ends, position)
        return starts[block], position - (ends[block - 1] if block else 0)

    def change(self, removed: Iterable[K], added: Iterable[K]) -> None:
        """Follow the store: these keys went, those came."""
        starts, ends = self._view
        starts = starts.copy()
        counts = [end - (ends[i - 1] if i else 0) for i, end in enumerate(ends)]
        for key in removed:
            block = max(bisect_right(starts, key) - 1, 0)
            counts[block] -= 1
            if not counts[block]:
                del starts[block], counts[block]
        for key in added:
            block = bisect_right(starts, key) - 1
            if block < 0:
                block = 0
                if starts:
                    starts[0] = key
                else:
                    starts, counts = [key], [0]
            counts[block] += 1
        self._view = (starts, list(accumulate(counts)))

    def split(self) -> None:
        """Halve what has grown too large. The store must hold exactly the keys that were counted."""
        starts, ends = self._view
        counts = [end - (ends[i - 1] if i else 0) for i, end in enumerate(ends)]
        large = [starts[block] for block, count in enumerate(counts) if count > 2 * BLOCK]
        if not large:
            return
        starts = starts.copy()
        for start in large:
            self._split(starts, counts, bisect_right(starts, start) - 1)
        self._view = (starts, list(accumulate(counts)))

    def _split(self, starts: list[K], counts: list[int], block: int) -> None:
        while counts[block] > 2 * BLOCK:
            middle = self._middle(starts[block], BLOCK)
            if middle is None:
                return
            starts.insert(block + 1, middle)
            counts.insert(block + 1, counts[block] - BLOCK)
            counts[block] = BLOCK
            block += 1
