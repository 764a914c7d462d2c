"""Pairing over Bluetooth: the number on the key's screen, and what the key keeps of those it has paired with.

A bond belongs to the key, as its address does: it stays when the bank's application is deleted or issued anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from emulator.firmware.confirm import Ask, Outcome, Waiting
from emulator.firmware.core import Core
from emulator.hardware.entropy import Entropy
from emulator.hardware.storage import Storage, Transaction

PAIRING_S = 25.0
"""How long the key waits for a person who compares numbers, in seconds. *Assumed*: the other side gives up after 30
(Bluetooth Core 5.4, vol 3, part H, 3.4), and is to hear the key's no before that.
"""
ACCEPTED, REFUSED = b"\x01", b"\x00"
"""What a pairing is answered; refused is also what nobody decided in time."""
MAX_NUMBER = 999_999
"""Six digits (Bluetooth Core 5.4, vol 3, part H, 2.3.5.6.2)."""
MAX_BONDS = 8
"""*Assumed*."""
MAX_BOND_SIZE = 1024
"""Bytes of a bond at most."""

_BONDS = "bond/"
_IDENTITY = "bluetooth"
_ADDRESS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}(/P)?")
_NUMBER_SIZE = 8
_IRK_SIZE = 16
_ADDRESS_SIZE = 6
_RANDOM_PART = (1 << 46) - 1


def can_compare(core: Core) -> bool:
    """Whether the key has a screen for the number and a button to accept it."""
    return core.profile.display is not None and core.has_confirm


def compare_numbers(core: Core, number: int) -> Waiting:
    """Show the number and wait for OK. One press is enough on any model (*assumed*)."""
    item = (core.texts.pairing_number, f"{number:06}")
    decision = yield Ask(core.texts.confirm_pairing, (item,), within_s=PAIRING_S)
    return ACCEPTED if decision.outcome is Outcome.CONFIRMED else REFUSED


@dataclass(frozen=True, slots=True)
class _Bond:
    """One record; the numbers tell which is older."""

    number: int
    address: str
    data: bytes = field(repr=False)


class BluetoothMemory:
    """The key's bonds and its own address. What a bond says is the link's affair, and a secret."""

    def __init__(self, storage: Storage, entropy: Entropy) -> None:
        self._storage = storage
        self._entropy = entropy

    def bonds(self) -> dict[str, bytes]:
        """What was agreed on, by the other side's address; the oldest first."""
        return {bond.address: bond.data for bond in self._bonds()}

    def put_bond(self, transaction: Transaction, address: str, data: bytes) -> None:
        """Keep a bond in place of that address' older one; where there are too many the oldest goes.

        :param address: as in AA:BB:CC:DD:EE:FF, with /P behind if it is a public one.
        :raises ValueError: no such address, or too long.
        """
        if not _ADDRESS.fullmatch(address):
            raise ValueError("a bond is kept under a Bluetooth address")
        if len(data) > MAX_BOND_SIZE:
            raise ValueError(f"a bond has at most {MAX_BOND_SIZE} bytes")
        kept = self._bonds()
        number = kept[-1].number + 1 if kept else 0
        others = [bond for bond in kept if bond.address != address]
        for dropped in others[: 1 - MAX_BONDS]:
            self.forget_bond(transaction, dropped.address)
        transaction.put(_BONDS + address, number.to_bytes(_NUMBER_SIZE) + data)

    def forget_bond(self, transaction: Transaction, address: str) -> None:
        """Forget a bond; harmless where there is none."""
        transaction.delete(_BONDS + address)

    @property
    def identity(self) -> bytes | None:
        """See `put_identity`; None before the first."""
        return self._storage.read(_IDENTITY)

    def put_identity(self, transaction: Transaction) -> bytes:
        """Make what the key is known by and keep it: 16 bytes of identity resolving key, and a static random address,
        its most significant byte first: two ones, then 46 random bits that are not all alike (Bluetooth Core 5.4,
        vol 6, part B, 1.3.2.1).
        """
        random = 0
        while random in (0, _RANDOM_PART):
            random = int.from_bytes(self._entropy.bytes(_ADDRESS_SIZE)) & _RANDOM_PART
        address = (_RANDOM_PART + 1) * 0b11 | random
        identity = self._entropy.bytes(_IRK_SIZE) + address.to_bytes(_ADDRESS_SIZE)
        transaction.put(_IDENTITY, identity)
        return identity

    def _bonds(self) -> list[_Bond]:
        """The oldest first."""
        bonds = []
        for key in self._storage.keys(_BONDS):
            record = self._storage.read(key) or b""
            number = int.from_bytes(record[:_NUMBER_SIZE])
            bonds.append(_Bond(number, key.removeprefix(_BONDS), record[_NUMBER_SIZE:]))
        return sorted(bonds, key=lambda bond: bond.number)
