/* Several threads at one key, and this program beside another: LIBRARY DEVICE. Each thread's digests, MACs and ciphers
 * come out as they do alone. */
#include <pthread.h>
#include <string.h>

#include "step.h"

enum { THREADS = 4, ROUNDS = 12, SIZE = 6000 }; /* more than one command carries */

static DEVHANDLE device;
static BYTE text[SIZE], key_bytes[16] = "sixteen bytes!!";

struct results {
    BYTE digest[32], mac[16], cipher[SIZE + 16];
};

static void add_digest(struct results *results) {
    HANDLE hash;
    ULONG size = sizeof results->digest;
    OK(skf.SKF_DigestInit(device, SGD_SM3, NULL, NULL, 0, &hash));
    OK(skf.SKF_DigestUpdate(hash, text, 10));
    OK(skf.SKF_DigestUpdate(hash, text + 10, SIZE - 10));
    OK(skf.SKF_DigestFinal(hash, results->digest, &size));
    OK(skf.SKF_CloseHandle(hash));
}

static void add_cipher(struct results *results) {
    HANDLE key, mac;
    BLOCKCIPHERPARAM start = {.IVLen = 16, .PaddingType = PADDING_PKCS5};
    ULONG size = sizeof results->mac, used = 0, room;
    OK(skf.SKF_SetSymmKey(device, key_bytes, SGD_SM4_CBC, &key));
    OK(skf.SKF_MacInit(key, &start, &mac));
    OK(skf.SKF_MacUpdate(mac, text, SIZE));
    OK(skf.SKF_EncryptInit(key, start));
    for (ULONG at = 0; at < SIZE; at += SIZE / 4) {
        room = sizeof results->cipher - used;
        OK(skf.SKF_EncryptUpdate(key, text + at, SIZE / 4, results->cipher + used, &room));
        used += room;
    }
    room = sizeof results->cipher - used;
    OK(skf.SKF_EncryptFinal(key, results->cipher + used, &room));
    OK(skf.SKF_MacFinal(mac, results->mac, &size));
    OK(skf.SKF_CloseHandle(key));
}

static void *work(void *argument) {
    struct results *first = argument;
    for (int round = 0; round < ROUNDS; round++) {
        struct results again = {0};
        add_digest(&again);
        add_cipher(&again);
        CHECK(memcmp(&again, first, sizeof again) == 0);
    }
    return NULL;
}

int main(int count, char **arguments) {
    pthread_t threads[THREADS];
    struct results alone = {0};
    CHECK(count == 3);
    load_library(arguments[1]);
    for (size_t at = 0; at < sizeof text; at++) {
        text[at] = (BYTE)(at * at);
    }
    OK(skf.SKF_ConnectDev(arguments[2], &device));
    add_digest(&alone);
    add_cipher(&alone);
    wait_for("ready");
    for (int at = 0; at < THREADS; at++) {
        CHECK(pthread_create(&threads[at], NULL, work, &alone) == 0);
    }
    for (int at = 0; at < THREADS; at++) {
        CHECK(pthread_join(threads[at], NULL) == 0);
    }
    wait_for("done"); /* who leaves resets the key, and with it the other's session keys */
    OK(skf.SKF_DisConnectDev(device));
    return 0;
}
