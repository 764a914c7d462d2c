/* A virtual key on its unix socket: vpcd's frames (2 bytes of length, big-endian, and the body), and LOCK and UNLOCK
 * between programs (protocols/vpcd.py). */
#define _GNU_SOURCE
#include "objects.h"

#ifdef _WIN32

ULONG socket_link_open(const char *path, struct link **link) {
    (void)path, (void)link;
    return SAR_DEVICE_REMOVED; /* virtual keys have no socket here */
}

bool socket_answers(const char *path) {
    (void)path;
    return false;
}

#else

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    LOCK = 5,
    UNLOCK = 6,
    CONTROL_MS = 5000,     /* within which a living key answers what asks no person */
    ANSWER_MS = 600000,    /* the longest that a key may wait for a person */
    FAREWELL_MS = 2000,    /* how long a key may take to let go */
    FIRST_PAUSE_US = 1000, /* between two attempts to lock */
    LAST_PAUSE_US = 50000,
    GRACE_US = 100000, /* the least wait for a lock: another program's UNLOCK may be on its way */
};

struct socket_link {
    struct link link;
    int file;
    bool unasked;   /* locked as far as the device knows; LOCK goes with the first command */
    uint64_t until; /* when to give that up */
};

static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size;
    if (!text_length(path, sizeof address.sun_path - 1, &size)) {
        return -1;
    }
    memcpy(address.sun_path, path, size + 1);
    int file = socket(AF_UNIX, SOCK_STREAM, 0);
    if (file >= 0) {
        fcntl(file, F_SETFD, FD_CLOEXEC);
    }
    while (file >= 0 && connect(file, (struct sockaddr *)&address, sizeof address)) {
        if (errno != EINTR) {
            close(file);
            return -1;
        }
    }
    return file;
}

bool socket_answers(const char *path) {
    int file = connect_to(path);
    if (file < 0) {
        return false;
    }
    close(file);
    return true;
}

/* Sends the pieces one after the other, in one system call where it takes all of them. */
static bool send_all(int file, struct iovec *pieces, size_t count) {
    size_t rest = 0;
    for (size_t i = 0; i < count; i++) {
        rest += pieces[i].iov_len;
    }
    while (rest) {
        struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
        ssize_t sent = sendmsg(file, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        rest -= (size_t)sent;
        for (size_t i = 0, gone = (size_t)sent; i < count && gone; i++) {
            size_t part = gone < pieces[i].iov_len ? gone : pieces[i].iov_len;
            pieces[i].iov_base = (uint8_t *)pieces[i].iov_base + part;
            pieces[i].iov_len -= part;
            gone -= part;
        }
    }
    return true;
}

/* A control, if any, and an APDU, if any. */
static bool send_frames(int file, uint8_t control, const uint8_t *apdu, size_t size) {
    uint8_t heads[] = {0, 1, control, (uint8_t)(size >> 8), (uint8_t)size};
    struct iovec pieces[] = {{heads, control ? 3 : 0}, {heads + 3, apdu ? 2 : 0}, {(void *)(uintptr_t)apdu, size}};
    return send_all(file, pieces, sizeof pieces / sizeof *pieces);
}

static bool receive(int file, uint8_t *bytes, size_t size, uint64_t until) {
    while (size) {
        ssize_t got = recv(file, bytes, size, MSG_DONTWAIT);
        if (got > 0) {
            bytes += got;
            size -= (size_t)got;
            continue;
        }
        if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
            return false;
        }
        uint64_t now = now_us();
        struct pollfd wait = {.fd = file, .events = POLLIN};
        if (now >= until || (poll(&wait, 1, (int)((until - now) / 1000) + 1) < 0 && errno != EINTR)) {
            return false;
        }
    }
    return true;
}

