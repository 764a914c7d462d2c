"""The run file: what a running key writes and others read, whoever else has written there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ProtocolError
from protocols.runfile import RunFile, run_directory

TOKEN = "opens-the-control-api"
KEY = RunFile(
    4711,
    "5212345678",
    "my-key",
    "/home/me/my-key.toml",
    ("vpcd:127.0.0.1:35963", "socket"),
    "/run/k.sock",
    "http://127.0.0.1:40123",
    TOKEN,
    "longmai",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def test_it_is_json_that_others_can_read() -> None:
    assert json.loads(KEY.encode()) == {
        "pid": 4711,
        "serial": "5212345678",
        "profile": "my-key",
        "model": "/home/me/my-key.toml",
        "links": ["vpcd:127.0.0.1:35963", "socket"],
        "socket": "/run/k.sock",
        "panel": "http://127.0.0.1:40123",
        "token": TOKEN,
        "dialect": "longmai",
    }


def test_round_trip() -> None:
    assert RunFile.decode(KEY.encode()) == KEY


def test_a_key_without_a_panel_and_one_of_before_there_were_any() -> None:
    bare = RunFile(1, "5212345678", "my-key", "my-key", (), None)
    assert (bare.panel, bare.token) == (None, None)
    assert RunFile.decode(bare.encode()) == bare
    older = {
        name: value
        for name, value in json.loads(bare.encode()).items()
        if name not in ("panel", "token", "dialect")
    }
    assert RunFile.decode(json.dumps(older).encode()) == bare


def test_the_token_is_not_in_what_is_logged() -> None:
    assert TOKEN not in repr(KEY)


def test_every_truncation_is_refused() -> None:
    raw = KEY.encode().rstrip()
    for size in range(len(raw)):
        with pytest.raises(ProtocolError):
            RunFile.decode(raw[:size])


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_only_the_protocol_error_comes_out(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        RunFile.decode(raw)


@given(st.sampled_from(["pid", "serial", "profile", "model", "links", "socket", "panel", "token"]), JSON)
def test_any_field_may_be_anything(name: str, value: object) -> None:
    fields = json.loads(KEY.encode()) | {name: value}
    try:
        decoded = RunFile.decode(json.dumps(fields).encode())
    except ProtocolError:
        return
    assert isinstance(decoded.pid, int)
    assert isinstance(decoded.serial, str)
    for optional in (decoded.socket, decoded.panel, decoded.token):
        assert optional is None or isinstance(optional, str)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b'{"pid": 1e999, "serial": "", "profile": "", "model": "", "links": [], "socket": null}',
    ],
)
def test_deep_and_endless_values(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        RunFile.decode(raw)


def test_where_it_lies() -> None:
    home = Path("/home/me")
    assert run_directory({"XDG_RUNTIME_DIR": "/run/user/1000"}, home) == Path("/run/user/1000/vukey")
    assert run_directory({}, home) == home / ".cache/vukey/run"
    assert run_directory({"XDG_RUNTIME_DIR": ""}, home) == home / ".cache/vukey/run"
