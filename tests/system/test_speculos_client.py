"""Speculos' own client, as it is on PyPI, against a key: what is shaped like Speculos must serve its users."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from importlib.metadata import distribution
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from emulator.profiles import load_profile
from hostdriver.gmt import GmtSession
from protocols.dialect import dialect_named
from protocols.gmt import CLA_PLAIN, Ins, SignInput
from protocols.sm2 import PublicKey, Signature
from protocols.sw import SW
from tests.rig.browser import PanelKey
from tests.rig.key import changed
from tests.rig.messages import TRANSFER, transfer
from tests.rig.patience import PATIENCE_S
from tests.rig.verifiers import sm2_verifies


def _client_module() -> ModuleType:
    """``speculos.client`` alone: the package itself wants all that its emulator runs on."""
    path = distribution("speculos").locate_file("speculos/client.py")
    spec = importlib.util.spec_from_file_location("speculos_client", str(path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CLIENT = _client_module()


@pytest.fixture
def key() -> Iterator[PanelKey]:
    """OK counts at once: the client knows no clock."""
    with PanelKey(changed(load_profile("bocom-2g-tendyron"), confirm__ok_dead_ms=0)) as key:
        yield key


@pytest.fixture
def api(key: PanelKey) -> Iterator[Any]:
    """Its client knows one URL and no token: the token is in the path."""
    client = CLIENT.SpeculosClient("", api_url=f"{key.url}/t/{key.token}")
    client.open_stream()
    yield client
    client.close_stream()
    client.session.close()


class ClientTransport:
    """A host that reaches the key by Speculos' client alone."""

    name = "speculos"

    def __init__(self, api: Any) -> None:
        self._api = api

    def exchange(self, apdu: bytes) -> bytes:
        try:
            return bytes(self._api._apdu_exchange(apdu)) + b"\x90\x00"
        except CLIENT.ApduException as refused:
            return bytes(refused.data) + int(refused.sw).to_bytes(2)

    def reset(self) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        pass


def session_of(api: Any, key: PanelKey) -> GmtSession:
    return GmtSession(ClientTransport(api), dialect_named(key.profile.dialect))


def row_of(screen: dict[str, Any]) -> list[str]:
    return [event["text"] for event in screen["events"]]


def test_apdu_exchange(api: Any, key: PanelKey) -> None:
    """GenRandom, and what the client calls a failure."""
    command = {"cla": CLA_PLAIN, "ins": Ins.GEN_RANDOM}
    first, second = api.apdu_exchange(**command), api.apdu_exchange(**command)
    assert len(first) == len(second) == 256
    assert first != second
    with pytest.raises(CLIENT.ApduException) as refused:
        api.apdu_exchange(CLA_PLAIN, 0xFE)
    assert refused.value.sw == SW.INS_NOT_SUPPORTED
    assert session_of(api, key).device_info().serial == key.device.serial


def test_get_screenshot(api: Any, key: PanelKey) -> None:
    for _ in range(2):
        with Image.open(io.BytesIO(api.get_screenshot())) as picture:
            assert picture.size == (128, 64)
            ink = picture.convert("L").histogram()[0]
        assert bool(ink) is (key.device.screen.text != "")
        api.apdu_exchange(CLA_PLAIN, Ins.GEN_RANDOM)  # gives it power, and its screen comes up


def test_a_transfer_is_read_and_confirmed(api: Any, key: PanelKey) -> None:
    """Events, paging by left and right, both for OK: the way of a Nano's test."""
    signing = key.signing(TRANSFER)
    api.wait_for_text_event("请核对交易")
    before = api.get_current_screen_content()
    assert "请核对交易" in row_of(before)
    api.press_and_release("right")
    assert api.get_current_screen_content() != before
    api.press_and_release("left")
    assert api.get_current_screen_content() == before
    for _ in range(key.device.screen.pages - 1):
        api.press_and_release("right")
    api.press_and_release("both")
    assert signing.result(PATIENCE_S).verifies
    api.wait_for_text_event("已连接")


def test_a_command_left_pending_while_the_test_presses(api: Any, key: PanelKey) -> None:
    """Its own context manager, as ragger's exchange_async: the call returns while the key waits for a person."""
    container = key.log_in(session_of(api, key))
    message = transfer(("金额:", "1.00"))
    command = {"cla": CLA_PLAIN, "ins": Ins.ECC_SIGN_DATA, "p1": SignInput.MESSAGE}
    with api.apdu_exchange_nowait(**command, data=container.handles + message) as response:
        api.wait_for_text_event("请核对交易")
        assert api.get_current_screen_content()["events"]
        for _ in range(key.device.screen.pages - 1):
            api.press_and_release("right")
        api.press_and_release("both")
        answer = response.receive()
    assert len(answer) == 4 + 2 * 32
    public = session_of(api, key).public_key(container)
    assert isinstance(public, PublicKey)
    assert sm2_verifies(public, message, Signature.parse(answer[4:]))


def test_a_pending_command_that_is_cancelled(api: Any, key: PanelKey) -> None:
    container = key.log_in(session_of(api, key))
    command = {"cla": CLA_PLAIN, "ins": Ins.ECC_SIGN_DATA, "p1": SignInput.MESSAGE}
    with api.apdu_exchange_nowait(
        **command, data=container.handles + transfer(("金额:", "1.00"))
    ) as response:
        api.wait_for_text_event("请核对交易")
        key.device.press("cancel")
        with pytest.raises(CLIENT.ApduException) as refused:
            response.receive()
    assert refused.value.sw == SW.CANCELLED


def test_set_automation_rules(api: Any, key: PanelKey) -> None:
    """Rules in Speculos' own notation: page on when the request appears, and OK on its last page."""
    right = [["button", 2, True], ["button", 2, False]]
    both = [["button", 1, True], ["button", 2, True], ["button", 1, False], ["button", 2, False]]
    api.set_automation_rules(
        {
            "version": 1,
            "rules": [
                {"text": "请核对交易", "x": 0, "y": 0, "actions": [["setbool", "seen", True], *right]},
                {"regexp": ".*2/2", "conditions": [["seen", True]], "actions": both},
                {"regexp": ".*2/2", "conditions": [["seen", False]], "actions": right},
            ],
        }
    )
    assert key.signing(TRANSFER).result(PATIENCE_S).verifies
    api.wait_for_text_event("已连接")


def test_rules_that_it_cannot_follow_are_its_own_error(api: Any) -> None:
    with pytest.raises(CLIENT.ClientException, match="400"):
        api.set_automation_rules({"version": 1, "rules": [{"text": "x", "actions": [["exit"]]}]})


def test_buttons_that_it_does_not_have_are_its_own_error(api: Any) -> None:
    with pytest.raises(ValueError, match="Invalid button"):
        api.press_and_release("ok")
    with pytest.raises(CLIENT.ClientException, match="404"):
        api.finger_touch(1, 1)
