/* Encryption pairs, session keys and agreements. */
#include <stdlib.h>
#include <string.h>

#include "walk.h"

enum { RSA_SIZE = 128, WRAPPED_ROOM = 2048 };

static const BYTE PLAIN[48] = "what two sides of an agreement both encipher...";

/* What the test has made for the container's signature key: encrypted private key 32, public key 64, cipher. */
static void import_sm2(struct walk *walk) {
    BYTE raw[CIPHER_ROOM];
    union {
        ENVELOPEDKEYBLOB blob;
        BYTE bytes[sizeof(ENVELOPEDKEYBLOB) + CIPHER_ROOM];
    } enveloped;
    ECCPUBLICKEYBLOB exported;
    ULONG size = sizeof exported;
    size_t all = load("envelope", raw, sizeof raw);
    memset(&enveloped, 0, sizeof enveloped);
    enveloped.blob.Version = 1;
    enveloped.blob.ulSymmAlgID = SGD_SM4_ECB;
    enveloped.blob.ulBits = 256;
    set_point(&enveloped.blob.PubKey, raw + 32);
    set_cipher(&enveloped.blob.ECCCipherBlob, raw + 96, all - 96);
    memset(enveloped.blob.cbEncryptedPriKey, 1, 64);
    IS(SAR_INVALIDPARAMERR, skf.SKF_ImportECCKeyPair(walk->sm2, &enveloped.blob)); /* more than 32 bytes */
    memset(enveloped.blob.cbEncryptedPriKey, 0, 64);
    memcpy(enveloped.blob.cbEncryptedPriKey + (getenv("LEFT_ALIGNED") ? 0 : 32), raw, 32);
    OK(skf.SKF_ImportECCKeyPair(walk->sm2, &enveloped.blob));
    OK(skf.SKF_ExportPublicKey(walk->sm2, FALSE, (BYTE *)&exported, &size));
    CHECK(memcmp(&exported, &enveloped.blob.PubKey, size) == 0);
}

static void import_rsa(struct walk *walk) {
    BYTE wrapped[RSA_SIZE], encrypted[WRAPPED_ROOM];
    RSAPUBLICKEYBLOB exported;
    ULONG size = sizeof exported;
    CHECK(load("rsa.wrapped", wrapped, sizeof wrapped) == RSA_SIZE);
    ULONG all = (ULONG)load("rsa.encrypted", encrypted, sizeof encrypted);
    OK(skf.SKF_ImportRSAKeyPair(walk->rsa, SGD_SM4_ECB, wrapped, sizeof wrapped, encrypted, all));
    OK(skf.SKF_ExportPublicKey(walk->rsa, FALSE, (BYTE *)&exported, &size));
    save("rsa.exchange", exported.Modulus + sizeof exported.Modulus - RSA_SIZE, RSA_SIZE);
}

void import_pairs(struct walk *walk) {
    log_in(walk);
    wait_for("make encryption pairs");
    import_sm2(walk);
    import_rsa(walk);
    say("encryption pairs");
}

/* One block under a key, for the test to compare. */
static void save_encrypted(const char *name, HANDLE key) {
    BYTE out[sizeof PLAIN];
    ULONG size = sizeof out;
    BLOCKCIPHERPARAM plain = {0};
    OK(skf.SKF_EncryptInit(key, plain));
    OK(skf.SKF_Encrypt(key, (BYTE *)PLAIN, sizeof PLAIN, out, &size));
    CHECK(size == sizeof out);
    save(name, out, size);
    OK(skf.SKF_CloseHandle(key));
    IS(SAR_INVALIDHANDLEERR, skf.SKF_CloseHandle(key));
}

