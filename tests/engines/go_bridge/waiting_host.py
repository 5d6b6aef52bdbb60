"""A host that connects to nothing: every session in it shows a QR code. Imports nothing of ours."""

import json
import os
import socket
from typing import Any

HELLO = {"protocol": 1, "name": "waiting", "version": "1", "library": "none"}


def serve(connection: socket.socket) -> None:
    """Until the other end is closed."""

    def write(**message: Any) -> None:
        connection.sendall(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    for line in connection.makefile("rb"):
        asked = json.loads(line)
        write(id=asked["id"], result=HELLO if asked["method"] == "hello" else {})
        if asked["method"] == "session.start":
            write(method="qr", params={"session": asked["params"]["session"], "value": "scan me"})


if __name__ == "__main__":
    serve(socket.socket(fileno=int(os.environ["LIDBOOK_HOST_FD"])))
