"""The launcher alone: which package index it goes to, and which uv it takes from there."""

import base64
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.launching import REGISTRY, Index, furnish, load, move_in, pip_conf, serving

TAG = "manylinux_2_17_x86_64"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    return furnish(tmp_path)


@pytest.fixture
def launcher(house: Path) -> ModuleType:
    return load(house / "confidant")


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return move_in(tmp_path)


def test_without_configuration_the_index_is_the_one_in_the_lock_file(
    launcher: ModuleType, home: dict[str, str]
) -> None:
    environ = launcher.uv_environment({**home, "PIP_CONFIG_FILE": os.devnull})

    assert "UV_DEFAULT_INDEX" not in environ
    assert launcher.index_url(environ).geturl() == REGISTRY


def test_pip_conf_names_the_index_for_uv(launcher: ModuleType, home: dict[str, str]) -> None:
    pip_conf(home, "[global]\nindex_url = https://a.example/simple/\ncert = /etc/our-ca.pem\n")

    environ = launcher.uv_environment(home)

    assert launcher.index_url(environ).geturl() == "https://a.example/simple"
    assert environ["SSL_CERT_FILE"] == "/etc/our-ca.pem"
    assert environ["UV_PYTHON_DOWNLOADS"] == "never"


def test_the_install_section_wins_over_the_global_one(
    launcher: ModuleType, home: dict[str, str]
) -> None:
    pip_conf(
        home,
        "[install]\nindex-url = https://install.example/\n[global]\nindex-url = https://global.example/\n",
    )

    assert launcher.pip_options(home)["index-url"] == "https://install.example/"


def test_the_file_in_pip_config_file_replaces_the_users_own(
    launcher: ModuleType, home: dict[str, str], tmp_path: Path
) -> None:
    own = Path(home["HOME"], ".config/pip/pip.conf")
    named = tmp_path / "named.conf"
    named.write_text("[global]\nindex-url = https://named.example/\n")
    environ = {**home, "PIP_CONFIG_FILE": str(named)}

    assert own in launcher.pip_files(home)
    assert own not in launcher.pip_files(environ)
    assert launcher.pip_options(environ)["index-url"] == "https://named.example/"


@pytest.mark.parametrize(
    ("environ", "index"),
    [
        ({"PIP_INDEX_URL": "https://pip.example/"}, "https://pip.example"),
        ({"PIP_INDEX_URL": ""}, "https://conf.example"),
        (
            {"PIP_INDEX_URL": "https://pip.example", "UV_INDEX_URL": "https://old.example"},
            "https://old.example",
        ),
        (
            {"UV_INDEX_URL": "https://old.example", "UV_DEFAULT_INDEX": "https://uv.example"},
            "https://uv.example",
        ),
        ({"UV_DEFAULT_INDEX": ""}, "https://conf.example"),
        ({"UV_DEFAULT_INDEX": "ours=https://uv.example/simple"}, "https://uv.example/simple"),
    ],
)
def test_the_environment_wins_over_pip_conf_and_uvs_own_words_over_pips(
    launcher: ModuleType, home: dict[str, str], environ: dict[str, str], index: str
) -> None:
    pip_conf(home, "[global]\nindex-url = https://conf.example\n")

    found = launcher.uv_environment({**home, **environ})

    assert launcher.index_url(found).geturl() == index


def test_further_indexes_may_serve_any_package_because_every_file_is_hashed(
    launcher: ModuleType, home: dict[str, str]
) -> None:
    pip_conf(
        home, "[global]\nextra-index-url =\n    https://one.example/\n    https://two.example/\n"
    )

    environ = launcher.uv_environment(home)

    assert environ["UV_INDEX"] == "https://one.example/ https://two.example/"
    assert environ["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_a_user_without_a_home_gets_a_cache_in_the_house(
    launcher: ModuleType, house: Path, home: dict[str, str]
) -> None:
    assert "UV_CACHE_DIR" not in launcher.uv_environment(home)

    environ = launcher.uv_environment({**home, "HOME": "/nonexistent"})

    assert environ["UV_CACHE_DIR"] == str(house / ".uv" / "cache")


