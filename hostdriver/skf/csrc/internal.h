/* What the files of libskf_vukey share. Nothing of it leaves the library.
 *
 * One SKF function is one command (GM/T 0017) on the key: it finds what its handle means, builds the command's data,
 * sends it, reads the answer. `struct call` does that; the functions say what is in it.
 */
#ifndef VUKEY_SKF_INTERNAL_H
#define VUKEY_SKF_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "skf_vukey.h"

/* Handles ---------------------------------------------------------------------------------------------------- */

enum kind { DEVICE, APPLICATION, CONTAINER, SESSION_KEY, HASH, MAC, AGREEMENT };

enum { ANY_ID = 2 }; /* bytes of an AppID, a ContainerID or a KeyID: echoed as the key gave them */

struct object; /* what a handle means; counted, so that a thread keeps it while another closes it */

/* Bytes that an object keeps on the heap; wiped and freed with it. */
struct kept {
    uint8_t *at;
    size_t size, room;
    size_t start; /* of these, the data of …Init */
};

/* What the functions may know of an object. Written under the device's lock only. */
struct facts {
    uint8_t id[4]; /* AppID, ContainerID, KeyID (ANY_ID bytes); an agreement's handle (4) */
    uint32_t algorithm; /* of a session key, a hash, an agreement: SGD_… */
    uint32_t key_size; /* of a session key: bytes, 0 unknown */
    bool begun;      /* a cipher, hash or MAC that has been begun (…Init) */
    bool updated;    /* …Update has been called since */
    bool decrypts;   /* the cipher that was begun */
    BLOCKCIPHERPARAM parameters;
    uint32_t pending; /* bytes that the key holds back until …Final */
    struct kept kept;
};

struct facts *facts_of(struct object *object);
enum kind kind_of(const struct object *object);
struct object *parent_of(struct object *object); /* application of a container, container of a session key … */

/* The nearest object of that kind from `object` upwards, itself included; NULL. */
struct object *above(struct object *object, enum kind kind);

/* A handle for a new object below `parent` (NULL: a device). SAR_MEMORYERR when there is no memory. */
ULONG object_new(enum kind kind, struct object *parent, const struct facts *facts, HANDLE *handle);
void object_close(struct object *object); /* its handle and those below it mean nothing any more */

/* Calls ------------------------------------------------------------------------------------------------------ */

/* Between call_begin and call_end the thread has the key to itself: other threads of the program and other programs
 * wait. All `put` and `take` functions are no-ops once something has gone wrong; call_send and call_end say what. */
struct call {
    struct object *object; /* the handle's, held until call_end */
    struct device *device; /* its device */
    ULONG status;          /* the first thing that went wrong */
    uint8_t *data;         /* the command's data */
    size_t size, room;
    uint8_t *answer; /* the answer's data, without the status word */
    size_t answer_size, taken;
    uint16_t sw;           /* the last status word; 0: none came */
    /* What these status words mean to this function; call_begin fills in what they mostly do (status.c). */
    ULONG on_not_found;  /* 6A82 */
    ULONG on_exists;     /* 6A89 */
    ULONG on_no_key;     /* 6A88 */
    ULONG on_conditions; /* 6985 */
    ULONG on_wrong;      /* 6300: a signature or cryptogram does not fit */
    /* call.c's own */
    size_t app_at, container_at; /* where their identifiers stand in the data */
    const char *function;        /* for the log */
    uint64_t started;            /* µs */
    bool entered;
};

/* SAR_INVALIDHANDLEERR: no such handle, or one of another kind; SAR_DEVICE_REMOVED: its key has gone. */
ULONG call_begin(struct call *call, const char *function, HANDLE handle, enum kind kind);
ULONG call_begin_any(struct call *call, const char *function, HANDLE handle, unsigned kinds); /* bits: 1u << kind */

void put_u8(struct call *call, uint8_t value);
void put_u16(struct call *call, uint16_t value); /* in the byte order of the key's dialect, as is put_u32 */
void put_u32(struct call *call, uint32_t value);
void put(struct call *call, const void *bytes, size_t size);
void put_padded(struct call *call, const void *bytes, size_t size, size_t width); /* zeros behind */
void put_zeros(struct call *call, size_t count);
void put_app(struct call *call);       /* AppID of the object's application */
void put_container(struct call *call); /* App and Con of the object's container */
void put_key(struct call *call);       /* App, Con and Key of the object's session key */

/* One command with what was put, and its whole answer (6A9E and 61xx followed). `wanted` bytes are expected, 0: none,
 * ALL: as many as there are. Afterwards the data are empty (and wiped), for the next command of the call. */
enum { ALL = 0x10000 };
ULONG call_send(struct call *call, uint16_t ins, uint8_t p1, uint8_t p2, size_t wanted);
ULONG call_send_at_app(struct call *call, uint16_t ins, size_t wanted); /* AppID in P1 and P2: files */

uint8_t take_u8(struct call *call);
uint16_t take_u16(struct call *call);
uint32_t take_u32(struct call *call);
const uint8_t *take(struct call *call, size_t size); /* NULL, and an error of the call, when there is less */
size_t left(const struct call *call);
void take_end(struct call *call); /* an error of the call when something is left */

/* Frees and wipes, lets the others in, logs the outcome. Returns `call->status`. */
ULONG call_end(struct call *call);
ULONG call_fail(struct call *call, ULONG status); /* remembers it unless something went wrong before; returns it */

/* An output of the caller's: NULL asks for its size; a small one is SAR_BUFFER_TOO_SMALL with the size (§ 5). */
ULONG call_hand_over(struct call *call, const void *bytes, size_t size, void *out, ULONG *io_size);

/* The key's dialect (protocols/dialect.py), as the run file says; a real key's is the default. */
struct dialect {
    const char *name;
    bool little_endian;
    uint8_t pin_block;            /* 1 or 2 */
    enum { MAC_LC, MAC_LC_LE, MAC_NONE } line_mac;
    uint8_t application_name, file_name, container_name; /* widths in bytes */
    bool envelope_cipher_first;
    uint8_t envelope_key; /* 32 or 64 */
    bool rsa_import_bits;
    bool session_key_hash_first;
    bool ext_cipher_point;
    bool ext_signature_bits;
    bool cipher_parameters_block;
    bool decrypt_init_algorithm;
    uint8_t generate_rsa_p1;
    struct number {
        uint16_t ins, theirs; /* NO_INS: it has no such command */
    } numbers[8];             /* what this maker has otherwise; ends with a zero */
};
enum { NO_INS = 0xFFFF };
const struct dialect *dialect_of(const struct call *call);
size_t max_data(const struct call *call); /* bytes of data that one command may carry (MaxApduDataLen); never 0 */

/* Secrets ----------------------------------------------------------------------------------------------------- */

void wipe(void *bytes, size_t size); /* not optimised away */
void sha1(const void *bytes, size_t size, uint8_t digest[20]);
void sm4_encrypt_block(const uint8_t key[16], const uint8_t in[16], uint8_t out[16]);

#endif
