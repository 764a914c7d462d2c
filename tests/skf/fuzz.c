/* libFuzzer at the parser of answers: a key that is asked in good order, and then answers anything.
 *
 * Built with all of the library's files and -Wl,--wrap=socket_link_open: this link is the library's way to the key.
 * An input: which call; then answers, each a length of two bytes and so many bytes, the status word at their end. A
 * length of FFFF is a key that has gone. When the input has ended, the key knows no command any more. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "objects.h"

enum { INFO = 288, MAX_DATA_AT = 224, POINT_ANSWER = 72, GONE = 0xFFFF };

static const uint8_t *feed;
static size_t rest;
static bool is_garbage;

static size_t good_answer(const uint8_t *apdu, uint8_t *answer) {
    size_t size = 0;
    memset(answer, 0, INFO);
    switch (apdu[1]) {
    case 0x04:
        answer[MAX_DATA_AT] = 0x10;
        size = INFO;
        break;
    case 0x26:
        size = 10; /* OpenApplication */
        break;
    case 0x42:
    case 0xA2:
        size = 2;
        break;
    case 0x82:
        answer[2] = 1; /* 256 bits */
        size = POINT_ANSWER;
        break;
    }
    answer[size] = 0x90;
    answer[size + 1] = 0;
    return size + 2;
}

static ULONG garbage(uint8_t *answer, size_t *answer_size) {
    static const uint8_t unknown[] = {0x6D, 0x00};
    size_t size = rest < 2 ? 0 : (size_t)(feed[0] << 8 | feed[1]);
    if (size == GONE) {
        return SAR_DEVICE_REMOVED;
    }
    if (rest < 2) {
        memcpy(answer, unknown, sizeof unknown);
        *answer_size = sizeof unknown;
        return SAR_OK;
    }
    feed += 2;
    rest -= 2;
    size = size > rest ? rest : size;
    memcpy(answer, feed, size);
    feed += size;
    rest -= size;
    *answer_size = size;
    return SAR_OK;
}

static ULONG exchange(struct link *link, const uint8_t *apdu, size_t size, uint8_t *answer, size_t *answer_size) {
    (void)link;
    (void)size;
    if (is_garbage) {
        return garbage(answer, answer_size);
    }
    uint8_t good[INFO + 2];
    *answer_size = good_answer(apdu, good);
    memcpy(answer, good, *answer_size);
    return SAR_OK;
}

static ULONG lock(struct link *link, uint64_t until, bool at_once) {
    (void)link;
    (void)until;
    (void)at_once;
    return SAR_OK;
}

static void nothing(struct link *link) {
    (void)link;
}

ULONG __wrap_socket_link_open(const char *path, struct link **link);

ULONG __wrap_socket_link_open(const char *path, struct link **link) {
    static struct link fake = {exchange, lock, nothing, nothing, nothing};
    (void)path;
    *link = &fake;
    return SAR_OK;
}

static void must(ULONG status) {
    if (status != SAR_OK) {
        abort();
    }
}

static void open_all(struct handles *at) {
    ECCPUBLICKEYBLOB point;
    BYTE key[16] = {0};
    BLOCKCIPHERPARAM plain = {.PaddingType = PADDING_PKCS5};
    must(SKF_ConnectDev("socket:/fake", &at->device));
    must(SKF_OpenApplication(at->device, "a", &at->application));
    must(SKF_OpenContainer(at->application, "c", &at->container));
    must(SKF_SetSymmKey(at->device, key, SGD_SM4_ECB, &at->key));
    must(SKF_EncryptInit(at->key, plain));
    must(SKF_DigestInit(at->device, SGD_SM3, NULL, NULL, 0, &at->hash));
    must(SKF_MacInit(at->key, &plain, &at->mac));
    must(SKF_GenerateAgreementDataWithECC(at->container, SGD_SM4_ECB, &point, key, 16, &at->agreement));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct handles handles;
    if (size == 0) {
        return 0;
    }
    is_garbage = false;
    open_all(&handles);
    feed = data + 1;
    rest = size - 1;
    is_garbage = true;
    call(data[0] % CALLS, &handles);
    is_garbage = false;
    must(SKF_DisConnectDev(handles.device));
    return 0;
}
