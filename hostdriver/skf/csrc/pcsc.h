/* PC/SC as pcsc-lite has it (its published interface, version 1), found at run time: no link to it, no header of it. */
#ifndef VUKEY_SKF_PCSC_H
#define VUKEY_SKF_PCSC_H

#include "objects.h"

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
    ATR_ROOM = 33
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
    pcsc_long (*establish)(pcsc_dword scope, const void *a, const void *b, pcsc_long *context);
    pcsc_long (*release)(pcsc_long context);
    pcsc_long (*list_readers)(pcsc_long context, const char *groups, char *readers, pcsc_dword *size);
    pcsc_long (*status_change)(pcsc_long context, pcsc_dword timeout, struct pcsc_reader *readers, pcsc_dword count);
    pcsc_long (*cancel)(pcsc_long context);
    pcsc_long (*connect)(pcsc_long context, const char *reader, pcsc_dword share, pcsc_dword protocols,
                         pcsc_long *card, pcsc_dword *protocol);
    pcsc_long (*reconnect)(pcsc_long card, pcsc_dword share, pcsc_dword protocols, pcsc_dword how,
                           pcsc_dword *protocol);
    pcsc_long (*disconnect)(pcsc_long card, pcsc_dword how);
    pcsc_long (*begin)(pcsc_long card);
    pcsc_long (*end)(pcsc_long card, pcsc_dword how);
    pcsc_long (*transmit)(pcsc_long card, const struct pcsc_io *send, const unsigned char *apdu, pcsc_dword size,
                          struct pcsc_io *receive, unsigned char *answer, pcsc_dword *answer_size);
};

const struct pcsc *pcsc_library(void); /* NULL: not installed */
#endif
