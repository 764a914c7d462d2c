/* A virtual key on its unix socket: vpcd's frames (2 bytes of length, big-endian, and the body), and LOCK and UNLOCK
 * between programs (protocols/vpcd.py). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "objects.h"

enum {
    LOCK = 5,
    UNLOCK = 6,
    CONTROL_MS = 5000,     /* within which a living key answers what asks no person */
    ANSWER_MS = 600000,    /* the longest that a key may wait for a person */
    FAREWELL_MS = 2000,    /* how long a key may take to let go */
    FIRST_PAUSE_US = 1000, /* between two attempts to lock */
    LAST_PAUSE_US = 50000,
};

struct socket_link {
    struct link link;
    int file;
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
    if (file >= 0 && connect(file, (struct sockaddr *)&address, sizeof address)) {
        close(file);
        return -1;
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

static bool send_frame(int file, const uint8_t *body, size_t size) {
    uint8_t header[2] = {(uint8_t)(size >> 8), (uint8_t)size};
    struct iovec parts[2] = {{header, sizeof header}, {(void *)(uintptr_t)body, size}};
    size_t rest = sizeof header + size;
    while (rest) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t sent = sendmsg(file, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        rest -= (size_t)sent;
        for (size_t i = 0, gone = (size_t)sent; i < 2 && gone; i++) {
            size_t piece = gone < parts[i].iov_len ? gone : parts[i].iov_len;
            parts[i].iov_base = (uint8_t *)parts[i].iov_base + piece;
            parts[i].iov_len -= piece;
            gone -= piece;
        }
    }
    return true;
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

static ULONG exchange(struct link *link, const uint8_t *apdu, size_t size, uint8_t *answer, size_t *answer_size) {
    int file = ((struct socket_link *)link)->file;
    bool done = file >= 0 && send_frame(file, apdu, size) && receive_frame(file, answer, answer_size, ANSWER_MS);
    return done ? SAR_OK : SAR_DEVICE_REMOVED;
}

static void pause_us(uint64_t time) {
    struct timespec pause = {.tv_sec = (time_t)(time / 1000000), .tv_nsec = (long)(time % 1000000 * 1000)};
    nanosleep(&pause, NULL);
}

static ULONG lock(struct link *link, uint64_t until) {
    int file = ((struct socket_link *)link)->file;
    const uint8_t control = LOCK;
    for (uint64_t pause = FIRST_PAUSE_US;; pause = 2 * pause < LAST_PAUSE_US ? 2 * pause : LAST_PAUSE_US) {
        uint8_t held;
        size_t size = sizeof held;
        if (file < 0 || !send_frame(file, &control, 1) || !receive_frame(file, &held, &size, CONTROL_MS) || size != 1) {
            return SAR_DEVICE_REMOVED;
        }
        if (!held) {
            return SAR_OK;
        }
        uint64_t now = now_us();
        if (now >= until) {
            return SAR_TIMEOUTERR;
        }
        pause_us(pause < until - now ? pause : until - now);
    }
}

static void unlock(struct link *link) {
    const uint8_t control = UNLOCK;
    send_frame(((struct socket_link *)link)->file, &control, 1);
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
    struct socket_link *self = malloc(sizeof *self);
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
