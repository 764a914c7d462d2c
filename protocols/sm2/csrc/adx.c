/* The engine for x86-64 with BMI2, ADX and AVX2. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "field_adx.h"

#include "core.h"

__attribute__((target("avx2"))) static void scan(affine *result, const affine *table, uint64_t count, uint64_t index) {
    const __m256i wanted = _mm256_set1_epi64x((long long)index), one = _mm256_set1_epi64x(1);
    __m256i at = _mm256_setzero_si256(), x = at, y = at;
    for (uint64_t i = 0; i < count; i++) {
        const __m256i mask = _mm256_cmpeq_epi64(at, wanted);
        x = _mm256_or_si256(x, _mm256_and_si256(mask, _mm256_loadu_si256((const __m256i *)&table[i].x)));
        y = _mm256_or_si256(y, _mm256_and_si256(mask, _mm256_loadu_si256((const __m256i *)&table[i].y)));
        at = _mm256_add_epi64(at, one);
    }
    _mm256_storeu_si256((__m256i *)&result->x, x);
    _mm256_storeu_si256((__m256i *)&result->y, y);
}

#include "scheme.h"

const sm2_engine sm2_adx = ENGINE;
#endif
