/* RSA, GM/T 0016 § 7.6: pairs of a container, and operations with keys from outside. */
#include <string.h>

#include "crypto.h"

void fill_exponent(BYTE field[MAX_RSA_EXPONENT_LEN], uint32_t exponent) {
    for (size_t at = 0; at < MAX_RSA_EXPONENT_LEN; at++) {
        field[at] = (BYTE)(exponent >> (24 - 8 * at));
    }
}

ULONG DEVAPI SKF_GenExtRSAKey(DEVHANDLE hDev, ULONG ulBitsLen, RSAPRIVATEKEYBLOB *pBlob) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    require_given(&call, pBlob);
    size_t size = rsa_size(&call, ulBitsLen), half = size / 2;
    put_u16(&call, (uint16_t)ulBitsLen);
    call_send(&call, GEN_EXT_RSA_KEY, 0, 0, ALL);

    const uint8_t *n = take(&call, size);
    uint32_t e = take_u32(&call);
    const uint8_t *d = take(&call, size), *halves = take(&call, 5 * half);
    take_end(&call);
    if (fits(&call, pBlob)) {
        BYTE *fields[] = {pBlob->Prime1, pBlob->Prime2, pBlob->Prime1Exponent, pBlob->Prime2Exponent,
                          pBlob->Coefficient};
        pBlob->AlgID = SGD_RSA;
        pBlob->BitLen = ulBitsLen;
        fill_right(pBlob->Modulus, sizeof pBlob->Modulus, n, size);
        fill_exponent(pBlob->PublicExponent, e);
        fill_right(pBlob->PrivateExponent, sizeof pBlob->PrivateExponent, d, size);
        for (size_t at = 0; at < sizeof fields / sizeof *fields; at++) {
            fill_right(fields[at], MAX_RSA_MODULUS_LEN / 2, halves + at * half, half);
        }
    }
    return call_end(&call);
}

static void fill_public_blob(RSAPUBLICKEYBLOB *blob, const uint8_t *n, size_t size, uint32_t e) {
    blob->AlgID = SGD_RSA;
    blob->BitLen = (ULONG)(8 * size);
    fill_right(blob->Modulus, sizeof blob->Modulus, n, size);
    fill_exponent(blob->PublicExponent, e);
}

ULONG DEVAPI SKF_GenRSAKeyPair(HCONTAINER hContainer, ULONG ulBitsLen, RSAPUBLICKEYBLOB *pBlob) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pBlob);
    size_t size = rsa_size(&call, ulBitsLen);
    put_container(&call);
    put_u16(&call, (uint16_t)ulBitsLen);
    if (call.status == SAR_OK) {
        call_send(&call, GENERATE_RSA_KEY_PAIR, dialect_of(&call)->generate_rsa_p1, 0, size + 4);
    }

    const uint8_t *n = take(&call, size);
    uint32_t e = take_u32(&call);
    take_end(&call);
    if (fits(&call, pBlob)) {
        fill_public_blob(pBlob, n, size, e);
    }
    return call_end(&call);
}

/* ImportRSAKeyPair names the modulus' length in some dialects: the signature pair has the same. */
static uint32_t bits_of_container(struct call *call) {
    struct exported key = {0};
    export_public(call, SIGNATURE_PAIR, &key);
    return (uint32_t)(8 * key.size);
}

ULONG DEVAPI SKF_ImportRSAKeyPair(HCONTAINER hContainer, ULONG ulSymAlgId, BYTE *pbWrappedKey, ULONG ulWrappedKeyLen,
                                  BYTE *pbEncryptedData, ULONG ulEncryptedDataLen) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pbWrappedKey);
    require_given(&call, pbEncryptedData);
    require_symmetric(&call, ulSymAlgId);
    bool names_bits = call.status == SAR_OK && dialect_of(&call)->rsa_import_bits;
    uint32_t bits = names_bits ? bits_of_container(&call) : 0;
    put_container(&call);
    put_u32(&call, ulSymAlgId);
    put_counted(&call, pbWrappedKey, ulWrappedKeyLen);
    if (names_bits) {
        put_u32(&call, bits);
    }
    put_counted(&call, pbEncryptedData, ulEncryptedDataLen);
    call_send(&call, IMPORT_RSA_KEY_PAIR, 0, 0, 0);
    return call_end(&call);
}

