"""The comparisons: each has a floor that does only what cannot be left out."""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from bench.ratios import Result, compare
from emulator.device import Device
from emulator.links.inproc import InProcessLink
from emulator.profiles import Profile, load_profile
from hostdriver.gmt import Container, GmtSession
from hostdriver.transport.pcsc import PcscTransport
from protocols import sm2
from protocols.apdu import Command, encode_command
from protocols.gmt import CLA_PLAIN, HashAlgorithm, Ins, NewApplication, SignInput
from tests.rig.pcscd import PrivatePcscd, wait_for_card

_PIN = "271828"
_RANDOM_8 = bytes.fromhex("80500000000008")
_ROOT = Path(__file__).parents[1]


def press_off() -> Profile:
    """A key that signs ready digests at once, for as long as its login lasts."""
    profile = load_profile("bocom-2g-tendyron")
    user = replace(profile.pin.user, cache="session", must_change=False)
    return replace(profile, ready_digest="free", pin=replace(profile.pin, user=user))


def _container(kind: str) -> tuple[Device, GmtSession, Container]:
    profile = press_off()
    device = Device(profile)
    session = GmtSession(InProcessLink(device))
    session.transport.reset()
    session.authenticate_device(profile.device_auth_key)
    session.create_application(NewApplication("BENCH", b"87654321", 6, _PIN.encode(), 6))
    application = session.open_application("BENCH")
    session.verify_pin(application, _PIN)
    container = session.create_container(application, kind)
    return device, session, container


def rsa_2048(rounds: int = 41) -> Result:
    """RSA-2048 signatures of a digest through `Device.transmit`, beside the raw library."""
    device, session, container = _container("RSA")
    public = session.generate_rsa(container, 2048)
    digest = hashlib.sha256(b"bench").digest()
    data = container.handles + digest
    apdu = encode_command(
        Command(CLA_PLAIN, Ins.RSA_SIGN_DATA, SignInput.DIGEST, HashAlgorithm.SHA256, data, 256)
    )
    raw_key = rsa.generate_private_key(65537, 2048)
    scheme, prehashed = padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())
    answer = device.transmit(apdu)
    assert answer[-2:] == b"\x90\x00"
    checker = rsa.RSAPublicNumbers(public.e, public.n).public_key()
    checker.verify(answer[:-2], digest, scheme, prehashed)
    return compare(
        "RSA-2048 sign, Device.transmit / raw cryptography",
        lambda: device.transmit(apdu),
        lambda: raw_key.sign(digest, scheme, prehashed),
        target=0.95,
        rounds=rounds,
    )


def sm2_sign(rounds: int = 41) -> Result:
    """SM2 signatures of a digest through `Device.transmit`, beside the bare core with nonces from the system."""
    device, session, container = _container("SM2")
    public = session.generate_sm2(container)
    digest = hashlib.sha256(b"bench").digest()
    apdu = encode_command(
        Command(CLA_PLAIN, Ins.ECC_SIGN_DATA, SignInput.DIGEST, 0, container.handles + digest, 68)
    )
    sign = sm2.PrivateKey(0x1234567890ABCDEF).sign_raw
    answer = device.transmit(apdu)
    assert answer[-2:] == b"\x90\x00"
    assert sm2.verify(public, digest, sm2.Signature.parse(answer[4:-2]))
    return compare(
        "sign, Device.transmit / core",
        lambda: device.transmit(apdu),
        lambda: sign(digest, os.urandom(32)),
        target=0.85,
        rounds=rounds,
    )


@contextmanager
def _card(pcscd: PrivatePcscd, slot: int, *command: str) -> Iterator[PcscTransport]:
    """A card in a slot, in a process of its own, opened through PC/SC."""
    with pcscd.popen([sys.executable, *command], cwd=_ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            transport = PcscTransport.open(wait_for_card(slot))
            yield transport
            transport.close()
        finally:
            process.terminate()


def vpcd(pcscd: PrivatePcscd, rounds: int = 41) -> Result:
    """GenRandom(8) through a real pcscd and vpcd, beside a bare responder in the other slot."""
    with ExitStack() as stack:
        floor = stack.enter_context(_card(pcscd, 0, "-m", "bench.bare_responder", f"127.0.0.1:{pcscd.port}"))
        link = f"vpcd:127.0.0.1:{pcscd.port}"
        up = ("-m", "vukey", "up", "--stage", "blank", "--link", link)
        key = stack.enter_context(_card(pcscd, 1, *up))
        assert len(key.exchange(_RANDOM_8)) == len(floor.exchange(_RANDOM_8)) == 10
        return compare(
            "GenRandom through pcscd, vukey up / bare responder",
            lambda: key.exchange(_RANDOM_8),
            lambda: floor.exchange(_RANDOM_8),
            target=0.85,
            rounds=rounds,
        )


_START = """
import time; begun = time.perf_counter()
from emulator.device import Device
from emulator.profiles import load_profile
device = Device(load_profile("bocom-2g-tendyron"))
device.power_on()
answer = device.transmit(bytes.fromhex("80040000000000"))
assert len(answer) == 290 and answer[-2:] == b"\\x90\\x00"
print(time.perf_counter() - begun)
"""


def start_seconds(runs: int = 15) -> float:
    """From import to the first answered GetDevInfo of a blank key, in process: median seconds."""
    return median_seconds(_START, runs)


def median_seconds(script: str, runs: int) -> float:
    """What a script prints that measures itself, each time in a new process."""
    command = [sys.executable, "-c", script]
    return statistics.median(
        float(subprocess.run(command, cwd=_ROOT, capture_output=True, check=True).stdout) for _ in range(runs)
    )
