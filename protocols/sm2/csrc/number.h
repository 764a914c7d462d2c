/* 256-bit numbers: four words, the lowest first. Nothing here branches on a value or indexes by one. */
#ifndef VUKEY_NUMBER_H
#define VUKEY_NUMBER_H

#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if !defined(__SIZEOF_INT128__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ || UINTPTR_MAX != UINT64_MAX
#error "vukey's SM2 core is for 64-bit little-endian machines; others run on Python's integers"
#endif

typedef unsigned __int128 uint128;
typedef __int128 int128;

typedef struct {
    uint64_t word[4];
} number;

/* The compiler forgets what it knows of the value, and so cannot make a branch of it. */
static inline uint64_t opaque(uint64_t value) {
    __asm__("" : "+r"(value));
    return value;
}

/* All ones for a bit of 1, zero for 0. */
static inline uint64_t mask_of(uint64_t bit) {
    return 0 - opaque(bit);
}

/* 1 for zero, else 0. */
static inline uint64_t word_is_zero(uint64_t value) {
    return 1 ^ ((value | (0 - value)) >> 63);
}

static inline uint64_t is_zero(const number *a) {
    return word_is_zero(a->word[0] | a->word[1] | a->word[2] | a->word[3]);
}

static inline uint64_t is_equal(const number *a, const number *b) {
    uint64_t difference = 0;
    for (int i = 0; i < 4; i++) difference |= a->word[i] ^ b->word[i];
    return word_is_zero(difference);
}

/* a where the mask is all ones, else b. */
static inline number choose(uint64_t mask, const number *a, const number *b) {
    number result;
    for (int i = 0; i < 4; i++) result.word[i] = b->word[i] ^ (mask & (a->word[i] ^ b->word[i]));
    return result;
}

/* a + b + carry and a - b - borrow; the carry is 0 or 1. gcc 12 makes no chain of carries of the C below. */
#if defined(__x86_64__)
typedef unsigned char carry_bit;

static inline uint64_t add_word(carry_bit *carry, uint64_t a, uint64_t b) {
    unsigned long long sum;
    *carry = _addcarry_u64(*carry, a, b, &sum);
    return sum;
}

static inline uint64_t subtract_word(carry_bit *borrow, uint64_t a, uint64_t b) {
    unsigned long long difference;
    *borrow = _subborrow_u64(*borrow, a, b, &difference);
    return difference;
}
#else
typedef uint64_t carry_bit;

static inline uint64_t add_word(carry_bit *carry, uint64_t a, uint64_t b) {
    uint128 sum = (uint128)a + b + *carry;
    *carry = (uint64_t)(sum >> 64);
    return (uint64_t)sum;
}

static inline uint64_t subtract_word(carry_bit *borrow, uint64_t a, uint64_t b) {
    uint128 difference = (uint128)a - b - *borrow;
    *borrow = (uint64_t)(difference >> 64) & 1;
    return (uint64_t)difference;
}
#endif

/* The carry out of sum = a + b. */
static inline uint64_t add(number *sum, const number *a, const number *b) {
    carry_bit carry = 0;
    for (int i = 0; i < 4; i++) sum->word[i] = add_word(&carry, a->word[i], b->word[i]);
    return carry;
}

/* The borrow out of difference = a - b: 1 when a < b. */
static inline uint64_t subtract(number *difference, const number *a, const number *b) {
    carry_bit borrow = 0;
    for (int i = 0; i < 4; i++) difference->word[i] = subtract_word(&borrow, a->word[i], b->word[i]);
    return borrow;
}

static inline uint64_t is_below(const number *a, const number *limit) {
    number ignored;
    return subtract(&ignored, a, limit);
}

/* a + carry·2^256, less than 2·modulus, brought below the modulus. */
static inline number reduce_once(const number *a, uint64_t carry, const number *modulus) {
    number less;
    uint64_t borrow = subtract(&less, a, modulus);
    return choose(mask_of(borrow & (carry ^ 1)), a, &less);
}

static inline number add_modulo(const number *a, const number *b, const number *modulus) {
    number sum;
    uint64_t carry = add(&sum, a, b);
    return reduce_once(&sum, carry, modulus);
}

static inline number subtract_modulo(const number *a, const number *b, const number *modulus) {
    number difference, correction;
    uint64_t mask = mask_of(subtract(&difference, a, b));
    for (int i = 0; i < 4; i++) correction.word[i] = modulus->word[i] & mask;
    (void)add(&difference, &difference, &correction);
    return difference;
}

static inline number from_bytes(const uint8_t bytes[32]) {
    number result;
    memcpy(&result, bytes, 32);
    number reversed;
    for (int i = 0; i < 4; i++) reversed.word[i] = __builtin_bswap64(result.word[3 - i]);
    return reversed;
}

static inline void to_bytes(uint8_t bytes[32], const number *a) {
    number reversed;
    for (int i = 0; i < 4; i++) reversed.word[i] = __builtin_bswap64(a->word[3 - i]);
    memcpy(bytes, &reversed, 32);
}

/* The compiler may not leave it out. */
static inline void wipe(void *memory, size_t size) {
    memset(memory, 0, size);
    __asm__ volatile("" : : "r"(memory) : "memory");
}

#endif
