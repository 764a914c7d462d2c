/* Status words of the key and what they are in GM/T 0016: the one table (docs/errors.md). */
#include "objects.h"

static const struct {
    uint16_t sw;
    ULONG status;
} MEANINGS[] = {
    {0x6402, SAR_PIN_INVALID},  /* a new PIN typed twice on a keypad was not the same */
    {0x6581, SAR_WRITEFILEERR},
    {0x6700, SAR_INDATALENERR},
    {0x6882, SAR_NOTSUPPORTYETERR},
    {0x6982, SAR_USER_NOT_LOGGED_IN},
    {0x6983, SAR_PIN_LOCKED},
    {0x6984, SAR_GENRANDERR}, /* SKF_DevAuth without a fresh random number */
    {0x6987, SAR_MACLENERR},
    {0x6988, SAR_FAIL},
    {0x6A80, SAR_INDATAERR},
    {0x6A81, SAR_NOTSUPPORTYETERR},
    {0x6A84, SAR_NO_ROOM},
    {0x6A86, SAR_INVALIDPARAMERR},
    {0x6D00, SAR_NOTSUPPORTYETERR},
    {0x6E00, SAR_NOTSUPPORTYETERR},
    /* Private to vukey's keys, or read so by us (assumed). */
    {0x6FF0, SAR_CANCELLED},
    {0x6FF1, SAR_TIMEOUTERR},
    {0x6FF2, SAR_APP_IS_NOT_ACTIVE},
    {0x6FF3, SAR_USER_PIN_NOT_INITIALIZED},
    {0x6FF4, SAR_INDATAERR},
    {0x6FF5, SAR_NOTSUPPORTYETERR},
    {0x6FF6, SAR_TIMEOUTERR},
    {0x6FF7, SAR_AUTH_BLOCKED},
    {0x6FF8, SAR_NOTSUPPORTYETERR},
};

ULONG status_of(const struct call *call, uint16_t sw) {
    switch (sw) {
    case 0x9000:
        return SAR_OK;
    case 0x6300:
        return call->on_wrong;
    case 0x6985:
        return call->on_conditions;
    case 0x6A82:
        return call->on_not_found;
    case 0x6A88:
        return call->on_no_key;
    case 0x6A89:
        return call->on_exists;
    }
    if ((sw & 0xFFF0) == 0x63C0) {
        return SAR_PIN_INCORRECT;
    }
    for (size_t i = 0; i < sizeof MEANINGS / sizeof *MEANINGS; i++) {
        if (MEANINGS[i].sw == sw) {
            return MEANINGS[i].status;
        }
    }
    return SAR_UNKNOWNERR;
}

void fill_meanings(struct call *call, enum kind kind) {
    call->on_not_found = kind == DEVICE ? SAR_APPLICATION_NOT_EXISTS : SAR_CONTAINER_NOT_EXISTS;
    call->on_exists = kind == DEVICE ? SAR_APPLICATION_EXISTS : SAR_CONTAINER_EXISTS;
    call->on_no_key = SAR_KEYNOTFOUNTERR;
    call->on_conditions = SAR_FAIL;
    call->on_wrong = SAR_FAIL;
}
