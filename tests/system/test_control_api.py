"""The control API, over HTTP, of a key that is also on its unix socket: what each operation does, and its document."""

from __future__ import annotations

import base64
import io
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
from openapi_spec_validator import validate
from PIL import Image

from emulator.control.api import ALL_OPERATIONS
from emulator.control.keycontrol import KeyControl
from emulator.control.server import PanelError, PanelSpec, start_panel
from emulator.device import Device
from emulator.hardware.display import ScreenKind
from emulator.links.unix_socket import SocketLinkError
from emulator.profiles import Profile, load_profile
from emulator.running import LinkSpec, RunningKey, open_device
from emulator.sharing import SharedKey
from hostdriver.control import KeyApi
from hostdriver.errors import CancelledError, ConfirmTimeoutError, KeyRemovedError
from hostdriver.gmt import GmtSession
from protocols.apdu import Command, encode_command
from protocols.gmt import CLA_PLAIN, Ins, SignInput
from protocols.sw import SW
from tests.rig.browser import PanelKey
from tests.rig.control import Client, Raw
from tests.rig.key import activation_code
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S
from tests.rig.reader import XFR, Reader, failed
from vukey_testing.targets import InProcess

GET_DEV_INFO = "80040000000000"
SMART, BLUETOOTH, FIRST = "bocom-smart-feitian", "bocom-ble-feitian", "icbc-1g-gd"
MODELS = ("bocom-2g-tendyron", SMART, BLUETOOTH, FIRST)


@pytest.fixture
def key(profile: Profile, stage: str) -> Iterator[PanelKey]:
    with PanelKey(profile, stage) as key:
        yield key


@pytest.fixture
def api(key: PanelKey) -> Iterator[Client]:
    with Client(key) as client:
        yield client


def refused(answer: requests.Response) -> tuple[int, str]:
    """Status and code of an error; the line for people is one line."""
    told = answer.json()
    assert told["error"]
    assert "\n" not in told["error"]
    return answer.status_code, told["code"]


def raw_signing(api: Client, key: PanelKey) -> str:
    """The APDU that has the key ask, from a host that does nothing else."""
    session = GmtSession(ApiTransport(api))
    container = key.log_in(session)
    data = container.handles + TRANSFER
    return encode_command(Command(CLA_PLAIN, Ins.ECC_SIGN_DATA, SignInput.MESSAGE, 0, data, 68)).hex()


class ApiTransport:
    """A host over POST /apdu."""

    name = "api"

    def __init__(self, api: Client) -> None:
        self._api = api

    def exchange(self, apdu: bytes) -> bytes:
        return bytes.fromhex(self._api.post("/apdu", {"data": apdu.hex()})["data"])

    def reset(self) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        pass


# What the key is


@pytest.mark.parametrize("model", MODELS)
def test_the_key_as_its_document_says(model: str) -> None:
    """Every kind of key, against the schema in the served document, by jsonschema."""
    with PanelKey(load_profile(model)) as key, Client(key) as api:
        told = api.get("/key")
        check_answer(api, "/key", told)
        profile = key.profile
        assert (told["serial"], told["profile"], told["kind"]) == (key.device.serial, model, profile.kind)
        assert (told["title"], told["title_zh"]) == (profile.title, profile.title_zh)
        assert (told["keypad"], told["buttons"]) == (profile.keypad, list(profile.buttons))
        assert (told["display"] is None) == (profile.display is None) == (told["screen"]["bits"] is None)
        assert (told["battery"] is not None) == ("power" in profile.buttons)
        (application,) = told["applications"]
        assert application["name"] == profile.application
        assert application["user_pin"]["left"] == profile.pin.user.tries
        assert all(container["certificate"] for container in application["containers"])
        check_answer(api, "/screen", api.get("/screen"))


def check_answer(api: Client, path: str, answer: object, method: str = "get") -> None:
    """Hold an answer against the document, by somebody else's validator."""
    document = api.get("/openapi.json")
    schema = document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(answer)


