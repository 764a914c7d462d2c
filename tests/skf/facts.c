/* What the library knows by heart or reads, for tests/skf/test_facts.py: the dialects, a run file, digests and SM4. */
#include <stdio.h>
#include <string.h>

#include "objects.h"

static void print_dialect(const char *name) {
    const struct dialect *d = dialect_named(name);
    static const char *const macs[] = {"lc", "lc-le", "none"};
    printf("%s %s %d %s %d %d %d %s %d %d %s %s %d %s %d %d", d->name, d->little_endian ? "little" : "big",
           d->pin_block, macs[d->line_mac], d->application_name, d->file_name, d->container_name,
           d->envelope_cipher_first ? "cipher-first" : "key-first", d->envelope_key, d->rsa_import_bits,
           d->session_key_hash_first ? "hash-first" : "cipher-first", d->ext_cipher_point ? "point" : "counted",
           d->ext_signature_bits, d->cipher_parameters_block ? "block" : "fields", d->decrypt_init_algorithm,
           d->generate_rsa_p1);
    for (unsigned ins = 0; ins < 0x200; ins++) {
        uint8_t number;
        if (!ins_of(d, (uint16_t)ins, &number)) {
            printf(" %x:none", ins);
        } else if (number != ins) {
            printf(" %x:%x", ins, number);
        }
    }
    printf("\n");
}

static int print_run_file(void) {
    static char text[0x10000];
    struct run_file file;
    size_t size = fread(text, 1, sizeof text, stdin);
    if (!parse_run_file(text, size, &file)) {
        printf("none\n");
        return 0;
    }
    printf("%d|%s|%s|%s\n", file.pid, file.serial, file.socket, file.dialect);
    return 0;
}

static void print_hex(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        printf("%02x", bytes[i]);
    }
    printf("\n");
}

static int print_digests(void) {
    static uint8_t text[0x400];
    uint8_t digest[20], block[16];
    size_t size = fread(text, 1, sizeof text, stdin);
    for (size_t length = 0; length <= size; length++) {
        sha1(text, length, digest);
        print_hex(digest, sizeof digest);
    }
    for (size_t at = 0; at + 32 <= size; at += 32) {
        sm4_encrypt_block(text + at, text + at + 16, block);
        print_hex(block, sizeof block);
    }
    return 0;
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "run-file") == 0) {
        return print_run_file();
    }
    if (count == 2 && strcmp(arguments[1], "digests") == 0) {
        return print_digests();
    }
    for (int i = 1; i < count; i++) {
        print_dialect(arguments[i]);
    }
    return 0;
}
