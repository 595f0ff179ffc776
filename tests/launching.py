"""A copy of the launcher and the machine around it: pip.conf, an index, a uv that takes notes."""

import http.server
import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

LAUNCHER = Path(__file__).parent.parent / "confidant"
REGISTRY = "https://index.example/simple"


def load(path: Path) -> ModuleType:
    loader = SourceFileLoader("launcher", str(path))
    spec = importlib.util.spec_from_loader("launcher", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def furnish(folder: Path) -> Path:
    """A house with the launcher and a lock file, and nothing else."""
    house = folder / "my bots" / "confidant"
    house.mkdir(parents=True)
    (house / "confidant").write_bytes(LAUNCHER.read_bytes())
    (house / "uv.lock").write_text(f'source = {{ registry = "{REGISTRY}" }}\n')
    return house


def move_in(folder: Path) -> dict[str, str]:
    """The environment of somebody who has configured nothing yet."""
    home = folder / "home"
    home.mkdir()
    return {"HOME": str(home), "XDG_CONFIG_DIRS": str(folder / "xdg")}


def pip_conf(home: Mapping[str, str], text: str) -> None:
    path = Path(home["HOME"], ".config/pip/pip.conf")
    path.parent.mkdir(parents=True)
    path.write_text(text)


@dataclass
class Index:
    """A package index on a loopback socket: what it serves, and what it was asked."""

    pages: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def offer(self, launcher: ModuleType, wheel: bytes, *, html: bool = False) -> str:
        """Serve a wheel as uv for every platform that we know, beside one for another."""
        version = launcher.UV_VERSION
        other = f"uv-{version}-py3-none-win_amd64.whl"
        name = f"uv-{version}-py3-none-{'.'.join(launcher.UV_WHEELS)}.whl"
        self.pages[f"/files/{name}"] = ("application/octet-stream", wheel)
        if html:
            rows = "".join(f'<a href="../../files/{n}#sha256=00">{n}</a>\n' for n in (other, name))
            self.pages["/simple/uv/"] = ("text/html", f"<html>{rows}</html>".encode())
        else:
            files = [{"filename": n, "url": f"../../files/{n}"} for n in (other, name)]
            body = json.dumps({"files": files}).encode()
            self.pages["/simple/uv/"] = ("application/vnd.pypi.simple.v1+json", body)
        return name


@contextmanager
def serving(index: Index) -> Iterator[Index]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append((self.path, self.headers["Authorization"]))
            content_type, body = index.pages.get(self.path, ("", b""))
            self.send_response(302 if self.path in index.moved else 200 if content_type else 404)
            self.send_header("Location", index.moved.get(self.path, ""))
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Stays quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        index.url = f"http://127.0.0.1:{server.server_port}/simple"
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()


FAKE_UV = """#!/bin/sh
echo "$*" >> "$UV_LOG"
case "$*" in
  --version) echo "uv {version}" ;;
  *" export "*) echo requirements ;;
  *" sync "*) cat > .venv/requirements; sleep "${{UV_TAKES:-0}}"; exit "${{UV_FAILS:-0}}" ;;
  *" venv "*) mkdir -p .venv/bin .venv/lib/{python} && cp "$FAKE_PYTHON" .venv/bin/python ;;
esac
"""


@dataclass
class Machine:
    """A machine with a uv and a Python that only note how they are called."""

    house: Path
    folder: Path
    environ: dict[str, str]

    def install(self, *, version: str = "0.13.9") -> None:
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        (self.folder / "uv").write_text(FAKE_UV.format(version=version, python=python))
        (self.folder / "uv").chmod(0o755)
        echo = self.folder / "python"
        echo.write_text('#!/bin/sh\necho "$PWD" "$@"\n')
        echo.chmod(0o755)

    def begin(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(self.house / "confidant"), *arguments],
            env={**self.environ, **environ},
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self, *arguments: str, **environ: str) -> tuple[int, str, str]:
        process = self.begin(*arguments, **environ)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def syncs(self) -> list[str]:
        """The exports that were synced, each as the groups it asked for."""
        log = Path(self.environ["UV_LOG"])
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.partition("--frozen")[2].strip() for line in lines if "export" in line]
