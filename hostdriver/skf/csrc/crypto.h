/* What the cryptographic functions (GM/T 0016 § 7.6) share: commands, and blobs as the commands carry them.
 *
 * On the wire a value of 256 bits has 32 bytes and one of RSA as many as the modulus; in the blobs of GM/T 0016 the
 * same stands at the end of a wider field. Makers that put it at the beginning are understood, too.
 */
#ifndef VUKEY_SKF_CRYPTO_H
#define VUKEY_SKF_CRYPTO_H

#include "internal.h"

/* Commands of GM/T 0017 § 9.6, as the default dialect numbers them. */
enum {
    GEN_RANDOM = 0x50,
    GEN_EXT_RSA_KEY = 0x52,
    GENERATE_RSA_KEY_PAIR = 0x54,
    IMPORT_RSA_KEY_PAIR = 0x56,
    RSA_SIGN_DATA = 0x58,
    RSA_EXPORT_SESSION_KEY = 0x5A,
    RSA_VERIFY = 0x5E,
    GEN_ECC_KEY_PAIR = 0x70,
    IMPORT_ECC_KEY_PAIR = 0x72,
    ECC_SIGN_DATA = 0x74,
    ECC_VERIFY = 0x76,
    ECC_EXPORT_SESSION_KEY = 0x78,
    EXT_ECC_ENCRYPT = 0x7A,
    EXT_ECC_DECRYPT = 0x7C,
    EXT_ECC_SIGN = 0x7E,
    EXT_ECC_VERIFY = 0x80,
    GENERATE_AGREEMENT_DATA = 0x82,
    GENERATE_AGREEMENT_DATA_AND_KEY = 0x84,
    GENERATE_KEY = 0x86,
    EXPORT_PUBLIC_KEY = 0x88,
    IMPORT_SESSION_KEY = 0xA0,
    SET_SYMM_KEY = 0xA2,
    ENCRYPT_INIT = 0xA4,
    ENCRYPT = 0xA6,
    ENCRYPT_UPDATE = 0xA8,
    ENCRYPT_FINAL = 0xAA,
    DECRYPT_INIT = 0xAC,
    DECRYPT = 0xAE,
    DECRYPT_UPDATE = 0xB0,
    DECRYPT_FINAL = 0xB2,
    DIGEST_INIT = 0xB4,
    DIGEST = 0xB6,
    DIGEST_UPDATE = 0xB8,
    DIGEST_FINAL = 0xBA,
    MAC_INIT = 0xBC,
    MAC_WHOLE = 0xBE,
    MAC_UPDATE = 0xC0,
    MAC_FINAL = 0xC2,
    DESTROY_SESSION_KEY = 0xC4,
    EXT_RSA_PRI_KEY_OPERATION = 0xE8,
    EXT_RSA_PUB_KEY_OPERATION = 0xEA,
    ACTIVATION = 0xF6
};

enum { SW_WRONG_DATA = 0x6A80, SW_TRIES = 0x63C0 };
enum { MESSAGE = 1, DIGEST_READY = 2 }; /* P1 of the signing commands: what the data are */
enum { EXCHANGE_PAIR = 0, SIGNATURE_PAIR = 1 }; /* P1 of ExportPublicKey */

enum {
    SM2_BITS = 256,
    SM2_SIZE = 32,
    SM2_POINT = 2 * SM2_SIZE,
    MAX_ID = 8191, /* bytes of a signer's ID: Z counts its bits in 16 */
    BLOCK = 16,
    MAX_CIPHER = 0xF000 /* bytes of C2 that fit into a command */
};

/* The call fails with `otherwise` unless this holds. */
void require(struct call *call, bool holds, ULONG otherwise);
/* As `require`, for what must not be NULL; data of no bytes may be. */
void require_given(struct call *call, const void *pointer);
void require_data(struct call *call, const void *data, ULONG size);

bool fits(const struct call *call, const void *pointer); /* whether all is well and there is something to work with */

void put_counted(struct call *call, const void *bytes, size_t size); /* length (4), bytes */

