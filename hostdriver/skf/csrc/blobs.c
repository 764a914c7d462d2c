/* The blobs of GM/T 0016 § 6.4 into commands, and answers into blobs. */
#include <string.h>

#include "crypto.h"

void require(struct call *call, bool holds, ULONG otherwise) {
    if (!holds) {
        call_fail(call, otherwise);
    }
}

void require_given(struct call *call, const void *pointer) {
    require(call, pointer != NULL, SAR_INVALIDPARAMERR);
}

void require_data(struct call *call, const void *data, ULONG size) {
    require(call, data != NULL || size == 0, SAR_INVALIDPARAMERR);
}

bool fits(const struct call *call, const void *pointer) {
    return call->status == SAR_OK && pointer != NULL;
}

void put_counted(struct call *call, const void *bytes, size_t size) {
    put_u32(call, (uint32_t)size);
    put(call, bytes, size);
}

static bool is_zero(const BYTE *bytes, size_t size) {
    BYTE seen = 0;
    for (size_t at = 0; at < size; at++) {
        seen |= bytes[at];
    }
    return seen == 0;
}

void fill_right(BYTE *field, size_t width, const uint8_t *bytes, size_t size) {
    memset(field, 0, width - size);
    memcpy(field + width - size, bytes, size);
}

/* SM2 ---------------------------------------------------------------------------------------------------------- */

bool is_sm2(ULONG algorithm) {
    switch (algorithm) {
    case SGD_SM2_1:
    case SGD_SM2_2: /* the signature's number in GM/T 0006-2023 */
    case SGD_SM2_3:
    case 0x00020800:
        return true;
    default:
        return false;
    }
}

void put_sm2_value(struct call *call, const BYTE field[2 * SM2_SIZE]) {
    const BYTE *head = field, *tail = field + SM2_SIZE;
    bool is_left = is_zero(tail, SM2_SIZE);

    require(call, is_left || is_zero(head, SM2_SIZE), SAR_INVALIDPARAMERR);
    put(call, is_left ? head : tail, SM2_SIZE);
}

void put_sm2_bits(struct call *call) {
    put_u32(call, SM2_BITS);
}

void put_sm2_point(struct call *call, const ECCPUBLICKEYBLOB *blob) {
    require_given(call, blob);
    if (!fits(call, blob)) {
        return;
    }
    require(call, blob->BitLen == SM2_BITS, SAR_INVALIDPARAMERR);
    put_sm2_value(call, blob->XCoordinate);
    put_sm2_value(call, blob->YCoordinate);
}

void put_sm2_public(struct call *call, const ECCPUBLICKEYBLOB *blob) {
    put_sm2_bits(call);
    put_sm2_point(call, blob);
}

void put_sm2_private(struct call *call, const ECCPRIVATEKEYBLOB *blob) {
    require_given(call, blob);
    if (!fits(call, blob)) {
        return;
    }
    require(call, blob->BitLen == SM2_BITS, SAR_INVALIDPARAMERR);
    put_sm2_bits(call);
    put_sm2_value(call, blob->PrivateKey);
}

void put_sm2_cipher(struct call *call, const ECCCIPHERBLOB *blob) {
    require_given(call, blob);
    if (!fits(call, blob)) {
        return;
    }
    require(call, blob->CipherLen > 0 && blob->CipherLen <= MAX_CIPHER, SAR_INDATALENERR);
    if (call->status != SAR_OK) {
        return; /* the length is not to be believed */
    }
    put_sm2_value(call, blob->XCoordinate);
    put_sm2_value(call, blob->YCoordinate);
    put(call, blob->HASH, sizeof blob->HASH);
    put_counted(call, blob->Cipher, blob->CipherLen);
}

void take_sm2_bits(struct call *call) {
    uint32_t bits = take_u32(call);
    require(call, bits == SM2_BITS, SAR_UNKNOWNERR);
}

void take_sm2_tag(struct call *call, struct sm2_cipher *cipher) {
    cipher->hash = take(call, SM2_SIZE);
    cipher->size = take_u32(call);
    cipher->data = take(call, cipher->size);
}

