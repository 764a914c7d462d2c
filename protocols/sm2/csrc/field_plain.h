/* The field in C alone. */
#include "field.h"

/* Divides by 2^64 what is known modulo p, four times. Since p = -1 modulo 2^64, the multiple of p that clears the
 * lowest word m is m·p itself, and p = 2^256 - 2^224 - 2^96 + 2^64 - 1 makes that two shifts and some additions. */
INLINE void field_reduce(number *result, const uint64_t t[8]) {
    uint64_t a = t[0], b = t[1], c = t[2], d = t[3];
    for (int i = 0; i < 4; i++) {
        const uint64_t m = a, low = m << 32, high = m >> 32;
        carry_bit carry = 0, borrow = 0;
        a = add_word(&carry, b, m);
        b = add_word(&carry, c, 0);
        c = add_word(&carry, d, 0);
        d = add_word(&carry, m, 0);
        a = subtract_word(&borrow, a, low);
        b = subtract_word(&borrow, b, high);
        c = subtract_word(&borrow, c, low);
        d = subtract_word(&borrow, d, high);
    }
    number low_half = {{a, b, c, d}}, high_half = {{t[4], t[5], t[6], t[7]}};
    *result = add_modulo(&low_half, &high_half, &P);
}

INLINE void field_multiply(number *result, const number *a, const number *b) {
    uint64_t t[8] = {0};
    for (int i = 0; i < 4; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < 4; j++) {
            uint128 s = (uint128)a->word[i] * b->word[j] + t[i + j] + carry;
            t[i + j] = (uint64_t)s;
            carry = (uint64_t)(s >> 64);
        }
        t[i + 4] = carry;
    }
    field_reduce(result, t);
}

INLINE void field_square(number *result, const number *a) {
    field_multiply(result, a, a);
}

INLINE void field_add(number *result, const number *a, const number *b) {
    *result = add_modulo(a, b, &P);
}

INLINE void field_subtract(number *result, const number *a, const number *b) {
    *result = subtract_modulo(a, b, &P);
}
