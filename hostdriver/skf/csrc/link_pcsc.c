/* A key in a reader. A transaction keeps other programs out; asking for one blocks without an end in pcsc-lite, so a
 * thread asks, and who waits for it may give up. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "pcsc.h"

enum { CLA_PLAIN = 0x80, DEV_AUTH = 0x10, CHANGE_DEV_AUTH_KEY = 0x12, CHANGE_PIN = 0x16, VERIFY_PIN = 0x18 };
enum { GRACE_US = 300000 }; /* the least wait for a transaction: pcsc-lite asks for one ten times a second */

enum asking { NOT_ASKED, ASKED, GRANTED, FAILED };

struct pcsc_link {
    struct link link;
    const struct pcsc *pcsc;
    pcsc_handle context, card;
    pcsc_dword protocol;
    bool unlocks_something; /* a login of ours is on the key */
    pthread_mutex_t mutex;  /* for the rest */
    pthread_cond_t told;
    enum asking asking;
    bool wanted;    /* whoever asked still waits */
    bool abandoned; /* closed while the thread asks: it frees */
};

static void free_link(struct pcsc_link *self) {
    self->pcsc->release(self->context);
    pthread_mutex_destroy(&self->mutex);
    pthread_cond_destroy(&self->told);
    free(self);
}

/* Another program has reset the card: the connection goes on, the key's handles do not (call.c opens them again). */
static pcsc_long begin(struct pcsc_link *self) {
    pcsc_long status = self->pcsc->begin(self->card);
    if (status == PCSC_RESET) {
        status = self->pcsc->reconnect(self->card, SHARED, PROTOCOL_ANY, LEAVE, &self->protocol);
        status = status == PCSC_OK ? self->pcsc->begin(self->card) : status;
    }
    return status;
}

static void *ask(void *link) {
    struct pcsc_link *self = link;
    bool granted = begin(self) == PCSC_OK;
    pthread_mutex_lock(&self->mutex);
    if (granted && !self->wanted) {
        self->pcsc->end(self->card, LEAVE);
    }
    self->asking = !granted ? FAILED : self->wanted ? GRANTED : NOT_ASKED;
    bool abandoned = self->abandoned;
    pthread_cond_broadcast(&self->told);
    pthread_mutex_unlock(&self->mutex);
    if (abandoned) {
        free_link(self);
    }
    return NULL;
}

static bool start_asking(struct pcsc_link *self) {
    pthread_t thread;
    if (self->asking != NOT_ASKED) {
        return true;
    }
    if (pthread_create(&thread, NULL, ask, self)) {
        return false;
    }
    pthread_detach(thread);
    self->asking = ASKED;
    return true;
}

static ULONG lock(struct link *link, uint64_t until, bool at_once) {
    (void)at_once;
    struct pcsc_link *self = (struct pcsc_link *)link;
    const uint64_t least = now_us() + GRACE_US;
    until = until > least ? until : least;
    struct timespec end = {.tv_sec = (time_t)(until / 1000000), .tv_nsec = (long)(until % 1000000 * 1000)};
    ULONG status = SAR_OK;
    pthread_mutex_lock(&self->mutex);
    self->wanted = true;
    if (!start_asking(self)) {
        status = SAR_MEMORYERR;
    }
    while (!status && self->asking == ASKED) {
        if (pthread_cond_timedwait(&self->told, &self->mutex, &end)) {
            status = SAR_TIMEOUTERR;
        }
    }
    if (self->asking == GRANTED) {
        status = SAR_OK;
    } else if (self->asking == FAILED) {
        status = SAR_DEVICE_REMOVED;
    }
    if (self->asking != ASKED) {
        self->asking = NOT_ASKED;
    }
    self->wanted = false;
    pthread_mutex_unlock(&self->mutex);
    return status;
}

static void unlock(struct link *link) {
    struct pcsc_link *self = (struct pcsc_link *)link;
    self->pcsc->end(self->card, LEAVE);
}

static bool may_unlock(const uint8_t *apdu) {
    uint8_t ins = apdu[1];
    return ins == DEV_AUTH || ins == CHANGE_DEV_AUTH_KEY || ins == CHANGE_PIN || ins == VERIFY_PIN;
}

static ULONG exchange(struct link *link, const uint8_t *apdu, size_t size, uint8_t *answer, size_t *answer_size) {
    struct pcsc_link *self = (struct pcsc_link *)link;
    const struct pcsc_io send = {self->protocol, sizeof send};
    pcsc_dword got = (pcsc_dword)*answer_size;
    self->unlocks_something = self->unlocks_something || may_unlock(apdu);
    uint8_t *received = malloc(*answer_size); /* the caller's two are one buffer */
    if (!received) {
        return SAR_MEMORYERR;
    }
    pcsc_long status = self->pcsc->transmit(self->card, &send, apdu, (pcsc_dword)size, NULL, received, &got);
    const size_t most = *answer_size;
    if (status == PCSC_OK && got <= most) {
        memcpy(answer, received, got);
        *answer_size = got;
    }
    wipe(received, got <= most ? got : most);
    free(received);
    return status == PCSC_OK ? SAR_OK : SAR_DEVICE_REMOVED;
}

static void forget(struct link *link) {
    (void)link; /* pcsc-lite knows itself that a child has no connection */
}

/* A reset ends the logins, for who comes next must not inherit them; a key that nothing was unlocked on is left alone.
 */
static void close_link(struct link *link) {
    struct pcsc_link *self = (struct pcsc_link *)link;
    pthread_mutex_lock(&self->mutex);
    bool asks = self->asking == ASKED;
    self->abandoned = asks;
    pthread_mutex_unlock(&self->mutex);
    if (!asks) {
        self->pcsc->disconnect(self->card, self->unlocks_something ? RESET : LEAVE);
        free_link(self);
    }
}

ULONG pcsc_link_open(const char *reader, struct link **link) {
    const struct pcsc *pcsc = pcsc_library();
    struct pcsc_link *self = pcsc ? calloc(1, sizeof *self) : NULL;
    if (!self) {
        return pcsc ? SAR_MEMORYERR : SAR_DEVICE_REMOVED;
    }
    self->pcsc = pcsc;
    if (pcsc->establish(SCOPE_SYSTEM, NULL, NULL, &self->context) != PCSC_OK) {
        free(self);
        return SAR_DEVICE_REMOVED;
    }
    if (pcsc->connect(self->context, reader, SHARED, PROTOCOL_ANY, &self->card, &self->protocol) != PCSC_OK) {
        pcsc->release(self->context);
        free(self);
        return SAR_DEVICE_REMOVED;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->told, &attributes);
    pthread_condattr_destroy(&attributes);
    self->link = (struct link){exchange, lock, unlock, close_link, forget};
    *link = &self->link;
    return SAR_OK;
}
