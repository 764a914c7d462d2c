/* A PKCS#11 module that answers what a test tells it: its global variables are the test's to set and to read. Written
 * from OASIS PKCS#11 v2.40, for what no module of a real key does at will: locks, keypads, removal, makers' numbers. */

#include <pthread.h>
#include <string.h>

typedef unsigned long CK_ULONG;
typedef unsigned char CK_BYTE;
typedef CK_ULONG CK_RV;
typedef struct { CK_BYTE major, minor; } CK_VERSION;
typedef struct {
    CK_VERSION cryptoki;
    char manufacturer[32];
    CK_ULONG flags;
    char description[32];
    CK_VERSION library;
} CK_INFO;
typedef struct {
    char description[64], manufacturer[32];
    CK_ULONG flags;
    CK_VERSION hardware, firmware;
} CK_SLOT_INFO;
typedef struct {
    char label[32], manufacturer[32], model[16], serial[16];
    CK_ULONG flags, numbers[10];
    CK_VERSION hardware, firmware;
    char time[16];
} CK_TOKEN_INFO;
typedef struct { CK_ULONG type; void *value; CK_ULONG length; } CK_ATTRIBUTE;
typedef struct { CK_ULONG type; void *parameter; CK_ULONG length; } CK_MECHANISM;
typedef struct { void *create, *destroy, *lock, *unlock; CK_ULONG flags; void *reserved; } CK_C_INITIALIZE_ARGS;

enum { OK = 0, SLOT_ID_INVALID = 3, NO_EVENT = 8, CANT_LOCK = 0xA, ATTRIBUTE_TYPE_INVALID = 0x12, TOKEN_NOT_PRESENT = 0xE0 };
enum { CERTIFICATE = 1, PUBLIC_KEY = 2, PRIVATE_KEY = 3 };
enum { INITIALIZED = 0x400 };

/* What a test sets. */
char manufacturer[33] = "Nobody";
CK_ULONG present = 1;             /* bit n: a token in slot n */
CK_ULONG slot_answer, initialize_answer, open_rw_answer, login_answer, set_pin_answer, sign_answer, find_answer;
CK_ULONG has_locks = 1, tells_events = 1, has_no_end, token_flags;
CK_ULONG mechanisms[8], mechanism_count;
CK_ULONG key_type, attribute_length, certificate_category;
CK_BYTE signs = 1;
CK_BYTE point[67];
CK_BYTE signature[128];
CK_ULONG signature_length;
/* What a test reads. */
CK_ULONG initialized, finalized, opened, keypad_logins, keypad_changes, last_flags, last_mechanism, last_length;
CK_BYTE last_data[1024];
CK_ULONG inside, most_inside;

enum { SESSIONS = 64 };
static struct { CK_ULONG searched, wanted; } searches[SESSIONS];
static CK_ULONG told_present = 1, sessions;
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;

static void enter(void)
{
    pthread_mutex_lock(&counting);
    if (++inside > most_inside)
        most_inside = inside;
    pthread_mutex_unlock(&counting);
}

static void leave(void)
{
    pthread_mutex_lock(&counting);
    --inside;
    pthread_mutex_unlock(&counting);
}

static void pad(char *field, size_t size, const char *text)
{
    memset(field, ' ', size);
    memcpy(field, text, strlen(text));
}

static CK_RV C_Initialize(void *args)
{
    const CK_C_INITIALIZE_ARGS *wanted = args;
    if (initialize_answer)
        return initialize_answer;
    if (wanted && !has_locks)
        return CANT_LOCK;
    ++initialized;
    return OK;
}

static CK_RV C_Finalize(void *reserved)
{
    (void)reserved;
    ++finalized;
    return OK;
}

static CK_RV C_GetInfo(CK_INFO *info)
{
    memset(info, 0, sizeof *info);
    pad(info->manufacturer, sizeof info->manufacturer, manufacturer);
    return OK;
}

static CK_RV C_GetSlotList(CK_BYTE with_token, CK_ULONG *list, CK_ULONG *count)
{
    CK_ULONG found = 0;
    if (slot_answer)
        return slot_answer;
    for (CK_ULONG slot = 0; slot < 2; ++slot)
        if (!with_token || (present >> slot & 1)) {
            if (list)
                list[found] = slot;
            ++found;
        }
    *count = found;
    return OK;
}

static CK_RV C_GetSlotInfo(CK_ULONG slot, CK_SLOT_INFO *info)
{
    memset(info, 0, sizeof *info);
    info->flags = present >> slot & 1;
    return OK;
}

static CK_RV C_GetTokenInfo(CK_ULONG slot, CK_TOKEN_INFO *info)
{
    if (!(present >> slot & 1))
        return TOKEN_NOT_PRESENT;
    memset(info, 0, sizeof *info);
    pad(info->label, sizeof info->label, "key");
    pad(info->manufacturer, sizeof info->manufacturer, manufacturer);
    pad(info->serial, sizeof info->serial, slot ? "5200000001" : "5200000000");
    info->flags = INITIALIZED | token_flags;
    info->firmware = (CK_VERSION){3, 7};
    return OK;
}

