"""Device models: facts A1, A2, A6, A8, B1, B2, B4, C2 to C7, C11, E6, E10, E12 as the profiles hold them."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
from smartcard.ATR import ATR

from emulator.profiles import (
    ProfileError,
    load_profile,
    load_profile_file,
    profile_ids,
)

ROOT = Path(__file__).parents[2]
ICBC_LONG_PIN = ("icbc-2g-feitian", "icbc-2g-minghua", "icbc-2g-tendyron")
IDS = {
    *(
        f"bocom-{kind}-{maker}"
        for kind in ("2g", "smart", "ble")
        for maker in ("tendyron", "feitian", "excelsecu")
    ),
    "bocom-direct",
    *(f"ccb-shield-{maker}" for maker in ("gd", "watchdata", "huada", "daming")),
    *(f"icbc-1g-{maker}" for maker in ("gd", "goldpac", "huahong")),
    *(f"icbc-2g-{maker}" for maker in ("huahong", "feitian", "minghua", "tendyron")),
}
CONTRACT: dict[str, Any] = {
    **dict.fromkeys(("id", "title", "maker", "kind", "serial_pattern", "atr", "buttons", "keypad")),
    **dict.fromkeys(("ready_user_pin", "device_auth_key", "application", "activation", "ready_digest")),
    **dict.fromkeys(("plain_message", "dialect", "max_files", "ciphers", "sources")),
    "usb": {"vid", "pid", "interfaces", "max_message"},
    "display": {"type", "width", "height"},
    "pin": {"user", "admin"},
    "containers": {"rsa", "sm2"},
    "confirm": {"timeout_s", "must_page_to_end", "ok_dead_ms", "presses"},
    "renewal": {"opens_days_before", "closes_days_after", "online"},
}

WriteModel = Callable[..., Path]


@pytest.fixture
def write_model(tmp_path: Path) -> WriteModel:
    def write(text: str, name: str = "mine") -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(textwrap.dedent(text), "utf-8")
        return path

    return write


def fact_ids() -> set[str]:
    return set(re.findall(r"^\| ([A-G]\d+) \|", (ROOT / "docs/facts.md").read_text("utf-8"), re.MULTILINE))


def leaves(node: Any, path: str = "") -> set[str]:
    if not isinstance(node, dict):
        return {path}
    return set().union(*(leaves(value, f"{path}.{name}".lstrip(".")) for name, value in node.items()))


def test_the_shipped_ids() -> None:
    assert set(profile_ids()) == IDS
    assert list(profile_ids()) == sorted(IDS)


def test_the_facts_are_all_there() -> None:
    counts = {"A": 14, "B": 7, "C": 15, "D": 6, "E": 15}
    assert {f"{letter}{n}" for letter, count in counts.items() for n in range(1, count + 1)} <= fact_ids()


@pytest.mark.parametrize("name", ["profiles.md", "profiles.zh-CN.md"])
def test_the_page_lists_every_model(name: str) -> None:
    page = (ROOT / "docs" / name).read_text("utf-8")
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", page, re.MULTILINE)) >= IDS


@pytest.mark.parametrize("profile_id", sorted(IDS))
class TestEveryProfile:
    def test_is_loaded_once(self, profile_id: str) -> None:
        assert load_profile(profile_id).id == profile_id
        assert load_profile(profile_id) is load_profile(profile_id)

    def test_every_value_has_a_source_that_exists(self, profile_id: str) -> None:
        profile = load_profile(profile_id)
        document = profile.as_json()
        sources = document.pop("sources")
        assert leaves(document) <= sources.keys()
        cited = {each for source in sources.values() for each in source.split(", ")}
        assert cited <= fact_ids() | {"standard", "assumed"}
        assert not {each for each in cited if each[0] in "GD"}

    def test_json_holds_exactly_the_contract(self, profile_id: str) -> None:
        document = json.loads(json.dumps(load_profile(profile_id).as_json()))
        assert document.keys() == CONTRACT.keys()
        for name, fields in CONTRACT.items():
            if fields and document[name] is not None:
                assert document[name].keys() == fields, name
        assert document["pin"]["user"].keys() == {"min", "max", "tries", "initial", "must_change", "cache"}
        assert document["pin"]["admin"].keys() == {"tries", "initial"}
        assert document["containers"]["rsa"].keys() == {"name", "bits"}
        assert (document["containers"]["sm2"] or {"name": ""}).keys() == {"name"}

    def test_atr_is_taken_by_an_independent_parser(self, profile_id: str) -> None:
        atr = ATR(list(load_profile(profile_id).atr))
        assert atr.getSupportedProtocols() == {"T=1": True}
        assert atr.checksumOK is True
        assert len(atr.getHistoricalBytes()) == atr.K

    def test_new_serial_numbers_fit_and_differ(self, profile_id: str) -> None:
        profile = load_profile(profile_id)
        serials = {profile.new_serial(bytes([n]) * 16) for n in range(50)}
        assert len(serials) == 50
        for serial in serials:
            profile.check_serial(serial)
            assert len(serial) == len(profile.serial_template)

    def test_ready_pin_is_one_that_the_key_takes(self, profile_id: str) -> None:
        profile = load_profile(profile_id)
        user, ready = profile.pin.user, profile.ready_user_pin
        assert user.min <= len(ready) <= user.max
        assert ready != user.initial
        assert len(set(ready)) > 1

    def test_is_a_value(self, profile_id: str) -> None:
        profile = load_profile(profile_id)
        changed = replace(profile, pin=replace(profile.pin, user=replace(profile.pin.user, tries=3)))
        assert (changed.pin.user.tries, profile.pin.user.tries) == (3, 6)
        assert changed != profile
        assert hash(profile) == hash(replace(profile))
        for name in ("title", "pin"):
            with pytest.raises(FrozenInstanceError):
                setattr(profile, name, None)


def test_atrs_differ() -> None:
    assert len({load_profile(each).atr for each in IDS}) == len(IDS)


@pytest.mark.parametrize(
    ("profile_id", "serial", "fits"),
    [
        ("bocom-2g-tendyron", "5212345678", True),
        ("bocom-2g-tendyron", "6212345678", False),  # A2: 6 is Feitian
        ("bocom-2g-tendyron", "5612345678", False),  # A14: 6 is Bluetooth
        ("bocom-ble-excelsecu", "7623K00017", True),  # A2: letters occur
        ("bocom-ble-excelsecu", "7223K00017", False),
        ("bocom-smart-feitian", "6012345678", True),
        ("bocom-smart-feitian", "6212345678", False),  # A2: 0 is the smart key
        ("bocom-smart-feitian", "6012345678\n", False),
        ("ccb-shield-gd", "1112345678", True),
        ("ccb-shield-gd", "2112345678", False),  # B1: 21 is WatchData
        ("ccb-shield-watchdata", "2112345678", True),
        ("ccb-shield-huada", "3112345678", True),
        ("ccb-shield-daming", "4112345678", True),
        ("ccb-shield-daming", "41-2345678", False),
        ("icbc-1g-gd", "1123456789", True),
        ("icbc-1g-gd", "112345678", False),  # C3: ten digits
        ("icbc-1g-gd", "11234567890", False),
        ("icbc-1g-gd", "112345678９", False),  # a full-width digit
        ("icbc-1g-goldpac", "2123456789", True),
        ("icbc-1g-goldpac", "3123456789", True),  # C3: Goldpac 2006
        ("icbc-1g-goldpac", "4123456789", False),
        ("icbc-1g-huahong", "4123456789", True),
        ("icbc-2g-huahong", "4123456789", True),  # C3: both generations
        ("icbc-2g-feitian", "5112345678", True),
        ("icbc-2g-feitian", "5212345678", False),
        ("icbc-2g-minghua", "6012345678", True),
        ("icbc-2g-minghua", "7012345678", False),
        ("icbc-2g-tendyron", "7112345678", True),
    ],
)
def test_serial_numbers_follow_the_makers_schemes(profile_id: str, serial: str, fits: bool) -> None:
    profile = load_profile(profile_id)
    if fits:
        profile.check_serial(serial)
        return
    with pytest.raises(ProfileError, match=f"does not fit profile {profile_id}"):
        profile.check_serial(serial)


def test_new_serial_fills_in_the_digits_of_its_number() -> None:
    profile = load_profile("icbc-2g-feitian")
    assert profile.new_serial(b"\x00") == "5000000000"
    assert profile.new_serial((12345678901).to_bytes(8, "big")) == "5045678901"


def test_pins_of_the_three_banks() -> None:
    for profile_id in IDS:
        user = load_profile(profile_id).pin.user
        if profile_id.startswith("ccb"):  # B2
            assert (user.initial, user.must_change, user.min, user.max) == ("12345678", True, 6, 10)
        elif profile_id.startswith("icbc"):  # C5, C6, C7
            assert (user.initial, user.min, user.tries, user.weak) == ("12345678", 6, 6, "accept")
            assert user.max == (30 if profile_id in ICBC_LONG_PIN else 8)
        else:  # E6
            assert (user.min, user.max, user.weak) == (6, 12, "refuse")


def test_renewal_windows() -> None:
    for profile_id in IDS - {"bocom-direct"}:
        renewal = load_profile(profile_id).renewal
        window = (renewal.opens_days_before, renewal.closes_days_after, renewal.online)
        if profile_id.startswith("ccb"):
            assert window == (30, 90, True)  # B4
        elif profile_id.startswith("icbc"):
            assert window == (90, 30, True)  # C4
        elif profile_id.startswith("bocom-smart"):
            assert not renewal.online  # A8
        else:
            assert window == (90, 0, True)  # A8


def test_activation_is_on_the_keypad_for_smart_keys_only() -> None:
    for profile_id in IDS:
        profile = load_profile(profile_id)
        smart = profile_id.startswith("bocom-smart")  # A6
        assert (profile.activation, profile.keypad) == (("keypad", True) if smart else ("bank", False))


def test_the_first_generation_has_neither_screen_nor_button() -> None:
    for profile_id in IDS:
        profile = load_profile(profile_id)
        first = profile_id.startswith("icbc-1g")  # C2, E10
        assert (profile.display is None) == (not profile.buttons) == (profile.confirm.presses == 0) == first
        assert profile.as_json()["display"] is None or not first
        assert profile.containers.rsa is not None
        assert profile.containers.rsa.bits == (1024 if first else 2048)  # C11
        assert (profile.containers.sm2 is None) == first


def test_models_differ_in_how_they_ask() -> None:
    """E10 lists options: some family has them, some has not."""
    asking = {
        (load_profile(each).confirm.must_page_to_end, load_profile(each).confirm.ok_dead_ms) for each in IDS
    }
    assert asking == {(True, 1000), (False, 0)}


def test_files_and_ciphers() -> None:
    """Nobody has published either: both are assumed."""
    for profile_id in IDS:
        profile, first = load_profile(profile_id), profile_id.startswith("icbc-1g")
        assert (profile.max_files, profile.ciphers) == (16, ("sm4", "aes") if first else ("sm4",))
        assert profile.sources["max_files"] == profile.sources["ciphers"] == "assumed"
        assert (profile.as_json()["max_files"], profile.as_json()["ciphers"]) == (16, list(profile.ciphers))


def test_the_shipped_models_are_plain_smart_card_readers_on_usb() -> None:
    """E15: the idealised form. A message holds an extended APDU of 65,544 bytes and CCID's header of 10."""
    for profile_id in IDS:
        profile = load_profile(profile_id)
        assert (profile.usb.interfaces, profile.usb.max_message) == (("ccid",), 65554)
        assert profile.sources["usb.interfaces"] == "E15"
        assert profile.sources["usb.max_message"] == "assumed"


