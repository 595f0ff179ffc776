"""Who may import whom: each rule is a function that yields a sentence for every breach.

`tests/test_architecture.py` shows that the tree keeps them and that each of them can fail.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping

from tests.house import House, Module, dotted, is_ours, within

Rule = Callable[[House], Iterator[str]]

ROOTS = (
    "bot.app",
    "bot.__main__",
    "bot.own_identity",
    "bot.keeping",
    "bot.auditing",
    "bot.audit_verbs",
    "bot.demo",
)
"""The only ones that know every part."""

INNERMOST: Mapping[str, frozenset[str]] = {
    "bot.messages": frozenset(),
    "bot.completions": frozenset(),
    "bot.room_events": frozenset({"bot.messages"}),
    "bot.errors": frozenset(),
    "bot.durations": frozenset(),
    "bot.evidence": frozenset(),
    "bot.gateway_policy": frozenset(),
    "bot.config_values": frozenset({"bot.durations"}),
    "bot.config": frozenset(
        {
            "bot.config_values",
            "bot.durations",
            "bot.errors",
            "bot.evidence",
            "bot.gateway_policy",
        }
    ),
}
"""The modules that others rest on, and what of ours each may import."""

VALUES = frozenset(
    {
        "bot.messages",
        "bot.room_events",
        "bot.completions",
        "bot.errors",
        "bot.evidence",
        "bot.config",
    }
)

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "Crypto": (
        "bot.matrix.secret_storage",
        "bot.matrix.signed_json",
        "storage.sealing",
        "storage.checkpoints",
    ),
    "aiohttp": ("bot.matrix.http", "bot.demo.model"),
    "aiosqlite": ("storage.database",),
    "apscheduler": ("bot.jobs",),
    "httpx2": ("bot.gateway_http",),
    "markdown_it": ("bot.matrix.html",),
    "nh3": ("bot.matrix.html",),
    "nio": ("bot.matrix",),
    "numpy": ("storage.vectors",),
    "openai": ("bot.gateway",),
    "peewee": ("bot.matrix.backup_ledger", "bot.matrix.crypto_store"),
    "prompt_toolkit": ("bot.demo",),
    "pydantic": ("bot.config", "bot.config_values"),
    "pydantic_core": ("bot.config", "bot.config_values"),
    "pydantic_settings": ("bot.config",),
    "pyrage": ("storage.passphrase",),
    "sqlcipher3": ("storage.database",),
    "vodozemac": ("bot.matrix.key_backup", "bot.matrix.sas", "bot.matrix.signed_json"),
}
"""Every outside library and the one place that may know it; another has to be added here."""


def family(name: str) -> str | None:
    """Which adapter to the outside world a module belongs to."""
    if within(name, "bot.matrix"):
        return "matrix"
    found = re.fullmatch(r"bot\.(gateway|jobs)(_\w+)?", name)
    return found[1] if found else None


def storage_knows_nothing_of_the_bot(house: House) -> Iterator[str]:
    for module in house.of("storage"):
        for name in house.imports(module):
            if within(name, "bot"):
                yield f"{module.path} imports {name}"


def the_bot_takes_only_public_names_of_storage(house: House) -> Iterator[str]:
    public = _public_names(house.modules.get("storage"))
    for module in house.of("bot"):
        for where, name in module.imported_names:
            if within(where, "storage") and (where != "storage" or name not in public):
                yield f"{module.path} imports {where}.{name}".rstrip(".")


def _public_names(package: Module | None) -> frozenset[str]:
    for node in package.nodes if package else ():
        if isinstance(node, ast.Assign) and dotted(node.targets[0]) == "__all__":
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def what_others_rest_on_rests_on_nothing_else(house: House) -> Iterator[str]:
    for module in house:
        for name in house.imports(module) if module.name in INNERMOST else ():
            if is_ours(name) and name not in INNERMOST[module.name]:
                yield f"{module.path} imports {name}"


def adapters_know_values_and_storage_alone(house: House) -> Iterator[str]:
    for module in house:
        own = family(module.name)
        for name in house.imports(module) if own else ():
            if is_ours(name) and name not in VALUES | {"storage"} and family(name) != own:
                yield f"{module.path} imports {name}"


def only_the_root_knows_adapters(house: House) -> Iterator[str]:
    for module in house:
        if within(module.name, *ROOTS) or family(module.name):
            continue
        for name in house.imports(module) - INNERMOST.get(module.name, frozenset()):
            if family(name):
                yield f"{module.path} imports {name}"


def only_the_command_line_and_the_demo_know_the_root(house: House) -> Iterator[str]:
    for module in house:
        for name in house.imports(module):
            if within(name, *ROOTS) and not within(module.name, *ROOTS):
                yield f"{module.path} imports {name}"


def the_inside_reaches_no_library(house: House) -> Iterator[str]:
    """Not through any chain of ours either; storage and config are where one may stop asking."""
    for module in house.of("bot"):
        if within(module.name, *ROOTS) or family(module.name) or module.name in INNERMOST:
            continue
        reached = house.reached(module.name, not_through=frozenset({"storage", "bot.config"}))
        for name, importer in reached.items():
            if not is_ours(name):
                yield f"{module.path} reaches {name}, through {importer}"


def each_library_has_its_place(house: House) -> Iterator[str]:
    for module in house:
        for name in house.imports(module):
            if is_ours(name):
                continue
            places = LIBRARIES.get(name, ())
            if not within(module.name, *places):
                where = " or ".join(places) or "nowhere: give it one here"
                yield f"{module.path} imports {name}, whose place is {where}"


def no_module_needs_itself(house: House) -> Iterator[str]:
    for module in house:
        waiting, seen = list(house.imports(module)), set[str]()
        while waiting:
            name = waiting.pop()
            if name == module.name:
                yield f"{module.path} imports itself, by way of others"
                break
            if name in house.modules and name not in seen:
                seen.add(name)
                waiting += house.imports(house.modules[name])


def imports_are_absolute_and_written_down(house: House) -> Iterator[str]:
    for module in house:
        for where, name in module.imported_names:
            if where.startswith(".") or name == "*":
                yield f"{module.path} imports {where}{name}"
        for call in module.calls:
            if dotted(call.func).rpartition(".")[2] in {"__import__", "import_module"}:
                yield f"{module.path}:{call.lineno} imports by a computed name"


def every_module_is_used(house: House) -> Iterator[str]:
    for root in ("bot.__main__", "storage"):
        if root not in house.modules:
            continue
        reached = {root, *house.reached(root)}
        for module in house.of(root.partition(".")[0]):
            if module.name not in reached:
                yield f"{module.path} is not reached from {root}"


WALLS: tuple[Rule, ...] = (
    storage_knows_nothing_of_the_bot,
    the_bot_takes_only_public_names_of_storage,
    what_others_rest_on_rests_on_nothing_else,
    adapters_know_values_and_storage_alone,
    only_the_root_knows_adapters,
    only_the_command_line_and_the_demo_know_the_root,
    the_inside_reaches_no_library,
    each_library_has_its_place,
    no_module_needs_itself,
    imports_are_absolute_and_written_down,
    every_module_is_used,
)
