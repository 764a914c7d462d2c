"""PKCS#10 requests: names as RFC 4514 has them, and every shipped model signs one that openssl accepts."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.profiles import load_profile, profile_ids
from hostdriver.apdu_token import ApduToken
from hostdriver.certification_request import SubjectError, make_request, request_info, subject_of
from hostdriver.errors import DigestRefusedError, Exit, MessageRefusedError
from hostdriver.token import Container
from protocols.gmt import HashAlgorithm, SignInput
from tests.rig.cli import openssl
from tests.rig.key import KeyRig, changed, stored, user_pin
from vukey_testing.targets import InProcess

SUBJECT = "CN=5212345678, OU=网银, O=My bank\\, Ltd, C=CN"
SHOWN = "CN=5212345678,OU=网银,O=My bank\\, Ltd,C=CN"
"""As openssl prints it, by RFC 2253."""


def accepted(der: bytes, directory: Path) -> str:
    """The subject of a request whose signature openssl verifies: its word counts, its exit code is 0 in any case."""
    file = directory / "request.der"
    file.write_bytes(der)
    call = ["openssl", "req", "-inform", "DER", "-in", file, "-verify", "-noout", "-subject"]
    call += ["-nameopt", "RFC2253,-esc_msb,utf8"]
    is_sm2 = b"\x2a\x81\x1c\xcf\x55\x01\x83\x75" in der  # SM2 with SM3
    call += ["-vfyopt", "distid:1234567812345678"] if is_sm2 else []
    done = subprocess.run([*map(str, call)], capture_output=True, text=True, check=True)
    assert "verify OK" in done.stderr, done.stderr
    return done.stdout.strip().removeprefix("subject=")


class Holder:
    """A key in this process and the container with its pair of one kind.

    :param values: what differs from the shipped model.
    """

    def __init__(self, model: str, kind: str, **values: object) -> None:
        profile = load_profile(model)
        if kind == "sm2":
            profile = changed(profile, containers__rsa=None)  # RSA pairs take their time
        profile = changed(profile, **values)
        clock = ManualClock()
        device = Device(profile, storage=stored(profile, "ready"), clock=clock)
        self.rig = KeyRig(device, clock, InProcess, user_pin(profile, "ready"))
        application = ApduToken(self.rig.session).application()
        application.verify_pin(self.rig.user_pin)
        self.container: Container = application.container(getattr(profile.containers, kind).name)

    def request(self, hash_code: HashAlgorithm = HashAlgorithm.SHA256) -> bytes:
        call: Callable[..., bytes] = self.rig.unasked if self._is_free else self.rig.confirmed
        return call(make_request, self.container, subject_of(SUBJECT), hash_code)

    @property
    def _is_free(self) -> bool:
        return self.rig.profile.ready_digest == "free"


@pytest.mark.parametrize("model", profile_ids())
def test_every_model_signs_a_request(model: str, tmp_path: Path) -> None:
    holder = Holder(model, "sm2" if load_profile(model).containers.sm2 else "rsa")
    assert accepted(holder.request(), tmp_path) == SHOWN
    holder.rig.close()


@pytest.mark.parametrize("hash_code", [HashAlgorithm.SHA256, HashAlgorithm.SHA1])
def test_rsa(hash_code: HashAlgorithm, tmp_path: Path) -> None:
    holder = Holder("icbc-1g-gd", "rsa")
    assert accepted(holder.request(hash_code), tmp_path) == SHOWN
    holder.rig.close()


def test_openssl_does_not_accept_just_any_request(tmp_path: Path) -> None:
    holder = Holder("ccb-shield-gd", "sm2")
    der = holder.request()
    holder.rig.close()
    with pytest.raises(AssertionError, match="verify failure"):
        accepted(der.replace(b"5212345678", b"5212345679"), tmp_path)


def test_the_subject_is_in_the_order_of_openssls_own(tmp_path: Path) -> None:
    """Least specific first in the bytes, as `openssl req -subj` writes it."""
    key, file = tmp_path / "key", tmp_path / "request"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    openssl("req", "-new", "-key", key, "-utf8", "-subj", "/C=CN/O=My bank, Ltd/OU=网银/CN=5212345678",
            "-outform", "DER", "-out", file)  # fmt: skip
    assert subject_of(SUBJECT) in file.read_bytes()


@pytest.mark.parametrize(
    "text", ["", "5212345678", "CN", "CN=a,", "C=China", "CN=" + "a" * 65, "XX=a", "CN=\x1b[2J", "CN=\\1b"]
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(SubjectError, match="cannot be a certificate's name") as caught:
        subject_of(text)
    assert caught.value.exit_code is Exit.USAGE
    assert "\x1b" not in str(caught.value)


def test_a_key_that_signs_no_digests_refuses() -> None:
    """It cannot show the request as a message either: such a model makes none."""
    holder = Holder("icbc-2g-feitian", "sm2", ready_digest="refuse")
    with pytest.raises(DigestRefusedError):
        make_request(holder.container, subject_of(SUBJECT))
    holder.rig.plug_in()
    application = ApduToken(holder.rig.session).application()
    application.verify_pin(holder.rig.user_pin)
    container = application.container(holder.container.name)
    info = request_info(subject_of(SUBJECT), container.public_key())
    with pytest.raises(MessageRefusedError):
        container.sign(info, SignInput.MESSAGE)
    holder.rig.close()
