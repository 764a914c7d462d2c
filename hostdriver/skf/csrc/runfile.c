/* Run files of virtual keys: where they are and the four fields that matter, read from JSON of at most 64 KiB. */
#define _GNU_SOURCE
#include "objects.h"

#ifdef _WIN32
#include <stdlib.h>

bool run_directory(char *path, size_t room) {
    (void)path, (void)room;
    return false; /* virtual keys write no run files here */
}

ULONG run_files(struct run_file **files, size_t *count) {
    *count = 0;
    *files = calloc(1, sizeof **files);
    return *files ? SAR_OK : SAR_MEMORYERR;
}

#else

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE = 0x10000, MAX_KEYS = 256, MAX_DEPTH = 16 };

/* JSON (RFC 8259): enough to find the fields of one object, and to skip everything else. */
struct json {
    const char *at, *end;
};

static char peek(struct json *json) {
    while (json->at < json->end && strchr(" \t\r\n", *json->at) && *json->at) {
        json->at++;
    }
    return json->at < json->end ? *json->at : '\0';
}

static bool accept(struct json *json, char wanted) {
    if (peek(json) != wanted || !wanted) {
        return false;
    }
    json->at++;
    return true;
}

static bool hex4(struct json *json, uint32_t *value) {
    *value = 0;
    for (int i = 0; i < 4; i++) {
        char digit = json->at < json->end ? *json->at++ : '\0';
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *found = digit ? strchr(digits, digit) : NULL;
        if (!found) {
            return false;
        }
        *value = *value << 4 | (uint32_t)((found - digits) % 16);
    }
    return true;
}

static size_t utf8(uint32_t code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = size; i-- > 1; code >>= 6) {
        out[i] = (char)(0x80 | (code & 0x3F));
    }
    out[0] = (char)(leads[size] | code);
    return size;
}

/* After the backslash; how many bytes it stands for, 0: no escape of JSON's (or a NUL, which no field may hold). */
static size_t unescape(struct json *json, char out[4]) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char name = json->at < json->end ? *json->at++ : '\0';
    const char *found = name ? strchr(names, name) : NULL;
    if (found) {
        out[0] = values[found - names];
        return 1;
    }
    uint32_t code, low;
    if (name != 'u' || !hex4(json, &code) || !code) {
        return 0;
    }
    if (code >= 0xD800 && code < 0xDC00) {
        bool pair = json->end - json->at >= 6 && json->at[0] == '\\' && json->at[1] == 'u';
        json->at += pair ? 2 : 0;
        if (!pair || !hex4(json, &low) || low < 0xDC00 || low > 0xDFFF) {
            return 0;
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    return utf8(code, out);
}

/* A string, as far as it fits; one that does not is left empty: nothing is looked for under half a name. */
static bool string(struct json *json, char *out, size_t room) {
    size_t size = 0;
    bool fits = true;
    if (!accept(json, '"')) {
        return false;
    }
    while (json->at < json->end && *json->at != '"') {
        char bytes[4] = {*json->at++};
        size_t count = bytes[0] == '\\' ? unescape(json, bytes) : 1;
        if (!count || !bytes[0]) {
            return false;
        }
        fits = fits && size + count < room;
        if (fits) {
            memcpy(out + size, bytes, count);
            size += count;
        }
    }
    if (room) {
        out[fits ? size : 0] = '\0';
    }
    return accept(json, '"');
}

static bool skip(struct json *json, int depth);

static bool skip_members(struct json *json, char close, int depth) {
    if (accept(json, close)) {
        return true;
    }
    do {
        if (close == '}' && (!string(json, NULL, 0) || !accept(json, ':'))) {
            return false;
        }
        if (!skip(json, depth)) {
            return false;
        }
    } while (accept(json, ','));
    return accept(json, close);
}

static bool skip(struct json *json, int depth) {
    char first = peek(json);
    if (first == '"') {
        return string(json, NULL, 0);
    }
    if (first == '{' || first == '[') {
        json->at++;
        return depth < MAX_DEPTH && skip_members(json, first == '{' ? '}' : ']', depth + 1);
    }
    const char *start = json->at;
    while (json->at < json->end && *json->at && strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", *json->at)) {
        json->at++;
    }
    return json->at > start;
}

static bool field(struct json *json, const char *name, struct run_file *file) {
    struct {
        const char *name;
        char *out;
        size_t room;
    } texts[] = {{"serial", file->serial, sizeof file->serial},
                 {"socket", file->socket, sizeof file->socket},
                 {"dialect", file->dialect, sizeof file->dialect}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i].name, name) == 0 && peek(json) == '"') {
            return string(json, texts[i].out, texts[i].room);
        }
    }
    if (strcmp(name, "pid") == 0) {
        const char *start = (peek(json), json->at);
        char digits[10] = {0};
        bool skipped = skip(json, 0);
        size_t size = (size_t)(json->at - start);
        memcpy(digits, start, size < sizeof digits ? size : 0);
        file->pid = atoi(digits);
        return skipped;
    }
    return skip(json, 0);
}

