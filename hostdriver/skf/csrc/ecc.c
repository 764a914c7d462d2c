/* SM2, GM/T 0016 § 7.6: pairs of a container, and operations with keys from outside. */
#include <string.h>

#include "crypto.h"

ULONG DEVAPI SKF_GenECCKeyPair(HCONTAINER hContainer, ULONG ulAlgId, ECCPUBLICKEYBLOB *pBlob) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pBlob);
    require(&call, is_sm2(ulAlgId), SAR_NOTSUPPORTYETERR);
    put_container(&call);
    put_sm2_bits(&call);
    call_send(&call, GEN_ECC_KEY_PAIR, 0, 0, SM2_POINT);

    const uint8_t *point = take(&call, SM2_POINT);
    take_end(&call);
    if (fits(&call, pBlob)) {
        fill_public(pBlob, point);
    }
    return call_end(&call);
}

/* 32 bytes at either end of their field of 64 (docs/facts.md G32); a dialect's own field has 32 or 64, them first. */
static void put_envelope_key(struct call *call, const ENVELOPEDKEYBLOB *blob) {
    size_t width = dialect_of(call)->envelope_key;

    put_u32(call, (uint32_t)width);
    put_sm2_value(call, blob->cbEncryptedPriKey);
    put_zeros(call, width - SM2_SIZE);
}

static void put_envelope(struct call *call, const ENVELOPEDKEYBLOB *blob) {
    require(call, blob->Version == 1 && blob->ulBits == SM2_BITS, SAR_INVALIDPARAMERR);
    require_symmetric(call, blob->ulSymmAlgID);
    if (call->status != SAR_OK) {
        return;
    }
    put_u32(call, blob->Version);
    put_u32(call, blob->ulSymmAlgID);
    put_u32(call, blob->ulBits);
    if (dialect_of(call)->envelope_cipher_first) {
        put_sm2_cipher(call, &blob->ECCCipherBlob);
        put_sm2_public(call, &blob->PubKey);
        put_envelope_key(call, blob);
    } else {
        put_envelope_key(call, blob);
        put_sm2_point(call, &blob->PubKey);
        put_sm2_bits(call);
        put_sm2_cipher(call, &blob->ECCCipherBlob);
    }
}

ULONG DEVAPI SKF_ImportECCKeyPair(HCONTAINER hContainer, PENVELOPEDKEYBLOB pEnvelopedKeyBlob) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pEnvelopedKeyBlob);
    put_container(&call);
    if (fits(&call, pEnvelopedKeyBlob)) {
        put_envelope(&call, pEnvelopedKeyBlob);
    }
    call_send(&call, IMPORT_ECC_KEY_PAIR, 0, 0, 0);
    return call_end(&call);
}

/* What a signing command answers: [bits (4),] r, s. */
static void take_signature(struct call *call, bool names_bits, ECCSIGNATUREBLOB *signature) {
    if (names_bits) {
        take_sm2_bits(call);
    }
    const uint8_t *r_and_s = take(call, SM2_POINT);
    take_end(call);
    if (fits(call, signature)) {
        fill_signature(signature, r_and_s);
    }
}

ULONG DEVAPI SKF_ECCSignData(HCONTAINER hContainer, BYTE *pbDigest, ULONG ulDigestLen, PECCSIGNATUREBLOB pSignature) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pbDigest);
    require_given(&call, pSignature);
    require(&call, ulDigestLen == SM2_SIZE, SAR_INDATALENERR);
    put_container(&call);
    put(&call, pbDigest, ulDigestLen);
    call_send(&call, ECC_SIGN_DATA, DIGEST_READY, 0, 4 + SM2_POINT);
    take_signature(&call, true, pSignature);
    return call_end(&call);
}

static ULONG verify(const char *function, uint8_t ins, DEVHANDLE device, const ECCPUBLICKEYBLOB *key,
                    const BYTE *digest, ULONG size, const ECCSIGNATUREBLOB *signature) {
    struct call call;
    call_begin(&call, function, device, DEVICE);
    require_given(&call, digest);
    require_given(&call, signature);
    require(&call, size == SM2_SIZE, SAR_INDATALENERR);
    put_sm2_public(&call, key);
    put_counted(&call, digest, size);
    if (fits(&call, signature)) {
        put_sm2_value(&call, signature->r);
        put_sm2_value(&call, signature->s);
    }
    call_send(&call, ins, 0, 0, 0);
    return call_end(&call);
}

ULONG DEVAPI SKF_ECCVerify(DEVHANDLE hDev, ECCPUBLICKEYBLOB *pECCPubKeyBlob, BYTE *pbData, ULONG ulDataLen,
                           PECCSIGNATUREBLOB pSignature) {
    return verify(__func__, ECC_VERIFY, hDev, pECCPubKeyBlob, pbData, ulDataLen, pSignature);
}

