"""In what makers' SKF libraries differ, as data.

What nobody has said is seen from what the library answers, where that can be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hostdriver.errors import Exit, HostError
from protocols.i18n import N_

Alignment = Literal["right", "left"]


class HabitsError(HostError):
    """``--dialect`` names no habit of SKF libraries."""

    exit_code = Exit.USAGE


@dataclass(frozen=True, slots=True)
class Habits:
    """How a library reads GM/T 0016.

    :param alignment: where numbers stand in fields that are longer. Seen in the first public key.
    :param file_name: bytes of FILEATTRIBUTE's FileName, 32 or 40. Seen in the first answer of GetFileInfo.
    :param sm2_sign: SGD_SM2_1; after it come key exchange and encryption, each twice the one before in its low half.
        GM/T 0016 has 00020100, and later lists 00020200. Seen in DEVINFO's AlgAsymCap.
    :param rsa_input: what RSASignData takes: the DigestInfo, which the key only pads (§ 7.6: at most k − 11 bytes), or
        the bare digest.
    :param stdcall: on Windows; elsewhere there is one convention.
    """

    alignment: Alignment = "right"
    file_name: int = 32
    sm2_sign: int = 0x00020100
    rsa_input: Literal["digest-info", "digest"] = "digest-info"
    stdcall: bool = True

    @property
    def sm2_exchange(self) -> int:
        """SGD_SM2_2."""
        return self._sm2(2)

    @property
    def sm2_encrypt(self) -> int:
        """SGD_SM2_3."""
        return self._sm2(4)

    def _sm2(self, factor: int) -> int:
        return self.sm2_sign & 0xFFFF0000 | (self.sm2_sign & 0xFFFF) * factor


STANDARD = Habits()
SHIFTED_SM2 = 0x00020200
_SM2_SIGN_BIT, _SHIFTED_ENCRYPT_BIT = 0x0100, 0x0800

WORDS: Mapping[str, tuple[str, object]] = {
    "right": ("alignment", "right"),
    "left": ("alignment", "left"),
    "names-32": ("file_name", 32),
    "names-40": ("file_name", 40),
    "sm2-20100": ("sm2_sign", STANDARD.sm2_sign),
    "sm2-20200": ("sm2_sign", SHIFTED_SM2),
    "digest-info": ("rsa_input", "digest-info"),
    "digest": ("rsa_input", "digest"),
    "stdcall": ("stdcall", True),
    "cdecl": ("stdcall", False),
}
"""What ``--dialect`` takes with an SKF library, joined by commas, and the field that each sets."""


def said(words: str | None) -> dict[str, object]:
    """The fields that somebody has set; the others are the standard's until they are seen.

    :raises HabitsError: an unknown word.
    """
    names = [word.strip() for word in words.split(",")] if words else []
    for name in names:
        if name not in WORDS:
            raise HabitsError(
                N_("--dialect {name}: an SKF library has habits such as {words}, joined by commas"),
                name=name,
                words=", ".join(WORDS),
            )
    return dict(WORDS[name] for name in names)


def sm2_sign_seen(asymmetric: int) -> int:
    """SGD_SM2_1 of a library, by its DEVINFO: which of the two lists its bits are from."""
    is_shifted = asymmetric & _SHIFTED_ENCRYPT_BIT and not asymmetric & _SM2_SIGN_BIT
    return SHIFTED_SM2 if is_shifted else STANDARD.sm2_sign
