"""The generated protobuf module is what `wire.proto` says, and needs no particular protobuf runtime."""

import importlib.util
import re
from pathlib import Path

import pytest

from lidbook_sandbox.network import wire
from lidbook_sandbox.network.wire import wire_pb2

ENGINE = Path(wire.__file__).parents[3]
GENERATOR = ENGINE / "generate_wire.py"


def test_the_generated_files_are_up_to_date() -> None:
    pytest.importorskip("grpc_tools", reason="pip install 'lidbook[dev]'")
    spec = importlib.util.spec_from_file_location("generate_wire", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    for name, text in generator.generate().items():
        kept = Path(wire.__file__).with_name(name).read_text("utf-8")
        assert kept == text, f"{name} is not up to date: run python {GENERATOR.relative_to(ENGINE.parents[1])}"


def test_the_generated_module_checks_no_runtime_version() -> None:
    generated = Path(wire_pb2.__file__).read_text("utf-8")
    assert "runtime_version" not in generated


def test_only_optional_and_repeated_fields_but_where_whatsapp_requires_them() -> None:
    proto = Path(wire.__file__).with_name("wire.proto").read_text("utf-8")
    assert sorted(re.findall(r"required \S+ (\S+) =", proto)) == ["ID", "assignedLid", "key", "pn", "syncType"]


@pytest.mark.parametrize(
    ("message", "encoded"),
    [
        (
            wire_pb2.ClientPayload(username=1, passive=True, device=2, pull=True, lidDbMigrated=True),
            "08011801900102880201c80201",
        ),
        (wire_pb2.HandshakeMessage(clientHello={"ephemeral": b"e"}), "12030a0165"),
        (wire_pb2.Pushname(ID="1@lid", pushname="Ana"), "0a0531406c69641203416e61"),
    ],
)
def test_a_message_is_written_by_its_field_numbers(
    message: wire_pb2.ClientPayload | wire_pb2.HandshakeMessage | wire_pb2.Pushname, encoded: str
) -> None:
    assert message.SerializeToString().hex() == encoded
