/* pcsc-lite by dlopen, its readers, and waiting for them. */
#define _GNU_SOURCE
#include "pcsc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
static const char LIBRARY[] = "winscard.dll", OF_TEXTS[] = "A";
#else
#include <dlfcn.h>
static const char OF_TEXTS[] = "";
#endif
#if defined(__APPLE__)
static const char LIBRARY[] = "/System/Library/Frameworks/PCSC.framework/PCSC";
#elif !defined(_WIN32)
static const char LIBRARY[] = "libpcsclite.so.1";
#endif
static const char NEW_READERS[] = "\\\\?PnP?\\Notification";

enum { MAX_READERS = 32, MAX_NAMES = 0x4000 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct pcsc library;
static bool loaded;

#ifdef _WIN32
static void *open_library(void) {
    return (void *)LoadLibraryExA(LIBRARY, NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);
}

static bool find(void *handle, const char *name, void *function) {
    FARPROC symbol = GetProcAddress((HMODULE)handle, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol;
}
#else
static void *open_library(void) {
    return dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
}

static bool find(void *handle, const char *name, void *function) {
    void *symbol = dlsym(handle, name);
    memcpy(function, &symbol, sizeof symbol); /* ISO C casts no object pointer to a function's */
    return symbol;
}
#endif

/* A function that takes texts: Windows has two of each. */
static bool find_text(void *handle, const char *name, void *function) {
    char whole[32];
    snprintf(whole, sizeof whole, "%s%s", name, OF_TEXTS);
    return find(handle, whole, function);
}

static void load(void) {
    void *handle = open_library();
    loaded = handle && find(handle, "SCardEstablishContext", &library.establish) &&
             find(handle, "SCardReleaseContext", &library.release) &&
             find_text(handle, "SCardListReaders", &library.list_readers) &&
             find_text(handle, "SCardGetStatusChange", &library.status_change) &&
             find(handle, "SCardCancel", &library.cancel) && find_text(handle, "SCardConnect", &library.connect) &&
             find(handle, "SCardReconnect", &library.reconnect) &&
             find(handle, "SCardDisconnect", &library.disconnect) &&
             find(handle, "SCardBeginTransaction", &library.begin) &&
             find(handle, "SCardEndTransaction", &library.end) && find(handle, "SCardTransmit", &library.transmit);
}

const struct pcsc *pcsc_library(void) {
    pthread_once(&once, load);
    return loaded ? &library : NULL;
}

/* The readers of a context as they are now; `names`, which the caller frees, is what their names point to. */
static pcsc_long look(const struct pcsc *pcsc, pcsc_handle context, struct pcsc_reader *readers, size_t *count,
                      char **names) {
    pcsc_dword size = MAX_NAMES;
    *count = 0;
    *names = calloc(1, MAX_NAMES + 2);
    pcsc_long status = *names ? pcsc->list_readers(context, NULL, *names, &size) : PCSC_NO_READERS;
    if (status != PCSC_OK) {
        return status == PCSC_NO_READERS ? PCSC_OK : status;
    }
    for (const char *name = *names; *name && *count < MAX_READERS; name += strlen(name) + 1) {
        readers[(*count)++] = (struct pcsc_reader){.name = name};
    }
    return *count ? pcsc->status_change(context, 0, readers, (pcsc_dword)*count) : PCSC_OK;
}

/* The program's own context. While it lives the readers' counters go on: a daemon that starts anew counts anew. */
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static pcsc_handle own;
static bool has_own;
static uint32_t daemons;

static pcsc_long look_again(const struct pcsc *pcsc, struct pcsc_reader *readers, size_t *count, char **names) {
    if (has_own && look(pcsc, own, readers, count, names) == PCSC_OK) {
        return PCSC_OK;
    }
    if (has_own) {
        free(*names);
        pcsc->release(own);
    }
    *names = NULL;
    pcsc_long status = pcsc->establish(SCOPE_SYSTEM, NULL, NULL, &own);
    has_own = status == PCSC_OK;
    daemons++;
    return has_own ? look(pcsc, own, readers, count, names) : status;
}

void pcsc_forget(void) {
    pthread_mutex_init(&guard, NULL);
    has_own = false;
}

ULONG pcsc_readers(struct reader_state **found, size_t *count) {
    const struct pcsc *pcsc = pcsc_library();
    struct pcsc_reader readers[MAX_READERS];
    size_t known = 0;
    char *names = NULL;
    *count = 0;
    *found = calloc(MAX_READERS, sizeof **found);
    if (!*found) {
        return SAR_MEMORYERR;
    }
    pthread_mutex_lock(&guard);
    bool looked = pcsc && look_again(pcsc, readers, &known, &names) == PCSC_OK;
    for (size_t i = 0; looked && i < known; i++) {
        struct reader_state *reader = &(*found)[(*count)++];
        strncpy(reader->name, readers[i].name, sizeof reader->name - 1);
        reader->has_card = readers[i].state & STATE_PRESENT;
        reader->event = daemons << 16 | (uint32_t)(readers[i].state >> 16 & 0xFFFF);
    }
    free(names);
    pthread_mutex_unlock(&guard);
    return SAR_OK; /* without PC/SC there are none */
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
    pcsc_handle context;
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
    size_t count;
    free(watch->names);
    pcsc_long status = look(watch->pcsc, watch->context, watch->readers, &count, &watch->names);
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
