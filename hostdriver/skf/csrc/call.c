/* One function of the interface is one call: the handle, the command's data, the answer. */
#include <stdlib.h>
#include <string.h>

#include "objects.h"

enum {
    CLA_PLAIN = 0x80,
    CLA_MAC = 0x84,
    OPEN_APPLICATION = 0x26,
    OPEN_CONTAINER = 0x42,
    APPLICATION_INFO = 10, /* OpenApplication's answer, the AppID at its end */
    FIRST_ROOM = 256,
    MOST_DATA = MAX_FRAME - 9,
    NOWHERE = -1
};

ULONG call_fail(struct call *call, ULONG status) {
    if (!call->status) {
        call->status = status;
    }
    return call->status;
}

ULONG call_begin(struct call *call, const char *function, HANDLE handle, enum kind kind) {
    return call_begin_any(call, function, handle, 1u << kind);
}

ULONG call_begin_any(struct call *call, const char *function, HANDLE handle, unsigned kinds) {
    memset(call, 0, sizeof *call);
    call->function = function;
    call->started = now_us();
    call->app_at = call->container_at = (size_t)NOWHERE;
    call->status = object_find(handle, kinds, &call->object);
    if (call->status) {
        return call->status;
    }
    fill_meanings(call, call->object->kind);
    call->device = call->object->device;
    call->status = device_enter(call->device, call->started + CALL_PATIENCE_MS * 1000ull, false);
    call->entered = !call->status;
    if (call->entered && object_is_closed(call->object)) {
        call->status = SAR_INVALIDHANDLEERR; /* while this thread waited */
    }
    return call->status;
}

static void drop_data(struct call *call) {
    if (call->data) {
        wipe(call->data, call->room);
        free(call->data);
    }
    call->data = NULL;
    call->size = call->room = 0;
    call->app_at = call->container_at = (size_t)NOWHERE;
}

static void drop_answer(struct call *call) {
    struct answer answer = {call->answer, call->answer_size, 0};
    answer_free(&answer);
    call->answer = NULL;
    call->answer_size = call->taken = 0;
}

ULONG call_end(struct call *call) {
    drop_data(call);
    drop_answer(call);
    if (call->entered) {
        device_leave(call->device);
    }
    log_outcome(call->function, call->status, call->sw, call->started);
    if (call->object) {
        device_give_up_locks(above(call->object, DEVICE));
        object_release(call->object);
    }
    return call->status;
}

ULONG call_hand_over(struct call *call, const void *bytes, size_t size, void *out, ULONG *io_size) {
    return call->status ? call->status : call_fail(call, hand_over(bytes, size, out, io_size));
}

const struct dialect *dialect_of(const struct call *call) {
    return call->device ? call->device->dialect : dialect_named("default");
}

size_t max_data(const struct call *call) {
    return call->device ? call->device->max_data : LEAST_DATA;
}

/* The command's data */

static uint8_t *grow(struct call *call, size_t size) {
    if (call->status) {
        return NULL;
    }
    if (size > MOST_DATA - call->size) {
        call_fail(call, SAR_INDATALENERR);
        return NULL;
    }
    if (call->size + size > call->room) {
        size_t room = 2 * (call->size + size) + FIRST_ROOM;
        uint8_t *data = malloc(room);
        if (!data) {
            call_fail(call, SAR_MEMORYERR);
            return NULL;
        }
        if (call->size) {
            memcpy(data, call->data, call->size);
            wipe(call->data, call->size); /* not realloc, which leaves what it moves behind */
        }
        free(call->data);
        call->data = data;
        call->room = room;
    }
    call->size += size;
    return call->data + call->size - size;
}

void put(struct call *call, const void *bytes, size_t size) {
    uint8_t *at = size ? grow(call, size) : NULL;
    if (at) {
        memcpy(at, bytes, size);
    }
}

void put_zeros(struct call *call, size_t count) {
    uint8_t *at = count ? grow(call, count) : NULL;
    if (at) {
        memset(at, 0, count);
    }
}

void put_padded(struct call *call, const void *bytes, size_t size, size_t width) {
    if (size > width) {
        call_fail(call, SAR_INDATALENERR);
        return;
    }
    put(call, bytes, size);
    put_zeros(call, width - size);
}

static void put_number(struct call *call, uint32_t value, size_t size) {
    uint8_t *at = grow(call, size);
    for (size_t i = 0; at && i < size; i++, value >>= 8) {
        at[dialect_of(call)->little_endian ? i : size - 1 - i] = (uint8_t)value;
    }
}

void put_u8(struct call *call, uint8_t value) {
    put_number(call, value, 1);
}

void put_u16(struct call *call, uint16_t value) {
    put_number(call, value, 2);
}

void put_u32(struct call *call, uint32_t value) {
    put_number(call, value, 4);
}

static void put_id(struct call *call, enum kind kind) {
    static const uint8_t none[ANY_ID];
    const struct object *object = above(call->object, kind);
    put(call, object ? object->facts.id : none, ANY_ID);
}

void put_app(struct call *call) {
    call->app_at = call->size;
    put_id(call, APPLICATION);
}

void put_container(struct call *call) {
    put_app(call);
    call->container_at = call->size;
    put_id(call, CONTAINER);
}