def test_what_the_key_asks(api: Client, key: PanelKey) -> None:
    assert api.get("/key")["waiting"] is None
    signing = key.signing(TRANSFER)
    screen = api.get("/wait?text=请核对交易")
    told = api.get("/key")
    check_answer(api, "/key", told)
    check_answer(api, "/wait", screen)
    waiting = told["waiting"]
    assert waiting["title"] == screen["title"] == "请核对交易"
    assert ["收款人:", "张三"] in waiting["items"]
    assert waiting["seconds_left"] == key.profile.confirm.timeout_s
    assert waiting["ok_in"] == key.profile.confirm.ok_dead_ms / 1000 > 0
    assert waiting["unread"] is True
    key.clock.advance(10)
    assert api.get("/key")["waiting"]["seconds_left"] == key.profile.confirm.timeout_s - 10
    assert api.get("/key")["waiting"]["ok_in"] == 0
    api.press(*["down"] * (screen["pages"] - 1))
    assert api.get("/key")["waiting"]["unread"] is False
    api.press("cancel")
    with pytest.raises(CancelledError):
        signing.result(PATIENCE_S)
    assert api.get("/key")["waiting"] is None


@pytest.mark.profile(FIRST)
def test_a_key_without_display_has_no_screenshot(api: Client) -> None:
    assert refused(api.ask("GET", "/screenshot")) == (404, "no-screen")
    screen = api.get("/screen")
    assert (screen["width"], screen["height"], screen["bits"]) == (0, 0, None)


@pytest.mark.parametrize("scale", [1, 2, 5, 32])
def test_the_screenshot_has_the_screens_pixels(scale: int, api: Client) -> None:
    """Pillow reads the picture; the bits are those of /screen."""
    screen = api.get("/screen")
    bits = base64.b64decode(screen["bits"])
    answer = api.ask("GET", f"/screenshot?scale={scale}")
    assert answer.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == (screen["width"] * scale, screen["height"] * scale)
        grey = picture.convert("L")
        ink = [
            grey.getpixel((x * scale, y * scale)) == 0
            for y in range(screen["height"])
            for x in range(screen["width"])
        ]
    assert ink == [bool(byte & 0x80 >> bit) for byte in bits for bit in range(8)]
    assert any(ink)


# The person


def test_a_transfer_is_read_and_confirmed(api: Client, key: PanelKey) -> None:
    signing = key.signing(TRANSFER)
    screen = api.get("/wait?text=请核对交易")
    for _ in range(screen["pages"] - 1):
        api.press("down")
    assert "123.23" in api.get("/screen")["text"]
    api.post("/clock", {"advance": "1s"})
    api.press("ok")
    assert signing.result(PATIENCE_S).verifies


@pytest.mark.parametrize("action", ["press", "press-and-release"])
def test_a_key_acts_when_it_is_pressed(action: str, api: Client, key: PanelKey) -> None:
    signing = key.signing(TRANSFER)
    api.get("/wait?text=请核对交易")
    api.post("/button/cancel", {"action": "release"})
    assert not signing.done()
    api.post("/button/cancel", {"action": action, "delay": 0.5})
    with pytest.raises(CancelledError):
        signing.result(PATIENCE_S)


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("power", {"action": "press"}, (404, "no-such-button")),
        ("5", {"action": "press"}, (404, "no-such-button")),
        ("nose", {"action": "press"}, (404, "no-such-button")),
        ("ok", {}, (400, "bad-request")),
        ("ok", {"action": "push"}, (400, "bad-request")),
        ("ok", {"action": "press", "delay": -1}, (400, "bad-request")),
        ("ok", {"action": "press", "force": 2}, (400, "bad-request")),
        ("ok", [], (400, "bad-request")),
        ("ok/ok", {"action": "press"}, (404, "not-found")),
    ],
)
def test_a_press_that_cannot_be(name: str, body: Any, expected: tuple[int, str], api: Client) -> None:
    assert refused(api.ask("POST", f"/button/{name}", body)) == expected