def test_a_composite_device_has_its_interfaces_in_the_order_of_the_file(write_model: WriteModel) -> None:
    toml = 'usb.interfaces = { value = ["disk", "hid", "ccid"], source = "E15" }'
    profile = load_profile_file(write_model(f'extends = "bocom-2g-tendyron"\n{toml}'))
    assert profile.usb.interfaces == ("disk", "hid", "ccid")


@pytest.mark.parametrize("name", ["default", "longmai", "sunyard", "synochip"])
def test_every_dialect_can_be_named(write_model: WriteModel, name: str) -> None:
    path = write_model(f'extends = "bocom-2g-tendyron"\ndialect = {{ value = "{name}", source = "assumed" }}')
    assert load_profile_file(path).dialect == name


def test_unknown_ids_are_answered_with_the_known_ones() -> None:
    for profile_id in ("no-such-key", "../profiles/bocom-direct", "bocom-2g", "", "Bocom-Direct"):
        with pytest.raises(ProfileError, match=r"bocom-2g-excelsecu, .*icbc-2g-tendyron") as caught:
            load_profile(profile_id)
        assert caught.value.values["profile"] == profile_id


def leaf(value: str, source: str = "assumed") -> str:
    return f'{{ value = {value}, source = "{source}" }}'


@pytest.mark.parametrize(
    ("toml", "path", "says"),
    [
        ("nonsense = " + leaf("1"), "nonsense", "not a field"),
        ("pin.user.nonsense = " + leaf("1"), "pin.user.nonsense", "not a field"),
        ('keypad = { value = true, source = "A6", why = 1 }', "keypad.why", "not a field"),
        ('keypad = { source = "A6" }', "keypad.value", "is missing"),
        ("keypad = true", "keypad", "has no source"),
        ("keypad = { value = true }", "keypad", "has no source"),
        ("pin.user.tries = { }", "pin.user.tries", "has no source"),
        ("keypad = " + leaf("true", "rumour"), "keypad", "source of keypad is rumour"),
        ("keypad = " + leaf("true", "A1,A2"), "keypad", "source of keypad"),
        ("keypad = { value = true, source = 3 }", "keypad", "source of keypad is 3"),
        ("keypad = " + leaf("1"), "keypad", "type boolean"),
        ("title = " + leaf("7"), "title", "type string"),
        ("title = " + leaf('""'), "title", "from 1 to 100"),
        ("maker = " + leaf('"天地融"'), "maker", "printable ASCII"),
        ("maker = " + leaf(f'"{"x" * 65}"'), "maker", "from 1 to 64"),
        ("usb = 5", "usb", "type table"),
        ("usb.vid = " + leaf("0x10000"), "usb.vid", "from 1 to 65535"),
        ("usb.interfaces = " + leaf('"ccid"'), "usb.interfaces", "type array"),
        ("usb.interfaces = " + leaf("[]"), "usb.interfaces", "choose from: ccid, hid, disk"),
        ("usb.interfaces = " + leaf('["ccid", "serial"]'), "usb.interfaces", "choose from: ccid, hid, disk"),
        ("usb.interfaces = " + leaf('["hid", "hid"]'), "usb.interfaces", "twice"),
        ("usb.max_message = " + leaf("270"), "usb.max_message", "from 271 to 65554"),
        ("usb.max_message = " + leaf("65555"), "usb.max_message", "from 271 to 65554"),
        ("pin.user.tries = " + leaf("true"), "pin.user.tries", "type integer"),
        ("pin.user.tries = " + leaf("0"), "pin.user.tries", "from 1 to 15"),
        ("pin.user.tries = " + leaf("16"), "pin.user.tries", "from 1 to 15"),
        ("pin.admin.tries = " + leaf("16"), "pin.admin.tries", "from 1 to 15"),
        ("pin.user.max = " + leaf("31"), "pin.user.max", "from 1 to 30"),
        ("pin.user.min = " + leaf("13"), "pin.user.min", "from 1 to 12"),
        ("pin.user.initial = " + leaf('"12345678901234567"'), "pin.user.initial", "from 1 to 16"),
        ("pin.admin.initial = " + leaf('"12345678901234567"'), "pin.admin.initial", "from 1 to 16"),
        ("pin.user.initial = " + leaf('"1357913579135"'), "pin.user.initial", "from 1 to 12"),
        ("pin.user.cache = " + leaf('"for ever"'), "pin.user.cache", "per-sign, session, until-removal"),
        ("ready_user_pin = " + leaf('"13579"'), "ready_user_pin", "from 6 to 12"),
        ("ready_user_pin = " + leaf('"111111"'), "ready_user_pin", "must not be a run"),
        ("ready_user_pin = " + leaf('"987654"'), "ready_user_pin", "must not be a run"),
        ("pin.user.initial = " + leaf('"271828"'), "ready_user_pin", "or the initial PIN"),
        ("device_auth_key = " + leaf('"00"'), "device_auth_key", "from 16 to 16"),
        ("device_auth_key = " + leaf('"xy"'), "device_auth_key", "hexadecimal"),
        ("device_auth_key = " + leaf("12"), "device_auth_key", "hexadecimal"),
        ("serial_template = " + leaf('"53########"'), "serial_template", "makes 5300000000"),
        ("serial_pattern = " + leaf('"52("'), "serial_pattern", "not a regular expression"),
        ("atr = " + leaf('"3b80"'), "atr", "answer to reset"),
        ("buttons = " + leaf('"ok"'), "buttons", "type array"),
        ("buttons = " + leaf('["ok", "fire"]'), "buttons", "choose from: ok"),
        ("buttons = " + leaf('["ok", "down", "ok"]'), "buttons", "twice"),
        ("dialect = " + leaf('"feitian"'), "dialect", "choose from: default, longmai, sunyard, synochip"),
        (
            "dialect = " + leaf('"longmai"') + "\ncontainers.sm2.name = " + leaf(f'"{"c" * 40}"'),
            "containers.sm2.name",
            "from 1 to 39",
        ),
        ("max_files = " + leaf("-1"), "max_files", "from 0 to 1024"),
        ("max_files = " + leaf("1025"), "max_files", "from 0 to 1024"),
        ("ciphers = " + leaf('"sm4"'), "ciphers", "type array"),
        ("ciphers = " + leaf('["sm1"]'), "ciphers", "choose from: sm4, aes"),
        ("ciphers = " + leaf('["sm4", "sm4"]'), "ciphers", "twice"),
        ("ciphers = " + leaf('["aes"]'), "containers.sm2", "without ciphers: sm4"),
        ("buttons = " + leaf('["down"]'), "confirm.presses", "buttons: ok"),
        ("buttons = " + leaf('["ok"]'), "confirm.must_page_to_end", "buttons: down"),
        ("activation = " + leaf('"keypad"'), "activation", "without keypad"),
        ("display = " + leaf('"nothing"'), "display", "choose from: none"),
        ("display = 3", "display", "has no source"),
        ("display.charset = " + leaf('"big5"'), "display.charset", "gb2312, gbk, gb18030"),
        (
            'display = { idle = { value = "䶮", source = "E12" }, charset = { value = "gbk", source = "E12" } }',
            "display.idle",
            "character that gbk does not have",
        ),
        ("containers.rsa.bits = " + leaf("2048.0"), "containers.rsa.bits", "1024, 2048"),
        ("containers.rsa.bits = " + leaf("512"), "containers.rsa.bits", "1024, 2048"),
        ("confirm.presses = " + leaf("3"), "confirm.presses", "from 0 to 2"),
    ],
)
def test_a_wrong_value_is_named(write_model: WriteModel, toml: str, path: str, says: str) -> None:
    with pytest.raises(ProfileError, match=re.escape(says)) as caught:
        load_profile_file(write_model(f'extends = "bocom-2g-tendyron"\n{toml}\n'))
    assert caught.value.values["profile"] == "mine"
    assert caught.value.values["path"] == path
    assert str(caught.value).startswith("profile mine: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "path", "says"),
    [
        ("bluetooth.gatt = " + leaf('"sap"'), "bluetooth.gatt", "choose from: vukey, feitian"),
        ("bluetooth.name_prefix = " + leaf('"Communications"'), "bluetooth.name_prefix", "from 1 to 13"),
        ("buttons = " + leaf('["ok", "cancel"]'), "bluetooth", "without buttons: power"),
        ("display = " + leaf('"none"'), "bluetooth", "without display"),
        ("max_apdu_data = " + leaf("65524"), "max_apdu_data", "from 256 to 65523"),
    ],
)
def test_what_goes_with_bluetooth(write_model: WriteModel, toml: str, path: str, says: str) -> None:
    with pytest.raises(ProfileError, match=re.escape(says)) as caught:
        load_profile_file(write_model(f'extends = "bocom-ble-tendyron"\n{toml}\n'))
    assert caught.value.values["path"] == path


