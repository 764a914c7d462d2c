"""Device commands of GM/T 0017 §9.1 and §9.2."""

from __future__ import annotations

from hostdriver.gmt.wire import ALL, Wire, decoded
from protocols import pin, sm4
from protocols.gmt import CLA_MAC, DEV_AUTH_SM4, DeviceInfo, Ins


class DeviceCommands(Wire):
    """Information, label, random numbers, device authentication."""

    def device_info(self) -> DeviceInfo:
        """GetDevInfo."""
        return decoded(DeviceInfo.decode, self.send(Ins.GET_DEV_INFO, le=ALL), self.dialect)

    def set_label(self, label: str) -> None:
        """SetLabel; needs device authentication."""
        self.send(Ins.SET_LABEL, label.encode())

    def random(self, size: int) -> bytes:
        """GenRandom."""
        return self.send(Ins.GEN_RANDOM, le=size)

    def authenticate_device(self, key: bytes) -> None:
        """DevAuth with the device's key of 16 bytes.

        :raises VerificationFailedError: it is another.
        """
        sm4.check_key(key)
        cryptogram = pin.device_cryptogram(key, self.random(16))
        self.send(Ins.DEV_AUTH, cryptogram, p2=DEV_AUTH_SM4)
        self._is_issuer = True

    def change_device_key(self, old: bytes, new: bytes) -> None:
        """ChangeDevAuthKey, after DevAuth with the old key: without a MAC the key would take anything. 16 bytes each.

        :raises VerificationFailedError: the old one is wrong.
        """
        sm4.check_key(new)
        self.authenticate_device(old)
        self.send_protected(Ins.CHANGE_DEV_AUTH_KEY, old, sm4.encrypt_blocks(old, new), p2=DEV_AUTH_SM4)

    def send_protected(self, ins: Ins, key: bytes, data: bytes, p2: int) -> None:
        """A command of class 84 under a fresh challenge: the data and their MAC (G10)."""
        challenge = self.random(pin.CHALLENGE_LENGTH)
        mac = pin.line_mac(key, challenge, bytes((CLA_MAC, self.number(ins), 0, p2)), data, self.dialect)
        self.send(ins, data + mac, p2=p2, cla=CLA_MAC)
