"""Ending the server from within."""

from collections.abc import Callable

from lidbook.errors import LidbookError


class CannotStop(LidbookError):
    """The server is part of another program, which alone can end it."""

    code = "cannot_stop"
    status = 501

    def __init__(self) -> None:
        super().__init__(
            "This server runs inside another program and cannot stop it: end that program, or run  lidbook serve"
        )


class Stopping:
    """That the server was asked to end, and who ends it."""

    def __init__(self) -> None:
        self._end: Callable[[bool], None] | None = None
        self._asked = False

    @property
    def asked(self) -> bool:
        """Whether the server is about to end."""
        return self._asked

    def begin(self) -> None:
        """Note that it is: somebody outside asked for it."""
        self._asked = True

    def ends(self, end: Callable[[bool], None]) -> None:
        """From now on `end` is called when a client asks; it is told whether to drop the requests under way."""
        self._end = end

    def require(self) -> None:
        """Raise `CannotStop` where nobody could end the server."""
        if self._end is None:
            raise CannotStop

    def ask(self, *, force: bool) -> None:
        """End the server. Raises `CannotStop`."""
        if self._end is None:
            raise CannotStop
        self._asked = True
        self._end(force)
