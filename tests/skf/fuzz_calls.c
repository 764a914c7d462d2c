/* Every function that reads an answer of the key's, its output in a buffer of just the size that it may fill:
 * AddressSanitizer sees one byte more. */
#include "fuzz.h"

#include <stdlib.h>

enum { ECB = SGD_SM4_ECB, BITS = 1024, DATA = 32, ROOM = 64 };

static void *room(size_t size) {
    void *made = calloc(1, size);
    if (!made) {
        abort();
    }
    return made;
}

/* A call whose last arguments are a buffer and its size: with the buffer, and asking for the size. */
#define OUTPUT(name, count, ...)                                                                                      \
    do {                                                                                                              \
        BYTE *out_ = room(count);                                                                                     \
        ULONG size_ = count;                                                                                          \
        name(__VA_ARGS__, out_, &size_);                                                                              \
        name(__VA_ARGS__, NULL, &size_);                                                                              \
        free(out_);                                                                                                   \
    } while (0)

static void lists(unsigned number, const struct handles *at) {
    ULONG count;
    FILEATTRIBUTE *facts = room(sizeof *facts);
    DEVINFO *info = room(sizeof *info);
    char *names = room(ROOM);
    ULONG size = ROOM;
    switch (number) {
    case 0: SKF_EnumApplication(at->device, names, &size); break;
    case 1: SKF_EnumContainer(at->application, names, &size); break;
    case 2: SKF_EnumFiles(at->application, names, &size); break;
    case 3: SKF_GetDevInfo(at->device, info); break;
    case 4: SKF_GetContainerType(at->container, &count); break;
    case 5: OUTPUT(SKF_ExportCertificate, ROOM, at->container, TRUE); break;
    case 6: SKF_GetFileInfo(at->application, "f", facts); break;
    case 7: OUTPUT(SKF_ReadFile, ROOM, at->application, "f", 0, ROOM); break;
    case 8: SKF_Transmit(at->device, (BYTE *)"\x80\x04\0\0\0\0", 7, (BYTE *)names, &size); break;
    }
    free(facts);
    free(info);
    free(names);
}

static void access_and_objects(unsigned number, const struct handles *at) {
    ULONG tries, most;
    BOOL initial;
    HANDLE made;
    BYTE *bytes = room(ROOM);
    switch (number) {
    case 0: SKF_VerifyPIN(at->application, USER_TYPE, "123456", &tries); break;
    case 1: SKF_ChangePIN(at->application, USER_TYPE, "123456", "654321", &tries); break;
    case 2: SKF_UnblockPIN(at->application, "123456", "654321", &tries); break;
    case 3: SKF_GetPINInfo(at->application, USER_TYPE, &most, &tries, &initial); break;
    case 4: SKF_DevAuth(at->device, bytes, 16); break;
    case 5: SKF_ChangeDevAuthKey(at->device, bytes, 16); break;
    case 6: SKF_CreateApplication(at->device, "a", "123456", 6, "123456", 6, 16, &made); break;
    case 7: SKF_OpenApplication(at->device, "a", &made); break;
    case 8: SKF_OpenContainer(at->application, "c", &made); break;
    case 9: SKF_CreateContainer(at->application, "c", &made); break;
    case 10: SKF_WriteFile(at->application, "f", 0, bytes, ROOM); break;
    case 11: SKF_GenRandom(at->device, bytes, ROOM); break;
    case 12: V_GetActivation(at->container, &initial, &tries); break;
    case 13: V_Activate(at->container, "1234", &tries); break;
    case 14: SKF_ConnectDev("socket:/other", &made); break;
    }
    free(bytes);
}

static void rsa(unsigned number, const struct handles *at) {
    RSAPUBLICKEYBLOB *public = room(sizeof *public);
    RSAPRIVATEKEYBLOB *pair = room(sizeof *pair);
    BYTE data[BITS / 8] = {1};
    HANDLE key;
    ULONG size = BITS / 8;
    BYTE *block = room(size);
    public->BitLen = pair->BitLen = BITS;
    switch (number) {
    case 0: SKF_GenRSAKeyPair(at->container, BITS, public); break;
    case 1: SKF_GenExtRSAKey(at->device, BITS, pair); break;
    case 2: OUTPUT(SKF_RSASignData, BITS / 8, at->container, data, DATA); break;
    case 3: SKF_RSAExportSessionKey(at->container, ECB, public, block, &size, &key); break;
    case 4: OUTPUT(SKF_ExtRSAPubKeyOperation, BITS / 8, at->device, public, data, sizeof data); break;
    case 5: OUTPUT(SKF_ExtRSAPriKeyOperation, BITS / 8, at->device, pair, data, sizeof data); break;
    case 6: OUTPUT(SKF_ExportPublicKey, sizeof(RSAPUBLICKEYBLOB), at->container, TRUE); break;
    case 7: OUTPUT(V_SignMessage, BITS / 8, at->container, SGD_SHA256, data, DATA); break;
    case 8: SKF_ImportRSAKeyPair(at->container, ECB, data, sizeof data, data, DATA); break;
    }
    free(public);
    free(pair);
    free(block);
}

