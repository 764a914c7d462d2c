/* Inversion by division steps (Bernstein and Yang, "Fast constant-time gcd computation and modular inversion", 2019),
 * in the variant that starts at delta = 1/2: 590 steps are enough for 256 bits, whatever the number.
 *
 * The steps look only at the lowest bits of f and g, so ten times 59 of them are made on single words, which gives
 * a matrix of words to apply to f, g and to the coefficients d, e. Numbers are here five signed digits of 62 bits. */
#ifndef VUKEY_INVERSE_H
#define VUKEY_INVERSE_H

#include "number.h"

#define DIGIT_BITS 62
#define DIGIT_MASK (UINT64_MAX >> (64 - DIGIT_BITS))
#define STEPS 59
#define ROUNDS 10

typedef struct {
    int64_t digit[5];
} digits;

typedef struct {
    digits value;
    uint64_t inverse; /* of the modulus, modulo 2^62 */
} modulus62;

/* 2^62 times what 59 division steps do to (f, g). */
typedef struct {
    int64_t ff, fg, gf, gg;
} matrix;

static inline digits to_digits(const number *a) {
    const uint64_t *w = a->word;
    return (digits){{
        (int64_t)(w[0] & DIGIT_MASK),
        (int64_t)((w[0] >> 62 | w[1] << 2) & DIGIT_MASK),
        (int64_t)((w[1] >> 60 | w[2] << 4) & DIGIT_MASK),
        (int64_t)((w[2] >> 58 | w[3] << 6) & DIGIT_MASK),
        (int64_t)(w[3] >> 56),
    }};
}

static inline number from_digits(const digits *a) {
    const int64_t *d = a->digit;
    return (number){{
        (uint64_t)d[0] | (uint64_t)d[1] << 62,
        (uint64_t)d[1] >> 2 | (uint64_t)d[2] << 60,
        (uint64_t)d[2] >> 4 | (uint64_t)d[3] << 58,
        (uint64_t)d[3] >> 6 | (uint64_t)d[4] << 56,
    }};
}

/* 59 steps on the lowest words. `zeta` is -(delta + 1/2); a matrix that starts at 8 = 2^(62-59) ends scaled by 2^62. */
static inline int64_t divide_steps(int64_t zeta, uint64_t f, uint64_t g, matrix *result) {
    uint64_t ff = 8, fg = 0, gf = 0, gg = 8;
    for (int i = 0; i < STEPS; i++) {
        uint64_t swap = (uint64_t)(zeta >> 63); /* delta > 0 */
        uint64_t odd = mask_of(g & 1);
        /* g ± f when g is odd: minus where the two change places. */
        g += ((f ^ swap) - swap) & odd;
        gf += ((ff ^ swap) - swap) & odd;
        gg += ((fg ^ swap) - swap) & odd;
        swap &= odd;
        zeta = (int64_t)((uint64_t)zeta ^ swap) - 1;
        f += g & swap;
        ff += gf & swap;
        fg += gg & swap;
        g >>= 1;
        ff <<= 1;
        fg <<= 1;
    }
    *result = (matrix){(int64_t)ff, (int64_t)fg, (int64_t)gf, (int64_t)gg};
    return zeta;
}

/* (f, g) times the matrix; the division by 2^62 leaves no rest. */
static inline void apply_to_values(const matrix *m, digits *f, digits *g) {
    int128 cf = (int128)m->ff * f->digit[0] + (int128)m->fg * g->digit[0];
    int128 cg = (int128)m->gf * f->digit[0] + (int128)m->gg * g->digit[0];
    cf >>= DIGIT_BITS;
    cg >>= DIGIT_BITS;
    for (int i = 1; i < 5; i++) {
        cf += (int128)m->ff * f->digit[i] + (int128)m->fg * g->digit[i];
        cg += (int128)m->gf * f->digit[i] + (int128)m->gg * g->digit[i];
        f->digit[i - 1] = (int64_t)((uint64_t)cf & DIGIT_MASK);
        g->digit[i - 1] = (int64_t)((uint64_t)cg & DIGIT_MASK);
        cf >>= DIGIT_BITS;
        cg >>= DIGIT_BITS;
    }
    f->digit[4] = (int64_t)cf;
    g->digit[4] = (int64_t)cg;
}