bool parse_run_file(const char *text, size_t size, struct run_file *file) {
    struct json json = {text, text + size};
    memset(file, 0, sizeof *file);
    strcpy(file->dialect, "default");
    if (!accept(&json, '{')) {
        return false;
    }
    do {
        char name[32];
        if (!string(&json, name, sizeof name) || !accept(&json, ':') || !field(&json, name, file)) {
            return false;
        }
    } while (accept(&json, ','));
    return accept(&json, '}') && file->serial[0];
}

bool run_directory(char *path, size_t room) {
    const char *runtime = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");
    char entry[1024];
    struct passwd user, *found = NULL;
    if ((!runtime || !*runtime) && (!home || !*home)) {
        home = getpwuid_r(getuid(), &user, entry, sizeof entry, &found) || !found ? NULL : found->pw_dir;
    }
    int size = runtime && *runtime ? snprintf(path, room, "%s/vukey", runtime)
               : home              ? snprintf(path, room, "%s/.cache/vukey/run", home)
                                   : -1;
    return size > 0 && (size_t)size < room;
}

static bool read_run_file(int directory, const char *name, struct run_file *file) {
    int descriptor = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    char *text = descriptor < 0 ? NULL : malloc(MAX_FILE);
    size_t size = 0;
    ssize_t got = text ? read(descriptor, text, MAX_FILE) : 0;
    for (; got > 0; got = read(descriptor, text + size, MAX_FILE - size)) {
        size += (size_t)got;
    }
    bool parsed = got == 0 && size < MAX_FILE && parse_run_file(text, size, file);
    if (text) {
        wipe(text, size); /* the control API's token is in it */
    }
    free(text);
    if (descriptor >= 0) {
        close(descriptor);
    }
    return parsed;
}

static bool is_run_file(const struct dirent *entry) {
    size_t size = strlen(entry->d_name);
    return size > 5 && strcmp(entry->d_name + size - 5, ".json") == 0;
}

static int by_serial(const void *a, const void *b) {
    return strcmp(((const struct run_file *)a)->serial, ((const struct run_file *)b)->serial);
}

ULONG run_files(struct run_file **files, size_t *count) {
    char path[512];
    struct stat status;
    *count = 0;
    *files = calloc(MAX_KEYS, sizeof **files);
    if (!*files) {
        return SAR_MEMORYERR;
    }
    if (!run_directory(path, sizeof path)) {
        return SAR_OK;
    }
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* Somebody else's directory, or one that others can enter, could say anything. */
    if (directory < 0 || fstat(directory, &status) || status.st_uid != getuid() || status.st_mode & 077) {
        if (directory >= 0) {
            close(directory);
        }
        return SAR_OK;
    }
    DIR *list = fdopendir(directory);
    if (!list) {
        close(directory);
        return SAR_MEMORYERR;
    }
    for (struct dirent *entry = readdir(list); entry && *count < MAX_KEYS; entry = readdir(list)) {
        *count += is_run_file(entry) && read_run_file(dirfd(list), entry->d_name, &(*files)[*count]);
    }
    closedir(list);
    qsort(*files, *count, sizeof **files, by_serial);
    return SAR_OK;
}

#endif
