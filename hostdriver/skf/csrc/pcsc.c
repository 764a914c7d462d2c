/* pcsc-lite by dlopen, its readers, and waiting for them. */
#define _GNU_SOURCE
#include "pcsc.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#ifdef __APPLE__
static const char LIBRARY[] = "/System/Library/Frameworks/PCSC.framework/PCSC";
#else
static const char LIBRARY[] = "libpcsclite.so.1";
#endif
static const char NEW_READERS[] = "\\\\?PnP?\\Notification";

enum { MAX_READERS = 32, MAX_NAMES = 0x4000 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct pcsc library;
static bool loaded;

static bool find(void *handle, const char *name, void *function) {
    void *symbol = dlsym(handle, name);
    memcpy(function, &symbol, sizeof symbol); /* ISO C casts no object pointer to a function's */
    return symbol;
}

static void load(void) {
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    loaded = handle && find(handle, "SCardEstablishContext", &library.establish) &&
             find(handle, "SCardReleaseContext", &library.release) &&
             find(handle, "SCardListReaders", &library.list_readers) &&
             find(handle, "SCardGetStatusChange", &library.status_change) &&
             find(handle, "SCardCancel", &library.cancel) && find(handle, "SCardConnect", &library.connect) &&
             find(handle, "SCardReconnect", &library.reconnect) &&
             find(handle, "SCardDisconnect", &library.disconnect) &&
             find(handle, "SCardBeginTransaction", &library.begin) &&
             find(handle, "SCardEndTransaction", &library.end) && find(handle, "SCardTransmit", &library.transmit);
}

const struct pcsc *pcsc_library(void) {
    pthread_once(&once, load);
    return loaded ? &library : NULL;
}

char *pcsc_reader_names(const struct pcsc *pcsc, pcsc_long context) {
    pcsc_dword size = MAX_NAMES;
    char *names = calloc(1, MAX_NAMES + 2);
    if (!names || pcsc->list_readers(context, NULL, names, &size) != PCSC_OK) {
        free(names);
        return NULL;
    }
    return names;
}

static size_t fill(struct pcsc_reader *readers, const char *names) {
    size_t count = 0;
    for (const char *name = names; name && *name && count < MAX_READERS; name += strlen(name) + 1) {
        readers[count++] = (struct pcsc_reader){.name = name};
    }
    return count;
}

ULONG pcsc_readers(struct reader_state **found, size_t *count) {
    const struct pcsc *pcsc = pcsc_library();
    pcsc_long context;
    *count = 0;
    *found = calloc(MAX_READERS, sizeof **found);
    if (!*found) {
        return SAR_MEMORYERR;
    }
    if (!pcsc || pcsc->establish(SCOPE_SYSTEM, NULL, NULL, &context) != PCSC_OK) {
        return SAR_OK; /* no readers */
    }
    struct pcsc_reader readers[MAX_READERS];
    char *names = pcsc_reader_names(pcsc, context);
    size_t known = fill(readers, names);
    if (known && pcsc->status_change(context, 0, readers, (pcsc_dword)known) == PCSC_OK) {
        for (size_t i = 0; i < known; i++) {
            struct reader_state *reader = &(*found)[(*count)++];
            strncpy(reader->name, readers[i].name, sizeof reader->name - 1);
            reader->has_card = readers[i].state & STATE_PRESENT;
            reader->event = (uint32_t)(readers[i].state >> 16 & 0xFFFF);
        }
    }
    free(names);
    pcsc->release(context);
    return SAR_OK;
}

bool pcsc_has_card(const char *name) {
    struct reader_state *readers;
    size_t count;
    bool has = false;
    if (pcsc_readers(&readers, &count) == SAR_OK) {
        for (size_t i = 0; i < count; i++) {
            has = has || (readers[i].has_card && strcmp(readers[i].name, name) == 0);
        }
    }
    free(readers);
    return has;
}

struct pcsc_watch {
    const struct pcsc *pcsc;
    pcsc_long context;
    char *names;
    struct pcsc_reader readers[MAX_READERS + 1];
    size_t count; /* 0: not looked yet; the last one stands for readers to come */
};

struct pcsc_watch *pcsc_watch_open(void) {
    const struct pcsc *pcsc = pcsc_library();
    struct pcsc_watch *watch = pcsc ? calloc(1, sizeof *watch) : NULL;
    if (watch && pcsc->establish(SCOPE_SYSTEM, NULL, NULL, &watch->context) != PCSC_OK) {
        free(watch);
        return NULL;
    }
    if (watch) {
        watch->pcsc = pcsc;
    }
    return watch;
}

/* Notes the readers as they are now: the next wait ends with whatever changes from here on. */
static bool note(struct pcsc_watch *watch) {
    free(watch->names);
    watch->names = pcsc_reader_names(watch->pcsc, watch->context);
    size_t count = fill(watch->readers, watch->names);
    pcsc_long status = PCSC_OK;
    if (count) {
        status = watch->pcsc->status_change(watch->context, 0, watch->readers, (pcsc_dword)count);
    }
    for (size_t i = 0; i < count; i++) {
        watch->readers[i].known = watch->readers[i].state & ~(pcsc_dword)STATE_CHANGED;
    }
    watch->readers[count] = (struct pcsc_reader){.name = NEW_READERS, .known = (pcsc_dword)count << 16};
    watch->count = count + 1;
    return status == PCSC_OK;
}

bool pcsc_watch_wait(struct pcsc_watch *watch) {
    if (watch->count) {
        pcsc_long status = watch->pcsc->status_change(watch->context, PCSC_FOR_EVER, watch->readers,
                                                      (pcsc_dword)watch->count);
        if (status != PCSC_OK) {
            return false;
        }
    }
    return note(watch);
}

void pcsc_watch_stop(struct pcsc_watch *watch) {
    watch->pcsc->cancel(watch->context);
}

void pcsc_watch_close(struct pcsc_watch *watch) {
    watch->pcsc->release(watch->context);
    free(watch->names);
    free(watch);
}
