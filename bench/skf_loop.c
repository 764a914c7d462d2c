/* Calls of libskf in a loop, and bare round trips over the key's socket, timed: bench/skf.py drives it.
 *
 *     skf_loop LIBRARY DEVICE PIN RSA-CONTAINER SM2-CONTAINER
 *     skf_loop bare SOCKET
 *
 * It reads lines "OPERATION COUNT" (random, rsa, sm2; bare: random, locked) and answers each with the seconds that one
 * of so many took, and in hexadecimal what the last one gave. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "skf_vukey.h"

enum { RANDOM_SIZE = 8, DIGEST_SIZE = 32, MOST_TRIES = 1000 };

static BYTE digest[DIGEST_SIZE] = {1, 2, 3}; /* of nothing */
static BYTE last[256];
static ULONG last_size;

static void must(int good, const char *what) {
    if (!good) {
        fprintf(stderr, "skf_loop: %s\n", what);
        exit(1);
    }
}

/* libskf --------------------------------------------------------------------------------------------------------- */

static DEVHANDLE device;
static HCONTAINER rsa, sm2;
static __typeof__(&SKF_GenRandom) gen_random;
static __typeof__(&SKF_RSASignData) rsa_sign;
static __typeof__(&SKF_ECCSignData) ecc_sign;

static int skf_random(void) {
    last_size = RANDOM_SIZE;
    return gen_random(device, last, RANDOM_SIZE) == SAR_OK;
}

static int skf_rsa(void) {
    last_size = sizeof last;
    return rsa_sign(rsa, digest, sizeof digest, last, &last_size) == SAR_OK;
}

static int skf_sm2(void) {
    ECCSIGNATUREBLOB signature;
    if (ecc_sign(sm2, digest, sizeof digest, &signature)) {
        return 0;
    }
    memcpy(last, signature.r + 32, 32); /* right-aligned */
    memcpy(last + 32, signature.s + 32, 32);
    last_size = 64;
    return 1;
}

static void open_containers(void *library, char **named) {
    __typeof__(&SKF_ConnectDev) connect_device = dlsym(library, "SKF_ConnectDev");
    __typeof__(&SKF_EnumApplication) enumerate = dlsym(library, "SKF_EnumApplication");
    __typeof__(&SKF_OpenApplication) open_application = dlsym(library, "SKF_OpenApplication");
    __typeof__(&SKF_VerifyPIN) verify_pin = dlsym(library, "SKF_VerifyPIN");
    __typeof__(&SKF_OpenContainer) open_container = dlsym(library, "SKF_OpenContainer");
    must(connect_device && enumerate && open_application && verify_pin && open_container, "no SKF library");

    char names[256];
    ULONG size = sizeof names, tries;
    HAPPLICATION application;
    must(!connect_device(named[0], &device), "SKF_ConnectDev");
    must(!enumerate(device, names, &size), "SKF_EnumApplication");
    must(!open_application(device, names, &application), "SKF_OpenApplication");
    must(!verify_pin(application, USER_TYPE, named[1], &tries), "SKF_VerifyPIN");
    must(!open_container(application, named[2], &rsa), "SKF_OpenContainer");
    must(!open_container(application, named[3], &sm2), "SKF_OpenContainer");
}

static void open_library(const char *path, char **named) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    must(library != NULL, "dlopen");
    open_containers(library, named);
    gen_random = dlsym(library, "SKF_GenRandom");
    rsa_sign = dlsym(library, "SKF_RSASignData");
    ecc_sign = dlsym(library, "SKF_ECCSignData");
    must(gen_random && rsa_sign && ecc_sign, "no SKF library");
}

/* The bare socket ------------------------------------------------------------------------------------------------- */

static int file;

static void open_socket(const char *path) {
    static const BYTE on[] = {0, 1, 1};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    file = socket(AF_UNIX, SOCK_STREAM, 0);
    must(!connect(file, (struct sockaddr *)&address, sizeof address), "connect");
    must(send(file, on, sizeof on, 0) == sizeof on, "power");
}

/* A frame's body of at most `most` bytes; its size. */
static size_t receive(BYTE *body, size_t most) {
    BYTE header[2];
    must(recv(file, header, sizeof header, MSG_WAITALL) == sizeof header, "the key has gone");
    size_t size = (size_t)header[0] << 8 | header[1];
    must(size <= most && recv(file, body, size, MSG_WAITALL) == (ssize_t)size, "a frame of another size");
    return size;
}

static int take_random(void) {
    BYTE answer[RANDOM_SIZE + 2] = {0};
    int came = receive(answer, sizeof answer) == sizeof answer && answer[RANDOM_SIZE] == 0x90;
    last_size = RANDOM_SIZE;
    memcpy(last, answer, last_size);
    return came;
}

static int bare_random(void) {
    static const BYTE request[] = {0, 7, 0x80, 0x50, 0, 0, 0, 0, RANDOM_SIZE};
    return send(file, request, sizeof request, 0) == sizeof request && take_random();
}

static int bare_locked(void) {
    static const BYTE request[] = {0, 1, 5, 0, 7, 0x80, 0x50, 0, 0, 0, 0, RANDOM_SIZE}, unlock[] = {0, 1, 6};
    BYTE held;
    must(send(file, request, sizeof request, 0) == sizeof request && receive(&held, sizeof held) == 1, "LOCK");
    return take_random() && !held && send(file, unlock, sizeof unlock, 0) == sizeof unlock;
}

/* The loop -------------------------------------------------------------------------------------------------------- */

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int (*operation_of(const char *name, int is_bare))(void) {
    static const struct {
        const char *name;
        int (*skf)(void);
        int (*bare)(void);
    } operations[] = {
        {"random", skf_random, bare_random},
        {"locked", NULL, bare_locked},
        {"rsa", skf_rsa, NULL},
        {"sm2", skf_sm2, NULL},
    };
    for (size_t at = 0; at < sizeof operations / sizeof *operations; at++) {
        if (!strcmp(operations[at].name, name)) {
            return is_bare ? operations[at].bare : operations[at].skf;
        }
    }
    return NULL;
}

int main(int count, char **arguments) {
    int is_bare = count == 3 && !strcmp(arguments[1], "bare");
    must(is_bare || count == 6, "usage: skf_loop LIBRARY DEVICE PIN RSA SM2, or: skf_loop bare SOCKET");
    if (is_bare) {
        open_socket(arguments[2]);
    } else {
        open_library(arguments[1], arguments + 2);
    }
    char operation[8];
    unsigned times;
    while (scanf("%7s %u", operation, &times) == 2) {
        int (*call)(void) = operation_of(operation, is_bare);
        must(call != NULL, "no such operation");
        for (unsigned tries = 0; is_bare && !call(); tries++) { /* the other program's UNLOCK is on its way */
            must(tries < MOST_TRIES, operation);
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
        double begun = now();
        for (unsigned done = 0; done < times; done++) {
            must(call(), operation);
        }
        printf("%.9f ", (now() - begun) / times);
        for (ULONG at = 0; at < last_size; at++) {
            printf("%02x", last[at]);
        }
        puts("");
        fflush(stdout);
    }
    return 0;
}
