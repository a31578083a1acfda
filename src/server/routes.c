/* routes.c: see routes.h. The table is short and looked through from its beginning: what is asked for most stands
 * first. */
#include "server/routes.h"

#include "server/api.h"

#include <string.h>

#define READS   .role = ROLE_READ, .lane = NET_LANE_READ
#define WRITES  .role = ROLE_WRITE, .lane = NET_LANE_WRITE, .is_mutation = true
#define MANAGES .role = ROLE_ADMIN, .lane = NET_LANE_SLOW, .is_mutation = true
#define WATCHES .role = ROLE_READ, .lane = NET_LANE_WATCH
#define EXPORTS .role = ROLE_READ, .lane = NET_LANE_SLOW, .is_streamed = true
#define IMPORTS .role = ROLE_WRITE, .lane = NET_LANE_SLOW, .is_streamed = true, .is_mutation = true
#define ROUTE(operation_, method_, pattern_, run_, kind_, reach_, bodies_)                         \
    {                                                                                              \
        .operation = (operation_), .method = (method_), .pattern = (pattern_), .run = (run_),      \
        kind_, .reach = (reach_), .bodies = (bodies_)                                              \
    }
/* Answered by the loop itself (service.c): nothing that waits. */
#define LOOP(operation_, pattern_, role_)                                                          \
    {                                                                                              \
        .operation = (operation_), .method = "GET", .pattern = (pattern_), .role = (role_)         \
    }

/* clang-format off */
const struct route routes[] = {
    ROUTE("query", "POST", "/indices/{name}/query", api_query, READS, REACH_PART, BODY_JSON | BODY_BINARY),
    ROUTE("vectors.upsert", "POST", "/indices/{name}/vectors", api_vectors_upsert, WRITES, REACH_PART, BODY_JSON | BODY_BINARY),
    ROUTE("vectors.get_one", "GET", "/indices/{name}/vectors/{id}", api_vectors_get_one, READS, REACH_PART, BODY_NONE),
    ROUTE("vectors.delete_one", "DELETE", "/indices/{name}/vectors/{id}", api_vectors_delete_one, WRITES, REACH_PART, BODY_NONE),
    ROUTE("vectors.get", "POST", "/indices/{name}/vectors/get", api_vectors_get, READS, REACH_PART, BODY_JSON),
    ROUTE("vectors.delete", "POST", "/indices/{name}/vectors/delete", api_vectors_delete, WRITES, REACH_PART, BODY_JSON),
    ROUTE("vectors.patch", "POST", "/indices/{name}/vectors/patch", api_vectors_patch, WRITES, REACH_PART, BODY_JSON),
    ROUTE("vectors.scroll", "POST", "/indices/{name}/vectors/scroll", api_vectors_scroll, READS, REACH_PART, BODY_JSON),
    ROUTE("vectors.count", "POST", "/indices/{name}/vectors/count", api_vectors_count, READS, REACH_PART, BODY_JSON),
    ROUTE("vectors.facets", "POST", "/indices/{name}/vectors/facets", api_vectors_facets, READS, REACH_PART, BODY_JSON),
    ROUTE("vectors.sample", "POST", "/indices/{name}/vectors/sample", api_vectors_sample, READS, REACH_PART, BODY_JSON),

    ROUTE("indices.list", "GET", "/indices", api_indices_list, READS, REACH_NONE, BODY_NONE),
    ROUTE("indices.get", "GET", "/indices/{name}", api_indices_get, READS, REACH_NAME, BODY_NONE),
    ROUTE("indices.create", "PUT", "/indices/{name}", api_indices_create, MANAGES, REACH_WHOLE, BODY_JSON),
    ROUTE("indices.update", "PATCH", "/indices/{name}", api_indices_update, MANAGES, REACH_WHOLE, BODY_JSON),
    ROUTE("indices.delete", "DELETE", "/indices/{name}", api_indices_delete, MANAGES, REACH_WHOLE, BODY_NONE),
    ROUTE("indices.stats", "GET", "/indices/{name}/stats", api_indices_stats, READS, REACH_WHOLE, BODY_NONE),
    ROUTE("indices.flush", "POST", "/indices/{name}/flush", api_indices_flush, MANAGES, REACH_WHOLE, BODY_JSON),
    ROUTE("indices.compact", "POST", "/indices/{name}/compact", api_indices_compact, MANAGES, REACH_WHOLE, BODY_JSON),

    ROUTE("namespaces.list", "GET", "/indices/{name}/namespaces", api_namespaces_list, READS, REACH_NAME, BODY_NONE),
    ROUTE("namespaces.get", "GET", "/indices/{name}/namespaces/{namespace}", api_namespaces_get, READS, REACH_PART, BODY_NONE),
    ROUTE("namespaces.delete", "DELETE", "/indices/{name}/namespaces/{namespace}", api_namespaces_delete, WRITES, REACH_PART, BODY_NONE),

    ROUTE("snapshots.list", "GET", "/indices/{name}/snapshots", api_snapshots_list, READS, REACH_WHOLE, BODY_NONE),
    ROUTE("snapshots.create", "PUT", "/indices/{name}/snapshots/{snapshot}", api_snapshots_create, MANAGES, REACH_WHOLE, BODY_JSON),
    ROUTE("snapshots.delete", "DELETE", "/indices/{name}/snapshots/{snapshot}", api_snapshots_delete, MANAGES, REACH_WHOLE, BODY_NONE),

    ROUTE("aliases.list", "GET", "/aliases", api_aliases_list, READS, REACH_NONE, BODY_NONE),
    ROUTE("aliases.set", "PUT", "/aliases/{alias}", api_aliases_set, MANAGES, REACH_WHOLE, BODY_JSON),
    ROUTE("aliases.delete", "DELETE", "/aliases/{alias}", api_aliases_delete, MANAGES, REACH_WHOLE, BODY_NONE),

    ROUTE("import", "POST", "/indices/{name}/import", api_import, IMPORTS, REACH_PART, BODY_NDJSON),
    ROUTE("export", "GET", "/indices/{name}/export", api_export, EXPORTS, REACH_PART, BODY_NONE),

    LOOP("healthz", "/healthz", ROLE_NONE),
    LOOP("readyz", "/readyz", ROLE_NONE),
    ROUTE("metrics", "GET", "/metrics", api_metrics, WATCHES, REACH_NONE, BODY_NONE),
    LOOP("openapi", "/openapi.yaml", ROLE_NONE),
};
/* clang-format on */
const size_t route_count = sizeof routes / sizeof *routes;

