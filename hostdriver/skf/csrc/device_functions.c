/* Devices, GM/T 0016 § 7.1: all but events (events.c). */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "objects.h"

enum { SET_LABEL = 0x02, LABEL_SIZE = 32, FIRST_NUMBER = 200 };
static const ULONG FOR_EVER = 0xFFFFFFFF;

ULONG DEVAPI SKF_EnumDev(BOOL bPresent, LPSTR szNameList, ULONG *pulSize) {
    (void)bPresent; /* no key is known that is not there */
    uint64_t started = now_us();
    struct found *found;
    size_t count, size = 0;
    if (!pulSize) {
        return logged(__func__, SAR_INVALIDPARAMERR, started);
    }
    ULONG status = list_keys(&found, &count);
    char *list = status ? NULL : malloc(count * NAME_ROOM + 1);
    if (!list) {
        free(found);
        return logged(__func__, status ? status : SAR_MEMORYERR, started);
    }
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(found[i].name) + 1;
        memcpy(list + size, found[i].name, length);
        size += length;
    }
    list[size++] = '\0';
    status = hand_over(list, size, szNameList, pulSize);
    free(list);
    free(found);
    return logged(__func__, status, started);
}

ULONG DEVAPI SKF_ConnectDev(LPSTR szName, DEVHANDLE *phDev) {
    uint64_t started = now_us();
    size_t length;
    if (!szName || !phDev || !text_length(szName, NAME_ROOM - 1, &length)) {
        return logged(__func__, SAR_INVALIDPARAMERR, started);
    }
    struct device *device = device_connected(szName);
    ULONG status = SAR_OK;
    if (!device) {
        status = device_open(szName, &device);
        if (!status) {
            device_publish(device);
        }
    }
    if (!status) {
        status = device_object_new(device, phDev);
        if (status) {
            device_release(device);
        }
    }
    return logged(__func__, status, started);
}

ULONG DEVAPI SKF_DisConnectDev(DEVHANDLE hDev) {
    uint64_t started = now_us();
    struct object *object;
    ULONG status = object_find(hDev, 1u << DEVICE, &object);
    if (!status) {
        object_close(object);
        device_give_up_locks(object);
        object_release(object);
    }
    return logged(__func__, status, started);
}

static bool is_present(const char *name) {
    struct run_file *files;
    size_t count;
    bool present = false;
    if (strncmp(name, "pcsc:", 5) == 0) {
        return pcsc_has_card(name + 5);
    }
    if (strncmp(name, "socket:", 7) != 0) {
        return false;
    }
    if (strchr(name + 7, '/')) {
        return socket_answers(name + 7);
    }
    if (run_files(&files, &count) == SAR_OK) {
        for (size_t i = 0; i < count; i++) {
            present = present || (strcmp(files[i].serial, name + 7) == 0 && socket_answers(files[i].socket));
        }
    }
    free(files);
    return present;
}

ULONG DEVAPI SKF_GetDevState(LPSTR szDevName, ULONG *pulDevState) {
    uint64_t started = now_us();
    size_t length;
    if (!szDevName || !pulDevState || !text_length(szDevName, NAME_ROOM - 1, &length)) {
        return logged(__func__, SAR_INVALIDPARAMERR, started);
    }
    *pulDevState = is_present(szDevName) ? DEV_PRESENT_STATE : DEV_ABSENT_STATE;
    return logged(__func__, SAR_OK, started);
}

ULONG DEVAPI SKF_SetLabel(DEVHANDLE hDev, LPSTR szLabel) {
    struct call call;
    size_t length = 0;
    call_begin(&call, __func__, hDev, DEVICE);
    if (!szLabel) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    } else if (!text_length(szLabel, LABEL_SIZE, &length)) {
        call_fail(&call, SAR_INDATALENERR);
    }
    put(&call, szLabel, length);
    call_send(&call, SET_LABEL, 0, 0, 0);
    return call_end(&call);
}

/* The key's 288 bytes are not the interface's 294: its integers have the key's order and other places. */
static void convert_info(const struct dialect *dialect, const uint8_t *info, DEVINFO *out) {
    static const size_t texts_end = FIRST_NUMBER;
    memset(out, 0, sizeof *out);
    memcpy(&out->Version, info, 2);
    memcpy(out->Manufacturer, info + 4, texts_end - 4); /* up to FirmwareVersion the same fields follow each other */
    const uint8_t *numbers = info + FIRST_NUMBER;
    out->AlgSymCap = read_number(dialect, numbers, 4);
    out->AlgAsymCap = read_number(dialect, numbers + 4, 4);
    out->AlgHashCap = read_number(dialect, numbers + 8, 4);
    out->DevAuthAlgId = read_number(dialect, numbers + 12, 4);
    out->TotalSpace = read_number(dialect, numbers + 16, 4);
    out->FreeSpace = read_number(dialect, numbers + 20, 4);
    out->MaxECCBufferSize = out->MaxBufferSize = read_number(dialect, numbers + 24, 2);
}

