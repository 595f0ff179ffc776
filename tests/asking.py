"""Asking a gateway a question, for tests."""

from typing import Any

import pytest

from bot.completions import ChatMessage, Completion, Tool
from bot.config import Gateway as Settings
from bot.errors import GatewayError
from bot.gateway import Gateway
from bot.gateway_patience import Patience

QUICK = Patience(deadline=5, silence=2, connect=1, first_wait=0.01, longest_wait=0.05)
QUESTION = (ChatMessage("system", "Be brief."), ChatMessage("user", "What is my cat called?"))
REMEMBER = Tool("remember", "Keep a fact.", {"type": "object", "properties": {}})


def settings(base_url: str, **more: Any) -> Settings:
    given = {"base_url": base_url, "model": "test-model", "api_key": "secret-key"}
    return Settings.model_validate(given | more)


def gateway(base_url: str, patience: Patience = QUICK, **more: Any) -> Gateway:
    return Gateway(
        settings(base_url, **more), base_url=base_url, patience=patience, person_key=b"k" * 32
    )


async def ask(asked: Gateway, *messages: ChatMessage, **more: Any) -> tuple[list[str], Completion]:
    """The pieces and the completion that a question gets."""
    got = [one async for one in asked.stream(messages or QUESTION, **more)]
    pieces, last = [one for one in got if isinstance(one, str)], got[-1]
    assert isinstance(last, Completion)
    assert len(pieces) == len(got) - 1
    return pieces, last


async def refusal(asked: Gateway, *messages: ChatMessage, **more: Any) -> str:
    """The sentence with which a question fails."""
    with pytest.raises(GatewayError) as caught:
        await ask(asked, *messages, **more)
    return str(caught.value)
