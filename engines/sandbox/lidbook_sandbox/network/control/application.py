"""The control address as a whole: every route, and an index of them."""

from typing import Final

from aiohttp import web

from lidbook_sandbox.network.control import people, phones, trouble
from lidbook_sandbox.network.control.requests import MAX_BODY, STEERED, Steered, answer, refusing, steered


async def index(request: web.Request) -> web.Response:
    """What this is, and what can be asked of it."""
    network = steered(request).network
    return answer(
        {
            "what": "a sandbox network of Lidbook: a simulated WhatsApp on this machine, and its phones",
            "world": steered(request).live.state.name,
            "network": {
                "websocket": network.websocket,
                "web_page": network.web_page,
                "root_key": network.root_key.hex(),
                "control_url": network.control_url,
            },
            "routes": {f"{route.method} {route.path}": _first_line(route) for route in ROUTES},
        }
    )


def _first_line(route: web.RouteDef) -> str:
    return (route.handler.__doc__ or "").strip().partition("\n")[0]


ROUTES: Final = (
    web.get("/", index),
    *phones.ROUTES,
    *people.ROUTES,
    *trouble.ROUTES,
)


def control_application(network: Steered) -> web.Application:
    """The application behind the control address of a network."""
    app = web.Application(middlewares=[refusing], client_max_size=MAX_BODY)
    app[STEERED] = network
    app.add_routes(ROUTES)
    return app
