/* Keys that come and go. */
#include "objects.h"

ULONG DEVAPI SKF_WaitForDevEvent(LPSTR szDevName, ULONG *pulDevNameLen, ULONG *pulEvent) {
    (void)szDevName, (void)pulDevNameLen, (void)pulEvent;
    return SAR_NOTSUPPORTYETERR;
}

ULONG DEVAPI SKF_CancelWaitForDevEvent(void) {
    return SAR_OK;
}