def test_bluetooth_keys_have_bluetooth() -> None:
    for profile_id in IDS:
        bluetooth = load_profile(profile_id).bluetooth
        assert (bluetooth is not None) == profile_id.startswith("bocom-ble-")
        assert bluetooth is None or bluetooth.gatt == ("feitian" if "feitian" in profile_id else "vukey")


def test_messages_hold_no_pin(write_model: WriteModel) -> None:
    for toml in ("ready_user_pin = " + leaf('"111111"'), "pin.user.initial = " + leaf('"1357913579135"')):
        with pytest.raises(ProfileError) as caught:
            load_profile_file(write_model(f'extends = "bocom-2g-tendyron"\n{toml}\n'))
        assert "111111" not in str(caught.value)
        assert "13579" not in str(caught.value)


def test_a_missing_field_is_named(write_model: WriteModel) -> None:
    with pytest.raises(ProfileError, match="title is missing"):
        load_profile_file(write_model('extends = "bocom-2g"'))
    with pytest.raises(ProfileError, match=r"display\.type is missing"):
        load_profile_file(write_model('extends = "icbc-1g-gd"\ndisplay = {}'))


def test_files_that_cannot_be_read(write_model: WriteModel, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="cannot read"):
        load_profile_file(tmp_path / "absent.toml")
    with pytest.raises(ProfileError, match="is not TOML"):
        load_profile_file(write_model("title ="))
    (tmp_path / "latin.toml").write_bytes(b'title = "\xe9"')
    with pytest.raises(ProfileError, match="is not TOML"):
        load_profile_file(str(tmp_path / "latin.toml"))
    with pytest.raises(ProfileError, match="no name for a profile"):
        load_profile_file(write_model("", name="My Key"))


