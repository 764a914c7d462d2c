"""Builds the extension ``protocols.sm2._core`` out of csrc/; setup.py names it. Not needed at run time."""

from pathlib import Path

import cffi

CSRC = "protocols/sm2/csrc"
"""From the project's folder, where setup.py runs."""

builder = cffi.FFI()

builder.cdef("""
    typedef struct { ...; } sm2_key;
    typedef struct { ...; } sm2_engine;

    const sm2_engine *sm2_engine_with(int adx);
    int sm2_load_key(sm2_key *key, const uint8_t *d);
    void sm2_wipe_key(sm2_key *key);
    void sm2_encode_key(const sm2_key *key, uint8_t *d);
    int sm2_is_on_curve(const sm2_engine *engine, const uint8_t *point);
    int sm2_multiply_base(const sm2_engine *engine, const uint8_t *k, uint8_t *result);
    int sm2_multiply(const sm2_engine *engine, const uint8_t *k, const uint8_t *point, uint8_t *result);
    int sm2_multiply_by_key(const sm2_engine *engine, const sm2_key *key, const uint8_t *point, uint8_t *result);
    int sm2_agree(const sm2_engine *engine, const sm2_key *key, const uint8_t *temporary,
                  const uint8_t *own_temporary, const uint8_t *peer, const uint8_t *peer_temporary, uint8_t *result);
    int sm2_sign(const sm2_engine *engine, const sm2_key *key, const uint8_t *digest, const uint8_t *nonce,
                 char *signature);
    int sm2_verify(const sm2_engine *engine, const uint8_t *point, const uint8_t *digest, const uint8_t *signature);
""")

builder.set_source(
    "protocols.sm2._core",
    '#include "core.h"',
    sources=[f"{CSRC}/{name}.c" for name in ("core", "plain", "adx")],
    include_dirs=[CSRC],
    depends=[str(header) for header in sorted(Path(CSRC).glob("*.h"))],
    # gcc 12's plain engine verifies at half the speed at -O2, and again with its vectors of two words.
    extra_compile_args=["-std=c11", "-O3", "-fno-tree-vectorize", "-g0", "-fvisibility=hidden", "-pthread"],
    extra_link_args=["-pthread"],
    optional=True,
)
