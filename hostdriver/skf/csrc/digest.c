/* Digests, GM/T 0016 § 7.6: SM3, with a signer's Z before where one is named, SHA-1 and SHA-256. */
#include "crypto.h"

static size_t digest_size(ULONG algorithm) {
    switch (algorithm) {
    case SGD_SM3:
    case SGD_SHA256:
        return 32;
    case SGD_SHA1:
        return 20;
    default:
        return 0;
    }
}

/* A hash object's `kept` begins with the data of its DigestInit: the signer, if there is one. */
static void send_init(struct call *call) {
    const struct facts *facts = facts_of(call->object);
    put(call, facts->kept.at, facts->kept.start);
    call_send(call, DIGEST_INIT, 0, (uint8_t)facts->algorithm, 0);
}

static void put_nothing(struct call *call) {
    (void)call;
}

static struct series series_of(const struct call *call) {
    size_t size = call->status == SAR_OK ? digest_size(facts_of(call->object)->algorithm) : 0;
    return (struct series){DIGEST, DIGEST_UPDATE, DIGEST_FINAL, size, SAR_HASHOBJERR, put_nothing, send_init};
}

static void put_signer(struct call *call, const ECCPUBLICKEYBLOB *key, const BYTE *id, ULONG size) {
    require_given(call, id);
    require(call, size <= MAX_ID, SAR_INDATALENERR);
    put_sm2_public(call, key);
    if (call->status == SAR_OK) {
        put_counted(call, id, size);
    }
}

/* The signer's key may be no point of the curve: the key is asked at once, and once more when there are data. */
static void start(struct call *call, struct facts *facts) {
    require(call, keep(&facts->kept, call->data, call->size), SAR_MEMORYERR);
    facts->kept.start = facts->kept.size;
    call_send(call, DIGEST_INIT, 0, (uint8_t)facts->algorithm, 0);
}

ULONG DEVAPI SKF_DigestInit(DEVHANDLE hDev, ULONG ulAlgID, ECCPUBLICKEYBLOB *pPubKey, unsigned char *pucID,
                            ULONG ulIDLen, HANDLE *phHash) {
    struct call call;
    struct facts facts = {.algorithm = ulAlgID, .begun = true};
    call_begin(&call, __func__, hDev, DEVICE);
    require_given(&call, phHash);
    require(&call, digest_size(ulAlgID) != 0, SAR_NOTSUPPORTYETERR);
    if (ulAlgID == SGD_SM3 && ulIDLen > 0) {
        put_signer(&call, pPubKey, pucID, ulIDLen);
    }
    start(&call, &facts);
    if (call.status == SAR_OK) {
        call_fail(&call, object_new(HASH, call.object, &facts, phHash));
    }
    if (call.status != SAR_OK) {
        drop(&facts.kept);
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_Digest(HANDLE hHash, BYTE *pbData, ULONG ulDataLen, BYTE *pbHashData, ULONG *pulHashLen) {
    struct call call;
    call_begin(&call, __func__, hHash, HASH);
    struct series series = series_of(&call);
    conclude(&call, &series, pbData, ulDataLen, pbHashData, pulHashLen);
    return call_end(&call);
}

ULONG DEVAPI SKF_DigestUpdate(HANDLE hHash, BYTE *pbData, ULONG ulDataLen) {
    struct call call;
    call_begin(&call, __func__, hHash, HASH);
    struct series series = series_of(&call);
    require_data(&call, pbData, ulDataLen);
    gather(&call, &series, pbData, ulDataLen);
    return call_end(&call);
}

ULONG DEVAPI SKF_DigestFinal(HANDLE hHash, BYTE *pHashData, ULONG *pulHashLen) {
    struct call call;
    call_begin(&call, __func__, hHash, HASH);
    struct series series = series_of(&call);
    conclude(&call, &series, NULL, 0, pHashData, pulHashLen);
    return call_end(&call);
}
