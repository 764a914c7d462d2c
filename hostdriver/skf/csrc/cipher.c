/* Encryption and decryption under session keys, GM/T 0016 § 7.6.
 *
 * A session key is at one cipher at a time. What a call is to answer is known before it goes to the key, so that a
 * question for the size, or a small buffer, leaves the cipher as it was.
 */
#include "crypto.h"

struct direction {
    uint8_t init, whole, update, final;
    bool decrypts;
};

static const struct direction ENCRYPTION = {ENCRYPT_INIT, ENCRYPT, ENCRYPT_UPDATE, ENCRYPT_FINAL, false};
static const struct direction DECRYPTION = {DECRYPT_INIT, DECRYPT, DECRYPT_UPDATE, DECRYPT_FINAL, true};

enum { IV_FIELD = MAX_IV_LEN };

void require_parameters(struct call *call, const BLOCKCIPHERPARAM *parameters) {
    require(call, parameters->IVLen <= IV_FIELD && parameters->PaddingType <= PADDING_PKCS5, SAR_INVALIDPARAMERR);
}

void put_parameters(struct call *call, const BLOCKCIPHERPARAM *parameters) {
    if (call->status != SAR_OK) {
        return;
    }
    if (dialect_of(call)->cipher_parameters_block) {
        put_padded(call, parameters->IV, parameters->IVLen, IV_FIELD);
        put_u32(call, parameters->IVLen);
    } else {
        put_u16(call, (uint16_t)parameters->IVLen);
        put(call, parameters->IV, parameters->IVLen);
    }
    put_u32(call, parameters->PaddingType);
    put_u32(call, parameters->FeedBitLen);
}

static void send_init(struct call *call, const struct direction *direction, const BLOCKCIPHERPARAM *parameters) {
    put_key(call);
    if (call->status == SAR_OK && (!direction->decrypts || dialect_of(call)->decrypt_init_algorithm)) {
        put_u32(call, facts_of(call->object)->algorithm);
    }
    put_parameters(call, parameters);
    call_send(call, direction->init, 0, 0, 0);
}

static ULONG init(const char *function, HANDLE handle, const struct direction *direction,
                  const BLOCKCIPHERPARAM *parameters) {
    struct call call;
    call_begin(&call, function, handle, SESSION_KEY);
    require_parameters(&call, parameters);
    send_init(&call, direction, parameters);
    if (call.status == SAR_OK) {
        struct facts *facts = facts_of(call.object);
        facts->begun = true;
        facts->updated = false;
        facts->decrypts = direction->decrypts;
        facts->parameters = *parameters;
        facts->pending = 0;
    }
    return call_end(&call);
}

/* Sizes -------------------------------------------------------------------------------------------------------- */

static bool pads(const struct facts *facts) {
    return facts->parameters.PaddingType == PADDING_PKCS5;
}

static bool works_in_blocks(const struct facts *facts) {
    return (facts->algorithm & 0x0F) == 1 || (facts->algorithm & 0x0F) == 2; /* ECB, CBC */
}

/* What …Update answers: whole blocks, but for the last one of a decryption, which may be padding. */
static size_t update_size(const struct facts *facts, size_t size) {
    size_t there = facts->pending + size;

    if (!works_in_blocks(facts)) {
        return there;
    }
    if (facts->decrypts && pads(facts) && there > 0) {
        there--;
    }
    return there / BLOCK * BLOCK;
}

/* What all the rest is at most. A padding has one byte at least. */
static size_t final_size(const struct facts *facts, size_t size) {
    size_t there = facts->pending + size;

    if (!pads(facts)) {
        return there;
    }
    if (facts->decrypts) {
        return there > 0 ? there - 1 : 0;
    }
    return (there / BLOCK + 1) * BLOCK;
}

/* Work --------------------------------------------------------------------------------------------------------- */

/* Room of the caller's, and how much of it is used. */
struct sink {
    BYTE *out;
    size_t room, used;
};

