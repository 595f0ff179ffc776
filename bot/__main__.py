"""The command line: run, demo, init, doctor, audit, backup, restore."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from bot.errors import BotError, ConfigError

log = logging.getLogger("bot")

OK, FAILED, WRONG = 0, 1, 2
SAMPLE = "config.sample.toml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code: 0 done, 2 wrong usage or configuration, 1 otherwise."""
    options = _parser().parse_args(arguments)
    verb: Callable[[argparse.Namespace], int] = options.verb
    try:
        return verb(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return WRONG
    except BotError as error:
        print(f"confidant: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="confidant", description="A private AI companion for your Matrix rooms."
    )
    parser.add_argument("--version", action="version", version=version("matrix-confidant"))
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    run = _verb(verbs, "run", _run, "run the bot until it is stopped")
    _config_option(run)
    demo = _verb(verbs, "demo", _demo, "a homeserver, the bot and a chat, on this machine alone")
    demo.add_argument(
        "--script", type=Path, metavar="FILE", help="send each line of FILE, then end"
    )
    demo.add_argument("--data", type=Path, metavar="DIR", help="keep the demo's data there")
    init = _verb(verbs, "init", _init, "write a config.toml to fill in")
    _config_option(init)
    doctor = _verb(verbs, "doctor", _doctor, "look over configuration, homeserver and gateway")
    _config_option(doctor)
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=summary, description=summary)
    verb.set_defaults(verb=run)
    return verb


def _config_option(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--config", type=Path, default=Path("config.toml"), metavar="FILE")


def _run(options: argparse.Namespace) -> int:
    from bot.app import run
    from bot.config import load_config, shown
    from bot.log import configure_logging, quiet_loop
    from bot.service import notify, stop_signals

    config = load_config(options.config, os.environ)
    configure_logging(config.service.log_level)
    for setting in shown(config):
        log.info("%s", setting)

    def ready(user_id: str, device_id: str) -> None:
        _announce(f"ready {user_id} {device_id}")
        notify("READY=1")

    async def until_stopped() -> None:
        quiet_loop(asyncio.get_running_loop())
        with stop_signals() as stop:
            await run(config, stop=stop, ready=ready)

    asyncio.run(until_stopped())
    return OK


def _announce(line: str) -> None:
    """Say one bare line where the log goes, and to whoever reads standard output apart from it."""
    print(line, file=sys.stderr, flush=True)
    if not os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno()):
        print(line, flush=True)


def _demo(options: argparse.Namespace) -> int:
    from bot.demo.chat import demo

    return asyncio.run(demo(script=options.script, data=options.data))


def _init(options: argparse.Namespace) -> int:
    here = Path(__file__)  # in a checkout the sample stands beside the package, in a wheel inside
    sample = next(one for one in (here.parents[1] / SAMPLE, here.with_name(SAMPLE)) if one.exists())
    try:
        target = os.open(options.config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(target, "w", encoding="utf-8") as file:
            file.write(sample.read_text(encoding="utf-8"))
    except FileExistsError:
        raise ConfigError(f"{options.config} is there already, so it was left as it is.") from None
    except OSError as error:
        raise ConfigError(f"{options.config} can't be written: {error.strerror}.") from None
    print(f"Wrote {options.config}. Fill it in, then: confidant doctor --config {options.config}")
    return OK


def _doctor(options: argparse.Namespace) -> int:
    from bot.app import examine
    from bot.config import load_config

    findings = asyncio.run(examine(load_config(options.config, os.environ), file=options.config))
    print("\n".join(one.line() for one in findings))
    return FAILED if any(one.failed for one in findings) else OK


if __name__ == "__main__":
    sys.exit(main())
