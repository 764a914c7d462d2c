/* The log: one line for a call, in the file that VUKEY_SKF_LOG names. Its name, what it answered, the key's status
 * word and the time it took; never data, so neither PINs nor keys. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "objects.h"

#ifdef _WIN32 /* no links, no special files to fall for; whose a file is stands in its directory */
enum { O_NOFOLLOW = 0, O_CLOEXEC = 0, O_NONBLOCK = 0 };
#define gmtime_r(time, parts) gmtime_s(parts, time)

static bool is_mine(const struct stat *status) {
    return S_ISREG(status->st_mode);
}
#else
static bool is_mine(const struct stat *status) {
    return S_ISREG(status->st_mode) && status->st_uid == geteuid();
}
#endif

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int file = -1;

uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static const char *path_of_log(void) {
#ifdef __GLIBC__
    return secure_getenv("VUKEY_SKF_LOG");
#else
    return getenv("VUKEY_SKF_LOG");
#endif
}

static void open_log(void) {
    const char *path = path_of_log();
    if (!path || !*path) {
        return;
    }
    file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    struct stat status;
    if (file >= 0 && (fstat(file, &status) || !is_mine(&status))) {
        close(file);
        file = -1;
    }
}

void log_outcome(const char *function, ULONG status, uint16_t sw, uint64_t started) {
    pthread_once(&once, open_log);
    if (file < 0) {
        return;
    }
    struct timespec now;
    struct tm parts;
    char time[32], line[160];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &parts);
    int size = snprintf(line, sizeof line, "%s.%03ldZ %ld %s SAR=%08X SW=%04X %llu us\n", time, now.tv_nsec / 1000000,
                        (long)getpid(), function, (unsigned)status, sw, (unsigned long long)(now_us() - started));
    if (size > 0 && (size_t)size < sizeof line && write(file, line, (size_t)size) < 0) {
        return; /* a full disk is no reason to fail a signature */
    }
}

ULONG logged(const char *function, ULONG status, uint64_t started) {
    log_outcome(function, status, 0, started);
    return status;
}
