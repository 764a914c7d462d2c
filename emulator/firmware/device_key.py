"""The key of device authentication (docs/facts.md G10, G12): what it leaves the factory with, until it is changed."""

from __future__ import annotations

import hmac

from emulator.firmware.refused import Refused
from emulator.hardware.storage import Storage, Transaction
from protocols import pin, sm4
from protocols.dialect import Dialect
from protocols.sw import SW

_RECORD = "device-auth-key"


class DeviceKey:
    """The 16 bytes that make a host the issuer. They never leave.

    :param factory: what the key leaves the factory with.
    """

    def __init__(self, storage: Storage, factory: bytes, dialect: Dialect) -> None:
        self._storage = storage
        self._factory = factory
        self._dialect = dialect

    def proves(self, challenge: bytes, cryptogram: bytes) -> bool:
        """Whether a DevAuth cryptogram was made with it."""
        return hmac.compare_digest(pin.device_cryptogram(self._key, challenge), cryptogram)

    def open_protected(self, challenge: bytes, header: bytes, data: bytes) -> bytes:
        """Check the MAC at the end of `data`, where the dialect has one, and decipher what stands before it.

        :raises Refused: 6988.
        """
        end = len(data) - pin.mac_length(self._dialect)
        body, mac = data[:end], data[end:]
        if not hmac.compare_digest(pin.line_mac(self._key, challenge, header, body, self._dialect), mac):
            raise Refused(SW.MAC_WRONG)
        return sm4.decrypt_blocks(self._key, body)

    def put(self, transaction: Transaction, new: bytes) -> None:
        """Store another key."""
        transaction.put(_RECORD, new)

    @property
    def _key(self) -> bytes:
        return self._storage.read(_RECORD) or self._factory
