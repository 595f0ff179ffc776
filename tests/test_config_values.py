"""What each kind of config value takes, and what it refuses."""

import math
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from bot import config_values as values


def taken(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


def refused(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    (mistake,) = caught.value.errors()
    return values.refusal(mistake, {}).partition(": ")[2]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://matrix.example.org", "https://matrix.example.org"),
        ("http://127.0.0.1:8008/", "http://127.0.0.1:8008"),
        ("https://[::1]:8448/sub/path/", "https://[::1]:8448/sub/path"),
    ],
)
def test_a_web_address_is_kept_without_its_last_slash(written: str, kept: str) -> None:
    assert taken(values.WebAddress, written) == kept


@pytest.mark.parametrize(
    "address",
    [
        "",
        "matrix.example.org",
        "ftp://example.org",
        "https://",
        "https://exa mple.org",
        "https://example.org:99999",
        "https://example.org:0",
        "https://[::1",
        "https://example.org/?a=b",
        "https://example.org/#a",
        "https://jane:pw@example.org",
        "https://jane@example.org",
    ],
)
def test_what_is_no_web_address_is_refused_without_repeating_it(address: str) -> None:
    words = refused(values.WebAddress, address)

    assert words.startswith("must ")
    assert "example" not in words


def test_the_gateway_is_a_web_address_or_builtin() -> None:
    assert taken(values.GatewayAddress, "builtin") == "builtin"
    assert taken(values.GatewayAddress, "http://127.0.0.1:1/v1/") == "http://127.0.0.1:1/v1"
    assert refused(values.GatewayAddress, "http://127.0.0.1:1/v1/chat/completions/") == (
        "must end before /chat/completions, which the bot adds itself"
    )


@pytest.mark.parametrize("user_id", ["@a:x.org", "@a.b=c/d+e:127.0.0.1:8448", "@a:[::1]:8448"])
def test_matrix_ids_of_every_kind_of_server_are_taken(user_id: str) -> None:
    assert taken(values.UserId, user_id) == user_id


@pytest.mark.parametrize(
    "user_id", ["", "a:x.org", "@a", "@:x.org", "@a b:x", "@a:x/y", "@a:", f"@{'a' * 253}:x"]
)
def test_what_is_no_matrix_id_is_refused(user_id: str) -> None:
    assert refused(values.UserId, user_id) == "must be a Matrix id, @name:server"


@pytest.mark.parametrize("pattern", ["@*:*", "@*:example.org", "@jane:example.org", "@a-*:*.org"])
def test_patterns_of_matrix_ids_are_taken(pattern: str) -> None:
    assert taken(values.UserPatterns, [pattern]) == (pattern,)


@pytest.mark.parametrize("pattern", ["", "*", "@*", "example.org", "jane@example.org", "@a :b"])
def test_what_could_match_no_matrix_id_is_refused(pattern: str) -> None:
    assert refused(values.UserPatterns, [pattern]).startswith("must be a Matrix id, in which *")


@pytest.mark.parametrize("room", ["", "!abc:x.org", "!Zk0-_9", "#audit:x.org:8448"])
def test_rooms_are_named_by_id_or_alias(room: str) -> None:
    assert taken(values.RoomAddress, room) == room


@pytest.mark.parametrize("room", ["audit", "#audit", "!", "@audit:x.org", "!a b"])
def test_what_is_no_room_is_refused(room: str) -> None:
    assert refused(values.RoomAddress, room).startswith("must be a room id")


@pytest.mark.parametrize("address", ["127.0.0.1:9100", "[::1]:1", "metrics.lan:65535", ""])
def test_one_listens_on_a_host_and_port(address: str) -> None:
    assert taken(values.ListenAddress, address) == address


@pytest.mark.parametrize(
    "address", ["9100", ":9100", "localhost", "x:0", "x:65536", "::1:80", "x:²", "x:"]
)
def test_what_is_no_host_and_port_is_refused(address: str) -> None:
    assert refused(values.ListenAddress, address).startswith("must be an address and a port")


@pytest.mark.parametrize("text", ["@a:x, @*:y", '["@a:x", "@*:y"]', "@a:x,@*:y,", " @a:x ,@*:y"])
def test_a_list_in_text_is_json_or_parts_between_commas(text: str) -> None:
    assert taken(values.UserPatterns, text) == ("@a:x", "@*:y")


def test_a_list_in_text_can_be_empty() -> None:
    assert taken(values.Strings, "") == ()


@pytest.mark.parametrize("value", [5, {"a": 1}, "[1", '["a"'])
def test_what_is_no_list_is_refused(value: object) -> None:
    assert refused(values.Strings, value) == "must be a list"


def test_a_table_in_text_is_json() -> None:
    table = taken(values.Table, '{"store": false, "provider": {"zdr": true}}')

    assert table == {"store": False, "provider": {"zdr": True}}


@pytest.mark.parametrize("value", ["text", "[1]", 5])
def test_what_is_no_table_is_refused(value: object) -> None:
    assert refused(values.Table, value) == "must be a table"


def test_a_table_that_is_no_json_is_refused() -> None:
    assert refused(values.Table, {"since": date(1979, 5, 27)}).startswith("must hold texts, num")


@pytest.mark.parametrize(("value", "count"), [(0, 0), (20, 20), ("20", 20)])
def test_counts_are_whole_numbers(value: object, count: int) -> None:
    assert taken(values.Count, value) == count


@pytest.mark.parametrize("value", [True, "many", 1.5, math.inf, None, []])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    assert refused(values.Count, value) == "must be a whole number"


@pytest.mark.parametrize(("text", "span"), [("off", None), ("30d", timedelta(days=30))])
def test_retention_is_a_time_or_off(text: str, span: timedelta | None) -> None:
    assert taken(values.Retention, text) == span


@pytest.mark.parametrize("value", ["", "never", "0d", 30, False])
def test_what_is_no_time_is_refused(value: object) -> None:
    assert refused(values.Retention, value).startswith("must be a time")


@pytest.mark.parametrize("prefix", ["!", "/", "!!", "~"])
def test_commands_begin_with_punctuation(prefix: str) -> None:
    assert taken(values.Prefix, prefix) == prefix


@pytest.mark.parametrize("prefix", ["", " ", "a", "! ", "!a", "0", "!!!!", "é", "\n"])
def test_what_could_begin_a_word_begins_no_command(prefix: str) -> None:
    assert refused(values.Prefix, prefix) == "must be one to three characters of punctuation"
