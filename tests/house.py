"""The source tree as a graph of modules, read from the syntax and never imported."""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGES = ("bot", "storage")


@dataclass(frozen=True)
class Module:
    """One file of ours."""

    name: str  # bot.matrix.client; a package by its own name
    path: str  # bot/matrix/client.py
    source: str

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(ast.parse(self.source)))

    @cached_property
    def calls(self) -> tuple[ast.Call, ...]:
        return tuple(node for node in self.nodes if isinstance(node, ast.Call))

    @cached_property
    def constants(self) -> tuple[str, ...]:
        return tuple(
            node.value
            for node in self.nodes
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )

    @cached_property
    def imported_names(self) -> tuple[tuple[str, str], ...]:
        """(module, name) of every import, wherever it stands; the name is "" for `import x`."""
        names = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                names += [(alias.name, "") for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                names += [(module, alias.name) for alias in node.names]
        return tuple(names)


@dataclass(frozen=True)
class House:
    """Every module of ours by its name."""

    modules: Mapping[str, Module]

    def __iter__(self) -> Iterator[Module]:
        return iter(self.modules.values())

    def of(self, *prefixes: str) -> Iterator[Module]:
        """The modules with one of these names, or inside a package of that name."""
        return (one for one in self if within(one.name, *prefixes))

    def imports(self, module: Module) -> frozenset[str]:
        """The modules that it names: ours in full, of others only the first part of the name."""
        return frozenset(
            self._target(where, name) for where, name in module.imported_names
        ) - frozenset(sys.stdlib_module_names)

    def _target(self, where: str, name: str) -> str:
        whole = f"{where}.{name}"
        if whole in self.modules:
            return whole
        return where if is_ours(where) else where.partition(".")[0]

    def reached(self, name: str, *, not_through: frozenset[str] = frozenset()) -> Mapping[str, str]:
        """Everything that importing a module brings with it, each with the module that named it.

        Importing a module runs the packages around it as well. Nothing behind `not_through` is
        followed.
        """
        found: dict[str, str] = {}
        waiting = [name]
        while waiting:
            module = self.modules.get(waiting.pop())
            if module is None or module.name in not_through:
                continue
            for target in self.imports(module) | frozenset(parents(module.name)):
                if target not in found and target != name:
                    found[target] = module.name
                    waiting.append(target)
        return found


def read_house(root: Path) -> House:
    """The modules under a folder that holds our packages."""
    files = [file for package in PACKAGES for file in sorted((root / package).rglob("*.py"))]
    modules = (_module(file.relative_to(root), file.read_text("utf-8")) for file in files)
    return House({module.name: module for module in modules})


def _module(path: Path, source: str) -> Module:
    parts = path.with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(name, path.as_posix(), source)


def within(name: str, *prefixes: str) -> bool:
    """Whether a module is one of these or lies in one of them."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def is_ours(name: str) -> bool:
    """Whether a module name belongs to this repository."""
    return within(name, *PACKAGES)


def parents(name: str) -> list[str]:
    """The packages around a module."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def dotted(node: ast.expr) -> str:
    """`self._storage.vaults` for the expression that reads so; "" for what is no plain name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""
