"""What is built: found wherever the package is, and told apart by what matters."""

import os
import zipfile
from pathlib import Path

import pytest

from lidbook_go_bridge.sources import Sources


def tree(folder: Path) -> Path:
    """Sources as they stand in a checkout."""
    for path in (
        "go.mod",
        "go.sum",
        "main.go",
        "main_test.go",
        "README.md",
        "bridge",
        "inner/part.go",
        "inner/schema.sql",
        "testdata/sample.go",
        "_old/part.go",
        ".cache/part.go",
    ):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    return folder


BUILT_OF = ["go.mod", "go.sum", "inner/part.go", "inner/schema.sql", "main.go"]


def test_tests_and_what_go_passes_over_are_not_built_of(tmp_path: Path) -> None:
    assert list(Sources.load(tree(tmp_path)).files) == BUILT_OF


def test_they_are_found_in_a_zip_as_well(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as archive:
        for path in BUILT_OF:
            archive.writestr(f"bridge/{path}", path)
    with zipfile.ZipFile(tmp_path / "package.zip") as archive:
        assert list(Sources.load(zipfile.Path(archive, "bridge/")).files) == BUILT_OF


def test_they_are_written_as_they_are_read(tmp_path: Path) -> None:
    sources = Sources.load(tree(tmp_path / "a"))
    sources.write_to(tmp_path / "b")
    assert Sources.load(tmp_path / "b") == sources


@pytest.mark.parametrize("changed", BUILT_OF)
def test_the_mark_is_another_when_a_file_is(changed: str, tmp_path: Path) -> None:
    before = Sources.load(tree(tmp_path)).mark()
    (tmp_path / changed).write_text("changed")
    assert Sources.load(tmp_path).mark() != before


def test_the_mark_is_another_when_a_file_is_called_otherwise(tmp_path: Path) -> None:
    before = Sources.load(tree(tmp_path)).mark()
    (tmp_path / "main.go").rename(tmp_path / "other.go")
    assert Sources.load(tmp_path).mark() != before


def test_the_mark_is_another_on_another_kind_of_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = Sources.load(tree(tmp_path))
    before = sources.mark()
    here = os.uname()
    monkeypatch.setattr(
        os, "uname", lambda: os.uname_result((here.sysname, here.nodename, here.release, here.version, "pdp11"))
    )
    assert sources.mark() != before


def test_the_mark_is_the_same_when_nothing_is_built_of_what_changed(tmp_path: Path) -> None:
    before = Sources.load(tree(tmp_path)).mark()
    (tmp_path / "README.md").write_text("changed")
    (tmp_path / "main_test.go").unlink()
    assert Sources.load(tmp_path).mark() == before


def test_the_package_has_them() -> None:
    files = Sources.load().files
    assert {"go.mod", "go.sum", "main.go"} <= files.keys()
