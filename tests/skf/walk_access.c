/* Device, application, PIN, containers, files. */
#include <string.h>

#include "walk.h"

#define DEVICE_KEY "1234567812345678"
#define ADMIN_PIN "87654321"
#define INITIAL_PIN "12345678"
#define APPLICATION_NAME "WALK"

HANDLE key_of(struct walk *walk, const BYTE key[16], ULONG algorithm) {
    HANDLE handle;
    BYTE copy[16];
    memcpy(copy, key, sizeof copy);
    OK(skf.SKF_SetSymmKey(walk->device, copy, algorithm, &handle));
    return handle;
}

/* The issuer's side of device authentication: the challenge, zero-padded, under the device's key. The key's own SM4
 * does it here; nothing else in this program has one. */
static void authenticate(struct walk *walk) {
    BYTE challenge[16] = {0}, cryptogram[16];
    ULONG size = sizeof cryptogram;
    BLOCKCIPHERPARAM plain = {0};
    OK(skf.SKF_GenRandom(walk->device, challenge, 8));
    HANDLE key = key_of(walk, (const BYTE *)DEVICE_KEY, SGD_SM4_ECB);
    OK(skf.SKF_EncryptInit(key, plain));
    OK(skf.SKF_Encrypt(key, challenge, sizeof challenge, cryptogram, &size));
    OK(skf.SKF_CloseHandle(key));
    OK(skf.SKF_DevAuth(walk->device, cryptogram, size));
}

static void find(const char *name) {
    char names[1024];
    ULONG size = 0, state;
    OK(skf.SKF_EnumDev(TRUE, NULL, &size));
    CHECK(size >= strlen(name) + 2 && size <= sizeof names);
    ULONG less = size - 1;
    IS(SAR_BUFFER_TOO_SMALL, skf.SKF_EnumDev(TRUE, names, &less));
    CHECK(less == size);
    OK(skf.SKF_EnumDev(TRUE, names, &size));
    CHECK(strcmp(names, name) == 0 && names[strlen(name) + 1] == 0);
    OK(skf.SKF_GetDevState((LPSTR)name, &state));
    CHECK(state == DEV_PRESENT_STATE);
}

void begin(struct walk *walk, const char *name) {
    DEVINFO info;
    find(name);
    OK(skf.SKF_ConnectDev((LPSTR)name, &walk->device));
    OK(skf.SKF_GetDevInfo(walk->device, &info));
    CHECK(strstr(name, info.SerialNumber) != NULL);
    authenticate(walk);
    OK(skf.SKF_CreateApplication(walk->device, APPLICATION_NAME, ADMIN_PIN, 6, INITIAL_PIN, 6, SECURE_USER_ACCOUNT,
                                 &walk->application));
    ULONG tries = 0, most;
    BOOL is_initial;
    IS(SAR_PIN_INCORRECT, skf.SKF_VerifyPIN(walk->application, USER_TYPE, "000000", &tries));
    CHECK(tries == 5);
    OK(skf.SKF_VerifyPIN(walk->application, USER_TYPE, INITIAL_PIN, &tries));
    OK(skf.SKF_ChangePIN(walk->application, USER_TYPE, INITIAL_PIN, USER_PIN, &tries));
    OK(skf.SKF_GetPINInfo(walk->application, USER_TYPE, &most, &tries, &is_initial));
    CHECK(most == 6 && tries == 6 && !is_initial);
    log_in(walk);
    OK(skf.SKF_CreateContainer(walk->application, "SM2", &walk->sm2));
    OK(skf.SKF_CreateContainer(walk->application, "RSA", &walk->rsa));
    say("begun");
}

void log_in(struct walk *walk) {
    ULONG tries;
    OK(skf.SKF_VerifyPIN(walk->application, USER_TYPE, USER_PIN, &tries));
}

void files(struct walk *walk) {
    BYTE written[3000], read[3000];
    FILEATTRIBUTE facts;
    ULONG size = sizeof read;
    char names[64];
    for (size_t at = 0; at < sizeof written; at++) {
        written[at] = (BYTE)(7 * at);
    }
    log_in(walk);
    OK(skf.SKF_CreateFile(walk->application, "note", sizeof written, SECURE_ANYONE_ACCOUNT, SECURE_USER_ACCOUNT));
    OK(skf.SKF_WriteFile(walk->application, "note", 0, written, sizeof written));
    OK(skf.SKF_ReadFile(walk->application, "note", 0, sizeof read, read, &size));
    CHECK(size == sizeof read && memcmp(read, written, size) == 0);
    OK(skf.SKF_GetFileInfo(walk->application, "note", &facts));
    CHECK(facts.FileSize == sizeof written && facts.ReadRights == SECURE_ANYONE_ACCOUNT);
    size = sizeof names;
    OK(skf.SKF_EnumFiles(walk->application, names, &size));
    CHECK(size == 6 && memcmp(names, "note\0", 6) == 0);
    OK(skf.SKF_DeleteFile(walk->application, "note"));
    IS(SAR_FILE_NOT_EXIST, skf.SKF_GetFileInfo(walk->application, "note", &facts));
    say("files");
}

void end(struct walk *walk) {
    ULONG type;
    BYTE byte;
    OK(skf.SKF_GetContainerType(walk->sm2, &type));
    CHECK(type == CONTAINER_ECC);
    OK(skf.SKF_CloseContainer(walk->rsa));
    IS(SAR_INVALIDHANDLEERR, skf.SKF_GetContainerType(walk->rsa, &type));
    log_in(walk);
    OK(skf.SKF_DeleteContainer(walk->application, "RSA"));
    OK(skf.SKF_ClearSecureState(walk->application));
    IS(SAR_USER_NOT_LOGGED_IN, skf.SKF_DeleteContainer(walk->application, "SM2"));
    OK(skf.SKF_CloseApplication(walk->application));
    OK(skf.SKF_DeleteApplication(walk->device, APPLICATION_NAME));
    wait_for("remove the key");
    IS(SAR_DEVICE_REMOVED, skf.SKF_GenRandom(walk->device, &byte, 1));
    OK(skf.SKF_DisConnectDev(walk->device));
    IS(SAR_INVALIDHANDLEERR, skf.SKF_GenRandom(walk->device, &byte, 1));
}
