"""What makers split on, as one value that a profile names (docs/facts.md G2, G8, G10, G14, G22, G23, G27 to G34).

No maker is asked for by name: whoever reads or writes a field asks the dialect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from protocols.errors import VukeyError
from protocols.i18n import N_
from protocols.ins import Ins
from protocols.sw import SW

_LAST_NUMBER = 0xFF


class DialectError(VukeyError):
    """No dialect of that name."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a maker reads GM/T 0017 where its text is silent or the public implementations differ.

    :param byte_order: of integers inside data fields.
    :param pin_block: 1: R ‖ 00×8 · 2: 08 00 ‖ R ‖ 80 ‖ 00×5 (the block that VerifyPIN enciphers).
    :param line_mac: the header that the MAC of class 84 covers: ``lc``: CLA INS P1 P2 00 LcHi LcLo · ``lc-le``:
        CLA INS P1 P2 LcHi LcLo LeHi LeLo · ``none``: no MAC; the PIN is verified before instead. Lc counts the MAC.
    :param application_name: width in bytes of the name field of CreateApplication.
    :param file_name: width in bytes of the name field of CreateFile.
    :param container_name: longest container name in bytes.
    :param envelope: order of ImportECCKeyPair: ``key-first``: encrypted private key, public key, cipher ·
        ``cipher-first``: cipher, public key, encrypted private key.
    :param envelope_key: width in bytes of the encrypted private key in it; 64 holds 32 bytes and zeros.
    :param rsa_import_bits: ImportRSAKeyPair names the modulus' bits between its two parts.
    :param session_key_answer: order of ECCExportSessionKey's answer: ``cipher-first``: bits, C1, C3, C2, KeyID ·
        ``hash-first``: C3, C2, KeyID, bits, C1.
    :param ext_cipher: ExtECCEncrypt's answer: ``counted``: bits, C1, C3, length, C2 · ``point``: 04, C1, C3, C2.
    :param ext_signature_bits: ExtECCSign's answer begins with the bits.
    :param cipher_parameters: what follows the algorithm in EncryptInit: ``fields``: length (2) and IV, padding,
        feed bits · ``block``: the 44 bytes of GM/T 0016's BLOCKCIPHERPARAM.
    :param decrypt_init_algorithm: DecryptInit names the algorithm; else it is the one that the key came with.
    :param generate_rsa_p1: P1 of GenerateRSAKeyPair.
    :param numbers: commands whose INS is another than the default's; None: this maker has no such command.
    :param private_sw: other numbers for our private status words.
    """

    name: str = "default"
    byte_order: Literal["big", "little"] = "big"
    pin_block: Literal[1, 2] = 1
    line_mac: Literal["lc", "lc-le", "none"] = "lc"
    application_name: int = 32
    file_name: int = 32
    container_name: int = 64
    envelope: Literal["key-first", "cipher-first"] = "key-first"
    envelope_key: Literal[32, 64] = 32
    rsa_import_bits: bool = False
    session_key_answer: Literal["cipher-first", "hash-first"] = "cipher-first"
    ext_cipher: Literal["counted", "point"] = "counted"
    ext_signature_bits: bool = True
    cipher_parameters: Literal["fields", "block"] = "fields"
    decrypt_init_algorithm: bool = True
    generate_rsa_p1: int = 0
    numbers: Mapping[Ins, int | None] = field(default_factory=dict)
    private_sw: Mapping[SW, int] = field(default_factory=dict)

    def number(self, ins: Ins) -> int | None:
        """The INS of a command; None: a key of this maker does not have it."""
        return self.numbers.get(ins, ins if ins <= _LAST_NUMBER else None)

    def command(self, number: int) -> Ins | None:
        """The command of an INS; None: a key of this maker has none of that number."""
        return next((ins for ins in Ins if self.number(ins) == number), None)

    def meaning(self, sw: int) -> int:
        """Our private status word behind one of this maker's; any other stays what it is."""
        return next((ours for ours, theirs in self.private_sw.items() if theirs == sw), sw)


DEFAULT = Dialect()
LONGMAI = Dialect("longmai", pin_block=2, container_name=39)
SUNYARD = Dialect(
    "sunyard",
    byte_order="little",
    line_mac="lc-le",
    file_name=40,
    rsa_import_bits=True,
    session_key_answer="hash-first",
    decrypt_init_algorithm=False,
)
SYNOCHIP = Dialect(
    "synochip",
    byte_order="little",
    line_mac="none",
    application_name=48,
    file_name=48,
    envelope="cipher-first",
    envelope_key=64,
    ext_cipher="point",
    ext_signature_bits=False,
    cipher_parameters="block",
    generate_rsa_p1=1,
    numbers={
        Ins.RSA_KEY_OPERATION: None,
        Ins.RSA_EXPORT_HELD_KEY: 0x5C,
        Ins.EXT_ECC_VERIFY: 0x7F,
        Ins.ECC_EXPORT_HELD_KEY: 0x80,
        Ins.EXT_RSA_PRI_KEY_OPERATION: 0xE8,  # this maker's own, which the other dialects borrow (G29)
        Ins.EXT_RSA_PUB_KEY_OPERATION: 0xEA,
    },
)
DIALECTS: Mapping[str, Dialect] = {each.name: each for each in (DEFAULT, LONGMAI, SUNYARD, SYNOCHIP)}


def dialect_named(name: str) -> Dialect:
    """The dialect of that name.

    :raises DialectError: there is none.
    """
    try:
        return DIALECTS[name]
    except KeyError:
        known = ", ".join(DIALECTS)
        raise DialectError(N_("no dialect {name}; known: {known}"), name=name, known=known) from None
