/* Applications, GM/T 0016 § 7.3. */
#include <string.h>

#include "objects.h"

enum {
    CREATE_APPLICATION = 0x20,
    ENUM_APPLICATION = 0x22,
    DELETE_APPLICATION = 0x24,
    OPEN_APPLICATION = 0x26,
    CLOSE_APPLICATION = 0x28,
    INFO_SIZE = 10,
    PIN_FIELD = 16,
    MAX_CONTAINERS = 16,
    MAX_FILES = 16
};

static size_t check_name(struct call *call, const char *name) {
    return given_length(call, name, dialect_of(call)->application_name, SAR_APPLICATION_NAME_INVALID);
}

static void put_pin(struct call *call, const char *pin) {
    size_t length = given_length(call, pin, PIN_FIELD, SAR_PIN_LEN_RANGE);
    put_padded(call, pin, length, PIN_FIELD);
}

static void open_named(struct call *call, const char *name, size_t length, HAPPLICATION *handle) {
    struct facts facts = {0};
    put(call, name, length);
    call_send(call, OPEN_APPLICATION, 0, 0, INFO_SIZE);
    take(call, INFO_SIZE - ANY_ID);
    const uint8_t *id = take(call, ANY_ID);
    take_end(call);
    if (!call->status) {
        memcpy(facts.id, id, ANY_ID);
        call_fail(call, object_new_named(APPLICATION, call->object, &facts, name, handle));
    }
}

ULONG DEVAPI SKF_CreateApplication(DEVHANDLE hDev, LPSTR szAppName, LPSTR szAdminPin, DWORD dwAdminPinRetryCount,
                                   LPSTR szUserPin, DWORD dwUserPinRetryCount, DWORD dwCreateFileRights,
                                   HAPPLICATION *phApplication) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    if (!phApplication) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    }
    size_t length = check_name(&call, szAppName);
    put_padded(&call, szAppName, length, dialect_of(&call)->application_name);
    put_pin(&call, szAdminPin);
    put_u32(&call, dwAdminPinRetryCount);
    put_pin(&call, szUserPin);
    put_u32(&call, dwUserPinRetryCount);
    put_u32(&call, dwCreateFileRights);
    put_u8(&call, MAX_CONTAINERS);
    put_u8(&call, MAX_CONTAINERS); /* certificates */
    put_u16(&call, MAX_FILES);
    if (!call_send(&call, CREATE_APPLICATION, 0, 0, 0)) {
        open_named(&call, szAppName, length, phApplication);
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_EnumApplication(DEVHANDLE hDev, LPSTR szAppName, ULONG *pulSize) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    call_send(&call, ENUM_APPLICATION, 0, 0, ALL);
    hand_over_names(&call, szAppName, pulSize);
    return call_end(&call);
}

ULONG DEVAPI SKF_DeleteApplication(DEVHANDLE hDev, LPSTR szAppName) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    size_t length = check_name(&call, szAppName);
    put(&call, szAppName, length);
    if (!call_send(&call, DELETE_APPLICATION, 0, 0, 0)) {
        objects_close_named(APPLICATION, call.object, szAppName);
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_OpenApplication(DEVHANDLE hDev, LPSTR szAppName, HAPPLICATION *phApplication) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    if (!phApplication) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    }
    size_t length = check_name(&call, szAppName);
    open_named(&call, szAppName, length, phApplication);
    return call_end(&call);
}

/* The key knows one open application of a name: it closes with this program's last handle. */
ULONG DEVAPI SKF_CloseApplication(HAPPLICATION hApplication) {
    struct call call;
    call_begin(&call, __func__, hApplication, APPLICATION);
    if (!call.status && is_last_of_its_name(call.object)) {
        put_app(&call);
        call_send(&call, CLOSE_APPLICATION, 0, 0, 0);
    }
    if (call.object) {
        object_close(call.object); /* whatever the key says: it may have gone */
    }
    return call_end(&call);
}
