"""The power fails before, during and after every commit of every change: old state or new, never between (C9, E4).

An operation runs once undisturbed, which tells how many commits it has and what the new state is. Then it runs again
for each commit and each phase, the power fails there, and a new key starts on what the memory has kept.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_args

import gmalg
import pytest
from Crypto.Cipher import PKCS1_v1_5
from Crypto.PublicKey import RSA

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.hardware.storage import MemoryStorage, Storage
from emulator.hardware.storage_faulty import FaultyStorage, Phase, PowerCut
from emulator.hardware.storage_sqlite import SqliteStorage
from emulator.links.inproc import InProcessLink
from emulator.profiles import load_profile
from hostdriver.errors import CodeIncorrectError, PinIncorrectError, PinLockedError, VerificationFailedError
from hostdriver.gmt import Container, GmtSession, PublicKey
from protocols.gmt import (
    ApplicationInfo,
    BlockCipher,
    ContainerInfo,
    KeyUse,
    Mode,
    PinType,
    Rights,
    RsaPublicKey,
    SignInput,
    SymmetricAlgorithm,
)
from protocols.gmt.files import FileInfo
from protocols.sm2 import Ciphertext
from tests.rig.encryption_pairs import fresh_d, give_rsa_pair, give_sm2_pair
from tests.rig.key import CERTIFICATE, activation_code, changed, new_application, stored, verifier
from tests.rig.libcrypto import Sm2Key
from tests.rig.messages import TRANSFER
from tests.rig.verifiers import rsa_verifies, sm2_digest, sm2_verifies

PROFILE = changed(
    load_profile("icbc-2g-feitian"),
    activation="host",
    ready_digest="free",
    pin__user__cache="session",
    containers__rsa__bits=1024,
)
OLD_PIN, NEW_PIN, WRONG_PIN = PROFILE.ready_user_pin, "628318", "999111"
ADMIN_PIN, DEVICE_KEY, NEW_DEVICE_KEY = PROFILE.pin.admin.initial, PROFILE.device_auth_key, bytes(range(16))
ENCRYPTION_D = fresh_d()
OTHER_CERTIFICATE = b"\x30\x03\x02\x01\x05"


class Host:
    """A session with a key that has just been plugged in."""

    def __init__(self, storage: Storage) -> None:
        link = InProcessLink(Device(PROFILE, storage=storage, clock=ManualClock()))
        link.reset()
        self.session = GmtSession(link)

    @property
    def application(self) -> ApplicationInfo:
        return self.session.open_application(PROFILE.application)

    def container(self, name: str) -> Container:
        return self.session.open_container(self.application, name)

    def log_in(self) -> None:
        self.session.verify_pin(self.application, OLD_PIN)

    def authenticate(self, key: bytes = DEVICE_KEY) -> None:
        self.session.authenticate_device(key)

    def wrong_pin(self) -> None:
        with pytest.raises(PinIncorrectError):
            self.session.verify_pin(self.application, WRONG_PIN)

    def wrong_code(self) -> None:
        with pytest.raises(CodeIncorrectError):
            self.session.activate(self.container("SM2-SIGN"), "00000000")


Step = Callable[[Host], object]


@dataclass(frozen=True)
class Operation:
    """A change of the key's memory.

    :param before: what has to happen in the same session first.
    :param earlier: what has happened in a session before.
    :param tried: the counter that a try goes down on.
    """

    act: Step
    before: Step = lambda host: None
    earlier: Step = lambda host: None
    stage: str = "ready"
    tried: str | None = None


def _lock(host: Host) -> None:
    for _ in range(6):
        host.wrong_pin()


def _two_wrong(host: Host) -> None:
    host.wrong_pin()
    host.wrong_pin()


def _two_wrong_codes(host: Host) -> None:
    host.wrong_code()
    host.wrong_code()


def _add_container(host: Host) -> None:
    host.log_in()
    host.session.create_container(host.application, "NEW")


def _import_sm2_pair(host: Host) -> None:
    give_sm2_pair(host.session, host.container("SM2-SIGN"), ENCRYPTION_D)


def _imported_earlier(host: Host) -> None:
    host.log_in()
    _import_sm2_pair(host)


def _as_issuer(host: Host) -> None:
    host.log_in()
    host.authenticate()


def _create_file(host: Host) -> None:
    host.session.create_file(host.application, "new", 600, Rights.USER, Rights.NEVER)


def _add_file(host: Host) -> None:
    host.session.create_file(host.application, "notes", 600, Rights.ANYONE, Rights.ANYONE)
    host.session.write_file(host.application, "notes", b"old" * 200)


OPERATIONS = {
    "change PIN": Operation(
        lambda h: h.session.change_pin(h.application, OLD_PIN, NEW_PIN), earlier=_two_wrong, tried="user"
    ),
    "change administrator PIN": Operation(
        lambda h: h.session.change_pin(h.application, ADMIN_PIN, "24682468", PinType.ADMIN), tried="admin"
    ),
    "wrong PIN": Operation(Host.wrong_pin, earlier=_two_wrong, tried="user"),
    "right PIN": Operation(Host.log_in, earlier=_two_wrong, tried="user"),
    "unblock": Operation(
        lambda h: h.session.unblock_pin(h.application, ADMIN_PIN, NEW_PIN), earlier=_lock, tried="admin"
    ),
    "generate RSA": Operation(
        lambda h: h.session.generate_rsa(h.container("NEW"), 1024), Host.log_in, _add_container
    ),
    "generate SM2": Operation(
        lambda h: h.session.generate_sm2(h.container("NEW")), Host.log_in, _add_container
    ),
    "import certificate": Operation(
        lambda h: h.session.import_certificate(h.container("SM2-SIGN"), OTHER_CERTIFICATE), Host.log_in
    ),
    "import SM2 encryption pair": Operation(_import_sm2_pair, Host.log_in),
    "import RSA encryption pair": Operation(
        lambda h: give_rsa_pair(h.session, h.container("RSA-SIGN")), Host.log_in
    ),
    "import encryption certificate": Operation(
        lambda h: h.session.import_certificate(
            h.container("SM2-SIGN"), OTHER_CERTIFICATE, use=KeyUse.EXCHANGE
        ),
        Host.log_in,
        earlier=_imported_earlier,
    ),
    "install activation": Operation(
        lambda h: h.session.install_activation(h.container("SM2-SIGN"), verifier(PROFILE)), _as_issuer
    ),
    "activate": Operation(
        lambda h: h.session.activate(h.container("SM2-SIGN"), activation_code(PROFILE)),
        earlier=_two_wrong_codes,
        stage="issued",
        tried="code",
    ),
    "wrong activation code": Operation(
        Host.wrong_code, earlier=_two_wrong_codes, stage="issued", tried="code"
    ),
    "create container": Operation(lambda h: h.session.create_container(h.application, "NEW"), Host.log_in),
    "delete container": Operation(
        lambda h: h.session.delete_container(h.application, "SM2-SIGN"), Host.log_in
    ),
    "create file": Operation(_create_file),
    "write file": Operation(
        lambda h: h.session.write_file(h.application, "notes", b"new" * 190, 20), earlier=_add_file
    ),
    "delete file": Operation(lambda h: h.session.delete_file(h.application, "notes"), earlier=_add_file),
    "create application": Operation(
        lambda h: h.session.create_application(new_application(PROFILE, "NEW")), Host.authenticate
    ),
    "delete application": Operation(
        lambda h: h.session.delete_application(PROFILE.application), Host.authenticate
    ),
    "change device key": Operation(lambda h: h.session.change_device_key(DEVICE_KEY, NEW_DEVICE_KEY)),
    "set label": Operation(lambda h: h.session.set_label("new"), Host.authenticate),
}


class State(NamedTuple):
    """What a host can learn of a key, but for the tries."""

    label: str
    applications: tuple[str, ...]
    device_keys_that_work: tuple[bytes, ...]
    pins_that_work: tuple[str, ...] = ()
    admin_pins_that_work: tuple[str, ...] = ()
    initial: tuple[bool, ...] = ()
    containers: tuple[tuple[str, ContainerInfo, list[bytes], bool], ...] = ()
    files: tuple[tuple[str, FileInfo, bytes], ...] = ()


def copied(storage: Storage) -> MemoryStorage:
    return MemoryStorage({key: storage.read(key) or b"" for key in storage.keys()})  # noqa: SIM118


def works(storage: Storage, value: str, pin_type: PinType) -> bool:
    host = Host(copied(storage))
    try:
        host.session.verify_pin(host.application, value, pin_type)
    except (PinIncorrectError, PinLockedError):
        return False
    return True


def authenticates(storage: Storage, key: bytes) -> bool:
    with suppress(VerificationFailedError):
        Host(copied(storage)).authenticate(key)
        return True
    return False


def observe(storage: Storage) -> State:
    """Look at everything, on copies."""
    host = Host(copied(storage))
    session = host.session
    device_keys = tuple(key for key in (DEVICE_KEY, NEW_DEVICE_KEY) if authenticates(storage, key))
    state = State(session.device_info().label, tuple(session.applications()), device_keys)
    if PROFILE.application not in state.applications:
        return state
    names = session.containers(host.application)
    return state._replace(
        pins_that_work=tuple(p for p in (OLD_PIN, NEW_PIN, WRONG_PIN) if works(storage, p, PinType.USER)),
        admin_pins_that_work=tuple(p for p in (ADMIN_PIN, "24682468") if works(storage, p, PinType.ADMIN)),
        initial=tuple(session.pin_info(host.application, kind).initial for kind in PinType),
        containers=tuple(_container(host, name) for name in names),
        files=tuple(_file(host, name) for name in session.files(host.application)),
    )


def _container(host: Host, name: str) -> tuple[str, ContainerInfo, list[bytes], bool]:
    info, container = host.session.container_info(host.application, name), host.container(name)
    certificates = [
        host.session.export_certificate(container, use=use) for use in KeyUse if info.has_certificate(use)
    ]
    return name, info, certificates, host.session.activation_status(container)[0]


def _file(host: Host, name: str) -> tuple[str, FileInfo, bytes]:
    info = host.session.file_info(host.application, name)
    readable = info.read_rights == Rights.ANYONE
    return name, info, host.session.read_file(host.application, name) if readable else b""


def tries(storage: Storage) -> dict[str, int]:
    """The tries left on every counter."""
    host = Host(copied(storage))
    if PROFILE.application not in host.session.applications():
        return {}
    left = {kind.name.lower(): host.session.pin_info(host.application, kind).left for kind in PinType}
    if "SM2-SIGN" in host.session.containers(host.application):
        left["code"] = host.session.activation_status(host.container("SM2-SIGN"))[1]
    return left


def listed_keys(storage: Storage) -> dict[tuple[str, KeyUse], PublicKey]:
    """The public keys that are there."""
    host = Host(copied(storage))
    if PROFILE.application not in host.session.applications():
        return {}
    application = host.application
    names = host.session.containers(application)
    infos = {name: host.session.container_info(application, name) for name in names}
    return {
        (name, use): host.session.public_key(host.container(name), use=use)
        for name, info in infos.items()
        for use, bits in ((KeyUse.SIGN, info.sign_bits), (KeyUse.EXCHANGE, info.exchange_bits))
        if bits
    }


def every_listed_key_works(storage: Storage, admin_pin: str, device_key: bytes) -> None:
    """Once PIN and activation are put right, on a copy; pycryptodome, gmalg and libcrypto judge."""
    host = Host(copied(storage))
    host.authenticate(device_key)
    for (name, use), key in listed_keys(storage).items():
        host.session.unblock_pin(host.application, admin_pin, OLD_PIN)
        host.log_in()
        container = host.container(name)
        if use is KeyUse.EXCHANGE:
            it_deciphers(host.session, container, key)
            continue
        host.session.import_certificate(container, CERTIFICATE)
        host.session.install_activation(container, verifier(PROFILE))
        host.session.activate(container, activation_code(PROFILE))
        if isinstance(key, RsaPublicKey):
            digest = hashlib.sha256(TRANSFER).digest()
            assert rsa_verifies(key, TRANSFER, host.session.sign_rsa(container, digest, SignInput.DIGEST))
        else:
            digest = sm2_digest(key, TRANSFER)
            signature = host.session.sign_sm2(container, digest, SignInput.DIGEST)
            assert sm2_verifies(key, TRANSFER, signature)


def it_deciphers(session: GmtSession, container: Container, key: PublicKey) -> None:
    """A session key that was enciphered for its encryption pair is taken, and is that key."""
    sm4_key, block = bytes(range(16)), b"sixteen octets  "
    if isinstance(key, RsaPublicKey):
        wrapped: bytes | Ciphertext = PKCS1_v1_5.new(RSA.construct((key.n, key.e))).encrypt(sm4_key)
    else:
        wrapped = Ciphertext.parse_der(Sm2Key.public(key.encode()).encrypt(sm4_key))
    held = session.import_session_key(container, SymmetricAlgorithm(BlockCipher.SM4, Mode.ECB), wrapped)
    assert session.decrypt(held, gmalg.SM4(sm4_key).encrypt(block)) == block


@dataclass
class Run:
    """An operation on a key whose power may fail."""

    storage: FaultyStorage
    first: int
    """Commits before the operation's own."""
    was_cut: bool

    @property
    def commits(self) -> int:
        """The operation's own."""
        return self.storage.commits - self.first


