"""A session whose whatsmeow client runs in the Go host."""

from lidbook.hosts import HostedSession


class GoBridgeSession(HostedSession):
    """Serves all that the host protocol has."""
