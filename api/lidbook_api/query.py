"""Query strings, read the way WAHA's framework reads them: flat, a repeated key is a list, `+` is a space."""

from urllib.parse import unquote_plus

Query = dict[str, str | list[str]]


def parse_query(raw: bytes) -> Query:
    """The keys and values of a query string. A broken percent escape stays as it is."""
    values: Query = {}
    if not raw:
        return values
    for pair in raw.decode("utf-8", "replace").split("&"):
        if not pair:
            continue
        key, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            key, value = unquote_plus(key), unquote_plus(value)
        held = values.get(key)
        if held is None:
            values[key] = value
        elif isinstance(held, list):
            held.append(value)
        else:
            values[key] = [held, value]
    return values
