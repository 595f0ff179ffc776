"""Nothing that a person wrote reaches the log, by whatever path it tries.

Each path is walked in a process of its own, at DEBUG and with asyncio's and Python's own
development modes on, since those print the most. The same script without our logging is the
control: where it doesn't show the canary, the test would be blind.
"""

import io
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from bot.log import configure_logging, describe

ROOT = Path(__file__).parent.parent
CANARY = "canary-7f3a91"
LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR|CRITICAL) \S+ .+"
)
SAFE = "from bot.log import configure_logging, quiet_loop\nconfigure_logging('DEBUG')\n"
PLAIN = "logging.basicConfig(level='DEBUG')\nquiet_loop = lambda loop: None\n"

PATHS = {
    "a library's arguments": (
        """
        logging.getLogger("nio.client").setLevel("DEBUG")
        logging.getLogger("nio.client").debug("sent %s", CANARY)
        """,
        r"DEBUG nio\.client at .*:\d+",
    ),
    "a library's sentence": (
        'logging.getLogger("openai._base_client").warning(f"body: {CANARY}")',
        r"WARNING openai\._base_client at ",
    ),
    "a library's exception": (
        """
        try:
            int(CANARY)
        except ValueError:
            logging.getLogger("apscheduler.executors").exception("job %s", CANARY)
        """,
        r"ERROR apscheduler\.executors at .*: ValueError \(.*<module>\)",
    ),
    "a library's stack": (
        'logging.getLogger("httpx2").warning("x", stack_info=True)  # canary-7f3a91',
        r"WARNING httpx2 at ",
    ),
    "a malformed event in nio": (
        """
        from nio import RoomMessage
        RoomMessage.parse_event({"content": {"msgtype": "m.text", "body": [CANARY]}})
        """,
        r"WARNING nio\.events\.misc at events/misc\.py:\d+",
    ),
    "our exception": (
        """
        try:
            raise RuntimeError(CANARY)
        except RuntimeError:
            logging.getLogger("bot.handler").exception("a bug")
        """,
        r"ERROR bot\.handler a bug: RuntimeError \(",
    ),
    "an exception as an argument": (
        'logging.getLogger("bot.handler").error("failed: %s", ValueError(CANARY))',
        r"ERROR bot\.handler failed: ValueError$",
    ),
    "an exception as the message": (
        'logging.getLogger("storage.inbox").error(ValueError(CANARY))',
        r"ERROR storage\.inbox ValueError$",
    ),
    "what a gateway answered": (
        """
        import openai
        try:
            raise openai.APIError(CANARY, request=None, body={"message": CANARY})
        except openai.APIError:
            logging.getLogger("bot.gateway").exception("the gateway failed")
        """,
        r"ERROR bot\.gateway the gateway failed: openai\.APIError \(",
    ),
    "a statement that a database refused": (
        """
        import sqlcipher3.dbapi2
        try:
            sqlcipher3.dbapi2.connect(":memory:").execute(f'SELECT * FROM "{CANARY}"')
        except sqlcipher3.dbapi2.Error:
            logging.getLogger("storage.database").exception("a statement failed")
        """,
        r"ERROR storage\.database a statement failed: sqlcipher3\.dbapi2\.OperationalError \(",
    ),
    "what a homeserver answered": (
        """
        from bot.matrix.http import Http
        error = Http(f"http://{CANARY}")._failure(CANARY, 400, {"error": CANARY, "errcode": "M_X"})
        logging.getLogger("bot.matrix.client").error("refused: %s", error, exc_info=error)
        """,
        r"ERROR bot\.matrix\.client refused: RequestError: bot\.matrix\.http\.RequestError",
    ),
    "a log call with a mistake in it": (
        'logging.getLogger("bot.handler").error("%d messages", CANARY)',
        r"^a line for the log could not be written, at ",
    ),
    "an uncaught exception with a cause": (
        """
        try:
            {}[CANARY]
        except KeyError as error:
            raise RuntimeError(CANARY) from error
        """,
        r"CRITICAL bot\.log stopped: RuntimeError \(.*\) because of KeyError \(",
    ),
    "an uncaught exception with a context and notes": (
        """
        try:
            {}[CANARY]
        except KeyError:
            error = OSError(2, CANARY, CANARY)
            error.add_note(CANARY)
            raise error
        """,
        r"stopped: FileNotFoundError \(.*\) because of KeyError \(",
    ),
    "an uncaught group": (
        "raise ExceptionGroup(CANARY, [ValueError(CANARY), ExceptionGroup('', [OSError(CANARY)])])",
        r"ExceptionGroup .* holding 2 \[ValueError; ExceptionGroup holding 1 \[OSError\]\]",
    ),
    "a thread": (
        """
        thread = threading.Thread(target=int, args=(CANARY,), name=CANARY)
        thread.start()
        thread.join()
        """,
        r"ERROR bot\.log a thread failed: ValueError",
    ),
    "an exception where none can be raised": (
        """
        class Room:
            def __del__(self):
                raise ValueError(CANARY)
        Room()
        """,
        r"ERROR bot\.log failed where nothing can be raised: ValueError \(.* __del__\)",
    ),
    "a task that nobody awaited": (
        """
        async def answer(text):
            raise ValueError(text)
        async def main():
            quiet_loop(asyncio.get_running_loop())
            asyncio.create_task(answer(CANARY), name=CANARY)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        asyncio.run(main())
        """,
        r"ERROR bot\.log answer failed with nobody waiting: ValueError \(.* answer\)",
    ),
    "a task that nobody awaited, in a loop left as it is": (
        """
        async def answer(text):
            raise ValueError(text)
        async def main():
            asyncio.create_task(answer(CANARY), name=CANARY)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        asyncio.run(main())
        """,
        r"ERROR asyncio at .*base_events\.py:\d+: ValueError \(.* answer\)",
    ),
    "a callback of the loop": (
        """
        async def main():
            quiet_loop(asyncio.get_running_loop())
            asyncio.get_running_loop().call_soon(int, CANARY)
            await asyncio.sleep(0)
        asyncio.run(main())
        """,
        r"ERROR bot\.log a callback failed with nobody waiting: ValueError",
    ),
    "a slow callback of the loop": (
        """
        async def main():
            asyncio.get_running_loop().slow_callback_duration = 0
            asyncio.get_running_loop().call_soon(str.upper, CANARY)
            await asyncio.sleep(0)
        asyncio.run(main())
        """,
        r"WARNING asyncio at asyncio/base_events\.py:\d+",
    ),
    "a warning": (
        'warnings.warn(f"bad event: {CANARY}", RuntimeWarning)',
        r"WARNING bot\.log RuntimeWarning at .*:\d+",
    ),
    "a file left open": (
        """
        def leave():
            open(CANARY, "w")
        leave()
        """,
        r"WARNING bot\.log ResourceWarning at ",
    ),
}


