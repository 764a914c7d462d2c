"""Session keys: volatile, each at its place (a container, or the device itself) under a KeyID (docs/facts.md G33)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, unique
from itertools import count

from emulator.firmware.handles import Handles
from emulator.firmware.refused import Refused
from protocols import sm2
from protocols.ciphers import Stream
from protocols.gmt import SymmetricAlgorithm
from protocols.sw import SW

Place = tuple[int, int]
"""Application and container by number; (0, 0) is the device itself."""

_MAX_KEYS = 16
_MAX_AGREEMENTS = 16
_KEY_BASE = 0x7001
_KEY_IDS = 0x8000


@unique
class Work(Enum):
    """What a key is at: a cipher in one direction, and a MAC beside it."""

    ENCRYPT = "encrypt"
    DECRYPT = "decrypt"
    MAC = "mac"


_ENDS = {Work.ENCRYPT: Work.DECRYPT, Work.DECRYPT: Work.ENCRYPT, Work.MAC: Work.MAC}


@dataclass(slots=True, eq=False)
class SessionKey:
    """A symmetric key that lives until it is destroyed, its place goes or the key is reset."""

    algorithm: SymmetricAlgorithm
    value: bytes = field(repr=False)
    _streams: dict[Work, Stream] = field(default_factory=dict, repr=False)

    def begin(self, work: Work, stream: Stream) -> None:
        """Start some work; it ends what it replaces."""
        self._streams.pop(_ENDS[work], None)
        self._streams[work] = stream

    def running(self, work: Work) -> Stream:
        """The work under way.

        :raises Refused: 6985, it was not begun.
        """
        try:
            return self._streams[work]
        except KeyError:
            raise Refused(SW.CONDITIONS_NOT_SATISFIED) from None

    def end(self, work: Work) -> Stream:
        """The work under way, for the last time.

        :raises Refused: 6985, it was not begun.
        """
        stream = self.running(work)
        del self._streams[work]
        return stream


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a sponsor keeps of a key agreement until the responder's answer is there."""

    algorithm: SymmetricAlgorithm
    temporary: sm2.PrivateKey = field(repr=False)
    sponsor_id: bytes


class SessionKeys:
    """All session keys by place and KeyID, and the agreements that are to make some.

    A KeyID is not given out a second time before all others were: an old one names no younger key.
    """

    def __init__(self) -> None:
        self._keys: dict[tuple[Place, bytes], SessionKey] = {}
        self._agreements: dict[tuple[Place, int], Agreement] = {}
        self._ids = Handles(_KEY_BASE, _KEY_IDS)
        self._next_agreement = count(1)

    def renewed(self) -> SessionKeys:
        """What a reset leaves: no key, and which numbers were given out."""
        renewed = SessionKeys()
        renewed._ids, renewed._next_agreement = self._ids, self._next_agreement
        return renewed

    def find(self, place: Place, key_id: bytes) -> SessionKey:
        """The session key under a KeyID.

        :raises Refused: 6A88, there is none.
        """
        try:
            return self._keys[place, key_id]
        except KeyError:
            raise Refused(SW.KEY_NOT_FOUND) from None

    def add(self, place: Place, algorithm: SymmetricAlgorithm, value: bytes) -> bytes:
        """Take a key in; its KeyID.

        :raises Refused: 6A84, as many as there may be are there.
        """
        if len(self._keys) >= _MAX_KEYS:
            raise Refused(SW.NO_ROOM)
        key_id = self._ids.new({key_id for _, key_id in self._keys})
        self._keys[place, key_id] = SessionKey(algorithm, value)
        return key_id

    def destroy(self, key: SessionKey) -> None:
        """Forget a key, and what it was at."""
        self._keys = {at: other for at, other in self._keys.items() if other is not key}

    def begin_agreement(self, place: Place, agreement: Agreement) -> int:
        """Keep an agreement; its handle. No command closes one, so the oldest goes when they are too many."""
        if len(self._agreements) >= _MAX_AGREEMENTS:
            del self._agreements[next(iter(self._agreements))]
        handle = next(self._next_agreement) & 0xFFFFFFFF
        self._agreements[place, handle] = agreement
        return handle

    def take_agreement(self, place: Place, handle: int) -> Agreement:
        """An agreement, used up by being taken.

        :raises Refused: 6A88, there is none.
        """
        try:
            return self._agreements.pop((place, handle))
        except KeyError:
            raise Refused(SW.KEY_NOT_FOUND) from None

    def forget_container(self, place: Place) -> None:
        """Forget what a container holds."""
        self._forget(lambda at: at == place)

    def forget_application(self, application_id: int) -> None:
        """Forget what an application's containers hold."""
        self._forget(lambda at: at[0] == application_id)

    def _forget(self, gone: Callable[[Place], bool]) -> None:
        self._keys = {at: key for at, key in self._keys.items() if not gone(at[0])}
        self._agreements = {at: kept for at, kept in self._agreements.items() if not gone(at[0])}
