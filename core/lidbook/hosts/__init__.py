"""Hosts: child processes in which an engine's foreign library lives, and how they are watched.

May import the engine contract, facts, values and errors; knows no directory, no stored session and no HTTP. The
protocol is written down in `docs/host-protocol.md`.
"""

from lidbook.hosts.engine import HostedEngine
from lidbook.hosts.process import HostProgram
from lidbook.hosts.session import HostedSession, HostedSettings
from lidbook.hosts.timings import Timings

__all__ = ["HostProgram", "HostedEngine", "HostedSession", "HostedSettings", "Timings"]
