/* replay.c: a harness without a fuzzer: what its corpus holds, and copies of that with some bytes changed or cut.
 *
 *     replay_<HARNESS> CORPUS        files; LODE_FUZZ_ROUNDS copies of each, 20 by default, by LODE_SEED */
#include "fuzz/fuzz_storage.h"

#include "base/random.h"

#include <dirent.h>
#include <stdio.h>

enum { INPUT_MAX = 1 << 16 };

static unsigned setting(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

/* In memory of just that size, so that AddressSanitizer sees what reads beyond. */
static void use(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    INVARIANT(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void use_changed(const uint8_t *data, size_t size, struct rng *rng)
{
    static uint8_t changed[INPUT_MAX];
    memcpy(changed, data, size);
    for (uint32_t i = rng_below(rng, 6); size > 0 && i > 0; i--)
        changed[rng_below(rng, (uint32_t)size)] = (uint8_t)rng_u64(rng);
    if (size > 0 && rng_below(rng, 4) == 0)
        size = rng_below(rng, (uint32_t)size);
    use(changed, size);
}

static size_t read_file(const char *dir, const char *name, uint8_t data[INPUT_MAX])
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    size_t size = fread(data, 1, INPUT_MAX, file);
    fclose(file);
    return size;
}

int main(int argc, char **argv)
{
    static uint8_t data[INPUT_MAX];
    struct rng rng;
    unsigned count = 0, rounds = setting("LODE_FUZZ_ROUNDS", 20);
    rng_init(&rng, setting("LODE_SEED", 1));
    use(NULL, 0);
    DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        size_t size = read_file(argv[1], entry->d_name, data);
        use(data, size);
        for (unsigned i = 0; i < rounds; i++)
            use_changed(data, size, &rng);
        count++;
    }
    if (dir)
        closedir(dir);
    printf("%u files, %u changed copies of each\n", count, rounds);
    return count == 0; /* a corpus that is not there tests nothing */
}
