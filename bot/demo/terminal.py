"""The demo's chat in a terminal: the conversation, the audit room beside it, a line to type."""

import asyncio
import textwrap
from collections import deque
from collections.abc import Callable

from prompt_toolkit.application import Application, get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Point
from prompt_toolkit.formatted_text import OneStyleAndTextTuple, StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import DynamicContainer, HSplit, Layout, VSplit, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import get_cwidth

from bot.demo.conversation import Conversation, Note
from bot.demo.person import Seen
from bot.demo.script import written
from bot.demo.stage import OPERATOR, USER, Stage
from bot.tasks import task_group

WIDE = 110  # columns from which the audit feed stands beside the chat instead of below it
PAGE = 8  # lines that a page key scrolls
FEED = 46  # columns of the audit feed there
HINTS = (
    " Enter sends · PageUp scrolls back · !help lists the commands · /send PATH sends a file · "
    "Ctrl-C ends the demo"
)
WELCOME = "Say something, for example: My cat is called Miso. Then ask: What is my cat called?"

_STYLE = Style.from_dict(
    {
        "title": "reverse bold",
        "you": "ansicyan bold",
        "bot": "ansigreen bold",
        "growing": "italic",
        "file": "ansiyellow",
        "dim": "ansibrightblack",
    }
)


class Terminal:
    """A full-screen chat; it redraws whatever changed, so that answers are seen growing."""

    def __init__(self, stage: Stage) -> None:
        self._feed: deque[str] = deque(maxlen=200)
        self._back = 0  # lines that the person has scrolled back
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self._input = Buffer(multiline=False, accept_handler=self._typed)
        self._app: Application[None] = Application(
            layout=Layout(self._body(stage), focused_element=self._input),
            key_bindings=self._keys(),
            style=_STYLE,
            full_screen=True,
        )
        self._conversation = Conversation(
            stage.user, stage.room_id, stage.received, self._app.invalidate
        )
        stage.operator.on_seen = self._audited

    async def run(self) -> None:
        """Chat until the person ends it."""
        async with task_group() as tasks:
            sending = tasks.create_task(self._send())
            await self._app.run_async()
            sending.cancel()

    async def _send(self) -> None:
        while True:
            await self._conversation.say(await self._lines.get())

    def _typed(self, buffer: Buffer) -> bool:
        self._back = 0
        if buffer.text.strip():
            self._lines.put_nowait(buffer.text)
        return False  # the line is emptied

    def _audited(self, message: Seen) -> None:
        self._feed.extend(line.removeprefix("• ") for line in message.text.splitlines())
        self._app.invalidate()

    def _body(self, stage: Stage) -> HSplit:
        title = f" Confidant demo · end-to-end encrypted · {stage.url}"
        logins = [f"@{who}:localhost, password {stage.passwords[who]}" for who in (USER, OPERATOR)]
        prompt = BufferControl(self._input, input_processors=[BeforeInput("you ❯ ", "class:you")])
        typed = Window(
            prompt, wrap_lines=True, height=Dimension(min=1, max=4), dont_extend_height=True
        )
        return HSplit(
            [
                _line(title, "class:title"),
                *(_line(f" other clients: {login}", "class:dim") for login in logins),
                self._panes(),
                _rule(),
                typed,
                _line(HINTS, "class:dim"),
            ]
        )

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("c-c")
        @keys.add("c-d")
        def _(event: KeyPressEvent) -> None:
            event.app.exit()

        @keys.add("pageup")
        def _(event: KeyPressEvent) -> None:
            self._back += PAGE

        @keys.add("pagedown")
        def _(event: KeyPressEvent) -> None:
            self._back = max(0, self._back - PAGE)

        return keys

    def _panes(self) -> DynamicContainer:
        """The chat, and the audit feed at its side or, where that is too narrow, below it."""
        chat = _pane(self._chat_text, back=lambda: self._back)
        rule = Window(width=1, char="│", style="class:dim")
        beside = VSplit([chat, rule, _pane(self._feed_text, width=Dimension.exact(FEED))])
        below = HSplit([chat, _rule(), _pane(self._feed_text, height=Dimension.exact(7))])
        return DynamicContainer(lambda: beside if _columns() >= WIDE else below)

    def _chat_text(self) -> StyleAndTextTuples:
        columns = _columns() - (FEED + 1 if _columns() >= WIDE else 0)
        text: StyleAndTextTuples = [("class:dim", _folded(WELCOME, columns) + "\n")]
        for message in self._conversation.messages.values():
            text += _shown(message, columns)
        return text

    def _feed_text(self) -> StyleAndTextTuples:
        columns = FEED if _columns() >= WIDE else _columns()
        head: OneStyleAndTextTuple = ("class:bot", "audit room: what the operator sees\n")
        return [head, *(("class:dim", f"{_folded(line, columns)}\n") for line in self._feed)]


def _shown(message: Seen | str | Note, columns: int) -> StyleAndTextTuples:
    if isinstance(message, str):
        return [("class:you", "you  "), ("", f"{_folded(message, columns, indent=5)}\n")]
    if isinstance(message, Note):
        return [("", " " * 5), ("class:file", f"{_folded(written(message), columns, indent=5)}\n")]
    style = "class:file" if message.file else "" if message.finished else "class:growing"
    return [("class:bot", "bot  "), (style, f"{_folded(written(message), columns, indent=5)}\n")]


def _folded(text: str, columns: int, *, indent: int = 0) -> str:
    """Text folded between words, each line but the first indented."""
    lines = [
        folded
        for line in text.splitlines()
        for folded in textwrap.wrap(line, _width(line, columns - indent), break_on_hyphens=False)
        or [""]
    ]
    return ("\n" + " " * indent).join(lines)


def _width(line: str, columns: int) -> int:
    """How many characters fit, though pictures take two columns."""
    return max(20, columns - 1 - max(0, get_cwidth(line) - len(line)))


def _columns() -> int:
    return get_app().output.get_size().columns


def _line(text: str, style: str) -> Window:
    return Window(FormattedTextControl([(style, text)]), height=1, style=style)


def _rule() -> Window:
    return Window(height=1, char="─", style="class:dim")


def _pane(
    text: Callable[[], StyleAndTextTuples],
    *,
    back: Callable[[], int] = lambda: 0,
    width: Dimension | None = None,
    height: Dimension | None = None,
) -> Window:
    """A window that shows the end of its text, or what is `back` from it: it follows a cursor."""

    def end() -> Point:
        return Point(0, max(0, sum(part[1].count("\n") for part in text()) - back()))

    control = FormattedTextControl(text, get_cursor_position=end)
    return Window(control, wrap_lines=True, width=width, height=height)
