"""Control of what goes wrong: conditions, as `lidbook sandbox condition` sets them, and faults of the wire."""

from typing import Annotated, Final

from aiohttp import web
from pydantic import Field

from lidbook.capabilities import Capability
from lidbook.errors import InvalidRequest, NotFound
from lidbook.world.conditions import Condition, Conditions, Kind
from lidbook_sandbox.network.control.requests import Body, Times, account_of, answer, read, steered
from lidbook_sandbox.network.faults import Malformation, When

_LIVE: Final = {capability.value: capability for capability in Capability if capability.served_by == "engine"}


class ConditionBody(Body):
    """A condition to switch on."""

    kind: Kind
    capabilities: tuple[str, ...] = ()
    """Live calls, as `contacts.check`; empty means all."""
    retry_after: Annotated[float, Field(ge=0, le=86_400)] = 30.0
    milliseconds: Annotated[int, Field(ge=0, le=600_000)] = 1000
    times: Annotated[int, Field(ge=1, le=1_000_000)] = 1


class FaultBody(Body):
    """How a fault goes; each takes some of these."""

    code: Annotated[int, Field(ge=100, le=999)] = 503
    """stream-error."""
    reason: Annotated[int, Field(ge=100, le=999)] = 401
    """refuse-login."""
    malformation: Malformation = Malformation.GARBAGE
    when: When = "now"
    """malform."""
    times: Times = None
    """How often; null means until it is cleared."""


FAULTS: Final = (
    "replace",
    "stream-error",
    "refuse-login",
    "malform",
    "hold-pairing",
    "early-close-515",
    "drop-notifications",
)


async def list_conditions(request: web.Request) -> web.Response:
    """What is switched on for the account."""
    return _conditions(_conditions_of(request))


async def put_condition(request: web.Request) -> web.Response:
    """Switch a condition on, in place of any other of its kind."""
    body, conditions = await read(request, ConditionBody), _conditions_of(request)
    if body.kind is Kind.SCAN:
        raise InvalidRequest("a scan on the network is a POST to /accounts/{account}/scan, with the code that is shown")
    unknown = [name for name in body.capabilities if name not in _LIVE]
    if unknown:
        raise InvalidRequest(f"capabilities: {unknown[0]} is no live call; there are {', '.join(_LIVE)}")
    capabilities = frozenset(_LIVE[name] for name in body.capabilities)
    if capabilities and body.kind in (Kind.DISCONNECT, Kind.LOGOUT):
        raise InvalidRequest(f"capabilities: {body.kind} is not for single live calls: leave them out")
    conditions.set(Condition(body.kind, capabilities, body.retry_after, body.milliseconds, body.times))
    return _conditions(conditions)


async def clear_conditions(request: web.Request) -> web.Response:
    """Switch everything off."""
    conditions = _conditions_of(request)
    conditions.clear()
    return _conditions(conditions)


async def clear_condition(request: web.Request) -> web.Response:
    """Switch one condition off."""
    conditions, name = _conditions_of(request), request.match_info["kind"]
    if name not in {kind.value for kind in Kind}:
        raise NotFound(f"there is no condition {name}; there are {', '.join(kind.value for kind in Kind)}")
    conditions.clear(Kind(name))
    return _conditions(conditions)


async def make_fault(request: web.Request) -> web.Response:
    """Make the wire go wrong; answers how many connected devices met it at once, null where it is yet to come."""
    body, faults, account = await read(request, FaultBody), steered(request).faults, account_of(request)
    met: int | None = None
    match request.match_info["fault"]:
        case "replace":
            met = faults.replace(account)
        case "stream-error":
            met = faults.stream_error(account, body.code)
        case "refuse-login":
            faults.refuse_login(account, body.reason, body.times)
        case "malform":
            faults.malform(account, body.malformation, body.when, body.times)
        case "hold-pairing":
            faults.hold_pairing(account)
        case "early-close-515":
            faults.early_close_515(account)
        case "drop-notifications":
            faults.drop_notifications(account)
        case unknown:
            raise NotFound(f"there is no fault {unknown}; there are {', '.join(FAULTS)}")
    return answer({"met": met}, 201)


async def clear_faults(request: web.Request) -> web.Response:
    """The wire of the account is right again."""
    steered(request).faults.clear(account_of(request))
    return answer({"cleared": True})


async def forge_certificate(request: web.Request) -> web.Response:
    """Prove to be WhatsApp with a key that the root never signed, to whoever connects, whatever the account."""
    steered(request).faults.forge_certificate((await read(request, FaultBody)).times)
    return answer({"met": None}, 201)


async def clear_all_faults(request: web.Request) -> web.Response:
    """The wire of every account is right again."""
    steered(request).faults.clear()
    return answer({"cleared": True})


def _conditions_of(request: web.Request) -> Conditions:
    conditions = steered(request).conditions.of(account_of(request))
    conditions.refresh()
    return conditions


def _conditions(conditions: Conditions) -> web.Response:
    return answer(
        [
            {
                "kind": condition.kind.value,
                "capabilities": sorted(capability.value for capability in condition.capabilities),
                "retryAfter": condition.retry_after,
                "milliseconds": condition.milliseconds,
                "times": condition.times,
            }
            for condition in conditions.all()
        ]
    )


ROUTES: Final = (
    web.get("/conditions/{account}", list_conditions),
    web.put("/conditions/{account}", put_condition),
    web.delete("/conditions/{account}", clear_conditions),
    web.delete("/conditions/{account}/{kind}", clear_condition),
    web.post("/faults/{account}/{fault}", make_fault),
    web.delete("/faults/{account}", clear_faults),
    web.post("/certificate/forge", forge_certificate),
    web.delete("/faults", clear_all_faults),
)
