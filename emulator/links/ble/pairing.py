"""Pairing: LE Secure Connections with numeric comparison and nothing else, and the bonds that it leaves behind.

bumble 0.0.236 calls every encrypted link authenticated, gives the new key away before the person has agreed to it, and
takes the steps of pairing in any order; so what may become a bond at all is decided here.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import Protocol, TypeVar

from bumble import smp
from bumble.keys import KeyStore, PairingKeys
from bumble.pairing import PairingConfig, PairingDelegate

_log = logging.getLogger(__name__)

Value = TypeVar("Value")

_KEY_SIZE = 16
_WITH_YES_AND_NO = (smp.IoCapability.DISPLAY_YES_NO, smp.IoCapability.KEYBOARD_DISPLAY)
_STEPS = (
    smp.CommandCode.PAIRING_REQUEST,
    smp.CommandCode.PAIRING_PUBLIC_KEY,
    smp.CommandCode.PAIRING_RANDOM,
    smp.CommandCode.PAIRING_DHKEY_CHECK,
)
"""What a central sends, in this order and each once (Bluetooth Core 5.4, vol 3, part H, 2.3.5.6.2). Were a second
random number taken, whoever sits between key and phone could choose the number that the key shows.
"""


class NumericComparison(smp.Session):
    """The key's end of one pairing. Whatever is not numeric comparison, step by step, fails."""

    _taken = 0
    _agreed = False

    def on_smp_command(self, command: smp.SMP_Command) -> None:
        """Take the next step, or what comes after the last one."""
        if command.code in _STEPS:
            if self._taken == len(_STEPS) or command.code != _STEPS[self._taken]:
                self.send_pairing_failed(smp.ErrorCode.UNSPECIFIED_REASON)
                return
            self._taken += 1
        super().on_smp_command(command)

    def on_smp_pairing_request_command(self, command: smp.SMP_Pairing_Request_Command) -> None:
        """Nothing weaker is accepted: no legacy pairing, no central without a screen and two buttons."""
        if not command.auth_req & smp.AuthReq.SC or command.io_capability not in _WITH_YES_AND_NO:
            self.send_pairing_failed(smp.ErrorCode.AUTHENTICATION_REQUIREMENTS)
        elif command.maximum_encryption_key_size != _KEY_SIZE:
            self.send_pairing_failed(smp.ErrorCode.ENCRYPTION_KEY_SIZE)
        elif command.oob_data_flag:
            self.send_pairing_failed(smp.ErrorCode.OOB_NOT_AVAILABLE)
        else:
            super().on_smp_pairing_request_command(command)

    def send_pairing_dhkey_check_command(self) -> None:
        """The central's check was right, and the person has agreed."""
        self._agreed = not self.completed
        super().send_pairing_dhkey_check_command()

    def get_long_term_key(self, rand: bytes, ediv: int) -> bytes | None:
        """The new key, once everybody has agreed to it."""
        return super().get_long_term_key(rand, ediv) if self._agreed else None


class Comparison(PairingDelegate):
    """Has the person at the key compare the numbers.

    :param ask: shows the six digits on the key; whether they were accepted there.
    """

    def __init__(self, ask: Callable[[int], Awaitable[bool]]) -> None:
        super().__init__(
            PairingDelegate.IoCapability.DISPLAY_OUTPUT_AND_YES_NO_INPUT,
            # The key's address is never a private one: it has no identity to hand out.
            local_responder_key_distribution=PairingDelegate.KeyDistribution.DISTRIBUTE_ENCRYPTION_KEY,
        )
        self._ask = ask

    async def compare_numbers(self, number: int, digits: int) -> bool:
        """See `PairingDelegate`."""
        return await self._ask(number)

    async def confirm(self, auto: bool = False) -> bool:
        """Nobody compares anything: refused."""
        return False


def pairing_config(ask: Callable[[int], Awaitable[bool]]) -> PairingConfig:
    """How the key pairs."""
    return PairingConfig(
        sc=True,
        mitm=True,
        bonding=True,
        delegate=Comparison(ask),
        identity_address_type=PairingConfig.AddressType.RANDOM,
    )


class BondMemory(Protocol):
    """Where the key keeps its bonds: what each device has agreed on, by the device's address."""

    def bonds(self) -> Mapping[str, bytes]:
        """All of them."""
        ...

    def put_bond(self, address: str, bond: bytes) -> None:
        """Keep one, in place of that device's older one."""
        ...

    def forget_bond(self, address: str) -> None:
        """Forget one; harmless where there is none."""
        ...


class Bonds(KeyStore):
    """The key's memory as bumble wants it. It is asked outside the loop, since a disk may take its time.

    :param worker: where the key is called.
    """

    def __init__(self, memory: BondMemory, worker: Executor) -> None:
        self._memory = memory
        self._worker = worker

    async def delete(self, name: str) -> None:
        """See `KeyStore`."""
        await self._call(lambda: self._memory.forget_bond(name))

    async def update(self, name: str, keys: PairingKeys) -> None:
        """See `KeyStore`."""
        bond = json.dumps(keys.to_dict()).encode()
        await self._call(lambda: self._memory.put_bond(name, bond))

    async def get(self, name: str) -> PairingKeys | None:
        """See `KeyStore`."""
        return dict(await self.get_all()).get(name)

    async def get_all(self) -> list[tuple[str, PairingKeys]]:
        """See `KeyStore`."""
        bonds = await self._call(self._memory.bonds)
        return [(address, PairingKeys.from_dict(json.loads(bond))) for address, bond in bonds.items()]

    async def _call(self, call: Callable[[], Value]) -> Value:
        """It is done also where the connection ends before its turn comes, for which bumble cancels whoever waits: else
        a central that pairs and leaves would find itself forgotten.
        """
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._worker, call))
