/* SM2 key agreement, GM/T 0016 § 7.6 and GB/T 32918.3: the sponsor begins, the responder answers, the sponsor ends. */
#include <string.h>

#include "crypto.h"

enum { AGREEMENT_ID = 4, ANSWER = 4 + SM2_POINT + 4 };

static void put_id(struct call *call, const BYTE *id, ULONG size) {
    require_data(call, id, size);
    require(call, size <= MAX_ID, SAR_INDATALENERR);
    if (call->status == SAR_OK) {
        put_counted(call, id, size);
    }
}

/* A KeyID, which these commands answer as an integer of 4 bytes. */
static void take_key_id(struct call *call, uint8_t id[ANY_ID]) {
    uint32_t number = take_u32(call);
    take_end(call);
    require(call, number <= 0xFFFF, SAR_UNKNOWNERR);
    if (call->status != SAR_OK) {
        return;
    }
    bool is_little = dialect_of(call)->little_endian;
    id[is_little ? 1 : 0] = (uint8_t)(number >> 8);
    id[is_little ? 0 : 1] = (uint8_t)number;
}

ULONG DEVAPI SKF_GenerateAgreementDataWithECC(HCONTAINER hContainer, ULONG ulAlgId,
                                              ECCPUBLICKEYBLOB *pTempECCPubKeyBlob, BYTE *pbID, ULONG ulIDLen,
                                              HANDLE *phAgreementHandle) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pTempECCPubKeyBlob);
    require_given(&call, phAgreementHandle);
    require_symmetric(&call, ulAlgId);
    put_container(&call);
    put_u32(&call, ulAlgId);
    put_id(&call, pbID, ulIDLen);
    call_send(&call, GENERATE_AGREEMENT_DATA, 0, 0, ANSWER);

    take_sm2_bits(&call);
    const uint8_t *point = take(&call, SM2_POINT), *id = take(&call, AGREEMENT_ID);
    take_end(&call);
    if (fits(&call, pTempECCPubKeyBlob)) {
        struct facts facts = {.algorithm = ulAlgId};
        memcpy(facts.id, id, AGREEMENT_ID);
        fill_public(pTempECCPubKeyBlob, point);
        call_fail(&call, object_new(AGREEMENT, call.object, &facts, phAgreementHandle));
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_GenerateAgreementDataAndKeyWithECC(HANDLE hContainer, ULONG ulAlgId,
                                                    ECCPUBLICKEYBLOB *pSponsorECCPubKeyBlob,
                                                    ECCPUBLICKEYBLOB *pSponsorTempECCPubKeyBlob,
                                                    ECCPUBLICKEYBLOB *pTempECCPubKeyBlob, BYTE *pbID, ULONG ulIDLen,
                                                    BYTE *pbSponsorID, ULONG ulSponsorIDLen, HANDLE *phKeyHandle) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pTempECCPubKeyBlob);
    require_given(&call, phKeyHandle);
    require_symmetric(&call, ulAlgId);
    put_container(&call);
    put_u32(&call, ulAlgId);
    put_sm2_public(&call, pSponsorECCPubKeyBlob);
    put_sm2_public(&call, pSponsorTempECCPubKeyBlob);
    put_id(&call, pbSponsorID, ulSponsorIDLen);
    put_id(&call, pbID, ulIDLen);
    call_send(&call, GENERATE_AGREEMENT_DATA_AND_KEY, 0, 0, ANSWER);

    take_sm2_bits(&call);
    const uint8_t *point = take(&call, SM2_POINT);
    uint8_t id[ANY_ID];
    take_key_id(&call, id);
    if (fits(&call, pTempECCPubKeyBlob)) {
        fill_public(pTempECCPubKeyBlob, point);
    }
    hand_out_key(&call, call.object, ulAlgId, id, phKeyHandle);
    return call_end(&call);
}

ULONG DEVAPI SKF_GenerateKeyWithECC(HANDLE hAgreementHandle, ECCPUBLICKEYBLOB *pECCPubKeyBlob,
                                    ECCPUBLICKEYBLOB *pTempECCPubKeyBlob, BYTE *pbID, ULONG ulIDLen,
                                    HANDLE *phKeyHandle) {
    struct call call;
    call_begin(&call, __func__, hAgreementHandle, AGREEMENT);
    require_given(&call, phKeyHandle);
    put_container(&call);
    if (call.status == SAR_OK) {
        put(&call, facts_of(call.object)->id, AGREEMENT_ID);
    }
    put_sm2_public(&call, pECCPubKeyBlob);
    put_sm2_public(&call, pTempECCPubKeyBlob);
    put_id(&call, pbID, ulIDLen);
    call_send(&call, GENERATE_KEY, 0, 0, 4);

    uint8_t id[ANY_ID];
    take_key_id(&call, id);
    if (call.status == SAR_OK) {
        hand_out_key(&call, parent_of(call.object), facts_of(call.object)->algorithm, id, phKeyHandle);
    }
    return call_end(&call);
}