@pytest.mark.profile(SMART)
@pytest.mark.stage("issued")
def test_a_code_on_the_keypad(api: Client, key: PanelKey) -> None:
    code = activation_code(key.profile)

    def activate(session: GmtSession) -> bool:
        container = key.log_in(session)
        session.activate_on_keypad(container)
        return session.activation_status(container)[0]

    activated = key.host(activate)
    api.get("/wait?regexp=^_%2B$")
    before = {each["name"]: each["activated"] for each in api.get("/key")["applications"][0]["containers"]}
    api.post("/keypad", {"digits": code[:3]})
    assert api.get("/screen")["kind"] == "entry"
    assert "***" in api.get("/screen")["text"]
    api.post("/keypad", {"digits": code[3:], "ok": True})
    assert activated.result(PATIENCE_S)
    after = {each["name"]: each["activated"] for each in api.get("/key")["applications"][0]["containers"]}
    assert [after[name] for name in after if after[name] != before[name]] == [True]


@pytest.mark.parametrize("digits", ["", "12a", "1" * 33, "１２", "12\n", 12])
@pytest.mark.profile(SMART)
def test_what_no_keypad_can_type(digits: object, api: Client) -> None:
    assert refused(api.ask("POST", "/keypad", {"digits": digits})) == (400, "bad-request")


def test_no_keypad_no_digits(api: Client) -> None:
    assert refused(api.ask("POST", "/keypad", {"digits": "1"})) == (404, "no-keypad")


# Waiting


def test_wait_takes_what_is_up_already(api: Client) -> None:
    screen = api.get("/screen")
    assert api.get("/wait?text=未连接") == screen
    assert api.get("/wait?regexp=^未连.$") == screen


def test_wait_for_what_comes(api: Client, key: PanelKey) -> None:
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(api.get, "/wait?text=金额:123.23&timeout=30")
        signing = key.signing(TRANSFER)
        with Client(key) as person:
            person.get("/wait?text=请核对交易")
            person.press("down", "cancel")
        assert waiting.result(PATIENCE_S)["page"] == 2
    with pytest.raises(CancelledError):
        signing.result(PATIENCE_S)


def test_wait_ends_at_its_deadline(api: Client) -> None:
    began = time.monotonic()
    answer = api.ask("GET", "/wait?text=转账&timeout=0.2")
    assert refused(answer) == (408, "not-shown")
    assert 0.2 <= time.monotonic() - began < 10
    assert answer.json()["screen"] == api.get("/screen")


def test_a_wait_of_no_time_asks_what_is_up(api: Client) -> None:
    assert api.get("/wait?text=未连接&timeout=0") == api.get("/screen")
    assert refused(api.ask("GET", "/wait?text=转账&timeout=0")) == (408, "not-shown")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "bad-request"),
        ("text=a&regexp=b", "bad-request"),
        ("text=a&text=b", "bad-request"),
        ("text=a&timeout=-1", "bad-request"),
        ("text=a&timeout=nan", "bad-request"),
        ("text=a&timeout=inf", "bad-request"),
        ("text=a&timeout=3601", "bad-request"),
        ("text=a&timeout=soon", "bad-request"),
        ("text=" + "a" * 1001, "bad-request"),
        ("regexp=(a%2B)%2B", "bad-regexp"),
        ("regexp=[", "bad-regexp"),
    ],
)
def test_what_cannot_be_waited_for(query: str, code: str, api: Client) -> None:
    assert refused(api.ask("GET", f"/wait?{query}")) == (400, code)


# The plug, the clock, the battery


