"""config.toml and the environment become one frozen Config, or a list of every mistake in them."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, InitSettingsSource, SettingsConfigDict

from bot import config_values as values
from bot.config_values import refusal, shown_value
from bot.errors import ConfigError
from bot.evidence import is_near
from bot.gateway_policy import PRESETS, extra_body, is_cloud_model

BUILTIN = values.BUILTIN
_PREFIX = "CONFIDANT_"
_FORWARDING_PRESETS = frozenset({"openai", "openrouter", "vercel", "litellm"})


class Section(BaseModel):
    """One table of config.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Homeserver(Section):
    """Where the bot lives and as whom it logs in."""

    url: values.WebAddress = Field(examples=["https://matrix.example.org"])
    user_id: values.UserId = Field(examples=["@confidant:example.org"])
    password_file: values.SecretFile = Field(None, examples=["/run/secrets/password"])
    password: values.Secret = Field(SecretStr(""), examples=["the bot's password"])
    access_token_file: values.SecretFile = Field(None, examples=["/run/secrets/access_token"])
    access_token: values.Secret = Field(SecretStr(""), examples=["syt_…"])


class Gateway(Section):
    """Who answers. `extra_body` is frozen at its top: copy it with dict() to send it."""

    base_url: values.GatewayAddress = Field(examples=["http://127.0.0.1:11434/v1"])
    preset: Literal[
        "custom", "openai", "openrouter", "vercel", "litellm", "ollama", "llamacpp", "vllm"
    ] = "custom"
    api_key_file: values.SecretFile = Field(None, examples=["/run/secrets/api_key"])
    api_key: values.Secret = Field(SecretStr(""), examples=["sk-…"])
    model: str = Field("", validate_default=True, examples=["llama3.2"])
    models: values.Strings = Field((), examples=[["llama3.2", "qwen3"]])
    embedding_model: str = Field("", examples=["nomic-embed-text"])
    extra_body: values.Table = Field(
        {}, validate_default=True, repr=False, examples=[{"store": False}]
    )

    @field_validator("model")
    @classmethod
    def _named_unless_builtin(cls, model: str, info: ValidationInfo) -> str:
        if not model and info.data.get("base_url") != BUILTIN:
            raise ValueError("missing")
        return model or BUILTIN

    @field_validator("models")
    @classmethod
    def _offers_the_model_itself(
        cls, models: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        model = info.data.get("model")
        return (model, *models) if models and model and model not in models else models

    @field_validator("extra_body")
    @classmethod
    def _within_the_preset(
        cls, extra: Mapping[str, Any], info: ValidationInfo
    ) -> Mapping[str, Any]:
        if preset := info.data.get("preset"):
            extra_body(extra, PRESETS[preset])
        return MappingProxyType(dict(extra))

    @property
    def runs_here(self) -> bool:
        """Whether prompts stay in this private network, as far as the settings can tell."""
        if self.base_url == BUILTIN:
            return True
        clouds = is_cloud_model(self.model) or is_cloud_model(self.embedding_model)
        forwarded = self.preset in _FORWARDING_PRESETS or clouds
        return not forwarded and stays_near(self.base_url)


class Privacy(Section):
    """What people are told, and what the bot does on the strength of it."""

    operator: str = Field("", examples=["Jane Doe <jane@example.org>"])
    jurisdiction: str = Field("", examples=["Germany"])
    gateway_training: Literal["never", "opt-out", "unknown"] = "unknown"
    gateway_retention: str = Field("unknown", examples=["none"])
    backup_retention: str = Field("", examples=["30 days"])
    encrypted_rooms_only: bool = Field(True, examples=[True])
    share_keys_with: Literal["cross-signed", "all"] = "cross-signed"


class Storage(Section):
    """Where everything is kept, and the key that it is kept under."""

    path: values.Folder = Field(Path("data"), examples=["data"])
    master_key_file: values.SecretFile = Field(None, examples=["/run/secrets/master_key"])
    master_key: values.Secret = Field(SecretStr(""), examples=["64 hexadecimal digits"])


class Memory(Section):
    """What is remembered unless a person chooses otherwise; `retention` None is for ever."""

    mode: Literal["auto", "ask", "manual", "off"] = "auto"
    retention: values.Retention = Field(None, examples=["30d"])
    context_tokens: values.Count = Field(2000, examples=[2000])


class Audit(Section):
    """Where the audit log is shown."""

    room: values.RoomAddress = Field("", examples=["!audit:example.org"])


class Access(Section):
    """Who may talk with the bot and who runs it, as patterns of Matrix ids."""

    users: values.UserPatterns = Field((), examples=[["@*:example.org"]])
    operators: values.UserPatterns = Field((), examples=[["@jane:example.org"]])


class Limits(Section):
    """How much one person may ask for."""

    messages_per_minute: Annotated[values.Count, Field(ge=1)] = Field(20, examples=[20])
    tokens_per_day: values.Count = Field(0, examples=[0])
    attachment_bytes: values.Count = Field(20_000_000, examples=[20_000_000])


class Service(Section):
    """How the process shows that it is well."""

    command_prefix: values.Prefix = Field("!", examples=["!"])
    metrics: values.ListenAddress = Field("", examples=["127.0.0.1:9100"])
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], values.Upper] = "INFO"


