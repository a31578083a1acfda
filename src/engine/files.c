/* files.c: directory listings, gathered before anything is done with them. */
#include "engine/files.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/limits.h"

struct listing {
    struct file_names names;
    size_t capacity;
    int out_of_memory;
};

static void add_name(void *context, const char *name)
{
    struct listing *listing = context;
    char **names = array_grow(listing->names.names, listing->names.count, &listing->capacity,
                              sizeof *names, "names of files", NULL);
    char *copy = names ? strdup(name) : NULL;
    if (names)
        listing->names.names = names;
    if (copy)
        names[listing->names.count++] = copy;
    else
        listing->out_of_memory = 1;
}

lode_status file_names_list(struct vfs *vfs, const char *dir, struct file_names *ret_names,
                            lode_error *error)
{
    struct listing listing = {0};
    lode_status status = vfs_list(vfs, dir, add_name, &listing, error);
    if (!status && listing.out_of_memory)
        status = error_nomem(error, "a list of files", listing.capacity);
    if (status)
        file_names_release(&listing.names);
    else
        *ret_names = listing.names;
    return status;
}

void file_names_release(struct file_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct file_names){0};
}

lode_status files_remove_dir(struct vfs *vfs, const char *dir, lode_error *error)
{
    struct file_names names;
    lode_status status = file_names_list(vfs, dir, &names, error);
    if (status)
        return status;
    for (size_t i = 0; !status && i < names.count; i++) {
        char path[PATH_SIZE_MAX];
        status = vfs_join(path, dir, names.names[i], error);
        if (!status)
            status = vfs_remove(vfs, path, error);
    }
    file_names_release(&names);
    return status ? status : vfs_remove_dir(vfs, dir, error);
}

lode_status files_size(struct vfs *vfs, const char *dir, uint64_t *ret_size, lode_error *error)
{
    struct file_names names;
    lode_status status = file_names_list(vfs, dir, &names, error);
    if (status)
        return status;
    uint64_t sum = 0;
    for (size_t i = 0; !status && i < names.count; i++) {
        char path[PATH_SIZE_MAX];
        status = vfs_join(path, dir, names.names[i], error);
        if (!status)
            sum += vfs_size_at(vfs, path);
    }
    file_names_release(&names);
    if (!status)
        *ret_size = sum;
    return status;
}
