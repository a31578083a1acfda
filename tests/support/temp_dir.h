/* temp_dir.h: a directory of its own for a test that needs real files. */
#ifndef TESTS_SUPPORT_TEMP_DIR_H
#define TESTS_SUPPORT_TEMP_DIR_H

#include "base/limits.h"

/* Make an empty directory below TMPDIR or /tmp and write its path to path. Aborts when it cannot. */
void temp_dir_make(char path[PATH_SIZE_MAX]);
/* Remove it with all that is in it. */
void temp_dir_remove(const char *path);

#endif
