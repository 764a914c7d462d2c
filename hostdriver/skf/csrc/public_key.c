/* Public keys of a container, GM/T 0016 § 7.6. */
#include <string.h>

#include "crypto.h"

enum { SM2_ANSWER = 4 + SM2_POINT };

void export_public(struct call *call, uint8_t pair, struct exported *key) {
    put_container(call);
    call_send(call, EXPORT_PUBLIC_KEY, pair, 0, ALL);
    if (call->status != SAR_OK) {
        return;
    }
    key->is_sm2 = left(call) == SM2_ANSWER;
    if (key->is_sm2) {
        take_sm2_bits(call);
        key->size = SM2_POINT;
    } else {
        key->size = (size_t)take_u16(call) / 8;
        key->exponent = take_u32(call);
    }
    key->value = take(call, key->size);
    take_end(call);
}

static void hand_over_sm2(struct call *call, const struct exported *key, BYTE *out, ULONG *io_size) {
    ECCPUBLICKEYBLOB blob;
    fill_public(&blob, key->value);
    call_hand_over(call, &blob, sizeof blob, out, io_size);
}

static void hand_over_rsa(struct call *call, const struct exported *key, BYTE *out, ULONG *io_size) {
    RSAPUBLICKEYBLOB blob = {.AlgID = SGD_RSA, .BitLen = (ULONG)(8 * key->size)};
    if (rsa_size(call, blob.BitLen) == 0) {
        return; /* longer than the standard's blob */
    }
    fill_right(blob.Modulus, sizeof blob.Modulus, key->value, key->size);
    fill_exponent(blob.PublicExponent, key->exponent);
    call_hand_over(call, &blob, sizeof blob, out, io_size);
}

ULONG DEVAPI SKF_ExportPublicKey(HCONTAINER hContainer, BOOL bSignFlag, BYTE *pbBlob, ULONG *pulBlobLen) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pulBlobLen);
    struct exported key = {0};
    export_public(&call, bSignFlag ? SIGNATURE_PAIR : EXCHANGE_PAIR, &key);
    if (fits(&call, key.value)) {
        if (key.is_sm2) {
            hand_over_sm2(&call, &key, pbBlob, pulBlobLen);
        } else {
            hand_over_rsa(&call, &key, pbBlob, pulBlobLen);
        }
    }
    return call_end(&call);
}

bool has_room(struct call *call, size_t size, const void *out, ULONG *io_size) {
    if (call->status != SAR_OK) {
        return false;
    }
    ULONG room = *io_size;
    if (out != NULL && room >= size) {
        return true;
    }
    *io_size = (ULONG)size;
    if (out != NULL) {
        call_fail(call, SAR_BUFFER_TOO_SMALL);
    }
    return false;
}
