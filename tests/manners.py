"""What our code may do: each rule is a function that yields a sentence for every breach.

`tests/test_architecture.py` shows that the tree keeps them and that each of them can fail.
"""

import ast
import re
from collections.abc import Iterator

from tests.house import House, Module, dotted, within
from tests.walls import Rule

CATCHES_BUGS = {
    "bot/handler.py": "answers them with a reference",
    "bot/jobs.py": "one job's bug must not stop the others",
    "bot/growing.py": "keeps it until the room is tidy and raises it then",
}


def vaults_open_from_the_sender_and_in_one_file(house: House) -> Iterator[str]:
    openers = set()
    for module in house.of("bot"):
        uses = [node for node in module.nodes if _is_of_vaults(node)]
        calls = [call for call in module.calls if call.func in uses]
        openers |= {module.path for call in calls if dotted(call.func).endswith(".open")}
        if len(calls) != len(uses):
            yield f"{module.path} passes a method of the vaults on"
        for call in calls:
            owner = [dotted(one) for one in call.args]
            if dotted(call.func).endswith(".people") and not owner:
                continue  # who there is, and no way into anything of theirs
            if dotted(call.func).endswith(".who"):
                continue  # what an id is, which is audited
            owner += [f"{one.arg}={dotted(one.value)}" for one in call.keywords]
            whose = r"(\w+\.)?message\.sender(,said_at=(\w+\.)?message\.sent_at)?"
            if not re.fullmatch(whose, ",".join(owner)):
                yield f"{module.path}:{call.lineno} takes a vault not from message.sender"
    if len(openers) > 1 or ("bot.handler" in house.modules and not openers):
        yield f"vaults are opened in {len(openers)} files: {', '.join(sorted(openers))}"


def _is_of_vaults(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and dotted(node.value).rpartition(".")[2].lstrip("_") == "vaults"
    )


def what_storage_hides_stays_hidden(house: House) -> Iterator[str]:
    """A vault's own database, say, would lead around its handle."""
    hidden = {
        node.attr
        for module in house.of("storage")
        for node in module.nodes
        if isinstance(node, ast.Attribute) and _is_hidden(node.attr)
    }
    for module in house.of("bot"):
        for node in module.nodes:
            if not isinstance(node, ast.Attribute) or dotted(node.value) in {"self", "cls"}:
                continue
            if node.attr in hidden:
                yield f"{module.path}:{node.lineno} reaches into {ast.unparse(node)}"


