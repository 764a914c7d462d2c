/* vukey's own functions: signing what the key's screen shows, and the activation of a certificate. */
#include <string.h>

#include "crypto.h"

enum { STATUS = 0, SUBMIT = 1, KEYPAD = 2, MAX_CODE = 64 }; /* P1 of the activation command (docs/facts.md G23) */

static uint8_t hash_parameter(struct call *call, const struct exported *key, ULONG hash) {
    if (key->is_sm2) {
        require(call, hash == 0 || hash == SGD_SM3, SAR_NOTSUPPORTYETERR);
        return 0;
    }
    require(call, hash == SGD_SM3 || hash == SGD_SHA1 || hash == SGD_SHA256, SAR_NOTSUPPORTYETERR);
    return (uint8_t)hash;
}

static void hand_over_sm2(struct call *call, BYTE *out, ULONG *io_size) {
    take_sm2_bits(call);
    const uint8_t *r_and_s = take(call, SM2_POINT);
    take_end(call);
    if (fits(call, r_and_s)) {
        ECCSIGNATUREBLOB blob;
        fill_signature(&blob, r_and_s);
        call_hand_over(call, &blob, sizeof blob, out, io_size);
    }
}

ULONG DEVAPI V_SignMessage(HCONTAINER hContainer, ULONG ulHashAlg, BYTE *pbMessage, ULONG ulMessageLen,
                           BYTE *pbSignature, ULONG *pulSignLen) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pulSignLen);
    require(&call, pbSignature == NULL || pbMessage != NULL, SAR_INVALIDPARAMERR);
    struct exported key = {0};
    export_public(&call, SIGNATURE_PAIR, &key);
    uint8_t hash = hash_parameter(&call, &key, ulHashAlg);
    if (has_room(&call, key.is_sm2 ? sizeof(ECCSIGNATUREBLOB) : key.size, pbSignature, pulSignLen)) {
        put_container(&call);
        put(&call, pbMessage, ulMessageLen);
        call_send(&call, key.is_sm2 ? ECC_SIGN_DATA : RSA_SIGN_DATA, MESSAGE, hash, ALL);
        if (key.is_sm2) {
            hand_over_sm2(&call, pbSignature, pulSignLen);
        } else {
            require(&call, left(&call) == key.size, SAR_UNKNOWNERR);
            call_hand_over(&call, call.answer, call.answer_size, pbSignature, pulSignLen);
        }
    }
    return call_end(&call);
}

ULONG DEVAPI V_Activate(HCONTAINER hContainer, LPSTR szCode, ULONG *pulRetryCount) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pulRetryCount);
    const char *end = szCode != NULL ? memchr(szCode, 0, MAX_CODE + 1) : NULL;
    require(&call, szCode == NULL || end != NULL, SAR_INDATALENERR);
    put_container(&call);
    if (fits(&call, end)) {
        put(&call, szCode, (size_t)(end - szCode));
    }
    call_send(&call, ACTIVATION, szCode != NULL ? SUBMIT : KEYPAD, 0, 0);
    if (call.status == SAR_PIN_INCORRECT) {
        *pulRetryCount = call.sw & 0x0F;
    }
    return call_end(&call);
}

ULONG DEVAPI V_GetActivation(HCONTAINER hContainer, BOOL *pbActivated, ULONG *pulRetryCount) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    require_given(&call, pbActivated);
    require_given(&call, pulRetryCount);
    put_container(&call);
    call_send(&call, ACTIVATION, STATUS, 0, 2);
    uint8_t state = take_u8(&call), tries = take_u8(&call);
    take_end(&call);
    if (call.status == SAR_OK) {
        *pbActivated = state != 0 ? TRUE : FALSE;
        *pulRetryCount = tries;
    }
    return call_end(&call);
}