def test_pulled_out_and_plugged_in(api: Client, key: PanelKey) -> None:
    """E11: the host loses the key and what it asked; the panel stays; a next host finds it again."""
    signing = key.signing(TRANSFER)
    api.get("/wait?text=请核对交易")
    assert api.post("/unplug") == {"plugged": False}
    with pytest.raises(KeyRemovedError):
        signing.result(PATIENCE_S)
    told = api.get("/key")
    assert (told["plugged"], told["powered"], told["waiting"]) == (False, False, None)
    assert api.post("/unplug") == {"plugged": False}
    assert refused(api.ask("POST", "/apdu", {"data": GET_DEV_INFO})) == (409, "not-plugged")
    assert api.post("/plug") == api.post("/plug") == {"plugged": True}
    assert key.host(lambda session: session.device_info().serial).result(PATIENCE_S) == key.device.serial


@pytest.mark.parametrize(
    ("span", "seconds"), [(59, 59), (0.5, 0.5), ("59s", 59), ("10m", 600), ("24h", 86400), ("1.5m", 90)]
)
def test_the_clock_is_moved(span: object, seconds: float, api: Client, key: PanelKey) -> None:
    before = api.get("/clock")["now"]
    assert api.post("/clock", {"advance": span})["now"] == pytest.approx(before + seconds)
    assert key.clock.now() == pytest.approx(before + seconds)


def test_what_becomes_due_has_run(api: Client, key: PanelKey) -> None:
    signing = key.signing(TRANSFER)
    api.get("/wait?text=请核对交易")
    api.post("/clock", {"advance": key.profile.confirm.timeout_s - 0.5})
    assert api.get("/key")["waiting"] is not None
    api.post("/clock", {"advance": 0.5})
    assert api.get("/key")["waiting"] is None
    with pytest.raises(ConfirmTimeoutError):
        signing.result(PATIENCE_S)


@pytest.mark.parametrize("span", [-1, "-1s", "soon", "", "1w", True, None, 1e9, "400d", "９s"])
def test_how_no_clock_is_moved(span: object, api: Client, key: PanelKey) -> None:
    assert refused(api.ask("POST", "/clock", {"advance": span})) == (400, "bad-request")
    assert key.clock.now() == 0


@pytest.mark.profile(BLUETOOTH)
def test_the_battery(api: Client, key: PanelKey) -> None:
    assert api.post("/battery", {"level": 7}) == {}
    assert api.get("/key")["battery"]["level"] == 7
    for level in (-1, 101, 1.5, "7", True):
        assert refused(api.ask("POST", "/battery", {"level": level})) == (400, "bad-request")
    assert api.get("/key")["battery"]["level"] == 7


def test_no_battery(api: Client) -> None:
    assert refused(api.ask("POST", "/battery", {"level": 7})) == (404, "no-battery")


# Faults


def test_a_fault_comes_once(device: Device) -> None:
    """CCID 1.1, table 6.2-2: the next XfrBlock fails with XFR_PARITY_ERROR (FD), the one after it does not."""
    shared = SharedKey(device)
    reader = Reader(shared)
    reader.power_on()
    panel = start_panel(KeyControl(shared, InProcess(shared)), PanelSpec())
    try:
        with KeyApi(panel.url, panel.token) as api:
            api.fault("xfr_parity_error")
            assert failed(reader.ask(XFR, bytes.fromhex(GET_DEV_INFO))) == 0xFD
            assert reader.apdu(GET_DEV_INFO)[-2:] == b"\x90\x00"
    finally:
        panel.close()
        reader.close()


def test_a_fault_needs_a_usb_reader_and_a_name(api: Client) -> None:
    assert refused(api.ask("POST", "/fault", {"error": "icc_mute"})) == (409, "no-reader")
    for name in ("ICC_MUTE", "mute", "", 254, None):
        assert refused(api.ask("POST", "/fault", {"error": name})) == (400, "bad-request")
    assert refused(api.ask("POST", "/fault", {})) == (400, "bad-request")