static void send_piece(struct call *call, uint8_t ins, const BYTE *data, size_t size, struct sink *sink) {
    put_key(call);
    put(call, data, size);
    call_send(call, ins, 0, 0, ALL);
    size_t answered = left(call);
    const uint8_t *bytes = take(call, answered);
    require(call, answered <= sink->room - sink->used, SAR_BUFFER_TOO_SMALL);
    if (!fits(call, bytes)) {
        return;
    }
    for (size_t at = 0; at < answered; at++) {
        sink->out[sink->used + at] = bytes[at];
    }
    sink->used += answered;
}

static size_t piece_size(const struct call *call) {
    return max_data(call) - 3 * ANY_ID;
}

static void send_updates(struct call *call, uint8_t ins, const BYTE *data, size_t size, struct sink *sink) {
    size_t most = call->status == SAR_OK ? piece_size(call) : 1;

    for (size_t at = 0; at < size && call->status == SAR_OK; at += most) {
        send_piece(call, ins, data + at, size - at < most ? size - at : most, sink);
    }
}

static void send_whole(struct call *call, const struct direction *direction, const BYTE *data, size_t size,
                       struct sink *sink) {
    if (size <= piece_size(call)) {
        send_piece(call, direction->whole, data, size, sink);
        return;
    }
    send_updates(call, direction->update, data, size, sink);
    send_piece(call, direction->final, NULL, 0, sink);
}

static void begin(struct call *call, const char *function, HANDLE handle, const struct direction *direction,
                  const ULONG *io_size) {
    call_begin(call, function, handle, SESSION_KEY);
    require_given(call, io_size);
    if (call->status == SAR_OK) {
        const struct facts *facts = facts_of(call->object);
        require(call, facts->begun && facts->decrypts == direction->decrypts, SAR_NOTINITIALIZEERR);
    }
}

static void finish_cipher(struct call *call, const struct direction *direction, const struct sink *sink,
                          ULONG *io_size) {
    facts_of(call->object)->begun = false;
    if (direction->decrypts && call->sw == SW_WRONG_DATA) {
        call->status = SAR_DECRYPTPADERR;
    }
    if (call->status == SAR_OK) {
        *io_size = (ULONG)sink->used;
    }
}

/* How long a decryption with a padding is shows when it is done: a buffer that only a shorter one fits into is tried,
 * and where it will not do the cipher begins anew. */
static bool is_worth_a_try(const struct facts *facts, size_t most, const BYTE *out, const ULONG *io_size) {
    return out != NULL && facts->decrypts && pads(facts) && !facts->updated && most < *io_size + (size_t)BLOCK;
}

static void begin_anew(struct call *call, const struct direction *direction, size_t most, ULONG *io_size) {
    struct facts *facts = facts_of(call->object);

    call->status = SAR_OK;
    send_init(call, direction, &facts->parameters);
    facts->begun = call->status == SAR_OK;
    *io_size = (ULONG)most;
    call_fail(call, SAR_BUFFER_TOO_SMALL);
}

static ULONG whole(const char *function, HANDLE handle, const struct direction *direction, const BYTE *data, ULONG size,
                   BYTE *out, ULONG *io_size) {
    struct call call;
    begin(&call, function, handle, direction, io_size);
    require(&call, out == NULL || data != NULL || size == 0, SAR_INVALIDPARAMERR);
    if (call.status == SAR_OK) {
        const struct facts *facts = facts_of(call.object);
        size_t most = final_size(facts, size);
        bool is_tried = is_worth_a_try(facts, most, out, io_size);
        if (is_tried || has_room(&call, most, out, io_size)) {
            struct sink sink = {out, *io_size, 0};
            send_whole(&call, direction, data, size, &sink);
            finish_cipher(&call, direction, &sink, io_size);
            if (is_tried && call.status == SAR_BUFFER_TOO_SMALL) {
                begin_anew(&call, direction, most, io_size);
            }
        }
    }
    return call_end(&call);
}

