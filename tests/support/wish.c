/* wish.c: see wish.h. */
#include "support/wish.h"

static int is_wanted(void *context)
{
    struct wish *wish = context;
    wish->looks++;
    return wish->wanted_from && wish->looks >= wish->wanted_from;
}

void wish_init(struct wish *wish, uint64_t wanted_from)
{
    *wish = (struct wish){.wanted_from = wanted_from};
    wish->stop = (lode_stop){.is_wanted = is_wanted, .context = wish};
}
