"""The audit log, read."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from lidbook_api.access.audit import KEPT, AuditRow
from lidbook_api.access.refusals import EACH_MINUTE
from lidbook_api.access.scopes import Scope
from lidbook_api.answers import json_answer
from lidbook_api.faults import Faults, refuse
from lidbook_api.operation import Fault, Operation, array_of
from lidbook_api.parameters import Count
from lidbook_api.query import parse_query
from lidbook_api.services import services_of

PAGE: Final = 100
LIMIT: Final = Count("limit", f"How many to return; {PAGE} when absent.", least=1, most=1000)
BEFORE: Final = Count("before", "Only those older than the one of this id: the last of the page before.", least=1)


async def list_audit(request: Request) -> Response:
    """What was changed and what was refused, the newest first."""
    query = parse_query(request.scope["query_string"])
    faults: Faults = []
    limit, before = LIMIT.read(query, faults), BEFORE.read(query, faults)
    refuse(faults)
    return json_answer([_document(row) for row in await services_of(request).audit.page(limit or PAGE, before)])


def _document(row: AuditRow) -> dict[str, object]:
    deed = row.deed
    return {
        "id": row.id,
        "timestamp": row.at,
        "keyId": deed.key_id,
        "action": deed.action,
        "session": deed.session,
        "subject": deed.subject,
        "status": deed.status,
        "error": deed.error,
        "client": deed.client,
    }


OPERATIONS: Final = (
    Operation(
        "GET",
        "/api/audit",
        list_audit,
        "Keys",
        "Read the audit log",
        "Every request that changed something or was refused with 403, the newest first. Of one key's refusals at most "
        f"{EACH_MINUTE} a minute are here. Kept are the last {KEPT} of admins, and as many of all other keys.",
        (LIMIT, BEFORE),
        answer=array_of("AuditEntry"),
        faults=(Fault.BAD_REQUEST,),
        scope=Scope.ADMIN,
    ),
)