# APDUs


def test_an_apdu_is_answered_as_by_any_host(api: Client, key: PanelKey) -> None:
    assert GmtSession(ApiTransport(api)).device_info().serial == key.device.serial
    assert api.post("/apdu", {"data": "80FE0000"}) == {"data": "6d00"}
    assert refused(api.ask("POST", "/apdu", {"data": "8"})) == (400, "bad-request")
    assert refused(api.ask("POST", "/apdu", {"data": ""})) == (400, "bad-request")
    assert refused(api.ask("POST", "/apdu", {"data": "zz"})) == (400, "bad-request")
    assert refused(api.ask("POST", "/apdu", {"data": "00" * 70000})) == (400, "bad-request")


def test_an_apdu_that_waits_is_answered_when_the_person_has_pressed(api: Client, key: PanelKey) -> None:
    apdu = raw_signing(api, key)
    with Client(key) as person, ThreadPoolExecutor(1) as other:
        answer = other.submit(api.post, "/apdu", {"data": apdu})
        person.get("/wait?text=请核对交易")
        assert person.post("/apdu", {"data": GET_DEV_INFO}) == {"data": "6ff6"}
        assert not answer.done()
        person.press("cancel")
        told = answer.result(PATIENCE_S)
    check_answer(api, "/apdu", told, "post")
    assert told == {"data": f"{SW.CANCELLED:04x}"}


def test_a_key_pulled_out_ends_an_apdu_that_waits(api: Client, key: PanelKey) -> None:
    apdu = raw_signing(api, key)
    with Client(key) as person, ThreadPoolExecutor(1) as other:
        answer = other.submit(api.post, "/apdu", {"data": apdu})
        person.get("/wait?text=请核对交易")
        person.post("/unplug")
        told = answer.result(PATIENCE_S)
    assert told["code"] == "power-lost"
    check_answer(api, "/apdu", told, "post")


def test_a_client_that_leaves_ends_its_wait(api: Client, key: PanelKey) -> None:
    """E11: nothing is signed for a host that is gone."""
    apdu = raw_signing(api, key)
    with Raw(key) as raw:
        body = f'{{"data": "{apdu}"}}'.encode()
        raw.say(
            "POST /apdu HTTP/1.1", f"Host: {raw.host}", f"Authorization: Bearer {key.token}",
            "Content-Type: application/json", f"Content-Length: {len(body)}", body=body,
        )  # fmt: skip
        api.get("/wait?text=请核对交易")
    api.get("/wait?text=已连接")
    assert key.device.waiting is None


def test_the_log_of_apdus(api: Client, key: PanelKey) -> None:
    key.host(key.log_in).result(PATIENCE_S)
    told = api.get("/apdus")
    check_answer(api, "/apdus", told)
    records = told["apdus"]
    assert [record["number"] for record in records] == list(range(1, len(records) + 1))
    (verify,) = [record for record in records if record["name"] == "VerifyPIN"]
    assert (verify["sw"], verify["data"], verify["answer"]) == ("9000", None, None)
    assert api.get(f"/apdus?since={verify['number']}")["apdus"] == records[verify["number"] :]
    assert refused(api.ask("GET", "/apdus?since=-1")) == (400, "bad-request")


# As Speculos: the rest of it is in test_speculos_client.py


def test_events_since_they_were_forgotten(api: Client, key: PanelKey) -> None:
    told = api.get("/events")
    check_answer(api, "/events", told)
    assert "未连接" in [event["text"] for event in told["events"]]
    assert api.delete("/events") == {}
    assert api.get("/events") == {"events": []}
    assert api.get("/events?currentscreenonly=true") == told
    api.post("/apdu", {"data": GET_DEV_INFO})
    assert "已连接" in [event["text"] for event in api.get("/events")["events"]]
    assert "未连接" not in [event["text"] for event in api.get("/events")["events"]]


