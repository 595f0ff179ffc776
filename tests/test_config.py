"""Reading the configuration: defaults, sources, secrets, and every mistake at once."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.config import Config, load_config, shown
from bot.errors import ConfigError
from bot.gateway_policy import PRESETS

SAMPLE = Path(__file__).parent.parent / "config.sample.toml"
CANARY = "hunter2-canary"
SMALLEST = """
[homeserver]
url = "https://matrix.example.org/"
user_id = "@confidant:example.org"
[gateway]
base_url = "https://api.example.org/v1/"
model = "m"
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def mistakes(path: Path | None, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return str(caught.value).splitlines()


def mistake_in(path: Path, **environ: str) -> str:
    (only,) = mistakes(path, **environ)
    return only


class TestDefaults:
    def test_only_where_and_as_whom_and_which_model_are_required(self, write: Write) -> None:
        assert [line.partition(";")[0] for line in mistakes(write(""))] == [
            "homeserver.url: missing",
            "homeserver.user_id: missing",
            "gateway.base_url: missing",
            "gateway.model: missing",
        ]

    def test_the_rest_defaults_to_what_is_safe(self, write: Write, tmp_path: Path) -> None:
        config = load_config(write(SMALLEST), {})

        assert config.homeserver.url == "https://matrix.example.org"
        assert config.homeserver.password.get_secret_value() == ""
        assert config.gateway.base_url == "https://api.example.org/v1"
        assert (config.gateway.preset, config.gateway.models) == ("custom", ())
        assert config.privacy.encrypted_rooms_only
        assert config.privacy.share_keys_with == "cross-signed"
        assert config.storage.path == tmp_path / "data"
        assert (config.memory.mode, config.memory.retention) == ("auto", None)
        assert config.memory.context_tokens == 2000
        assert (config.access.users, config.access.operators) == ((), ())
        assert (config.limits.messages_per_minute, config.limits.tokens_per_day) == (20, 0)
        assert config.limits.attachment_bytes == 20_000_000
        assert (config.service.metrics, config.service.log_level) == ("", "INFO")
        assert config.service.command_prefix == "!"

    def test_every_preset_has_its_privacy_switches(self, write: Write) -> None:
        for preset in PRESETS:
            environ = {"CONFIDANT_GATEWAY__PRESET": preset}
            assert load_config(write(SMALLEST), environ).gateway.preset == preset

    def test_the_builtin_model_needs_no_name(self, write: Write) -> None:
        text = SMALLEST.replace("https://api.example.org/v1/", "builtin").replace('"m"', '""')

        gateway = load_config(write(text), {}).gateway

        assert (gateway.base_url, gateway.model) == ("builtin", "builtin")

    def test_the_list_of_models_holds_the_model_itself(self, write: Write) -> None:
        config = load_config(write(SMALLEST + 'models = ["big"]'), {})

        assert config.gateway.models == ("m", "big")

    @pytest.mark.parametrize(
        ("gateway", "training"),
        [
            ('base_url = "builtin"', "never"),
            ('base_url = "http://localhost:8080/v1"', "never"),
            ('base_url = "http://[::1]:8080/v1"', "never"),
            ('base_url = "http://192.168.1.9:8000/v1"', "never"),
            ('base_url = "http://127.0.0.1:4000/v1"\npreset = "litellm"', "unknown"),
            ('base_url = "http://127.0.0.1:11434/v1"\nmodel = "big:120b-cloud"', "unknown"),
            ('base_url = "https://api.example.org/v1"', "unknown"),
            ('base_url = "http://8.8.8.8/v1"', "unknown"),
        ],
    )
    def test_only_a_gateway_of_ones_own_is_taken_not_to_train_unasked(
        self, write: Write, gateway: str, training: str
    ) -> None:
        environ = {
            "CONFIDANT_HOMESERVER__URL": "http://127.0.0.1:8008",
            "CONFIDANT_HOMESERVER__USER_ID": "@confidant:localhost",
        }
        model = "" if "model" in gateway else 'model = "m"\n'

        privacy = load_config(write(f"[gateway]\n{model}{gateway}"), environ).privacy

        assert privacy.gateway_training == training
        assert privacy.gateway_retention == ("none" if training == "never" else "unknown")

    def test_what_the_operator_declares_is_never_overruled(self, write: Write) -> None:
        text = SMALLEST.replace("https://api.example.org/v1/", "builtin")
        declared = '[privacy]\ngateway_training = "unknown"\ngateway_retention = "30 days"'

        privacy = load_config(write(text + declared), {}).privacy

        assert (privacy.gateway_training, privacy.gateway_retention) == ("unknown", "30 days")


class TestSample:
    def test_it_is_a_configuration_that_works(self) -> None:
        config = load_config(SAMPLE, {})

        assert config.gateway.model == "llama3.2"
        assert config.storage.path == SAMPLE.parent / "data"

    def test_it_shows_every_key_there_is(self) -> None:
        uncommented = "\n".join(
            line.removeprefix("# ") if re.match(r"# \w+ = ", line) else line
            for line in SAMPLE.read_text("utf-8").splitlines()
        )

        written = {name: set(keys) for name, keys in tomllib.loads(uncommented).items()}

        assert written == {
            name: set(section.annotation.model_fields)  # type: ignore[union-attr]
            for name, section in Config.model_fields.items()
        }

    def test_what_it_writes_beside_its_examples_are_the_defaults(self, write: Write) -> None:
        examples = {"url", "user_id", "base_url", "model", "path", "users", "operators"}
        derived = {"gateway_training", "gateway_retention"}  # from where the gateway runs

        lines = shown(load_config(SAMPLE, {}))

        assert {line.partition(" = ")[0].partition(".")[2] for line in lines} == examples | derived


class TestEnvironment:
    def test_it_wins_over_the_file_key_by_key(self, write: Write) -> None:
        environ = {"CONFIDANT_GATEWAY__MODEL": "other", "CONFIDANT_LIMITS__TOKENS_PER_DAY": "9"}

        config = load_config(write(SMALLEST + 'embedding_model = "e"'), environ)

        assert (config.gateway.model, config.gateway.embedding_model) == ("other", "e")
        assert config.limits.tokens_per_day == 9

    def test_it_is_enough_without_a_file(self) -> None:
        environ = {
            "CONFIDANT_HOMESERVER__URL": "http://127.0.0.1:8008",
            "CONFIDANT_HOMESERVER__USER_ID": "@confidant:localhost",
            "CONFIDANT_GATEWAY__BASE_URL": "builtin",
            "CONFIDANT_PRIVACY__ENCRYPTED_ROOMS_ONLY": "false",
            "CONFIDANT_SERVICE__LOG_LEVEL": "debug",
        }

        config = load_config(None, environ)

        assert not config.privacy.encrypted_rooms_only
        assert config.service.log_level == "DEBUG"
        assert config.storage.path == Path.cwd() / "data"

    @pytest.mark.parametrize("written", ["@a:x, @*:y", '["@a:x", "@*:y"]', "@a:x,@*:y,"])
    def test_lists_are_json_or_parts_between_commas(self, write: Write, written: str) -> None:
        config = load_config(write(SMALLEST), {"CONFIDANT_ACCESS__USERS": written})

        assert config.access.users == ("@a:x", "@*:y")

    def test_tables_are_json(self, write: Write) -> None:
        environ = {"CONFIDANT_GATEWAY__EXTRA_BODY": '{"store": false, "provider": {"zdr": true}}'}

        body = load_config(write(SMALLEST), environ).gateway.extra_body

        assert dict(body) == {"store": False, "provider": {"zdr": True}}

    def test_an_unknown_section_or_key_in_it_is_refused_too(self, write: Write) -> None:
        environ = {"CONFIDANT_GATEWY__MODEL": "x", "CONFIDANT_GATEWAY__MODLE": "x"}

        assert mistakes(write(SMALLEST), **environ) == [
            "gateway.modle: unknown key; did you mean gateway.model?",
            "gatewy: unknown key; did you mean gateway?",
        ]

    def test_variables_that_are_not_ours_are_left_alone(self, write: Write) -> None:
        environ = {"CONFIDANT_SERVICE_HOST": "10.0.0.1", "OTHER__KEY": "x", "PATH": "/bin"}

        assert load_config(write(SMALLEST), environ) == load_config(write(SMALLEST), {})


class TestSecrets:
    @pytest.mark.parametrize(
        ("section", "secret"),
        [
            ("homeserver", "password"),
            ("homeserver", "access_token"),
            ("gateway", "api_key"),
            ("storage", "master_key"),
        ],
    )
    def test_each_can_stand_in_a_file_of_its_own(
        self, write: Write, tmp_path: Path, section: str, secret: str
    ) -> None:
        (tmp_path / "secret").write_text(f" {CANARY}\r\n")
        variable = f"CONFIDANT_{section}__{secret}_FILE".upper()
        environ = {
            variable: "${CREDENTIALS_DIRECTORY}/secret",
            "CREDENTIALS_DIRECTORY": str(tmp_path),
        }

        config = load_config(write(SMALLEST), environ)

        assert getattr(getattr(config, section), secret).get_secret_value() == f" {CANARY}"

    def test_files_are_looked_for_beside_the_configuration(
        self, write: Write, tmp_path: Path
    ) -> None:
        (tmp_path / "key").write_text("sk-1")

        config = load_config(write(SMALLEST + 'api_key_file = "key"'), {})

        assert config.gateway.api_key.get_secret_value() == "sk-1"
        assert config.gateway.api_key_file is not None
        assert config.gateway.api_key_file.path == tmp_path / "key"

    def test_one_given_twice_is_a_mistake(self, write: Write, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("sk-1")
        text = SMALLEST + f'api_key_file = "key"\napi_key = "{CANARY}"'

        line = mistake_in(write(text))

        assert line.startswith("gateway.api_key: given, and api_key_file too; keep one of the two")
        assert CANARY not in line

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "must name a file that holds the secret in one line and nothing else"),
            (b"\n\n", "must name a file that holds the secret in one line and nothing else"),
            (b"hunter2-canary\nb", "must name a file that holds the secret in one line"),
            (b"hunter2-canary\xff", "can't be read (it is not UTF-8 text)"),
        ],
    )
    def test_a_file_that_holds_no_secret_is_a_mistake(
        self, write: Write, tmp_path: Path, content: bytes, words: str
    ) -> None:
        (tmp_path / "key").write_bytes(content)

        line = mistake_in(write(SMALLEST + 'api_key_file = "key"'))

        assert line.startswith(f"gateway.api_key_file: {words}")
        assert CANARY not in line

    def test_a_file_that_is_not_there_is_a_mistake(self, write: Write, tmp_path: Path) -> None:
        missing = mistake_in(write(SMALLEST + f'api_key_file = "{CANARY}"'))
        folder = mistake_in(write(SMALLEST + f'api_key_file = "{tmp_path}"'))

        assert missing.startswith("gateway.api_key_file: can't be read (No such file or directory)")
        assert folder.startswith("gateway.api_key_file: can't be read (Is a directory)")
        assert CANARY not in missing

    def test_a_variable_that_is_not_set_is_a_mistake(self, write: Write) -> None:
        text = SMALLEST + 'api_key_file = "$NOWHERE/key"\n[storage]\npath = "${NOWHERE}/data"'

        assert [line.partition(";")[0] for line in mistakes(write(text))] == [
            "gateway.api_key_file: uses an environment variable that is not set",
            "storage.path: uses an environment variable that is not set",
        ]

    def test_no_mistake_repeats_a_value(self, write: Write) -> None:
        keys = {
            name: list(section.annotation.model_fields)  # type: ignore[union-attr]
            for name, section in Config.model_fields.items()
        }
        for value in (f'"{CANARY}"', f'["{CANARY}"]', f'{{ x = "{CANARY}" }}', "5", "1979-05-27"):
            text = "\n".join(
                f"[{name}]\n" + "\n".join(f"{key} = {value}" for key in section)
                for name, section in keys.items()
            )

            assert CANARY not in "\n".join(mistakes(write(text)))

    @given(st.dictionaries(st.sampled_from(["url", "user_id", "password"]), st.text(min_size=1)))
    def test_no_text_in_a_value_escapes_as_anything_but_a_config_error(
        self, keys: dict[str, str]
    ) -> None:
        environ = {f"CONFIDANT_HOMESERVER__{key.upper()}": text for key, text in keys.items()}

        with pytest.raises(ConfigError, match=r"gateway\.model: missing"):
            load_config(None, environ)


