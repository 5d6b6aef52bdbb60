"""What the operating system says of the server, of its engines' processes and of its files."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from lidbook_api.metrics import catalogue
from lidbook_api.metrics.series import Labels, Series


def looked_up(hosts: Mapping[tuple[str, str], int], database: Path) -> Iterator[Series]:
    """Sizes and times as they are now. `hosts` are process ids by engine and name; one that is gone is left out."""
    own = psutil.Process()
    with own.oneshot():
        times = own.cpu_times()
        yield Series(catalogue.MEMORY, [((), own.memory_info().rss)])
        yield Series(catalogue.CPU, [((), times.user + times.system)])
        yield Series(catalogue.OPEN_FILES, [((), own.num_fds())])
    memory: list[tuple[Labels, float]] = []
    for labels, process in hosts.items():
        try:
            memory.append((labels, psutil.Process(process).memory_info().rss))
        except psutil.NoSuchProcess:
            continue
    yield Series(catalogue.HOST_MEMORY, memory)
    yield Series(catalogue.DATABASE_SIZE, [((), _size(database) + _size(Path(f"{database}-wal")))])


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