def run(
    operation: Operation, inner: Storage, first: int = 0, commit: int = 0, phase: Phase = "before"
) -> Run:
    """Carry an operation out, with a power cut at one of its commits; 0 is none."""
    storage = FaultyStorage(inner, first + commit if commit else None, phase)
    host = Host(storage)
    operation.before(host)
    first = storage.commits
    try:
        operation.act(host)
    except PowerCut:
        return Run(storage, first, was_cut=True)
    return Run(storage, first, was_cut=False)


class Undisturbed:
    """What there was before an operation, and after it."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.memory = stored(PROFILE, operation.stage)
        operation.earlier(Host(self.memory))
        after = self.memory.copy()
        done = run(operation, after)
        self.first, self.commits = done.first, done.commits
        self.old, self.new = observe(self.memory), observe(after)
        self.old_tries, self.new_tries = tries(self.memory), tries(after)
        self.keys = listed_keys(self.memory)

    def check(self, kept: Storage, durable: int) -> None:
        """Hold what a power cut has left against what it may leave.

        :param durable: how many of the operation's commits were durable.
        """
        done = durable == self.commits
        state, left = observe(kept), tries(kept)
        assert state == (self.new if done else self.old)
        expected = dict(self.new_tries if done else self.old_tries)
        if self.operation.tried and 0 < durable < self.commits:
            expected[self.operation.tried] -= 1  # E4: counted before the comparison, never won back
        assert left == expected
        keys = listed_keys(kept)
        kept_containers = {name for name, *_ in state.containers}
        assert {n: k for n, k in self.keys.items() if n[0] in kept_containers}.items() <= keys.items()
        if state.admin_pins_that_work:
            every_listed_key_works(kept, state.admin_pins_that_work[0], state.device_keys_that_work[0])


@pytest.fixture(params=OPERATIONS)
def undisturbed(request: pytest.FixtureRequest) -> Undisturbed:
    return Undisturbed(OPERATIONS[request.param])


@contextmanager
def on_sqlite(directory: Path, memory: MemoryStorage) -> Iterator[SqliteStorage]:
    """The same memory in a state file."""
    with closing(SqliteStorage(directory / "key.vukey")) as storage:
        with storage.transaction() as transaction:
            for key in memory.keys():  # noqa: SIM118 - not a mapping
                transaction.put(key, memory.read(key) or b"")
        yield storage


def crash_image(directory: Path, name: str) -> Path:
    """The state file and its log as they lie on the disk now, while the key still holds them."""
    image = directory / name
    image.mkdir()
    for suffix in ("", "-wal"):
        shutil.copyfile(directory / f"key.vukey{suffix}", image / f"key.vukey{suffix}")
        (image / f"key.vukey{suffix}").chmod(0o600)
    return image / "key.vukey"


def test_each_operation_changes_something(undisturbed: Undisturbed) -> None:
    assert undisturbed.commits >= 1
    before, after = (
        (undisturbed.old, undisturbed.old_tries),
        (undisturbed.new, undisturbed.new_tries),
    )
    unchanged = OPERATIONS["install activation"], OPERATIONS["right PIN"]
    assert before != after or undisturbed.operation in unchanged


@pytest.mark.parametrize(
    "name", ["change PIN", "change administrator PIN", "right PIN", "unblock", "activate"]
)
def test_a_try_is_durable_before_its_success_is(name: str) -> None:
    """E4: so a cut in between costs the try, which `Undisturbed.check` looks for at every commit but the last."""
    assert OPERATIONS[name].tried
    assert Undisturbed(OPERATIONS[name]).commits == 2


@pytest.mark.parametrize("phase", get_args(Phase))
def test_in_memory(undisturbed: Undisturbed, phase: Phase) -> None:
    for commit in range(1, undisturbed.commits + 1):
        inner = undisturbed.memory.copy()
        assert run(undisturbed.operation, inner, undisturbed.first, commit, phase).was_cut
        undisturbed.check(inner, commit if phase == "after" else commit - 1)


@pytest.mark.parametrize("phase", get_args(Phase))
def test_in_a_state_file(undisturbed: Undisturbed, phase: Phase, tmp_path: Path) -> None:
    """What lies on the disk at the moment of the cut; nobody closes the file."""
    for commit in range(1, undisturbed.commits + 1):
        directory = tmp_path / str(commit)
        directory.mkdir()
        with on_sqlite(directory, undisturbed.memory) as inner:
            assert run(undisturbed.operation, inner, undisturbed.first, commit, phase).was_cut
            image = crash_image(directory, "image")
        with closing(SqliteStorage(image)) as kept:
            undisturbed.check(kept, commit if phase == "after" else commit - 1)


def test_with_the_last_commit_torn(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """The disk has only a part of the last commit's log: that commit has not been."""
    with on_sqlite(tmp_path, undisturbed.memory) as inner:
        log = tmp_path / "key.vukey-wal"
        last = undisturbed.commits
        assert run(undisturbed.operation, inner, undisturbed.first, last, "before").was_cut
        start = log.stat().st_size
        whole = _commit_once_more(undisturbed, tmp_path, start)
    for missing in (1, (whole[1] - start) // 2, whole[1] - start):
        torn = shutil.copytree(whole[0].parent, tmp_path / f"torn-{missing}") / "key.vukey"
        with Path(f"{torn}-wal").open("r+b") as file:
            file.truncate(whole[1] - missing)
        with closing(SqliteStorage(torn)) as kept:
            undisturbed.check(kept, last - 1)


def _commit_once_more(undisturbed: Undisturbed, directory: Path, start: int) -> tuple[Path, int]:
    """The same run with the cut after the last commit, and how long its log is."""
    again = directory / "again"
    again.mkdir()
    with on_sqlite(again, undisturbed.memory) as inner:
        assert run(undisturbed.operation, inner, undisturbed.first, undisturbed.commits, "after").was_cut
        image = crash_image(again, "image")
    size = Path(f"{image}-wal").stat().st_size
    assert size > start
    return image, size