ULONG DEVAPI SKF_ExtECCVerify(DEVHANDLE hDev, ECCPUBLICKEYBLOB *pECCPubKeyBlob, BYTE *pbData, ULONG ulDataLen,
                              PECCSIGNATUREBLOB pSignature) {
    return verify(__func__, EXT_ECC_VERIFY, hDev, pECCPubKeyBlob, pbData, ulDataLen, pSignature);
}

static void take_exported(struct call *call, struct sm2_cipher *cipher, const uint8_t **id) {
    if (call->status == SAR_OK && dialect_of(call)->session_key_hash_first) {
        take_sm2_tag(call, cipher);
        *id = take(call, ANY_ID);
        take_sm2_bits(call);
        cipher->point = take(call, SM2_POINT);
    } else {
        take_sm2_cipher(call, cipher);
        *id = take(call, ANY_ID);
    }
    take_end(call);
}

ULONG DEVAPI SKF_ECCExportSessionKey(HCONTAINER hContainer, ULONG ulAlgId, ECCPUBLICKEYBLOB *pPubKey,
                                     PECCCIPHERBLOB pData, HANDLE *phSessionKey) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pData);
    require_given(&call, phSessionKey);
    require_symmetric(&call, ulAlgId);
    put_container(&call);
    put_sm2_public(&call, pPubKey);
    put_u32(&call, ulAlgId);
    call_send(&call, ECC_EXPORT_SESSION_KEY, 0, 0, ALL);

    struct sm2_cipher cipher = {0};
    const uint8_t *id = NULL;
    take_exported(&call, &cipher, &id);
    require(&call, cipher.size == key_size_of(ulAlgId), SAR_UNKNOWNERR);
    hand_out_key(&call, call.object, ulAlgId, id, phSessionKey);
    if (fits(&call, pData)) {
        fill_cipher(pData, &cipher);
    }
    return call_end(&call);
}

static void take_encrypted(struct call *call, struct sm2_cipher *cipher) {
    if (call->status == SAR_OK && dialect_of(call)->ext_cipher_point) {
        uint8_t form = take_u8(call);
        require(call, form == 4, SAR_UNKNOWNERR); /* an uncompressed point */
        cipher->point = take(call, SM2_POINT);
        cipher->hash = take(call, SM2_SIZE);
        cipher->size = (uint32_t)left(call);
        cipher->data = take(call, cipher->size);
    } else {
        take_sm2_cipher(call, cipher);
    }
    take_end(call);
}

ULONG DEVAPI SKF_ExtECCEncrypt(DEVHANDLE hDev, ECCPUBLICKEYBLOB *pECCPubKeyBlob, BYTE *pbPlainText,
                               ULONG ulPlainTextLen, PECCCIPHERBLOB pCipherText) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    require_given(&call, pbPlainText);
    require_given(&call, pCipherText);
    require(&call, ulPlainTextLen > 0 && ulPlainTextLen <= MAX_CIPHER, SAR_INDATALENERR);
    put_sm2_public(&call, pECCPubKeyBlob);
    put_counted(&call, pbPlainText, ulPlainTextLen);
    call_send(&call, EXT_ECC_ENCRYPT, 0, 0, ALL);

    struct sm2_cipher cipher = {0};
    take_encrypted(&call, &cipher);
    require(&call, cipher.size == ulPlainTextLen, SAR_UNKNOWNERR);
    if (fits(&call, pCipherText)) {
        fill_cipher(pCipherText, &cipher);
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_ExtECCDecrypt(DEVHANDLE hDev, ECCPRIVATEKEYBLOB *pECCPriKeyBlob, PECCCIPHERBLOB pCipherText,
                               BYTE *pbPlainText, ULONG *pulPlainTextLen) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    require_given(&call, pulPlainTextLen);
    put_sm2_private(&call, pECCPriKeyBlob);
    put_sm2_cipher(&call, pCipherText);
    if (fits(&call, pCipherText) && has_room(&call, pCipherText->CipherLen, pbPlainText, pulPlainTextLen)) {
        call_send(&call, EXT_ECC_DECRYPT, 0, 0, ALL);
        uint32_t size = take_u32(&call);
        const uint8_t *plain = take(&call, size);
        take_end(&call);
        require(&call, size == pCipherText->CipherLen, SAR_UNKNOWNERR);
        call_hand_over(&call, plain, size, pbPlainText, pulPlainTextLen);
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_ExtECCSign(DEVHANDLE hDev, ECCPRIVATEKEYBLOB *pECCPriKeyBlob, BYTE *pbData, ULONG ulDataLen,
                            PECCSIGNATUREBLOB pSignature) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    require_given(&call, pbData);
    require_given(&call, pSignature);
    require(&call, ulDataLen == SM2_SIZE, SAR_INDATALENERR);
    put_sm2_private(&call, pECCPriKeyBlob);
    put_counted(&call, pbData, ulDataLen);
    call_send(&call, EXT_ECC_SIGN, 0, 0, ALL);
    if (call.status == SAR_OK) {
        take_signature(&call, dialect_of(&call)->ext_signature_bits, pSignature);
    }
    return call_end(&call);
}
