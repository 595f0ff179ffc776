"""Who processes what people say, as the configuration states it; values, no sentences."""

from dataclasses import dataclass

from bot.config import BUILTIN, Config


@dataclass(frozen=True, slots=True)
class Processing:
    """The operator, and the gateway with what its operator promises of it."""

    operator: str
    jurisdiction: str
    gateway_host: str
    model: str
    training: str  # never, opt-out or unknown
    retention: str
    builtin: bool
    preset: str
    backup_retention: str  # "" where the operator does not state it

    @property
    def memory_allowed(self) -> bool:
        """Whether memory may go into a prompt: only where nobody trains on it."""
        return self.training == "never"


def processing(config: Config, *, gateway_host: str) -> Processing:
    """What the configuration says; `gateway_host` is where requests really go."""
    return Processing(
        operator=config.privacy.operator,
        jurisdiction=config.privacy.jurisdiction,
        gateway_host=gateway_host,
        model=config.gateway.model,
        training=config.privacy.gateway_training,
        retention=config.privacy.gateway_retention,
        builtin=config.gateway.base_url == BUILTIN,
        preset=config.gateway.preset,
        backup_retention=config.privacy.backup_retention,
    )
