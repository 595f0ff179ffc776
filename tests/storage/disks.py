"""Small disks of our own; where the machine lets us have none, that is seen."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

MEGABYTE = 1_000_000


@contextmanager
def small_disk(place: Path, *, megabytes: int) -> Iterator[None]:
    """A file system of that size in a folder; where we may not mount one, the test is skipped."""
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={megabytes}M", "none"]
    if not _may("mount", *options, str(place)):
        no_disk("no file system may be mounted here, so none was filled")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextmanager
def raw_disk(image: Path, place: Path, *, megabytes: int) -> Iterator[None]:
    """An ext4 in an image file, mounted at a folder; where we may not, the test is skipped."""
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(megabytes * MEGABYTE)
    made = _may("mkfs.ext4", "-q", "-F", str(image))
    if not made or not _may("mount", "-o", "loop", str(image), str(place)):
        no_disk("no image may be made and mounted here, so no raw disk was looked at")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def no_disk(why: str) -> NoReturn:
    """Skip the test, so that it is seen; in CI as root, where a disk can be had, fail it."""
    if os.environ.get("CI") == "true" and os.geteuid() == 0:
        pytest.fail(why)
    pytest.skip(why)


def fill(folder: Path) -> Path:
    """Leave no free byte on the disk of a folder; the file that takes them."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (MEGABYTE, 4096, 1):
            while _written(file.write, bytes(size)):
                pass
    return filler


def _written(write: Callable[[bytes], int | None], content: bytes) -> bool:
    try:
        return write(content) == len(content)
    except OSError:
        return False


def _may(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
