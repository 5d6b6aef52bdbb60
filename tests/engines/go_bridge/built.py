"""The engine, with the host that the tests built."""

from pathlib import Path

from lidbook_go_bridge.engine import GoBridgeEngine
from runtimes import go_bridge_runtime


class BuiltGoBridge(GoBridgeEngine):
    """go-bridge, wherever its data dir is, with the host that the tests built. Ask for `go_bridge_binary` as well."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        built = go_bridge_runtime().binary()
        link = data_dir / "bin" / built.name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(built)
