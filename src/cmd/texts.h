/* texts.h: the "text" member of each line of a JSON Lines file, for training. */
#ifndef CMD_TEXTS_H
#define CMD_TEXTS_H

#include "cmd/progress.h"

#include "base/arena.h"
#include "base/error.h"

struct texts {
    struct arena arena;
    lode_text *items;
    size_t count, capacity;
    uint64_t lines_without; /* lines that had no text, passed over */
};

/* Other members are passed over. LODE_INVALID names the line. Release also after an error. */
NODISCARD lode_status texts_read(struct texts *texts, const char *path, struct progress *progress,
                                 lode_error *error);
void texts_release(struct texts *texts);

#endif