def _is_hidden(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


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
        if module.path in CATCHES_BUGS:
            continue
        for node in module.nodes:
            if isinstance(node, ast.ExceptHandler):
                raised = any(isinstance(one, ast.Raise) for one in ast.walk(node))
                caught = [] if raised else [node.type or ast.Name("BaseException")]
            elif isinstance(node, ast.Call) and dotted(node.func).endswith("suppress"):
                caught = node.args
            else:
                continue
            if {"Exception", "BaseException"} & {name for one in caught for name in _names(one)}:
                yield f"{module.path}:{node.lineno} swallows every exception"


def _names(kinds: ast.expr) -> list[str]:
    return [dotted(one) for one in (kinds.elts if isinstance(kinds, ast.Tuple) else [kinds])]


def sql_is_written_in_storage_alone(house: House) -> Iterator[str]:
    sql = re.compile(r"\s*(SELECT\s.+\sFROM|INSERT\s.*INTO|DELETE\s+FROM|UPDATE\s.+\sSET|PRAGMA)\s")
    for module in house.of("bot"):
        for text in module.constants:
            if sql.match(text):
                yield f"{module.path} holds SQL: {text[:40]}"


_SQL = re.compile(r"\s*(SELECT|INSERT|DELETE FROM|UPDATE|PRAGMA|CREATE|DROP|ALTER|ATTACH)\b")

WRITTEN_INTO_SQL = {
    "storage/database.py": {"key.hex()"},  # 64 hexadecimal digits; a pragma takes no parameters
    "storage/merging.py": {"otherwise", "table", "columns", "marks"},  # the same
    "storage/restore.py": {"table", "marks"},  # names of our schema, and question marks
    "storage/vault.py": {"table"},
}


def values_are_bound_and_never_written_into_sql(house: House) -> Iterator[str]:
    for module in house:
        allowed = WRITTEN_INTO_SQL.get(module.path, set())
        for node in module.nodes:
            written = {ast.unparse(one) for one in _put_into_text(node)}
            if written - allowed and _SQL.match(_text_of(node)):
                yield f"{module.path}:{getattr(node, 'lineno', 0)} writes values into SQL"


def _put_into_text(node: ast.AST) -> list[ast.expr]:
    """What an f-string, `+`, `%` or `.format()` puts into a text."""
    if isinstance(node, ast.JoinedStr):
        return [one.value for one in node.values if isinstance(one, ast.FormattedValue)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        return [node.right]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return [node] if node.func.attr == "format" else []
    return []


def _text_of(node: ast.AST) -> str:
    """The beginning of the text that something is put into, as far as it stands there."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) for one in node.values if isinstance(one, ast.Constant))
    if isinstance(node, ast.BinOp):
        return _text_of(node.left)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _text_of(node.func.value)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def nothing_goes_through_a_shell(house: House) -> Iterator[str]:
    shells = {"system", "popen", "create_subprocess_shell", "getoutput", "getstatusoutput"}
    for module in house:
        for call in module.calls:
            owner, _, name = dotted(call.func).rpartition(".")
            asked = any(
                one.arg == "shell" and ast.unparse(one.value) != "False" for one in call.keywords
            )
            if asked or (name in shells and owner in ("os", "asyncio", "subprocess", "")):
                yield f"{module.path}:{call.lineno} starts a shell"


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
        for text in set(module.constants) - _switches(module):
            if secret.match(text):
                yield f"{module.path} takes a secret in {text}, for every process to see"


def _switches(module: Module) -> set[str]:
    """Options that take no value, and so no secret either."""
    return {
        argument.value
        for call in module.calls
        if any(ast.unparse(one) == "action='store_true'" for one in call.keywords)
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def no_path_is_built_from_an_id(house: House) -> Iterator[str]:
    """User ids such as `@../../../tmp/x:hs` exist, and whoever has one writes to the bot."""
    ids = re.compile(r"(user|room|event|device|session|message|transaction)_?id|localpart|sender")
    for module in house:
        for node in module.nodes:
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                parts = [node.right]
            elif isinstance(node, ast.Call) and _takes_a_path(dotted(node.func)):
                parts = node.args
            else:
                continue
            if any(ids.search(ast.unparse(part)) for part in parts):
                yield f"{module.path}:{getattr(node, 'lineno', 0)} builds a path from an id"


def _takes_a_path(function: str) -> bool:
    known = {"Path", "PurePath", "joinpath", "with_name", "with_stem", "mkdtemp"}
    return function in {"open", "os.open"} or function.rpartition(".")[2] in known


def protocols_stand_beside_their_consumer(house: House) -> Iterator[str]:
    for name, protocol in (("bot.handler", "Messenger"), ("bot.conversing", "ChatModel")):
        module = house.modules.get(name)
        if module and protocol not in _protocols(module):
            yield f"{module.path} has no Protocol called {protocol}"


def _protocols(module: Module) -> set[str]:
    classes = [node for node in module.nodes if isinstance(node, ast.ClassDef)]
    return {one.name for one in classes if "Protocol" in map(dotted, one.bases)}


def dataclasses_have_slots(house: House) -> Iterator[str]:
    for module in house:
        for node in module.nodes:
            if not isinstance(node, ast.ClassDef):
                continue
            decorators = [ast.unparse(one) for one in node.decorator_list]
            if any("dataclass" in one and "slots=True" not in one for one in decorators):
                yield f"{module.path}:{node.lineno} is a dataclass without slots"


def files_and_functions_are_short(house: House) -> Iterator[str]:
    for module in house:
        if module.source.count("\n") > 300:
            yield f"{module.path} has more than 300 lines"
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


MANNERS: tuple[Rule, ...] = (
    vaults_open_from_the_sender_and_in_one_file,
    what_storage_hides_stays_hidden,
    commands_are_not_matched_by_their_beginning,
    every_task_has_a_group,
    bugs_are_caught_where_that_is_said,
    sql_is_written_in_storage_alone,
    values_are_bound_and_never_written_into_sql,
    nothing_goes_through_a_shell,
    one_file_sends,
    log_lines_are_our_own_words,
    no_secret_is_an_argument,
    no_path_is_built_from_an_id,
    protocols_stand_beside_their_consumer,
    dataclasses_have_slots,
    files_and_functions_are_short,
    each_file_says_what_it_is,
)