def run(script: str, folder: Path) -> str:
    heading = f"import asyncio, logging, os, sys, threading, warnings\nCANARY = {CANARY!r}\n"
    path = folder / "script.py"
    path.write_text(heading + script, "utf-8")
    environ = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONASYNCIODEBUG": "1"}
    finished = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "always", path],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return finished.stdout + finished.stderr


@pytest.mark.parametrize("path", PATHS)
def test_content_does_not_reach_the_log_through(path: str, tmp_path: Path) -> None:
    script, expected = PATHS[path]

    control = run(PLAIN + dedent(script), tmp_path)
    lines = run(SAFE + dedent(script), tmp_path).splitlines()

    assert CANARY in control
    assert CANARY not in "\n".join(lines)
    assert any(re.search(expected, line) for line in lines), lines
    assert [line for line in lines if not LINE.fullmatch(line) and "could not be" not in line] == []


def test_content_does_not_reach_the_log_through_a_handler_that_a_library_brought(
    tmp_path: Path,
) -> None:
    brought = dedent("""
        logger = logging.getLogger("library")
        logger.addHandler(logging.StreamHandler())
        logger.propagate = False
        """)
    used = 'logger.warning("%s", CANARY)\n'

    assert CANARY in run(brought + used, tmp_path)
    assert re.fullmatch(
        r".* WARNING library at .*script\.py:\d+\n", run(brought + SAFE + used, tmp_path)
    )


def test_our_own_words_are_shown_from_the_level_on(stream: io.StringIO) -> None:
    configure_logging("INFO", stream)

    logging.getLogger("bot.app").info("ready %s", "@bot:x")
    logging.getLogger("storage.vaults").warning("%(count)d vaults", {"count": 2})
    logging.getLogger("bot.app").debug("too much")

    assert [line.partition("Z ")[2] for line in stream.getvalue().splitlines()] == [
        "INFO bot.app ready @bot:x",
        "WARNING storage.vaults 2 vaults",
    ]


def test_libraries_are_shown_from_warning_on_even_at_debug(stream: io.StringIO) -> None:
    configure_logging("DEBUG", stream)

    logging.getLogger("nio.client").info("x")
    logging.getLogger("botany").warning("no relation of ours")

    (line,) = stream.getvalue().splitlines()
    assert re.search(r"WARNING botany at tests/test_log\.py:\d+$", line)


def test_a_higher_level_holds_for_libraries_too(stream: io.StringIO) -> None:
    configure_logging("ERROR", stream)

    logging.getLogger("nio.client").warning("x")
    logging.getLogger("bot.app").warning("x")

    assert stream.getvalue() == ""


def test_a_line_cannot_pass_for_two(stream: io.StringIO) -> None:
    configure_logging("INFO", stream)

    logging.getLogger("bot.app").info("one\ntwo\r\x1b[31m\u202ethree")

    assert stream.getvalue().endswith("INFO bot.app one two  [31m three\n")
    assert stream.getvalue().count("\n") == 1


def test_a_closed_stream_stops_nothing(stream: io.StringIO) -> None:
    configure_logging("INFO", stream)
    stream.close()

    logging.getLogger("bot.app").info("nobody reads this")

    assert stream.closed


def test_a_deep_recursion_is_described_by_its_innermost_calls() -> None:
    def fall(depth: int) -> None:
        if depth == 0:
            raise ValueError(CANARY)
        fall(depth - 1)

    with pytest.raises(ValueError, match=CANARY) as caught:
        fall(200)

    words = describe(caught.value)
    assert words.count("test_log.py") == 20
    assert words.endswith(" fall)")


def test_exceptions_that_cause_each_other_are_described_once() -> None:
    first, second = ValueError(CANARY), KeyError(CANARY)
    first.__cause__, second.__cause__ = second, first

    assert describe(first) == "ValueError because of KeyError"


def test_a_cause_that_was_suppressed_is_not_described() -> None:
    error = ValueError(CANARY)
    error.__context__, error.__suppress_context__ = KeyError(CANARY), True

    assert describe(error) == "ValueError"


def test_an_endless_chain_is_cut() -> None:
    error = bottom = ValueError()
    for _ in range(100):
        bottom.__cause__ = bottom = ValueError()

    assert describe(error).count("ValueError") == 8
