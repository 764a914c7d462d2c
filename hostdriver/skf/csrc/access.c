/* Access, GM/T 0016 § 7.2: PINs never leave the program in clear, but as what a challenge becomes under them. */
#include <string.h>

#include "objects.h"

enum {
    DEV_AUTH = 0x10,
    CHANGE_DEV_AUTH_KEY = 0x12,
    GET_PIN_INFO = 0x14,
    CHANGE_PIN = 0x16,
    VERIFY_PIN = 0x18,
    UNBLOCK_PIN = 0x1A,
    CLEAR_SECURE_STATE = 0x1C,
    GEN_RANDOM = 0x50,
    WITH_SM4 = 2, /* P2 of the device's key */
    CLA_MAC = 0x84,
    BLOCK = 16,
    CHALLENGE = 8,
    MAC_SIZE = 4,
    MAX_PIN = 32, /* ChangePIN's two blocks */
    DIGEST = 20
};

/* What virtual keys and several makers' come with; a key that holds another takes no change under it. */
static const uint8_t FIRST_DEVICE_KEY[BLOCK] = "1234567812345678";

static void pin_key(const char *pin, size_t length, uint8_t key[BLOCK]) {
    uint8_t padded[MAX_PIN] = {0}, digest[DIGEST];
    memcpy(padded, pin, length);
    sha1(padded, length < BLOCK ? BLOCK : length, digest);
    memcpy(key, digest, BLOCK);
    wipe(padded, sizeof padded);
    wipe(digest, sizeof digest);
}

static bool check_pin(struct call *call, const char *pin, size_t *length) {
    *length = given_length(call, pin, MAX_PIN, SAR_PIN_LEN_RANGE);
    return !call->status;
}

static void check_type(struct call *call, ULONG type) {
    if (type != ADMIN_TYPE && type != USER_TYPE) {
        call_fail(call, SAR_USER_TYPE_INVALID);
    }
}

static void get_challenge(struct call *call, uint8_t challenge[CHALLENGE]) {
    call_send(call, GEN_RANDOM, 0, 0, CHALLENGE);
    const uint8_t *random = take(call, CHALLENGE);
    take_end(call);
    if (random) {
        memcpy(challenge, random, CHALLENGE);
    }
}

/* A command first that spends nothing: identifiers that another program's end has made stale are opened again by it,
 * and not between a challenge and its use. */
static void ask_pin_info(struct call *call, ULONG type) {
    put_app(call);
    call_send(call, GET_PIN_INFO, 0, (uint8_t)type, 3);
}

static void verify(struct call *call, ULONG type, const uint8_t key[BLOCK]) {
    uint8_t challenge[CHALLENGE] = {0}, block[BLOCK] = {0}, cryptogram[BLOCK];
    get_challenge(call, challenge);
    if (dialect_of(call)->pin_block == 1) {
        memcpy(block, challenge, CHALLENGE);
    } else {
        block[0] = CHALLENGE;
        memcpy(block + 2, challenge, CHALLENGE);
        block[2 + CHALLENGE] = 0x80;
    }
    sm4_encrypt_block(key, block, cryptogram);
    put_app(call);
    put(call, cryptogram, BLOCK);
    call_send(call, VERIFY_PIN, 0, (uint8_t)type, 0);
}

/* The MAC of class 84: SM4-CBC-MAC, IV = challenge and zeros, over the header with its lengths and the data. */
static void line_mac(struct call *call, uint8_t ins, uint8_t p2, const uint8_t key[BLOCK],
                     const uint8_t challenge[CHALLENGE], uint8_t mac[MAC_SIZE]) {
    const bool with_le = dialect_of(call)->line_mac == MAC_LC_LE;
    const size_t lc = call->size + MAC_SIZE;
    uint8_t text[8 + MAX_PIN + 2 * BLOCK] = {CLA_MAC, ins, 0, p2}, state[BLOCK] = {0};
    text[with_le ? 4 : 5] = (uint8_t)(lc >> 8);
    text[with_le ? 5 : 6] = (uint8_t)lc;
    size_t size = with_le ? 8 : 7;
    memcpy(text + size, call->data, call->size);
    size += call->size;
    text[size++] = 0x80;
    memcpy(state, challenge, CHALLENGE);
    for (size_t at = 0; at < size; at += BLOCK) {
        for (size_t i = 0; i < BLOCK; i++) {
            state[i] ^= text[at + i];
        }
        sm4_encrypt_block(key, state, state);
    }
    memcpy(mac, state, MAC_SIZE);
}

/* `secret` enciphered under `key`, which also makes the MAC, if the key's maker wants one. */
static void send_protected(struct call *call, uint8_t ins, uint8_t p2, const uint8_t key[BLOCK], const uint8_t *secret,
                           size_t size) {
    uint8_t challenge[CHALLENGE] = {0}, block[BLOCK], mac[MAC_SIZE];
    get_challenge(call, challenge);
    if (call->object->kind == APPLICATION) {
        put_app(call);
    }
    for (size_t at = 0; at < size; at += BLOCK) {
        sm4_encrypt_block(key, secret + at, block);
        put(call, block, BLOCK);
    }
    if (dialect_of(call)->line_mac != MAC_NONE && !call->status) {
        line_mac(call, ins, p2, key, challenge, mac);
        put(call, mac, MAC_SIZE);
    }
    call_send_with_mac(call, ins, p2);
}

static void tell_tries(const struct call *call, ULONG *tries) {
    if (call->status == SAR_PIN_INCORRECT && tries) {
        *tries = call->sw & 0xF;
    } else if (call->status == SAR_PIN_LOCKED && tries) {
        *tries = 0;
    }
}

