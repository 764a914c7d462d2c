/* Points of y^2 = x^3 - 3x + b. Formulas: hyperelliptic.org/EFD (madd-2008-s, dbl-2001-b, madd).
 *
 * What multiplies by a secret takes a scalar as signed digits that are all odd: an odd k below 2^L is
 * Σ ±2^i over the bits i < L, where bit i + 1 of k tells the sign of 2^i (bit L counts as 1). A window of w such signs
 * is an odd digit between -(2^w - 1) and 2^w - 1, never 0, and one of 2^(w-1) multiples or its negative. For an even k
 * the digits of n - k are taken and the result is negated. So no addition meets the point at infinity. Going from the
 * highest window down, the sum S so far is an odd multiple of the next digit's 2^w, thus larger than the digit c, and
 * below n: S = ±c or S = ±c ± n is impossible above the last window (all are even multiples of its unit, n is odd),
 * and at the last one S + c = k is no multiple of n, while S - c = n asks for an odd multiple n + c of 2^w with
 * c negative: n mod 2^w has to be |c|. For w = 7 that is |c| = 35 and n - 35 = 0x..4100, an even multiple of 128;
 * for w = 4 it is |c| = 3 and n - 3 = 0x..4120, an even multiple of 16. (For w = 5 it would happen: k = n - 6.)
 * Hence the incomplete additions are right for every k from 1 to n - 1. */
#ifndef VUKEY_CURVE_H
#define VUKEY_CURVE_H

#include "core.h"
#include "scalar.h"

/* x = X/Z^2, y = Y/Z^3; Z = 0 is the point at infinity. */
typedef struct {
    number x, y, z;
} jacobian;

/* x = X/ZZ, y = Y/ZZZ with ZZ^3 = ZZZ^2: cheaper to add to, dearer to double. */
typedef struct {
    number x, y, zz, zzz;
} extended;

INLINE void field_double(number *result, const number *a) {
    field_add(result, a, a);
}

INLINE void field_halve(number *result, const number *a) {
    number even, p = P;
    uint64_t mask = mask_of(a->word[0] & 1);
    for (int i = 0; i < 4; i++) p.word[i] &= mask;
    uint64_t carry = add(&even, a, &p);
    for (int i = 0; i < 3; i++) result->word[i] = even.word[i] >> 1 | even.word[i + 1] << 63;
    result->word[3] = even.word[3] >> 1 | carry << 63;
}

/* a^-1·R for a·R. */
static number field_invert(const number *a) {
    number inverse = invert(a, &P_DIGITS);
    field_multiply(&inverse, &inverse, &P_R3);
    return inverse;
}

INLINE number to_field(const number *a) {
    number result;
    field_multiply(&result, a, &P_R2);
    return result;
}

INLINE number from_field(const number *a) {
    static const number one = {{1, 0, 0, 0}};
    number result;
    field_multiply(&result, a, &one);
    return result;
}

/* y becomes p - y where the mask is all ones; y is not 0 on this curve, whose order is odd. */
INLINE void negate_if(uint64_t mask, number *y) {
    number negated;
    (void)subtract(&negated, &P, y);
    *y = choose(mask, &negated, y);
}

/* In the order that keeps a processor's multiplier busy: neighbours seldom wait for each other. */
static void double_point(jacobian *result, const jacobian *a) {
    number zz, twice_y, four_yy, four_xyy, slope, t, sum;
    field_square(&zz, &a->z);
    field_double(&twice_y, &a->y);
    field_square(&four_yy, &twice_y);
    field_subtract(&t, &a->x, &zz);
    field_add(&sum, &a->x, &zz);
    field_multiply(&t, &t, &sum);
    field_multiply(&four_xyy, &four_yy, &a->x);
    field_double(&slope, &t);
    field_add(&slope, &slope, &t);
    field_multiply(&result->z, &twice_y, &a->z);
    field_square(&result->x, &slope);
    field_square(&t, &four_yy);
    field_double(&sum, &four_xyy);
    field_subtract(&result->x, &result->x, &sum);
    field_subtract(&four_xyy, &four_xyy, &result->x);
    field_multiply(&slope, &slope, &four_xyy);
    field_halve(&t, &t);
    field_subtract(&result->y, &slope, &t);
}

