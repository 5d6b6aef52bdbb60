"""What is counted while the server works: a plugin of the core's hooks, and what the request layer tells it."""

from collections import Counter
from typing import Final

from lidbook.capabilities import Capability
from lidbook.hookspecs import hookimpl
from lidbook_api.metrics.series import Histogram

REQUEST_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CALL_BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

UNMATCHED: Final = "unmatched"
"""The route of requests that were refused before they had one, or have none."""
OTHER: Final = "OTHER"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Anything else is `OTHER`: what a client makes up must not become a label."""


class Meter:
    """Numbers by their labels. Only the event loop's thread touches them."""

    def __init__(self) -> None:
        self.facts: Counter[tuple[str, str]] = Counter()
        """By session and engine."""
        self.calls: dict[tuple[str, str], Histogram] = {}
        """By engine and capability."""
        self.call_errors: Counter[tuple[str, str, str]] = Counter()
        """By engine, capability and code."""
        self.requests: dict[tuple[str, str, int], Histogram] = {}
        """By method, route and status."""

    @hookimpl
    def lidbook_facts_taken(self, session: str, engine: str, facts: int) -> None:
        """Count what an engine fed."""
        self.facts[session, engine] += facts

    @hookimpl
    def lidbook_live_call_ended(self, engine: str, capability: Capability, seconds: float, error: str | None) -> None:
        """Count a call."""
        name = capability.value
        times = self.calls.get((engine, name))
        if times is None:
            times = self.calls[engine, name] = Histogram(CALL_BOUNDS)
        times.add(seconds)
        if error is not None:
            self.call_errors[engine, name, error] += 1

    @hookimpl
    def lidbook_session_deleted(self, session: str) -> None:
        """Forget what was counted for the session, so that names that come and go do not pile up."""
        for labels in [labels for labels in self.facts if labels[0] == session]:
            del self.facts[labels]

    def request_ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. On the path of all of them, so: one look-up."""
        times = self.requests.get((method, route, status))
        if times is None:
            labels = (method if method in _METHODS else OTHER, route, status)
            times = self.requests.setdefault(labels, Histogram(REQUEST_BOUNDS))
        times.add(seconds)

    def request_times(self) -> dict[str, Histogram]:
        """How long requests took, by route alone."""
        routes: dict[str, Histogram] = {}
        for (_, route, _), times in self.requests.items():
            routes.setdefault(route, Histogram(REQUEST_BOUNDS)).merge(times)
        return routes
