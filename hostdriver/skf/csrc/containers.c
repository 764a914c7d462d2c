/* Containers and their certificates, GM/T 0016 § 7.5. */
#include <string.h>

#include "objects.h"

enum {
    CREATE_CONTAINER = 0x40,
    OPEN_CONTAINER = 0x42,
    CLOSE_CONTAINER = 0x44,
    ENUM_CONTAINER = 0x46,
    DELETE_CONTAINER = 0x48,
    GET_CONTAINER_INFO = 0x4A,
    IMPORT_CERTIFICATE = 0x4C,
    EXPORT_CERTIFICATE = 0x4E,
    INFO_SIZE = 11,
    EXCHANGE_PAIR = 0,
    SIGNATURE_PAIR = 1
};

static size_t check_name(struct call *call, const char *name) {
    return given_length(call, name, dialect_of(call)->container_name, SAR_NAMELENERR);
}

static uint8_t pair_of(BOOL signs) {
    return signs ? SIGNATURE_PAIR : EXCHANGE_PAIR;
}

/* CreateContainer and OpenContainer are one but for their number. */
static void open_named(struct call *call, uint8_t ins, const char *name, HCONTAINER *handle) {
    struct facts facts = {0};
    if (!handle) {
        call_fail(call, SAR_INVALIDPARAMERR);
    }
    size_t length = check_name(call, name);
    put_app(call);
    put(call, name, length);
    call_send(call, ins, 0, 0, ANY_ID);
    const uint8_t *id = take(call, ANY_ID);
    take_end(call);
    if (!call->status) {
        memcpy(facts.id, id, ANY_ID);
        call_fail(call, object_new_named(CONTAINER, call->object, &facts, name, handle));
    }
}

ULONG DEVAPI SKF_CreateContainer(HAPPLICATION hApplication, LPSTR szContainerName, HCONTAINER *phContainer) {
    struct call call;
    call_begin(&call, __func__, hApplication, APPLICATION);
    open_named(&call, CREATE_CONTAINER, szContainerName, phContainer);
    if (call.status == SAR_NO_ROOM) {
        call.status = SAR_REACH_MAX_CONTAINER_COUNT;
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_OpenContainer(HAPPLICATION hApplication, LPSTR szContainerName, HCONTAINER *phContainer) {
    struct call call;
    call_begin(&call, __func__, hApplication, APPLICATION);
    open_named(&call, OPEN_CONTAINER, szContainerName, phContainer);
    return call_end(&call);
}

ULONG DEVAPI SKF_DeleteContainer(HAPPLICATION hApplication, LPSTR szContainerName) {
    struct call call;
    call_begin(&call, __func__, hApplication, APPLICATION);
    size_t length = check_name(&call, szContainerName);
    put_app(&call);
    put(&call, szContainerName, length);
    if (!call_send(&call, DELETE_CONTAINER, 0, 0, 0)) {
        objects_close_named(CONTAINER, call.object, szContainerName);
    }
    return call_end(&call);
}

/* The key knows one open container of a name: it closes with this program's last handle. */
ULONG DEVAPI SKF_CloseContainer(HCONTAINER hContainer) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    if (!call.status && is_last_of_its_name(call.object)) {
        put_container(&call);
        call_send(&call, CLOSE_CONTAINER, 0, 0, 0);
    }
    if (call.object) {
        object_close(call.object); /* whatever the key says: it may have gone */
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_EnumContainer(HAPPLICATION hApplication, LPSTR szContainerName, ULONG *pulSize) {
    struct call call;
    call_begin(&call, __func__, hApplication, APPLICATION);
    put_app(&call);
    call_send(&call, ENUM_CONTAINER, 0, 0, ALL);
    hand_over_names(&call, szContainerName, pulSize);
    return call_end(&call);
}

ULONG DEVAPI SKF_GetContainerType(HCONTAINER hContainer, ULONG *pulContainerType) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    if (!pulContainerType) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    }
    if (!call.status) {
        put_app(&call);
        put(&call, call.object->name, strlen(call.object->name));
        call_send(&call, GET_CONTAINER_INFO, 0, 0, INFO_SIZE);
    }
    uint8_t type = take_u8(&call);
    take(&call, INFO_SIZE - 1);
    take_end(&call);
    if (!call.status) {
        *pulContainerType = type;
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_ImportCertificate(HCONTAINER hContainer, BOOL bSignFlag, BYTE *pbCert, ULONG ulCertLen) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    if (!pbCert || !ulCertLen) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    }
    put_container(&call);
    put_u8(&call, pair_of(bSignFlag));
    put_u32(&call, ulCertLen);
    put(&call, pbCert, ulCertLen);
    call_send(&call, IMPORT_CERTIFICATE, 0, 0, 0);
    return call_end(&call);
}

ULONG DEVAPI SKF_ExportCertificate(HCONTAINER hContainer, BOOL bSignFlag, BYTE *pbCert, ULONG *pulCertLen) {
    struct call call;
    call_begin(&call, __func__, hContainer, CONTAINER);
    call.on_no_key = SAR_CERTNOTFOUNTERR;
    if (!pulCertLen) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    }
    put_container(&call);
    call_send(&call, EXPORT_CERTIFICATE, pair_of(bSignFlag), 0, ALL);
    size_t size = take_u32(&call);
    const uint8_t *certificate = take(&call, size);
    take_end(&call);
    call_hand_over(&call, certificate, size, pbCert, pulCertLen);
    return call_end(&call);
}