@pytest.mark.parametrize(
    ("system", "machine", "triple", "tag"),
    [
        ("Linux", "x86_64", "x86_64-pc-linux-gnu", "manylinux_2_17_x86_64"),
        ("Linux", "x86_64", "x86_64-alpine-linux-musl", "musllinux_1_1_x86_64"),
        ("Linux", "aarch64", "aarch64-unknown-linux-gnu", "manylinux_2_17_aarch64"),
        ("Linux", "aarch64", "aarch64-alpine-linux-musl", "musllinux_1_1_aarch64"),
        ("Darwin", "arm64", "None", "macosx_11_0_arm64"),
    ],
)
def test_the_wheel_suits_the_platform(
    launcher: ModuleType, system: str, machine: str, triple: str, tag: str
) -> None:
    assert launcher.wheel_tag(system, machine, triple) == tag


def test_an_unknown_platform_is_told_to_install_uv(launcher: ModuleType) -> None:
    with pytest.raises(SystemExit, match="Linux on sparc64: install uv"):
        launcher.wheel_tag("Linux", "sparc64", "sparc64-linux-gnu")


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(Index()) as found:
        yield found


def uv_wheel(launcher: ModuleType, program: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        wheel.writestr(f"uv-{launcher.UV_VERSION}.data/scripts/uv", program)
    return packed.getvalue()


def test_a_wheel_with_another_hash_is_refused(launcher: ModuleType, index: Index) -> None:
    name = index.offer(launcher, uv_wheel(launcher, b"not uv"))

    with pytest.raises(SystemExit, match=f"{name} from .* is not the file that was published"):
        launcher.fetch_wheel(TAG, {"UV_DEFAULT_INDEX": index.url})


@pytest.mark.parametrize("html", [False, True], ids=["json", "html"])
def test_uv_is_fetched_from_the_configured_index_and_kept(
    launcher: ModuleType,
    house: Path,
    index: Index,
    monkeypatch: pytest.MonkeyPatch,
    *,
    html: bool,
) -> None:
    wheel = uv_wheel(launcher, b"#!/bin/sh\n")
    digest = hashlib.sha256(wheel).hexdigest()
    launcher.UV_WHEELS.update(dict.fromkeys(launcher.UV_WHEELS, digest))
    index.offer(launcher, wheel, html=html)
    monkeypatch.setenv("PATH", "/nonexistent")

    first = launcher.find_uv({"UV_DEFAULT_INDEX": index.url})
    second = launcher.find_uv({"UV_DEFAULT_INDEX": index.url})

    assert first == second == str(house / ".uv" / launcher.UV_VERSION / "uv")
    assert os.access(first, os.X_OK)
    assert len(index.asked) == 2


def test_credentials_go_to_the_index_alone_and_into_no_message(
    launcher: ModuleType, index: Index
) -> None:
    name = index.offer(launcher, b"")
    url = index.url.replace("//", "//bob:p%40ss@")
    secret = base64.b64encode(b"bob:p@ss").decode()
    with serving(Index()) as stranger:
        stranger.pages["/uv.whl"] = ("application/octet-stream", b"not uv")
        link = stranger.url.replace("/simple", "/uv.whl")
        page = json.dumps({"files": [{"filename": name, "url": link}]}).encode()
        index.pages["/simple/uv/"] = ("application/json", page)

        with pytest.raises(SystemExit, match="not the file") as stopped:
            launcher.fetch_wheel(TAG, {"UV_DEFAULT_INDEX": url})

    assert index.asked == [("/simple/uv/", f"Basic {secret}")]
    assert stranger.asked == [("/uv.whl", None)]
    assert "p%40ss" not in str(stopped.value)


def test_credentials_do_not_follow_a_redirect(launcher: ModuleType, index: Index) -> None:
    with serving(Index()) as stranger:
        stranger.offer(launcher, b"not uv", html=True)
        index.moved["/simple/uv/"] = f"{stranger.url}/uv/"

        with pytest.raises(SystemExit, match="not the file"):
            launcher.fetch_wheel(TAG, {"UV_DEFAULT_INDEX": index.url.replace("//", "//bob:p@")})

    assert index.asked[0][1] is not None
    assert len(stranger.asked) == 2
    assert {header for _, header in stranger.asked} == {None}


def test_an_index_without_our_uv_says_what_to_do(launcher: ModuleType, index: Index) -> None:
    index.pages["/simple/uv/"] = ("text/html", b"<html></html>")

    with pytest.raises(SystemExit, match=r"/simple/uv/ has no uv .*: install uv"):
        launcher.fetch_wheel(TAG, {"UV_DEFAULT_INDEX": index.url})


def test_a_program_that_only_root_could_install_is_asked_for(
    launcher: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    launcher.provide({})
    with pytest.raises(SystemExit, match="the tests need chromium"):
        launcher.provide({"a-browser": "chromium"})
