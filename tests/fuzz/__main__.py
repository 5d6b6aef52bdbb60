"""Every operation of the OpenAPI document against running servers, with schemathesis: `python tests/fuzz`.

Fails when any answer has an undocumented status, content type, header or shape, or is a 5xx, and when fewer requests
were made than were to be. Operations that end or forget things are asked of a server of their own.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

KEY: Final = "key-of-the-fuzzing-run"
CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
NEVER: Final = ("/api/server/stop",)
"""Would end the run; has its own tests."""
DESTRUCTIVE: Final = r"/(stop|start|restart|logout|reset)$|^/api/keys|^/api/sessions/\{session\}$"
"""Paths whose operations are asked of a fresh server, after the others."""
OWN_ACCOUNT: Final = "12025550114"
"""The demo world's second account, for the session that is asked most: the sessions that cases create have the first,
and another device of one account that unblocks whom this one blocks would look like a failure, and be one."""
AT_ONCE: Final = 2
"""Processes of schemathesis at the same time, each with one worker: its threads share what they must not."""
EXPECTED: Final = 6000
"""About what a reading pass makes."""
_BIN: Final = Path(sys.executable).parent
_ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:\d+")
_GENERATED: Final = re.compile(r"(\d+) generated")


def main() -> int:
    """Run the passes and print the figure; 0 when there were no failures and enough requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000, help="how many at least (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the first pass (default %(default)s)")
    wanted = parser.parse_args()
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(AT_ONCE) as pool,
        serving(Path(folder) / "destructive") as ending,
        serving(Path(folder) / "reading") as url,
    ):
        reading = ["--exclude-path-regex", DESTRUCTIVE]
        passes = [pool.submit(_pass, ending, folder, ["--include-path-regex", DESTRUCTIVE], 60, wanted.seed)]
        made, failed, seed = 0, False, wanted.seed
        while passes:
            while not failed and made + EXPECTED * len(passes) < wanted.requests:
                seed += 1
                passes.append(pool.submit(_pass, url, folder, reading, 150, seed))
            count, fault = passes.pop(0).result()
            made, failed = made + count, failed or fault
    verdict = "with failures, see above" if failed else "0 failures"
    print(f"fuzz: {made:,} requests in {time.monotonic() - began:.0f} s, {verdict}")
    return 1 if failed or made < wanted.requests else 0


def _pass(url: str, folder: str, which: list[str], examples: int, seed: int) -> tuple[int, bool]:
    """One run of schemathesis: how many requests it made, and whether anything failed."""
    command = [str(_BIN / "schemathesis"), "run", f"{url}/openapi.json", "-H", f"X-Api-Key: {KEY}", *which]
    command += ["--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing", "--max-examples", str(examples)]
    command += ["--seed", str(seed), "--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off"]
    command += ["--request-timeout", "90", "--workers", "1", "--no-color"]
    for path in NEVER:
        command += ["--exclude-path", path]
    run = subprocess.run(
        command,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(Path(__file__).parent)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    found = _GENERATED.search(run.stdout)
    if run.returncode != 0 or found is None:
        print(run.stdout, run.stderr, sep="\n")
        return int(found[1]) if found else 0, True
    return int(found[1]), False


@contextmanager
def serving(data_dir: Path) -> Iterator[str]:
    """`lidbook serve` with a key, and the sessions that the cases are aimed at."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LIDBOOK", "WAHA", "WHATSAPP"))}
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with data_dir.with_suffix(".log").open("w") as log:
        process = subprocess.Popen(
            [str(_BIN / "lidbook"), "serve", "--port", "0", "--data-dir", str(data_dir)],
            env=environment | {"LIDBOOK_API_KEY": KEY, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdout is not None
            url = next(match[0] for line in process.stdout if (match := _ADDRESS.search(line)))
            _ask("DELETE", f"{url}/api/sessions/default")
            _create(url, "default", {"account": OWN_ACCOUNT})
            for name in ("forgotten", "stopped", "deleted", "changed"):
                _create(url, name, {})
            _create(url, "scanning", {"require_scan": True, "qr_rounds": 20, "qr_seconds": 120})
            yield url
        finally:
            process.terminate()
            process.wait(60)
            if process.stdout is not None:
                process.stdout.close()


def _create(url: str, name: str, settings: dict[str, object]) -> None:
    body = {"name": name, "config": {"engine": "sandbox", "settings": settings}}
    _ask("POST", f"{url}/api/sessions", json.dumps(body).encode())


def _ask(method: str, url: str, body: bytes | None = None) -> None:
    headers = {"X-Api-Key": KEY, "Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        answer.read()


if __name__ == "__main__":
    sys.exit(main())
