"""Settings of the whole suite, and what several of its files share."""

import io
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from bot.archive.page import page
from tests.browser import Chromium, Page, browser, tab
from tests.exported import lived
from tests.outsider import Outsider
from tests.place import Place

settings.register_profile("confidant", deadline=None)  # these machines are noisy
settings.load_profile("confidant")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What is logged, with every global that logging is made of put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    with warnings.catch_warnings():
        yield io.StringIO()
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    root.handlers[:], root.level = handlers, level
    for name in ("bot", "storage"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def outsider(tmp_path: Path) -> Outsider:
    return Outsider(tmp_path)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def window(chromium: Chromium) -> Iterator[Page]:
    with tab(chromium) as opened:
        yield opened


@pytest.fixture
async def anns(window: Page, tmp_path: Path) -> Page:
    """Ann's own export, open."""
    file = tmp_path / "index.html"
    file.write_bytes(page(*await lived(tmp_path / "data")))
    window.go(file)
    return window


@pytest.fixture
def at_ease(anns: Page) -> Iterator[Page]:
    """The same, which in the end must have asked for nothing and complained of nothing."""
    yield anns
    assert anns.complaints() == []
    assert {one for one in anns.requests() if not one.startswith(("file:", "data:"))} == set()
