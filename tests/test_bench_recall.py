"""The recall benchmark runs on any file in LoCoMo's format and says how to get the real one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "recall.py"

LINES = [
    ("D1:1", "Ann", "Which instrument do you play?"),
    ("D1:2", "Ben", "The cello, since school."),
    ("D1:3", "Ann", "I have a cat."),
]
QUESTIONS = [
    ("Which instrument is played?", 4, ["D1:1; D1:2"]),
    ("Which animal does Ann have? A cat?", 1, ["D1:03"]),
    ("Which planet did Ann visit?", 5, ["D1:3"]),
    ("What is missing?", 2, ["D9:9"]),
]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False
    )


def locomo(path: Path, questions: list[tuple[str, int, list[str]]]) -> Path:
    """A conversation of three lines, with questions."""
    said = [{"dia_id": one, "speaker": who, "text": text} for one, who, text in LINES]
    entry = {
        "sample_id": "conv-1",
        "conversation": {
            "speaker_a": "Ann",
            "speaker_b": "Ben",
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": said,
        },
        "qa": [
            {"question": text, "category": category, "evidence": evidence}
            for text, category, evidence in questions
        ],
    }
    path.write_text(json.dumps([entry]))
    return path


def test_the_last_line_is_an_object_of_figures(tmp_path: Path) -> None:
    run = bench("--json", "--data", str(locomo(tmp_path / "some.json", QUESTIONS)))

    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout.splitlines()[-1])
    assert list(figures) == [
        "questions",
        "full@20",
        "full@1000t",
        "full@2000t",
        "baseline_full@20",
        "p50_ms",
        "p95_ms",
    ]
    assert (figures["questions"], figures["full@20"]) == (2, 100.0)
    assert figures["baseline_full@20"] == 50.0
    assert figures["p95_ms"] >= figures["p50_ms"] > 0


def test_a_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    run = bench("--data", str(tmp_path / "nowhere.json"))

    assert run.returncode == 2
    assert "github.com/snap-research/locomo" in run.stderr
    assert "CC BY-NC 4.0" in run.stderr


def test_a_file_without_questions_is_said(tmp_path: Path) -> None:
    run = bench("--data", str(locomo(tmp_path / "none.json", QUESTIONS[2:])))

    assert (run.returncode, run.stdout) == (2, "")
    assert "no questions" in run.stderr


@pytest.mark.live
@pytest.mark.timeout(300)
def test_with_embeddings_the_bots_own_path_finds_by_meaning(tmp_path: Path) -> None:
    questions = [("Who strums a musical thing?", 4, ["D1:2"])]
    file = locomo(tmp_path / "some.json", questions)

    run = bench("--json", "--embeddings", "--data", str(file))

    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout.splitlines()[-1])
    assert (figures["full@20"], figures["baseline_full@20"]) == (100.0, 0.0)
