/* options.h: options that several commands have: which points, and of which state. */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include "cmd/args.h"

/* For the table of options; text: where the value goes. The second is of commands that write. */
#define OPTION_FILTER(text_)                                                                       \
    OPTION_TEXT("filter", "FILTER", text_,                                                         \
                "Only points that it matches, as genre = \"drama\" AND year >= 1990, or the same " \
                "as JSON (docs/filters.md).")
#define OPTION_FILTER_ALL(text_)                                                                   \
    OPTION_TEXT("filter", "FILTER", text_,                                                         \
                "Every point that it matches, as genre = \"drama\" AND year >= 1990, or the "      \
                "same as JSON (docs/filters.md); lode count says how many these are.")
#define OPTION_SNAPSHOT(text_)                                                                     \
    OPTION_TEXT("snapshot", "NAME", text_,                                                         \
                "What lode snapshot create kept, instead of what is there now.")
#define OPTION_NAMESPACE(text_)                                                                    \
    OPTION_TEXT("namespace", "NAME", text_,                                                        \
                "The points of this namespace, and no others (docs/namespaces.md).")

#endif