void put_key(struct call *call) {
    put_container(call);
    put_id(call, SESSION_KEY);
}

/* Sending */

static bool reopen_one(struct object *object, uint8_t ins, size_t wanted) {
    struct object *application = object->kind == CONTAINER ? above(object, APPLICATION) : NULL;
    uint8_t data[ANY_ID + OBJECT_NAME_ROOM], number;
    size_t head = application ? ANY_ID : 0, length = strlen(object->name);
    if (application) {
        memcpy(data, application->facts.id, ANY_ID);
    }
    memcpy(data + head, object->name, length);
    struct command command = {.cla = CLA_PLAIN, .data = data, .size = head + length, .wanted = wanted};
    struct answer answer = {0};
    bool opened = ins_of(object->device->dialect, ins, &number);
    command.ins = number;
    opened = opened && !device_exchange(object->device, &command, &answer) && answer.sw == 0x9000 &&
             answer.size == wanted;
    const uint8_t *id = opened ? answer.bytes + wanted - ANY_ID : NULL;
    bool changed = opened && memcmp(object->facts.id, id, ANY_ID) != 0;
    if (opened) {
        memcpy(object->facts.id, id, ANY_ID);
    }
    answer_free(&answer);
    return changed;
}

bool reopen(struct object *object) {
    struct object *application = above(object, APPLICATION), *container = above(object, CONTAINER);
    bool changed = application && reopen_one(application, OPEN_APPLICATION, APPLICATION_INFO);
    return (container && reopen_one(container, OPEN_CONTAINER, ANY_ID)) || changed;
}

/* Another program's end resets the key, and its handles die: 6A82. What the library's own handles mean is known by
 * name, so it is opened again, and the command sent once more under its new identifiers. */
static bool revive(struct call *call, struct command *command, bool in_parameters) {
    if (!reopen(call->object)) {
        return false;
    }
    const struct object *application = above(call->object, APPLICATION), *container = above(call->object, CONTAINER);
    if (in_parameters) {
        command->p1 = application->facts.id[0];
        command->p2 = application->facts.id[1];
    }
    if (application && call->app_at != (size_t)NOWHERE) {
        memcpy(call->data + call->app_at, application->facts.id, ANY_ID);
    }
    if (container && call->container_at != (size_t)NOWHERE) {
        memcpy(call->data + call->container_at, container->facts.id, ANY_ID);
    }
    return true;
}

static ULONG send_command(struct call *call, struct command command, uint16_t ins, bool in_parameters) {
    struct answer answer = {0};
    if (!call->status && !ins_of(dialect_of(call), ins, &command.ins)) {
        call_fail(call, SAR_NOTSUPPORTYETERR);
    }
    if (call->status) {
        drop_data(call);
        return call->status; /* what the last command answered stays */
    }
    drop_answer(call);
    command.data = call->data;
    command.size = call->size;
    call_fail(call, device_exchange(call->device, &command, &answer));
    bool addressed = in_parameters || call->app_at != (size_t)NOWHERE;
    if (!call->status && answer.sw == 0x6A82 && addressed && revive(call, &command, in_parameters)) {
        answer_free(&answer);
        call_fail(call, device_exchange(call->device, &command, &answer));
    }
    drop_data(call);
    call->sw = answer.sw;
    call->answer = answer.bytes;
    call->answer_size = answer.size;
    return call->status ? call->status : call_fail(call, status_of(call, answer.sw));
}

ULONG call_send(struct call *call, uint16_t ins, uint8_t p1, uint8_t p2, size_t wanted) {
    struct command command = {.cla = CLA_PLAIN, .p1 = p1, .p2 = p2, .wanted = wanted};
    return send_command(call, command, ins, false);
}

ULONG call_send_at_app(struct call *call, uint16_t ins, size_t wanted) {
    const struct object *application = above(call->object, APPLICATION);
    if (!application) {
        return call_fail(call, SAR_INVALIDHANDLEERR);
    }
    const uint8_t *id = application->facts.id;
    struct command command = {.cla = CLA_PLAIN, .p1 = id[0], .p2 = id[1], .wanted = wanted};
    return send_command(call, command, ins, true);
}

ULONG call_send_with_mac(struct call *call, uint16_t ins, uint8_t p2) {
    return send_command(call, (struct command){.cla = CLA_MAC, .p2 = p2}, ins, false);
}

/* The answer */

size_t left(const struct call *call) {
    return call->status ? 0 : call->answer_size - call->taken;
}

const uint8_t *take(struct call *call, size_t size) {
    if (call->status || size > left(call)) {
        call_fail(call, SAR_UNKNOWNERR);
        return NULL;
    }
    call->taken += size;
    return call->answer + call->taken - size;
}

static uint32_t take_number(struct call *call, size_t size) {
    const uint8_t *bytes = take(call, size);
    return bytes ? read_number(dialect_of(call), bytes, size) : 0;
}

uint8_t take_u8(struct call *call) {
    return (uint8_t)take_number(call, 1);
}

uint16_t take_u16(struct call *call) {
    return (uint16_t)take_number(call, 2);
}

uint32_t take_u32(struct call *call) {
    return take_number(call, 4);
}

void take_end(struct call *call) {
    if (left(call)) {
        call_fail(call, SAR_UNKNOWNERR);
    }
}
