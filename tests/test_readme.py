"""The engine in the README is one; the README's commands are run by `tests/docs`."""

import json
import re
from pathlib import Path

from lidbook.app import CoreSettings, Lidbook
from lidbook.engine import Engine
from lidbook.hooks import Hooks
from lidbook.identifiers import Lid
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig

README = Path(__file__).parents[1] / "README.md"


async def test_the_engine_in_the_readme_works(tmp_path: Path) -> None:
    """The class as it stands there, in a core of its own: Ann is known by both identifiers."""
    source = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert source is not None
    names: dict[str, object] = {}
    exec(compile(source[1], str(README), "exec"), names)  # noqa: S102 - it is our own README
    engine = names["TinyEngine"]
    assert isinstance(engine, type)
    assert issubclass(engine, Engine)
    lidbook = await Lidbook.open(CoreSettings(tmp_path), engines=EngineRegistry.of(engine), hooks=Hooks())
    await lidbook.sessions.create("s", SessionConfig(engine="tiny"))
    session = await lidbook.sessions.usable("s")
    assert json.loads(session.directory.contact(Lid("9101")))["name"] == "Ann Lee"
    await lidbook.close()
