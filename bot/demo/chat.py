"""`confidant demo`: the whole of it on one machine, in a terminal or from a script."""

import asyncio
import fcntl
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bot.demo.script import play
from bot.demo.stage import OPERATOR, USER, Stage, stage
from bot.demo.terminal import Terminal
from bot.errors import BotError, ConfigError
from bot.log import describe


async def demo(*, script: Path | None, data: Path | None) -> int:
    """Run the demo until the script, or the person, is done; returns the exit code.

    Without `data` everything lies in a temporary folder and is deleted at the end.
    """
    lines = _lines(script)
    with _folder(data) as folder, _ended_by_signals():
        try:
            await _show(folder, lines)
        except (BotError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise BotError(f"The demo met a bug and stopped: {describe(error)}") from None
    return 0


async def _show(folder: Path, lines: Sequence[str] | None) -> None:
    async with stage(folder, _progress) as running:
        _progress(_logins(running, folder))
        if lines is None:
            await Terminal(running).run()
        else:
            await play(running, lines)


def _lines(script: Path | None) -> Sequence[str] | None:
    """The lines to send, or None where a person types them."""
    if script is None:
        return None if sys.stdin.isatty() else _spoken(sys.stdin.read())
    try:
        lines = _spoken(script.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"--script: {script} can't be read as a text file.") from None
    if not lines:
        raise ConfigError(f"--script: {script} has no line to send.")
    return lines


def _spoken(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Tidy up when the terminal is closed or the process told to end."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    for one in (signal.SIGHUP, signal.SIGTERM):
        loop.add_signal_handler(one, task.cancel)
    try:
        yield
    finally:
        for one in (signal.SIGHUP, signal.SIGTERM):
            loop.remove_signal_handler(one)


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is not None:
        with _locked(data.absolute()):
            yield data.absolute()
        _progress(f"Kept, with every file that was saved in it: {data.absolute()}")
        return
    with tempfile.TemporaryDirectory(prefix="confidant-demo-") as folder:
        yield Path(folder)
    _progress(f"Deleted, with every file that was saved in it: {folder} (--data DIR keeps it).")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder, made if need be, for this demo alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise ConfigError(f"--data: {folder} can't be used: {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"--data: another demo is running in {folder}.") from None
        yield


def _logins(running: Stage, folder: Path) -> str:
    # Not the bot's own: whoever logs in with it is a second device of its account.
    accounts = "\n".join(
        f"  @{name}:localhost  {running.passwords[name]}" for name in (USER, OPERATOR)
    )
    return (
        f"\nThe homeserver is at {running.url}. Any Matrix client on this machine can log in:\n"
        f"{accounts}\nData and logs: {folder}\n"
    )


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