@pytest.mark.profile(FIRST)
def test_a_lights_events(api: Client, key: PanelKey) -> None:
    key.device.power_on()
    check_answer(api, "/events", api.get("/events"))


def test_rules_press(api: Client, key: PanelKey) -> None:
    given = {
        "version": 1,
        "rules": [{"contains": "张三", "delay": 2, "actions": [["press", "down"], ["press", "ok"]]}],
    }
    assert api.get("/automation") == {"version": 1, "rules": []}
    api.post("/automation", given)
    assert api.get("/automation") == given
    signing = key.signing(TRANSFER)
    api.get("/wait?text=请核对交易")
    while not signing.done():
        api.post("/clock", {"advance": 1})
    assert signing.result().verifies
    assert api.delete("/automation") == {}
    assert api.get("/automation") == {"version": 1, "rules": []}


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({}, "bad-request"),
        ({"version": 1, "rules": [{"actions": [["exit"]]}]}, "bad-request"),
        ({"version": 1, "rules": [{"actions": [["press", "power"]]}]}, "bad-rules"),
        ({"version": 1, "rules": [{"regexp": "(a+)+"}]}, "bad-rules"),
        ({"version": 1, "rules": [{"text": "\ud800"}]}, "bad-json"),
    ],
)
def test_rules_that_cannot_be_followed(document: Any, code: str, api: Client) -> None:
    assert refused(api.ask("POST", "/automation", document)) == (400, code)


# Live


def test_the_panel_is_told_what_is_and_what_comes(api: Client, key: PanelKey) -> None:
    document = api.get("/openapi.json")["components"]["schemas"]
    key.host(lambda session: session.device_info()).result(PATIENCE_S)
    with api.stream("/live") as events:
        first = [next(events) for _ in range(2)]
        assert [name for name, _ in first] == ["key", "screen"]
        assert {**first[0][1], "screen": None, "clock": 0} == {**api.get("/key"), "screen": None, "clock": 0}
        assert first[1][1] == api.get("/screen")
        assert next(events)[1]["number"] == 1
        signing = key.signing(TRANSFER)
        seen = until(events, lambda name, data: name == "key" and data["waiting"])
        assert ("screen", "请核对交易") in [(name, data.get("title")) for name, data in seen]
        api.press("cancel")
        with pytest.raises(CancelledError):
            signing.result(PATIENCE_S)
        seen += until(events, lambda name, data: name == "key" and data["waiting"] is None)
        api.post("/unplug")
        seen += until(events, lambda name, data: name == "key" and not data["plugged"])
    signed = [data for name, data in seen if name == "apdu" and data["name"] == "ECCSignData"]
    assert [data["pending"] for data in signed] == [True, False]
    assert len({data["number"] for data in signed}) == 1
    for name, data in seen:
        shape = {"key": "Key", "screen": "Screen", "apdu": "Apdu"}[name]
        whole = {**data, "screen": first[1][1]} if name == "key" else data
        jsonschema.Draft202012Validator({**document[shape], "components": {"schemas": document}}).validate(
            whole
        )


def until(events: Iterator[tuple[str, Any]], is_it: Any) -> list[tuple[str, Any]]:
    """The events up to the one that is meant."""
    seen = []
    for name, data in events:
        seen.append((name, data))
        if is_it(name, data):
            return seen
    pytest.fail("the stream has ended")


# The control side never blocks the wire


def test_the_wire_goes_on_past_waits_and_readers_that_read_nothing(api: Client, key: PanelKey) -> None:
    with ExitStack() as stack:
        for path in ("/live", "/events?stream=true", "/wait?text=x&timeout=3600"):
            for _ in range(5):
                raw = stack.enter_context(Raw(key))
                raw.say(f"GET {path} HTTP/1.1", f"Host: {raw.host}", f"Authorization: Bearer {key.token}")

        def many(session: GmtSession) -> int:
            return sum(len(session.random(8)) for _ in range(3000))

        began = time.monotonic()
        assert key.host(many).result(PATIENCE_S) == 8 * 3000
        assert time.monotonic() - began < PATIENCE_S
        assert api.get("/key")["serial"] == key.device.serial


