/* Ciphers in every way of calling them, MACs, digests. */
#include <string.h>

#include "walk.h"

enum { MANY = 10000 }; /* more than one command carries */

static const BYTE KEY[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF,
                             0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10};

static BYTE text[MANY], enciphered[MANY + 16], deciphered[MANY + 16];

static BLOCKCIPHERPARAM parameters(ULONG padding) {
    BLOCKCIPHERPARAM made = {.IVLen = 16, .PaddingType = padding};
    for (BYTE at = 0; at < 16; at++) {
        made.IV[at] = at;
    }
    return made;
}

/* All at once, and back; what comes out is as long as the question for the size said. */
static ULONG at_once(HANDLE key, BLOCKCIPHERPARAM start, ULONG size) {
    ULONG asked = 0, got = 0;
    OK(skf.SKF_EncryptInit(key, start));
    OK(skf.SKF_Encrypt(key, text, size, NULL, &asked));
    got = asked - 1;
    IS(SAR_BUFFER_TOO_SMALL, skf.SKF_Encrypt(key, text, size, enciphered, &got));
    CHECK(got == asked);
    OK(skf.SKF_Encrypt(key, text, size, enciphered, &got));
    CHECK(got == asked);

    ULONG back = sizeof deciphered;
    OK(skf.SKF_DecryptInit(key, start));
    OK(skf.SKF_Decrypt(key, enciphered, got, NULL, &back));
    CHECK(back >= size && back <= got);
    if (size > 0) {
        back = size - 1;
        IS(SAR_BUFFER_TOO_SMALL, skf.SKF_Decrypt(key, enciphered, got, deciphered, &back));
        back = size; /* just enough */
        OK(skf.SKF_Decrypt(key, enciphered, got, deciphered, &back));
        CHECK(back == size && memcmp(deciphered, text, size) == 0);
    }
    return got;
}

/* In pieces of any size, each in a buffer as long as it was asked for; the result is the same. */
static void in_pieces(HANDLE key, BLOCKCIPHERPARAM start, ULONG size, ULONG whole) {
    ULONG used = 0, room;
    OK(skf.SKF_EncryptInit(key, start));
    for (ULONG at = 0, piece = 1; at < size; at += piece, piece = piece * 3 + 2) {
        piece = piece > size - at ? size - at : piece;
        OK(skf.SKF_EncryptUpdate(key, text + at, piece, NULL, &room));
        OK(skf.SKF_EncryptUpdate(key, text + at, piece, deciphered + used, &room));
        used += room;
    }
    OK(skf.SKF_EncryptFinal(key, NULL, &room));
    OK(skf.SKF_EncryptFinal(key, deciphered + used, &room));
    CHECK(used + room == whole && memcmp(deciphered, enciphered, whole) == 0);

    used = 0;
    OK(skf.SKF_DecryptInit(key, start));
    for (ULONG at = 0, piece = 5; at < whole; at += piece, piece = piece * 2 + 1) {
        piece = piece > whole - at ? whole - at : piece;
        OK(skf.SKF_DecryptUpdate(key, enciphered + at, piece, NULL, &room));
        OK(skf.SKF_DecryptUpdate(key, enciphered + at, piece, deciphered + used, &room));
        used += room;
    }
    OK(skf.SKF_DecryptFinal(key, NULL, &room));
    OK(skf.SKF_DecryptFinal(key, deciphered + used, &room));
    CHECK(used + room == size && memcmp(deciphered, text, size) == 0);
}

static void one_mode(struct walk *walk, const char *name, ULONG algorithm, ULONG padding, ULONG size) {
    HANDLE key = key_of(walk, KEY, algorithm);
    ULONG whole = at_once(key, parameters(padding), size);
    save(name, enciphered, whole);
    in_pieces(key, parameters(padding), size, whole);
    OK(skf.SKF_CloseHandle(key));
}

