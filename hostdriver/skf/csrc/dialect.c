/* What makers split on: protocols/dialect.py once more. tests/skf/test_dialect.py compares the two. */
#include <string.h>

#include "objects.h"

static const struct dialect DIALECTS[] = {
    {
        .name = "default",
        .pin_block = 1,
        .line_mac = MAC_LC,
        .application_name = 32,
        .file_name = 32,
        .container_name = 64,
        .envelope_key = 32,
        .ext_signature_bits = true,
        .decrypt_init_algorithm = true,
    },
    {
        .name = "longmai",
        .pin_block = 2,
        .line_mac = MAC_LC,
        .application_name = 32,
        .file_name = 32,
        .container_name = 39,
        .envelope_key = 32,
        .ext_signature_bits = true,
        .decrypt_init_algorithm = true,
    },
    {
        .name = "sunyard",
        .little_endian = true,
        .pin_block = 1,
        .line_mac = MAC_LC_LE,
        .application_name = 32,
        .file_name = 40,
        .container_name = 64,
        .envelope_key = 32,
        .rsa_import_bits = true,
        .session_key_hash_first = true,
        .ext_signature_bits = true,
    },
    {
        .name = "synochip",
        .little_endian = true,
        .pin_block = 1,
        .line_mac = MAC_NONE,
        .application_name = 48,
        .file_name = 48,
        .container_name = 64,
        .envelope_cipher_first = true,
        .envelope_key = 64,
        .ext_cipher_point = true,
        .cipher_parameters_block = true,
        .decrypt_init_algorithm = true,
        .generate_rsa_p1 = 1,
        .numbers = {{0x5C, NO_INS}, {0x15C, 0x5C}, {0x80, 0x7F}, {0x180, 0x80}},
    },
};

const struct dialect *dialect_named(const char *name) {
    for (size_t i = 0; i < sizeof DIALECTS / sizeof *DIALECTS; i++) {
        if (strcmp(DIALECTS[i].name, name) == 0) {
            return &DIALECTS[i];
        }
    }
    return &DIALECTS[0];
}

bool ins_of(const struct dialect *dialect, uint16_t ins, uint8_t *number) {
    uint16_t theirs = ins;
    for (const struct number *each = dialect->numbers; each->ins; each++) {
        if (each->ins == ins) {
            theirs = each->theirs;
        }
    }
    *number = (uint8_t)theirs;
    return theirs <= 0xFF;
}

uint32_t read_number(const struct dialect *dialect, const uint8_t *bytes, size_t size) {
    uint32_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | bytes[dialect->little_endian ? size - 1 - i : i];
    }
    return value;
}