class TestMistakes:
    def test_all_are_told_at_once_each_with_its_key_and_a_right_value(self, write: Write) -> None:
        text = """
        [homeserver]
        url = "matrix.example.org"
        user_id = "confidant"
        [gateway]
        base_url = "https://api.example.org/v1/chat/completions"
        modle = "m"
        preset = "opnai"
        [memory]
        retention = "forever"
        context_tokens = true
        [access]
        users = ["@*:example.org", "jane"]
        [limits]
        tokens_per_day = -1
        [service]
        metrics = "localhost"
        [storage]
        path = ""
        """

        assert mistakes(write(text)) == [
            "homeserver.url: must be a web address that begins with https:// or http://;"
            ' for example url = "https://matrix.example.org"',
            "homeserver.user_id: must be a Matrix id, @name:server;"
            ' for example user_id = "@confidant:example.org"',
            "gateway.base_url: must end before /chat/completions, which the bot adds itself;"
            ' for example base_url = "http://127.0.0.1:11434/v1"',
            "gateway.preset: must be 'custom', 'openai', 'openrouter', 'vercel', 'litellm',"
            " 'ollama', 'llamacpp' or 'vllm'",
            'gateway.model: missing; for example model = "llama3.2"',
            "gateway.modle: unknown key; did you mean gateway.model?",
            'storage.path: must name a folder; for example path = "data"',
            "memory.retention: must be a time such as 12h, 30d or 8w;"
            ' for example retention = "30d"',
            "memory.context_tokens: must be a whole number; for example context_tokens = 2000",
            "access.users: entry 2 must be a Matrix id, in which * stands for any characters;"
            ' for example users = ["@*:example.org"]',
            "limits.tokens_per_day: must be 0 or more; for example tokens_per_day = 0",
            "service.metrics: must be an address and a port to listen on, or empty;"
            ' for example metrics = "127.0.0.1:9100"',
        ]

    def test_a_missing_file_is_one_sentence_that_says_how_to_make_it(self, tmp_path: Path) -> None:
        path = tmp_path / "config.toml"

        assert mistakes(path) == [f"{path} does not exist; make it with: confidant init"]

    def test_invalid_toml_is_one_sentence_with_the_line(self, write: Write) -> None:
        line = mistake_in(write(f'[homeserver]\npassword = "{CANARY}\n'))

        assert "is not valid TOML" in line
        assert "line 2" in line
        assert CANARY not in line

    def test_a_file_that_is_no_text_or_no_file_is_one_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "config.toml").write_bytes(b"\xff\xfe")

        assert "is not UTF-8 text" in mistake_in(tmp_path / "config.toml")
        assert "can't be read: Is a directory" in mistake_in(tmp_path)

    def test_a_key_in_the_wrong_section_is_shown_its_own(self, write: Write) -> None:
        assert mistakes(write('url = "x"\n' + SMALLEST + 'retention = "30d"')) == [
            "gateway.retention: unknown key; did you mean memory.retention?",
            "url: unknown key; did you mean homeserver.url?",
        ]

    def test_an_unknown_key_that_resembles_none_gets_no_guess(self, write: Write) -> None:
        assert mistakes(write("[qqqqqqqq]\n" + SMALLEST)) == ["qqqqqqqq: unknown key"]

    def test_a_section_must_be_one(self, write: Write) -> None:
        assert mistake_in(write("memory = 5\n" + SMALLEST)) == (
            "memory: must be a section of its own"
        )

    @pytest.mark.parametrize(
        "body", ["messages = []", 'model = "x"', "store = true", 'safety_identifier = "me"']
    )
    def test_the_extra_body_cannot_undo_what_the_bot_and_the_preset_say(
        self, write: Write, body: str
    ) -> None:
        line = mistake_in(write(SMALLEST + f'preset = "openai"\nextra_body = {{ {body} }}'))

        assert line.startswith(f"gateway.extra_body: {body.partition(' ')[0]} ")