/* a + b for a, b not the point at infinity and a ≠ ±b. Otherwise z = 0, and x = 0 tells a = b. */
static void add_point(jacobian *result, const jacobian *a, const affine *b) {
    number zz, h, r, hh, hhh, v, t;
    field_square(&zz, &a->z);
    field_multiply(&r, &b->y, &a->z);
    field_multiply(&h, &b->x, &zz);
    field_multiply(&r, &r, &zz);
    field_subtract(&h, &h, &a->x);
    field_subtract(&r, &r, &a->y);
    field_square(&hh, &h);
    field_square(&t, &r);
    field_multiply(&hhh, &hh, &h);
    field_multiply(&v, &hh, &a->x);
    field_multiply(&result->z, &a->z, &h);
    field_subtract(&t, &t, &hhh);
    field_double(&hh, &v);
    field_subtract(&result->x, &t, &hh);
    field_subtract(&v, &v, &result->x);
    field_multiply(&t, &hhh, &a->y);
    field_multiply(&v, &v, &r);
    field_subtract(&result->y, &v, &t);
}

/* The same for `extended`. */
static void add_to_extended(extended *sum, const affine *b) {
    number u, r, rr, uu, uuu, q, t;
    field_multiply(&u, &b->x, &sum->zz);
    field_multiply(&r, &b->y, &sum->zzz);
    field_subtract(&u, &u, &sum->x);
    field_subtract(&r, &r, &sum->y);
    field_square(&uu, &u);
    field_square(&rr, &r);
    field_multiply(&uuu, &uu, &u);
    field_multiply(&q, &uu, &sum->x);
    field_multiply(&sum->zz, &sum->zz, &uu);
    field_double(&t, &q);
    field_subtract(&rr, &rr, &uuu);
    field_subtract(&sum->x, &rr, &t);
    field_subtract(&q, &q, &sum->x);
    field_multiply(&t, &sum->y, &uuu);
    field_multiply(&q, &q, &r);
    field_multiply(&sum->zzz, &sum->zzz, &uuu);
    field_subtract(&sum->y, &q, &t);
}

/* a + b for any two points; for public ones, since it branches. */
static void add_any(jacobian *sum, const affine *b) {
    jacobian a = *sum;
    if (is_zero(&a.z)) {
        *sum = (jacobian){b->x, b->y, P_R};
        return;
    }
    add_point(sum, &a, b);
    if (is_zero(&sum->z) && is_zero(&sum->x)) double_point(sum, &a);
}

static affine to_affine(const jacobian *a) {
    number inverse = field_invert(&a->z), square;
    affine result;
    field_square(&square, &inverse);
    field_multiply(&result.x, &a->x, &square);
    field_multiply(&square, &square, &inverse);
    field_multiply(&result.y, &a->y, &square);
    return result;
}

/* Many points with one inversion (Montgomery's trick); none is the point at infinity. */
static void all_to_affine(affine *result, const jacobian *points, int count) {
    number inverse = P_R;
    for (int i = 0; i < count; i++) { /* result[i].x: the product of all z before */
        result[i].x = inverse;
        field_multiply(&inverse, &inverse, &points[i].z);
    }
    inverse = field_invert(&inverse);
    for (int i = count - 1; i >= 0; i--) {
        number own, square;
        field_multiply(&own, &inverse, &result[i].x);
        field_multiply(&inverse, &inverse, &points[i].z);
        field_square(&square, &own);
        field_multiply(&result[i].x, &points[i].x, &square);
        field_multiply(&square, &square, &own);
        field_multiply(&result[i].y, &points[i].y, &square);
    }
}

/* step + point for two points of the same z, which is not passed; `step` comes back with the sum's z, and the result
 * is what z has to be multiplied by (Meloni, "New point addition formulae for ECC applications", 2007). */
static number add_same_z(number *step_x, number *step_y, jacobian *sum, const jacobian *point) {
    number factor, square, rise, w, rr;
    field_subtract(&factor, step_x, &point->x);
    field_subtract(&rise, step_y, &point->y);
    field_square(&square, &factor);
    field_square(&rr, &rise);
    field_multiply(&w, &point->x, &square);
    field_multiply(step_x, step_x, &square);
    field_subtract(&square, step_x, &w);
    field_multiply(step_y, step_y, &square);
    field_subtract(&rr, &rr, &w);
    field_subtract(&sum->x, &rr, step_x);
    field_subtract(&w, step_x, &sum->x);
    field_multiply(&w, &w, &rise);
    field_subtract(&sum->y, &w, step_y);
    return factor;
}

