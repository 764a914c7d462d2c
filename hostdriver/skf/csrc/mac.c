/* MACs under session keys, GM/T 0016 § 7.6: the last block of CBC. */
#include "crypto.h"

enum { MAC_MODE = 0x10, CIPHER = 0x0F00, FIRST_WITHOUT = 0x0800 };

/* A MAC's parent is its session key: its commands begin with that. */
static void send_init_with(struct call *call, ULONG algorithm, const BLOCKCIPHERPARAM *parameters) {
    put_key(call);
    put_u32(call, (algorithm & CIPHER) | MAC_MODE);
    put_parameters(call, parameters);
    call_send(call, MAC_INIT, 0, 0, 0);
}

static void send_init(struct call *call) {
    const struct facts *facts = facts_of(call->object);
    send_init_with(call, facts->algorithm, &facts->parameters);
}

static const struct series MACS = {MAC_WHOLE, MAC_UPDATE, MAC_FINAL, BLOCK, SAR_NOTINITIALIZEERR, put_key, send_init};

ULONG DEVAPI SKF_MacInit(HANDLE hKey, BLOCKCIPHERPARAM *pMacParam, HANDLE *phMac) {
    struct call call;
    call_begin(&call, __func__, hKey, SESSION_KEY);
    require_given(&call, pMacParam);
    require_given(&call, phMac);
    if (call.status == SAR_OK) {
        struct facts facts = {.algorithm = facts_of(call.object)->algorithm, .begun = true, .parameters = *pMacParam};
        require_parameters(&call, pMacParam);
        require(&call, facts.algorithm < FIRST_WITHOUT, SAR_NOTSUPPORTYETERR); /* AES has no number for it */
        send_init_with(&call, facts.algorithm, pMacParam);
        if (call.status == SAR_OK) {
            call_fail(&call, object_new(MAC, call.object, &facts, phMac));
        }
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_Mac(HANDLE hMac, BYTE *pbData, ULONG ulDataLen, BYTE *pbMacData, ULONG *pulMacLen) {
    struct call call;
    call_begin(&call, __func__, hMac, MAC);
    conclude(&call, &MACS, pbData, ulDataLen, pbMacData, pulMacLen);
    return call_end(&call);
}

ULONG DEVAPI SKF_MacUpdate(HANDLE hMac, BYTE *pbData, ULONG ulDataLen) {
    struct call call;
    call_begin(&call, __func__, hMac, MAC);
    require_data(&call, pbData, ulDataLen);
    gather(&call, &MACS, pbData, ulDataLen);
    return call_end(&call);
}

ULONG DEVAPI SKF_MacFinal(HANDLE hMac, BYTE *pbMacData, ULONG *pulMacDataLen) {
    struct call call;
    call_begin(&call, __func__, hMac, MAC);
    conclude(&call, &MACS, NULL, 0, pbMacData, pulMacDataLen);
    return call_end(&call);
}
