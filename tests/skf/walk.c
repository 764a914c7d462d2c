/* The walk: LIBRARY DEVICE DIRECTORY. Says a line for each part; the test holds the files against others' programs. */
#include "walk.h"

int main(int count, char **arguments) {
    struct walk walk = {0};
    CHECK(count == 4);
    load_library(arguments[1]);
    directory = arguments[3];
    begin(&walk, arguments[2]);
    make_pairs(&walk);
    sign_sm2(&walk);
    sign_rsa(&walk);
    external_keys(&walk);
    import_pairs(&walk);
    session_keys(&walk);
    ciphers(&walk);
    macs_and_digests(&walk);
    agreement(&walk);
    files(&walk);
    end(&walk);
    say("walked");
    return 0;
}