def test_a_reader_that_is_too_slow_is_dropped_and_a_good_one_kept(api: Client, key: PanelKey) -> None:
    stalled = Raw(key)
    with stalled, api.stream("/live") as events:
        stalled.say("GET /live HTTP/1.1", f"Host: {stalled.host}", f"Authorization: Bearer {key.token}")
        key.host(lambda session: [session.random(8) for _ in range(3000)]).result(PATIENCE_S)
        last = api.get("/apdus")["apdus"][-1]["number"]
        until(events, lambda name, data: name == "apdu" and data["number"] == last)


def test_many_presses_and_apdus_at_once(api: Client, key: PanelKey) -> None:
    """Two hosts, two persons: every request gets its own answer."""

    def work(number: int) -> set[str]:
        answers = set()
        with Client(key) as client:
            for _ in range(20):
                answers.add(client.post("/apdu", {"data": f"80fe00{number:02x}"})["data"])
                client.press("ok")
        return answers

    with ThreadPoolExecutor(4) as clients:
        assert set().union(*clients.map(work, range(4))) == {"6d00"}


# The server


def test_each_panel_has_its_own_port_and_token(key: PanelKey, profile: Profile) -> None:
    with PanelKey(profile) as other, Client(other) as client:
        assert other.url != key.url
        client.session.headers["Authorization"] = f"Bearer {key.token}"
        assert refused(client.ask("GET", "/key")) == (401, "unauthorized")


def test_the_end_is_quick_and_leaves_nothing_behind(profile: Profile) -> None:
    before = set(threading.enumerate())
    with PanelKey(profile) as key, ExitStack() as stack:
        for path in ("/live", "/events?stream=true", "/wait?text=x&timeout=3600"):
            raw = stack.enter_context(Raw(key))
            raw.say(f"GET {path} HTTP/1.1", f"Host: {raw.host}", f"Authorization: Bearer {key.token}")
        half = stack.enter_context(Raw(key))
        half.send(b"GET /key HTTP/1.1\r\n")
        with Client(key) as api:
            apdu = raw_signing(api, key)
            body = f'{{"data": "{apdu}"}}'.encode()
            pending = stack.enter_context(Raw(key))
            pending.say(
                "POST /apdu HTTP/1.1", f"Host: {pending.host}", f"Authorization: Bearer {key.token}",
                "Content-Type: application/json", f"Content-Length: {len(body)}", body=body,
            )  # fmt: skip
            api.get("/wait?text=请核对交易")
        began = time.monotonic()
        key.stop()
        assert time.monotonic() - began < 3
        assert half.at_end()
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost", "http://localhost:"),
        ("127.0.0.2", "http://127.0.0.2:"),
        ("0.0.0.0", "http://127.0.0.1:"),
        ("::1", "http://[::1]:"),
        ("::", "http://[::1]:"),
    ],
)
def test_another_address(host: str, url: str) -> None:
    if ":" in host and not _has_ipv6():
        pytest.skip("no IPv6 here")
    opened = open_device(None, None, None)
    running = RunningKey(opened, [LinkSpec("socket")], lambda *_: None, PanelSpec(host))
    try:
        running.start()
        assert running.panel is not None
        assert running.panel.url.startswith(url)
        assert requests.get(running.panel.ticket_url(), timeout=PATIENCE_S).status_code == 200
    finally:
        running.stop()


def _has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


