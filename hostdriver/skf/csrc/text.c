/* Texts and buffers of the caller's. */
#include <string.h>

#include "objects.h"

bool text_length(const char *text, size_t limit, size_t *length) {
    *length = strnlen(text, limit + 1);
    return *length <= limit;
}

size_t given_length(struct call *call, const char *text, size_t most, ULONG refusal) {
    size_t length = 0;
    if (!text) {
        call_fail(call, SAR_INVALIDPARAMERR);
    } else if (!text_length(text, most, &length) || !length) {
        call_fail(call, refusal);
    }
    return length;
}

ULONG hand_over(const void *bytes, size_t size, void *out, ULONG *io_size) {
    if (!io_size) {
        return SAR_INVALIDPARAMERR;
    }
    ULONG room = *io_size;
    *io_size = (ULONG)size;
    if (!out) {
        return SAR_OK;
    }
    if (room < size) {
        return SAR_BUFFER_TOO_SMALL;
    }
    if (size) {
        memcpy(out, bytes, size);
    }
    return SAR_OK;
}

/* Names that the key lists: each ends with NUL, the list with one more; nothing of it is believed to end by itself. */
void hand_over_names(struct call *call, char *out, ULONG *io_size) {
    size_t room = left(call), size = 0;
    const char *names = (const char *)take(call, room);
    while (!call->status && size < room && names[size]) {
        size += strnlen(names + size, room - size) + 1;
    }
    if (!call->status && size >= room) {
        call_fail(call, SAR_UNKNOWNERR);
    }
    call_hand_over(call, names, size + 1, out, io_size);
}
