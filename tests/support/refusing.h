/* refusing.h: memory that is refused: one allocation of those asked for while it is armed. Who links it (cmake/tests.cmake:
 * tests named *refused_memory) has the linker lead malloc and its kin here. Of one thread. */
#ifndef TESTS_SUPPORT_REFUSING_H
#define TESTS_SUPPORT_REFUSING_H

#include <stdint.h>

struct refusing {
    int armed;          /* inside of a call of the library */
    uint64_t asked;     /* allocations so far, while it was armed */
    uint64_t refuse_at; /* the number of the one that is refused, from 1 on */
};
extern struct refusing refusing;

#define ARMED(call)                                                                                \
    do {                                                                                           \
        refusing.armed = 1;                                                                        \
        call;                                                                                      \
        refusing.armed = 0;                                                                        \
    } while (0)

#endif
