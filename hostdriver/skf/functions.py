"""The functions of GM/T 0016 §7 as the C compiler sees them, and vukey's own ones behind them."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

Handle = ctypes.c_void_p
ULong = ctypes.c_uint32
Bool = ctypes.c_int32
Text = ctypes.c_char_p
Address = ctypes.c_void_p
"""Of a buffer, a blob, a number or a handle that the function reads or fills."""


class CipherParameters(ctypes.Structure):
    """BLOCKCIPHERPARAM, the one structure that goes by value; packed."""

    _fields_ = (("packed", ctypes.c_ubyte * 44),)


_SIZED = (Address, Address)
"""A buffer for an answer, and its size in and out."""
_DATA = (Address, ULong)
"""Bytes and how many."""

FUNCTIONS: Mapping[str, tuple[Any, ...]] = {
    # 7.1 devices
    "SKF_WaitForDevEvent": (*_SIZED, Address),
    "SKF_CancelWaitForDevEvent": (),
    "SKF_EnumDev": (Bool, *_SIZED),
    "SKF_ConnectDev": (Text, Address),
    "SKF_DisConnectDev": (Handle,),
    "SKF_GetDevState": (Text, Address),
    "SKF_SetLabel": (Handle, Text),
    "SKF_GetDevInfo": (Handle, Address),
    "SKF_LockDev": (Handle, ULong),
    "SKF_UnlockDev": (Handle,),
    "SKF_Transmit": (Handle, *_DATA, *_SIZED),
    # 7.2 access
    "SKF_ChangeDevAuthKey": (Handle, *_DATA),
    "SKF_DevAuth": (Handle, *_DATA),
    "SKF_ChangePIN": (Handle, ULong, Text, Text, Address),
    "SKF_GetPINInfo": (Handle, ULong, Address, Address, Address),
    "SKF_VerifyPIN": (Handle, ULong, Text, Address),
    "SKF_UnblockPIN": (Handle, Text, Text, Address),
    "SKF_ClearSecureState": (Handle,),
    # 7.3 applications
    "SKF_CreateApplication": (Handle, Text, Text, ULong, Text, ULong, ULong, Address),
    "SKF_EnumApplication": (Handle, *_SIZED),
    "SKF_DeleteApplication": (Handle, Text),
    "SKF_OpenApplication": (Handle, Text, Address),
    "SKF_CloseApplication": (Handle,),
    # 7.4 files
    "SKF_CreateFile": (Handle, Text, ULong, ULong, ULong),
    "SKF_DeleteFile": (Handle, Text),
    "SKF_EnumFiles": (Handle, *_SIZED),
    "SKF_GetFileInfo": (Handle, Text, Address),
    "SKF_ReadFile": (Handle, Text, ULong, ULong, *_SIZED),
    "SKF_WriteFile": (Handle, Text, ULong, *_DATA),
    # 7.5 containers
    "SKF_CreateContainer": (Handle, Text, Address),
    "SKF_DeleteContainer": (Handle, Text),
    "SKF_OpenContainer": (Handle, Text, Address),
    "SKF_CloseContainer": (Handle,),
    "SKF_EnumContainer": (Handle, *_SIZED),
    "SKF_GetContainerType": (Handle, Address),
    "SKF_ImportCertificate": (Handle, Bool, *_DATA),
    "SKF_ExportCertificate": (Handle, Bool, *_SIZED),
    # 7.6 cryptography
    "SKF_GenRandom": (Handle, *_DATA),
    "SKF_GenExtRSAKey": (Handle, ULong, Address),
    "SKF_GenRSAKeyPair": (Handle, ULong, Address),
    "SKF_ImportRSAKeyPair": (Handle, ULong, *_DATA, *_DATA),
    "SKF_RSASignData": (Handle, *_DATA, *_SIZED),
    "SKF_RSAVerify": (Handle, Address, *_DATA, *_DATA),
    "SKF_RSAExportSessionKey": (Handle, ULong, Address, *_SIZED, Address),
    "SKF_ExtRSAPubKeyOperation": (Handle, Address, *_DATA, *_SIZED),
    "SKF_ExtRSAPriKeyOperation": (Handle, Address, *_DATA, *_SIZED),
    "SKF_GenECCKeyPair": (Handle, ULong, Address),
    "SKF_ImportECCKeyPair": (Handle, Address),
    "SKF_ECCSignData": (Handle, *_DATA, Address),
    "SKF_ECCVerify": (Handle, Address, *_DATA, Address),
    "SKF_ECCExportSessionKey": (Handle, ULong, Address, Address, Address),
    "SKF_ExtECCEncrypt": (Handle, Address, *_DATA, Address),
    "SKF_ExtECCDecrypt": (Handle, Address, Address, *_SIZED),
    "SKF_ExtECCSign": (Handle, Address, *_DATA, Address),
    "SKF_ExtECCVerify": (Handle, Address, *_DATA, Address),
    "SKF_GenerateAgreementDataWithECC": (Handle, ULong, Address, *_DATA, Address),
    "SKF_GenerateAgreementDataAndKeyWithECC": (
        Handle, ULong, Address, Address, Address, *_DATA, *_DATA, Address,
    ),
    "SKF_GenerateKeyWithECC": (Handle, Address, Address, *_DATA, Address),
    "SKF_ExportPublicKey": (Handle, Bool, *_SIZED),
    "SKF_ImportSessionKey": (Handle, ULong, *_DATA, Address),
    "SKF_SetSymmKey": (Handle, Address, ULong, Address),
    "SKF_EncryptInit": (Handle, CipherParameters),
    "SKF_Encrypt": (Handle, *_DATA, *_SIZED),
    "SKF_EncryptUpdate": (Handle, *_DATA, *_SIZED),
    "SKF_EncryptFinal": (Handle, *_SIZED),
    "SKF_DecryptInit": (Handle, CipherParameters),
    "SKF_Decrypt": (Handle, *_DATA, *_SIZED),
    "SKF_DecryptUpdate": (Handle, *_DATA, *_SIZED),
    "SKF_DecryptFinal": (Handle, *_SIZED),
    "SKF_DigestInit": (Handle, ULong, Address, *_DATA, Address),
    "SKF_Digest": (Handle, *_DATA, *_SIZED),
    "SKF_DigestUpdate": (Handle, *_DATA),
    "SKF_DigestFinal": (Handle, *_SIZED),
    "SKF_MacInit": (Handle, Address, Address),
    "SKF_Mac": (Handle, *_DATA, *_SIZED),
    "SKF_MacUpdate": (Handle, *_DATA),
    "SKF_MacFinal": (Handle, *_SIZED),
    "SKF_CloseHandle": (Handle,),
}  # fmt: skip

OWN_FUNCTIONS: Mapping[str, tuple[Any, ...]] = {
    "V_SignMessage": (Handle, ULong, *_DATA, *_SIZED),
    "V_Activate": (Handle, Text, Address),
    "V_GetActivation": (Handle, Address, Address),
}
"""Of libskf_vukey: the key's screen and its activation."""
