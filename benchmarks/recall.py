"""How much of what a question needs does the search bring up, against plain FTS5 in the same run.

    ./confidant bench recall [--data FILE] [--embeddings] [--json]

Each conversation of LoCoMo becomes a real vault: one speaker is the person, the other the bot, a
session's turns are a minute apart. A question counts when all turns that its answer rests on are
among the hits: the first 20, or as many as fit into 1,000 or 2,000 tokens. The baseline is one FTS5
table with the Porter stemmer, speakers' names in the text, asked for any word of the question.
Categories 1 to 4 count; the fifth asks for what was never said. Figures are percentages.

With --embeddings a small model (_minilm.py) serves vectors over a socket, and the bot's own gateway
and vault bring them into the search, as with gateway.embedding_model.
"""

import argparse
import asyncio
import json
import math
import os
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks._embedding import caught_up, embedding
from bot.embedding import Embedding
from storage import MasterKey, Vault, open_storage
from storage.terms import STOP, words

DEFAULT = Path(__file__).parents[2] / "shared" / "locomo" / "locomo-dev.json"
CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open domain", 4: "single hop"}
HITS = 60  # more than fit into the largest budget
BUDGETS = (1000, 2000)
CHARACTERS_A_TOKEN = 3.706  # measured over these conversations with the o200k tokenizer

WHERE = """There is no LoCoMo file at {path}.
LoCoMo is a public data set (Maharana et al., ACL 2024; github.com/snap-research/locomo) under the
licence CC BY-NC 4.0, so it is not part of Confidant. Download data/locomo10.json from there and
give its path: --data FILE, or CONFIDANT_LOCOMO=FILE in the environment."""

Ask = Callable[[str], Awaitable[Sequence[str]]]
"""A question -> ids of turns, the best first."""


@dataclass(frozen=True, slots=True)
class Line:
    """One turn of a conversation."""

    line_id: str
    speaker: str
    text: str
    said_at: datetime

    @property
    def tokens(self) -> int:
        """About what it costs in a prompt, with its date and speaker."""
        shown = f"[{self.said_at:%-d %B %Y}] {self.speaker}: {self.text}"
        return math.ceil(len(shown) / CHARACTERS_A_TOKEN)


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the turns that its answer rests on."""

    text: str
    category: int
    evidence: frozenset[str]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Two people over months, and what was asked about it afterwards."""

    name: str
    speakers: tuple[str, str]
    lines: dict[str, Line]
    questions: list[Question]


@dataclass(frozen=True, slots=True)
class Score:
    """Whether a question's evidence was complete, for each measure, and the time it took."""

    category: int
    full: dict[str, bool]
    seconds: float


def load(path: Path) -> list[Conversation]:
    """The conversations of a file in LoCoMo's format."""
    return [_conversation(entry) for entry in json.loads(path.read_text("utf-8"))]


def _conversation(entry: dict[str, Any]) -> Conversation:
    said = entry["conversation"]
    numbers = sorted(int(key.split("_")[1]) for key in said if re.fullmatch(r"session_\d+", key))
    lines = {
        one["dia_id"]: _line(one, _began(said[f"session_{number}_date_time"]), minute)
        for number in numbers
        for minute, one in enumerate(said[f"session_{number}"])
    }
    asked = (_question(one, lines) for one in entry["qa"])
    questions = [one for one in asked if one.category in CATEGORIES and one.evidence]
    return Conversation(
        entry["sample_id"], (said["speaker_a"], said["speaker_b"]), lines, questions
    )


def _line(one: dict[str, Any], began: datetime, minute: int) -> Line:
    caption = one.get("blip_caption")
    text = f"{one['text']} [image: {caption}]" if caption else one["text"]
    return Line(one["dia_id"], one["speaker"], text, began + timedelta(minutes=minute))


def _began(text: str) -> datetime:
    plain = text.strip().replace(" on ", " ")
    return datetime.strptime(plain, "%I:%M %p %d %B, %Y").replace(tzinfo=UTC)


def _question(one: dict[str, Any], lines: dict[str, Line]) -> Question:
    # Some ids are malformed: "D8:6; D9:17", "D:11:26", "D30:05".
    found = re.findall(r"D:?(\d+):(\d+)", " ".join(map(str, one["evidence"])))
    ids = {f"D{int(session)}:{int(place)}" for session, place in found}
    return Question(one["question"], int(one["category"]), frozenset(ids & lines.keys()))


async def fill(vault: Vault, conversation: Conversation) -> None:
    """Say the conversation, as a direct chat of the first speaker with the second."""
    for line in conversation.lines.values():
        await vault.turns.add(
            event_id=f"${line.line_id}",
            room_id=f"!{conversation.name}",
            room_kind="direct",
            role="user" if line.speaker == conversation.speakers[0] else "assistant",
            text=line.text,
            said_at=line.said_at,
        )


def confidant(vault: Vault, conversation: Conversation, embedding: Embedding) -> Ask:
    """The vault's own search, which knows the two by name."""
    names = dict(zip(conversation.speakers, ("user", "assistant"), strict=True))

    async def ask(question: str) -> list[str]:
        vector = await embedding.of_question(question, vault)
        hits = await vault.search.turns(question, limit=HITS, names=names, vector=vector)
        return [hit.turn.event_id.removeprefix("$") for hit in hits]

    return ask