/* A new PIN under the one that opens the command. */
static void set_pin(struct call *call, uint8_t ins, ULONG opener_type, const char *opener, const char *new_pin) {
    uint8_t key[BLOCK], padded[MAX_PIN] = {0};
    size_t opener_length, length;
    if (!check_pin(call, opener, &opener_length) || !check_pin(call, new_pin, &length)) {
        return;
    }
    ask_pin_info(call, opener_type);
    pin_key(opener, opener_length, key);
    memcpy(padded, new_pin, length);
    if (dialect_of(call)->line_mac == MAC_NONE) {
        verify(call, opener_type, key); /* without a MAC a wrong one would pass unnoticed */
    }
    bool reached = !call->status;
    send_protected(call, ins, (uint8_t)opener_type, key, padded, length <= BLOCK ? BLOCK : MAX_PIN);
    if (reached && call->sw == 0x6A80) {
        call->status = SAR_PIN_INVALID; /* the new one breaks the key's rules */
    } else if (reached && call->sw == 0x6700) {
        call->status = SAR_PIN_LEN_RANGE;
    }
    wipe(key, sizeof key);
    wipe(padded, sizeof padded);
}

ULONG DEVAPI SKF_ChangePIN(HAPPLICATION hApplication, ULONG ulPINType, LPSTR szOldPin, LPSTR szNewPin,
                           ULONG *pulRetryCount) {
    struct call call;
    call_begin(&call, __func__, hApplication, APPLICATION);
    if (!pulRetryCount) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    }
    check_type(&call, ulPINType);
    if (!call.status) {
        set_pin(&call, CHANGE_PIN, ulPINType, szOldPin, szNewPin);
    }
    tell_tries(&call, pulRetryCount);
    return call_end(&call);
}

ULONG DEVAPI SKF_UnblockPIN(HAPPLICATION hApplication, LPSTR szAdminPIN, LPSTR szNewUserPIN, ULONG *pulRetryCount) {
    struct call call;
    call_begin(&call, __func__, hApplication, APPLICATION);
    if (!pulRetryCount) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    }
    if (!call.status) {
        set_pin(&call, UNBLOCK_PIN, ADMIN_TYPE, szAdminPIN, szNewUserPIN);
    }
    tell_tries(&call, pulRetryCount);
    return call_end(&call);
}

ULONG DEVAPI SKF_VerifyPIN(HAPPLICATION hApplication, ULONG ulPINType, LPSTR szPIN, ULONG *pulRetryCount) {
    struct call call;
    size_t length;
    uint8_t key[BLOCK];
    call_begin(&call, __func__, hApplication, APPLICATION);
    if (!pulRetryCount) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    }
    check_type(&call, ulPINType);
    if (!call.status && check_pin(&call, szPIN, &length)) {
        ask_pin_info(&call, ulPINType);
        pin_key(szPIN, length, key);
        verify(&call, ulPINType, key);
        wipe(key, sizeof key);
    }
    tell_tries(&call, pulRetryCount);
    return call_end(&call);
}

ULONG DEVAPI SKF_GetPINInfo(HAPPLICATION hApplication, ULONG ulPINType, ULONG *pulMaxRetryCount,
                            ULONG *pulRemainRetryCount, BOOL *pbDefaultPin) {
    struct call call;
    call_begin(&call, __func__, hApplication, APPLICATION);
    if (!pulMaxRetryCount || !pulRemainRetryCount || !pbDefaultPin) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    }
    check_type(&call, ulPINType);
    ask_pin_info(&call, ulPINType);
    const uint8_t *facts = take(&call, 3);
    take_end(&call);
    if (!call.status) {
        *pulMaxRetryCount = facts[0];
        *pulRemainRetryCount = facts[1];
        *pbDefaultPin = facts[2] ? TRUE : FALSE;
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_ClearSecureState(HAPPLICATION hApplication) {
    struct call call;
    call_begin(&call, __func__, hApplication, APPLICATION);
    put_app(&call);
    call_send(&call, CLEAR_SECURE_STATE, 0, 0, 0);
    return call_end(&call);
}

ULONG DEVAPI SKF_DevAuth(DEVHANDLE hDev, BYTE *pbAuthData, ULONG ulLen) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    if (!pbAuthData) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    } else if (ulLen != BLOCK) {
        call_fail(&call, SAR_INDATALENERR);
    } else {
        put(&call, pbAuthData, ulLen);
    }
    call_send(&call, DEV_AUTH, 0, WITH_SM4, 0);
    return call_end(&call);
}

/* The command is sealed with the old key, which the standard's function does not name: 32 bytes are the old and the
 * new one; 16 are the new one, in place of the key that virtual keys come with. */
ULONG DEVAPI SKF_ChangeDevAuthKey(DEVHANDLE hDev, BYTE *pbKeyValue, ULONG ulKeyLen) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    if (!pbKeyValue) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    } else if (ulKeyLen != BLOCK && ulKeyLen != 2 * BLOCK) {
        call_fail(&call, SAR_INDATALENERR);
    }
    if (!call.status) {
        const bool both = ulKeyLen == 2 * BLOCK;
        const uint8_t *old = both ? pbKeyValue : FIRST_DEVICE_KEY;
        send_protected(&call, CHANGE_DEV_AUTH_KEY, WITH_SM4, old, both ? pbKeyValue + BLOCK : pbKeyValue, BLOCK);
    }
    return call_end(&call);
}
