/* A connected key: one connection for the whole program, which one thread at a time has to itself. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "objects.h"

enum { GET_DEV_INFO = 0x04, SERIAL_AT = 164, SERIAL_SIZE = 32, MAX_APDU_AT = 224, MOST_DATA = 0xFF00 };

static const char ON_SOCKET[] = "socket:", IN_READER[] = "pcsc:";

ULONG device_enter(struct device *device, uint64_t until_locked, bool at_once) {
    pthread_mutex_lock(&device->mutex);
    while (device->depth && !pthread_equal(device->owner, pthread_self())) {
        pthread_cond_wait(&device->freed, &device->mutex);
    }
    device->owner = pthread_self();
    device->depth++;
    pthread_mutex_unlock(&device->mutex);
    ULONG status = device->removed ? SAR_DEVICE_REMOVED : SAR_OK;
    if (!status && !device->linked) {
        status = device->link->lock(device->link, until_locked, at_once);
        device->linked = !status;
    }
    if (status) {
        device->removed = device->removed || status == SAR_DEVICE_REMOVED;
        device_leave(device);
    }
    return status;
}

bool device_try_to_own(struct device *device, uint64_t until) {
    struct timespec end = {.tv_sec = (time_t)(until / 1000000), .tv_nsec = (long)(until % 1000000 * 1000)};
    bool mine = true;
    pthread_mutex_lock(&device->mutex);
    while (device->depth && !pthread_equal(device->owner, pthread_self()) && mine) {
        mine = !pthread_cond_timedwait(&device->freed, &device->mutex, &end);
    }
    mine = !device->depth || pthread_equal(device->owner, pthread_self());
    if (mine) {
        device->owner = pthread_self();
        device->depth++;
    }
    pthread_mutex_unlock(&device->mutex);
    return mine;
}

void device_leave(struct device *device) {
    if (device->depth == 1 && device->linked) {
        device->linked = false;
        if (!device->removed) {
            device->link->unlock(device->link);
        }
    }
    pthread_mutex_lock(&device->mutex);
    device->depth--;
    if (!device->depth) {
        pthread_cond_broadcast(&device->freed);
    }
    pthread_mutex_unlock(&device->mutex);
}

bool device_is_mine(struct device *device) {
    pthread_mutex_lock(&device->mutex);
    bool mine = device->depth && pthread_equal(device->owner, pthread_self());
    pthread_mutex_unlock(&device->mutex);
    return mine;
}

ULONG device_info(struct device *device, uint8_t info[DEVICE_INFO_SIZE]) {
    const struct command command = {.cla = 0x80, .ins = GET_DEV_INFO, .wanted = ALL};
    struct answer answer = {0};
    ULONG status = device_exchange(device, &command, &answer);
    if (!status && (answer.sw != 0x9000 || answer.size != DEVICE_INFO_SIZE)) {
        status = SAR_UNKNOWNERR;
    }
    if (!status) {
        memcpy(info, answer.bytes, DEVICE_INFO_SIZE);
    }
    answer_free(&answer);
    return status;
}

static struct device *new_device(const char *name) {
    struct device *device = calloc(1, sizeof *device);
    if (!device) {
        return NULL;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&device->mutex, NULL);
    pthread_cond_init(&device->freed, &attributes);
    pthread_condattr_destroy(&attributes);
    strncpy(device->name, name, sizeof device->name - 1);
    device->references = 1;
    device->dialect = dialect_named("default");
    device->max_data = LEAST_DATA;
    return device;
}

void device_free(struct device *device) {
    if (device->link) {
        device->link->close(device->link);
    }
    pthread_mutex_destroy(&device->mutex);
    pthread_cond_destroy(&device->freed);
    free(device);
}

/* The link that a device's name says. A virtual key is looked for by its serial number, or by its socket's path. */
static ULONG open_link(const char *name, struct link **link) {
    if (strncmp(name, IN_READER, sizeof IN_READER - 1) == 0) {
        return pcsc_link_open(name + sizeof IN_READER - 1, link);
    }
    if (strncmp(name, ON_SOCKET, sizeof ON_SOCKET - 1) != 0) {
        return SAR_INVALIDPARAMERR;
    }
    const char *wanted = name + sizeof ON_SOCKET - 1;
    if (strchr(wanted, '/')) {
        return socket_link_open(wanted, link);
    }
    struct run_file *files;
    size_t count;
    ULONG status = run_files(&files, &count);
    struct run_file *file = NULL;
    for (size_t i = 0; i < count && !file; i++) {
        file = strcmp(files[i].serial, wanted) == 0 && files[i].socket[0] ? &files[i] : NULL;
    }
    status = status ? status : file ? socket_link_open(file->socket, link) : SAR_DEVICE_REMOVED;
    free(files);
    return status;
}

/* A virtual key says in its run file how its maker reads the standard, by whatever way it was reached. */
static const struct dialect *dialect_of_serial(const char *serial) {
    struct run_file *files;
    size_t count;
    const struct dialect *dialect = dialect_named("default");
    if (run_files(&files, &count) == SAR_OK) {
        for (size_t i = 0; i < count; i++) {
            if (strcmp(files[i].serial, serial) == 0) {
                dialect = dialect_named(files[i].dialect);
            }
        }
    }
    free(files);
    return dialect;
}

static ULONG ask_facts(struct device *device) {
    uint8_t info[DEVICE_INFO_SIZE];
    ULONG status = device_enter(device, now_us() + CALL_PATIENCE_MS * 1000ull, false);
    if (status) {
        return status;
    }
    status = device_info(device, info);
    device_leave(device);
    if (status) {
        return status;
    }
    char serial[SERIAL_SIZE + 1] = {0};
    memcpy(serial, info + SERIAL_AT, SERIAL_SIZE);
    device->dialect = dialect_of_serial(serial);
    size_t most = read_number(device->dialect, info + MAX_APDU_AT, 2);
    device->max_data = most < LEAST_DATA ? LEAST_DATA : most > MOST_DATA ? MOST_DATA : most;
    return SAR_OK;
}

ULONG device_open(const char *name, struct device **opened) {
    struct device *device = new_device(name);
    if (!device) {
        return SAR_MEMORYERR;
    }
    ULONG status = open_link(name, &device->link);
    status = status ? status : ask_facts(device);
    if (status) {
        device_free(device);
        return status;
    }
    *opened = device;
    return SAR_OK;
}
