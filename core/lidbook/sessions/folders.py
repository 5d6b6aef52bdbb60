"""The folders of sessions in the data dir, for libraries that insist on files: one a session, in it one an engine."""

import shutil
from pathlib import Path


def engine_folder(data_dir: Path, session: str, engine: str) -> Path:
    """The folder of one engine of one session, made if it is not there."""
    folder = data_dir / "sessions" / session / engine
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def forget_folder(data_dir: Path, session: str) -> None:
    """Delete all that engines keep in files for a session. Raises `OSError` when something cannot be deleted."""
    folder = data_dir / "sessions" / session
    if folder.exists():
        shutil.rmtree(folder)
