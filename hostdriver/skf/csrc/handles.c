/* Handles are numbers from a table, never pointers: a wrong one is found out. The upper bits count how often a place
 * was used, so that a closed handle does not come to mean something else. */
#include <stdlib.h>
#include <string.h>

#include "objects.h"

enum { PLACE_BITS = 12, PLACES = 1 << PLACE_BITS, USES = 1 << (31 - PLACE_BITS) };

static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static struct object *objects[PLACES];
static uint32_t uses[PLACES];
static uint32_t last_place;
static struct device *devices;

#ifndef _WIN32
static void before_fork(void) {
    pthread_mutex_lock(&table);
    pthread_mutex_lock(&events_guard);
    pthread_mutex_lock(&discovery_guard);
}

static void after_fork_in_parent(void) {
    pthread_mutex_unlock(&discovery_guard);
    pthread_mutex_unlock(&events_guard);
    pthread_mutex_unlock(&table);
}

/* A child has no connection: the parent's answers would come to either of them. Its handles mean nothing. */
static void after_fork_in_child(void) {
    pthread_mutex_init(&table, NULL);
    pthread_mutex_init(&events_guard, NULL);
    pthread_mutex_init(&discovery_guard, NULL);
    events_forget();
    pcsc_forget();
    for (struct device *device = devices; device; device = device->next) {
        device->link->forget(device->link);
    }
    devices = NULL;
    memset(objects, 0, sizeof objects);
}

#endif

static void watch_forks(void) {
#ifndef _WIN32
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
#endif
}

static ULONG insert(struct object *object, HANDLE *handle) {
    for (uint32_t tried = 0; tried < PLACES; tried++) {
        last_place = (last_place + 1) % PLACES;
        if (!objects[last_place]) {
            uses[last_place] = uses[last_place] % (USES - 1) + 1;
            objects[last_place] = object;
            *handle = (HANDLE)(uintptr_t)(uses[last_place] << PLACE_BITS | last_place);
            return SAR_OK;
        }
    }
    return SAR_MEMORYERR;
}

static ULONG new_object(enum kind kind, struct object *parent, struct device *device, const struct facts *facts,
                        const char *name, HANDLE *handle) {
    struct object *object = calloc(1, sizeof *object);
    if (!object) {
        return SAR_MEMORYERR;
    }
    object->kind = kind;
    object->parent = parent;
    object->device = device;
    object->references = 1;
    if (facts) {
        object->facts = *facts;
    }
    if (name) {
        strncpy(object->name, name, sizeof object->name - 1);
    }
    pthread_mutex_lock(&table);
    ULONG status = insert(object, handle);
    if (!status && parent) {
        parent->references++;
    }
    pthread_mutex_unlock(&table);
    if (status) {
        free(object);
    }
    return status;
}

ULONG object_new_named(enum kind kind, struct object *parent, const struct facts *facts, const char *name,
                       HANDLE *handle) {
    return new_object(kind, parent, parent->device, facts, name, handle);
}

ULONG object_new(enum kind kind, struct object *parent, const struct facts *facts, HANDLE *handle) {
    return object_new_named(kind, parent, facts, NULL, handle);
}

ULONG device_object_new(struct device *device, HANDLE *handle) {
    return new_object(DEVICE, NULL, device, NULL, NULL, handle);
}

static bool is_closed(const struct object *object) {
    for (; object; object = object->parent) {
        if (object->closed) {
            return true;
        }
    }
    return false;
}

ULONG object_find(HANDLE handle, unsigned kinds, struct object **found) {
    uintptr_t number = (uintptr_t)handle;
    uint32_t place = number % PLACES;
    pthread_mutex_lock(&table);
    struct object *object = objects[place];
    bool fits = object && number >> PLACE_BITS == uses[place] && (kinds >> object->kind & 1);
    if (fits) {
        object->references++;
    }
    pthread_mutex_unlock(&table);
    *found = fits ? object : NULL;
    return fits ? SAR_OK : SAR_INVALIDHANDLEERR;
}

