"""Reference text read from source: signatures and docstrings, those under attributes included."""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Final

CORE: Final = Path(__file__).parents[1] / "core" / "lidbook"
_HIDDEN: Final = ("__init__", "__post_init__", "__init_subclass__")


def module_text(module: str) -> str:
    """The docstring of a module of `lidbook`, as it stands there."""
    return ast.get_docstring(_parsed(module)) or ""


def section(module: str, name: str) -> list[str]:
    """What there is to say of one class, function, constant or type of a module of `lidbook`, as Markdown lines."""
    node, text = _found(module, name)
    if isinstance(node, ast.ClassDef):
        return [f"### `{name}`", "", *_bases(node), *_prose(ast.get_docstring(node)), *_members(node)]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [f"### `{_signature(node)}`", "", *_prose(ast.get_docstring(node))]
    return [f"### `{ast.unparse(node)}`", "", *_prose(text)]


def table(*rows: Sequence[str]) -> list[str]:
    """A Markdown table; the first row is its head."""
    head, *body = rows
    return [_row(head), _row(["---"] * len(head)), *(_row(row) for row in body), ""]


def enum_texts(module: str, name: str) -> dict[str, str]:
    """Member of an enum -> what stands under it, on one line; empty for those that need no words."""
    node, _ = _found(module, name)
    if not isinstance(node, ast.ClassDef):
        raise TypeError(f"{name} is no class")
    return {each.targets[0].id: text for each, text in _assigned(node.body) if isinstance(each.targets[0], ast.Name)}


@cache
def _parsed(module: str) -> ast.Module:
    return ast.parse((CORE / f"{module.replace('.', '/')}.py").read_text("utf-8"))


def _found(module: str, name: str) -> tuple[ast.stmt, str]:
    body = _parsed(module).body
    for node, following in zip_longest(body, body[1:]):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name == name:
                return node, ""
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == name:
                return node, _string(following)
    raise LookupError(f"lidbook.{module} has no {name}")


def _members(node: ast.ClassDef) -> list[str]:
    if any(isinstance(base, ast.Name) and base.id == "StrEnum" for base in node.bases):
        return _enumerated(node)
    lines: list[str] = []
    for each, following in zip_longest(node.body, node.body[1:]):
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and not each.target.id.startswith("_"):
            lines += _bullet(ast.unparse(each), _string(following))
        elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == "__init__":
            lines += _set_in(each)
        elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and not each.name.startswith("_"):
            lines += _bullet(_signature(each, method=True), _served(each) + (ast.get_docstring(each) or ""))
    return [*lines, ""] if lines else []


def _enumerated(node: ast.ClassDef) -> list[str]:
    has_ranks = any(isinstance(each.value, ast.Tuple) for each, _ in _assigned(node.body))
    rows: list[Sequence[str]] = [("member", "value", *(["rank"] if has_ranks else []), "")]
    for each, text in _assigned(node.body):
        values = each.value.elts if isinstance(each.value, ast.Tuple) else [each.value]
        first, *rest = [str(ast.literal_eval(value)) for value in values]
        rows.append((f"`{ast.unparse(each.targets[0])}`", f"`{first}`", *rest, text))
    methods = (each for each in node.body if isinstance(each, ast.FunctionDef) and each.name != "__new__")
    bullets = [line for each in methods for line in _bullet(_signature(each, method=True), ast.get_docstring(each))]
    return [*table(*rows), *bullets]


def _set_in(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Attributes that `__init__` sets, as far as somebody wrote a sentence under them."""
    for each, following in zip_longest(function.body, function.body[1:]):
        text = _string(following)
        if isinstance(each, ast.Assign | ast.AnnAssign) and text:
            target = each.targets[0] if isinstance(each, ast.Assign) else each.target
            if isinstance(target, ast.Attribute) and not target.attr.startswith("_"):
                yield from _bullet(target.attr, text)


def _assigned(body: Sequence[ast.stmt]) -> Iterator[tuple[ast.Assign, str]]:
    for each, following in zip_longest(body, body[1:]):
        if isinstance(each, ast.Assign):
            yield each, _line(_string(following))


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, *, method: bool = False) -> str:
    marks = {ast.unparse(mark) for mark in node.decorator_list}
    if marks & {"property", "cached_property"}:
        return f"{node.name}: {ast.unparse(node.returns) if node.returns else ''}"
    arguments = ast.unparse(node.args)
    if method and "staticmethod" not in marks:
        arguments = arguments.removeprefix("self").removeprefix("cls").removeprefix(", ")
    kind = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    kind = "async with " if "asynccontextmanager" in marks else "classmethod " if "classmethod" in marks else kind
    returned = "" if node.returns is None or "asynccontextmanager" in marks else f" -> {ast.unparse(node.returns)}"
    return f"{kind}{node.name}({arguments}){returned}"


def _served(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Which capability a method serves, if it is marked with one."""
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    served = [mark.removeprefix("provides(").removesuffix(")") for mark in marks if mark.startswith("provides(")]
    return f"`{served[0]}`: " if served else ""


def _bases(node: ast.ClassDef) -> list[str]:
    marks = {ast.unparse(mark) for mark in node.decorator_list}
    words = [f"`{ast.unparse(base)}`" for base in node.bases if ast.unparse(base) not in ("abc.ABC", "StrEnum")]
    kind = "frozen dataclass" if any(mark.startswith("dataclass(frozen=True") for mark in marks) else ""
    said = ", ".join(part for part in (kind, " and ".join(words)) if part)
    return [f"*{said}*", ""] if said else []


def _bullet(term: str, text: str | None) -> list[str]:
    """One entry of a list; the words of several paragraphs stay together under it."""
    first, *others = (text or "").strip().split("\n\n")
    head = f"* `{_line(term)}`" + (f" – {_line(first)}" if first else "")
    return [head, *(line for other in others for line in ("", f"  {_line(other)}"))]


def _prose(text: str | None) -> list[str]:
    lines: list[str] = []
    for paragraph in (text or "").split("\n\n"):
        lines += [_line(paragraph), ""] if paragraph.strip() else []
    return lines


def _string(node: ast.stmt | None) -> str:
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return text
    return ""


def _line(text: str) -> str:
    return " ".join(text.split())


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
