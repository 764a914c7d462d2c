/* The field with x86-64's MULX (BMI2) and its two carry chains ADCX, ADOX (ADX). */
#include "field.h"

/* One step of the reduction that field_plain.h explains: m goes, and comes back as the highest word. */
#define REDUCE(m, a, b, c)                                                                         \
    "movq " m ", %[low]\n\t movq " m ", %[high]\n\t shlq $32, %[low]\n\t shrq $32, %[high]\n\t"    \
    "addq " m ", " a "\n\t adcq $0, " b "\n\t adcq $0, " c "\n\t adcq $0, " m "\n\t"               \
    "subq %[low], " a "\n\t sbbq %[high], " b "\n\t sbbq %[low], " c "\n\t sbbq %[high], " m "\n\t"

/* t0..t7 modulo p to t0..t3. The high half is added after the low half was reduced. */
#define REDUCE_ALL                                                                                 \
    REDUCE("%[t0]", "%[t1]", "%[t2]", "%[t3]")                                                     \
    REDUCE("%[t1]", "%[t2]", "%[t3]", "%[t0]")                                                     \
    REDUCE("%[t2]", "%[t3]", "%[t0]", "%[t1]")                                                     \
    REDUCE("%[t3]", "%[t0]", "%[t1]", "%[t2]")                                                     \
    "movl $0, %k[low]\n\t movabsq $0xFFFFFFFF00000000, %[high]\n\t"                                \
    "addq %[t4], %[t0]\n\t adcq %[t5], %[t1]\n\t adcq %[t6], %[t2]\n\t adcq %[t7], %[t3]\n\t"      \
    "adcq $0, %[low]\n\t"                                                                          \
    "movq %[t0], %[t4]\n\t movq %[t1], %[t5]\n\t movq %[t2], %[t6]\n\t movq %[t3], %[t7]\n\t"      \
    "subq $-1, %[t4]\n\t sbbq %[high], %[t5]\n\t movabsq $0xFFFFFFFEFFFFFFFF, %[high]\n\t"         \
    "sbbq $-1, %[t6]\n\t sbbq %[high], %[t7]\n\t sbbq $0, %[low]\n\t"                              \
    "cmovncq %[t4], %[t0]\n\t cmovncq %[t5], %[t1]\n\t cmovncq %[t6], %[t2]\n\t cmovncq %[t7], %[t3]\n\t"

#define PRODUCT_REGISTERS                                                                          \
    [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4), [t5] "=&r"(t5), \
        [t6] "=&r"(t6), [t7] "=&r"(t7), [low] "=&r"(low), [high] "=&r"(high)

/* One row: a's word times b, added to five words of the product. */
#define ROW(offset, r0, r1, r2, r3, r4)                                                            \
    "xorl %k[low], %k[low]\n\t movq " offset "(%[a]), %%rdx\n\t"                                   \
    "mulxq (%[b]), %[low], %[high]\n\t adcxq %[low], " r0 "\n\t adoxq %[high], " r1 "\n\t"         \
    "mulxq 8(%[b]), %[low], %[high]\n\t adcxq %[low], " r1 "\n\t adoxq %[high], " r2 "\n\t"        \
    "mulxq 16(%[b]), %[low], %[high]\n\t adcxq %[low], " r2 "\n\t adoxq %[high], " r3 "\n\t"       \
    "mulxq 24(%[b]), %[low], " r4 "\n\t adcxq %[low], " r3 "\n\t movl $0, %k[low]\n\t"             \
    "adoxq %[low], " r4 "\n\t adcxq %[low], " r4 "\n\t"

INLINE void field_multiply(number *result, const number *a, const number *b) {
    uint64_t t0, t1, t2, t3, t4, t5, t6, t7, low, high;
    __asm__("movq (%[a]), %%rdx\n\t"
            "mulxq (%[b]), %[t0], %[t1]\n\t"
            "mulxq 8(%[b]), %[low], %[t2]\n\t addq %[low], %[t1]\n\t"
            "mulxq 16(%[b]), %[low], %[t3]\n\t adcq %[low], %[t2]\n\t"
            "mulxq 24(%[b]), %[low], %[t4]\n\t adcq %[low], %[t3]\n\t adcq $0, %[t4]\n\t"
            ROW("8", "%[t1]", "%[t2]", "%[t3]", "%[t4]", "%[t5]")
            ROW("16", "%[t2]", "%[t3]", "%[t4]", "%[t5]", "%[t6]")
            ROW("24", "%[t3]", "%[t4]", "%[t5]", "%[t6]", "%[t7]")
            REDUCE_ALL
            : PRODUCT_REGISTERS
            : [a] "r"(a), [b] "r"(b), "m"(*a), "m"(*b)
            : "rdx", "cc");
    *result = (number){{t0, t1, t2, t3}};
}