static void refusals(struct walk *walk) {
    HANDLE key = key_of(walk, KEY, SGD_SM4_CBC);
    ULONG size = sizeof deciphered;
    BLOCKCIPHERPARAM start = parameters(PADDING_PKCS5);
    IS(SAR_NOTINITIALIZEERR, skf.SKF_Encrypt(key, text, 16, enciphered, &size));
    OK(skf.SKF_DecryptInit(key, start));
    IS(SAR_NOTINITIALIZEERR, skf.SKF_Encrypt(key, text, 16, enciphered, &size));
    memset(enciphered, 0x55, 32);
    IS(SAR_DECRYPTPADERR, skf.SKF_Decrypt(key, enciphered, 32, deciphered, &size));
    IS(SAR_NOTINITIALIZEERR, skf.SKF_Decrypt(key, enciphered, 32, deciphered, &size));
    start.IVLen = 33;
    IS(SAR_INVALIDPARAMERR, skf.SKF_EncryptInit(key, start));
    OK(skf.SKF_EncryptInit(key, parameters(PADDING_NONE)));
    size = sizeof enciphered;
    IS(SAR_INDATALENERR, skf.SKF_Encrypt(key, text, 17, enciphered, &size)); /* within a block */
    OK(skf.SKF_CloseHandle(key));
    IS(SAR_NOTSUPPORTYETERR, skf.SKF_SetSymmKey(walk->device, (BYTE *)KEY, 0x444, &key));
    IS(SAR_NOTSUPPORTYETERR, skf.SKF_SetSymmKey(walk->device, (BYTE *)KEY, SGD_SM1_ECB, &key)); /* a secret one */
}

void ciphers(struct walk *walk) {
    for (size_t at = 0; at < sizeof text; at++) {
        text[at] = (BYTE)(at * at + 3 * at);
    }
    save("text", text, sizeof text);
    one_mode(walk, "ecb", SGD_SM4_ECB, PADDING_NONE, 64);
    one_mode(walk, "ecb.padded", SGD_SM4_ECB, PADDING_PKCS5, 64);
    one_mode(walk, "cbc", SGD_SM4_CBC, PADDING_NONE, 9984);
    one_mode(walk, "cbc.padded", SGD_SM4_CBC, PADDING_PKCS5, MANY - 1);
    one_mode(walk, "cfb", SGD_SM4_CFB, PADDING_NONE, 77);
    one_mode(walk, "ofb", SGD_SM4_OFB, PADDING_NONE, MANY);
    one_mode(walk, "nothing", SGD_SM4_CBC, PADDING_PKCS5, 0);
    refusals(walk);
    say("ciphers");
}

static void macs(struct walk *walk) {
    HANDLE key = key_of(walk, KEY, SGD_SM4_CBC), mac, other;
    BLOCKCIPHERPARAM start = parameters(PADDING_NONE);
    BYTE first[16], second[16];
    ULONG size = 0;
    OK(skf.SKF_MacInit(key, &start, &mac));
    OK(skf.SKF_MacInit(key, &start, &other)); /* beside the first */
    OK(skf.SKF_MacUpdate(mac, text, 100));
    OK(skf.SKF_Mac(other, text, 64, second, &(ULONG){16}));
    OK(skf.SKF_MacUpdate(mac, text + 100, 9984 - 100));
    OK(skf.SKF_MacFinal(mac, NULL, &size));
    CHECK(size == sizeof first);
    size = 15;
    IS(SAR_BUFFER_TOO_SMALL, skf.SKF_MacFinal(mac, first, &size));
    OK(skf.SKF_MacFinal(mac, first, &size));
    IS(SAR_NOTINITIALIZEERR, skf.SKF_MacFinal(mac, first, &size));
    save("mac.long", first, size);
    save("mac.short", second, sizeof second);
    OK(skf.SKF_CloseHandle(mac));
    OK(skf.SKF_CloseHandle(key));
    IS(SAR_INVALIDHANDLEERR, skf.SKF_MacUpdate(other, text, 1)); /* it went with its key */
}

static void digest_in_pieces(struct walk *walk, const char *name, ULONG algorithm, ULONG expected) {
    HANDLE hash, other;
    BYTE out[32];
    ULONG size = sizeof out;
    OK(skf.SKF_DigestInit(walk->device, algorithm, NULL, NULL, 0, &hash));
    OK(skf.SKF_DigestUpdate(hash, text, 1));
    OK(skf.SKF_DigestInit(walk->device, SGD_SM3, NULL, NULL, 0, &other)); /* beside the first */
    OK(skf.SKF_DigestUpdate(other, text, 3));
    OK(skf.SKF_DigestUpdate(hash, text + 1, MANY - 1));
    OK(skf.SKF_DigestFinal(hash, out, &size));
    CHECK(size == expected);
    save(name, out, size);
    IS(SAR_HASHOBJERR, skf.SKF_DigestUpdate(hash, text, 1));
    OK(skf.SKF_CloseHandle(other));
    OK(skf.SKF_CloseHandle(hash));
}

void macs_and_digests(struct walk *walk) {
    macs(walk);
    digest_in_pieces(walk, "sm3", SGD_SM3, 32);
    digest_in_pieces(walk, "sha1", SGD_SHA1, 20);
    digest_in_pieces(walk, "sha256", SGD_SHA256, 32);
    say("MACs and digests");
}