static void sm2(unsigned number, const struct handles *at) {
    ECCPUBLICKEYBLOB *public = room(sizeof *public), given = {.BitLen = 256};
    ECCPRIVATEKEYBLOB private = {.BitLen = 256};
    ECCSIGNATUREBLOB *signature = room(sizeof *signature);
    ECCCIPHERBLOB *cipher = room(sizeof *cipher - 1 + 16);
    BYTE data[DATA] = {1};
    HANDLE made;
    switch (number) {
    case 0: SKF_GenECCKeyPair(at->container, SGD_SM2_1, public); break;
    case 1: SKF_ECCSignData(at->container, data, DATA, signature); break;
    case 2: SKF_ECCExportSessionKey(at->container, ECB, &given, cipher, &made); break;
    case 3: SKF_ExtECCEncrypt(at->device, &given, data, 16, cipher); break;
    case 4:
        cipher->CipherLen = 16;
        OUTPUT(SKF_ExtECCDecrypt, 16, at->device, &private, cipher);
        break;
    case 5: SKF_ExtECCSign(at->device, &private, data, DATA, signature); break;
    case 6: SKF_GenerateAgreementDataWithECC(at->container, ECB, public, data, DATA, &made); break;
    case 7:
        SKF_GenerateAgreementDataAndKeyWithECC(at->container, ECB, &given, &given, public, data, DATA, data, DATA, &made);
        break;
    case 8: SKF_GenerateKeyWithECC(at->agreement, &given, &given, data, DATA, &made); break;
    case 9: OUTPUT(V_SignMessage, sizeof(ECCSIGNATUREBLOB), at->container, 0, data, DATA); break;
    case 10: SKF_ImportSessionKey(at->container, ECB, data, DATA, &made); break;
    }
    free(public);
    free(signature);
    free(cipher);
}

static void streams(unsigned number, const struct handles *at) {
    BYTE data[DATA] = {1};
    BLOCKCIPHERPARAM plain = {.PaddingType = PADDING_PKCS5};
    switch (number) {
    case 0: OUTPUT(SKF_Encrypt, DATA, at->key, data, DATA); break;
    case 1: OUTPUT(SKF_EncryptUpdate, DATA, at->key, data, DATA); break;
    case 2: OUTPUT(SKF_EncryptFinal, 16, at->key); break;
    case 3: OUTPUT(SKF_Digest, 32, at->hash, data, DATA); break;
    case 4: OUTPUT(SKF_DigestFinal, 32, at->hash); break;
    case 5: OUTPUT(SKF_Mac, 16, at->mac, data, DATA); break;
    case 6: OUTPUT(SKF_MacFinal, 16, at->mac); break;
    case 7:
        SKF_DecryptInit(at->key, plain);
        OUTPUT(SKF_Decrypt, DATA - 9, at->key, data, DATA);
        break;
    case 8:
        SKF_DecryptInit(at->key, plain);
        OUTPUT(SKF_DecryptUpdate, DATA, at->key, data, DATA);
        OUTPUT(SKF_DecryptFinal, 15, at->key);
        break;
    }
}

enum { LISTS = 9, OBJECTS = 15, RSA = 9, SM2 = 11, STREAMS = 9 };

const unsigned CALLS = LISTS + OBJECTS + RSA + SM2 + STREAMS;

void call(unsigned number, const struct handles *handles) {
    static const struct {
        void (*part)(unsigned, const struct handles *);
        unsigned count;
    } parts[] = {{lists, LISTS}, {access_and_objects, OBJECTS}, {rsa, RSA}, {sm2, SM2}, {streams, STREAMS}};
    for (unsigned at = 0; at < sizeof parts / sizeof *parts; number -= parts[at++].count) {
        if (number < parts[at].count) {
            parts[at].part(number, handles);
            return;
        }
    }
}
