"""What reaches the log: our own words, and of everything else only where and what kind.

A library's words, an exception's text and a source line may each hold what somebody wrote to the
bot, so none of them is ever printed, at any level.
"""

import asyncio
import contextlib
import logging
import sys
import threading
import traceback
import warnings
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

OURS = ("bot", "storage")
"""The loggers whose words are written by us and therefore free of content."""

_LOG = logging.getLogger(__name__)
_LONGEST_TRACE = 20
_DEEPEST_CHAIN = 8
_WIDEST_GROUP = 8


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Send every logger, warning and uncaught exception to stderr, one safe line each.

    `level` is that of our own loggers. Libraries show from WARNING on: without their words, their
    hundred DEBUG lines a message would say nothing.
    """
    root = logging.getLogger()
    for logger in [
        one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger)
    ]:
        logger.handlers.clear()  # a library's own handler would print its words
        logger.propagate = True
    handler = _SafeHandler(stream or sys.stderr)
    handler.setFormatter(_SafeFormatter())
    root.handlers[:] = [handler]
    ours = logging.getLevelNamesMapping()[level]
    root.setLevel(max(ours, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(ours)
    _hook_what_python_prints_itself()


def quiet_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Have the loop report what nobody awaited by kind and place, not by its repr."""
    loop.set_exception_handler(_loop_failed)


def describe(error: BaseException) -> str:
    """An exception's type and frames, and those of what caused it; never its text."""
    return _described(error, frozenset())


class _SafeFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        words = _words(record)
        if record.exc_info and record.exc_info[1]:
            words += f": {describe(record.exc_info[1])}"
        # A line break or a terminal's control code would let one line pass for another.
        words = "".join(char if char.isprintable() else " " for char in words)
        return f"{moment.replace('+00:00', 'Z')} {record.levelname} {record.name} {words}"


class _SafeHandler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Instead of logging's own, which prints the message and its arguments."""
        with contextlib.suppress(OSError, ValueError):  # stderr is closed: nowhere left to say it
            place = _place(record.pathname, record.lineno)
            self.stream.write(f"a line for the log could not be written, at {place}\n")


def _words(record: logging.LogRecord) -> str:
    if record.name.partition(".")[0] not in OURS:
        return f"at {_place(record.pathname, record.lineno)}"
    message = str(_without_text(record.msg))
    if not isinstance(record.args, tuple) or not record.args:
        return message % record.args if record.args else message
    return message % tuple(_without_text(one) for one in record.args)


def _without_text(value: object) -> object:
    return type(value).__qualname__ if isinstance(value, BaseException) else value


def _described(error: BaseException, seen: frozenset[int]) -> str:
    words = _type_name(type(error)) + _frames(error.__traceback__)
    seen |= {id(error)}
    if len(seen) >= _DEEPEST_CHAIN:
        return f"{words} …"
    if isinstance(error, BaseExceptionGroup):
        held = [_described(one, seen) for one in error.exceptions[:_WIDEST_GROUP]]
        words += f" holding {len(error.exceptions)} [{'; '.join(held)}]"
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is None or id(cause) in seen:
        return words
    return f"{words} because of {_described(cause, seen)}"


def _type_name(kind: type[BaseException]) -> str:
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _frames(trace: TracebackType | None) -> str:
    """The innermost calls, outermost first: what recursed a thousand times fits in a line."""
    places = [
        f"{_place(frame.f_code.co_filename, line)} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(trace)
    ]
    return f" ({', '.join(places[-_LONGEST_TRACE:])})" if places else ""


def _place(file: str, line: int) -> str:
    return f"{'/'.join(Path(file).parts[-2:])}:{line}"


def _hook_what_python_prints_itself() -> None:
    sys.excepthook = _stopped
    threading.excepthook = _thread_failed
    sys.unraisablehook = _not_raisable
    warnings.showwarning = _warned


def _stopped(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _LOG.critical("stopped", exc_info=(kind, error, trace))


def _thread_failed(args: threading.ExceptHookArgs) -> None:
    if args.exc_value and not isinstance(args.exc_value, SystemExit):
        _LOG.error("a thread failed", exc_info=args.exc_value)


def _not_raisable(args: "sys.UnraisableHookArgs") -> None:
    _LOG.error("failed where nothing can be raised", exc_info=args.exc_value)


def _warned(  # noqa: PLR0917 - warnings calls it so
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _LOG.warning("%s at %s", category.__name__, _place(filename, lineno))


def _loop_failed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """`context["message"]` is not shown: it may hold the repr of a callback's arguments."""
    task = context.get("task") or context.get("future")
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    name = getattr(coroutine, "__qualname__", "a callback")
    _LOG.error("%s failed with nobody waiting", name, exc_info=context.get("exception"))
