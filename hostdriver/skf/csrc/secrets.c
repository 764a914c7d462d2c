/* SHA-1 (FIPS 180-4) and SM4 (GB/T 32907) for the PIN protocol, and wiping. */
#include <string.h>

#include "internal.h"

void wipe(void *bytes, size_t size) {
#ifdef __GNUC__
    if (size) {
        memset(bytes, 0, size);
        __asm__ volatile("" : : "r"(bytes) : "memory"); /* somebody might read it: the zeros must be there */
    }
#else
    volatile uint8_t *at = bytes;
    while (size--) {
        *at++ = 0;
    }
#endif
}

static uint32_t rotate(uint32_t word, int by) {
    return word << by | word >> (32 - by);
}

static uint32_t big_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void put_big_endian(uint8_t *bytes, uint32_t word) {
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(word >> (24 - 8 * i));
    }
}

static void sha1_block(uint32_t state[5], const uint8_t block[64]) {
    uint32_t w[80];
    for (int i = 0; i < 16; i++) {
        w[i] = big_endian(block + 4 * i);
    }
    for (int i = 16; i < 80; i++) {
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20 ? (b & c) | (~b & d) : i >= 40 && i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
        static const uint32_t constants[4] = {0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6};
        uint32_t next = rotate(a, 5) + f + e + constants[i / 20] + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    wipe(w, sizeof w);
}

void sha1(const void *bytes, size_t size, uint8_t digest[20]) {
    uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    const uint8_t *at = bytes;
    size_t rest = size;
    for (; rest >= 64; rest -= 64, at += 64) {
        sha1_block(state, at);
    }
    uint8_t tail[128] = {0};
    if (rest) {
        memcpy(tail, at, rest);
    }
    tail[rest] = 0x80;
    size_t blocks = rest < 56 ? 1 : 2;
    uint64_t bits = (uint64_t)size * 8;
    put_big_endian(tail + 64 * blocks - 8, (uint32_t)(bits >> 32));
    put_big_endian(tail + 64 * blocks - 4, (uint32_t)bits);
    for (size_t i = 0; i < blocks; i++) {
        sha1_block(state, tail + 64 * i);
    }
    for (int i = 0; i < 5; i++) {
        put_big_endian(digest + 4 * i, state[i]);
    }
    wipe(tail, sizeof tail);
    wipe(state, sizeof state);
}

static const uint8_t SM4_S[256] = {
    0xD6, 0x90, 0xE9, 0xFE, 0xCC, 0xE1, 0x3D, 0xB7, 0x16, 0xB6, 0x14, 0xC2, 0x28, 0xFB, 0x2C, 0x05,
    0x2B, 0x67, 0x9A, 0x76, 0x2A, 0xBE, 0x04, 0xC3, 0xAA, 0x44, 0x13, 0x26, 0x49, 0x86, 0x06, 0x99,
    0x9C, 0x42, 0x50, 0xF4, 0x91, 0xEF, 0x98, 0x7A, 0x33, 0x54, 0x0B, 0x43, 0xED, 0xCF, 0xAC, 0x62,
    0xE4, 0xB3, 0x1C, 0xA9, 0xC9, 0x08, 0xE8, 0x95, 0x80, 0xDF, 0x94, 0xFA, 0x75, 0x8F, 0x3F, 0xA6,
    0x47, 0x07, 0xA7, 0xFC, 0xF3, 0x73, 0x17, 0xBA, 0x83, 0x59, 0x3C, 0x19, 0xE6, 0x85, 0x4F, 0xA8,
    0x68, 0x6B, 0x81, 0xB2, 0x71, 0x64, 0xDA, 0x8B, 0xF8, 0xEB, 0x0F, 0x4B, 0x70, 0x56, 0x9D, 0x35,
    0x1E, 0x24, 0x0E, 0x5E, 0x63, 0x58, 0xD1, 0xA2, 0x25, 0x22, 0x7C, 0x3B, 0x01, 0x21, 0x78, 0x87,
    0xD4, 0x00, 0x46, 0x57, 0x9F, 0xD3, 0x27, 0x52, 0x4C, 0x36, 0x02, 0xE7, 0xA0, 0xC4, 0xC8, 0x9E,
    0xEA, 0xBF, 0x8A, 0xD2, 0x40, 0xC7, 0x38, 0xB5, 0xA3, 0xF7, 0xF2, 0xCE, 0xF9, 0x61, 0x15, 0xA1,
    0xE0, 0xAE, 0x5D, 0xA4, 0x9B, 0x34, 0x1A, 0x55, 0xAD, 0x93, 0x32, 0x30, 0xF5, 0x8C, 0xB1, 0xE3,
    0x1D, 0xF6, 0xE2, 0x2E, 0x82, 0x66, 0xCA, 0x60, 0xC0, 0x29, 0x23, 0xAB, 0x0D, 0x53, 0x4E, 0x6F,
    0xD5, 0xDB, 0x37, 0x45, 0xDE, 0xFD, 0x8E, 0x2F, 0x03, 0xFF, 0x6A, 0x72, 0x6D, 0x6C, 0x5B, 0x51,
    0x8D, 0x1B, 0xAF, 0x92, 0xBB, 0xDD, 0xBC, 0x7F, 0x11, 0xD9, 0x5C, 0x41, 0x1F, 0x10, 0x5A, 0xD8,
    0x0A, 0xC1, 0x31, 0x88, 0xA5, 0xCD, 0x7B, 0xBD, 0x2D, 0x74, 0xD0, 0x12, 0xB8, 0xE5, 0xB4, 0xB0,
    0x89, 0x69, 0x97, 0x4A, 0x0C, 0x96, 0x77, 0x7E, 0x65, 0xB9, 0xF1, 0x09, 0xC5, 0x6E, 0xC6, 0x84,
    0x18, 0xF0, 0x7D, 0xEC, 0x3A, 0xDC, 0x4D, 0x20, 0x79, 0xEE, 0x5F, 0x3E, 0xD7, 0xCB, 0x39, 0x48,
};

static uint32_t substitute(uint32_t word) {
    return (uint32_t)SM4_S[word >> 24] << 24 | (uint32_t)SM4_S[word >> 16 & 0xFF] << 16 |
           (uint32_t)SM4_S[word >> 8 & 0xFF] << 8 | SM4_S[word & 0xFF];
}

/* The table is read at places that depend on the key: so does the computer's cache. What goes through here are one
 * or two blocks of a PIN that its user has just typed into this very program. */
void sm4_encrypt_block(const uint8_t key[16], const uint8_t in[16], uint8_t out[16]) {
    static const uint32_t family[4] = {0xA3B1BAC6, 0x56AA3350, 0x677D9197, 0xB27022DC};
    uint32_t k[4], x[4];
    for (int i = 0; i < 4; i++) {
        k[i] = big_endian(key + 4 * i) ^ family[i];
        x[i] = big_endian(in + 4 * i);
    }
    for (uint32_t round = 0; round < 32; round++) {
        uint32_t constant = 0;
        for (uint32_t i = 0; i < 4; i++) {
            constant = constant << 8 | ((4 * round + i) * 7 & 0xFF);
        }
        uint32_t s = substitute(k[1] ^ k[2] ^ k[3] ^ constant);
        uint32_t round_key = k[0] ^ s ^ rotate(s, 13) ^ rotate(s, 23);
        s = substitute(x[1] ^ x[2] ^ x[3] ^ round_key);
        uint32_t next = x[0] ^ s ^ rotate(s, 2) ^ rotate(s, 10) ^ rotate(s, 18) ^ rotate(s, 24);
        k[0] = k[1], k[1] = k[2], k[2] = k[3], k[3] = round_key;
        x[0] = x[1], x[1] = x[2], x[2] = x[3], x[3] = next;
    }
    for (int i = 0; i < 4; i++) {
        put_big_endian(out + 4 * i, x[3 - i]);
    }
    wipe(k, sizeof k);
    wipe(x, sizeof x);
}
