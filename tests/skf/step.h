/* The steps of a test program: what each answered, and what is handed to and fro with the test that started it. */
#ifndef STEP_H
#define STEP_H

#include <stddef.h>

#include "functions.h"

/* The program ends with a line that says so unless the call answers that. */
#define IS(status, call) expect(call, status, #call, __FILE__, __LINE__)
#define OK(call) IS(SAR_OK, call)
#define CHECK(truth) check(truth, #truth, __FILE__, __LINE__)

void expect(ULONG answered, ULONG wanted, const char *what, const char *file, int line);
void check(int truth, const char *what, const char *file, int line);

void say(const char *line);       /* to the test */
void wait_for(const char *what);  /* says so, and waits until the test has it ready */

extern const char *directory;     /* where files go to and fro */
void save(const char *name, const void *bytes, size_t size);
size_t load(const char *name, void *bytes, size_t room);

/* Blobs of 256-bit values from and to plain bytes. */
void set_point(ECCPUBLICKEYBLOB *blob, const BYTE point[64]);
void set_cipher(ECCCIPHERBLOB *blob, const BYTE *raw, size_t size); /* X, Y, hash, the rest */
void save_point(const char *name, const ECCPUBLICKEYBLOB *blob);
void save_signature(const char *name, const ECCSIGNATUREBLOB *blob);
void save_cipher(const char *name, const ECCCIPHERBLOB *blob);

enum { CIPHER_ROOM = 512 };
union cipher { /* room for what an ECCCIPHERBLOB ends with */
    ECCCIPHERBLOB blob;
    BYTE bytes[CIPHER_ROOM];
};

#endif
