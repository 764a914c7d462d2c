/* Digests and MACs: data gathered until the last call, and then everything at once. See crypto.h. */
#include <stdlib.h>
#include <string.h>

#include "crypto.h"

enum { FIRST_ROOM = 4096 };

static bool make_room(struct kept *kept, size_t size) {
    size_t room = kept->room ? kept->room : FIRST_ROOM;

    while (room - kept->size < size) {
        if (room > SIZE_MAX / 2) {
            return false;
        }
        room *= 2;
    }
    if (room == kept->room) {
        return true;
    }
    uint8_t *at = malloc(room);
    if (at == NULL) {
        return false;
    }
    if (kept->size > 0) {
        memcpy(at, kept->at, kept->size);
    }
    size_t size_now = kept->size, start = kept->start;
    drop(kept); /* not realloc, which leaves what it moves behind */
    *kept = (struct kept){at, size_now, room, start};
    return true;
}

bool keep(struct kept *kept, const void *data, size_t size) {
    if (size > 0 && !make_room(kept, size)) {
        return false;
    }
    if (size > 0) {
        memcpy(kept->at + kept->size, data, size);
    }
    kept->size += size;
    return true;
}

void drop(struct kept *kept) {
    wipe(kept->at, kept->size);
    free(kept->at);
    *kept = (struct kept){0};
}

static void require_running(struct call *call, const struct series *series) {
    if (call->status == SAR_OK) {
        require(call, facts_of(call->object)->begun, series->not_running);
    }
}

void gather(struct call *call, const struct series *series, const void *data, size_t size) {
    require_running(call, series);
    if (call->status == SAR_OK) {
        require(call, keep(&facts_of(call->object)->kept, data, size), SAR_MEMORYERR);
    }
}

static void send_piece(struct call *call, const struct series *series, uint8_t ins, const uint8_t *data, size_t size,
                       size_t wanted) {
    series->put_place(call);
    put(call, data, size);
    call_send(call, ins, 0, 0, wanted);
}

static void send_all(struct call *call, const struct series *series, const uint8_t *data, size_t size) {
    size_t most = max_data(call) - 3 * ANY_ID;

    series->send_init(call);
    if (size <= most) {
        send_piece(call, series, series->whole, data, size, series->size);
        return;
    }
    for (size_t at = 0; at < size && call->status == SAR_OK; at += most) {
        send_piece(call, series, series->update, data + at, size - at < most ? size - at : most, 0);
    }
    send_piece(call, series, series->final, NULL, 0, series->size);
}

void conclude(struct call *call, const struct series *series, const void *data, size_t size, BYTE *out,
              ULONG *io_size) {
    require_given(call, io_size);
    require(call, out == NULL || data != NULL || size == 0, SAR_INVALIDPARAMERR);
    require_running(call, series);
    if (!has_room(call, series->size, out, io_size)) {
        return;
    }
    gather(call, series, data, size);
    if (call->status != SAR_OK) {
        return;
    }
    struct facts *facts = facts_of(call->object);
    facts->begun = false;
    size_t start = facts->kept.start;
    const uint8_t *gathered = facts->kept.at ? facts->kept.at + start : NULL;
    send_all(call, series, gathered, facts->kept.size - start);
    require(call, left(call) == series->size, SAR_UNKNOWNERR);
    call_hand_over(call, call->answer, call->answer_size, out, io_size);
    drop(&facts->kept);
}
