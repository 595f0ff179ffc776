"""The demo from a script: a fact told, asked for, listed, taken, erased."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.consent_words import MAY_I
from bot.demo.conversation import Conversation
from bot.demo.person import Person, Seen, seen
from bot.demo.script import play, written
from bot.demo.stage import Stage
from bot.errors import BotError
from bot.greeting import HELLO
from bot.matrix.events import clear_event

ROOT = Path(__file__).parents[2]
TOUR = ROOT / "bot" / "demo" / "tour.txt"


async def demo(*arguments: str, spoken: str | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `confidant demo`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "demo", *arguments),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate((spoken or "").encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def answers(output: str) -> dict[str, str]:
    """What was answered to each line; a line said twice counts as it was said last."""
    parts = ("\n" + output).split("\n> ")[1:]
    return {line: answer.strip() for line, _, answer in (part.partition("\n") for part in parts)}


@pytest.mark.live
@pytest.mark.timeout(300)
async def test_the_tour_shows_every_promise_working(tmp_path: Path) -> None:
    code, out, err = await demo("--script", str(TOUR), "--data", str(tmp_path))

    assert code == 0, err
    said = TOUR.read_text(encoding="utf-8").splitlines()
    assert [line[2:] for line in out.splitlines() if line.startswith("> ")] == said
    answered = answers(out)
    assert "Miso" in answered["What is my cat called?"]
    assert answered["!export"].startswith(f"[saved as {tmp_path}/received/confidant-export-")
    assert "1 memory" in answered["!forget everything"]
    assert answered["yes"].startswith("Done: everything is forgotten.")
    first, gone, back = (part.split("\n> ")[0] for part in out.split("> !memory\n")[1:])
    assert "Your cat is called Miso" in first
    assert "Miso" not in gone
    assert "I remember nothing about you yet" in gone
    assert answered["/send"].startswith("[sent confidant-export-")
    assert "1 memory" in answered["!import"]
    assert "Your cat is called Miso" in back
    assert f"Kept, with every file that was saved in it: {tmp_path}" in err


@pytest.mark.live
@pytest.mark.timeout(300)
async def test_lines_may_come_from_standard_input_and_nothing_is_left_behind() -> None:
    code, out, err = await demo(spoken="!help\n\n")

    assert code == 0, err
    assert "• !memory: what I remember" in answers(out)["!help"]
    [folder] = [
        Path(line.removeprefix("Data and logs: "))
        for line in err.splitlines()
        if line.startswith("Data and logs: ")
    ]
    assert not folder.exists()
    assert f"Deleted, with every file that was saved in it: {folder}" in err


async def test_a_script_that_is_not_there_is_one_sentence_and_starts_nothing() -> None:
    code, out, err = await demo("--script", "nowhere.txt")

    assert (code, out) == (2, "")
    assert err == "--script: nowhere.txt can't be read as a text file.\n"


async def test_what_the_demo_cannot_use_is_one_sentence(tmp_path: Path) -> None:
    file, empty = tmp_path / "file", tmp_path / "empty.txt"
    file.touch()
    empty.touch()

    no_folder = await demo("--script", str(TOUR), "--data", str(file))
    no_line = await demo("--script", str(empty))

    assert no_folder == (2, "", f"--data: {file} can't be used: File exists.\n")
    assert no_line == (2, "", f"--script: {empty} has no line to send.\n")


class SilentBot:
    """A person whom nobody answers."""

    user_id = "@you:localhost"

    async def say(self, room_id: str, text: str, *, reply_to: str | None = None) -> None:
        return


async def test_an_answer_that_does_not_come_ends_the_script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bot.demo.script.PATIENCE", 0.01)
    silent: Person = SilentBot()  # type: ignore[assignment]  # the part of a Person that is used
    stage = Stage("http://x", {}, silent, silent, "!r", Path())

    with pytest.raises(BotError, match="No answer came"):
        await play(stage, ["hello", "again"])

    assert capsys.readouterr().out == "> hello\n"


def event(event_id: str, content: Mapping[str, object]) -> Seen:
    raw = {
        "event_id": event_id,
        "sender": "@confidant:localhost",
        "type": "m.room.message",
        "origin_server_ts": 0,
        "content": content,
    }
    clear = clear_event(raw, "!r")
    assert clear is not None
    shown = seen(clear)
    assert shown is not None
    return shown


async def test_an_answer_is_finished_by_the_edit_that_is_no_longer_live() -> None:
    live: dict[str, object] = {"org.matrix.msc4357.live": {}}
    growing = event("$1", {"msgtype": "m.text", "body": "Hel", **live})
    edit = {
        "msgtype": "m.text",
        "body": "* Hello",
        "m.new_content": {"msgtype": "m.text", "body": "Hello"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$1"},
    }
    person: Person = SilentBot()  # type: ignore[assignment]  # the part of a Person that is used
    conversation = Conversation(person, "!r", Path(), lambda: None)

    async with asyncio.TaskGroup() as tasks:
        saying = tasks.create_task(conversation.say("hi"))
        await asyncio.sleep(0)
        person.on_seen(growing)
        assert not saying.done()
        person.on_seen(event("$2", edit))

    assert [written(one) for one in saying.result()] == ["Hello"]


async def test_what_is_said_besides_an_answer_is_shown_and_ends_no_wait() -> None:
    greeting = event("$1", {"msgtype": "m.notice", "body": f"**{HELLO}** And more."})
    answer = event("$2", {"msgtype": "m.text", "body": "Hello"})
    question = event("$3", {"msgtype": "m.notice", "body": f"{MAY_I} Or not?"})
    person: Person = SilentBot()  # type: ignore[assignment]  # the part of a Person that is used
    conversation = Conversation(person, "!r", Path(), lambda: None)

    async with asyncio.TaskGroup() as tasks:
        saying = tasks.create_task(conversation.say("hi"))
        await asyncio.sleep(0)
        person.on_seen(greeting)
        for _ in range(3):
            await asyncio.sleep(0)
        assert not saying.done()
        person.on_seen(answer)
    person.on_seen(question)
    async with asyncio.TaskGroup() as tasks:
        again = tasks.create_task(conversation.say("well"))
        await asyncio.sleep(0)
        person.on_seen(event("$4", {"msgtype": "m.text", "body": "Good."}))

    assert saying.result() == [greeting, answer]
    assert [one.event_id for one in again.result() if isinstance(one, Seen)] == ["$3", "$4"]


async def test_an_older_message_that_reads_anew_ends_no_wait() -> None:
    person: Person = SilentBot()  # type: ignore[assignment]  # the part of a Person that is used
    conversation = Conversation(person, "!r", Path(), lambda: None)
    old = event("$1", {"msgtype": "m.notice", "body": "Removing."})
    edit = {
        "msgtype": "m.notice",
        "body": "* Removed.",
        "m.new_content": {"msgtype": "m.notice", "body": "Removed."},
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$1"},
    }

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(conversation.say("!forget everything"))
        await asyncio.sleep(0)
        person.on_seen(old)
    async with asyncio.TaskGroup() as tasks:
        second = tasks.create_task(conversation.say("!memory"))
        await asyncio.sleep(0)
        person.on_seen(event("$2", edit))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not second.done()
        person.on_seen(event("$3", {"msgtype": "m.notice", "body": "Nothing yet."}))

    assert [written(one) for one in first.result()] == ["Removing."]
    assert [written(one) for one in second.result()] == ["Nothing yet."]


def test_a_file_is_written_by_its_name_and_size() -> None:
    content = {"msgtype": "m.file", "body": "a.json", "filename": "a.json", "info": {"size": 7}}

    assert written(event("$1", content)) == "[a.json (7 bytes)]"