static ULONG update(const char *function, HANDLE handle, const struct direction *direction, const BYTE *data,
                    ULONG size, BYTE *out, ULONG *io_size) {
    struct call call;
    begin(&call, function, handle, direction, io_size);
    require(&call, out == NULL || data != NULL || size == 0, SAR_INVALIDPARAMERR);
    if (call.status == SAR_OK) {
        struct facts *facts = facts_of(call.object);
        size_t there = facts->pending + (size_t)size;
        if (has_room(&call, update_size(facts, size), out, io_size)) {
            struct sink sink = {out, *io_size < there ? *io_size : there, 0};
            facts->updated = true;
            send_updates(&call, direction->update, data, size, &sink);
            facts->pending = (uint32_t)(there - sink.used);
            if (call.status == SAR_OK) {
                *io_size = (ULONG)sink.used;
            }
        }
    }
    return call_end(&call);
}

static ULONG final(const char *function, HANDLE handle, const struct direction *direction, BYTE *out, ULONG *io_size) {
    struct call call;
    begin(&call, function, handle, direction, io_size);
    if (call.status == SAR_OK && has_room(&call, final_size(facts_of(call.object), 0), out, io_size)) {
        struct sink sink = {out, *io_size, 0};
        send_piece(&call, direction->final, NULL, 0, &sink);
        finish_cipher(&call, direction, &sink, io_size);
    }
    return call_end(&call);
}

/* The functions ------------------------------------------------------------------------------------------------ */

ULONG DEVAPI SKF_EncryptInit(HANDLE hKey, BLOCKCIPHERPARAM EncryptParam) {
    return init(__func__, hKey, &ENCRYPTION, &EncryptParam);
}

ULONG DEVAPI SKF_Encrypt(HANDLE hKey, BYTE *pbData, ULONG ulDataLen, BYTE *pbEncryptedData, ULONG *pulEncryptedLen) {
    return whole(__func__, hKey, &ENCRYPTION, pbData, ulDataLen, pbEncryptedData, pulEncryptedLen);
}

ULONG DEVAPI SKF_EncryptUpdate(HANDLE hKey, BYTE *pbData, ULONG ulDataLen, BYTE *pbEncryptedData,
                               ULONG *pulEncryptedLen) {
    return update(__func__, hKey, &ENCRYPTION, pbData, ulDataLen, pbEncryptedData, pulEncryptedLen);
}

ULONG DEVAPI SKF_EncryptFinal(HANDLE hKey, BYTE *pbEncryptedData, ULONG *pulEncryptedDataLen) {
    return final(__func__, hKey, &ENCRYPTION, pbEncryptedData, pulEncryptedDataLen);
}

ULONG DEVAPI SKF_DecryptInit(HANDLE hKey, BLOCKCIPHERPARAM DecryptParam) {
    return init(__func__, hKey, &DECRYPTION, &DecryptParam);
}

ULONG DEVAPI SKF_Decrypt(HANDLE hKey, BYTE *pbEncryptedData, ULONG ulEncryptedLen, BYTE *pbData, ULONG *pulDataLen) {
    return whole(__func__, hKey, &DECRYPTION, pbEncryptedData, ulEncryptedLen, pbData, pulDataLen);
}

ULONG DEVAPI SKF_DecryptUpdate(HANDLE hKey, BYTE *pbEncryptedData, ULONG ulEncryptedLen, BYTE *pbData,
                               ULONG *pulDataLen) {
    return update(__func__, hKey, &DECRYPTION, pbEncryptedData, ulEncryptedLen, pbData, pulDataLen);
}

ULONG DEVAPI SKF_DecryptFinal(HANDLE hKey, BYTE *pbPlainText, ULONG *pulPlainTextLen) {
    return final(__func__, hKey, &DECRYPTION, pbPlainText, pulPlainTextLen);
}
