/* What Python calls, and what lies between the variants of the code and the choice among them. */
#ifndef VUKEY_CORE_H
#define VUKEY_CORE_H

#include "number.h"

/* The comb: 37 windows of 7 bits, and of each the odd multiples (1, 3, .. 127)·2^(7i)·G. */
#define COMB_WIDTH 7
#define COMB_WINDOWS 37
#define COMB_ENTRIES (1 << (COMB_WIDTH - 1))

typedef struct {
    number x, y;
} affine;

extern affine sm2_comb[COMB_WINDOWS][COMB_ENTRIES];

/* A private key, as sm2_load_key makes it. */
typedef struct {
    number d;
    number inverse; /* (1+d)^-1·R modulo n */
} sm2_key;

/* The same code for one kind of processor. Every int is 1 for done, 0 for no usable scalar or the point at infinity,
 * -1 for a foreign point that is none. */
typedef struct {
    void (*build_comb)(affine table[COMB_WINDOWS][COMB_ENTRIES]);
    int (*is_on_curve)(const uint8_t point[64]);
    int (*multiply_base)(const uint8_t k[32], uint8_t result[64]);
    int (*multiply)(const uint8_t k[32], const uint8_t point[64], uint8_t result[64]);
    int (*agree)(const sm2_key *key, const uint8_t temporary[32], const uint8_t own_temporary[64],
                 const uint8_t peer[64], const uint8_t peer_temporary[64], uint8_t result[64]);
    int (*sign)(const sm2_key *key, const uint8_t digest[32], const uint8_t nonce[32], uint8_t signature[64]);
    int (*verify)(const uint8_t point[64], const uint8_t digest[32], const uint8_t signature[64]);
} sm2_engine;

extern const sm2_engine sm2_plain;
extern const sm2_engine sm2_adx;

/* The engine for BMI2, ADX and AVX2 or the plain one; NULL when this processor has not all three. */
const sm2_engine *sm2_engine_with(int adx);

/* 0 when d does not lie between 1 and n - 2. */
int sm2_load_key(sm2_key *key, const uint8_t d[32]);
void sm2_wipe_key(sm2_key *key);

/* What the engine does, with the comb at hand, and nothing left on the stack. */
int sm2_is_on_curve(const sm2_engine *engine, const uint8_t *point);
int sm2_multiply_base(const sm2_engine *engine, const uint8_t *k, uint8_t *result);
int sm2_multiply(const sm2_engine *engine, const uint8_t *k, const uint8_t *point, uint8_t *result);
int sm2_agree(const sm2_engine *engine, const sm2_key *key, const uint8_t *temporary, const uint8_t *own_temporary,
              const uint8_t *peer, const uint8_t *peer_temporary, uint8_t *result);
int sm2_sign(const sm2_engine *engine, const sm2_key *key, const uint8_t *digest, const uint8_t *nonce,
             char *signature);
int sm2_verify(const sm2_engine *engine, const uint8_t *point, const uint8_t *digest, const uint8_t *signature);
int sm2_multiply_by_key(const sm2_engine *engine, const sm2_key *key, const uint8_t *point, uint8_t *result);
void sm2_encode_key(const sm2_key *key, uint8_t *d);

#endif