void take_sm2_cipher(struct call *call, struct sm2_cipher *cipher) {
    take_sm2_bits(call);
    cipher->point = take(call, SM2_POINT);
    take_sm2_tag(call, cipher);
}

static void fill_pair(BYTE *first, BYTE *second, const uint8_t pair[SM2_POINT]) {
    fill_right(first, 2 * SM2_SIZE, pair, SM2_SIZE);
    fill_right(second, 2 * SM2_SIZE, pair + SM2_SIZE, SM2_SIZE);
}

void fill_public(ECCPUBLICKEYBLOB *blob, const uint8_t point[SM2_POINT]) {
    blob->BitLen = SM2_BITS;
    fill_pair(blob->XCoordinate, blob->YCoordinate, point);
}

void fill_signature(ECCSIGNATUREBLOB *blob, const uint8_t r_and_s[SM2_POINT]) {
    fill_pair(blob->r, blob->s, r_and_s);
}

void fill_cipher(ECCCIPHERBLOB *blob, const struct sm2_cipher *cipher) {
    fill_pair(blob->XCoordinate, blob->YCoordinate, cipher->point);
    memcpy(blob->HASH, cipher->hash, sizeof blob->HASH);
    blob->CipherLen = cipher->size;
    memcpy((BYTE *)blob + offsetof(ECCCIPHERBLOB, Cipher), cipher->data, cipher->size);
}

/* RSA ---------------------------------------------------------------------------------------------------------- */

size_t rsa_size(struct call *call, ULONG bits) {
    bool is_held = bits >= 1024 && bits <= 8 * MAX_RSA_MODULUS_LEN && bits % 16 == 0;

    require(call, is_held, SAR_RSAMODULUSLENERR);
    return is_held ? bits / 8 : 0;
}

/* A number in a field that may be wider: at its end, or at its beginning where the modulus' is. */
static void put_number(struct call *call, const BYTE *field, size_t width, size_t size, bool is_left) {
    const BYTE *rest = is_left ? field + size : field;

    require(call, is_zero(rest, width - size), SAR_INVALIDPARAMERR);
    put(call, is_left ? field : field + width - size, size);
}

static void put_exponent(struct call *call, const BYTE field[MAX_RSA_EXPONENT_LEN]) {
    put_u32(call, (uint32_t)field[0] << 24 | (uint32_t)field[1] << 16 | (uint32_t)field[2] << 8 | field[3]);
}

static void put_modulus(struct call *call, ULONG bits, const BYTE modulus[MAX_RSA_MODULUS_LEN], const BYTE *exponent) {
    size_t size = rsa_size(call, bits);

    if (call->status != SAR_OK) {
        return;
    }
    put_u32(call, bits);
    put_number(call, modulus, MAX_RSA_MODULUS_LEN, size, modulus[0] != 0);
    put_exponent(call, exponent);
}

void put_rsa_public(struct call *call, const RSAPUBLICKEYBLOB *blob) {
    require_given(call, blob);
    if (fits(call, blob)) {
        put_modulus(call, blob->BitLen, blob->Modulus, blob->PublicExponent);
    }
}

void put_rsa_private(struct call *call, const RSAPRIVATEKEYBLOB *blob) {
    require_given(call, blob);
    if (!fits(call, blob)) {
        return;
    }
    put_modulus(call, blob->BitLen, blob->Modulus, blob->PublicExponent);
    if (call->status != SAR_OK) {
        return;
    }
    size_t size = blob->BitLen / 8, half = size / 2;
    bool is_left = blob->Modulus[0] != 0;
    const BYTE *halves[] = {blob->Prime1, blob->Prime2, blob->Prime1Exponent, blob->Prime2Exponent, blob->Coefficient};
    put_number(call, blob->PrivateExponent, MAX_RSA_MODULUS_LEN, size, is_left);
    for (size_t at = 0; at < sizeof halves / sizeof *halves; at++) {
        put_number(call, halves[at], MAX_RSA_MODULUS_LEN / 2, half, is_left);
    }
}
