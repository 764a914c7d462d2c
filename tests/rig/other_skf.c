/* Some maker's SKF library: one key with a published pair, whose one signature it knows. What makers do differently is
 * set by the compiler: LEFT, NAMES_40, SHIFTED. It knows nothing of vukey's own header. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "vector.h" /* X, Y, R, S, E: 32 bytes each */

typedef uint32_t ULONG;
typedef void *HANDLE;

#ifdef LEFT
enum { AT = 0 };
#else
enum { AT = 32 };
#endif
#ifdef NAMES_40
enum { NAME = 40 };
#else
enum { NAME = 32 };
#endif
#ifdef SHIFTED
enum { SM2_SIGN = 0x00020200, ASYMMETRIC = 0x00030E00 };
#else
enum { SM2_SIGN = 0x00020100, ASYMMETRIC = 0x00030700 };
#endif

enum { INVALID_HANDLE = 0x0A000005, INVALID = 0x0A000006, DATA = 0x0A000011, NO_KEY = 0x0A00001B };
enum { SMALL = 0x0A000020, NO_EVENT = 0x0A000022, REMOVED = 0x0A000023, WRONG_PIN = 0x0A000024 };
enum { NOT_LOGGED_IN = 0x0A00002D, NO_FILE = 0x0A000031, ODD = 0x0A0000AA };

static char device, application, ecc, rsa, empty;
static ULONG tries = 3;
static int logged_in;

static ULONG hand_over(const void *bytes, ULONG size, void *out, ULONG *io_size) {
    ULONG room = *io_size;
    *io_size = size;
    if (!out) {
        return 0;
    }
    if (room < size) {
        return SMALL;
    }
    memcpy(out, bytes, size);
    return 0;
}

static void place(uint8_t *field, const uint8_t value[32]) {
    memset(field, 0, 64);
    memcpy(field + AT, value, 32);
}

ULONG SKF_EnumDev(int present, char *names, ULONG *size) {
    static const char LIST[] = "\xc9\xcc 1\0second\0"; /* no UTF-8 */
    return hand_over(LIST, sizeof LIST, names, size);
}

ULONG SKF_ConnectDev(char *name, HANDLE *handle) {
    *handle = &device;
    return strcmp(name, "\xc9\xcc 1") ? REMOVED : 0;
}

ULONG SKF_DisConnectDev(HANDLE handle) { return handle == &device ? 0 : INVALID_HANDLE; }

ULONG SKF_GetDevInfo(HANDLE handle, uint8_t *info) {
    uint32_t asymmetric = ASYMMETRIC;
    if (handle != &device) {
        return INVALID_HANDLE;
    }
    memset(info, 0xA5, 294 + 16); /* noise behind what it knows, and behind the structure */
    memset(info, 0, 194);
    strcpy((char *)info + 2, "Other");
    strcpy((char *)info + 130, "label");
    strcpy((char *)info + 162, "S1");
    memcpy(info + 202, &asymmetric, 4);
    return 0;
}

ULONG SKF_EnumApplication(HANDLE handle, char *names, ULONG *size) { return hand_over("APP\0", 5, names, size); }

ULONG SKF_OpenApplication(HANDLE handle, char *name, HANDLE *opened) {
    *opened = &application;
    return 0;
}

ULONG SKF_CloseApplication(HANDLE handle) { return handle == &application ? 0 : INVALID_HANDLE; }

ULONG SKF_ClearSecureState(HANDLE handle) { return logged_in = 0; }

ULONG SKF_VerifyPIN(HANDLE handle, ULONG type, char *pin, ULONG *left) {
    logged_in = !strcmp(pin, "135790");
    tries = logged_in ? 3 : tries - 1;
    *left = tries;
    return logged_in ? 0 : WRONG_PIN;
}

ULONG SKF_ChangePIN(HANDLE handle, ULONG type, char *old, char *new, ULONG *left) { return DATA; }

ULONG SKF_GetPINInfo(HANDLE handle, ULONG type, ULONG *most, ULONG *left, int *initial) {
    *most = 3;
    *left = tries;
    *initial = 1;
    return 0;
}

ULONG SKF_GetFileInfo(HANDLE handle, char *name, uint8_t *info) {
    uint32_t numbers[3] = {1234, 0xFF, 0x10};
    if (strcmp(name, "file")) {
        return NO_FILE;
    }
    memset(info, 0, NAME);
    strcpy((char *)info, name);
    memcpy(info + NAME, numbers, 12);
    return 0;
}

ULONG SKF_EnumContainer(HANDLE handle, char *names, ULONG *size) {
    return hand_over("ECC\0RSA\0EMPTY\0", 15, names, size);
}

ULONG SKF_OpenContainer(HANDLE handle, char *name, HANDLE *opened) {
    *opened = *name == 'E' && name[1] == 'C' ? &ecc : *name == 'R' ? &rsa : &empty;
    return 0;
}

ULONG SKF_CloseContainer(HANDLE handle) { return 0; }

ULONG SKF_GetContainerType(HANDLE handle, ULONG *type) {
    *type = handle == &ecc ? 2 : handle == &rsa ? 1 : 0;
    return 0;
}

static void point(uint8_t blob[132]) {
    uint32_t bits = 256;
    memcpy(blob, &bits, 4);
    place(blob + 4, X);
    place(blob + 68, Y);
}

ULONG SKF_ExportPublicKey(HANDLE handle, int sign, uint8_t *blob, ULONG *size) {
    uint8_t ours[132];
    if (handle != &ecc || !sign) {
        return NO_KEY;
    }
    point(ours);
    return hand_over(ours, sizeof ours, blob, size);
}

ULONG SKF_GenECCKeyPair(HANDLE handle, ULONG algorithm, uint8_t *blob) {
    if (algorithm != SM2_SIGN) {
        return INVALID;
    }
    point(blob);
    return 0;
}

ULONG SKF_ECCSignData(HANDLE handle, uint8_t *digest, ULONG size, uint8_t *signature) {
    if (!logged_in) {
        return NOT_LOGGED_IN;
    }
    if (size != 32 || memcmp(digest, E, 32)) {
        return DATA;
    }
    place(signature, R);
    place(signature + 64, S);
    return 0;
}

/* What it was given to sign. */
ULONG SKF_RSASignData(HANDLE handle, uint8_t *data, ULONG size, uint8_t *signature, ULONG *signed_size) {
    return hand_over(data, size, signature, signed_size);
}

/* Whether the key handed in stands where this library's numbers do. */
ULONG SKF_ECCVerify(HANDLE handle, uint8_t *blob, uint8_t *digest, ULONG size, uint8_t *signature) {
    uint8_t ours[132], pair[128];
    point(ours);
    place(pair, R);
    place(pair + 64, S);
    return memcmp(blob, ours, sizeof ours) || memcmp(signature, pair, sizeof pair) ? ODD : 0;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int cancelled, event;

static ULONG set(int *flag, int value) {
    pthread_mutex_lock(&lock);
    *flag = value;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return 0;
}

ULONG SKF_WaitForDevEvent(char *name, ULONG *size, ULONG *what) {
    pthread_mutex_lock(&lock);
    while (!cancelled && !event) {
        pthread_cond_wait(&changed, &lock);
    }
    *what = (ULONG)event;
    event = 0;
    cancelled = 0;
    pthread_mutex_unlock(&lock);
    return *what ? hand_over("second", 7, name, size) : NO_EVENT;
}

ULONG SKF_CancelWaitForDevEvent(void) { return set(&cancelled, 1); }

/* For the test: as if a key came (1) or went (2). */
ULONG happen(int what) { return set(&event, what); }
