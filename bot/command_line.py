"""What the verbs of the command line have in common."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from bot.config import Config

OK, FAILED, WRONG = 0, 1, 2  # exit codes

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_verb(
    verbs: Verbs,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    """A verb that runs this function, which returns the exit code."""
    verb = verbs.add_parser(name, help=summary, description=summary)
    verb.set_defaults(verb=run)
    return verb


def config_option(verb: argparse.ArgumentParser) -> None:
    """Let the verb be told where its configuration is."""
    verb.add_argument("--config", type=Path, default=Path("config.toml"), metavar="FILE")


def configured(options: argparse.Namespace) -> "Config":
    """The configuration that the options name; ConfigError says what is wrong with it."""
    from bot.config import load_config

    return load_config(options.config, os.environ)