def test_extends_names_something_that_is_there(write_model: WriteModel) -> None:
    for parent in ('"no-such-family"', '"../profiles/bocom-direct"'):
        with pytest.raises(ProfileError, match=r"the known ones are: .*bocom-2g, "):
            load_profile_file(write_model(f"extends = {parent}"))
    with pytest.raises(ProfileError, match="extends must be of the type string"):
        load_profile_file(write_model("extends = 1"))
    with pytest.raises(ProfileError, match="cannot read"):
        load_profile_file(write_model('extends = "./absent.toml"'))


def test_a_chain_of_files_is_laid_over_value_by_value(write_model: WriteModel) -> None:
    write_model(
        """
        extends = "icbc-2g-feitian"
        [pin.user]
        tries = { value = 5, source = "assumed" }
        max = { value = 12, source = "E6" }
        """,
        name="base",
    )
    profile = load_profile_file(
        write_model(
            """
            extends = "./base.toml"
            containers.sm2 = { value = "none", source = "C11" }
            [pin.user]
            tries = { value = 4, source = "C6" }
            """
        )
    )
    shipped = load_profile("icbc-2g-feitian")
    assert (profile.id, profile.maker) == ("mine", "Feitian")
    assert (profile.pin.user.tries, profile.pin.user.max, profile.pin.user.min) == (4, 12, 6)
    assert profile.sources["pin.user.tries"] == "C6"
    assert profile.sources["pin.user.max"] == "E6"
    assert profile.sources["pin.user.min"] == shipped.sources["pin.user.min"] == "C5"
    assert profile.containers.sm2 is None
    assert profile.sources["containers.sm2"] == "C11"
    assert "containers.sm2.name" not in profile.sources
    assert shipped.containers.sm2 is not None


