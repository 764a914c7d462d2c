"""What a key makes of a message: shows it, or refuses it; it never signs blindly (E2, E12, A7, B6, G24, G25)."""

from __future__ import annotations

import json

import pytest

from hostdriver.errors import MessageRefusedError
from protocols.fields import u32
from protocols.gmt import Ins, SignInput
from protocols.sm2 import PublicKey
from tests.rig.key import KeyRig
from tests.rig.messages import TRANSFER, VECTORS, transfer
from tests.rig.verifiers import sm2_digest, sm2_verifies

pytestmark = pytest.mark.limits(pin__user__cache="session")

DISPLAY_KEY = (VECTORS / "display-key.xml").read_bytes()
CCB = (VECTORS / "ccb-sample.gb18030.txt").read_bytes()
GBK = '<?xml version="1.0" encoding="gbk"?>'
UTF8 = '<?xml version="1.0" encoding="utf-8"?>'


def refused(rig: KeyRig, message: bytes) -> None:
    """The key says no without asking anybody, and shows nothing of it."""
    rig.log_in()
    rig.screens.clear()
    with pytest.raises(MessageRefusedError):
        rig.unasked(rig.session.sign_sm2, rig.container(), message, SignInput.MESSAGE)
    with pytest.raises(MessageRefusedError):
        rig.unasked(rig.session.sign_rsa, rig.container("rsa"), message, SignInput.MESSAGE)
    assert rig.screens == []


def shown(rig: KeyRig, message: bytes) -> tuple[str, str]:
    """Title and text of the request, which is then confirmed and its signature judged by gmalg."""
    rig.log_in()
    with rig.pending(rig.session.sign_sm2, rig.container(), message, SignInput.MESSAGE) as future:
        title, text = rig.device.screen.title, rig.shown_pages()
        rig.page_and_press_ok()
    key = rig.session.public_key(rig.container())
    assert isinstance(key, PublicKey)
    assert sm2_verifies(key, message, future.result())
    return title, text


def test_the_published_message_of_a_real_display_key(rig: KeyRig) -> None:
    """Its D part is shown, its E part is not (G25)."""
    title, text = shown(rig, DISPLAY_KEY)
    assert title == "请核对交易"
    for part in ("Remitter Name:", "Alan", "Remitter Account:", "1234567890123456", "Amount:123.23"):
        assert part in text
    assert "Trade ID" not in text


def test_the_published_signature_of_a_real_display_key_verifies(rig: KeyRig) -> None:
    """G24: over SM3(Z ‖ message as sent), by the key's own ECCVerify."""
    vector = json.loads((VECTORS / "display-key.json").read_text())
    key = PublicKey(int(vector["x"], 16), int(vector["y"], 16))
    digest = sm2_digest(key, DISPLAY_KEY)
    signature = bytes.fromhex(vector["r"] + vector["s"])
    data = u32(256) + key.encode() + u32(32) + digest + signature
    assert rig.session.send(Ins.ECC_VERIFY, data) == b""


@pytest.mark.profile("ccb-shield-gd")
def test_a_ccb_string(rig: KeyRig) -> None:
    """B6: SH=1 is shown, SH=0 is signed unseen; GB18030, as the profile says (E12)."""
    _, text = shown(rig, CCB)
    fields = [row.split('"') for row in CCB.decode("gb18030").split("|") if row]
    assert {row[1] for row in fields} == {"0", "1"}
    for _, mark, _, label, *rest in fields:
        assert (label in text) == (mark == "1")
        assert (rest[-2] in text) == (mark == "1")


@pytest.mark.parametrize("name", ["喆堃镕昇玥祎翀", "䶮", "欧阳·娜娜"])
def test_rare_names_are_drawn(rig: KeyRig, name: str) -> None:
    """E12."""
    assert name in shown(rig, transfer(("收款人:", name)))[1]
    gb = transfer(
        ("收款人:", name), declaration='<?xml version="1.0" encoding="gb18030"?>', charset="gb18030"
    )
    assert name in shown(rig, gb)[1]


@pytest.mark.limits(display__charset="gb2312")
def test_a_character_that_the_font_lacks_refuses_the_message(rig: KeyRig) -> None:
    """E12: no boxes."""
    refused(rig, transfer(("收款人:", "喆")))
    refused(rig, transfer(("喆:", "张三")))
    assert "张三" in shown(rig, transfer(("收款人:", "张三")))[1]


@pytest.mark.parametrize("character", ["😀", "\u202e", "\u200b", "ñ", "\ue000", "𠮷"])
def test_what_no_font_of_these_keys_draws(rig: KeyRig, character: str) -> None:
    """E12: emoji, bidirectional and invisible characters, private ones, and the far planes."""
    refused(rig, transfer(("收款人:", f"张{character}三")))
    refused(rig, f"login {character} challenge".encode())


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(transfer(("收款人:", "张三"), declaration=GBK), id="says GBK, is UTF-8"),
        pytest.param(transfer(("收款人:", "张三"), declaration=UTF8, charset="gbk"), id="says UTF-8, is GBK"),
        pytest.param(transfer(("收款人:", "张三"), charset="gbk"), id="says nothing, is GBK"),
        pytest.param(
            b"\xef\xbb\xbf" + transfer(("a", "b"), declaration=GBK), id="says GBK after UTF-8's mark"
        ),
        pytest.param(transfer(("a", "b")).decode().encode("utf-16"), id="UTF-16"),
        pytest.param(
            transfer(("a", "b"), declaration='<?xml version="1.0" encoding="latin-1"?>'), id="latin-1"
        ),
    ],
)
def test_a_declaration_that_contradicts_the_bytes(rig: KeyRig, message: bytes) -> None:
    """E12."""
    refused(rig, message)


@pytest.mark.parametrize(
    "message",
    [
        TRANSFER[:-1],
        TRANSFER + b"x",
        TRANSFER * 2,
        b"<T></T>",
        b"<T><D></D></T>",
        b'<!DOCTYPE T [<!ENTITY x "y">]>' + transfer(("a", "&x;")),
        b"<html>hello</html>",
        b"  \n<T><D>",
        b'SH="1";SN="a";IN="0";SI="b"',
        b'SH="0";SN="a";IN="0";SI="b";|',
        transfer(("收款人:", "a" * 5000)),
    ],
)
def test_what_means_to_be_a_transaction_but_is_none(rig: KeyRig, message: bytes) -> None:
    """E2: never shown as a text instead."""
    refused(rig, message)


def test_a_login_challenge_is_shown_as_the_text_it_is(rig: KeyRig) -> None:
    """A7: under another title than a transfer."""
    title, text = shown(rig, "登录交通银行\n编号 4711".encode())
    assert title == "请核对信息"
    assert "登录交通银行" in text
    assert "编号 4711" in text


@pytest.mark.limits(plain_message="refuse")
def test_a_key_that_signs_transactions_only(rig: KeyRig) -> None:
    refused(rig, b"login challenge 4711")
    shown(rig, TRANSFER)


@pytest.mark.parametrize("message", [bytes(range(256)), b"\xff\xfe\xfd", b"a\tb\x00", b"x" * 1025])
def test_bytes_that_are_no_text(rig: KeyRig, message: bytes) -> None:
    refused(rig, message)
