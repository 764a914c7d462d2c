/* The choice of the engine, the comb's one copy, keys, and what Python calls. */
#define _POSIX_C_SOURCE 200809L
#include "core.h"

#include <pthread.h>
#include <stddef.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "scalar.h"

__attribute__((aligned(64))) affine sm2_comb[COMB_WINDOWS][COMB_ENTRIES];

#if defined(__x86_64__)
static int has_adx(void) {
    unsigned eax, ebx, ecx, edx;
    const unsigned needed = bit_BMI2 | bit_ADX;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return 0;
    return (ebx & needed) == needed && __builtin_cpu_supports("avx2"); /* which asks the kernel too */
}

const sm2_engine *sm2_engine_with(int adx) {
    if (!adx) return &sm2_plain;
    return has_adx() ? &sm2_adx : NULL;
}
#else
const sm2_engine *sm2_engine_with(int adx) {
    return adx ? NULL : &sm2_plain;
}
#endif

static void build_comb(void) {
    const sm2_engine *engine = sm2_engine_with(1);
    (engine ? engine : &sm2_plain)->build_comb(sm2_comb);
}

static void prepare(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, build_comb);
}

/* Overwrites what the frames below the caller's have left there: they are less deep. Whatever has a secret in its own
 * frame is therefore a function of its own, which is never inlined. */
#define DEPTH 4096
#define SEPARATE static __attribute__((noinline))

SEPARATE void wipe_stack(void) {
    uint8_t below[DEPTH];
    wipe(below, sizeof below);
}

SEPARATE int load_key(sm2_key *key, const uint8_t d[32]) {
    static const number one = {{1, 0, 0, 0}};
    number successor;
    key->d = from_bytes(d);
    (void)add(&successor, &key->d, &one);
    key->inverse = scalar_invert(&successor);
    return (int)(is_scalar(&key->d) & is_scalar(&successor));
}

int sm2_load_key(sm2_key *key, const uint8_t d[32]) {
    int done = load_key(key, d);
    wipe_stack();
    return done;
}

void sm2_wipe_key(sm2_key *key) {
    wipe(key, sizeof *key);
}

SEPARATE void encode_key(const sm2_key *key, uint8_t *d) {
    to_bytes(d, &key->d);
}

void sm2_encode_key(const sm2_key *key, uint8_t *d) {
    encode_key(key, d);
    wipe_stack();
}

int sm2_is_on_curve(const sm2_engine *engine, const uint8_t *point) {
    return engine->is_on_curve(point);
}

int sm2_multiply_base(const sm2_engine *engine, const uint8_t *k, uint8_t *result) {
    prepare();
    int done = engine->multiply_base(k, result);
    wipe_stack();
    return done;
}

int sm2_multiply(const sm2_engine *engine, const uint8_t *k, const uint8_t *point, uint8_t *result) {
    int done = engine->multiply(k, point, result);
    wipe_stack();
    return done;
}

SEPARATE int multiply_by_key(const sm2_engine *engine, const sm2_key *key, const uint8_t *point, uint8_t *result) {
    uint8_t d[32];
    to_bytes(d, &key->d);
    return engine->multiply(d, point, result);
}

int sm2_multiply_by_key(const sm2_engine *engine, const sm2_key *key, const uint8_t *point, uint8_t *result) {
    int done = multiply_by_key(engine, key, point, result);
    wipe_stack();
    return done;
}

int sm2_agree(const sm2_engine *engine, const sm2_key *key, const uint8_t *temporary, const uint8_t *own_temporary,
              const uint8_t *peer, const uint8_t *peer_temporary, uint8_t *result) {
    int done = engine->agree(key, temporary, own_temporary, peer, peer_temporary, result);
    wipe_stack();
    return done;
}

int sm2_sign(const sm2_engine *engine, const sm2_key *key, const uint8_t *digest, const uint8_t *nonce,
             char *signature) {
    prepare();
    int done = engine->sign(key, digest, nonce, (uint8_t *)signature);
    wipe_stack();
    return done;
}

int sm2_verify(const sm2_engine *engine, const uint8_t *point, const uint8_t *digest, const uint8_t *signature) {
    prepare();
    return engine->verify(point, digest, signature);
}
