/* Key pairs, signatures, and operations with keys from outside. */
#include <string.h>

#include "walk.h"

enum { RSA_BITS = 1024, RSA_SIZE = RSA_BITS / 8 };

void make_pairs(struct walk *walk) {
    BYTE exported[sizeof(RSAPUBLICKEYBLOB)];
    ULONG size = 0;
    OK(skf.SKF_GenECCKeyPair(walk->sm2, SGD_SM2_1, &walk->sm2_public));
    save_point("sm2.public", &walk->sm2_public);
    OK(skf.SKF_ExportPublicKey(walk->sm2, TRUE, NULL, &size));
    CHECK(size == sizeof(ECCPUBLICKEYBLOB));
    OK(skf.SKF_ExportPublicKey(walk->sm2, TRUE, exported, &size));
    CHECK(memcmp(exported, &walk->sm2_public, size) == 0);

    OK(skf.SKF_GenRSAKeyPair(walk->rsa, RSA_BITS, &walk->rsa_public));
    CHECK(walk->rsa_public.BitLen == RSA_BITS);
    save("rsa.modulus", walk->rsa_public.Modulus + sizeof walk->rsa_public.Modulus - RSA_SIZE, RSA_SIZE);
    OK(skf.SKF_ExportPublicKey(walk->rsa, TRUE, NULL, &size));
    CHECK(size == sizeof(RSAPUBLICKEYBLOB));
    OK(skf.SKF_ExportPublicKey(walk->rsa, TRUE, exported, &size));
    CHECK(memcmp(exported, &walk->rsa_public, size) == 0);
    say("pairs");
}

ULONG digest(struct walk *walk, ULONG algorithm, ECCPUBLICKEYBLOB *signer, const BYTE *data, ULONG size, BYTE *out) {
    HANDLE hash;
    ULONG got = 0;
    BYTE id[] = "1234567812345678";
    OK(skf.SKF_DigestInit(walk->device, algorithm, signer, id, signer ? 16 : 0, &hash));
    OK(skf.SKF_Digest(hash, (BYTE *)data, size, NULL, &got));
    OK(skf.SKF_Digest(hash, (BYTE *)data, size, out, &got));
    OK(skf.SKF_CloseHandle(hash));
    return got;
}

static ULONG message(BYTE *bytes, size_t room) {
    return (ULONG)load("message", bytes, room);
}

void sign_sm2(struct walk *walk) {
    BYTE text[1024], e[32];
    ECCSIGNATUREBLOB ready, shown;
    ULONG size = message(text, sizeof text), room = 0;
    CHECK(digest(walk, SGD_SM3, &walk->sm2_public, text, size, e) == sizeof e);
    log_in(walk);
    wait_for("press for the digest");
    OK(skf.SKF_ECCSignData(walk->sm2, e, sizeof e, &ready));
    save_signature("sm2.ready", &ready);
    log_in(walk);
    OK(skf.V_SignMessage(walk->sm2, 0, text, size, NULL, &room));
    CHECK(room == sizeof shown);
    wait_for("press for the message");
    OK(skf.V_SignMessage(walk->sm2, SGD_SM3, text, size, (BYTE *)&shown, &room));
    save_signature("sm2.shown", &shown);
    OK(skf.SKF_ECCVerify(walk->device, &walk->sm2_public, e, sizeof e, &ready));
    OK(skf.SKF_ExtECCVerify(walk->device, &walk->sm2_public, e, sizeof e, &shown));
    e[0] ^= 1;
    CHECK(skf.SKF_ECCVerify(walk->device, &walk->sm2_public, e, sizeof e, &ready) != SAR_OK);
    log_in(walk);
    wait_for("cancel the message");
    IS(SAR_CANCELLED, skf.V_SignMessage(walk->sm2, 0, text, size, (BYTE *)&shown, &room));
    say("signed with SM2");
}

