/* The field's constants and what every variant of it shares. Elements are a·R modulo p (Montgomery, R = 2^256), always
 * below p. An engine defines field_multiply, field_square, field_add, field_subtract, and `scan`, which reads a whole
 * table to find one entry, before it includes scheme.h. */
#ifndef VUKEY_FIELD_H
#define VUKEY_FIELD_H

#include "inverse.h"

static const number P = {{0xFFFFFFFFFFFFFFFF, 0xFFFFFFFF00000000, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFEFFFFFFFF}};
static const modulus62 P_DIGITS = {
    {{0x3FFFFFFFFFFFFFFF, 0x3FFFFFFC00000003, 0x3FFFFFFFFFFFFFFF, 0x3FFFFFBFFFFFFFFF, 0xFF}}, 0x3FFFFFFFFFFFFFFF};
/* R, R^2, R^3 modulo p. */
static const number P_R = {{0x0000000000000001, 0x00000000FFFFFFFF, 0x0000000000000000, 0x0000000100000000}};
static const number P_R2 = {{0x0000000200000003, 0x00000002FFFFFFFF, 0x0000000100000001, 0x0000000400000002}};
static const number P_R3 = {{0x0000001200000016, 0x0000000EFFFFFFF8, 0x0000000A0000000C, 0x0000001B00000009}};
/* b and the base point, times R. */
static const number CURVE_B = {{0x90D230632BC0DD42, 0x71CF379AE9B537AB, 0x527981505EA51C3C, 0x240FE188BA20E2C8}};
static const number BASE_X = {{0x61328990F418029E, 0x3E7981EDDCA6C050, 0xD6A1ED99AC24C3C3, 0x91167A5EE1C13B05}};
static const number BASE_Y = {{0xC1354E593C2D0DDD, 0xC1F5E5788D3295FA, 0x8D4CFB066E2A48F8, 0x63CD65D481D735BD}};

#define INLINE static inline __attribute__((always_inline))

#endif