/* The next frame's body; false: none came, or a longer one than fits. */
static bool receive_frame(int file, uint8_t *body, size_t *size, unsigned within_ms) {
    uint64_t until = now_us() + within_ms * 1000ull;
    uint8_t header[2];
    if (!receive(file, header, sizeof header, until)) {
        return false;
    }
    size_t length = (size_t)header[0] << 8 | header[1];
    if (length > *size) {
        return false;
    }
    *size = length;
    return receive(file, body, length, until);
}

static void pause_us(uint64_t time) {
    struct timespec pause = {.tv_sec = (time_t)(time / 1000000), .tv_nsec = (long)(time % 1000000 * 1000)};
    nanosleep(&pause, NULL);
}

/* LOCK, and with it an APDU, if any, which a key that another program has answers with *busy*: both come again then. */
static ULONG lock_with(struct socket_link *self, const uint8_t *apdu, size_t size, uint8_t *answer,
                       size_t *answer_size) {
    for (uint64_t pause = FIRST_PAUSE_US;; pause = 2 * pause < LAST_PAUSE_US ? 2 * pause : LAST_PAUSE_US) {
        uint8_t held = 1;
        size_t held_size = sizeof held;
        bool sent = self->file >= 0 && send_frames(self->file, LOCK, apdu, size);
        if (!sent || !receive_frame(self->file, &held, &held_size, CONTROL_MS) || held_size != 1) {
            return SAR_DEVICE_REMOVED;
        }
        if (!held) {
            self->unasked = false;
            bool answered = !apdu || receive_frame(self->file, answer, answer_size, ANSWER_MS);
            return answered ? SAR_OK : SAR_DEVICE_REMOVED;
        }
        uint8_t busy[2];
        size_t busy_size = sizeof busy;
        if (apdu && !receive_frame(self->file, busy, &busy_size, CONTROL_MS)) {
            return SAR_DEVICE_REMOVED;
        }
        uint64_t now = now_us();
        if (now >= self->until) {
            return SAR_TIMEOUTERR;
        }
        pause_us(pause < self->until - now ? pause : self->until - now);
    }
}

static ULONG exchange(struct link *link, const uint8_t *apdu, size_t size, uint8_t *answer, size_t *answer_size) {
    struct socket_link *self = (struct socket_link *)link;
    if (self->unasked) {
        return lock_with(self, apdu, size, answer, answer_size);
    }
    bool sent = self->file >= 0 && send_frames(self->file, 0, apdu, size);
    return sent && receive_frame(self->file, answer, answer_size, ANSWER_MS) ? SAR_OK : SAR_DEVICE_REMOVED;
}

static ULONG lock(struct link *link, uint64_t until, bool at_once) {
    struct socket_link *self = (struct socket_link *)link;
    const uint64_t least = now_us() + GRACE_US;
    self->unasked = true;
    self->until = until > least ? until : least;
    return at_once ? lock_with(self, NULL, 0, NULL, NULL) : SAR_OK;
}

static void unlock(struct link *link) {
    struct socket_link *self = (struct socket_link *)link;
    if (!self->unasked && self->file >= 0) {
        send_frames(self->file, UNLOCK, NULL, 0);
    }
    self->unasked = false;
}

static void forget(struct link *link) {
    struct socket_link *self = (struct socket_link *)link;
    close(self->file);
    self->file = -1;
}

/* Leaving is logging out. Once the key has closed its end too, whoever comes next finds it free. */
static void close_link(struct link *link) {
    struct socket_link *self = (struct socket_link *)link;
    shutdown(self->file, SHUT_WR);
    uint8_t rest;
    while (receive(self->file, &rest, 1, now_us() + FAREWELL_MS * 1000ull)) {
        continue;
    }
    close(self->file);
    free(self);
}

ULONG socket_link_open(const char *path, struct link **link) {
    struct socket_link *self = calloc(1, sizeof *self);
    if (!self) {
        return SAR_MEMORYERR;
    }
    self->file = connect_to(path);
    if (self->file < 0) {
        free(self);
        return SAR_DEVICE_REMOVED;
    }
    self->link = (struct link){exchange, lock, unlock, close_link, forget};
    *link = &self->link;
    return SAR_OK;
}

#endif
