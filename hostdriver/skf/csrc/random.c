/* Random numbers of the key, GM/T 0016 § 7.6. */
#include <string.h>

#include "crypto.h"

ULONG DEVAPI SKF_GenRandom(DEVHANDLE hDev, BYTE *pbRandom, ULONG ulRandomLen) {
    struct call call;
    call_begin(&call, __func__, hDev, DEVICE);
    require_given(&call, pbRandom);
    size_t most = call.status == SAR_OK ? max_data(&call) : 1;
    for (size_t at = 0; at < ulRandomLen && call.status == SAR_OK; at += most) {
        size_t size = ulRandomLen - at < most ? ulRandomLen - at : most;
        call_send(&call, GEN_RANDOM, 0, 0, size);
        const uint8_t *bytes = take(&call, size);
        take_end(&call);
        if (fits(&call, bytes)) {
            memcpy(pbRandom + at, bytes, size);
        }
    }
    return call_end(&call);
}
