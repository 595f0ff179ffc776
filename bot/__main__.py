"""The command line: run, demo, init, doctor, identity, audit, backup, restore."""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from bot.errors import BotError, ConfigError, StorageError

if TYPE_CHECKING:
    from bot.config import Config
    from storage import Restored

log = logging.getLogger("bot")

OK, FAILED, WRONG = 0, 1, 2
SAMPLE = "config.sample.toml"

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


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
    _identity_verbs(verbs)
    _keeping_verbs(verbs)
    return parser


def _identity_verbs(verbs: "Verbs") -> None:
    identity = verbs.add_parser("identity", help="who the bot is to others: show, recover, reset")
    parts = identity.add_subparsers(title="verbs", required=True, metavar="VERB")
    show = _verb(parts, "show", _identity_show, "print who the bot is, also while it runs")
    _config_option(show)
    show.add_argument(
        "--recovery-key", action="store_true", help="print the recovery key, and nothing else"
    )
    recover = _verb(
        parts, "recover", _identity_recover, "be the same identity again, with the recovery key"
    )
    _config_option(recover)
    recover.add_argument(
        "--recovery-key-file", type=Path, metavar="FILE", help="read it there; else it is asked for"
    )
    recover.add_argument(
        "--delete-other-devices", action="store_true", help="log the account out everywhere else"
    )
    reset = _verb(parts, "reset", _identity_reset, "be a new identity, which all have to verify")
    _config_option(reset)
    reset.add_argument("--yes", action="store_true", help="don't ask")


def _keeping_verbs(verbs: "Verbs") -> None:
    audit = verbs.add_parser("audit", help="check or export the audit log, also while the bot runs")
    parts = audit.add_subparsers(title="verbs", required=True, metavar="VERB")
    verify = _verb(parts, "verify", _audit_verify, "check that no entry was changed")
    _config_option(verify)
    export = _verb(parts, "export", _audit_export, "print the public entries as JSON Lines")
    _config_option(export)
    backup = _verb(verbs, "backup", _backup, "back the stopped bot's data up into a new folder")
    _config_option(backup)
    backup.add_argument("destination", type=Path, metavar="DEST")
    restore = _verb(verbs, "restore", _restore, "put a backup in the place of the bot's data")
    _config_option(restore)
    restore.add_argument("source", type=Path, metavar="SRC")
    restore.add_argument(
        "--replace", action="store_true", help="also where there is data, which is deleted"
    )


def _verb(
    verbs: "Verbs",
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


def _identity_show(options: argparse.Namespace) -> int:
    from bot.own_identity import recovery_key, shown

    config = _config(options)
    print(recovery_key(config) if options.recovery_key else asyncio.run(shown(config)))
    return OK


def _identity_recover(options: argparse.Namespace) -> int:
    from bot.own_identity import read_key, recovered

    config, key = _config(options), read_key(options.recovery_key_file)
    print(asyncio.run(recovered(config, key, delete_others=options.delete_other_devices)))
    return OK


def _identity_reset(options: argparse.Namespace) -> int:
    from bot.own_identity import WHAT_A_RESET_MEANS, started_anew

    config = _config(options)
    print(WHAT_A_RESET_MEANS.format(user_id=config.homeserver.user_id))
    if not options.yes:
        print("Type yes to go on.", flush=True)
        if sys.stdin.readline().strip() != "yes":
            print("Nothing was changed.")
            return FAILED
    print(asyncio.run(started_anew(config)))
    return OK


def _config(options: argparse.Namespace) -> "Config":
    from bot.config import load_config

    return load_config(options.config, os.environ)


@contextmanager
def _stored(options: argparse.Namespace) -> Iterator["Config"]:
    """The configuration, while storage's failures become those that `main` says."""
    from bot.config import load_config
    from storage import StorageFailure

    config = load_config(options.config, os.environ)
    try:
        yield config
    except StorageFailure as failure:
        raise StorageError(str(failure)) from failure


def _audit_verify(options: argparse.Namespace) -> int:
    from storage import verify_audit_log

    with _stored(options) as config:
        count = verify_audit_log(config.storage.path)
    print(f"The audit log is intact: {count} {'entry' if count == 1 else 'entries'}.")
    return OK


def _audit_export(options: argparse.Namespace) -> int:
    from storage import read_audit_log

    with _stored(options) as config:
        try:
            for entry in read_audit_log(config.storage.path):
                print(json.dumps(asdict(entry)))
            sys.stdout.flush()
        except BrokenPipeError:  # whoever reads has read enough; nothing may be left to flush
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK


def _backup(options: argparse.Namespace) -> int:
    from storage import back_up

    with _stored(options) as config:
        path, secret = config.storage.path, config.storage.master_key.get_secret_value()
        made = asyncio.run(back_up(path, secret, options.destination))
    print(f"Backed up {_vaults(made.vaults)} to {options.destination}.")
    where = "storage.master_key" if secret.strip() else path / "master.key"
    print(f"Without the master key nobody can read it: keep a copy of {where} somewhere else.")
    return OK


def _restore(options: argparse.Namespace) -> int:
    from storage import restore

    with _stored(options) as config:
        path, secret = config.storage.path, config.storage.master_key.get_secret_value()
        restored = asyncio.run(restore(path, secret, options.source, replace=options.replace))
    print(f"Restored {_vaults(restored.vaults)} as of {restored.made_at:%Y-%m-%d %H:%M} UTC.")
    print(_about_the_forgotten(restored))
    print(
        "The bot logs in as a new device: what it had not answered has to be asked again, and what "
        "people deleted piece by piece since then is back."
    )
    if config.homeserver.access_token.get_secret_value():
        print("homeserver.access_token belongs to the old device: put in that of a new log-in.")
    return OK


def _about_the_forgotten(restored: "Restored") -> str:
    if restored.all_forgotten_known:
        return f"Forgotten since then, and so not restored: {_vaults(restored.destroyed_again)}."
    return (
        "Who was forgotten since then can't be known, because the data from then on is not here: "
        "they are back until they say `!forget everything` again. Tell them."
    )


def _vaults(count: int) -> str:
    return f"{count} vault{'' if count == 1 else 's'}"


if __name__ == "__main__":
    sys.exit(main())