ULONG DEVAPI SKF_GetDevInfo(DEVHANDLE hDev, DEVINFO *pDevInfo) {
    struct call call;
    uint8_t info[DEVICE_INFO_SIZE];
    call_begin(&call, __func__, hDev, DEVICE);
    if (!pDevInfo) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    }
    if (!call.status && !call_fail(&call, device_info(call.device, info))) {
        convert_info(dialect_of(&call), info, pDevInfo);
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_Transmit(DEVHANDLE hDev, BYTE *pbCommand, ULONG ulCommandLen, BYTE *pbData, ULONG *pulDataLen) {
    struct call call;
    uint8_t *frame = malloc(MAX_FRAME);
    size_t size = MAX_FRAME;
    call_begin(&call, __func__, hDev, DEVICE);
    if (!pbCommand || !pbData || !pulDataLen) {
        call_fail(&call, SAR_INVALIDPARAMERR);
    } else if (ulCommandLen < 4 || ulCommandLen > MAX_FRAME) {
        call_fail(&call, SAR_INDATALENERR);
    } else if (!frame) {
        call_fail(&call, SAR_MEMORYERR);
    }
    if (!call.status) {
        struct link *link = call.device->link;
        ULONG status = link->exchange(link, pbCommand, ulCommandLen, frame, &size);
        call.device->removed = call.device->removed || status == SAR_DEVICE_REMOVED;
        call_fail(&call, status);
        call_hand_over(&call, frame, size, pbData, pulDataLen);
    }
    if (frame) {
        wipe(frame, MAX_FRAME);
    }
    free(frame);
    return call_end(&call);
}

/* Locks ---------------------------------------------------------------------------------------------------------- */

/* A lock belongs to the thread that took it, which may take it again: as many locks, as many unlocks. */
ULONG DEVAPI SKF_LockDev(DEVHANDLE hDev, ULONG ulTimeOut) {
    uint64_t started = now_us();
    uint64_t until = started + (ulTimeOut == FOR_EVER ? UINT64_MAX / 4 : ulTimeOut * 1000ull);
    struct object *object;
    ULONG status = object_find(hDev, 1u << DEVICE, &object);
    if (status) {
        return logged(__func__, status, started);
    }
    struct device *device = object->device;
    if (!device_try_to_own(device, until)) {
        status = SAR_TIMEOUTERR;
    } else {
        status = device_enter(device, until, true);
        if (!status) { /* one step stays, the other was to wait no longer than the caller wishes */
            pthread_mutex_lock(&device->mutex);
            object->locks++;
            device->held++;
            pthread_mutex_unlock(&device->mutex);
        }
        device_leave(device);
    }
    device_give_up_locks(object);
    object_release(object);
    return logged(__func__, status, started);
}

ULONG DEVAPI SKF_UnlockDev(DEVHANDLE hDev) {
    uint64_t started = now_us();
    struct object *object;
    ULONG status = object_find(hDev, 1u << DEVICE, &object);
    if (status) {
        return logged(__func__, status, started);
    }
    struct device *device = object->device;
    pthread_mutex_lock(&device->mutex);
    bool mine = object->locks && pthread_equal(device->owner, pthread_self());
    if (mine) {
        object->locks--;
        device->held--;
    }
    pthread_mutex_unlock(&device->mutex);
    if (mine) {
        device_leave(device);
    }
    object_release(object);
    return logged(__func__, mine ? SAR_OK : SAR_FAIL, started);
}

void device_give_up_locks(struct object *object) {
    struct device *device = object->device;
    if (!object_is_closed(object)) {
        return;
    }
    pthread_mutex_lock(&device->mutex);
    unsigned locks = device->depth == device->held || pthread_equal(device->owner, pthread_self()) ? object->locks : 0;
    if (locks) {
        object->locks = 0;
        device->held -= locks;
        device->owner = pthread_self();
    }
    pthread_mutex_unlock(&device->mutex);
    while (locks--) {
        device_leave(device);
    }
}