/* Whether the path has the pattern's segments; of each {} where it stands. */
static bool matches(const char *pattern, const char *path, struct route_match *match)
{
    size_t count = 0;
    while (*pattern && *path) {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t size = strcspn(path, "/");
        if (size == 0 || count == CALL_PARAMETERS_MAX)
            return false;
        match->parameters[count].text = path;
        match->parameters[count++].size = size;
        path += size;
        pattern += strcspn(pattern, "/");
    }
    match->parameter_count = count;
    return !*pattern && !*path;
}

static void allow(struct route_match *match, const char *method)
{
    size_t used = strlen(match->allow), size = strlen(method);
    if (used + size + 3 > sizeof match->allow)
        return;
    if (used) {
        memcpy(match->allow + used, ", ", 2);
        used += 2;
    }
    memcpy(match->allow + used, method, size + 1);
}

void route_find(const char *method, const char *path, struct route_match *ret_match)
{
    *ret_match = (struct route_match){.status = 404};
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < route_count; i++) {
        struct route_match found = {.route = &routes[i]};
        if (!matches(routes[i].pattern, path, &found))
            continue;
        if (strcmp(routes[i].method, method) == 0) {
            *ret_match = found;
            return;
        }
        ret_match->status = 405;
        allow(ret_match, routes[i].method);
    }
}

const struct route *route_of(const char *operation)
{
    for (size_t i = 0; i < route_count; i++)
        if (strcmp(routes[i].operation, operation) == 0)
            return &routes[i];
    return NULL;
}
