/* PC/SC as pcsc-lite has it (its published interface, version 1), and Windows, found at run time: no link to it, no
 * header of it. */
#ifndef VUKEY_SKF_PCSC_H
#define VUKEY_SKF_PCSC_H

#include "objects.h"

#ifdef _WIN32
#define PCSC_CALL __stdcall
typedef uintptr_t pcsc_handle; /* a context or a card */
#else
#define PCSC_CALL
#ifdef __APPLE__
typedef int32_t pcsc_handle;
#else
typedef long pcsc_handle;
#endif
#endif
#ifdef __APPLE__
typedef int32_t pcsc_long;
typedef uint32_t pcsc_dword;
#else
typedef long pcsc_long;
typedef unsigned long pcsc_dword;
#endif

enum {
    SCOPE_SYSTEM = 2,
    SHARED = 2,
    PROTOCOL_ANY = 3, /* T=0 or T=1 */
    LEAVE = 0,
    RESET = 1,
    STATE_PRESENT = 0x20,
    STATE_CHANGED = 0x02,
#ifdef _WIN32
    ATR_ROOM = 36
#else
    ATR_ROOM = 33
#endif
};
static const pcsc_long PCSC_OK = 0, PCSC_RESET = (pcsc_long)0x80100068,
                       PCSC_NO_READERS = (pcsc_long)0x8010002E;
static const pcsc_dword PCSC_FOR_EVER = 0xFFFFFFFF;

#ifdef __APPLE__
#pragma pack(push, 1)
#endif
struct pcsc_reader {
    const char *name;
    void *user;
    pcsc_dword known, state, atr_size;
    unsigned char atr[ATR_ROOM];
};
#ifdef __APPLE__
#pragma pack(pop)
#endif

struct pcsc_io {
    unsigned long protocol, size;
};

struct pcsc {
    pcsc_long(PCSC_CALL *establish)(pcsc_dword scope, const void *a, const void *b, pcsc_handle *context);
    pcsc_long(PCSC_CALL *release)(pcsc_handle context);
    pcsc_long(PCSC_CALL *list_readers)(pcsc_handle context, const char *groups, char *readers, pcsc_dword *size);
    pcsc_long(PCSC_CALL *status_change)(pcsc_handle context, pcsc_dword timeout, struct pcsc_reader *readers, pcsc_dword count);
    pcsc_long(PCSC_CALL *cancel)(pcsc_handle context);
    pcsc_long(PCSC_CALL *connect)(pcsc_handle context, const char *reader, pcsc_dword share, pcsc_dword protocols,
                         pcsc_handle *card, pcsc_dword *protocol);
    pcsc_long(PCSC_CALL *reconnect)(pcsc_handle card, pcsc_dword share, pcsc_dword protocols, pcsc_dword how,
                           pcsc_dword *protocol);
    pcsc_long(PCSC_CALL *disconnect)(pcsc_handle card, pcsc_dword how);
    pcsc_long(PCSC_CALL *begin)(pcsc_handle card);
    pcsc_long(PCSC_CALL *end)(pcsc_handle card, pcsc_dword how);
    pcsc_long(PCSC_CALL *transmit)(pcsc_handle card, const struct pcsc_io *send, const unsigned char *apdu, pcsc_dword size,
                          struct pcsc_io *receive, unsigned char *answer, pcsc_dword *answer_size);
};

const struct pcsc *pcsc_library(void); /* NULL: not installed */
#endif
