/* Runs the core under valgrind with its secrets marked undefined: memcheck then complains about every branch and every
 * index that depends on one. Only what leaves the core as its answer is declared defined again.
 *
 * Arguments: plain or adx, then a secret operation or `verify`, whose time may depend on what it gets.
 * A third one, `stack`, for a run without valgrind: exits with 6 when the operation left a word of d, of (1+d)^-1 or of
 * the nonce on the stack; `unwiped` is an operation that does. */
#include <string.h>
#include <valgrind/memcheck.h>

#include "core.h"

static const sm2_engine *engine;
static sm2_key key;
static uint8_t d[32], nonce[32], digest[32], own[64], peer[64], result[64];

static int answer(int done) {
    VALGRIND_MAKE_MEM_DEFINED(&done, sizeof done);
    VALGRIND_MAKE_MEM_DEFINED(result, sizeof result);
    return done;
}

static int load(void) {
    return answer(sm2_load_key(&key, d));
}

static int encode(void) {
    uint8_t encoded[32];
    sm2_encode_key(&key, encoded);
    wipe(encoded, sizeof encoded);
    return 1;
}

static int sign(void) {
    return answer(sm2_sign(engine, &key, digest, nonce, (char *)result));
}

static int multiply_base(void) {
    return answer(sm2_multiply_base(engine, nonce, result));
}

static int multiply(void) {
    return answer(sm2_multiply(engine, nonce, peer, result));
}

static int multiply_by_key(void) {
    return answer(sm2_multiply_by_key(engine, &key, peer, result));
}

static int agree(void) {
    return answer(sm2_agree(engine, &key, nonce, own, peer, own, result));
}

/* Signs behind the back of what wipes the stack. */
static int unwiped(void) {
    return engine->sign(&key, digest, nonce, result);
}

static int verify(void) {
    VALGRIND_MAKE_MEM_UNDEFINED(result, sizeof result);
    (void)answer(sm2_verify(engine, peer, digest, result));
    return 1;
}

static const struct {
    const char *name;
    int (*run)(void);
} operations[] = {
    {"load", load},
    {"encode", encode},
    {"sign", sign},
    {"multiply_base", multiply_base},
    {"multiply", multiply},
    {"multiply_by_key", multiply_by_key},
    {"agree", agree},
    {"unwiped", unwiped},
    {"verify", verify},
};

#define STACK 65536

static __attribute__((noinline)) void paint(void) {
    uint8_t below[STACK];
    wipe(below, sizeof below);
}

static int holds(const uint8_t *memory, const void *secret) {
    for (size_t at = 0; at + 8 <= STACK; at += 8)
        for (int i = 0; i < 32; i += 8)
            if (!memcmp(memory + at, (const uint8_t *)secret + i, 8)) return 1;
    return 0;
}

static __attribute__((noinline)) int stack_holds_a_secret(void) {
    uint8_t below[STACK];
    __asm__ volatile("" : : "r"(below) : "memory"); /* as if something had been written there */
    number k = from_bytes(nonce);
    return holds(below, &key.d) || holds(below, &key.inverse) || holds(below, &k) || holds(below, d) ||
           holds(below, nonce);
}

int main(int count, char **arguments) {
    if (count < 3) return 2;
#if defined(__x86_64__)
    engine = strcmp(arguments[1], "adx") ? &sm2_plain : &sm2_adx; /* valgrind hides ADX from cpuid, but knows it */
#else
    engine = &sm2_plain;
#endif
    for (int i = 0; i < 32; i++) {
        d[i] = (uint8_t)(37 * i + 1);
        nonce[i] = (uint8_t)(101 * i + 7);
        digest[i] = (uint8_t)(59 * i + 3);
    }
    if (!sm2_multiply_base(engine, digest, own) || !sm2_multiply_base(engine, nonce, peer)) return 3;
    VALGRIND_MAKE_MEM_UNDEFINED(d, sizeof d);
    VALGRIND_MAKE_MEM_UNDEFINED(nonce, sizeof nonce);
    if (!load()) return 4;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (strcmp(operations[i].name, arguments[2])) continue;
        paint();
        if (!operations[i].run()) return 5;
        return count == 4 && stack_holds_a_secret() ? 6 : 0;
    }
    return 2;
}