/* Q, 3Q, 5Q, .. (2·count - 1)·Q, at most COMB_ENTRIES of them; and 2·count·Q. */
static affine odd_multiples(affine *result, const affine *q, int count) {
    jacobian points[COMB_ENTRIES + 1], twice, same;
    affine normalized[COMB_ENTRIES + 1];
    points[0] = (jacobian){q->x, q->y, P_R};
    double_point(&twice, &points[0]);
    /* Q with the z of 2Q, which is 2y: x·z^2, y·z^3 */
    number square;
    field_square(&square, &twice.z);
    field_multiply(&same.x, &q->x, &square);
    field_multiply(&square, &square, &twice.z);
    field_multiply(&same.y, &q->y, &square);
    same.z = twice.z;
    for (int i = 1; i < count; i++) {
        number factor = add_same_z(&twice.x, &twice.y, &points[i], i == 1 ? &same : &points[i - 1]);
        field_multiply(&points[i].z, i == 1 ? &same.z : &points[i - 1].z, &factor);
    }
    add_point(&points[count], &points[count - 1], q);
    all_to_affine(normalized, points, count + 1);
    memcpy(result, normalized, (size_t)count * sizeof *result);
    return normalized[count];
}

static void build_comb(affine table[COMB_WINDOWS][COMB_ENTRIES]) {
    affine base = {BASE_X, BASE_Y};
    for (int i = 0; i < COMB_WINDOWS; i++) base = odd_multiples(table[i], &base, COMB_ENTRIES);
}

/* A scalar as signs: see the top. */
typedef struct {
    number signs;
    uint64_t was_even; /* a mask */
} signed_scalar;

INLINE signed_scalar to_signs(const number *k) {
    signed_scalar result;
    number complement;
    (void)subtract(&complement, &N, k);
    result.was_even = mask_of((k->word[0] & 1) ^ 1);
    number odd = choose(result.was_even, &complement, k);
    for (int i = 0; i < 3; i++) result.signs.word[i] = odd.word[i] >> 1 | odd.word[i + 1] << 63;
    result.signs.word[3] = odd.word[3] >> 1;
    return result;
}

typedef struct {
    uint64_t index;    /* of the multiple 2·index + 1 */
    uint64_t negative; /* a mask */
} odd_digit;

/* The digit of `width` signs from the bit `at` on; the scalar's highest sign is beyond its words and is plus. */
INLINE odd_digit digit_at(const number *signs, int at, int width, int is_highest) {
    uint64_t bits = signs->word[at / 64] >> (at % 64);
    if (at % 64 + width > 64 && at / 64 < 3) bits |= signs->word[at / 64 + 1] << (64 - at % 64);
    uint64_t half = (uint64_t)1 << (width - 1);
    if (is_highest) bits |= half;
    uint64_t negative = mask_of((bits >> (width - 1) & 1) ^ 1);
    return (odd_digit){(bits ^ negative) & (half - 1), negative};
}

/* ± the multiple that the digit names; every entry of the table is read. */
INLINE affine entry_of(const affine *table, uint64_t count, odd_digit digit) {
    affine entry;
    scan(&entry, table, count, digit.index);
    negate_if(digit.negative, &entry.y);
    return entry;
}

/* The highest window has but three bits beside its sign. */
#define COMB_HIGHEST 8

/* ±k·G, with a mask in `negate`: what remains to be done with y. */
static extended multiply_base(const number *k, uint64_t *negate) {
    signed_scalar scalar = to_signs(k);
    affine entry = entry_of(sm2_comb[COMB_WINDOWS - 1], COMB_HIGHEST,
                            digit_at(&scalar.signs, COMB_WIDTH * (COMB_WINDOWS - 1), COMB_WIDTH, 1));
    extended sum = {entry.x, entry.y, P_R, P_R};
    for (int i = COMB_WINDOWS - 2; i >= 0; i--) {
        entry = entry_of(sm2_comb[i], COMB_ENTRIES, digit_at(&scalar.signs, COMB_WIDTH * i, COMB_WIDTH, 0));
        add_to_extended(&sum, &entry);
    }
    *negate = scalar.was_even;
    return sum;
}

#define WINDOW 5
#define MULTIPLES (1 << (WINDOW - 1))
#define LOWEST_WINDOW 4
#define WINDOWS 51 /* above the lowest: 4 + 51·5 = 259 bits */

