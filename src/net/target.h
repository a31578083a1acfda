/* target.h: what a request is for: its target taken apart (RFC 9112, section 3.2), and hosts. */
#ifndef NET_TARGET_H
#define NET_TARGET_H

#include <stdbool.h>
#include <stddef.h>

struct target {
    const char *path, *query;
    const char *authority; /* NULL: the target names none (origin-form) */
};

struct fault {
    unsigned status; /* to be answered; 0: none */
    const char *why; /* static */
};

/* Take `text` (ends with NUL, is changed in place, holds what *ret_target points to) apart. */
struct fault target_split(char *text, const char *method, struct target *ret_target);
/* "example.org:80", "[::1]"; "" too: whoever asks may have none. */
bool host_is_valid(const char *text, size_t size);

#endif
