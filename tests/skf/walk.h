/* One walk through the interface: every part takes what the parts before have opened. */
#ifndef WALK_H
#define WALK_H

#include "step.h"

#define USER_PIN "271828"

struct walk {
    DEVHANDLE device;
    HAPPLICATION application;
    HCONTAINER sm2, rsa;
    ECCPUBLICKEYBLOB sm2_public;
    RSAPUBLICKEYBLOB rsa_public;
};

void begin(struct walk *walk, const char *name); /* device, application, PIN, containers */
void log_in(struct walk *walk);
void make_pairs(struct walk *walk);
void sign_sm2(struct walk *walk);
void sign_rsa(struct walk *walk);
void external_keys(struct walk *walk);
void import_pairs(struct walk *walk);
void session_keys(struct walk *walk);
void ciphers(struct walk *walk);
void macs_and_digests(struct walk *walk);
void agreement(struct walk *walk);
void files(struct walk *walk);
void end(struct walk *walk);

HANDLE key_of(struct walk *walk, const BYTE key[16], ULONG algorithm); /* in clear, for the device */
ULONG digest(struct walk *walk, ULONG algorithm, ECCPUBLICKEYBLOB *signer, const BYTE *data, ULONG size, BYTE *out);

#endif
