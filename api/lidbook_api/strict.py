"""WAHA's strict mode: keys nobody knows are refused, where WAHA refuses them, instead of being passed over."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import Response

from lidbook_api.bodies import read_object
from lidbook_api.faults import Faults, refuse
from lidbook_api.operation import Operation
from lidbook_api.parameters import Schema
from lidbook_api.query import parse_query

WATCHED: Final = ("/api/sessions", "/api/keys", "/api/server/environment")
"""What the paths begin with that WAHA is strict about; and it is about writing a contact."""

_CONTACT: Final = "/api/{session}/contacts/{"


def guarded(operation: Operation) -> Operation:
    """The operation, which looks for unknown keys first; or as it is, where WAHA would not look either."""
    writes_contact = operation.method == "PUT" and operation.path.startswith(_CONTACT)
    if not writes_contact and not operation.path.startswith(WATCHED):
        return operation
    endpoint, body = operation.endpoint, operation.body
    known = frozenset(parameter.name for parameter in operation.parameters)

    @functools.wraps(endpoint)
    async def strictly(request: Request) -> Response:
        faults: Faults = [_unknown(name) for name in parse_query(request.scope["query_string"]) if name not in known]
        if body is not None:
            faults += map(_unknown, _strangers(await read_object(request), body, ""))
        refuse(faults)
        return await endpoint(request)

    return replace(operation, endpoint=strictly, name=operation.operation_id)


def _unknown(name: str) -> str:
    parent, _, own = name.rpartition(".")
    return f"{parent}.property {own} should not exist" if parent else f"property {own} should not exist"


def _strangers(value: object, schema: JsonValue, place: str) -> Iterator[str]:
    """The keys of `value`, at any depth, that its schema does not name."""
    if isinstance(value, list):
        items = _resolved(schema, "items").get("items")
        for number, item in enumerate(value):
            yield from _strangers(item, items, f"{place}{number}.")
    if not isinstance(value, dict):
        return
    properties = _resolved(schema, "properties").get("properties")
    if isinstance(properties, dict):
        for name, inner in value.items():
            if name in properties:
                yield from _strangers(inner, properties[name], f"{place}{name}.")
            else:
                yield place + name


def _resolved(schema: JsonValue, wanted: str) -> Schema:
    """The schema behind references and alternatives that has what is wanted; an empty one if none has."""
    if not isinstance(schema, dict):
        return {}
    if wanted in schema:
        return schema
    reference, choices = schema.get("$ref"), schema.get("anyOf")
    if isinstance(reference, str):
        return _resolved(_components().get(reference.rpartition("/")[2]), wanted)
    if not isinstance(choices, list):
        return {}
    return next((found for choice in choices if (found := _resolved(choice, wanted))), {})


@functools.cache
def _components() -> Mapping[str, JsonValue]:
    from lidbook_api.schemas import component_schemas  # noqa: PLC0415 - 30 models that serving has no use for

    return component_schemas()
