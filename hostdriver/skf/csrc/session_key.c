/* Session keys, GM/T 0016 § 7.6: taken in, set in clear, closed. ECC- and RSAExportSessionKey make them elsewhere. */
#include <string.h>

#include "crypto.h"

uint32_t key_size_of(ULONG algorithm) {
    ULONG mode = algorithm & 0x0F, cipher = algorithm & ~(ULONG)0x0F;

    if (algorithm == SGD_SM1_MAC || algorithm == SGD_SSF33_MAC || algorithm == SGD_SM4_MAC) {
        return 16;
    }
    if (mode != 1 && mode != 2 && mode != 4 && mode != 8) {
        return 0;
    }
    switch (cipher) {
    case 0x0100: /* SM1 */
    case 0x0200: /* SSF33 */
    case 0x0400: /* SM4 */
    case 0x0800: /* AES-128, as several makers number it */
        return 16;
    case 0x0810:
        return 24;
    case 0x0820:
        return 32;
    default:
        return 0;
    }
}

void require_symmetric(struct call *call, ULONG algorithm) {
    require(call, key_size_of(algorithm) != 0, SAR_NOTSUPPORTYETERR);
}

/* What no handle names would stay on the key for ever. */
static void destroy_unnamed(struct call *call, const uint8_t id[ANY_ID]) {
    ULONG status = call->status;

    call->status = SAR_OK;
    put_container(call);
    put(call, id, ANY_ID);
    call_send(call, DESTROY_SESSION_KEY, 0, 0, 0);
    call->status = status;
}

void hand_out_key(struct call *call, struct object *parent, ULONG algorithm, const uint8_t id[ANY_ID], HANDLE *handle) {
    if (!fits(call, id)) {
        return;
    }
    struct facts facts = {.algorithm = algorithm, .key_size = key_size_of(algorithm)};
    memcpy(facts.id, id, ANY_ID);
    if (call_fail(call, object_new(SESSION_KEY, parent, &facts, handle)) != SAR_OK) {
        destroy_unnamed(call, facts.id);
    }
}

/* An ECCCIPHERBLOB as its bytes; a block of RSA that looks like one would have 64 zeros at just these places. */
static bool is_cipher_blob(const BYTE *bytes, ULONG size) {
    static const BYTE zeros[SM2_SIZE];
    const ECCCIPHERBLOB *blob = (const ECCCIPHERBLOB *)bytes;
    size_t head = offsetof(ECCCIPHERBLOB, Cipher);

    return size > head && blob->CipherLen > 0 && blob->CipherLen <= size - head &&
           memcmp(blob->XCoordinate, zeros, sizeof zeros) == 0 && memcmp(blob->YCoordinate, zeros, sizeof zeros) == 0;
}

static void put_wrapped(struct call *call, const BYTE *wrapped, ULONG size) {
    if (!is_cipher_blob(wrapped, size)) {
        put_counted(call, wrapped, size);
        return;
    }
    const ECCCIPHERBLOB *blob = (const ECCCIPHERBLOB *)wrapped;
    put_u32(call, 4 + SM2_POINT + SM2_SIZE + 4 + blob->CipherLen);
    put_sm2_bits(call);
    put_sm2_cipher(call, blob);
}

ULONG DEVAPI SKF_ImportSessionKey(HCONTAINER hContainer, ULONG ulAlgId, BYTE *pbWrapedData, ULONG ulWrapedLen,
                                  HANDLE *phKey) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pbWrapedData);
    require_given(&call, phKey);
    require_symmetric(&call, ulAlgId);
    put_container(&call);
    put_u32(&call, ulAlgId);
    if (fits(&call, pbWrapedData)) {
        put_wrapped(&call, pbWrapedData, ulWrapedLen);
    }
    call_send(&call, IMPORT_SESSION_KEY, 0, 0, ANY_ID);

    const uint8_t *id = take(&call, ANY_ID);
    take_end(&call);
    hand_out_key(&call, call.object, ulAlgId, id, phKey);
    return call_end(&call);
}

ULONG DEVAPI SKF_SetSymmKey(DEVHANDLE hDev, BYTE *pbKey, ULONG ulAlgID, HANDLE *phKey) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    require_given(&call, pbKey);
    require_given(&call, phKey);
    require_symmetric(&call, ulAlgID);
    uint32_t size = key_size_of(ulAlgID);
    put_container(&call); /* none: zeros */
    put_u32(&call, ulAlgID);
    put_u16(&call, (uint16_t)size);
    put(&call, pbKey, size);
    call_send(&call, SET_SYMM_KEY, 0, 0, ANY_ID);

    const uint8_t *id = take(&call, ANY_ID);
    take_end(&call);
    hand_out_key(&call, call.object, ulAlgID, id, phKey);
    return call_end(&call);
}

ULONG DEVAPI SKF_CloseHandle(HANDLE hHandle) {
    struct call call;
    call_begin_any(&call, __func__, hHandle, 1u << SESSION_KEY | 1u << HASH | 1u << MAC | 1u << AGREEMENT);
    call.on_no_key = SAR_OK; /* a reset has destroyed it */
    if (call.status == SAR_OK && kind_of(call.object) == SESSION_KEY) {
        put_key(&call);
        call_send(&call, DESTROY_SESSION_KEY, 0, 0, 0);
    }
    if (call.status == SAR_OK || call.status == SAR_DEVICE_REMOVED) {
        object_close(call.object);
    }
    return call_end(&call);
}
