/* What a fuzzed call may use: an open handle of every kind at a key that answers anything. */
#ifndef FUZZ_H
#define FUZZ_H

#include "skf_vukey.h"

struct handles {
    HANDLE device, application, container, key, hash, mac, agreement;
};

extern const unsigned CALLS; /* how many there are */
void call(unsigned number, const struct handles *handles);

#endif