def plain(conversation: Conversation) -> Ask:
    """FTS5 as its manual shows it: any word, ordered by bm25()."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE line USING fts5(text, tokenize = 'porter unicode61')")
    ids = list(conversation.lines)
    database.executemany(
        "INSERT INTO line (rowid, text) VALUES (?, ?)",
        enumerate(f"{line.speaker}: {line.text}" for line in conversation.lines.values()),
    )

    async def ask(question: str) -> list[str]:
        content = [word for word in words(question.lower()) if word not in STOP]
        match = " OR ".join(f'"{word}"' for word in dict.fromkeys(content)) or '""'
        rows = database.execute(
            "SELECT rowid FROM line WHERE line MATCH ? ORDER BY bm25(line) LIMIT ?", (match, HITS)
        )
        return [ids[row] for (row,) in rows]

    return ask


async def evaluate(conversation: Conversation, ask: Ask) -> list[Score]:
    """Ask every question of a conversation."""
    scores = []
    for question in conversation.questions:
        began = time.perf_counter()
        hits = [conversation.lines[line_id] for line_id in await ask(question.text)]
        seconds = time.perf_counter() - began
        shown = {"full@20": hits[:20]} | {
            f"full@{tokens}t": within(hits, tokens) for tokens in BUDGETS
        }
        full = {
            name: question.evidence <= {line.line_id for line in lines}
            for name, lines in shown.items()
        }
        scores.append(Score(question.category, full, seconds))
    return scores


def within(hits: Sequence[Line], tokens: int) -> list[Line]:
    """The hits in order until one does not fit any more."""
    taken = []
    for line in hits:
        tokens -= line.tokens
        if tokens < 0:
            break
        taken.append(line)
    return taken


async def run(
    conversations: Sequence[Conversation], *, embeddings: bool
) -> tuple[list[Score], list[Score]]:
    """The scores of our search and of the baseline."""
    ours, baseline = [], []
    with tempfile.TemporaryDirectory(prefix="confidant-bench-") as folder:
        path = Path(folder)
        async with (
            embedding(wanted=embeddings) as embedded,
            open_storage(path, MasterKey.load("", path)) as storage,
        ):
            for conversation in conversations:
                async with storage.vaults.open(f"@{conversation.name}:locomo") as vault:
                    await fill(vault, conversation)
                    await caught_up(vault, embedded)
                    ask = confidant(vault, conversation, embedded)
                    ours += await evaluate(conversation, ask)
                baseline += await evaluate(conversation, plain(conversation))
    return ours, baseline


def share(scores: Sequence[Score], name: str) -> float:
    """How many of the questions had all their evidence, in per cent."""
    return 100 * sum(score.full[name] for score in scores) / max(len(scores), 1)


def table(ours: Sequence[Score], baseline: Sequence[Score]) -> str:
    """One line a category, the baseline's figures in brackets."""
    names = list(ours[0].full)
    lines = [f"{'category':<14}{'questions':>10}" + "".join(f"{name:>18}" for name in names)]
    for category, title in [*CATEGORIES.items(), (0, "all")]:
        mine = [score for score in ours if category in (0, score.category)]
        theirs = [score for score in baseline if category in (0, score.category)]
        cells = (f"{share(mine, name):.1f} ({share(theirs, name):.1f})" for name in names)
        lines.append(f"{title:<14}{len(mine):>10}" + "".join(f"{cell:>18}" for cell in cells))
    return "\n".join(lines)


def figures(ours: Sequence[Score], baseline: Sequence[Score]) -> dict[str, float]:
    """What --json prints."""
    times = sorted(1000 * score.seconds for score in ours)
    return {
        "questions": len(ours),
        **{name: round(share(ours, name), 1) for name in ours[0].full},
        "baseline_full@20": round(share(baseline, "full@20"), 1),
        "p50_ms": round(median(times), 2),
        "p95_ms": round(times[math.ceil(0.95 * len(times)) - 1], 2),
    }


def main() -> int:
    options = argparse.ArgumentParser(description="Recall on LoCoMo.")
    options.add_argument("--data", type=Path, help="a LoCoMo file; see CONFIDANT_LOCOMO")
    options.add_argument("--embeddings", action="store_true", help="by meaning too")
    options.add_argument("--json", action="store_true", help="one JSON object as the last line")
    chosen = options.parse_args()
    path = chosen.data or Path(os.environ.get("CONFIDANT_LOCOMO") or DEFAULT)
    if not path.is_file():
        print(WHERE.format(path=path), file=sys.stderr)
        return 2
    conversations = load(path)
    if not any(conversation.questions for conversation in conversations):
        print(f"{path} has no questions of categories 1 to 4.", file=sys.stderr)
        return 2
    ours, baseline = asyncio.run(run(conversations, embeddings=chosen.embeddings))
    found = figures(ours, baseline)
    print("Questions with all their evidence among the hits, in % (plain FTS5 BM25)\n")
    print(table(ours, baseline))
    print(f"\none search: p50 {found['p50_ms']} ms, p95 {found['p95_ms']} ms")
    if chosen.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
