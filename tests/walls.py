"""What must hold of our source: each rule is a function that yields a sentence for every breach.

`tests/test_architecture.py` shows that the tree keeps them and that each of them can fail.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping

from tests.house import House, Module, dotted, is_ours, within

Rule = Callable[[House], Iterator[str]]

ROOTS = ("bot.app", "bot.__main__", "bot.demo")
"""The only ones that know every part."""

INNERMOST: Mapping[str, frozenset[str]] = {
    "bot.messages": frozenset(),
    "bot.errors": frozenset(),
    "bot.durations": frozenset(),
    "bot.gateway_policy": frozenset(),
    "bot.config_values": frozenset({"bot.durations"}),
    "bot.config": frozenset(
        {"bot.config_values", "bot.durations", "bot.errors", "bot.gateway_policy"}
    ),
}
"""The modules that others rest on, and what of ours each may import."""

VALUES = frozenset({"bot.messages", "bot.errors", "bot.config"})

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "Crypto": ("bot.matrix.signed_json", "storage.sealing"),
    "aiohttp": ("bot.matrix.http", "bot.demo.model"),
    "aiosqlite": ("storage.database",),
    "apscheduler": ("bot.jobs",),
    "httpx2": ("bot.gateway_http",),
    "markdown_it": ("bot.matrix.html",),
    "nh3": ("bot.matrix.html",),
    "nio": ("bot.matrix",),
    "openai": ("bot.gateway",),
    "peewee": ("bot.matrix.crypto_store",),
    "prompt_toolkit": ("bot.demo",),
    "pydantic": ("bot.config", "bot.config_values"),
    "pydantic_core": ("bot.config", "bot.config_values"),
    "pydantic_settings": ("bot.config",),
    "sqlcipher3": ("storage.database",),
    "vodozemac": ("bot.matrix.signed_json",),
}
"""Every outside library and the one place that may know it; another has to be added here."""

CATCHES_BUGS = {
    "bot/handler.py": "answers them with a reference",
    "bot/jobs.py": "one job's bug must not stop the others",
    "bot/delivery.py": "keeps it until the room is tidy and raises it then",
}


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
            if module.name not in places and not within(module.name, *_packages(house, places)):
                yield f"{module.path} imports {name}, whose place is {' or '.join(places) or 'none'}"


def _packages(house: House, places: tuple[str, ...]) -> list[str]:
    """Those of the places that are folders: a library of `bot.matrix` may be known in all of it."""
    return [place for place in places if any(within(one.name, place) for one in house)]


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
        reached = house.reached(root) if root in house.modules else None
        for module in house.of(root.partition(".")[0]) if reached is not None else ():
            if module.name != root and module.name not in reached:
                yield f"{module.path} is not reached from {root}"


def vaults_open_from_the_sender_and_in_one_file(house: House) -> Iterator[str]:
    openers = set()
    for module in house.of("bot"):
        uses = [node for node in module.nodes if _is_of_vaults(node)]
        calls = [call for call in module.calls if call.func in uses]
        openers |= {module.path for call in calls if dotted(call.func).endswith("vaults.open")}
        if len(calls) != len(uses):
            yield f"{module.path} passes a method of the vaults on"
        for call in calls:
            owner = [dotted(one) for one in call.args]
            if call.keywords or not re.fullmatch(r"(\w+\.)?message\.sender", ",".join(owner)):
                yield f"{module.path}:{call.lineno} takes a vault not from message.sender"
    if len(openers) > 1 or ("bot.handler" in house.modules and not openers):
        yield f"vaults are opened in {len(openers)} files: {', '.join(sorted(openers))}"


def _is_of_vaults(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and dotted(node.value).rpartition(".")[2] == "vaults"


def commands_are_not_matched_by_their_beginning(house: House) -> Iterator[str]:
    deciding = ("bot.command", "bot.commands", "bot.handler", "bot.exchange", "bot.access")
    for module in house.of(*deciding):
        for call in module.calls:
            told_by = dotted(call.args[0]).rpartition(".")[2] if call.args else ""
            by_its_start = isinstance(call.func, ast.Attribute) and call.func.attr == "startswith"
            if by_its_start and not told_by.endswith("prefix"):
                yield f"{module.path}:{call.lineno} matches by startswith"


def every_task_has_a_group(house: House) -> Iterator[str]:
    loose = {"create_task", "ensure_future", "gather", "run_coroutine_threadsafe"}
    for module in house:
        for call in module.calls:
            owner, _, method = dotted(call.func).rpartition(".")
            if method in loose and (owner == "asyncio" or owner.endswith("loop") or not owner):
                yield f"{module.path}:{call.lineno} starts a task outside a group"


def bugs_are_caught_where_that_is_said(house: House) -> Iterator[str]:
    for module in house:
        for node in module.nodes if module.path not in CATCHES_BUGS else ():
            if not isinstance(node, ast.ExceptHandler):
                continue
            kind = dotted(node.type) if node.type else "BaseException"
            raises = any(isinstance(one, ast.Raise) for one in ast.walk(node))
            if kind in {"Exception", "BaseException"} and not raises:
                yield f"{module.path}:{node.lineno} swallows every exception"


def sql_is_written_in_storage_alone(house: House) -> Iterator[str]:
    sql = re.compile(r"\s*(SELECT\s.+\sFROM|INSERT\s.*INTO|DELETE\s+FROM|UPDATE\s.+\sSET|PRAGMA)\s")
    for module in house.of("bot"):
        for text in module.constants:
            if sql.match(text):
                yield f"{module.path} holds SQL: {text[:40]}"


def one_file_sends(house: House) -> Iterator[str]:
    """Into rooms, that is: to-device messages carry keys and are not what a person wrote."""
    for module in house.of("bot"):
        if module.name == "bot.matrix.sender":
            continue
        if within(module.name, "bot.matrix", "bot.demo") and {"send", "redact"} & {
            *module.constants
        }:
            yield f"{module.path} names the endpoint that sends"
        for call in module.calls:
            if dotted(call.func).rpartition(".")[2] in {
                "room_send",
                "room_redact",
                "room_put_state",
            }:
                yield f"{module.path}:{call.lineno} sends"


def log_lines_are_our_own_words(house: House) -> Iterator[str]:
    """Whole sentences with arguments: what is already put together can't be looked over."""
    for module in house:
        for call in module.calls:
            owner, _, method = dotted(call.func).rpartition(".")
            if owner.lower().strip("_") not in {"log", "logger"} or method not in _LEVELS:
                continue
            if not (isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)):
                yield f"{module.path}:{call.lineno} logs what is not a plain sentence"


_LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def no_secret_is_an_argument(house: House) -> Iterator[str]:
    secret = re.compile(
        r"--\S*(password|token|secret|api.?key|master.?key|recovery.?key)(?!-file)\b"
    )
    for module in house:
        for text in module.constants:
            if secret.match(text):
                yield f"{module.path} takes a secret in {text}, for every process to see"


def protocols_stand_beside_their_consumer(house: House) -> Iterator[str]:
    for name, protocol in (("bot.handler", "Messenger"), ("bot.assistant", "ChatModel")):
        module = house.modules.get(name)
        if module and protocol not in _protocols(module):
            yield f"{module.path} has no Protocol called {protocol}"


def _protocols(module: Module) -> set[str]:
    classes = [node for node in module.nodes if isinstance(node, ast.ClassDef)]
    return {one.name for one in classes if "Protocol" in map(dotted, one.bases)}


def dataclasses_have_slots(house: House) -> Iterator[str]:
    for module in house:
        for node in module.nodes:
            for decorator in node.decorator_list if isinstance(node, ast.ClassDef) else ():
                if "dataclass" in ast.unparse(decorator) and "slots=True" not in ast.unparse(
                    decorator
                ):
                    yield f"{module.path}:{node.lineno} is a dataclass without slots"


def files_and_functions_are_short(house: House) -> Iterator[str]:
    for module in house:
        if module.source.count("\n") > 300:
            yield f"{module.path} has {module.source.count(chr(10))} lines"
        for node in module.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 60:
                    yield f"{module.path}:{node.lineno} {node.name} has {lines} lines"


def each_file_says_what_it_is(house: House) -> Iterator[str]:
    for module in house:
        tree = module.nodes[0]
        assert isinstance(tree, ast.Module)
        if tree.body and not ast.get_docstring(tree):
            yield f"{module.path} has no docstring"


RULES: tuple[Rule, ...] = (
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
    vaults_open_from_the_sender_and_in_one_file,
    commands_are_not_matched_by_their_beginning,
    every_task_has_a_group,
    bugs_are_caught_where_that_is_said,
    sql_is_written_in_storage_alone,
    one_file_sends,
    log_lines_are_our_own_words,
    no_secret_is_an_argument,
    protocols_stand_beside_their_consumer,
    dataclasses_have_slots,
    files_and_functions_are_short,
    each_file_says_what_it_is,
)
