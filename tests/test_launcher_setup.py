"""The launcher started as a program: what it becomes, and when it syncs first."""

from pathlib import Path
from types import ModuleType

import pytest

from tests.launching import LAUNCHER, Machine, furnish, load, move_in, pip_conf


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    folder = tmp_path / "tools"
    folder.mkdir()
    environ = {
        **move_in(tmp_path),
        "PATH": f"{folder}:/usr/bin:/bin",
        "UV_LOG": str(tmp_path / "uv.log"),
        "FAKE_PYTHON": str(folder / "python"),
    }
    found = Machine(furnish(tmp_path), folder, environ)
    found.install()
    return found


def test_a_verb_of_the_bot_passes_through_from_any_folder(machine: Machine) -> None:
    code, out, _ = machine.start("run", "--config", "my config.toml")

    assert (code, out) == (0, "/ -P -m bot run --config my config.toml\n")


def test_without_a_verb_the_bot_explains_itself(machine: Machine) -> None:
    assert machine.start()[1] == "/ -P -m bot --help\n"


def test_named_tests_run_pytest_alone_in_the_house(machine: Machine) -> None:
    _, out, _ = machine.start("test", "tests/test_x.py", "-k", "y")

    assert out == f"{machine.house} -P -m pytest tests/test_x.py -k y\n"


def test_all_checks_come_before_the_tests(machine: Machine) -> None:
    _, out, err = machine.start("test")

    calls = [line.partition(" -m ")[2] for line in out.splitlines()]
    assert [call.split()[0] for call in calls] == ["ruff", "ruff", "mypy", "pytest"]
    assert err.count("Checking: ") == 3


def test_the_first_check_that_fails_ends_the_run_with_its_code(machine: Machine) -> None:
    machine.start("test", "--version")
    python = machine.house / ".venv/bin/python"
    python.write_text('#!/bin/sh\necho "$@"\ncase "$*" in *format*) exit 7 ;; esac\n')

    code, out, _ = machine.start("test")

    assert code == 7
    assert out.splitlines()[-1].startswith("-m ruff format")


def test_a_benchmark_is_chosen_by_name(machine: Machine) -> None:
    (machine.house / "benchmarks").mkdir()
    (machine.house / "benchmarks/start.py").touch()

    code, out, err = machine.start("bench", "nonsense")
    assert (code, out, err) == (
        2,
        "",
        "usage: ./confidant bench NAME, where NAME is one of: start\n",
    )

    _, out, _ = machine.start("bench", "start", "--json")
    assert out == f"/ -P {machine.house}/benchmarks/start.py --json\n"


def test_a_start_of_what_is_there_already_calls_no_uv(machine: Machine) -> None:
    _, _, first = machine.start("run")
    _, _, second = machine.start("run")

    assert first == "Setting up: installing the locked packages (bot)\n"
    assert second == ""
    assert machine.syncs() == [""]


def test_groups_grow_and_are_not_thrown_away(machine: Machine) -> None:
    for verb in ("demo", "test", "demo", "run"):
        machine.start(verb, "--help")

    assert machine.syncs() == ["--group=demo", "--group=demo --group=test"]


def test_a_new_lock_file_means_a_new_sync_of_all_groups_held(machine: Machine) -> None:
    machine.start("demo")
    with (machine.house / "uv.lock").open("a") as lock:
        lock.write("# changed\n")

    machine.start("run")

    assert machine.syncs() == ["--group=demo", "--group=demo"]


def test_a_folder_that_was_moved_is_synced_again(machine: Machine) -> None:
    machine.start("run")
    machine.house = machine.house.rename(machine.house.with_name("moved"))

    machine.start("run")

    assert machine.syncs() == ["", ""]


def test_a_sync_that_fails_leaves_what_worked_before(machine: Machine) -> None:
    machine.start("run")

    code, _, err = machine.start("demo", UV_FAILS="2")

    assert code == 1
    assert err.splitlines()[-1].startswith(f"confidant: {machine.folder}/uv failed, see above: ")
    assert machine.start("run")[::2] == (0, "")


def test_two_starts_at_once_set_up_once(machine: Machine) -> None:
    starts = [machine.begin("run", UV_TAKES="0.5") for _ in range(3)]

    outcomes = [start.communicate(timeout=60)[0] for start in starts]

    assert outcomes == ["/ -P -m bot run\n"] * 3
    assert machine.syncs() == [""]


def test_an_older_uv_in_path_is_not_used(machine: Machine) -> None:
    machine.install(version="0.10.4")

    code, _, err = machine.start(
        "run", UV_DEFAULT_INDEX="http://127.0.0.1:9/simple", no_proxy="127.0.0.1"
    )

    assert code == 1
    assert "Setting up: fetching uv" in err
    assert "http://127.0.0.1:9/simple/uv/ can't be reached" in err


def test_a_broken_pip_conf_is_named(machine: Machine) -> None:
    pip_conf(machine.environ, "index-url = https://x.example\n")

    code, _, err = machine.start("run")

    assert code == 1
    assert err.startswith("confidant: pip's configuration can't be read: ")


@pytest.fixture
def launcher() -> ModuleType:
    return load(LAUNCHER)


@pytest.mark.parametrize("there", ["chromium", "chromium-browser", "google-chrome"])
def test_any_of_the_browsers_will_do(
    there: str, launcher: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / there).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert launcher.missing(launcher.SYSTEM_PROGRAMS, "debian") == ["age"]


def test_a_browser_is_installed_under_the_name_that_the_system_has_for_it(
    launcher: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert launcher.missing(launcher.SYSTEM_PROGRAMS, "debian") == ["chromium", "age"]
    assert launcher.missing(launcher.SYSTEM_PROGRAMS, "ubuntu") == ["chromium-browser", "age"]
    assert launcher.missing(launcher.SYSTEM_PROGRAMS, "") == ["chromium", "age"]
