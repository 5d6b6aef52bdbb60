"""Who may import whom: the core nobody, engines the core, the api no engine."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ENGINE_ENTRIES: dict[str, str] = PYPROJECT["project"]["entry-points"]["lidbook.engines"]
PACKAGES = {
    path.name: path
    for pattern in ("core/*", "api/*", "engines/*/*")
    for path in ROOT.glob(pattern)
    if path.name.startswith("lidbook")
}
ENGINES = {name for name, path in PACKAGES.items() if path.is_relative_to(ROOT / "engines")}
ALLOWED_AT_THE_TOP = {"pydantic"}


def may_import(package: str) -> set[str]:
    """The project's packages that `package` may import."""
    if package in ENGINES:
        return {package, "lidbook"}
    return {"lidbook": {"lidbook"}, "lidbook_api": {"lidbook", "lidbook_api"}}[package]


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and module of every import in a tree, those by name in a string included."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield node.lineno, module
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield node.lineno, module


def run_on_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported: none in functions, none for type checkers alone."""
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"), orelse=orelse):
                yield from run_on_import(orelse)
            case ast.If() | ast.Try() | ast.With() | ast.ClassDef() | ast.For() | ast.While():
                for field in ("body", "orelse", "finalbody"):
                    yield from run_on_import(getattr(statement, field, []))
                for handler in getattr(statement, "handlers", []):
                    yield from run_on_import(handler.body)
            case _:
                yield statement


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def source_of(module: str) -> Path | None:
    """The file of one of the project's modules."""
    package, *rest = module.split(".")
    if package not in PACKAGES:
        return None
    path = PACKAGES[package].joinpath(*rest)
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def test_the_packages_are_where_the_layout_says() -> None:
    assert {"lidbook", "lidbook_api", "lidbook_sandbox"} <= set(PACKAGES)
    assert {PACKAGES[name].parent.parent for name in ENGINES} == {ROOT / "engines"}


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_package_imports_only_what_it_may(package: str) -> None:
    offences = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sorted(PACKAGES[package].rglob("*.py"))
        for line, module in imported(parsed(path))
        if module.partition(".")[0] in PACKAGES.keys() - may_import(package)
    ]

    assert offences == []


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_imports_are_absolute(package: str) -> None:
    relative = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted(PACKAGES[package].rglob("*.py"))
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]

    assert relative == []


@pytest.mark.parametrize("engine", sorted(ENGINE_ENTRIES))
def test_listing_an_engine_imports_no_third_party_library_of_its_own(engine: str) -> None:
    """Follows the engine's own modules; what the core imports is the core's business."""
    first = ENGINE_ENTRIES[engine].partition(":")[0]
    package = first.partition(".")[0]
    waiting, seen, heavy = [first, package], set[str](), []
    while waiting:
        module = waiting.pop()
        path = source_of(module)
        if module in seen or path is None:
            continue
        seen.add(module)
        for statement in run_on_import(parsed(path).body):
            for line, name in imported(statement):
                top = name.partition(".")[0]
                if top == package:
                    waiting.append(name)
                    if isinstance(statement, ast.ImportFrom):
                        waiting += [f"{name}.{alias.name}" for alias in statement.names]
                elif top not in PACKAGES and top not in sys.stdlib_module_names | ALLOWED_AT_THE_TOP:
                    heavy.append(f"{path.relative_to(ROOT)}:{line} imports {name}")

    assert first in seen, f"{first} is named by an entry point, and is not there"
    assert heavy == []


def test_the_walk_finds_imports_wherever_they_hide() -> None:
    tree = ast.parse(
        "import a.b\nfrom c import d\nif x:\n  def f():\n    import e\n"
        "importlib.import_module('g.h')\n__import__('i')\n"
    )

    assert {module for _, module in imported(tree)} == {"a.b", "c", "e", "g.h", "i"}


def test_what_runs_on_import_leaves_out_functions_and_types() -> None:
    tree = ast.parse(
        "import a\nif TYPE_CHECKING:\n  import b\nelse:\n  import c\ntry:\n  import d\nexcept E:\n  import e\n"
        "def f():\n  import g\nclass C:\n  import h\n  def m(self):\n    import i\n"
    )
    found = {module for statement in run_on_import(tree.body) for _, module in imported(statement)}

    assert found == {"a", "c", "d", "e", "h"}
