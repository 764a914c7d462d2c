#include "step.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct functions skf;
const char *directory;

void load_library(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "FAILED %s\n", dlerror());
        exit(1);
    }
#define X(name)                                                                                                       \
    *(void **)&skf.name = dlsym(library, #name);                                                                      \
    check(skf.name != NULL, #name, __FILE__, __LINE__);
    FUNCTIONS(X)
#undef X
}

void check(int truth, const char *what, const char *file, int line) {
    if (!truth) {
        fprintf(stderr, "FAILED %s:%d: %s\n", file, line, what);
        exit(1);
    }
}

void expect(ULONG answered, ULONG wanted, const char *what, const char *file, int line) {
    if (answered != wanted) {
        fprintf(stderr, "FAILED %s:%d: %s answered %08X instead of %08X\n", file, line, what, answered, wanted);
        exit(1);
    }
}

void say(const char *line) {
    printf("%s\n", line);
    fflush(stdout);
}

void wait_for(const char *what) {
    char line[16];
    say(what);
    CHECK(fgets(line, sizeof line, stdin) != NULL);
}

static FILE *open_file(const char *name, const char *mode) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, mode);
    check(file != NULL, name, __FILE__, __LINE__);
    return file;
}

void save(const char *name, const void *bytes, size_t size) {
    FILE *file = open_file(name, "wb");
    CHECK(fwrite(bytes, 1, size, file) == size);
    CHECK(fclose(file) == 0);
}

size_t load(const char *name, void *bytes, size_t room) {
    FILE *file = open_file(name, "rb");
    size_t size = fread(bytes, 1, room, file);
    CHECK(fclose(file) == 0);
    return size;
}

void set_point(ECCPUBLICKEYBLOB *blob, const BYTE point[64]) {
    memset(blob, 0, sizeof *blob);
    blob->BitLen = 256;
    memcpy(blob->XCoordinate + 32, point, 32);
    memcpy(blob->YCoordinate + 32, point + 32, 32);
}

void set_cipher(ECCCIPHERBLOB *blob, const BYTE *raw, size_t size) {
    memset(blob, 0, sizeof *blob);
    memcpy(blob->XCoordinate + 32, raw, 32);
    memcpy(blob->YCoordinate + 32, raw + 32, 32);
    memcpy(blob->HASH, raw + 64, 32);
    blob->CipherLen = (ULONG)(size - 96);
    memcpy((BYTE *)blob + offsetof(ECCCIPHERBLOB, Cipher), raw + 96, size - 96);
}

static void save_pair(const char *name, const BYTE first[64], const BYTE second[64]) {
    static const BYTE zeros[32];
    BYTE raw[64];
    CHECK(memcmp(first, zeros, 32) == 0 && memcmp(second, zeros, 32) == 0);
    memcpy(raw, first + 32, 32);
    memcpy(raw + 32, second + 32, 32);
    save(name, raw, sizeof raw);
}

void save_point(const char *name, const ECCPUBLICKEYBLOB *blob) {
    CHECK(blob->BitLen == 256);
    save_pair(name, blob->XCoordinate, blob->YCoordinate);
}

void save_signature(const char *name, const ECCSIGNATUREBLOB *blob) {
    save_pair(name, blob->r, blob->s);
}

void save_cipher(const char *name, const ECCCIPHERBLOB *blob) {
    BYTE raw[CIPHER_ROOM];
    memcpy(raw, blob->XCoordinate + 32, 32);
    memcpy(raw + 32, blob->YCoordinate + 32, 32);
    memcpy(raw + 64, blob->HASH, 32);
    memcpy(raw + 96, (const BYTE *)blob + offsetof(ECCCIPHERBLOB, Cipher), blob->CipherLen);
    save(name, raw, 96 + blob->CipherLen);
}
