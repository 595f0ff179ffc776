"""What the doctor finds, on real files and with servers that answer or don't."""

import subprocess
from pathlib import Path

import pytest

from bot.config import Config, load_config
from bot.doctor import Finding, Level, Probe, examine
from bot.errors import GatewayError, HomeserverError
from storage import MasterKey

WELL = """
[homeserver]
url = "https://matrix.example.org"
user_id = "@confidant:example.org"
password_file = "{secrets}/password"
[gateway]
base_url = "http://127.0.0.1:11434/v1"
model = "m"
[privacy]
operator = "Jane Doe"
jurisdiction = "Germany"
backup_retention = "30 days"
[storage]
path = "{data}"
master_key_file = "{secrets}/master_key"
[access]
users = ["@*:example.org"]
operators = ["@jane:example.org"]
"""


class Place:
    """A machine on which everything is well, to be spoilt."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.secrets = folder / "secrets"
        self.file = folder / "config.toml"
        self.data.mkdir(0o700)
        self.secrets.mkdir(0o700)
        self.put(self.secrets / "password", "hunter2")
        self.put(self.secrets / "master_key", "ab" * 32)
        self.put(self.file, WELL.format(secrets=self.secrets, data=self.data))

    @staticmethod
    def put(path: Path, text: str, mode: int = 0o600) -> None:
        path.write_text(text, "utf-8")
        path.chmod(mode)

    def config(self, **environ: str) -> Config:
        return load_config(self.file, {f"CONFIDANT_{key}": value for key, value in environ.items()})

    def without(self, line: str) -> None:
        kept = [one for one in self.file.read_text("utf-8").splitlines() if line not in one]
        self.put(self.file, "\n".join(kept))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def answering(sentence: str) -> Probe:
    async def ask() -> str:
        return sentence

    return ask


def refusing(error: Exception) -> Probe:
    async def ask() -> str:
        raise error

    return ask


def in_a_shell(command: str, folder: Path) -> None:
    subprocess.run(["sh", "-c", command], cwd=folder, check=True)


HOMESERVER = answering("The homeserver answers.")
GATEWAY = answering("The gateway answers and knows the model.")


async def troubles(config: Config, file: Path | None = None) -> list[Finding]:
    found = await examine(config, homeserver=HOMESERVER, gateway=GATEWAY, file=file)
    return [one for one in found if one.level is not Level.OK]


async def trouble(config: Config, file: Path | None = None) -> Finding:
    (only,) = await troubles(config, file)
    return only


async def test_where_all_is_well_every_line_says_so(place: Place) -> None:
    findings = await examine(
        place.config(), homeserver=HOMESERVER, gateway=GATEWAY, file=place.file
    )

    assert [one.line() for one in findings] == [
        "ok    The configuration can be read.",
        f"ok    {place.data} is readable by its owner alone.",
        "ok    The master key is kept apart from the data.",
        "ok    The homeserver answers.",
        "ok    The gateway answers and knows the model.",
    ]


async def test_servers_that_do_not_answer_are_failures_and_stand_last(place: Place) -> None:
    findings = await examine(
        place.config(PRIVACY__OPERATOR=""),
        homeserver=refusing(HomeserverError("The homeserver can't be reached.")),
        gateway=refusing(GatewayError("The gateway doesn't know the model.")),
    )

    assert [one.line() for one in findings[-3:]] == [
        "warn  !privacy can't say who runs the bot. Set privacy.operator.",
        "fail  The homeserver can't be reached. See [homeserver].",
        "fail  The gateway doesn't know the model. See [gateway].",
    ]
    assert [one.failed for one in findings[-3:]] == [False, True, True]


async def test_a_bug_in_asking_is_not_taken_for_a_finding(place: Place) -> None:
    with pytest.raises(ZeroDivisionError):
        await examine(place.config(), homeserver=refusing(ZeroDivisionError()), gateway=GATEWAY)


async def test_a_data_folder_yet_to_be_made_is_well_where_it_can_be_made(place: Place) -> None:
    place.data.rmdir()

    findings = await examine(place.config(), homeserver=HOMESERVER, gateway=GATEWAY)

    assert f"ok    {place.data} will be made on the first start." in [
        one.line() for one in findings
    ]


async def test_a_file_that_goes_away_meanwhile_is_no_trouble(place: Place) -> None:
    (place.data / "x.db-wal").symlink_to("nowhere")

    assert await troubles(place.config()) == []


async def test_a_data_folder_that_is_a_file_fails(place: Place) -> None:
    place.data.rmdir()
    place.put(place.data, "")

    found = await trouble(place.config())

    assert found.line() == f"fail  {place.data} is no folder that can be written. See storage.path."


@pytest.mark.parametrize("spoilt", ["", "shared.db", "vaults"])
async def test_anything_in_the_data_folder_that_others_may_read_is_told(
    place: Place, spoilt: str
) -> None:
    place.put(place.data / "shared.db", "")
    (place.data / "vaults").mkdir(0o700)
    (place.data / spoilt).chmod(0o750)

    found = await trouble(place.config())

    assert found.line() == f"warn  Others may read in {place.data}. chmod -R u=rwX,go= {place.data}"


async def test_a_master_key_made_at_the_first_start_is_told(place: Place) -> None:
    place.without("master_key_file")

    before = await trouble(place.config())
    MasterKey.load("", place.data)
    after = await trouble(place.config())

    for found in (before, after):
        assert found.what == "The master key is kept beside the data: who takes one takes both."
    assert "openssl rand -hex 32" in before.remedy
    assert f"{place.data}/master.key" in after.remedy


async def test_the_remedy_for_it_keeps_the_same_key(place: Place) -> None:
    place.without("master_key_file")
    made = MasterKey.load("", place.data)
    found = await trouble(place.config())
    command = found.remedy.partition("(")[2].partition(")")[0]

    in_a_shell(command.replace("FILE", "moved"), place.secrets)

    named = place.config(STORAGE__MASTER_KEY_FILE=f"{place.secrets}/moved").storage.master_key
    assert MasterKey.load(named.get_secret_value(), place.data).derive("x") == made.derive("x")


async def test_a_master_key_named_inside_the_data_folder_is_told(place: Place) -> None:
    place.put(place.data / "key", "ab" * 32)

    found = await trouble(place.config(STORAGE__MASTER_KEY_FILE=f"{place.data}/../data/key"))

    assert found.what == "The master key is kept beside the data: who takes one takes both."


async def test_secrets_that_others_may_read_are_told(place: Place) -> None:
    place.put(place.secrets / "password", "hunter2", mode=0o644)
    place.without("master_key_file")
    place.put(
        place.file,
        place.file.read_text().replace("[storage]", '[storage]\nmaster_key = "hunter2"'),
        mode=0o644,
    )

    told = [one.line() for one in await troubles(place.config(), place.file)]

    assert told == [
        f"warn  {place.file} holds secrets that others may read. chmod 600 {place.file}",
        f"warn  {place.secrets}/password can be read by others. chmod 600 {place.secrets}/password",
    ]


async def test_a_readable_file_without_secrets_is_no_trouble(place: Place) -> None:
    place.file.chmod(0o644)

    assert await troubles(place.config(), place.file) == []


async def test_no_way_to_log_in_fails_until_there_is_a_session(place: Place) -> None:
    place.without("password_file")

    found = await trouble(place.config())
    place.put(place.data / "session", '{"access_token": ""}')
    chosen_only = await trouble(place.config())
    place.put(place.data / "session", '{"access_token": "syt_x"}')

    assert found.failed
    assert chosen_only == found
    assert found.what == "There is no way yet to log in as @confidant:example.org."
    assert await troubles(place.config()) == []


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("HOMESERVER__URL", "http://matrix.example.org", "What is sent to homeserver.url can be"),
        ("HOMESERVER__URL", "http://127.0.0.1:8008", ""),
        ("PRIVACY__ENCRYPTED_ROOMS_ONLY", "false", "The bot also answers in rooms that are not"),
        ("PRIVACY__SHARE_KEYS_WITH", "all", "Devices that nobody signed get room keys too."),
        ("PRIVACY__GATEWAY_TRAINING", "opt-out", "The gateway is not declared never to train, so"),
        ("PRIVACY__JURISDICTION", "", "!privacy can't say whose law applies."),
        (
            "PRIVACY__BACKUP_RETENTION",
            "",
            "Nobody is told how long backups of what they had forgotten are kept.",
        ),
        ("ACCESS__USERS", "", "Nobody but operators may talk with the bot."),
        ("ACCESS__USERS", "@*:*", "Anybody on any homeserver may talk with the bot."),
        ("ACCESS__OPERATORS", "", "Nobody reads the audit room."),
    ],
)
async def test_what_an_operator_chose_and_should_know_is_told(
    place: Place, key: str, value: str, told: str
) -> None:
    found = await troubles(place.config(**{key: value}))

    assert [one.level for one in found] == [Level.WARN] * bool(told)
    assert all(one.what.startswith(told) and one.remedy for one in found)


async def test_no_finding_holds_a_secret(place: Place) -> None:
    place.put(place.secrets / "password", "hunter2-canary", mode=0o644)

    findings = await examine(place.config(), homeserver=HOMESERVER, gateway=GATEWAY)

    assert "canary" not in repr(findings)


async def test_what_this_version_does_not_do_yet_is_said(tmp_path: Path) -> None:
    config = load_config(
        None,
        {
            "CONFIDANT_HOMESERVER__URL": "https://x.org",
            "CONFIDANT_HOMESERVER__USER_ID": "@bot:x.org",
            "CONFIDANT_GATEWAY__BASE_URL": "builtin",
            "CONFIDANT_STORAGE__PATH": str(tmp_path),
            "CONFIDANT_SERVICE__METRICS": "127.0.0.1:9100",
        },
    )

    async def well() -> str:
        return "Well."

    found = await examine(config, homeserver=well, gateway=well)

    assert any("does not act yet on service.metrics" in one.what for one in found)


async def test_an_embedding_model_is_asked_too_where_one_is_configured(place: Place) -> None:
    config = place.config(GATEWAY__EMBEDDING_MODEL="nomic-embed-text")
    unknown = refusing(GatewayError("The gateway doesn't know the model “nomic-embed-text”."))

    found = await examine(config, homeserver=HOMESERVER, gateway=GATEWAY, embeddings=unknown)

    assert found[-1].line() == (
        "fail  The gateway doesn't know the model “nomic-embed-text”. "
        "See [gateway.embedding_model]."
    )
    assert not any("does not act yet" in one.what for one in found)
