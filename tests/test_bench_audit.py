"""The audit benchmark gives its figures, and of a thousand random changes to a log finds each."""

import json
import random
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

from benchmarks._tampering import CHANGES, defenceless, tampered
from benchmarks.audit import filled, tamperings
from storage import MasterKey, open_storage
from tests.place import ROOT, SECRET

SCRIPT = ROOT / "benchmarks" / "audit.py"


def test_the_last_line_is_an_object_of_figures() -> None:
    run = subprocess.run(
        [sys.executable, SCRIPT, "--json", "--entries", "200", "--tamperings", "10"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )

    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout.splitlines()[-1])
    asked = {"append_ms", "append_ratio", "verify_100k_s", "tampered", "found"}
    assert figures.keys() == asked | {"append_with_vault_ms"}
    assert (figures["tampered"], figures["found"]) == (10, 10)
    assert 0 < figures["append_ms"] < figures["append_with_vault_ms"] < 1_000
    assert figures["append_ratio"] > 0
    assert figures["verify_100k_s"] > 0


async def test_a_thousand_of_a_thousand_random_changes_are_found(tmp_path: Path) -> None:
    found, unfound = await tamperings(tmp_path / "data", 1_000, seed=62, entries=100)

    assert (found, unfound) == (1_000, Counter())


async def test_every_kind_of_change_is_tried(tmp_path: Path) -> None:
    data, tried = tmp_path / "data", Counter[str]()
    async with open_storage(data, MasterKey.load(SECRET, data)) as storage:
        await filled(storage, 100)
    file, chance = data / "shared.db", random.Random(1)
    intact = file.read_bytes()

    for _ in range(150):
        file.write_bytes(intact)
        with closing(defenceless(file)) as connection:
            tried[tampered(connection, chance)] += 1

    kinds = {change.__name__.strip("_") for change in CHANGES}
    assert tried.keys() == kinds | {f"{kind}, rehashed" for kind in kinds}