/* The same for the coefficients, modulo the modulus: the multiple of it is added that makes the low digit zero.
 * Both stay between -2·modulus and modulus: what is negative first gets the modulus once. */
static inline void apply_to_coefficients(const matrix *m, digits *d, digits *e, const modulus62 *modulus) {
    int64_t d_negative = d->digit[4] >> 63, e_negative = e->digit[4] >> 63;
    int64_t times_d = (m->ff & d_negative) + (m->fg & e_negative);
    int64_t times_e = (m->gf & d_negative) + (m->gg & e_negative);
    int128 cd = (int128)m->ff * d->digit[0] + (int128)m->fg * e->digit[0];
    int128 ce = (int128)m->gf * d->digit[0] + (int128)m->gg * e->digit[0];
    times_d -= (int64_t)((modulus->inverse * (uint64_t)cd + (uint64_t)times_d) & DIGIT_MASK);
    times_e -= (int64_t)((modulus->inverse * (uint64_t)ce + (uint64_t)times_e) & DIGIT_MASK);
    cd += (int128)modulus->value.digit[0] * times_d;
    ce += (int128)modulus->value.digit[0] * times_e;
    cd >>= DIGIT_BITS;
    ce >>= DIGIT_BITS;
    for (int i = 1; i < 5; i++) {
        cd += (int128)m->ff * d->digit[i] + (int128)m->fg * e->digit[i] + (int128)modulus->value.digit[i] * times_d;
        ce += (int128)m->gf * d->digit[i] + (int128)m->gg * e->digit[i] + (int128)modulus->value.digit[i] * times_e;
        d->digit[i - 1] = (int64_t)((uint64_t)cd & DIGIT_MASK);
        e->digit[i - 1] = (int64_t)((uint64_t)ce & DIGIT_MASK);
        cd >>= DIGIT_BITS;
        ce >>= DIGIT_BITS;
    }
    d->digit[4] = (int64_t)cd;
    e->digit[4] = (int64_t)ce;
}

static inline void add_if_negative(digits *a, const digits *modulus) {
    int64_t negative = a->digit[4] >> 63;
    for (int i = 0; i < 5; i++) a->digit[i] += modulus->digit[i] & negative;
}

static inline void carry_digits(digits *a) {
    for (int i = 0; i < 4; i++) {
        a->digit[i + 1] += a->digit[i] >> DIGIT_BITS;
        a->digit[i] = (int64_t)((uint64_t)a->digit[i] & DIGIT_MASK);
    }
}

/* a^-1 modulo the modulus; 0 for 0. */
static inline number invert(const number *a, const modulus62 *modulus) {
    digits f = modulus->value, g = to_digits(a), d = {{0}}, e = {{1}};
    int64_t zeta = -1;
    for (int i = 0; i < ROUNDS; i++) {
        matrix m;
        zeta = divide_steps(zeta, (uint64_t)f.digit[0] | (uint64_t)f.digit[1] << 62,
                            (uint64_t)g.digit[0] | (uint64_t)g.digit[1] << 62, &m);
        apply_to_coefficients(&m, &d, &e, modulus);
        apply_to_values(&m, &f, &g);
    }
    /* Now g = 0 and f = ±1, and d = ±a^-1 with the same sign. */
    int64_t negate = f.digit[4] >> 63;
    add_if_negative(&d, &modulus->value);
    for (int i = 0; i < 5; i++) d.digit[i] = (d.digit[i] ^ negate) - negate;
    carry_digits(&d);
    add_if_negative(&d, &modulus->value);
    carry_digits(&d);
    return from_digits(&d);
}

#endif
