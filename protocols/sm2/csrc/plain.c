/* The engine for any processor. */
#include "field_plain.h"

#include "core.h"

/* SSE2 or NEON. */
typedef uint64_t pair __attribute__((vector_size(16)));

static void scan(affine *result, const affine *table, uint64_t count, uint64_t index) {
    pair found[4] = {{0}}, entry[4];
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t word = mask_of(word_is_zero(i ^ index));
        const pair mask = {word, word};
        memcpy(entry, &table[i], sizeof entry);
        for (int j = 0; j < 4; j++) found[j] |= entry[j] & mask;
    }
    memcpy(result, found, sizeof found);
}

#include "scheme.h"

const sm2_engine sm2_plain = ENGINE;
