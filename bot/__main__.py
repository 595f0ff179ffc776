"""The command line: run, demo, init, doctor, identity, audit, backup, restore."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from bot.audit_verbs import add_audit_verbs
from bot.command_line import FAILED, OK, WRONG, Verbs, add_verb, config_option, configured
from bot.errors import BotError, ConfigError

log = logging.getLogger("bot")

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
        return OK if verb in (_run, _demo) else FAILED  # those two are stopped like that


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="confidant", description="A private AI companion for your Matrix rooms."
    )
    parser.add_argument("--version", action="version", version=version("matrix-confidant"))
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    run = add_verb(verbs, "run", _run, "run the bot until it is stopped")
    config_option(run)
    demo = add_verb(verbs, "demo", _demo, "a homeserver, the bot and a chat, on this machine alone")
    demo.epilog = (
        "Files that the bot sends are saved where the chat says. A line /send PATH sends one, and "
        "the line after it, such as !import, is a reply to it. At the end everything is deleted, "
        "saved files too, unless --data names a folder to keep it in."
    )
    demo.add_argument(
        "--script", type=Path, metavar="FILE", help="send each line of FILE, then end"
    )
    demo.add_argument("--data", type=Path, metavar="DIR", help="keep the demo's data there")
    init = add_verb(verbs, "init", _init, "write a config.toml to fill in")
    config_option(init)
    doctor = add_verb(verbs, "doctor", _doctor, "look over configuration, homeserver and gateway")
    config_option(doctor)
    _identity_verbs(verbs)
    add_audit_verbs(verbs)
    _keeping_verbs(verbs)
    return parser


def _identity_verbs(verbs: Verbs) -> None:
    identity = verbs.add_parser("identity", help="who the bot is to others, and they to it")
    parts = identity.add_subparsers(title="verbs", required=True, metavar="VERB")
    show = add_verb(parts, "show", _identity_show, "print who the bot is, also while it runs")
    config_option(show)
    show.add_argument(
        "--recovery-key", action="store_true", help="print the recovery key, and nothing else"
    )
    recover = add_verb(
        parts, "recover", _identity_recover, "be the same identity again, with the recovery key"
    )
    config_option(recover)
    recover.add_argument(
        "--recovery-key-file", type=Path, metavar="FILE", help="read it there; else it is asked for"
    )
    recover.add_argument(
        "--delete-other-devices", action="store_true", help="log the account out everywhere else"
    )
    reset = add_verb(parts, "reset", _identity_reset, "be a new identity, which all have to verify")
    config_option(reset)
    reset.add_argument("--yes", action="store_true", help="don't ask")
    forget = add_verb(
        parts, "forget", _identity_forget, "take the identity that a person shows next for theirs"
    )
    config_option(forget)
    forget.add_argument("user_id", type=_user_id, metavar="USER_ID", help="whose: @name:server")
    forget.add_argument("--yes", action="store_true", help="don't ask")


def _keeping_verbs(verbs: Verbs) -> None:
    backup = add_verb(verbs, "backup", _backup, "back the stopped bot's data up into a new folder")
    config_option(backup)
    backup.add_argument("destination", type=Path, metavar="DEST")
    restore = add_verb(verbs, "restore", _restore, "put a backup in the place of the bot's data")
    config_option(restore)
    restore.add_argument("source", type=Path, metavar="SRC")
    restore.add_argument(
        "--replace", action="store_true", help="also where there is data, which is deleted"
    )


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


def _identity_show(options: argparse.Namespace) -> int:
    from bot.own_identity import recovery_key, shown

    config = configured(options)
    print(recovery_key(config) if options.recovery_key else asyncio.run(shown(config)))
    return OK


def _identity_recover(options: argparse.Namespace) -> int:
    from bot.own_identity import read_key, recovered

    config, key = configured(options), read_key(options.recovery_key_file)
    print(asyncio.run(recovered(config, key, delete_others=options.delete_other_devices)))
    return OK


def _identity_reset(options: argparse.Namespace) -> int:
    from bot.own_identity import WHAT_A_RESET_MEANS, started_anew

    config = configured(options)
    print(WHAT_A_RESET_MEANS.format(user_id=config.homeserver.user_id))
    if not options.yes and not _agreed():
        return FAILED
    print(asyncio.run(started_anew(config)))
    return OK


def _identity_forget(options: argparse.Namespace) -> int:
    from bot.known_identity import WHAT_FORGETTING_MEANS, forgotten

    config = configured(options)
    print(WHAT_FORGETTING_MEANS.format(user_id=options.user_id))
    if not options.yes and not _agreed():
        return FAILED
    print(asyncio.run(forgotten(config, options.user_id)))
    return OK


def _user_id(typed: str) -> str:
    from bot.config_values import is_user_id

    if not is_user_id(typed):
        raise argparse.ArgumentTypeError(f"{typed!r} is no Matrix id, which is @name:server")
    return typed


def _agreed() -> bool:
    print("Type yes to go on.", flush=True)
    agreed = sys.stdin.readline().strip() == "yes"
    if not agreed:
        print("Nothing was changed.")
    return agreed


def _backup(options: argparse.Namespace) -> int:
    from bot.keeping import backed_up

    print(backed_up(configured(options), options.destination))
    return OK


def _restore(options: argparse.Namespace) -> int:
    from bot.keeping import restored

    print(restored(configured(options), options.source, replace=options.replace))
    return OK


if __name__ == "__main__":
    sys.exit(main())
