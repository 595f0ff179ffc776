"""The privacy parameters that each kind of gateway understands, and whether a request has them."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

# What a request is made of: never to be set from `gateway.extra_body`.
_OURS = frozenset({"messages", "model", "stream", "tools"})
_CLOUD_MODEL = re.compile(r"[:-]cloud$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Policy:
    """What must be on every request, and where the id of the person goes, if anywhere."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    person_fields: tuple[str, ...] = ()
    local_models_only: bool = False

    def refuses(self, model: str) -> bool:
        """Whether the model runs somewhere else than the gateway (Ollama's "name:120b-cloud")."""
        return self.local_models_only and is_cloud_model(model)


def is_cloud_model(model: str) -> bool:
    """Whether the name is that of a model which Ollama hands on to its makers' machines."""
    return _CLOUD_MODEL.search(model) is not None


# A gateway that isn't listed keeps its promises by contract or by how it is started (llama.cpp
# `--no-slots`, `OLLAMA_NO_CLOUD=1`): nothing in a request could ask it for more.
PRESETS: Mapping[str, Policy] = MappingProxyType(
    {
        "custom": Policy(),
        "openai": Policy({"store": False}, person_fields=("safety_identifier",)),
        "openrouter": Policy(
            {
                "provider": {
                    "data_collection": "deny",
                    "zdr": True,
                    "require_parameters": True,
                    "allow_fallbacks": False,
                }
            }
        ),
        # No retention includes no training there; said twice, because a plan may lack the first.
        "vercel": Policy(
            {
                "providerOptions": {
                    "gateway": {"zeroDataRetention": True, "disallowPromptTraining": True}
                }
            }
        ),
        "litellm": Policy({"no-log": True}),
        "ollama": Policy(local_models_only=True),
        "llamacpp": Policy(),
        # One person's cached prefix must not answer faster for another: that tells what was said.
        "vllm": Policy(person_fields=("cache_salt",)),
    }
)


def extra_body(configured: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """What goes into every request beside the messages: the operator's extras and the policy.

    Raises ValueError, naming the key, where an extra would undo a privacy parameter or replace
    what is ours.
    """
    ours = sorted(_OURS & configured.keys())
    if ours:
        raise ValueError(f"{ours[0]} is set by the bot itself")
    person = sorted(set(policy.person_fields) & configured.keys())
    if person:
        raise ValueError(f"{person[0]} is different for each person, and set by the bot")
    merged: dict[str, Any] = json.loads(json.dumps(_merged(configured, policy.parameters, path="")))
    return merged  # as it will be on the wire, so that what arrives there can be compared


def missing(body: object, required: Mapping[str, Any], person_fields: tuple[str, ...]) -> str:
    """The first parameter that a serialized request lacks, or "" where everything is there."""
    if not isinstance(body, dict):
        return "body"
    for name in person_fields:
        if not body.get(name):
            return name
    return _absent(body, required, path="")


def person_id(key: bytes, person: str, name: str) -> str:
    """An id of a person for one field of a request: the gateway can't turn it back, nor relate it
    to the id of another field or of another bot."""
    return hmac.new(key, f"{name}\0{person}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _merged(extra: Mapping[str, Any], required: Mapping[str, Any], *, path: str) -> dict[str, Any]:
    body = dict(extra)
    for name, value in required.items():
        if name not in extra:
            body[name] = value
        elif isinstance(value, Mapping) and isinstance(extra[name], Mapping):
            body[name] = _merged(extra[name], value, path=f"{path}{name}.")
        elif not _same(extra[name], value):
            raise ValueError(f"{path}{name} contradicts the preset, which needs {value!r}")
    return body


def _absent(body: Mapping[str, Any], required: Mapping[str, Any], *, path: str) -> str:
    for name, value in required.items():
        if isinstance(value, Mapping) and isinstance(body.get(name), Mapping):
            if deeper := _absent(body[name], value, path=f"{path}{name}."):
                return deeper
        elif name not in body or not _same(body[name], value):
            return path + name
    return ""


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other  # 1 is not True to a strict gateway
