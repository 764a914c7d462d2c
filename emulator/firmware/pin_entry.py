"""What a host asks for that wants a PIN typed on the key's own keypad, so that it never crosses the wire."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PinEntry:
    """One entry, as PC_to_RDR_Secure orders it (CCID 1.1, 6.1.11 and 6.1.12).

    No public text says what a bank's key takes here. *Assumed*: the key knows its own commands, so that the APDU
    only names the command and the application; challenge, cryptogram and MAC stay inside.

    :param apdu: VerifyPIN, or ChangePIN for a change, with the application's handle; what follows it is passed over.
    :param fewest: digits of a PIN at least, and `most` at most; the model's own limits count beside them.
    :param within_s: seconds for each PIN; None: as long as the model waits.
    :param change: whether a new PIN is to be set.
    :param ask_old: whether a change begins with the present PIN; without it that must be verified already.
    :param confirm: whether a new PIN is typed twice.
    """

    apdu: bytes
    fewest: int
    most: int
    within_s: float | None = None
    change: bool = False
    ask_old: bool = True
    confirm: bool = True
