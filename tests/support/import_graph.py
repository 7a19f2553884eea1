"""The project's modules and who imports whom, read from the source without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("benchmarks", "ermu", "evaluation", "export", "kernels", "runtime", "training")


@dataclass(frozen=True)
class Import:
    """One import of a module.

    Attributes:
        name: What is imported, absolute: `ermu.runtime.files`, or `ermu.runtime.files.sha256_of`.
        typing: It stands under `if TYPE_CHECKING`.
        lazy: It stands in a function.
    """

    name: str
    typing: bool = False
    lazy: bool = False


def project_modules(root: Path = ROOT) -> dict[str, Path]:
    """Every module by its dotted name; the top-level folders are packages of `ermu`."""
    found = {}
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*.py")):
            if any(parent.is_symlink() for parent in file.parents if root in parent.parents):
                continue  # a checkout may link the folders into ermu/
            parts = file.relative_to(root).with_suffix("").parts
            parts = parts if folder == "ermu" else ("ermu", *parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports_of(source: str, module: str, *, package: bool = False) -> list[Import]:
    """The imports of a module's source.

    Args:
        source: Its text.
        module: Its dotted name, against which relative imports are resolved.
        package: It is a package's `__init__`.
    """
    return list(_imports(ast.parse(source), module if package else module.rpartition(".")[0]))


def _imports(node: ast.AST, package: str, typing: bool = False, lazy: bool = False) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, typing, lazy) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parts = package.split(".")
            base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])
        yield from (Import(f"{base}.{alias.name}", typing, lazy) for alias in node.names)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for child in node.body:
            yield from _imports(child, package, True, lazy)
        for child in node.orelse:
            yield from _imports(child, package, typing, lazy)
    else:
        lazy = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, package, typing, lazy)


def all_imports(modules: Mapping[str, Path]) -> dict[str, list[Import]]:
    """Every module's imports."""
    return {
        name: imports_of(file.read_text(), name, package=file.stem == "__init__")
        for name, file in modules.items()
    }


def target(name: str, modules: Mapping[str, object]) -> str | None:
    """The project's module that an import's name lies in; None where it is another package's."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def circles(arrows: Mapping[str, set[str]]) -> list[list[str]]:
    """Every group of modules that import each other round and round (Tarjan's strong components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in arrows.get(node, ()):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            circle = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(circle) > 1 or node in arrows.get(node, ()):
                found.append(sorted(circle))

    for node in arrows:
        if node not in index:
            visit(node)
    return found
