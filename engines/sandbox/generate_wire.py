"""Generate `wire_pb2.py` and `wire_pb2.pyi` from `wire.proto`: `python engines/sandbox/generate_wire.py`.

The generated module refuses runtimes of another major version than the compiler's. That check is taken out,
because the module uses only what protobuf has offered since 5.26; a test loads it and another compares it.
"""

from __future__ import annotations

import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc  # type: ignore[import-untyped]

HERE = Path(__file__).parent
WIRE = Path("lidbook_sandbox/network/wire")
GENERATED = ("wire_pb2.py", "wire_pb2.pyi")

_RUNTIME_CHECK = re.compile(
    r"from google\.protobuf import runtime_version as _runtime_version\n"
    r"|_runtime_version\.ValidateProtobufRuntimeVersion\([^)]*\)\n"
    r"|# Protobuf Python Version: .*\n"
)


def generate() -> dict[str, str]:
    """Each generated file's text by its name; raises `RuntimeError` when `wire.proto` does not compile."""
    with tempfile.TemporaryDirectory() as folder:
        code = protoc.main(
            [
                "protoc",
                f"--proto_path={HERE}",
                f"--proto_path={files('grpc_tools') / '_proto'}",
                f"--python_out={folder}",
                f"--pyi_out={folder}",
                str(HERE / WIRE / "wire.proto"),
            ]
        )
        if code != 0:
            raise RuntimeError(f"protoc ended with {code}: see its messages above")
        return {name: _adapted((Path(folder) / WIRE / name).read_text()) for name in GENERATED}


def _adapted(text: str) -> str:
    """Without the runtime check, and with the type arguments that strict type checking asks of the stubs."""
    return re.sub(r"\b_Mapping\]", "_Mapping[str, object]]", _RUNTIME_CHECK.sub("", text))


def main() -> int:
    """Write both files beside `wire.proto`."""
    for name, text in generate().items():
        (HERE / WIRE / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