def test_a_screen_can_be_given_back(write_model: WriteModel) -> None:
    """A leaf "none" of a parent makes way for a whole table."""
    display = load_profile_file(
        write_model(
            """
            extends = "icbc-1g-gd"
            buttons = { value = ["ok", "cancel"], source = "assumed" }
            [confirm]
            presses = { value = 1, source = "assumed" }
            [display]
            type = { value = "lcd", source = "assumed" }
            width = { value = 128, source = "assumed" }
            height = { value = 32, source = "assumed" }
            charset = { value = "gb2312", source = "assumed" }
            language = { value = "en", source = "assumed" }
            idle = { value = "ICBC", source = "assumed" }
            """
        )
    ).display
    assert display is not None
    assert (display.width, display.height, display.language) == (128, 32, "en")


def test_a_screen_without_a_press_is_refused(write_model: WriteModel) -> None:
    """E1: what is shown is signed after OK, never before."""
    path = write_model(
        """
        extends = "icbc-2g-feitian"
        [confirm]
        presses = { value = 0, source = "assumed" }
        """
    )
    with pytest.raises(ProfileError, match="display"):
        load_profile_file(path)


def test_a_circle_of_files_is_refused(write_model: WriteModel) -> None:
    write_model('extends = "./second.toml"', name="first")
    path = write_model('extends = "./first.toml"', name="second")
    with pytest.raises(ProfileError, match=r"circle at second\.toml"):
        load_profile_file(path)
    with pytest.raises(ProfileError, match=r"circle at mine\.toml"):
        load_profile_file(write_model('extends = "./mine.toml"'))