/* The device if that was its last reference: it is in nobody's reach then, and the caller frees it. */
static struct device *unreference(struct device *device) {
    if (--device->references) {
        return NULL;
    }
    for (struct device **at = &devices; *at; at = &(*at)->next) {
        if (*at == device) {
            *at = device->next;
            break;
        }
    }
    return device;
}

void device_release(struct device *device) {
    pthread_mutex_lock(&table);
    struct device *last = unreference(device);
    pthread_mutex_unlock(&table);
    if (last) {
        device_free(last);
    }
}

/* Counts one down, and what that frees; the device whose last handle it was. */
static struct device *release(struct object *object) {
    struct device *last = NULL;
    while (object && --object->references == 0) {
        struct object *parent = object->parent;
        if (object->kind == DEVICE) {
            last = unreference(object->device);
        }
        if (object->facts.kept.at) {
            wipe(object->facts.kept.at, object->facts.kept.room);
            free(object->facts.kept.at);
        }
        wipe(object, sizeof *object);
        free(object);
        object = parent;
    }
    return last;
}

void object_release(struct object *object) {
    pthread_mutex_lock(&table);
    struct device *last = release(object);
    pthread_mutex_unlock(&table);
    if (last) {
        device_free(last);
    }
}

static bool is_below(const struct object *object, const struct object *ancestor) {
    while (object && object != ancestor) {
        object = object->parent;
    }
    return object;
}

/* No device goes with it: whoever closes something holds a handle's object above it. */
static void close_below(struct object *object) {
    object->closed = true;
    object->references++;
    for (uint32_t place = 0; place < PLACES; place++) {
        struct object *each = objects[place];
        if (each && is_below(each, object)) {
            objects[place] = NULL;
            release(each);
        }
    }
    release(object);
}

void object_close(struct object *object) {
    pthread_mutex_lock(&table);
    close_below(object);
    pthread_mutex_unlock(&table);
}

bool object_is_closed(struct object *object) {
    pthread_mutex_lock(&table);
    bool closed = is_closed(object);
    pthread_mutex_unlock(&table);
    return closed;
}

/* Whether it is an application, or a container, of that name below the same thing as `parent` means. */
static bool means(const struct object *object, enum kind kind, const struct object *parent, const char *name) {
    return object && object->kind == kind && object->device == parent->device && strcmp(object->name, name) == 0 &&
           strcmp(object->parent->name, parent->name) == 0;
}

bool is_last_of_its_name(struct object *object) {
    unsigned count = 0;
    pthread_mutex_lock(&table);
    for (uint32_t place = 0; place < PLACES; place++) {
        count += means(objects[place], object->kind, object->parent, object->name);
    }
    pthread_mutex_unlock(&table);
    return count == 1;
}

void objects_close_named(enum kind kind, struct object *parent, const char *name) {
    pthread_mutex_lock(&table);
    for (uint32_t place = 0; place < PLACES; place++) {
        if (means(objects[place], kind, parent, name)) {
            close_below(objects[place]);
        }
    }
    pthread_mutex_unlock(&table);
}

struct facts *facts_of(struct object *object) {
    return &object->facts;
}

enum kind kind_of(const struct object *object) {
    return object->kind;
}

struct object *parent_of(struct object *object) {
    return object->parent;
}

struct object *above(struct object *object, enum kind kind) {
    while (object && object->kind != kind) {
        object = object->parent;
    }
    return object;
}

static struct device *connected(const char *name) {
    for (struct device *device = devices; device; device = device->next) {
        if (!device->removed && strcmp(device->name, name) == 0) {
            return device;
        }
    }
    return NULL;
}

struct device *device_connected(const char *name) {
    pthread_mutex_lock(&table);
    struct device *device = connected(name);
    if (device) {
        device->references++;
    }
    pthread_mutex_unlock(&table);
    return device;
}

void device_publish(struct device *device) {
    pthread_once(&fork_once, watch_forks);
    pthread_mutex_lock(&table);
    device->next = devices;
    devices = device;
    pthread_mutex_unlock(&table);
}
