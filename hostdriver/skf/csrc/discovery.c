/* Which keys there are: virtual ones on their sockets, and cards in readers that answer GetDevInfo. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "objects.h"

enum { MAX_FOUND = 256, MAX_CACHED = 32, SERIAL_AT = 164, SERIAL_SIZE = 32, ASKING_MS = 1000 };

/* What was learnt of a card stays true until it leaves the reader: looking for keys disturbs nobody twice. */
static struct card {
    char reader[NAME_ROOM];
    uint32_t event;
    bool is_key;
    char serial[SERIAL_SIZE + 1];
} cache[MAX_CACHED];
static size_t cached;
pthread_mutex_t discovery_guard = PTHREAD_MUTEX_INITIALIZER;

/* Whether the card is a key; one that another program has just now is taken for one, and asked again next time. */
static bool ask_card(const char *name, char *serial, bool *for_good) {
    struct device device = {.dialect = dialect_named("default")};
    uint8_t info[DEVICE_INFO_SIZE];
    *for_good = true;
    serial[0] = '\0';
    if (pcsc_link_open(name, &device.link)) {
        *for_good = false;
        return true;
    }
    ULONG status = device.link->lock(device.link, now_us() + ASKING_MS * 1000ull, true);
    *for_good = status != SAR_TIMEOUTERR;
    bool is_key = status == SAR_TIMEOUTERR;
    if (!status) {
        is_key = device_info(&device, info) == SAR_OK;
        device.link->unlock(device.link);
    }
    device.link->close(device.link);
    if (is_key && !status) {
        memcpy(serial, info + SERIAL_AT, SERIAL_SIZE);
        serial[SERIAL_SIZE] = '\0';
    }
    return is_key;
}

static struct card *remembered(const struct reader_state *reader) {
    for (size_t i = 0; i < cached; i++) {
        if (strcmp(cache[i].reader, reader->name) == 0) {
            return &cache[i];
        }
    }
    return NULL;
}

static bool card_is_key(const struct reader_state *reader, char serial[SERIAL_SIZE + 1]) {
    pthread_mutex_lock(&discovery_guard);
    struct card *card = remembered(reader), known = {0};
    bool fresh = card && card->event == reader->event;
    if (fresh) {
        known = *card;
    }
    pthread_mutex_unlock(&discovery_guard);
    if (fresh) {
        memcpy(serial, known.serial, SERIAL_SIZE + 1);
        return known.is_key;
    }
    bool for_good;
    bool is_key = ask_card(reader->name, serial, &for_good);
    pthread_mutex_lock(&discovery_guard);
    card = remembered(reader);
    if (for_good && (card || cached < MAX_CACHED)) {
        card = card ? card : &cache[cached++];
        memcpy(card->reader, reader->name, sizeof card->reader);
        memcpy(card->serial, serial, SERIAL_SIZE + 1);
        card->event = reader->event;
        card->is_key = is_key;
    }
    pthread_mutex_unlock(&discovery_guard);
    return is_key;
}

static void add(struct found *found, size_t *count, const char *kind, const char *name) {
    if (*count < MAX_FOUND) {
        int size = snprintf(found[*count].name, NAME_ROOM, "%s%s", kind, name);
        *count += size > 0 && size < NAME_ROOM;
    }
}

/* A key that can be reached in both ways is found once, on its socket. */
static bool has_socket(const struct found *found, size_t count, const char *serial) {
    for (size_t i = 0; i < count && *serial; i++) {
        if (strcmp(found[i].name + strlen("socket:"), serial) == 0) {
            return true;
        }
    }
    return false;
}

ULONG find_keys(struct found **list, size_t *count) {
    struct run_file *files = NULL;
    struct reader_state *readers = NULL;
    size_t file_count = 0, reader_count = 0;
    *count = 0;
    *list = calloc(MAX_FOUND, sizeof **list);
    ULONG status = *list ? run_files(&files, &file_count) : SAR_MEMORYERR;
    for (size_t i = 0; !status && i < file_count; i++) {
        if (files[i].socket[0] && socket_answers(files[i].socket)) {
            add(*list, count, "socket:", files[i].serial);
        }
    }
    size_t sockets = *count;
    status = status ? status : pcsc_readers(&readers, &reader_count);
    for (size_t i = 0; !status && i < reader_count; i++) {
        char serial[SERIAL_SIZE + 1];
        if (readers[i].has_card && card_is_key(&readers[i], serial) && !has_socket(*list, sockets, serial)) {
            add(*list, count, "pcsc:", readers[i].name);
        }
    }
    free(files);
    free(readers);
    if (status) {
        free(*list);
        *list = NULL;
    }
    return status;
}