INLINE void field_square(number *result, const number *a) {
    uint64_t t0, t1, t2, t3, t4, t5, t6, t7, low, high;
    __asm__(/* the products of different words */
            "movq (%[a]), %%rdx\n\t xorl %k[t7], %k[t7]\n\t"
            "mulxq 8(%[a]), %[t1], %[t2]\n\t"
            "mulxq 16(%[a]), %[low], %[t3]\n\t adcxq %[low], %[t2]\n\t"
            "mulxq 24(%[a]), %[low], %[t4]\n\t adcxq %[low], %[t3]\n\t"
            "movq 8(%[a]), %%rdx\n\t"
            "mulxq 16(%[a]), %[low], %[high]\n\t adcxq %[t7], %[t4]\n\t"
            "adoxq %[low], %[t3]\n\t adoxq %[high], %[t4]\n\t"
            "mulxq 24(%[a]), %[low], %[t5]\n\t adcxq %[low], %[t4]\n\t adoxq %[t7], %[t5]\n\t"
            "movq 16(%[a]), %%rdx\n\t"
            "mulxq 24(%[a]), %[low], %[t6]\n\t adcxq %[low], %[t5]\n\t adcxq %[t7], %[t6]\n\t"
            /* twice those, and the squares */
            "movq (%[a]), %%rdx\n\t xorl %k[t7], %k[t7]\n\t"
            "mulxq %%rdx, %[t0], %[high]\n\t adoxq %[t1], %[t1]\n\t adcxq %[high], %[t1]\n\t"
            "movq 8(%[a]), %%rdx\n\t"
            "mulxq %%rdx, %[low], %[high]\n\t adoxq %[t2], %[t2]\n\t adcxq %[low], %[t2]\n\t"
            "adoxq %[t3], %[t3]\n\t adcxq %[high], %[t3]\n\t"
            "movq 16(%[a]), %%rdx\n\t"
            "mulxq %%rdx, %[low], %[high]\n\t adoxq %[t4], %[t4]\n\t adcxq %[low], %[t4]\n\t"
            "adoxq %[t5], %[t5]\n\t adcxq %[high], %[t5]\n\t"
            "movq 24(%[a]), %%rdx\n\t"
            "mulxq %%rdx, %[low], %[high]\n\t adoxq %[t6], %[t6]\n\t adcxq %[low], %[t6]\n\t"
            "adoxq %[t7], %[t7]\n\t adcxq %[high], %[t7]\n\t"
            REDUCE_ALL
            : PRODUCT_REGISTERS
            : [a] "r"(a), "m"(*a)
            : "rdx", "cc");
    *result = (number){{t0, t1, t2, t3}};
}

INLINE void field_add(number *result, const number *a, const number *b) {
    uint64_t t0 = a->word[0], t1 = a->word[1], t2 = a->word[2], t3 = a->word[3], s0, s1, s2, s3, carry;
    __asm__("xorl %k[carry], %k[carry]\n\t"
            "addq %[b0], %[t0]\n\t adcq %[b1], %[t1]\n\t adcq %[b2], %[t2]\n\t adcq %[b3], %[t3]\n\t"
            "adcq $0, %[carry]\n\t"
            "movq %[t0], %[s0]\n\t movq %[t1], %[s1]\n\t movq %[t2], %[s2]\n\t movq %[t3], %[s3]\n\t"
            "subq $-1, %[s0]\n\t sbbq %[p1], %[s1]\n\t sbbq $-1, %[s2]\n\t sbbq %[p3], %[s3]\n\t"
            "sbbq $0, %[carry]\n\t"
            "cmovncq %[s0], %[t0]\n\t cmovncq %[s1], %[t1]\n\t cmovncq %[s2], %[t2]\n\t cmovncq %[s3], %[t3]\n\t"
            : [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3), [s0] "=&r"(s0), [s1] "=&r"(s1),
              [s2] "=&r"(s2), [s3] "=&r"(s3), [carry] "=&r"(carry)
            : [b0] "m"(b->word[0]), [b1] "m"(b->word[1]), [b2] "m"(b->word[2]), [b3] "m"(b->word[3]),
              [p1] "rm"(P.word[1]), [p3] "rm"(P.word[3])
            : "cc");
    *result = (number){{t0, t1, t2, t3}};
}

INLINE void field_subtract(number *result, const number *a, const number *b) {
    uint64_t t0 = a->word[0], t1 = a->word[1], t2 = a->word[2], t3 = a->word[3], mask;
    uint64_t p1 = P.word[1], p3 = P.word[3];
    __asm__("subq %[b0], %[t0]\n\t sbbq %[b1], %[t1]\n\t sbbq %[b2], %[t2]\n\t sbbq %[b3], %[t3]\n\t"
            "sbbq %[mask], %[mask]\n\t"
            "andq %[mask], %[p1]\n\t andq %[mask], %[p3]\n\t"
            "addq %[mask], %[t0]\n\t adcq %[p1], %[t1]\n\t adcq %[mask], %[t2]\n\t adcq %[p3], %[t3]\n\t"
            : [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3), [p1] "+&r"(p1), [p3] "+&r"(p3),
              [mask] "=&r"(mask)
            : [b0] "m"(b->word[0]), [b1] "m"(b->word[1]), [b2] "m"(b->word[2]), [b3] "m"(b->word[3])
            : "cc");
    *result = (number){{t0, t1, t2, t3}};
}
