"""`confidant audit`: check the log, take it out, name the key that its heads are signed with."""

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from bot.command_line import OK, Verbs, add_verb, config_option, configured


def add_audit_verbs(verbs: Verbs) -> None:
    """Let the command line know them."""
    audit = verbs.add_parser(
        "audit",
        help="check or export the audit log; only `verify --room` needs the bot to be stopped",
    )
    parts = audit.add_subparsers(title="verbs", required=True, metavar="VERB")
    verify = add_verb(parts, "verify", _verify, "check that no entry was changed or cut off")
    config_option(verify)
    verify.add_argument(
        "--heads", type=Path, metavar="FILE", help="compare with the signed heads in FILE, too"
    )
    verify.add_argument(
        "--room",
        action="store_true",
        help="compare with those that the audit room shows, while the bot is stopped",
    )
    export = add_verb(parts, "export", _export, "print the public entries as JSON Lines")
    config_option(export)
    export.add_argument("--heads", action="store_true", help="and the signed heads behind them")
    key = add_verb(parts, "key", _key, "print the public key that heads are checked with")
    config_option(key)


def _verify(options: argparse.Namespace) -> int:
    from bot.auditing import verified

    print(verified(configured(options), heads=options.heads, room=options.room))
    return OK


def _export(options: argparse.Namespace) -> int:
    from bot.auditing import exported

    _print_lines(exported(configured(options), heads=options.heads))
    return OK


def _key(options: argparse.Namespace) -> int:
    from bot.auditing import audit_key

    print(audit_key(configured(options)))
    return OK


def _print_lines(lines: Iterable[str]) -> None:
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has read enough; nothing may be left to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
