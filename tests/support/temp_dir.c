/* temp_dir.c: see temp_dir.h. */
#include "support/temp_dir.h"

#include "base/error.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

void temp_dir_make(char path[PATH_SIZE_MAX])
{
    const char *parent = getenv("TMPDIR");
    int size = snprintf(path, PATH_SIZE_MAX, "%s/lode-test-XXXXXX", parent ? parent : "/tmp");
    INVARIANT(size > 0 && size < PATH_SIZE_MAX);
    INVARIANT(mkdtemp(path) != NULL);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void temp_dir_remove(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
