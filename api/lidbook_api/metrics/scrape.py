"""One scrape: every number as it is now, and the text of it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

import structlog

from lidbook import __version__
from lidbook.app import Lidbook
from lidbook.values import SessionStatus
from lidbook_api.access.audit import Audit
from lidbook_api.metrics import catalogue
from lidbook_api.metrics.meter import Meter
from lidbook_api.metrics.series import Series
from lidbook_api.websocket.sockets import Sockets

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"


class Lane(Protocol):
    """One webhook of one session, as far as it is counted."""

    @property
    def session(self) -> str:
        """The session's name."""

    @property
    def host(self) -> str:
        """Host and port of its URL."""

    @property
    def waiting(self) -> int:
        """Entries of the log that it has yet to get past."""

    @property
    def sent(self) -> int:
        """Events that were taken."""

    @property
    def failed(self) -> int:
        """Attempts that failed."""


class Metrics:
    """What `/metrics` says. Everything that belongs to the event loop is copied there; the rest is a thread's work."""

    def __init__(
        self,
        lidbook: Lidbook,
        meter: Meter,
        audit: Audit,
        sockets: Sockets,
        lanes: Callable[[], Iterable[Lane]],
    ) -> None:
        self._lidbook = lidbook
        self._meter = meter
        self._audit = audit
        self._sockets = sockets
        self._lanes = lanes
        self._log = structlog.stdlib.get_logger("lidbook.metrics")

    async def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        series = [*self._sessions(), *self._counted(), *self._channels()]
        hosts, database = self._hosts(), self._lidbook.database.path
        return await asyncio.to_thread(_finished, series, hosts, database)

    def _sessions(self) -> Iterator[Series]:
        sessions = self._lidbook.sessions.all()
        yield Series(catalogue.BUILD, [((__version__,), 1)])
        yield Series(catalogue.SESSION_STATUS, [((s.name, s.engine.name, s.status.value), 1) for s in sessions])
        found = Counter((session.engine.name, session.status) for session in sessions)
        engines = sorted({session.engine.name for session in sessions})
        yield Series(
            catalogue.SESSIONS,
            [((engine, status.value), found[engine, status]) for engine in engines for status in SessionStatus],
        )
        yield Series(catalogue.LOG_ENTRIES, [((session.name,), session.changes.head()) for session in sessions])
        yield Series(
            catalogue.BUDGET_LEFT,
            [
                ((session.name, capability.value), left)
                for session in sessions
                for capability, left in session.live.budget.left.items()
            ],
        )

    def _counted(self) -> Iterator[Series]:
        meter = self._meter
        yield Series(catalogue.FACTS, list(meter.facts.items()))
        yield Series(catalogue.LIVE_CALL_SECONDS, times=[(key, times.copy()) for key, times in meter.calls.items()])
        yield Series(catalogue.LIVE_CALL_ERRORS, list(meter.call_errors.items()))
        yield Series(
            catalogue.HTTP_REQUESTS,
            [((method, route, str(status)), times.count) for (method, route, status), times in meter.requests.items()],
        )
        yield Series(catalogue.HTTP_SECONDS, times=[((route,), t) for route, t in meter.request_times().items()])
        yield Series(catalogue.UNAUTHORIZED, [((), self._audit.unauthorized)])

    def _channels(self) -> Iterator[Series]:
        waiting: Counter[tuple[str, str]] = Counter()
        sent: Counter[tuple[str, str]] = Counter()
        failed: Counter[tuple[str, str]] = Counter()
        for lane in self._lanes():  # two of one session may lead to the same host
            labels = (lane.session, lane.host)
            waiting[labels] += lane.waiting
            sent[labels] += lane.sent
            failed[labels] += lane.failed
        yield Series(catalogue.WEBHOOK_BACKLOG, list(waiting.items()))
        yield Series(catalogue.WEBHOOK_SENT, list(sent.items()))
        yield Series(catalogue.WEBHOOK_FAILED, list(failed.items()))
        yield Series(catalogue.WEBSOCKETS, [((), self._sockets.count())])
        yield Series(catalogue.WEBSOCKET_LAG, [((), self._sockets.lag())])
        yield Series(catalogue.WRITER_QUEUE, [((), self._lidbook.database.queued)])

    def _hosts(self) -> Mapping[tuple[str, str], int]:
        """The child processes of every engine that runs sessions. An engine that fails to tell is logged."""
        hosts: dict[tuple[str, str], int] = {}
        sessions = self._lidbook.sessions
        for engine in {session.engine for session in sessions.all() if session.is_running}:
            try:
                processes = sessions.engine(engine).processes()
                hosts |= {(engine.name, name): process for name, process in processes.items()}
            except Exception:  # noqa: BLE001 - the rest is told all the same
                self._log.exception("an engine does not say what its processes are", engine=engine.name)
        return hosts


def _finished(series: Iterable[Series], hosts: Mapping[tuple[str, str], int], database: Path) -> bytes:
    from lidbook_api.metrics.exposition import written  # noqa: PLC0415 - heavy, and only for those who scrape
    from lidbook_api.metrics.machine import looked_up  # noqa: PLC0415

    return written([*series, *looked_up(hosts, database)])
