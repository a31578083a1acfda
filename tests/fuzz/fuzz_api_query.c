/* fuzz_api_query.c: any bytes, as the body of a query.
 *
 *     tests/fuzz/run.sh 120 api_query
 *
 * Whatever is read must be requests of which each has one source, vectors of one dimension and finite, and numbers within
 * their limits. Built with -DFUZZ_SEED, the program writes seeds into a folder. */
#include "server/json_query.h"

#include "fuzz/fuzz_api.h"

#ifdef FUZZ_SEED
static const char *const seeds[] = {
    "{\"vector\":[1,-2.5e-1],\"k\":3,\"filter\":\"a = 1\",\"with\":[\"vector\",\"text\"]}",
    "{\"vector\":\"AACAPwAAAEA=\",\"filter\":{\"a\":{\"gte\":1}},\"fields\":[\"a\",\"b\\u00e9\"]}",
    "{\"id\":\"x\",\"ef_search\":100,\"exact\":true,\"explain\":false,\"namespace\":\"n\"}",
    "{\"text\":\"lost at sea\",\"group_by\":\"a.b\",\"per_group\":2,\"deadline_ms\":50}",
    "{\"queries\":[{\"vector\":[1,2]},{\"id\":7,\"k\":1}],\"k\":5,\"one_per\":\"a\",\"compact\":"
    "true}",
    "{\"id\":null,\"text\":\"t\",\"snapshot\":\"s\",\"allow_damaged\":true}",
};
FUZZ_SEED_MAIN(seeds)
#else

static void check_query(const struct query *query, uint32_t dim)
{
    const lode_search_request *request = &query->search.request;
    fuzz_require((request->vector != NULL) + (request->text != NULL) + (request->like != NULL) ==
                 1);
    if (request->vector)
        fuzz_require(dim > 0 && json_find_infinite(request->vector, dim) == dim);
    fuzz_require(request->k <= LODE_K_MAX && request->ef_search <= LODE_EF_MAX);
    fuzz_require(!request->one_per || strlen(request->one_per) <= LODE_NAME_SIZE_MAX);
    fuzz_require(request->text_size <= LODE_TEXT_SIZE_MAX);
    fuzz_require(!(query->search.group_by && request->one_per));
    for (size_t i = 0; i < query->fields.count; i++)
        fuzz_require(query->fields.items[i] != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct queries queries = {.dim = 0};
    struct json_input input;
    struct arena arena;
    arena_init(&arena);
    queries.base.all = &queries;
    json_input_init(&input, (const char *)data, size, &arena);
    if (queries_read_json(&input, &queries) == LODE_OK)
        for (size_t i = 0; i < queries.count; i++)
            check_query(&queries.items[i], queries.dim);
    else
        fuzz_check_fault(&input.fault, size);
    queries_release(&queries);
    arena_release(&arena);
    return 0;
}
#endif
