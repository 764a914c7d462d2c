/* Arithmetic modulo n, the order of the base point. */
#ifndef VUKEY_SCALAR_H
#define VUKEY_SCALAR_H

#include "inverse.h"

static const number N = {{0x53BBF40939D54123, 0x7203DF6B21C6052B, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFEFFFFFFFF}};
static const number N_MINUS_1 = {{0x53BBF40939D54122, 0x7203DF6B21C6052B, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFEFFFFFFFF}};
static const uint64_t N_NEGATED_INVERSE = 0x327F9E8872350975; /* -n^-1 modulo 2^64 */
static const modulus62 N_DIGITS = {
    {{0x13BBF40939D54123, 0x080F7DAC871814AD, 0x3FFFFFFFFFFFFFF7, 0x3FFFFFBFFFFFFFFF, 0xFF}}, 0x0D8061778DCAF68B};
/* R^2 modulo n, for Montgomery's R = 2^256. */
static const number N_R2 = {{0x901192AF7C114F20, 0x3464504ADE6FA2FA, 0x620FC84C3AFFE0D4, 0x1EB5E412A22B3D3B}};

/* a·b/R modulo n. */
static inline number scalar_multiply(const number *a, const number *b) {
    uint64_t t[6] = {0};
    for (int i = 0; i < 4; i++) {
        uint128 c = 0;
        for (int j = 0; j < 4; j++) {
            c += (uint128)a->word[j] * b->word[i] + t[j];
            t[j] = (uint64_t)c;
            c >>= 64;
        }
        c += t[4];
        t[4] = (uint64_t)c;
        t[5] = (uint64_t)(c >> 64);
        uint64_t m = t[0] * N_NEGATED_INVERSE;
        c = ((uint128)m * N.word[0] + t[0]) >> 64;
        for (int j = 1; j < 4; j++) {
            c += (uint128)m * N.word[j] + t[j];
            t[j - 1] = (uint64_t)c;
            c >>= 64;
        }
        c += t[4];
        t[3] = (uint64_t)c;
        t[4] = t[5] + (uint64_t)(c >> 64);
    }
    number result = {{t[0], t[1], t[2], t[3]}};
    return reduce_once(&result, t[4], &N);
}

static inline number scalar_add(const number *a, const number *b) {
    return add_modulo(a, b, &N);
}

static inline number scalar_subtract(const number *a, const number *b) {
    return subtract_modulo(a, b, &N);
}

/* Any 256-bit number modulo n, which is above 2^255. */
static inline number scalar_reduce(const number *a) {
    return reduce_once(a, 0, &N);
}

/* a^-1·R: the inverse as a factor for scalar_multiply. */
static inline number scalar_invert(const number *a) {
    number inverse = invert(a, &N_DIGITS);
    return scalar_multiply(&inverse, &N_R2);
}

/* 1 when 0 < a < n. */
static inline uint64_t is_scalar(const number *a) {
    return is_below(a, &N) & (is_zero(a) ^ 1);
}

#endif