class Config(BaseSettings):
    """Everything an operator can choose; see config.sample.toml for what each key means."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    homeserver: Homeserver
    gateway: Gateway
    privacy: Privacy
    storage: Storage
    memory: Memory
    audit: Audit
    access: Access
    limits: Limits
    service: Service

    @field_validator("privacy")
    @classmethod
    def _what_runs_here_trains_nobody(cls, privacy: Privacy, info: ValidationInfo) -> Privacy:
        gateway: Gateway | None = info.data.get("gateway")
        if gateway is None or not gateway.runs_here:
            return privacy
        known = {"gateway_training": "never", "gateway_retention": "none"}
        unset = known.keys() - privacy.model_fields_set
        return privacy.model_copy(update={key: known[key] for key in unset})


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the file (None: there is none) and CONFIDANT_SECTION__KEY variables, which win.

    Paths are relative to the file's folder. Raises ConfigError with one line a mistake.
    """
    folder = path.parent.absolute() if path else Path.cwd()
    given = (_from_environment(environ), _from_file(path), _bare_sections())
    sources = tuple(
        InitSettingsSource(Config, _with_whole_paths(one, folder, environ)) for one in given
    )
    try:
        # mypy takes the fields for all parameters there are (dataclass_transform).
        return Config(_build_sources=(sources, {}))  # type: ignore[call-arg]
    except ValidationError as error:  # `from None`: pydantic's own text would repeat values
        keys = _keys()
        raise ConfigError("\n".join(refusal(one, keys) for one in error.errors())) from None


def shown(config: Config) -> list[str]:
    """One line for each setting that is not the default, secrets hidden, for the log at start."""
    return [
        f"{key} = {shown_value(value)}"
        for key, field in _keys().items()
        if (value := _value(config, key)) != field.default
    ]


def stays_near(address: str) -> bool:
    """Whether a web address is this machine's or one of a private network.

    Of a name nobody can say so without asking around: only numbers and localhost count.
    """
    host = urlsplit(address).hostname or ""
    return host == "localhost" or is_near(host)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in environ.items():
        section, found, key = name.removeprefix(_PREFIX).lower().partition("__")
        if found and name.startswith(_PREFIX):
            given.setdefault(section, {})[key] = value
    return given


def _from_file(path: Path | None) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig")) if path else {}
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; make it with: confidant init") from None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} can't be read: it is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def _bare_sections() -> dict[str, Any]:
    """So that a section left out is a mistake only where a key of it is required."""
    return {name: {} for name in Config.model_fields} | {"storage": {"path": "data"}}


def _with_whole_paths(
    given: Mapping[str, Any], folder: Path, environ: Mapping[str, str]
) -> dict[str, Any]:
    def whole(section: str, key: str, value: object) -> object:
        names_a_path = key.endswith("_file") or (section, key) == ("storage", "path")
        if not (names_a_path and isinstance(value, str) and value):
            return value
        path = Template(value).safe_substitute(environ)
        return str(folder / os.path.expanduser(path))  # noqa: PTH111 - pathlib raises on ~nobody

    return {
        section: {key: whole(section, key, value) for key, value in keys.items()}
        if isinstance(keys, dict)
        else keys
        for section, keys in given.items()
    }


def _keys() -> dict[str, FieldInfo]:
    """Every key by its dotted name, in the order of the sample."""
    return {
        f"{section}.{key}": field
        for section, table in Config.model_fields.items()
        for key, field in cast(type[Section], table.annotation).model_fields.items()
    }


def _value(config: Config, key: str) -> object:
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)