def test_a_plug_that_does_not_fit_leaves_the_key_out() -> None:
    opened = open_device(None, None, None)
    running = RunningKey(opened, [LinkSpec("socket")], lambda *_: None)
    assert running.socket_path is not None
    try:
        running.start()
        running.unplug()
        running.socket_path.touch()
        with pytest.raises(SocketLinkError):
            running.plug()
        assert not running.plugged
        assert opened.device.screen.kind is ScreenKind.OFF
        running.socket_path.unlink()
        running.plug()
        assert running.plugged
    finally:
        running.stop()


def test_an_address_that_is_taken_is_one_line(key: PanelKey, tmp_path: Path) -> None:
    port = int(key.url.rpartition(":")[2])
    opened = open_device(None, None, None)
    running = RunningKey(opened, [LinkSpec("socket")], lambda *_: None, PanelSpec("127.0.0.1", port))
    try:
        with pytest.raises(PanelError, match=rf"127\.0\.0\.1:{port}: .*in use; .*--panel"):
            running.start()
    finally:
        running.stop()


@pytest.mark.parametrize(
    "spec",
    [
        PanelSpec("no.such.host.invalid"),
        PanelSpec("127.0.0.1", 70000),
        PanelSpec("192.0.2.1"),
        PanelSpec("a" * 300),
    ],
)
def test_an_address_that_is_none_is_one_line(spec: PanelSpec, key: PanelKey) -> None:
    with pytest.raises(PanelError, match="the panel cannot listen at"):
        start_panel(key._running.panel._control, spec)  # type: ignore[union-attr]


def test_without_a_panel_none_of_its_packages_is_loaded() -> None:
    code = "import sys, emulator.running; print({'starlette', 'uvicorn', 'anyio', 'h11', 'PIL'} & set(sys.modules))"
    assert in_python(code) == "set()\n"


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "PIL"])
def test_a_package_that_lacks_is_named(package: str) -> None:
    code = f"""
import sys
sys.modules[{package!r}] = None
from emulator.control.server import PanelSpec, start_panel
from protocols.errors import MissingPackageError
try:
    start_panel(None, PanelSpec())
except MissingPackageError as error:
    print(error)
"""
    assert in_python(code) == "the panel needs starlette, uvicorn and Pillow: pip install 'vukey[panel]'\n"


def in_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


# Its document


def test_the_document_is_valid_openapi(api: Client) -> None:
    document = api.get("/openapi.json")
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_the_document_has_every_route_and_no_other(api: Client) -> None:
    """The routes as they answer: what is in the document exists, what is not is 404 or 405."""
    paths = api.get("/openapi.json")["paths"]
    assert sum(len(methods) for methods in paths.values()) == len(ALL_OPERATIONS)
    for path, methods in paths.items():
        for method in {"get", "post", "put", "patch", "delete", "head", "options"} - set(methods):
            answer = api.ask(method.upper(), path.replace("{name}", "none"))
            assert answer.status_code == 405, (method, path)


def test_the_document_says_what_is_refused(api: Client) -> None:
    """Every code that these tests see is in the document."""
    paths = api.get("/openapi.json")["paths"]
    for operation in ALL_OPERATIONS:
        described = paths[operation.path][operation.method.lower()]
        told = {
            code for answer in described["responses"].values() for code in answer["description"].split(", ")
        }
        assert {code for codes in operation.refusals.values() for code in codes} <= told


@pytest.mark.parametrize(("language", "word"), [("en", "Press a button"), ("zh", "按一个键")])
def test_the_document_as_a_page(language: str, word: str, api: Client) -> None:
    page = api.ask("GET", f"/docs?lang={language}")
    assert page.headers["content-type"].startswith("text/html")
    assert word in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "<script" not in page.text
    assert api.ask("GET", "/docs", headers={"Accept-Language": language}).text == page.text
    style = api.ask("GET", "/panel/docs.css")
    assert style.headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_pages_strings(language: str, api: Client) -> None:
    strings = api.get(f"/panel/strings?lang={language}")
    check_answer(api, "/panel/strings", strings)
    assert strings
    assert all(strings[text] == text for text in strings) is (language == "en")
