/* What the core's files share: keys, objects, links to a key. The functions of § 7.6 know internal.h alone. */
#ifndef VUKEY_SKF_OBJECTS_H
#define VUKEY_SKF_OBJECTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "internal.h"

enum {
    NAME_ROOM = 256,         /* a device's name, with its NUL */
    OBJECT_NAME_ROOM = 129,  /* an application's or a container's */
    MAX_FRAME = 0xFFFF,      /* an APDU or an answer with its status word */
    MAX_ANSWER = 0x40000,    /* a whole answer, of all its pieces */
    LEAST_DATA = 255,        /* what every key takes in one command */
    CALL_PATIENCE_MS = 10000 /* how long a call waits for another program that has the key */
};

/* Links ------------------------------------------------------------------------------------------------------- */

/* A way to a key. SAR_DEVICE_REMOVED: it has gone for good. */
struct link {
    ULONG (*exchange)(struct link *link, const uint8_t *apdu, size_t size, uint8_t *answer, size_t *answer_size);
    /* Keeps other programs out, at once or from the next command on; SAR_TIMEOUTERR, of either, when another one has
     * the key until then. `until`: µs, see now_us. */
    ULONG (*lock)(struct link *link, uint64_t until, bool at_once);
    void (*unlock)(struct link *link);
    void (*close)(struct link *link); /* logs out what was logged in, and frees */
    void (*forget)(struct link *link); /* after a fork: the parent's connection is not the child's */
};

ULONG socket_link_open(const char *path, struct link **link);
bool socket_answers(const char *path);

/* Readers with a card, as names with a NUL each and an empty one at the end; the caller frees. */
struct reader_state {
    char name[NAME_ROOM];
    bool has_card;
    uint32_t event; /* counts cards in and out */
};
ULONG pcsc_link_open(const char *reader, struct link **link);
ULONG pcsc_readers(struct reader_state **readers, size_t *count);
bool pcsc_has_card(const char *reader);
void pcsc_forget(void); /* after a fork */
/* Blocks until a reader or a card comes or goes; the first time not at all: what changes afterwards ends the next. */
struct pcsc_watch;
struct pcsc_watch *pcsc_watch_open(void); /* NULL: no PC/SC here */
bool pcsc_watch_wait(struct pcsc_watch *watch); /* false: stopped from another thread, or the service has gone */
void pcsc_watch_stop(struct pcsc_watch *watch);
void pcsc_watch_close(struct pcsc_watch *watch);

/* Run files of virtual keys (protocols/runfile.py) --------------------------------------------------------------- */

struct run_file {
    int pid;
    char serial[64];
    char socket[108]; /* empty: none */
    char dialect[16];
};
bool run_directory(char *path, size_t room);
/* The run files of this user, dead keys' among them; the caller frees. */
ULONG run_files(struct run_file **files, size_t *count);
bool parse_run_file(const char *text, size_t size, struct run_file *file);

const struct dialect *dialect_named(const char *name); /* the default for an unknown one */

/* Keys and objects ------------------------------------------------------------------------------------------------ */

/* A connected key; every handle of this program to it shares the one connection. */
struct device {
    char name[NAME_ROOM];
    struct link *link;
    const struct dialect *dialect;
    size_t max_data; /* bytes of data in one command (MaxApduDataLen) */
    unsigned references; /* under the table's mutex; DEVICE objects that are not freed yet */
    struct device *next; /* of those connected, under the table's mutex */
    pthread_mutex_t mutex;
    pthread_cond_t freed;
    pthread_t owner; /* whose call or SKF_LockDev it is, while depth > 0 */
    unsigned depth;
    unsigned held; /* of it, SKF_LockDev's: without a call under way, all */
    bool linked;  /* the other programs are kept out; written by the owner */
    atomic_bool removed;
};

