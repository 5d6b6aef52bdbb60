"""The floor: a bare FastAPI route on uvicorn, served as Lidbook is. `python -m bench.floor`."""

import socket

import uvicorn
from fastapi import FastAPI

PATH = "/floor"
BODY = {"message": "pong"}


async def floor() -> dict[str, str]:
    """Next to nothing, as JSON."""
    return dict(BODY)


def create_app() -> FastAPI:
    """An app with one route. The answer is given no model: what a bare route costs is the framework alone."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_api_route(PATH, floor, methods=["GET"], response_model=None)
    return app


def main() -> None:
    """Serve until told to stop, on a port of the system's choice, which is printed."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(
        create_app(), lifespan="off", loop="uvloop", http="httptools", ws="none", access_log=False, log_config=None
    )
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
