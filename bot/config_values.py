"""The kinds of value that a config key can hold, and the words in which each refuses a wrong one.

The words complete a line that begins with the key; no value is ever repeated in them, since any
value may turn out to be a secret in the wrong place.
"""

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    PlainValidator,
    SecretStr,
    ValidationInfo,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bot.durations import brief, parse_duration

BUILTIN = "builtin"
"""The gateway.base_url that stands for the demo model in our own process."""

_HOST = r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+)"
_SERVER = _HOST + r"(:[0-9]{1,5})?"
_USER_ID = rf"@[!-9;-~]+:{_SERVER}"


@dataclass(frozen=True, slots=True)
class NamedFile:
    """The file that a KEY_file names, and the one line that stands in it."""

    path: Path
    secret: str = field(repr=False)


def _no_unset_variable(path: Path) -> Path:
    if "$" in str(path):
        raise ValueError("uses an environment variable that is not set")
    return path


def _named(value: object) -> object:
    if value == "":  # to pathlib the same as "."
        raise ValueError("must name a folder")
    return value


def _read_secret(value: object) -> NamedFile | None:
    if value in ("", None):
        return None
    if not isinstance(value, str):
        raise ValueError("must be text in quotes")
    try:
        secret = _no_unset_variable(Path(value)).read_text("utf-8").strip("\r\n")
    except OSError as error:
        raise ValueError(f"can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError("can't be read (it is not UTF-8 text)") from None
    if not secret.strip() or "\n" in secret:
        raise ValueError("must name a file that holds the secret in one line and nothing else")
    return NamedFile(Path(value), secret)


def _or_from_file(given: SecretStr, info: ValidationInfo) -> SecretStr:
    file = info.data.get(f"{info.field_name}_file")
    if file is None:
        return given
    if given.get_secret_value():
        raise ValueError(f"given, and {info.field_name}_file too; keep one of the two")
    return SecretStr(file.secret)


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its words repeat the address
        raise ValueError("must be a web address; its host or port can't be read") from None
    if not usable or parts.query or parts.fragment or re.search(r"\s", value):
        raise ValueError("must be a web address that begins with https:// or http://")
    if parts.username is not None:
        raise ValueError("must not carry a user name or a password")
    return value.rstrip("/")


def _gateway_address(value: str) -> str:
    if value.rstrip("/").endswith("/completions"):
        raise ValueError("must end before /chat/completions, which the bot adds itself")
    return value if value == BUILTIN else _web_address(value)


def _listen_address(value: str) -> str:
    parts = re.fullmatch(_HOST + r":([0-9]{1,5})", value)
    if value and not (parts and 0 < int(parts[2]) < 65_536):
        raise ValueError("must be an address and a port to listen on, or empty")
    return value


def is_user_id(value: str) -> bool:
    """Whether this has the form of a Matrix id."""
    return _fits(_USER_ID, value)


def _matching(pattern: str, words: str) -> AfterValidator:
    def check(value: str) -> str:
        if not _fits(pattern, value):
            raise ValueError(words)
        return value

    return AfterValidator(check)


def _fits(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern, value) is not None and len(value) <= 255


def _parsed(value: object) -> object:
    """Environment values are text; what is not JSON stays text and is refused as such."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _listed(value: object) -> object:
    if not isinstance(value, str) or value.lstrip().startswith("["):
        return _parsed(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _no_bool(value: object) -> object:
    return str(value) if isinstance(value, bool) else value  # to pydantic true is 1


def _retention(value: object) -> timedelta | None:
    if value in ("off", None):
        return None
    if not isinstance(value, str):
        raise ValueError('must be a time in quotes, or "off"')
    return parse_duration(value)


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


SecretFile = Annotated[NamedFile | None, PlainValidator(_read_secret)]
Secret = Annotated[SecretStr, Field(validate_default=True), AfterValidator(_or_from_file)]
"""Stands after the SecretFile of the same name, out of which it is filled."""

WebAddress = Annotated[str, AfterValidator(_web_address)]
GatewayAddress = Annotated[str, AfterValidator(_gateway_address)]
ListenAddress = Annotated[str, AfterValidator(_listen_address)]
Folder = Annotated[Path, BeforeValidator(_named), AfterValidator(_no_unset_variable)]
UserId = Annotated[str, _matching(_USER_ID, "must be a Matrix id, @name:server")]
UserPattern = Annotated[
    str, _matching(r"@[^\s:]+:\S+", "must be a Matrix id, in which * stands for any characters")
]
RoomAddress = Annotated[
    str,
    _matching(
        rf"(![^\s:]+(:{_SERVER})?|#[^\s:]+:{_SERVER})?",
        "must be a room id (!…), a room alias (#name:server) or empty",
    ),
]
Prefix = Annotated[
    str, _matching(r"[!-/:-@\[-`{-~]{1,3}", "must be one to three characters of punctuation")
]
Strings = Annotated[tuple[str, ...], BeforeValidator(_listed)]
UserPatterns = Annotated[tuple[UserPattern, ...], BeforeValidator(_listed)]
Table = Annotated[Mapping[str, JsonValue], BeforeValidator(_parsed)]
Count = Annotated[int, BeforeValidator(_no_bool), Field(ge=0)]
Retention = Annotated[timedelta | None, PlainValidator(_retention)]
Upper = BeforeValidator(_upper)

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "missing": "missing",
        "value_error": "{error}",
        "string_type": "must be text in quotes",
        "path_type": "must be text in quotes",
        "bool_type": "must be true or false",
        "bool_parsing": "must be true or false",
        "int_type": "must be a whole number",
        "int_parsing": "must be a whole number",
        "int_from_float": "must be a whole number",
        "finite_number": "must be a whole number",
        "greater_than_equal": "must be {ge} or more",
        "literal_error": "must be {expected}",
        "tuple_type": "must be a list",
        "dict_type": "must be a table",
        "invalid-json-value": "must hold texts, numbers, true, false, lists and tables only",
        "model_type": "must be a section of its own",
    }
)


def refusal(mistake: ErrorDetails, keys: Mapping[str, FieldInfo]) -> str:
    """What pydantic found, as one line for an operator; `keys` are all by their dotted names."""
    key = ".".join(str(part) for part in mistake["loc"][:2])
    if mistake["type"] == "extra_forbidden":
        return f"{key}: unknown key{_did_you_mean(key, keys)}"
    words = _WORDS.get(mistake["type"], "can't be used").format(**mistake.get("ctx", {}))
    place = [f"entry {part + 1} " for part in mistake["loc"][2:3] if isinstance(part, int)]
    return f"{key}: {''.join(place)}{words}{_example(key, keys)}"


def _example(key: str, keys: Mapping[str, FieldInfo]) -> str:
    examples = keys[key].examples if key in keys else None
    return f"; for example {key.partition('.')[2]} = {_as_toml(examples[0])}" if examples else ""


def shown_value(value: object) -> str:
    """A setting as the log may show it."""
    match value:
        case SecretStr():
            return "(set)"
        case timedelta():
            return _as_toml(brief(value))
        case NamedFile():
            return _as_toml(value.path)
        case Mapping():  # a provider's switches may hold a key: only their names
            return _as_toml(list(value))
        case _:
            return _as_toml(value)


def _as_toml(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_as_toml(one)}' for key, one in value.items())} }}"
    return json.dumps(value, default=str, ensure_ascii=False)


def _did_you_mean(key: str, keys: Mapping[str, FieldInfo]) -> str:
    name = key.rpartition(".")[2]
    elsewhere = [known for known in keys if known.endswith(f".{name}")]
    near = difflib.get_close_matches(key, [*keys, *(one.partition(".")[0] for one in keys)], n=1)
    meant = next(iter(elsewhere + near), None)
    return f"; did you mean {meant}?" if meant else ""
