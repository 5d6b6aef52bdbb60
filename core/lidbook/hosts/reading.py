"""Taking a JSON object apart: what is not as the protocol says is named, never guessed."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

JsonObject = Mapping[str, JsonValue]


class Malformed(ValueError):
    """A message is JSON, and not what the protocol says; the message names the place, and shows no value."""


def text(of: JsonObject, name: str) -> str:
    """A string."""
    value = of.get(name)
    if not isinstance(value, str):
        raise _wrong(name, "a string", value)
    return value


def optional_text(of: JsonObject, name: str) -> str | None:
    """A string, or null or nothing."""
    return None if of.get(name) is None else text(of, name)


def whole(of: JsonObject, name: str) -> int:
    """A whole number."""
    value = of.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(name, "a whole number", value)
    return value


def optional_whole(of: JsonObject, name: str) -> int | None:
    """A whole number, or null or nothing."""
    return None if of.get(name) is None else whole(of, name)


def truth(of: JsonObject, name: str, *, otherwise: bool | None = None) -> bool:
    """True or false; `otherwise` where it may be left out."""
    value = of.get(name)
    if value is None and otherwise is not None:
        return otherwise
    if not isinstance(value, bool):
        raise _wrong(name, "true or false", value)
    return value


def objects(of: JsonObject, name: str) -> Sequence[JsonObject]:
    """A list of objects."""
    return [an_object(each, f"{name}[{place}]") for place, each in enumerate(many(of, name))]


def texts(of: JsonObject, name: str) -> Sequence[str]:
    """A list of strings."""
    return [a_text(each, f"{name}[{place}]") for place, each in enumerate(many(of, name))]


def many(of: JsonObject, name: str) -> Sequence[JsonValue]:
    """A list."""
    value = of.get(name)
    if not isinstance(value, list):
        raise _wrong(name, "a list", value)
    return value


def inner(of: JsonObject, name: str) -> JsonObject:
    """An object within."""
    return an_object(of.get(name), name)


def an_object(value: JsonValue, name: str) -> JsonObject:
    """The value, which has to be an object."""
    if not isinstance(value, dict):
        raise _wrong(name, "an object", value)
    return value


def a_text(value: JsonValue, name: str) -> str:
    """The value, which has to be a string."""
    if not isinstance(value, str):
        raise _wrong(name, "a string", value)
    return value


def _wrong(name: str, wanted: str, value: JsonValue) -> Malformed:
    found = "null" if value is None else type(value).__name__
    return Malformed(f"{name} must be {wanted}, and is {found}")
