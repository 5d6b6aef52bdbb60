"""What is wrong with a request's fields: every fault at once, in WAHA's wording."""

from collections.abc import Sequence

from lidbook.errors import InvalidRequest


class InvalidFields(InvalidRequest):
    """Fields of the query or the body do not fit; one message a fault."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = list(messages)


class BodyTooLarge(InvalidRequest):
    """The body is larger than anything this API takes."""

    code = "body_too_large"
    status = 413

    def __init__(self, message: str, *, hang_up: bool) -> None:
        super().__init__(message)
        self.hang_up = hang_up
        """Whether the rest of the body is not going to be read."""


Faults = list[str]
"""What the readers of parameters add to; `refuse` turns it into one answer."""


def refuse(faults: Faults) -> None:
    """Raise `InvalidFields` if there are any."""
    if faults:
        raise InvalidFields(faults)