/* SM2 */

bool is_sm2(ULONG algorithm); /* by the numbers of GM/T 0006-2012 or of its successor */
void put_sm2_public(struct call *call, const ECCPUBLICKEYBLOB *blob);   /* bits (4), X, Y */
void put_sm2_point(struct call *call, const ECCPUBLICKEYBLOB *blob);    /* X, Y */
void put_sm2_private(struct call *call, const ECCPRIVATEKEYBLOB *blob); /* bits (4), d */
void put_sm2_value(struct call *call, const BYTE field[2 * SM2_SIZE]);
void put_sm2_cipher(struct call *call, const ECCCIPHERBLOB *blob); /* C1, C3, length (4), C2 */
void put_sm2_bits(struct call *call);
void take_sm2_bits(struct call *call); /* 256, or the answer is none */
void fill_public(ECCPUBLICKEYBLOB *blob, const uint8_t point[SM2_POINT]);
void fill_signature(ECCSIGNATUREBLOB *blob, const uint8_t r_and_s[SM2_POINT]);

/* A cipher in an answer, before it is known that all of it is good. */
struct sm2_cipher {
    const uint8_t *point, *hash, *data;
    uint32_t size;
};
void take_sm2_tag(struct call *call, struct sm2_cipher *cipher); /* C3, length (4), C2 */
void take_sm2_cipher(struct call *call, struct sm2_cipher *cipher); /* bits (4), C1, C3, length (4), C2 */
void fill_cipher(ECCCIPHERBLOB *blob, const struct sm2_cipher *cipher);

/* RSA */

size_t rsa_size(struct call *call, ULONG bits); /* bytes of a modulus; the call fails if no blob holds such a one */
void put_rsa_public(struct call *call, const RSAPUBLICKEYBLOB *blob);   /* bits (4), n, e (4) */
void put_rsa_private(struct call *call, const RSAPRIVATEKEYBLOB *blob); /* bits (4), n, e (4), d, p, q … */
void fill_right(BYTE *field, size_t width, const uint8_t *bytes, size_t size);

/* A public key of the container's as the key exports it. */
struct exported {
    bool is_sm2;
    size_t size;          /* bytes of the modulus, or of X and Y */
    uint32_t exponent;    /* of RSA */
    const uint8_t *value; /* n, or X and Y: part of the answer */
};
void export_public(struct call *call, uint8_t pair, struct exported *key);
void fill_exponent(BYTE field[MAX_RSA_EXPONENT_LEN], uint32_t exponent);

/* Session keys */

uint32_t key_size_of(ULONG algorithm); /* bytes; 0: no symmetric algorithm */
void require_symmetric(struct call *call, ULONG algorithm);
/* A handle for a session key that the key has just made; it is destroyed where there is no memory for the handle. */
void hand_out_key(struct call *call, struct object *parent, ULONG algorithm, const uint8_t id[ANY_ID],
                  HANDLE *handle);

/* Room in a buffer of the caller's for an answer yet to come; false: that was all that there was to say. */
bool has_room(struct call *call, size_t size, const void *out, ULONG *io_size);

/* Ciphers and MACs */

void put_parameters(struct call *call, const BLOCKCIPHERPARAM *parameters);
void require_parameters(struct call *call, const BLOCKCIPHERPARAM *parameters);

/* Data that a digest or a MAC gathers until its last call. The key has one digest for all programs, and one MAC for
 * each session key: what went to it piece by piece would be spoilt by anybody's next …Init. */
struct series {
    uint8_t whole, update, final;
    size_t size;       /* bytes of the result */
    ULONG not_running; /* what a call on a finished one answers */
    void (*put_place)(struct call *); /* what each command's data begin with */
    void (*send_init)(struct call *);
};
bool keep(struct kept *kept, const void *data, size_t size); /* false: no memory */
void drop(struct kept *kept);
void gather(struct call *call, const struct series *series, const void *data, size_t size);
void conclude(struct call *call, const struct series *series, const void *data, size_t size, BYTE *out,
              ULONG *io_size);

#endif