void sign_rsa(struct walk *walk) {
    static const BYTE sha256[] = {0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                  0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}; /* DigestInfo */
    BYTE text[1024], info[sizeof sha256 + 32], signature[RSA_SIZE];
    ULONG size = message(text, sizeof text), room = 0;
    memcpy(info, sha256, sizeof sha256);
    CHECK(digest(walk, SGD_SHA256, NULL, text, size, info + sizeof sha256) == 32);
    log_in(walk);
    OK(skf.SKF_RSASignData(walk->rsa, info, sizeof info, NULL, &room));
    CHECK(room == RSA_SIZE);
    room--;
    IS(SAR_BUFFER_TOO_SMALL, skf.SKF_RSASignData(walk->rsa, info, sizeof info, signature, &room));
    wait_for("press for the digest");
    OK(skf.SKF_RSASignData(walk->rsa, info, sizeof info, signature, &room));
    save("rsa.ready", signature, room);
    OK(skf.SKF_RSAVerify(walk->device, &walk->rsa_public, info, sizeof info, signature, room));
    info[sizeof info - 1] ^= 1;
    CHECK(skf.SKF_RSAVerify(walk->device, &walk->rsa_public, info, sizeof info, signature, room) != SAR_OK);
    log_in(walk);
    wait_for("press for the message");
    OK(skf.V_SignMessage(walk->rsa, SGD_SHA256, text, size, signature, &room));
    save("rsa.shown", signature, room);
    say("signed with RSA");
}

static void external_sm2(struct walk *walk) {
    BYTE raw[CIPHER_ROOM], plain[64], e[32];
    union cipher cipher;
    ECCSIGNATUREBLOB signature;
    ECCPUBLICKEYBLOB public;
    ECCPRIVATEKEYBLOB private = {.BitLen = 256};
    ULONG size = 0;
    CHECK(load("outside.private", private.PrivateKey + 32, 32) == 32);
    CHECK(load("outside.public", raw, 64) == 64);
    set_point(&public, raw);
    set_cipher(&cipher.blob, raw, load("outside.cipher", raw, sizeof raw));
    OK(skf.SKF_ExtECCDecrypt(walk->device, &private, &cipher.blob, NULL, &size));
    OK(skf.SKF_ExtECCDecrypt(walk->device, &private, &cipher.blob, plain, &size));
    save("outside.plain", plain, size);
    OK(skf.SKF_ExtECCEncrypt(walk->device, &public, plain, size, &cipher.blob));
    save_cipher("outside.encrypted", &cipher.blob);
    CHECK(digest(walk, SGD_SM3, &public, (const BYTE *)"signed outside", 14, e) == sizeof e);
    OK(skf.SKF_ExtECCSign(walk->device, &private, e, sizeof e, &signature));
    OK(skf.SKF_ExtECCVerify(walk->device, &public, e, sizeof e, &signature));
    save_signature("outside.signature", &signature);
}

static void external_rsa(struct walk *walk) {
    RSAPRIVATEKEYBLOB pair;
    RSAPUBLICKEYBLOB public = {.AlgID = SGD_RSA, .BitLen = RSA_BITS};
    BYTE block[RSA_SIZE] = {0, 1, 2, 3}, other[RSA_SIZE], again[RSA_SIZE];
    ULONG size = sizeof other;
    OK(skf.SKF_GenExtRSAKey(walk->device, RSA_BITS, &pair));
    save("outside.rsa", &pair, sizeof pair);
    memcpy(public.Modulus, pair.Modulus, sizeof public.Modulus);
    memcpy(public.PublicExponent, pair.PublicExponent, sizeof public.PublicExponent);
    OK(skf.SKF_ExtRSAPubKeyOperation(walk->device, &public, block, sizeof block, other, &size));
    save("outside.block", other, size);
    OK(skf.SKF_ExtRSAPriKeyOperation(walk->device, &pair, other, size, again, &size));
    CHECK(size == sizeof block && memcmp(again, block, size) == 0);
    /* The same numbers at the beginning of their fields, as other makers have them. */
    memmove(public.Modulus, public.Modulus + sizeof public.Modulus - RSA_SIZE, RSA_SIZE);
    memset(public.Modulus + RSA_SIZE, 0, sizeof public.Modulus - RSA_SIZE);
    OK(skf.SKF_ExtRSAPubKeyOperation(walk->device, &public, block, sizeof block, again, &size));
    CHECK(memcmp(again, other, size) == 0);
}

void external_keys(struct walk *walk) {
    external_sm2(walk);
    external_rsa(walk);
    say("keys from outside");
}