/* k·Q, constant-time in k. */
static jacobian multiply_point(const number *k, const affine *q) {
    affine table[MULTIPLES];
    (void)odd_multiples(table, q, MULTIPLES);
    signed_scalar scalar = to_signs(k);
    affine entry =
        entry_of(table, MULTIPLES, digit_at(&scalar.signs, LOWEST_WINDOW + WINDOW * (WINDOWS - 1), WINDOW, 1));
    jacobian sum = {entry.x, entry.y, P_R}, t;
    for (int i = WINDOWS - 2; i >= 0; i--) {
        for (int j = 0; j < WINDOW; j++) double_point(&sum, &sum);
        entry = entry_of(table, MULTIPLES, digit_at(&scalar.signs, LOWEST_WINDOW + WINDOW * i, WINDOW, 0));
        add_point(&t, &sum, &entry);
        sum = t;
    }
    for (int j = 0; j < LOWEST_WINDOW; j++) double_point(&sum, &sum);
    entry = entry_of(table, MULTIPLES, digit_at(&scalar.signs, 0, LOWEST_WINDOW, 0));
    add_point(&t, &sum, &entry);
    negate_if(scalar.was_even, &t.y);
    return t;
}

#define PUBLIC_MULTIPLES 8

/* k as digits that are 0 or odd and less than 2·PUBLIC_MULTIPLES either way, with zeros between (wNAF), the lowest
 * first; how many they are. Branches on k. */
static int to_sparse(int8_t digits[257], number k) {
    int count = 0;
    for (; !is_zero(&k); count++) {
        digits[count] = 0;
        if (k.word[0] & 1) {
            int digit = (int)(k.word[0] % (4 * PUBLIC_MULTIPLES));
            if (digit > 2 * PUBLIC_MULTIPLES) digit -= 4 * PUBLIC_MULTIPLES;
            digits[count] = (int8_t)digit;
            number part = {{(uint64_t)(digit < 0 ? -digit : digit), 0, 0, 0}};
            /* k < n leaves room above: no carry */
            (void)(digit < 0 ? add(&k, &k, &part) : subtract(&k, &k, &part));
        }
        for (int i = 0; i < 3; i++) k.word[i] = k.word[i] >> 1 | k.word[i + 1] << 63;
        k.word[3] >>= 1;
    }
    return count;
}

/* k·Q for a public k below n. */
static jacobian multiply_public(const number *k, const affine *q) {
    affine table[PUBLIC_MULTIPLES];
    int8_t digits[257];
    jacobian sum = {P_R, P_R, {{0}}};
    (void)odd_multiples(table, q, PUBLIC_MULTIPLES);
    for (int i = to_sparse(digits, *k) - 1; i >= 0; i--) {
        double_point(&sum, &sum);
        if (!digits[i]) continue;
        affine entry = table[(digits[i] < 0 ? -digits[i] : digits[i]) / 2];
        negate_if(mask_of(digits[i] < 0), &entry.y);
        add_any(&sum, &entry);
    }
    return sum;
}

/* sum + k·G for a public k, 0 < k < n. */
static void add_public_base_multiple(jacobian *sum, const number *k) {
    signed_scalar scalar = to_signs(k);
    for (int i = COMB_WINDOWS - 1; i >= 0; i--) {
        odd_digit digit = digit_at(&scalar.signs, COMB_WIDTH * i, COMB_WIDTH, i == COMB_WINDOWS - 1);
        affine entry = sm2_comb[i][digit.index];
        negate_if(digit.negative ^ scalar.was_even, &entry.y);
        add_any(sum, &entry);
    }
}

/* Whether both coordinates are below p and the point is on the curve; the point in the field. */
static int parse_point(affine *result, const uint8_t bytes[64]) {
    number x = from_bytes(bytes), y = from_bytes(bytes + 32), left, right;
    if (!is_below(&x, &P) || !is_below(&y, &P)) return 0;
    result->x = x = to_field(&x);
    result->y = y = to_field(&y);
    field_square(&left, &y);
    field_square(&right, &x);
    for (int i = 0; i < 3; i++) field_subtract(&right, &right, &P_R);
    field_multiply(&right, &right, &x);
    field_add(&right, &right, &CURVE_B);
    return (int)is_equal(&left, &right);
}

#endif