static void export_keys(struct walk *walk) {
    BYTE raw[64], block[RSA_SIZE];
    ECCPUBLICKEYBLOB public;
    RSAPUBLICKEYBLOB rsa = {.BitLen = 8 * RSA_SIZE, .PublicExponent = {0, 1, 0, 1}};
    union cipher cipher;
    HANDLE key;
    ULONG size = 0;
    CHECK(load("outside.public", raw, sizeof raw) == sizeof raw);
    set_point(&public, raw);
    OK(skf.SKF_ECCExportSessionKey(walk->sm2, SGD_SM4_ECB, &public, &cipher.blob, &key));
    save_cipher("exported.sm2", &cipher.blob);
    save_encrypted("exported.sm2.text", key);

    CHECK(load("outside.modulus", rsa.Modulus + sizeof rsa.Modulus - RSA_SIZE, RSA_SIZE) == RSA_SIZE);
    OK(skf.SKF_RSAExportSessionKey(walk->rsa, SGD_SM4_ECB, &rsa, NULL, &size, NULL));
    CHECK(size == RSA_SIZE);
    OK(skf.SKF_RSAExportSessionKey(walk->rsa, SGD_SM4_ECB, &rsa, block, &size, &key));
    save("exported.rsa", block, size);
    save_encrypted("exported.rsa.text", key);
}

void session_keys(struct walk *walk) {
    BYTE raw[CIPHER_ROOM];
    union cipher cipher;
    HANDLE key;
    log_in(walk);
    export_keys(walk);
    size_t size = load("imported.sm2", raw, sizeof raw);
    set_cipher(&cipher.blob, raw, size);
    ULONG all = (ULONG)(offsetof(ECCCIPHERBLOB, Cipher) + cipher.blob.CipherLen);
    OK(skf.SKF_ImportSessionKey(walk->sm2, SGD_SM4_ECB, cipher.bytes, all, &key));
    save_encrypted("imported.sm2.text", key);
    size = load("imported.rsa", raw, sizeof raw);
    OK(skf.SKF_ImportSessionKey(walk->rsa, SGD_SM4_ECB, raw, (ULONG)size, &key));
    save_encrypted("imported.rsa.text", key);
    say("session keys");
}

static void as_sponsor(struct walk *walk) {
    BYTE raw[64], own[] = "Alice", peer[] = "Bob";
    ECCPUBLICKEYBLOB temporary, public, other;
    HANDLE agreed, key;
    OK(skf.SKF_GenerateAgreementDataWithECC(walk->sm2, SGD_SM4_ECB, &temporary, own, 5, &agreed));
    save_point("sponsor.temporary", &temporary);
    CHECK(load("outside.public", raw, sizeof raw) == sizeof raw);
    set_point(&public, raw);
    CHECK(load("outside.temporary", raw, sizeof raw) == sizeof raw);
    set_point(&other, raw);
    OK(skf.SKF_GenerateKeyWithECC(agreed, &public, &other, peer, 3, &key));
    save_encrypted("sponsor.text", key);
    CHECK(skf.SKF_GenerateKeyWithECC(agreed, &public, &other, peer, 3, &key) != SAR_OK); /* it serves once */
    OK(skf.SKF_CloseHandle(agreed));
}

static void as_responder(struct walk *walk) {
    BYTE raw[64], own[] = "Alice", peer[] = "Bob";
    ECCPUBLICKEYBLOB temporary, public, other;
    HANDLE key;
    CHECK(load("outside.public", raw, sizeof raw) == sizeof raw);
    set_point(&public, raw);
    CHECK(load("outside.temporary", raw, sizeof raw) == sizeof raw);
    set_point(&other, raw);
    OK(skf.SKF_GenerateAgreementDataAndKeyWithECC(walk->sm2, SGD_SM4_ECB, &public, &other, &temporary, own, 5, peer, 3,
                                                  &key));
    save_point("responder.temporary", &temporary);
    save_encrypted("responder.text", key);
}

void agreement(struct walk *walk) {
    log_in(walk);
    as_sponsor(walk);
    as_responder(walk);
    say("agreement");
}
