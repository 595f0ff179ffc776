"""How many messages a bot that is killed again and again loses, answers twice or out of order.

    ./confidant bench crash [--kills N] [--messages N] [--json]

A real Synapse, the bot as `python -m bot run` in its own process, a model that repeats the question
behind a loopback socket, and a person with matrix-js-sdk, which reads only what comes from devices
that their owner signed. The person writes in several encrypted rooms at once; kill -9 comes at
random moments: while the bot starts, soon after, while it answers, and at single requests to the
homeserver, before it gets them or before the bot hears of it. In the end the bot is started once
more, and the homeserver's own table of events is compared with what was asked.

A second run, the control, has a bot whose sends have random transaction ids. It must double some
answers: where it doesn't, the kills hit nothing, the first run proves nothing, and the exit code
is 1. The last line is one object of figures; with --json it is the only one on standard output.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from bot.demo.homeserver import run_homeserver
from tests.live.crashing import CONTROL, Outcome, Plan, crash_run
from tests.live.node import install_packages


def tell(line: str) -> None:
    """Say how far it is, without touching what is printed."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def lines(name: str, plan: Plan, outcome: Outcome) -> list[str]:
    """One run, for people."""
    found, kills = outcome.reckoning, outcome.kills
    moments = ", ".join(f"{count} {moment}" for moment, count in sorted(kills.items()))
    return [
        f"{name}: {kills.total()} kills ({moments}), {found.asked} messages in "
        f"{plan.rooms} rooms ({outcome.open_at_the_end} of them open at the last kill), "
        f"{outcome.seconds:.0f} s",
        f"  lost {found.lost}, doubled {found.doubled}, reordered {found.reordered}, "
        f"not readable {found.unread}, other messages {len(found.besides)}",
        *(f"  also said: {text[:200]}" for text in found.besides[:10]),
    ]


def figures(run: Outcome, control: Outcome) -> dict[str, int]:
    """What `--json` prints; the messages are those that were counted."""
    return {
        "kills": run.kills.total(),
        "messages": run.reckoning.asked,
        "lost": run.reckoning.lost,
        "doubled": run.reckoning.doubled,
        "reordered": run.reckoning.reordered,
        "control_doubled": control.reckoning.doubled,
    }


async def measure(plan: Plan, control_plan: Plan, folder: Path) -> tuple[Outcome, Outcome]:
    """The control first: it is short, and without it the rest would be in vain."""
    install_packages()
    async with run_homeserver(folder / "homeserver") as homeserver:
        tell(f"control run: {control_plan.kills} kills")
        control = await crash_run(homeserver, folder, control_plan, program=CONTROL, told=tell)
        tell(f"run: {plan.kills} kills, {plan.messages} messages")
        return await crash_run(homeserver, folder, plan, told=tell), control


def run(options: argparse.Namespace) -> int:
    """Measure in a folder that is gone afterwards; 0 only if nothing went wrong and it could."""
    plan = Plan(options.kills, options.messages, options.rooms, options.seed)
    each = -(-options.messages // options.kills)  # as many messages a kill as in the run
    control = Plan(options.control_kills, options.control_kills * each, options.rooms, options.seed)
    with tempfile.TemporaryDirectory(prefix="confidant-bench-") as folder:
        if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):  # or each start would compile it all
            os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
        outcome, controlled = asyncio.run(measure(plan, control, Path(folder)))
    report = [*lines("run", plan, outcome), *lines("control", control, controlled)]
    print("\n".join(report), file=sys.stderr if options.json else sys.stdout)
    print(json.dumps(counted := figures(outcome, controlled)))
    if not counted["control_doubled"]:
        tell("blind: the control doubled nothing, so the figures say nothing; use more kills")
        return 1
    found = outcome.reckoning
    return 1 if found.lost or found.doubled or found.reordered or found.unread else 0


def at_least_one(text: str) -> int:
    """A number for argparse."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="what kill -9 does to the bot's answers")
    parser.add_argument("--kills", type=at_least_one, default=200, metavar="N")
    parser.add_argument("--messages", type=at_least_one, default=2000, metavar="N")
    parser.add_argument("--rooms", type=at_least_one, default=4, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="decides the moments")
    parser.add_argument("--control-kills", type=at_least_one, default=40, metavar="N")
    parser.add_argument("--json", action="store_true", help="only the object on standard output")
    options = parser.parse_args()
    if options.messages < 2 * options.rooms:
        parser.error("--messages must be at least twice --rooms: two a room are asked at the end")
    sys.exit(run(options))
