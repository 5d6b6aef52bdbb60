"""What schemathesis is told about this API: which sessions there are, so that most cases get past the look-up.

Loaded by schemathesis itself (`SCHEMATHESIS_HOOKS`); a share of the cases keeps whatever was generated.
"""

import zlib
from typing import Any, Final

import schemathesis

KEPT: Final = 4
"""One case in so many keeps the session's name that was generated."""
LONGEST_WAIT: Final = 1
"""Seconds that a run has for one `?wait=`."""
ALLOWED_WAIT: Final = 60
"""Seconds that the API allows; longer ones are kept, to be refused."""


def session_for(method: str, path: str) -> str:
    """The session that an operation is aimed at; those that end or forget something have one each."""
    if path.endswith(("/logout", "/reset")):
        return "forgotten"
    if path.endswith(("/stop", "/restart", "/start")):
        return "stopped"
    if path == "/api/sessions/{session}" and method in ("DELETE", "PUT"):
        return {"DELETE": "deleted", "PUT": "changed"}[method]
    return "scanning" if "/auth/" in path else "default"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Aim at a session that exists, mostly; always where the others' answer is an empty body beside a JSON one, which
    OpenAPI cannot say: of a session that is not there, or linked to nobody."""
    method, path = case.method.upper(), case.operation.path
    always = path.endswith(("/stop", "/me")) or (method == "DELETE" and path == "/api/sessions/{session}")
    wait = (case.query or {}).get("wait")
    if isinstance(wait, int | float) and LONGEST_WAIT < wait <= ALLOWED_WAIT:
        case.query["wait"] = LONGEST_WAIT
    for values in (case.path_parameters, case.query):
        generated = values.get("session") if values else None
        if generated is not None and (always or zlib.crc32(repr(generated).encode()) % KEPT):
            values["session"] = session_for(method, path)
