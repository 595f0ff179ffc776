"""A real Chromium for tests: opens a file, says what is in it, and what it tried to do.

Spoken to over a pair of pipes (`--remote-debugging-pipe`): no port, nothing to poll for.
"""

import fcntl
import json
import os
import select
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
PATIENCE = 60  # seconds for one answer of the browser
KEYS = {"ArrowDown": 40, "ArrowUp": 38, "Enter": 13, "Escape": 27, "/": 191}


@dataclass
class Chromium:
    """A running browser, and everything that it told since it started."""

    asked: int
    told: int
    events: list[dict[str, Any]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)
    rest: bytes = b""

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """What the browser answers; what it tells meanwhile is kept."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.asked, json.dumps(message).encode() + b"\0")
        while True:
            heard = self._hear()
            if heard.get("id") == number:
                assert "error" not in heard, f"{method}: {heard['error']}"
                result: dict[str, Any] = heard["result"]
                return result
            self.events.append(heard)

    def until(self, method: str, session: str) -> dict[str, Any]:
        """The first event of this kind that a page told, or will tell."""
        looked = 0
        while True:
            for event in self.events[looked:]:
                if (event.get("method"), event.get("sessionId")) == (method, session):
                    return event
            looked = len(self.events)
            self.events.append(self._hear())

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.told], [], [], PATIENCE)
            assert ready, f"Chromium has said nothing for {PATIENCE} seconds"
            chunk = os.read(self.told, 1 << 20)
            assert chunk, "Chromium has gone"
            self.rest += chunk
        line, _, self.rest = self.rest.partition(b"\0")
        heard: dict[str, Any] = json.loads(line)
        return heard


@dataclass
class Page:
    """One tab, with a profile of its own."""

    chromium: Chromium
    session: str

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.chromium.ask(method, self.session, **parameters)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page, promises waited for; its exception is ours."""
        answer = self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def go(self, file: Path) -> None:
        """Open a file, and come back when it has loaded."""
        assert "errorText" not in self.ask("Page.navigate", url=file.as_uri())
        self.chromium.until("Page.loadEventFired", self.session)
        self.settle()

    def settle(self) -> None:
        """Let the page do what it does when it has drawn."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")

    def to(self, place: str) -> None:
        """Follow a link to a place in the page, as a click does."""
        self.evaluate(
            "new Promise(done => { addEventListener('hashchange', () => done(), {once: true});"
            "const link = Object.assign(document.createElement('a'),"
            f" {{href: {json.dumps('#' + place)}}}); document.body.append(link);"
            "link.click(); link.remove(); })"
        )
        self.settle()

    def back(self) -> None:
        self.evaluate(
            "new Promise(done => { addEventListener('hashchange', () => done(), {once: true});"
            "history.back(); })"
        )
        self.settle()

    def press(self, key: str) -> None:
        about = {"key": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": {"Enter": "\r", "/": "/"}[key]} if key in ("Enter", "/") else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **about)
        self.settle()

    def type(self, text: str) -> None:
        """Put a text in where the focus is."""
        self.ask("Input.insertText", text=text)
        self.settle()

    def search(self, words: str) -> None:
        """Put words into the page's search, as if they were typed."""
        self.evaluate(
            f"query.value = {json.dumps(words)};"
            "query.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        self.settle()

    def looks(self, *, width: int = 1280, dark: bool = False) -> None:
        """How wide the window is, and which colours the person likes."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.settle()

    def text(self, selector: str = "main") -> str:
        """What a person reads there, in one line."""
        shown = self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")
        return " ".join(shown.split())

    def told(self, method: str) -> list[dict[str, Any]]:
        """What this tab told of one kind, so far."""
        mine = [one for one in self.chromium.events if one.get("sessionId") == self.session]
        return [one["params"] for one in mine if one["method"] == method]

    def requests(self) -> list[str]:
        """The address of everything that was asked for."""
        return [one["request"]["url"] for one in self.told("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """Every line on the console, every exception, every dialog, every breach of the policy."""
        lines = [one["entry"]["text"] for one in self.told("Log.entryAdded")]
        lines += [str(one["args"]) for one in self.told("Runtime.consoleAPICalled")]
        lines += [str(one["exceptionDetails"]) for one in self.told("Runtime.exceptionThrown")]
        return lines + [one["message"] for one in self.told("Page.javascriptDialogOpening")]


def program() -> str:
    """The browser that is installed here."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.fail(f"These tests need a browser, one of: {', '.join(PROGRAMS)}. Install one.")
    return found


@contextmanager
def browser(profile: Path) -> Iterator[Chromium]:
    """A browser with an empty profile, in a time zone that is the same everywhere."""
    (asked, ours), (told, theirs) = os.pipe(), os.pipe()
    # It reads its file descriptor 3 and writes 4: out of the way first, whatever ours are called.
    high = [
        fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10)
        for one in (asked, theirs, os.open(os.devnull, os.O_RDWR))
    ]
    switches = [*SWITCHES, f"--user-data-dir={profile}", "about:blank"]
    started = os.posix_spawn(
        program(),
        [program(), *switches],
        {**os.environ, "TZ": "UTC"},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, high[0], 3),
            (os.POSIX_SPAWN_DUP2, high[1], 4),
            (os.POSIX_SPAWN_DUP2, high[2], 1),
            (os.POSIX_SPAWN_DUP2, high[2], 2),
        ],
    )
    for one in (asked, theirs, *high):
        os.close(one)
    chromium = Chromium(ours, told)
    try:
        yield chromium
    finally:
        os.kill(started, signal.SIGTERM)
        os.waitpid(started, 0)
        os.close(ours)
        os.close(told)


@contextmanager
def tab(chromium: Chromium) -> Iterator[Page]:
    """A tab in which nothing was opened before."""
    context = chromium.ask("Target.createBrowserContext")["browserContextId"]
    target = chromium.ask("Target.createTarget", url="about:blank", browserContextId=context)
    session = chromium.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
    page = Page(chromium, session["sessionId"])
    for domain in ("Page", "Runtime", "Network", "Log"):
        page.ask(f"{domain}.enable")
    try:
        yield page
    finally:
        chromium.ask("Target.disposeBrowserContext", browserContextId=context)
