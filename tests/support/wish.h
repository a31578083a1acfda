/* wish.h: a lode_stop whose wish is made at a look that the test chooses, and that counts how often it was looked at. */
#ifndef TESTS_SUPPORT_WISH_H
#define TESTS_SUPPORT_WISH_H

#include <lode/lode.h>

struct wish {
    lode_stop stop;
    uint64_t looks, wanted_from; /* the look from which on it is wanted; 0: never */
};

void wish_init(struct wish *wish, uint64_t wanted_from);

#endif