ULONG DEVAPI SKF_RSASignData(HCONTAINER hContainer, BYTE *pbData, ULONG ulDataLen, BYTE *pbSignature,
                             ULONG *pulSignLen) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pulSignLen);
    require(&call, pbSignature == NULL || pbData != NULL, SAR_INVALIDPARAMERR);
    struct exported key = {0};
    export_public(&call, SIGNATURE_PAIR, &key);
    require(&call, !key.is_sm2, SAR_KEYUSAGEERR);
    if (has_room(&call, key.size, pbSignature, pulSignLen)) {
        require(&call, ulDataLen > 0 && (size_t)ulDataLen + 11 <= key.size, SAR_INDATALENERR);
        put_container(&call);
        put(&call, pbData, ulDataLen);
        call_send(&call, RSA_SIGN_DATA, DIGEST_READY, 0, ALL);
        require(&call, left(&call) == key.size, SAR_UNKNOWNERR);
        call_hand_over(&call, call.answer, call.answer_size, pbSignature, pulSignLen);
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_RSAVerify(DEVHANDLE hDev, RSAPUBLICKEYBLOB *pRSAPubKeyBlob, BYTE *pbData, ULONG ulDataLen,
                           BYTE *pbSignature, ULONG ulSignLen) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    require_given(&call, pbData);
    require_given(&call, pbSignature);
    put_rsa_public(&call, pRSAPubKeyBlob);
    put_counted(&call, pbData, ulDataLen);
    put_counted(&call, pbSignature, ulSignLen);
    call_send(&call, RSA_VERIFY, DIGEST_READY, 0, 0);
    return call_end(&call);
}

ULONG DEVAPI SKF_RSAExportSessionKey(HCONTAINER hContainer, ULONG ulAlgId, RSAPUBLICKEYBLOB *pPubKey, BYTE *pbData,
                                     ULONG *pulDataLen, HANDLE *phSessionKey) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pulDataLen);
    require(&call, pbData == NULL || phSessionKey != NULL, SAR_INVALIDPARAMERR);
    require_symmetric(&call, ulAlgId);
    put_container(&call);
    put_u32(&call, ulAlgId);
    put_rsa_public(&call, pPubKey);
    size_t size = fits(&call, pPubKey) ? pPubKey->BitLen / 8 : 0;
    if (has_room(&call, size, pbData, pulDataLen)) {
        call_send(&call, RSA_EXPORT_SESSION_KEY, 0, 0, ALL);
        const uint8_t *id = take(&call, ANY_ID), *block = take(&call, size);
        take_end(&call);
        hand_out_key(&call, call.object, ulAlgId, id, phSessionKey);
        call_hand_over(&call, block, size, pbData, pulDataLen);
    }
    return call_end(&call);
}

/* Bare RSA: a block as long as the modulus goes in and another comes out. */
static void operate(struct call *call, uint8_t ins, ULONG bits, const BYTE *input, ULONG input_size, BYTE *output,
                    ULONG *output_size) {
    size_t size = bits / 8;
    if (!has_room(call, size, output, output_size)) {
        return;
    }
    require(call, input_size == size, SAR_INDATALENERR);
    put_counted(call, input, input_size);
    call_send(call, ins, 0, 0, ALL);
    require(call, left(call) == size, SAR_UNKNOWNERR);
    call_hand_over(call, call->answer, call->answer_size, output, output_size);
}

ULONG DEVAPI SKF_ExtRSAPubKeyOperation(DEVHANDLE hDev, RSAPUBLICKEYBLOB *pRSAPubKeyBlob, BYTE *pbInput,
                                       ULONG ulInputLen, BYTE *pbOutput, ULONG *pulOutputLen) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    require_given(&call, pulOutputLen);
    require(&call, pbOutput == NULL || pbInput != NULL, SAR_INVALIDPARAMERR);
    put_rsa_public(&call, pRSAPubKeyBlob);
    if (fits(&call, pRSAPubKeyBlob)) {
        operate(&call, EXT_RSA_PUB_KEY_OPERATION, pRSAPubKeyBlob->BitLen, pbInput, ulInputLen, pbOutput, pulOutputLen);
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_ExtRSAPriKeyOperation(DEVHANDLE hDev, RSAPRIVATEKEYBLOB *pRSAPriKeyBlob, BYTE *pbInput,
                                       ULONG ulInputLen, BYTE *pbOutput, ULONG *pulOutputLen) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    require_given(&call, pulOutputLen);
    require(&call, pbOutput == NULL || pbInput != NULL, SAR_INVALIDPARAMERR);
    put_rsa_private(&call, pRSAPriKeyBlob);
    if (fits(&call, pRSAPriKeyBlob)) {
        operate(&call, EXT_RSA_PRI_KEY_OPERATION, pRSAPriKeyBlob->BitLen, pbInput, ulInputLen, pbOutput, pulOutputLen);
    }
    return call_end(&call);
}
