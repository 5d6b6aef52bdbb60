"""Every metric there is: its name, its labels, what it says."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What Prometheus may do with a metric."""

    GAUGE = "gauge"
    """A value as it is now."""
    COUNTER = "counter"
    """A number that only rises, from 0 when the server starts."""
    HISTOGRAM = "histogram"
    """How often values were how large."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. The name of a counter ends in `_total`."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


BUILD: Final = Metric("lidbook_build_info", Kind.GAUGE, ("version",), "Always 1; the label is the server's version.")

SESSION_STATUS: Final = Metric(
    "lidbook_session_status",
    Kind.GAUGE,
    ("session", "engine", "status"),
    "1 for the status that the session is in.",
)
SESSIONS: Final = Metric(
    "lidbook_sessions", Kind.GAUGE, ("engine", "status"), "How many sessions of an engine are in a status."
)
FACTS: Final = Metric(
    "lidbook_facts_total",
    Kind.COUNTER,
    ("session", "engine"),
    "Facts that an engine fed and that are on disk.",
)
LOG_ENTRIES: Final = Metric(
    "lidbook_log_entries_total",
    Kind.COUNTER,
    ("session",),
    "Entries ever written to the session's log of changes; goes on where it was when the server starts.",
)
BUDGET_LEFT: Final = Metric(
    "lidbook_budget_left_ratio",
    Kind.GAUGE,
    ("session", "capability"),
    "What is left of the session's budget for a kind of live call: 1 is all, 0 is none or WhatsApp said too many. "
    "Only of those that were used.",
)

LIVE_CALL_SECONDS: Final = Metric(
    "lidbook_live_call_seconds",
    Kind.HISTOGRAM,
    ("engine", "capability"),
    "How long calls took that reached the engine, failed ones included.",
)
LIVE_CALL_ERRORS: Final = Metric(
    "lidbook_live_call_errors_total",
    Kind.COUNTER,
    ("engine", "capability", "code"),
    "Calls that reached the engine and failed, by the error's stable code.",
)
HOST_MEMORY: Final = Metric(
    "lidbook_host_resident_bytes",
    Kind.GAUGE,
    ("engine", "host"),
    "Resident memory of an engine's child process.",
)

WEBHOOK_BACKLOG: Final = Metric(
    "lidbook_webhook_backlog_events",
    Kind.GAUGE,
    ("session", "host"),
    "Entries of the log that a webhook has yet to get past, whether or not it wants them.",
)
WEBHOOK_SENT: Final = Metric(
    "lidbook_webhook_sent_total", Kind.COUNTER, ("session", "host"), "Events that a webhook's receiver took."
)
WEBHOOK_FAILED: Final = Metric(
    "lidbook_webhook_failed_total",
    Kind.COUNTER,
    ("session", "host"),
    "Attempts to send an event to a webhook that failed.",
)
WEBSOCKETS: Final = Metric("lidbook_websocket_connections", Kind.GAUGE, (), "Open websockets.")
WEBSOCKET_LAG: Final = Metric(
    "lidbook_websocket_lag_events",
    Kind.GAUGE,
    (),
    "Entries of the logs that the websocket furthest behind has yet to look at.",
)

HTTP_REQUESTS: Final = Metric(
    "lidbook_http_requests_total",
    Kind.COUNTER,
    ("method", "route", "status"),
    "Answered requests; the route is the path's template, or `unmatched`.",
)
HTTP_SECONDS: Final = Metric(
    "lidbook_http_request_seconds",
    Kind.HISTOGRAM,
    ("route",),
    "From a request's head to the end of its answer, as far as the client took it.",
)
UNAUTHORIZED: Final = Metric(
    "lidbook_unauthorized_total",
    Kind.COUNTER,
    (),
    "Requests and websockets whose key was missing or wrong.",
)

WRITER_QUEUE: Final = Metric(
    "lidbook_writer_queue_jobs", Kind.GAUGE, (), "Writes that wait for the database's one writer."
)
DATABASE_SIZE: Final = Metric(
    "lidbook_database_bytes", Kind.GAUGE, (), "Size of the database's file and of its write-ahead log."
)
MEMORY: Final = Metric("lidbook_process_resident_bytes", Kind.GAUGE, (), "Resident memory of the server's process.")
CPU: Final = Metric(
    "lidbook_process_cpu_seconds_total", Kind.COUNTER, (), "CPU time of the server's process, user and system."
)
OPEN_FILES: Final = Metric("lidbook_process_open_fds", Kind.GAUGE, (), "Open file descriptors of the server's process.")

METRICS: Final = (
    BUILD,
    SESSION_STATUS,
    SESSIONS,
    FACTS,
    LOG_ENTRIES,
    BUDGET_LEFT,
    LIVE_CALL_SECONDS,
    LIVE_CALL_ERRORS,
    HOST_MEMORY,
    WEBHOOK_BACKLOG,
    WEBHOOK_SENT,
    WEBHOOK_FAILED,
    WEBSOCKETS,
    WEBSOCKET_LAG,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    UNAUTHORIZED,
    WRITER_QUEUE,
    DATABASE_SIZE,
    MEMORY,
    CPU,
    OPEN_FILES,
)
"""All of them, in the order in which they are exported."""
