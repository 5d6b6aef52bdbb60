"""Query and path parameters: each is written down once, and both read and documented from that."""

import math
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from lidbook.errors import InvalidRequest
from lidbook_api.faults import Faults
from lidbook_api.query import Query

MAX_COUNT: Final = 2**53
"""No list is longer; larger numbers are taken as this one, so that they fit everywhere."""

MAX_WAIT: Final = 60.0
"""Seconds that a request may wait for something to happen."""

_TRUE: Final = frozenset({"true", "True", "1"})
_FALSE: Final = frozenset({"false", "False", "0"})

Schema = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class InPath:
    """A part of the path."""

    name: str
    description: str
    example: str

    def document(self) -> Schema:
        """Its entry in the OpenAPI document."""
        return {
            "name": self.name,
            "in": "path",
            "required": True,
            "description": self.description,
            "schema": {"type": "string"},
            "example": self.example,
        }


@dataclass(frozen=True, slots=True)
class Text:
    """A string that must be given."""

    name: str
    description: str
    example: str

    def read(self, query: Query, faults: Faults) -> str:
        """The value, or `""` and a fault."""
        value = query.get(self.name)
        if isinstance(value, str):
            return value
        faults.append(f"{self.name} must be a string")
        return ""

    def document(self) -> Schema:
        """Its entry in the OpenAPI document."""
        return _entry(self.name, self.description, {"type": "string"}, required=True, example=self.example)


@dataclass(frozen=True, slots=True)
class Count:
    """A number of things, 0 or more unless `least` says otherwise."""

    name: str
    description: str
    least: int = 0
    most: int | None = None

    def read(self, query: Query, faults: Faults) -> int | None:
        """The value; None when the parameter is absent or blank."""
        value = query.get(self.name)
        if value is None or value == "":
            return None
        if isinstance(value, str):
            plain = value.isdigit() and value.isascii() and len(value) < 16
            return self._bounded(int(value) if plain else self._unusual(value, faults), faults)
        faults.append(f"{self.name} must be a number conforming to the specified constraints")
        return None

    def _unusual(self, text: str, faults: Faults) -> int | None:
        number = _number(text)
        if number is None:
            faults.append(f"{self.name} must be a number conforming to the specified constraints")
        elif number < self.least:
            faults.append(f"{self.name} must not be less than {self.least}")
        elif number != int(number):
            faults.append(f"{self.name} must be an integer number")
        else:
            return min(int(number), MAX_COUNT)
        return None

    def _bounded(self, number: int | None, faults: Faults) -> int | None:
        if number is None:
            return None
        if number < self.least:
            faults.append(f"{self.name} must not be less than {self.least}")
        elif self.most is not None and number > self.most:
            faults.append(f"{self.name} must not be greater than {self.most}")
        else:
            return number
        return None

    def document(self) -> Schema:
        """Its entry in the OpenAPI document."""
        schema: Schema = {"type": "integer", "minimum": self.least}
        return _entry(self.name, self.description, schema if self.most is None else schema | {"maximum": self.most})


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long to wait, 0 when absent."""

    name: str
    description: str

    def read(self, query: Query, faults: Faults) -> float:
        """The value in seconds."""
        value = query.get(self.name)
        if value is None or value == "":
            return 0.0
        number = _number(value) if isinstance(value, str) else None
        if number is None:
            faults.append(f"{self.name} must be a number conforming to the specified constraints")
        elif number < 0:
            faults.append(f"{self.name} must not be less than 0")
        elif number > MAX_WAIT:
            faults.append(f"{self.name} must not be greater than {MAX_WAIT:g}")
        else:
            return number
        return 0.0

    def document(self) -> Schema:
        """Its entry in the OpenAPI document."""
        return _entry(self.name, self.description, {"type": "number", "minimum": 0, "maximum": MAX_WAIT, "default": 0})


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no; no when absent."""

    name: str
    description: str

    def read(self, query: Query, faults: Faults) -> bool:
        """The value."""
        value = query.get(self.name)
        if value is None:
            return False
        if isinstance(value, str):
            if value in _TRUE:
                return True
            if value in _FALSE:
                return False
        faults.append(f"{self.name} must be a boolean value")
        return False

    def document(self) -> Schema:
        """Its entry in the OpenAPI document."""
        return _entry(self.name, self.description, {"type": "boolean", "default": False})


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    name: str
    description: str
    words: tuple[str, ...]
    default: str

    def read(self, query: Query, faults: Faults) -> str:
        """The value."""
        value = query.get(self.name)
        if value is None:
            return self.default
        if isinstance(value, str) and value in self.words:
            return value
        faults.append(f"{self.name} must be one of the following values: {', '.join(self.words)}")
        return self.default

    def document(self) -> Schema:
        """Its entry in the OpenAPI document."""
        return _entry(
            self.name,
            self.description,
            {"type": "string", "enum": list[JsonValue](self.words), "default": self.default},
        )


@dataclass(frozen=True, slots=True)
class Choices:
    """Any of a few words, the parameter repeated for each."""

    name: str
    description: str
    words: tuple[str, ...]

    def read(self, query: Query, faults: Faults) -> frozenset[str]:
        """The values."""
        value = query.get(self.name)
        if value is None:
            return frozenset()
        values = frozenset([value] if isinstance(value, str) else value)
        if not values <= frozenset(self.words):
            faults.append(
                f"each value in {self.name} must be one of the following values: {', '.join(filter(None, self.words))}"
            )
        return values

    def document(self) -> Schema:
        """Its entry in the OpenAPI document."""
        return _entry(
            self.name,
            self.description,
            {"type": "array", "items": {"type": "string", "enum": list[JsonValue](self.words)}},
        )


@dataclass(frozen=True, slots=True)
class SessionName:
    """The session in the query: `default` when absent, as WAHA documents."""

    name: str = field(default="session", init=False)

    def read(self, query: Query) -> str:
        """The session's name. Raises `InvalidRequest` when it is blank or repeated."""
        return session_name(query.get("session", "default"))

    def document(self) -> Schema:
        """Its entry in the OpenAPI document."""
        return _entry("session", "The session's name.", {"type": "string", "default": "default"}, example="default")


def session_name(value: object) -> str:
    """The name of a session as the query or a body gives it. Raises `InvalidRequest` in WAHA's words."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.strip():
        return value
    raise InvalidRequest("Session name is required")


Parameter = InPath | Text | Count | Seconds | Flag | Choice | Choices | SessionName

SESSION: Final = SessionName()
SESSION_PATH: Final = InPath("session", "The session's name.", "default")
LIMIT: Final = Count("limit", "How many to return; all of them when absent, none for `0`.")
OFFSET: Final = Count("offset", "How many to skip from the start.")
SORT_ORDER: Final = Choice("sortOrder", "`asc` is A to Z, `desc` is Z to A.", ("desc", "asc"), "asc")


def _number(text: str) -> float | None:
    try:
        number = float(text if text.isascii() and "_" not in text else "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _entry(
    name: str, description: str, schema: Schema, *, required: bool = False, example: str | None = None
) -> Schema:
    entry: Schema = {
        "name": name,
        "in": "query",
        "required": required,
        "description": description,
        "schema": schema,
    }
    return entry if example is None else entry | {"example": example}
