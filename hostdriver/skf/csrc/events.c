/* Keys that come and go. Every waiting thread sleeps on its own: on the run directory (inotify), on the processes of
 * the virtual keys (a killed one leaves its run file behind) and on a descriptor by which others wake it; one thread
 * more, while anybody waits, asks PC/SC. What was seen last is the program's: no waiter misses what another one saw. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "objects.h"

pthread_mutex_t events_guard = PTHREAD_MUTEX_INITIALIZER;

#ifdef __linux__
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_EVENTS = 64, MAX_WATCHED = 64, PATH_ROOM = 512, INOTIFY_ROOM = 4096 };
static const char PCSCD[] = "/run/pcscd"; /* where its socket appears when it is started */

struct waiter {
    struct waiter *next;
    int wake;       /* eventfd: look again, or stop */
    bool cancelled; /* under the guard */
};

static struct waiter *waiters;
static struct found *known; /* the keys that were there when somebody looked last */
static size_t known_count;
static bool looked;
static struct event {
    char name[NAME_ROOM];
    ULONG what;
} events[MAX_EVENTS]; /* the last ones, by their number modulo MAX_EVENTS */
static uint64_t event_count;
static uint64_t told;            /* how many a thread that has never waited before need not hear of */
static struct pcsc_watch *watch; /* of the thread that asks PC/SC; NULL: there is none */
static bool stopping;            /* it was told to end */
static bool refused;             /* it ended by itself: PC/SC is not asked again before something changes */
static _Thread_local uint64_t seen; /* how many of the events this thread has been told */
static _Thread_local bool has_waited;

static void wake_all(void) {
    const uint64_t one = 1;
    for (struct waiter *each = waiters; each; each = each->next) {
        if (write(each->wake, &one, sizeof one) < 0) {
            continue; /* full: it is awake already */
        }
    }
}

/* PC/SC ---------------------------------------------------------------------------------------------------------- */

static void *watch_readers(void *mine) {
    while (pcsc_watch_wait(mine)) {
        pthread_mutex_lock(&events_guard);
        bool wanted = watch == mine && waiters;
        wake_all();
        pthread_mutex_unlock(&events_guard);
        if (!wanted) {
            break;
        }
    }
    pthread_mutex_lock(&events_guard);
    if (watch == mine) {
        watch = NULL;
        refused = !stopping;
        stopping = false;
        wake_all();
    }
    pthread_mutex_unlock(&events_guard);
    pcsc_watch_close(mine);
    return NULL;
}

/* Under the guard. Without PC/SC there is none; where it is started later, its socket's directory says so. */
static void start_watching(void) {
    pthread_t thread;
    struct pcsc_watch *fresh = watch || refused ? NULL : pcsc_watch_open();
    if (!fresh) {
        return;
    }
    if (pthread_create(&thread, NULL, watch_readers, fresh)) {
        pcsc_watch_close(fresh);
        return;
    }
    pthread_detach(thread);
    watch = fresh;
}

/* Under the guard, once nobody waits any more. */
static void stop_watching(void) {
    if (watch) {
        stopping = true;
        pcsc_watch_stop(watch);
    }
}

/* What has changed ------------------------------------------------------------------------------------------------ */

