"""A host that speaks the protocol, and misbehaves where it is told to: a program of its own, with nothing of ours.

What a session does stands in its settings: `do` when it is started, `answers` per method. `HOST_HELLO` in the
environment spoils the hello. A host keeps no state but what is in its sessions' folders.
"""

import json
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Json = dict[str, Any]
AT = 1_760_000_000_000


class Host:
    """One connection; everything is done by the one thread that reads, but for what is fed."""

    def __init__(self) -> None:
        self.socket = socket.socket(fileno=int(os.environ["LIDBOOK_HOST_FD"]))
        self.sessions: dict[str, Json] = {}
        self.held: list[Json] = []
        self.feeders: dict[str, threading.Thread] = {}
        self.answers: dict[int, Callable[[Json], None]] = {}
        self.sent = 0
        self.lock = threading.Lock()
        self.deaf_to_pings = False

    def serve(self) -> None:
        with self.socket.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if "method" in message:
                    self.asked(message)
                else:
                    self.answers.pop(message["id"])(message)

    def write(self, message: Json) -> None:
        self.raw(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def raw(self, line: bytes) -> None:
        with self.lock:
            self.socket.sendall(line)

    def tell(self, method: str, **params: Any) -> None:
        self.write({"method": method, "params": params})

    def ask(self, method: str, params: Json, answered: Callable[[Json], None]) -> None:
        with self.lock:
            self.sent += 1
            number = self.sent
        self.answers[number] = answered
        self.write({"id": number, "method": method, "params": params})

    def wait_for(self, method: str, params: Json) -> Json:
        """From a thread of its own."""
        answers: queue.SimpleQueue[Json] = queue.SimpleQueue()
        self.ask(method, params, answers.put)
        return answers.get()

    def reply(self, message: Json, result: Json) -> None:
        self.write({"id": message["id"], "result": result})

    def refuse(self, message: Json, code: str, **data: Any) -> None:
        error = {"code": -32000, "message": f"refused: {code}", "data": {"code": code, **data}}
        self.write({"id": message["id"], "error": error})

    def asked(self, message: Json) -> None:
        method, params = message["method"], message["params"]
        if method == "hello":
            self.hello(message)
            return
        if method == "ping":
            if not self.deaf_to_pings:
                self.reply(message, {})
            return
        for held in self.held:
            self.reply(held, {"state": "none"})
        self.held = []
        session = self.sessions.get(params["session"], {})
        match session.get("answers", {}).get(method):
            case None:
                self.serve_call(message, method, params)
            case "silence":
                pass
            case "once fed":
                threading.Thread(target=self.stop_once_fed, args=(message,), daemon=True).start()
            case "late":
                self.held.append(message)
            case "crash":
                die("panic: asked too much")
            case "ask much":
                self.serve_call(message, method, params)
                for _ in range(60):
                    self.ask("vault.get", {"session": params["session"], "name": "none"}, self.keep(Path("/dev/null")))
            case "nonsense":
                self.reply(message, {"unheard": "of"})
            case "unknown":
                self.write({"id": message["id"], "error": {"code": -32601, "message": "no such method"}})
            case "rate_limited":
                self.refuse(message, "rate_limited", retry_after=17)
            case code:
                self.refuse(message, code)

    def stop_once_fed(self, message: Json) -> None:
        self.feeders[message["params"]["session"]].join()
        self.reply(message, {})

    def hello(self, message: Json) -> None:
        answer = {"protocol": 1, "name": "misbehaving", "version": "1", "library": "none"}
        match os.environ.get("HOST_HELLO"):
            case None:
                self.reply(message, answer)
            case "newer":
                self.reply(message, {**answer, "protocol": 2})
            case "refused":
                self.refuse(message, "engine_error")
            case "nonsense":
                self.reply(message, {})
            case "silence":
                pass
            case "crash":
                die("panic: no hello from me")
            case "env":
                self.reply(message, {**answer, "library": json.dumps([dict(os.environ), message["params"]])})
            case path:  # crashes at start until the file is there
                if not Path(path).exists():
                    die("panic: not yet")
                self.reply(message, answer)

    def serve_call(self, message: Json, method: str, params: Json) -> None:
        result: Json = {}
        match method:
            case "session.start":
                self.start(message, params)
                return
            case "session.stop" | "session.logout":
                self.sessions.pop(params["session"], None)
            case "session.pairing_code":
                result = {"code": "ABCD-EFGH"}
            case "session.passkey":
                self.tell("passkey_confirmation", session=params["session"], code=params["assertion"]["id"])
            case "contacts.check":
                result = {"answers": [registration(phone) for phone in params["phones"]]}
            case "lids.query":
                result = {"lids": {phone: registration(phone)["lid"] for phone in params["phones"]}}
            case "contacts.about":
                result = {"abouts": [None if person["phone"] is None else "Busy" for person in params["persons"]]}
            case "contacts.picture":
                result = {"state": "present", "url": "https://p.example/1.jpg", "expires_at": AT}
            case "contacts.update":
                names = {name: params[name] for name in ("first_name", "last_name")}
                full = " ".join(name for name in names.values() if name)
                result = {"person": params["person"], **names, "full_name": full + "!" * params["save_on_phone"]}
            case "contacts.block":
                result = {"users": [params["person"]["lid"]]}
            case "contacts.unblock":
                result = {"users": []}
            case "contacts.delete" | "groups.refresh" | "session.passkey_confirm":
                pass
            case _:
                self.write({"id": message["id"], "error": {"code": -32601, "message": method}})
                return
        self.reply(message, result)

    def start(self, message: Json, params: Json) -> None:
        run, settings = params["session"], params["settings"]
        folder = Path(params["folder"])
        self.sessions[run] = settings
        with (folder / "starts").open("a") as starts:
            starts.write(f"{os.getpid()}\n")
        (folder / "start.json").write_text(json.dumps(params))
        for step in settings["do"]:
            match step:
                case "crash":
                    die(f"panic: poison {settings['number']}\n\ngoroutine 7 [running]:\nmain.main()")
                case "crash once":
                    if not (folder / "crashed").exists():
                        (folder / "crashed").touch()
                        die("panic: just this once")
                case "crash three times":
                    if len((folder / "starts").read_text().split()) <= 3:
                        die("panic: not yet")
                case "segfault":
                    os.kill(os.getpid(), signal.SIGSEGV)
                case "close":
                    self.socket.shutdown(socket.SHUT_RDWR)
                    time.sleep(60)
                case "work":
                    self.work(run, settings)
                case "scan":
                    self.tell("qr", session=run, value=f"qr {settings['number']}")
                case "challenge":
                    self.tell("passkey_challenge", session=run, challenge=CHALLENGE)
                case "fail":
                    self.tell("status", session=run, status="FAILED", reason="banned", account=None, detail="too many")
                case "invent":
                    self.tell("status", session=run, status="DANCING", reason=None)
                case "refuse":
                    self.refuse(message, "logged_out")
                    return
                case "deaf":
                    self.deaf_to_pings = True
                case "hang":
                    time.sleep(60)
                case "malformed":
                    self.raw(b"} this is no JSON\n")
                case "endless":
                    self.raw(b"x" * (17 << 20))
                case "batch":
                    self.raw(b"[]\n")
                case "print":
                    sys.stdout.write("noise\n" + '{"jsonrpc": "2.0", "method": "status"}\n' + "y" * 100_000)
                    sys.stderr.write("half a line")
                    sys.stdout.flush()
                    sys.stderr.flush()
                case "chatter":
                    sys.stdout.write("again\n" * 5000)
                    sys.stdout.flush()
                case "log":
                    self.tell("log", session=run, level="warning", event="look here", values={"event": 1, "count": 2})
                    self.tell("log", session=None, level="info", event="the library is old", values={})
                case "flood":
                    for _ in range(100):
                        self.ask("facts", {"session": run, "facts": facts(0)}, self.keep(folder / "flooded"))
                case "feed early":
                    self.ask("facts", {"session": run, "facts": facts(0)}, self.keep(folder / "early"))
                case "feed nonsense":
                    bad = {"fact": "field", "user": "12:3@c.us", "field": "about", "value": "", "source": "server"}
                    params_ = {"session": run, "facts": [*facts(0), {**bad, "at": AT}]}
                    self.ask("facts", params_, self.keep(folder / "nonsense"))
                case "feed":
                    self.feeders[run] = threading.Thread(target=self.feed, args=(run, folder), daemon=True)
                    self.feeders[run].start()
                case "vault":
                    threading.Thread(target=self.keep_books, args=(run, folder), daemon=True).start()
                case "ghost":
                    self.tell("status", session="nobody.1234", status="WORKING", reason=None)
                    self.ask("facts", {"session": "nobody.1234", "facts": []}, self.keep(folder / "ghost"))
                case "ask":
                    self.ask("weather", {"session": run}, self.keep(folder / "weather"))
        self.reply(message, {})

    def keep(self, path: Path) -> Callable[[Json], None]:
        def answered(answer: Json) -> None:
            with path.open("a") as file:
                file.write(json.dumps(answer) + "\n")
            if path.name == "early":
                run = next(iter(self.sessions))
                self.work(run, self.sessions[run])

        return answered

    def work(self, run: str, settings: Json) -> None:
        own = {"phone": f"{15550100 + settings['number']}@c.us", "lid": f"{9100 + settings['number']}@lid"}
        account = {**own, "pushname": "Robin", "device": 3}
        self.tell("status", session=run, status="WORKING", reason=None, account=account, detail=None)

    def feed(self, run: str, folder: Path) -> None:
        """Batch after batch, for ever; each that is acknowledged is noted."""
        acked = folder / "acked"
        number = len(acked.read_text().split()) if acked.exists() else 0
        while True:
            if "result" not in self.wait_for("facts", {"session": run, "facts": facts(number)}):
                return
            with acked.open("a") as file:
                file.write(f"{number}\n")
            number += 1

    def keep_books(self, run: str, folder: Path) -> None:
        said = [
            self.wait_for("vault.put", {"session": run, "blobs": {"creds": "AAEC", "old": None}}),
            self.wait_for("vault.get", {"session": run, "name": "creds"}),
            self.wait_for("vault.get", {"session": run, "name": "none"}),
            self.wait_for("vault.put", {"session": run, "blobs": {"creds": "*"}}),
            self.wait_for("sync", {"session": run, "feed": "contacts", "expected": 2, "received": 2, "complete": True}),
        ]
        (folder / "vault.part").write_text(json.dumps(said))
        (folder / "vault.part").rename(folder / "vault")


CHALLENGE = {
    "challenge": "AAAA",
    "timeout": 60000,
    "rpId": "whatsapp.com",
    "allowCredentials": [{"id": "BBBB", "type": "public-key", "transports": ["internal"]}],
    "userVerification": "preferred",
    "extensions": {"largeBlob": {}},
}


def facts(batch: int) -> list[Json]:
    """Fifty people of the address book."""
    return [
        {
            "fact": "field",
            "user": f"{49_1500_000_000 + person}@c.us",
            "field": "full_name",
            "value": f"Person {person}",
            "source": "address-book",
            "at": AT + person,
        }
        for person in range(batch * 50, batch * 50 + 50)
    ]


def registration(phone: str) -> Json:
    known = not phone.startswith("999")
    return {
        "asked": phone,
        "phone": phone if known else None,
        "lid": phone.replace("@c.us", "@lid") if known else None,
        "username": None,
        "verified_name": None,
        "business": False,
    }


def die(last_words: str) -> None:
    sys.stderr.write(last_words + "\n")
    sys.stderr.flush()
    os._exit(3)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell lets what it runs in the background ignore it
    Host().serve()
