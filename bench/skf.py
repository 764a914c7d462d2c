"""Calls through libskf beside bare round trips on the key's socket; its signatures beside SoftHSM2's and OpenSSL's."""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from bench import peers
from bench.ratios import Result, UnavailableError, compare_times, seconds_each
from hostdriver import certificates, pkcs11
from hostdriver.pkcs11.module import finalize_all
from hostdriver.token import PublicKey
from protocols import sm2
from protocols.gmt import RsaPublicKey, SignInput
from tests.rig.cli import PIN, Up, der_signature, profile_file, run_directory, vukey
from tests.rig.softhsm import MODULE, USER_PIN, SoftHsm

_ROOT = Path(__file__).parents[1]
LIBRARY = _ROOT / "hostdriver" / "skf" / "lib" / "libskf_vukey.so"
_MODEL = """\
ready_digest = { value = "free", source = "assumed" }
pin.user.cache = { value = "session", source = "assumed" }"""
"""A key that signs ready digests at once, for as long as its login lasts."""
_CALLS = {"random": 400, "locked": 400, "rsa": 40, "sm2": 300}
_OPENSSL_SM2_CALLS = 200
_CONTAINERS = "RSA-SIGN", "SM2-SIGN"
_SIGNED = bytes((1, 2, 3)).ljust(32, b"\0")
"""What the loop signs."""
_DIGEST = hashlib.sha256(b"bench").digest()
_PAD = padding.PKCS1v15()
_SHA256 = utils.Prehashed(hashes.SHA256())


class Loop:
    """`bench/skf_loop.c` in a process of its own."""

    def __init__(self, program: Path, *arguments: str | Path, run: Path) -> None:
        self._process = subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"XDG_RUNTIME_DIR": str(run)},
        )
        self.last = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def seconds(self, operation: str) -> float:
        """What one of many in a row takes; `last` is what it gave."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{operation} {_CALLS[operation]}\n")
        self._process.stdin.flush()
        seconds, last = self._process.stdout.readline().split()
        self.last = bytes.fromhex(last)
        return float(seconds)


class Bench:
    """A key with libskf at it, and bare frames on its socket."""

    def __init__(self, skf: Loop, bare: Loop) -> None:
        self.skf = skf
        self.bare = bare

    @property
    def suites(self) -> tuple[Callable[..., Result], ...]:
        """Every comparison."""
        signing = self.rsa_beside_softhsm, self.rsa_beside_openssl, self.sm2_beside_openssl
        return self.random, self.random_locked, *signing

    def random(self, rounds: int = 41) -> Result:
        """The call beside the one round trip that it cannot do without."""
        return self._beside_bare("GenRandom, libskf / bare round trip", "random", rounds)

    def random_locked(self, rounds: int = 41) -> Result:
        """The call beside the same frames: the key is locked for it, as other programs may have it open."""
        return self._beside_bare("GenRandom, libskf / bare and locked", "locked", rounds)

    def _beside_bare(self, name: str, bare: str, rounds: int) -> Result:
        return compare_times(
            name,
            lambda: self.skf.seconds("random"),
            lambda: self.bare.seconds(bare),
            target=None,
            rounds=rounds,
        )

    def rsa_beside_softhsm(self, rounds: int = 41) -> Result:
        """RSA-2048 signatures of a digest through either library's own interface.

        :raises UnavailableError: no SoftHSM2.
        """
        with softhsm() as sign:
            return self._beside("RSA-2048 sign, libskf / SoftHSM2", "rsa", sign, _CALLS["rsa"], rounds)

    def rsa_beside_openssl(self, rounds: int = 41) -> Result:
        """The same beside OpenSSL in the measuring process, as the package cryptography calls it."""
        key = rsa.generate_private_key(65537, 2048)

        def sign() -> bytes:
            return key.sign(_DIGEST, _PAD, _SHA256)

        return self._beside("RSA-2048 sign, libskf / OpenSSL", "rsa", sign, _CALLS["rsa"], rounds)

    def sm2_beside_openssl(self, rounds: int = 41) -> Result:
        """SM2 signatures of a digest beside one EVP call each.

        :raises UnavailableError: no OpenSSL 3.
        """
        key = peers.openssl().private(bytes(31) + b"\x07")
        name = f"SM2 sign, libskf / {peers.openssl_version()}"
        return self._beside(name, "sm2", lambda: key.sign(_DIGEST), _OPENSSL_SM2_CALLS, rounds)

    def _beside(
        self, name: str, operation: str, peer: Callable[[], object], count: int, rounds: int
    ) -> Result:
        return compare_times(
            name,
            lambda: self.skf.seconds(operation),
            lambda: seconds_each(peer, count),
            target=None,
            rounds=rounds,
        )


@contextmanager
def bench(library: Path = LIBRARY) -> Iterator[Bench]:
    """A key, a program that has libskf loaded, and one that has not.

    :raises UnavailableError: no compiler, or no library yet.
    """
    if not library.exists():
        raise UnavailableError("libskf: make skf")
    with ExitStack() as stack:
        directory = stack.enter_context(run_directory())
        program = _compiled(directory)
        model = profile_file(directory, "bench", "bocom-2g-tendyron", _MODEL)
        key = stack.enter_context(Up(directory, "--link", "socket", "--profile", model))
        public = _public_keys(directory)
        bare = stack.enter_context(Loop(program, "bare", key.socket, run=directory))
        bare.seconds("random")  # has powered the key: what comes after it must not be reset by that
        named = (f"socket:{key.serial}", PIN, *_CONTAINERS)
        skf = stack.enter_context(Loop(program, library, *named, run=directory))
        _check(skf, *public)
        yield Bench(skf, bare)


def _compiled(directory: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        raise UnavailableError("libskf in a C program: apt install gcc libc6-dev")
    program, include = directory / "skf_loop", _ROOT / "hostdriver" / "skf" / "include"
    source = _ROOT / "bench" / "skf_loop.c"
    subprocess.run([compiler, "-O2", "-I", include, source, "-o", program, "-ldl"], check=True)
    return program


def _public_keys(run: Path) -> list[PublicKey]:
    """Of the key's two certificates, RSA and SM2."""
    asked = (vukey("host", "certs", "--container", name, "--pem", run=run) for name in _CONTAINERS)
    return [certificates.describe(ssl.PEM_cert_to_DER_cert(done.stdout)).public_key for done in asked]