static bool is_among(const struct found *list, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_events(const struct found *list, size_t count, const struct found *others, size_t other_count,
                       ULONG what) {
    for (size_t i = 0; i < count; i++) {
        if (!is_among(others, other_count, list[i].name)) {
            struct event *event = &events[event_count++ % MAX_EVENTS];
            memcpy(event->name, list[i].name, sizeof event->name);
            event->what = what;
        }
    }
}

/* Looks which keys there are, and remembers what that changes. */
static ULONG look(void) {
    struct found *found;
    size_t count;
    ULONG status = find_keys(&found, &count);
    if (status) {
        return status;
    }
    pthread_mutex_lock(&events_guard);
    const uint64_t before = event_count;
    if (looked) {
        add_events(known, known_count, found, count, DEV_REMOVED);
        add_events(found, count, known, known_count, DEV_INSERTED);
    }
    free(known);
    known = found;
    known_count = count;
    told = looked ? told : event_count;
    looked = true;
    if (event_count > before) {
        wake_all();
    }
    pthread_mutex_unlock(&events_guard);
    return SAR_OK;
}

/* What the program lists, a wait after it need not tell, but what changes from then on. */
ULONG list_keys(struct found **list, size_t *count) {
    ULONG status = look();
    if (status) {
        return status;
    }
    pthread_mutex_lock(&events_guard);
    *list = malloc((known_count + 1) * sizeof **list);
    if (*list) {
        memcpy(*list, known, known_count * sizeof **list);
        *count = known_count;
        seen = told = event_count;
        has_waited = true;
    }
    pthread_mutex_unlock(&events_guard);
    return *list ? SAR_OK : SAR_MEMORYERR;
}

/* The next event that this thread has not been told; the oldest that is still remembered. */
static bool next_event(struct event *event) {
    pthread_mutex_lock(&events_guard);
    if (!has_waited) {
        has_waited = true;
        seen = told;
    }
    if (event_count - seen > MAX_EVENTS) {
        seen = event_count - MAX_EVENTS;
    }
    bool there = seen < event_count;
    if (there) {
        *event = events[seen % MAX_EVENTS];
    }
    pthread_mutex_unlock(&events_guard);
    return there;
}

static void is_told(void) {
    pthread_mutex_lock(&events_guard);
    seen++;
    told = seen > told ? seen : told;
    pthread_mutex_unlock(&events_guard);
}

/* Sleeping -------------------------------------------------------------------------------------------------------- */

/* Watches the run directory, or as long as it does not exist what is above it. */
static void watch_directory(int notifier) {
    char path[PATH_ROOM];
    const uint32_t what = IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_MODIFY | IN_ATTRIB |
                          IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    bool there = run_directory(path, sizeof path);
    while (there && inotify_add_watch(notifier, path, what) < 0 && errno == ENOENT) {
        char *slash = strrchr(path, '/');
        there = slash && slash != path;
        if (there) {
            *slash = '\0';
        }
    }
    inotify_add_watch(notifier, PCSCD, IN_CREATE | IN_ONLYDIR);
}

static size_t watch_processes(struct pollfd *polled, size_t room) {
    struct run_file *files;
    size_t count, watched = 0;
    if (run_files(&files, &count) == SAR_OK) {
        for (size_t i = 0; i < count && watched < room; i++) {
            int process = files[i].pid > 0 ? (int)syscall(SYS_pidfd_open, files[i].pid, 0) : -1;
            if (process >= 0) {
                polled[watched++] = (struct pollfd){.fd = process, .events = POLLIN};
            }
        }
    }
    free(files);
    return watched;
}

/* Sleeps until something may have changed. Called with the notifier set up before the last look: nothing is missed. */
static ULONG sleep_until_change(struct waiter *self, int notifier, struct pollfd *polled, size_t watched) {
    char rest[INOTIFY_ROOM];
    polled[watched] = (struct pollfd){.fd = notifier, .events = POLLIN};
    polled[watched + 1] = (struct pollfd){.fd = self->wake, .events = POLLIN};
    while (poll(polled, watched + 2, -1) < 0) {
        if (errno != EINTR) {
            return SAR_FAIL;
        }
    }
    uint64_t woken;
    if (polled[watched + 1].revents && read(self->wake, &woken, sizeof woken) < 0) {
        return SAR_FAIL;
    }
    bool changed = false;
    while (read(notifier, rest, sizeof rest) > 0) {
        changed = true;
    }
    pthread_mutex_lock(&events_guard);
    bool cancelled = self->cancelled;
    refused = refused && !changed;
    pthread_mutex_unlock(&events_guard);
    return cancelled ? SAR_NOT_EVENTERR : SAR_OK;
}

static ULONG wait_once(struct waiter *self, struct event *event, bool *there) {
    struct pollfd polled[MAX_WATCHED + 2];
    int notifier = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (notifier < 0) {
        return SAR_MEMORYERR;
    }
    watch_directory(notifier);
    size_t watched = watch_processes(polled, MAX_WATCHED);
    pthread_mutex_lock(&events_guard);
    start_watching();
    pthread_mutex_unlock(&events_guard);
    ULONG status = look();
    *there = !status && next_event(event);
    if (!status && !*there) {
        status = sleep_until_change(self, notifier, polled, watched);
    }
    for (size_t i = 0; i < watched; i++) {
        close(polled[i].fd);
    }
    close(notifier);
    return status;
}

static bool enlist(struct waiter *self) {
    self->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->wake < 0) {
        return false;
    }
    pthread_mutex_lock(&events_guard);
    refused = false;
    self->next = waiters;
    waiters = self;
    pthread_mutex_unlock(&events_guard);
    return true;
}

static void leave(struct waiter *self) {
    pthread_mutex_lock(&events_guard);
    for (struct waiter **at = &waiters; *at; at = &(*at)->next) {
        if (*at == self) {
            *at = self->next;
            break;
        }
    }
    if (!waiters) {
        stop_watching();
    }
    pthread_mutex_unlock(&events_guard);
    close(self->wake);
}

static ULONG wait_for_event(struct event *event) {
    struct waiter self = {0};
    bool there = false;
    if (!enlist(&self)) {
        return SAR_MEMORYERR;
    }
    ULONG status = SAR_OK;
    while (!status && !there) {
        status = wait_once(&self, event, &there);
    }
    leave(&self);
    return status;
}

ULONG DEVAPI SKF_WaitForDevEvent(LPSTR szDevName, ULONG *pulDevNameLen, ULONG *pulEvent) {
    uint64_t started = now_us();
    struct event event;
    if (!szDevName || !pulDevNameLen || !pulEvent) {
        return logged(__func__, SAR_INVALIDPARAMERR, started);
    }
    ULONG status = wait_for_event(&event);
    if (!status) {
        status = hand_over(event.name, strlen(event.name) + 1, szDevName, pulDevNameLen);
    }
    if (!status) {
        *pulEvent = event.what;
        is_told(); /* with too small a buffer it comes again */
    }
    return logged(__func__, status, started);
}

ULONG DEVAPI SKF_CancelWaitForDevEvent(void) {
    uint64_t started = now_us();
    pthread_mutex_lock(&events_guard);
    for (struct waiter *each = waiters; each; each = each->next) {
        each->cancelled = true;
    }
    wake_all();
    pthread_mutex_unlock(&events_guard);
    return logged(__func__, SAR_OK, started);
}

void events_forget(void) {
    waiters = NULL;
    watch = NULL;
    stopping = false;
}

#else

void events_forget(void) {
}

ULONG list_keys(struct found **list, size_t *count) {
    return find_keys(list, count);
}

ULONG DEVAPI SKF_WaitForDevEvent(LPSTR szDevName, ULONG *pulDevNameLen, ULONG *pulEvent) {
    (void)szDevName, (void)pulDevNameLen, (void)pulEvent;
    return logged(__func__, SAR_NOTSUPPORTYETERR, now_us());
}

ULONG DEVAPI SKF_CancelWaitForDevEvent(void) {
    return logged(__func__, SAR_NOTSUPPORTYETERR, now_us());
}

#endif
