/* Commands and answers as bytes (ISO/IEC 7816-3 § 12.1): extended lengths, long answers in pieces. Nothing that the
 * key says is believed before it was measured. */
#include <stdlib.h>
#include <string.h>

#include "objects.h"

enum {
    HEADER = 4,
    EXTENDED = 3, /* 00 LcHi LcLo, or 00 LeHi LeLo */
    LE = 2,
    MAX_PIECES = 64,
    SW_SIZE = 2,
    SW_DONE = 0x9000,
    SW_MORE = 0x6A9E,
    GET_RESPONSE = 0xC0
};

static size_t encode(const struct command *command, uint8_t *apdu) {
    size_t size = HEADER;
    memcpy(apdu, (const uint8_t[]){command->cla, command->ins, command->p1, command->p2}, HEADER);
    if (command->size) {
        memcpy(apdu + size, (const uint8_t[]){0, (uint8_t)(command->size >> 8), (uint8_t)command->size}, EXTENDED);
        memcpy(apdu + size + EXTENDED, command->data, command->size);
        size += EXTENDED + command->size;
    } else if (command->wanted) {
        apdu[size++] = 0;
    }
    if (command->wanted) {
        apdu[size++] = (uint8_t)(command->wanted >> 8); /* ALL is 00 00 */
        apdu[size++] = (uint8_t)command->wanted;
    }
    return size;
}

static ULONG append(struct answer *answer, const uint8_t *piece, size_t size) {
    if (answer->size + size > MAX_ANSWER) {
        return SAR_UNKNOWNERR;
    }
    uint8_t *grown = malloc(answer->size + size + 1);
    if (!grown) {
        return SAR_MEMORYERR;
    }
    if (answer->size) {
        memcpy(grown, answer->bytes, answer->size);
    }
    memcpy(grown + answer->size, piece, size);
    size_t whole = answer->size + size;
    answer_free(answer);
    answer->bytes = grown;
    answer->size = whole;
    return SAR_OK;
}

void answer_free(struct answer *answer) {
    if (answer->bytes) {
        wipe(answer->bytes, answer->size);
        free(answer->bytes);
    }
    answer->bytes = NULL;
    answer->size = 0;
}

/* One APDU and its piece of the answer. */
static ULONG one(struct device *device, const struct command *command, uint8_t *frame, struct answer *answer) {
    size_t size = encode(command, frame), got = MAX_FRAME;
    ULONG status = device->removed ? SAR_DEVICE_REMOVED
                                   : device->link->exchange(device->link, frame, size, frame, &got);
    device->removed = device->removed || status == SAR_DEVICE_REMOVED;
    if (!status && (got < SW_SIZE || got > MAX_FRAME)) {
        status = SAR_UNKNOWNERR;
    }
    if (!status) {
        answer->sw = (uint16_t)(frame[got - 2] << 8 | frame[got - 1]);
        status = append(answer, frame, got - SW_SIZE);
    }
    wipe(frame, status ? MAX_FRAME : size > got ? size : got);
    return status;
}

ULONG device_exchange(struct device *device, const struct command *command, struct answer *answer) {
    if (command->size > MAX_FRAME - HEADER - EXTENDED - LE) {
        return SAR_INDATALENERR;
    }
    uint8_t *frame = malloc(MAX_FRAME);
    if (!frame) {
        return SAR_MEMORYERR;
    }
    *answer = (struct answer){0};
    ULONG status = one(device, command, frame, answer);
    for (int pieces = 1; !status && (answer->sw == SW_MORE || answer->sw >> 8 == 0x61); pieces++) {
        size_t rest = answer->sw & 0xFF;
        const struct command more = {0x00, GET_RESPONSE, 0, 0, NULL, 0, rest ? rest : 0x100};
        if (pieces == MAX_PIECES) {
            status = SAR_UNKNOWNERR;
        } else {
            status = one(device, answer->sw == SW_MORE ? command : &more, frame, answer);
        }
    }
    free(frame);
    return status;
}
