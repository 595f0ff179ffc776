"""The benchmarks run and say what they promise; how fast it was is not for a test to judge."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]


async def test_the_latency_benchmark_ends_with_its_figures_as_one_object() -> None:
    command = (sys.executable, ROOT / "benchmarks/latency.py", "--messages", "1", "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == 0

    *table, last = printed.decode().splitlines()
    figures = json.loads(last)

    assert figures.pop("messages") == 1
    assert len(table) == len(figures)
    for one in figures.values():
        assert 0 < one["min"] <= one["median"] <= one["max"]
        assert one["ratio"] > 0
    assert figures["request_ms"]["median"] < figures["quick_answer_ms"]["median"]
    assert figures["first_text_ms"]["median"] < figures["grown_answer_ms"]["median"]
    for baseline in ("exchange_ms", "bare_start_ms", "bare_memory_mb"):
        assert figures[baseline]["ratio"] == 1


async def test_the_benchmark_of_a_large_room_ends_with_its_figures_as_one_object() -> None:
    command = (sys.executable, ROOT / "benchmarks/large_room.py", "--people", "5", "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == 0

    figures = json.loads(printed.decode().splitlines()[-1])

    assert figures.pop("people") == 5
    assert {"longest_stall_ms", "share_ms", "share_ratio"} <= figures.keys()
    assert all(value > 0 for value in figures.values())


async def test_the_rooms_benchmark_ends_with_its_figures_as_one_object() -> None:
    options = ("--rooms", "2", "--messages", "2", "--think", "0", "--json")
    command = (sys.executable, ROOT / "benchmarks/rooms.py", *options)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == 0

    figures = json.loads(printed)

    assert list(figures) == ["rooms", "messages", "serial_s", "parallel_s", "ratio"]
    assert (figures["rooms"], figures["messages"]) == (2, 2)
    assert figures["ratio"] > 0


async def test_the_vault_benchmark_ends_with_its_figures_as_one_object() -> None:
    options = ("--sizes", "50", "100", "--vaults", "3", "--embeddings", "--json")
    command = (sys.executable, ROOT / "benchmarks/vault.py", *options)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == 0

    figures = json.loads(printed.decode().splitlines()[-1])

    assert (figures["sizes"], figures["vaults"]) == ([50, 100], 3)
    for size in ("50", "100"):
        assert list(figures[size]) == ["recall", "meaning", "insert", "export", "forget", "open"]
        for one in figures[size].values():
            assert 0 < one["p50_ms"] <= one["p95_ms"]
            assert one["ratio"] > 0
    assert {"recall_growth", "bare_growth", "recall_p95_ratio", "vaults_mb"} <= figures.keys()