class TestConfig:
    def test_nothing_in_it_can_be_changed(self, write: Write) -> None:
        config = load_config(write(SMALLEST + "extra_body = { store = false }"), {})

        with pytest.raises(ValidationError):
            config.gateway.model = "x"
        with pytest.raises(ValidationError):
            config.gateway = config.gateway
        with pytest.raises(TypeError):
            config.gateway.extra_body["store"] = True  # type: ignore[index]

    def test_what_is_shown_at_start_is_what_differs_and_no_secret(
        self, write: Write, tmp_path: Path
    ) -> None:
        (tmp_path / "key").write_text(CANARY)
        text = (
            SMALLEST
            + f"""
            api_key_file = "key"
            extra_body = {{ provider = {{ token = "{CANARY}" }} }}
            [storage]
            path = "elsewhere"
            master_key = "{CANARY}"
            [memory]
            mode = "auto"
            retention = "30d"
            """
        )

        lines = shown(load_config(write(text), {}))

        assert lines == [
            'homeserver.url = "https://matrix.example.org"',
            'homeserver.user_id = "@confidant:example.org"',
            'gateway.base_url = "https://api.example.org/v1"',
            f'gateway.api_key_file = "{tmp_path / "key"}"',
            "gateway.api_key = (set)",
            'gateway.model = "m"',
            'gateway.extra_body = ["provider"]',
            f'storage.path = "{tmp_path / "elsewhere"}"',
            "storage.master_key = (set)",
            'memory.retention = "30d"',
        ]

    def test_its_repr_holds_no_secret(self, write: Write, tmp_path: Path) -> None:
        (tmp_path / "key").write_text(CANARY)
        text = SMALLEST + f'api_key_file = "key"\nextra_body = {{ token = "{CANARY}" }}'

        assert CANARY not in repr(load_config(write(text), {}))