static CK_RV C_GetMechanismList(CK_ULONG slot, CK_ULONG *list, CK_ULONG *count)
{
    (void)slot;
    if (list)
        memcpy(list, mechanisms, mechanism_count * sizeof *list);
    *count = mechanism_count;
    return OK;
}

static CK_RV C_OpenSession(CK_ULONG slot, CK_ULONG flags, void *application, void *notify, CK_ULONG *session)
{
    (void)slot, (void)application, (void)notify;
    last_flags = flags;
    if ((flags & 2) && open_rw_answer)
        return open_rw_answer;
    *session = ++sessions % SESSIONS;
    ++opened;
    return OK;
}

static CK_RV C_CloseSession(CK_ULONG session)
{
    (void)session;
    --opened;
    return OK;
}

static CK_RV C_Login(CK_ULONG session, CK_ULONG user, const char *pin, CK_ULONG length)
{
    (void)session, (void)user;
    keypad_logins += !pin && !length;
    return login_answer;
}

static CK_RV C_Logout(CK_ULONG session)
{
    (void)session;
    return OK;
}

static CK_RV C_SetPIN(CK_ULONG session, const char *old, CK_ULONG old_length, const char *new, CK_ULONG new_length)
{
    (void)session;
    keypad_changes += !old && !old_length && !new && !new_length;
    return set_pin_answer;
}

static CK_RV C_FindObjectsInit(CK_ULONG session, const CK_ATTRIBUTE *template, CK_ULONG count)
{
    searches[session].searched = searches[session].wanted = 0;
    for (CK_ULONG index = 0; index < count; ++index)
        if (template[index].type == 0)
            memcpy(&searches[session].wanted, template[index].value, sizeof(CK_ULONG));
    return find_answer;
}

static CK_RV C_FindObjects(CK_ULONG session, CK_ULONG *handles, CK_ULONG most, CK_ULONG *count)
{
    const CK_ULONG wanted = searches[session].wanted;
    (void)most;
    *count = !searches[session].searched
             && (wanted == PUBLIC_KEY || wanted == PRIVATE_KEY || (wanted == CERTIFICATE && certificate_category));
    *handles = wanted;
    searches[session].searched = !has_no_end;
    return OK;
}

static CK_RV C_FindObjectsFinal(CK_ULONG session)
{
    (void)session;
    return OK;
}

static CK_RV give(CK_ATTRIBUTE *attribute, const void *value, CK_ULONG length)
{
    if (attribute->value)
        memcpy(attribute->value, value, length);
    attribute->length = attribute_length ? attribute_length : length;
    return OK;
}

static CK_RV C_GetAttributeValue(CK_ULONG session, CK_ULONG object, CK_ATTRIBUTE *attribute, CK_ULONG count)
{
    (void)session, (void)count;
    switch (attribute->type) {
    case 0x003: return give(attribute, "pair", 4);
    case 0x100: return give(attribute, &key_type, sizeof key_type);
    case 0x087: return give(attribute, &certificate_category, sizeof certificate_category);
    case 0x102: return give(attribute, object == CERTIFICATE ? "\x08" : "\x07", 1);
    case 0x108:
    case 0x10A: return give(attribute, &signs, 1);
    case 0x181: return give(attribute, point, sizeof point);
    default: attribute->length = (CK_ULONG)-1; return ATTRIBUTE_TYPE_INVALID;
    }
}

static CK_RV C_SignInit(CK_ULONG session, const CK_MECHANISM *mechanism, CK_ULONG key)
{
    (void)session, (void)key;
    last_mechanism = mechanism->type;
    return OK;
}

static CK_RV C_Sign(CK_ULONG session, const CK_BYTE *data, CK_ULONG length, CK_BYTE *out, CK_ULONG *out_length)
{
    (void)session;
    enter();
    for (volatile int spin = 0; spin < 200000; ++spin)
        ;
    leave();
    memcpy(last_data, data, length);
    last_length = length;
    memcpy(out, signature, signature_length);
    *out_length = signature_length;
    return sign_answer;
}

static CK_RV C_WaitForSlotEvent(CK_ULONG flags, CK_ULONG *slot, void *reserved)
{
    (void)flags, (void)reserved;
    if (!tells_events)
        return 0x54;
    if (told_present == present)
        return NO_EVENT;
    *slot = (told_present ^ present) >> 1;
    told_present = present;
    return OK;
}

typedef CK_RV (*function)(void);
static struct { CK_VERSION version; function functions[68]; } list = {{2, 40}, {
    [0] = (function)C_Initialize, [1] = (function)C_Finalize, [2] = (function)C_GetInfo, [4] = (function)C_GetSlotList,
    [5] = (function)C_GetSlotInfo, [6] = (function)C_GetTokenInfo, [7] = (function)C_GetMechanismList,
    [11] = (function)C_SetPIN, [12] = (function)C_OpenSession, [13] = (function)C_CloseSession,
    [18] = (function)C_Login, [19] = (function)C_Logout, [24] = (function)C_GetAttributeValue,
    [26] = (function)C_FindObjectsInit, [27] = (function)C_FindObjects, [28] = (function)C_FindObjectsFinal,
    [42] = (function)C_SignInit, [43] = (function)C_Sign, [67] = (function)C_WaitForSlotEvent,
}};

CK_RV C_GetFunctionList(void **found)
{
    *found = &list;
    return OK;
}