struct object {
    enum kind kind;
    unsigned references; /* under the table's mutex, as `closed` */
    bool closed;
    struct object *parent; /* NULL: a DEVICE */
    struct device *device;
    struct facts facts;
    unsigned locks; /* of a DEVICE: SKF_LockDev's that were not undone; under the device's mutex */
    char name[OBJECT_NAME_ROOM];
};

ULONG object_new_named(enum kind kind, struct object *parent, const struct facts *facts, const char *name,
                       HANDLE *handle);
ULONG device_object_new(struct device *device, HANDLE *handle);
ULONG object_find(HANDLE handle, unsigned kinds, struct object **object); /* counts; give it back */
void object_release(struct object *object);
bool object_is_closed(struct object *object); /* or one above it */
void objects_close_named(enum kind kind, struct object *parent, const char *name); /* of any handle to the parent */
bool is_last_of_its_name(struct object *object); /* no other handle of this program means the same thing */
struct device *device_connected(const char *name); /* counts a reference; NULL: it is not */
void device_publish(struct device *device);
void device_release(struct device *device);

/* The thread has the key to itself, until the same number of leaves. */
ULONG device_enter(struct device *device, uint64_t until_locked, bool at_once);
void device_leave(struct device *device);
bool device_is_mine(struct device *device);
bool device_try_to_own(struct device *device, uint64_t until); /* the part of device_enter within the program */
void device_give_up_locks(struct object *object); /* SKF_LockDev's of a closed handle, once no call is under way */
ULONG call_send_with_mac(struct call *call, uint16_t ins, uint8_t p2); /* CLA 84; its MAC stands in the data */

/* Commands -------------------------------------------------------------------------------------------------------- */

struct command {
    uint8_t cla, ins, p1, p2;
    const uint8_t *data;
    size_t size;
    size_t wanted;
};
struct answer {
    uint8_t *bytes; /* the caller wipes and frees */
    size_t size;
    uint16_t sw;
};
ULONG device_exchange(struct device *device, const struct command *command, struct answer *answer);
void answer_free(struct answer *answer);
bool ins_of(const struct dialect *dialect, uint16_t ins, uint8_t *number);
uint32_t read_number(const struct dialect *dialect, const uint8_t *bytes, size_t size);

/* Opens the object's application (and container) again by name; whether an identifier is another one now. */
bool reopen(struct object *object);

ULONG status_of(const struct call *call, uint16_t sw);
void fill_meanings(struct call *call, enum kind kind);

/* What the key says of itself: 288 bytes. */
enum { DEVICE_INFO_SIZE = 288 };
ULONG device_info(struct device *device, uint8_t info[DEVICE_INFO_SIZE]);
ULONG device_open(const char *name, struct device **device);
void device_free(struct device *device);

/* Finding keys ---------------------------------------------------------------------------------------------------- */

struct found {
    char name[NAME_ROOM];
};
ULONG find_keys(struct found **found, size_t *count); /* the caller frees */
/* The same for SKF_EnumDev: SKF_WaitForDevEvent goes on from there. */
ULONG list_keys(struct found **list, size_t *count);
void events_forget(void); /* after a fork: nobody waits in the child */
extern pthread_mutex_t events_guard, discovery_guard;

/* Rest ------------------------------------------------------------------------------------------------------------ */

uint64_t now_us(void); /* a clock that only goes forward */
void log_outcome(const char *function, ULONG status, uint16_t sw, uint64_t started);
/* For functions without a handle: logs, and returns `status`. */
ULONG logged(const char *function, ULONG status, uint64_t started);
/* Length of a text, and whether it ends within `limit` bytes. */
bool text_length(const char *text, size_t limit, size_t *length);
/* Length of a name or a PIN of one to `most` bytes; `refusal` is an error of the call where it has another length. */
size_t given_length(struct call *call, const char *text, size_t most, ULONG refusal);
/* An output of the caller's outside of a call; see call_hand_over. */
ULONG hand_over(const void *bytes, size_t size, void *out, ULONG *io_size);

/* A list of names that the key has answered. */
void hand_over_names(struct call *call, char *out, ULONG *io_size);

#endif
