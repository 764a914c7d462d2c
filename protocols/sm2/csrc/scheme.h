/* The algorithms of GB/T 32918 over the curve: what becomes the engine of a variant. */
#include "curve.h"

static void put_point(uint8_t result[64], const affine *point) {
    number x = from_field(&point->x), y = from_field(&point->y);
    to_bytes(result, &x);
    to_bytes(result + 32, &y);
}

/* Leaves nothing in a result that cannot be used. */
static void keep_if(uint64_t bit, uint8_t result[64]) {
    uint8_t mask = (uint8_t)mask_of(bit);
    for (int i = 0; i < 64; i++) result[i] &= mask;
}

static int is_on_curve(const uint8_t point[64]) {
    affine ignored;
    return parse_point(&ignored, point);
}

static int base_multiple(const uint8_t k_bytes[32], uint8_t result[64]) {
    number k = from_bytes(k_bytes), zzz_inverse, t;
    uint64_t negate;
    extended sum = multiply_base(&k, &negate);
    affine point;
    zzz_inverse = field_invert(&sum.zzz);
    field_multiply(&point.y, &sum.y, &zzz_inverse);
    field_multiply(&t, &zzz_inverse, &sum.zz); /* 1/Z */
    field_square(&t, &t);
    field_multiply(&point.x, &sum.x, &t);
    negate_if(negate, &point.y);
    put_point(result, &point);
    uint64_t is_usable = is_scalar(&k);
    keep_if(is_usable, result);
    return (int)is_usable;
}

static int multiple_of(const number *k, const affine *q, uint8_t result[64]) {
    jacobian product = multiply_point(k, q);
    affine point = to_affine(&product);
    put_point(result, &point);
    uint64_t is_usable = is_scalar(k);
    keep_if(is_usable, result);
    return (int)is_usable;
}

static int multiple(const uint8_t k_bytes[32], const uint8_t point[64], uint8_t result[64]) {
    affine q;
    if (!parse_point(&q, point)) return -1;
    number k = from_bytes(k_bytes);
    return multiple_of(&k, &q, result);
}

/* 2^127 + (x mod 2^127). */
static number half_of_x(const uint8_t point[64]) {
    number x = from_bytes(point);
    return (number){{x.word[0], x.word[1] | (uint64_t)1 << 63, 0, 0}};
}

static int agree(const sm2_key *key, const uint8_t temporary[32], const uint8_t own_temporary[64],
                 const uint8_t peer[64], const uint8_t peer_temporary[64], uint8_t result[64]) {
    affine p, q;
    if (!parse_point(&p, peer) || !parse_point(&q, peer_temporary)) return -1;
    number peer_half = half_of_x(peer_temporary);
    jacobian sum = multiply_public(&peer_half, &q);
    add_any(&sum, &p);
    if (is_zero(&sum.z)) return 0;
    affine total = to_affine(&sum);
    number half = half_of_x(own_temporary), r = from_bytes(temporary);
    half = scalar_multiply(&half, &N_R2);
    number t = scalar_multiply(&half, &r);
    t = scalar_add(&t, &key->d);
    return multiple_of(&t, &total, result);
}

static int sign(const sm2_key *key, const uint8_t digest[32], const uint8_t nonce[32], uint8_t signature[64]) {
    number e = from_bytes(digest), k = from_bytes(nonce), x, inverse;
    uint64_t negate;
    extended point = multiply_base(&k, &negate);
    /* x1 = X/ZZ out of the field: (ZZ·R)^-1 goes in as it is, R^2 takes the two R^-1 away. */
    inverse = invert(&point.zz, &P_DIGITS);
    field_multiply(&x, &point.x, &inverse);
    field_multiply(&x, &x, &P_R2);
    e = scalar_reduce(&e);
    x = scalar_reduce(&x);
    number r = scalar_add(&e, &x);
    number sum = scalar_add(&r, &k);
    /* (1+d)^-1·(k - r·d) = (1+d)^-1·(k + r) - r */
    number s = scalar_multiply(&key->inverse, &sum);
    s = scalar_subtract(&s, &r);
    uint64_t is_usable = is_scalar(&k) & ((is_zero(&r) | is_zero(&sum) | is_zero(&s)) ^ 1);
    to_bytes(signature, &r);
    to_bytes(signature + 32, &s);
    keep_if(is_usable, signature);
    return (int)is_usable;
}

/* Whether the point's x is `wanted` modulo n, without an inversion: X = x·Z^2 for x = wanted or wanted + n. */
static int has_x(const jacobian *point, const number *wanted) {
    number zz, x = *wanted, product;
    field_square(&zz, &point->z);
    for (int i = 0; i < 2; i++) {
        product = to_field(&x);
        field_multiply(&product, &product, &zz);
        if (is_equal(&product, &point->x)) return 1;
        if (add(&x, &x, &N) || !is_below(&x, &P)) return 0;
    }
    return 0;
}

static int verify(const uint8_t point[64], const uint8_t digest[32], const uint8_t signature[64]) {
    affine q;
    number e = from_bytes(digest), r = from_bytes(signature), s = from_bytes(signature + 32);
    if (!parse_point(&q, point) || !is_scalar(&r) || !is_scalar(&s)) return 0;
    number t = scalar_add(&r, &s);
    if (is_zero(&t)) return 0;
    jacobian sum = multiply_public(&t, &q);
    add_public_base_multiple(&sum, &s);
    if (is_zero(&sum.z)) return 0;
    e = scalar_reduce(&e);
    number wanted = scalar_subtract(&r, &e);
    return has_x(&sum, &wanted);
}

#define ENGINE {build_comb, is_on_curve, base_multiple, multiple, agree, sign, verify}
