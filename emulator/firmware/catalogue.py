"""What lies in the key's memory, apart from secrets: applications, containers, certificates, files.

Records are read into memory at power-on and again after every committed change, so memory never runs ahead of
storage (C9: nothing half-written is ever visible).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property

from emulator.hardware.storage import Storage, Transaction
from protocols.gmt import ContainerType, KeyUse, PinType

DEVICE = "device"
TOTAL_SPACE = 64 * 1024
"""Memory in bytes: 64 KB, a bank's tender for such keys (assumed elsewhere)."""


@dataclass(frozen=True)
class Container:
    """A container: one kind of key pair, with a certificate each for signing and exchange.

    Where its records lie is worked out once: signing asks for it each time.
    """

    application_id: int
    id: int
    name: str
    type: ContainerType = ContainerType.EMPTY
    sign_bits: int = 0
    exchange_bits: int = 0

    @property
    def place(self) -> tuple[int, int]:
        """Whose session keys these are: application and container, 0 and 0 for the device itself."""
        return self.application_id, self.id

    def bits(self, use: KeyUse) -> int:
        """Length of one of its pairs; 0 where there is none."""
        return self.sign_bits if use is KeyUse.SIGN else self.exchange_bits

    def key(self, use: KeyUse) -> str:
        """The secure element's slot of one of its pairs."""
        return self.sign_key if use is KeyUse.SIGN else self.exchange_key

    @cached_property
    def path(self) -> str:
        """Where its records lie in storage."""
        return f"app/{self.application_id:03}/con/{self.id:03}"

    @cached_property
    def sign_key(self) -> str:
        """The secure element's slot of the signature pair."""
        return f"{self.path}/sign"

    @cached_property
    def exchange_key(self) -> str:
        """The secure element's slot of the encryption pair."""
        return f"{self.path}/exchange"

    def certificate(self, use: KeyUse) -> str:
        """Where a pair's certificate lies."""
        return f"{self.path}/cert/{use.name.lower()}"

    @property
    def activation(self) -> str:
        """Where the verifier of the activation code lies."""
        return f"{self.path}/activation"

    @cached_property
    def activated_mark(self) -> str:
        """The record that exists once the code was entered."""
        return f"{self.path}/activated"


@dataclass(frozen=True)
class File:
    """A file of fixed size; its rights are values of GM/T 0016's `Rights`."""

    application_id: int
    id: int
    name: str
    size: int
    read_rights: int
    write_rights: int

    @property
    def path(self) -> str:
        """Where its records lie in storage."""
        return f"app/{self.application_id:03}/file/{self.id:03}"

    @property
    def data(self) -> str:
        """Where its content lies."""
        return f"{self.path}/data"


@dataclass(frozen=True)
class Application:
    """An application with its limits, its containers and its files by name."""

    id: int
    name: str
    create_file_rights: int
    max_containers: int
    max_certificates: int
    max_files: int
    containers: dict[str, Container] = field(default_factory=dict, compare=False)
    files: dict[str, File] = field(default_factory=dict, compare=False)

    @property
    def path(self) -> str:
        """Where its records lie in storage."""
        return f"app/{self.id:03}"

    @cached_property
    def pin_slots(self) -> dict[PinType, str]:
        """The secure element's slots of the PINs."""
        return {pin_type: f"{self.path}/pin/{pin_type}" for pin_type in PinType}


def _free_id(taken: Iterator[int]) -> int:
    used = set(taken)
    return next(number for number in range(1, len(used) + 2) if number not in used)


class Catalogue:
    """Applications, containers and files, mirrored in memory."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.reload()

    def reload(self) -> None:
        """Read everything again, as at power-on."""
        self.applications: dict[str, Application] = {}
        self.label: str = json.loads(self._storage.read(DEVICE) or b'{"label": ""}')["label"]
        names = self._storage.keys("app/")
        for key in names:
            if key.endswith("/info"):
                application = Application(**json.loads(self._storage.read(key) or b""))
                self.applications[application.name] = application
        by_id = {application.id: application for application in self.applications.values()}
        for key in names:
            if key.endswith("/container"):
                fields = json.loads(self._storage.read(key) or b"")
                container = Container(**{**fields, "type": ContainerType(fields["type"])})
                by_id[container.application_id].containers[container.name] = container
            elif key.endswith("/attributes"):
                file = File(**json.loads(self._storage.read(key) or b""))
                by_id[file.application_id].files[file.name] = file
        self._present = frozenset(names)

    def has(self, key: str) -> bool:
        """Whether a record exists."""
        return key in self._present

    def read(self, key: str) -> bytes | None:
        """A record as it lies in storage."""
        return self._storage.read(key)

    @property
    def certificate_count(self) -> dict[int, int]:
        """Certificates by application id."""
        counts: dict[int, int] = {}
        for key in self._present:
            if "/cert/" in key:
                application_id = int(key.split("/")[1])
                counts[application_id] = counts.get(application_id, 0) + 1
        return counts

    def free_space(self) -> int:
        """Bytes that the records leave."""
        used = sum(len(key) + len(self._storage.read(key) or b"") for key in self._present)
        return max(0, TOTAL_SPACE - used)

    @contextmanager
    def change(self) -> Iterator[Transaction]:
        """One change, all or nothing; memory follows once it is committed."""
        with self._storage.transaction() as transaction:
            yield transaction
        self.reload()

    def free_application_id(self) -> int:
        """A number for a new application."""
        return _free_id(application.id for application in self.applications.values())

    def new_container(self, application: Application, name: str) -> Container:
        """A container with a free number, not yet stored."""
        taken = (container.id for container in application.containers.values())
        return Container(application.id, _free_id(taken), name)

    def new_file(
        self, application: Application, name: str, size: int, read_rights: int, write_rights: int
    ) -> File:
        """A file with a free number, not yet stored."""
        taken = (file.id for file in application.files.values())
        return File(application.id, _free_id(taken), name, size, read_rights, write_rights)

    @staticmethod
    def put_label(transaction: Transaction, label: str) -> None:
        """Store the device's label."""
        transaction.put(DEVICE, json.dumps({"label": label}).encode())

    @staticmethod
    def put_application(transaction: Transaction, application: Application) -> None:
        """Store an application's record, without what it holds."""
        record = asdict(application)
        del record["containers"], record["files"]
        transaction.put(f"{application.path}/info", json.dumps(record).encode())

    @staticmethod
    def put_container(transaction: Transaction, container: Container) -> None:
        """Store a container's record."""
        transaction.put(f"{container.path}/container", json.dumps(asdict(container)).encode())

    @staticmethod
    def put_file(transaction: Transaction, file: File) -> None:
        """Store a new file: zeros, as long as it is."""
        transaction.put(f"{file.path}/attributes", json.dumps(asdict(file)).encode())
        transaction.put(file.data, bytes(file.size))

    def delete_tree(self, transaction: Transaction, path: str) -> None:
        """Delete every record below a path, keys and certificates included."""
        for key in self._storage.keys(f"{path}/"):
            transaction.delete(key)