def _check(skf: Loop, rsa_key: PublicKey, sm2_key: PublicKey) -> None:
    """Before it is timed, what libskf gives is judged by OpenSSL."""
    assert isinstance(rsa_key, RsaPublicKey)
    assert isinstance(sm2_key, sm2.PublicKey)
    skf.seconds("rsa")
    numbers = rsa.RSAPublicNumbers(rsa_key.e, rsa_key.n).public_key()
    assert numbers.recover_data_from_signature(skf.last, _PAD, None) == _SIGNED
    skf.seconds("sm2")
    assert peers.openssl().public(sm2_key.encode()).verify(_SIGNED, der_signature(skf.last))


def softhsm_version() -> str | None:
    """Such as ``SoftHSM 2.6.1``; None where it is missing."""
    program = shutil.which("softhsm2-util")
    if program is None:
        return None
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return f"SoftHSM {done.stdout.strip()}"


@contextmanager
def softhsm() -> Iterator[Callable[[], bytes]]:
    """A signature of SoftHSM2's with a new RSA-2048 pair, by its PKCS#11 functions in this process.

    :raises UnavailableError: it is not installed.
    """
    if not MODULE.exists() or shutil.which("pkcs11-tool") is None:
        raise UnavailableError("SoftHSM2: apt install softhsm2 opensc")
    with tempfile.TemporaryDirectory(prefix="hsm-") as directory:
        hsm = SoftHsm(Path(directory))
        hsm.add("one")
        hsm.add_key()
        os.environ.update(hsm.environment)
        with pkcs11.open_token(f"{MODULE}:one") as token:
            application = token.application()
            application.verify_pin(USER_PIN)
            container = application.find_container()
            yield lambda: container.sign(_DIGEST, SignInput.DIGEST)
        finalize_all()
