/* grpc_methods.c: what methods there are. They are looked through from the beginning: what is called most stands first. */
#include "server/grpc_methods.h"

#include "server/grpc.h"
#include "server/grpc_call.h"

#include <proto/grpc/health/v1/health.pb-c.h>
#include <proto/lode.pb-c.h>

#include <string.h>

/* Of one message: operation, path, the request's descriptor, handler. `bodies` says that the body counts, in what limits
 * of the engine mean for writes (errors.h). */
#define METHOD(operation_, path_, input_, handle_, ...)                                            \
    {                                                                                              \
        .route = {.operation = (operation_),                                                       \
                  .method = "POST",                                                                \
                  .pattern = (path_),                                                              \
                  .run = grpc_run,                                                                 \
                  .bodies = BODY_BINARY,                                                           \
                  __VA_ARGS__},                                                                    \
        .input = &(input_), .handle = (handle_)                                                    \
    }
#define STREAM(operation_, path_, run_, ...)                                                       \
    {                                                                                              \
        .route = {                                                                                 \
            .operation = (operation_),                                                             \
            .method = "POST",                                                                      \
            .pattern = (path_),                                                                    \
            .run = (run_),                                                                         \
            .lane = NET_LANE_SLOW,                                                                 \
            .bodies = BODY_BINARY,                                                                 \
            .is_streamed = true,                                                                   \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define READ(reach_) .role = ROLE_READ, .lane = NET_LANE_READ, .reach = (reach_)
#define WRITE        .role = ROLE_WRITE, .lane = NET_LANE_WRITE, .is_mutation = true, .reach = REACH_PART
#define ADMIN(reach_)                                                                              \
    .role = ROLE_ADMIN, .lane = NET_LANE_SLOW, .is_mutation = true, .reach = (reach_)

#define INDICES             "/lode.v1.Indices/"
#define NAMESPACES          "/lode.v1.Namespaces/"
#define SNAPSHOTS           "/lode.v1.Snapshots/"
#define VECTORS             "/lode.v1.Vectors/"
#define HEALTH              "/grpc.health.v1.Health/"
#define REFLECTION(version) "/grpc.reflection." version ".ServerReflection/ServerReflectionInfo"

/* clang-format off */
static const struct grpc_method methods[] = {
    METHOD("query", VECTORS "Query", lode__v1__query_request__descriptor, grpc_query, READ(REACH_PART)),
    METHOD("query", VECTORS "QueryBatch", lode__v1__query_batch_request__descriptor, grpc_query_batch, READ(REACH_PART)),
    METHOD("vectors.upsert", VECTORS "Upsert", lode__v1__upsert_request__descriptor, grpc_upsert, WRITE),
    METHOD("vectors.delete", VECTORS "Delete", lode__v1__delete_request__descriptor, grpc_delete, WRITE),
    METHOD("vectors.patch", VECTORS "Patch", lode__v1__patch_request__descriptor, grpc_patch, WRITE),
    METHOD("vectors.get", VECTORS "Get", lode__v1__get_request__descriptor, grpc_get, READ(REACH_PART)),
    METHOD("vectors.scroll", VECTORS "Scroll", lode__v1__scroll_request__descriptor, grpc_scroll, READ(REACH_PART)),
    METHOD("vectors.count", VECTORS "Count", lode__v1__count_request__descriptor, grpc_count, READ(REACH_PART)),
    METHOD("vectors.facets", VECTORS "Facets", lode__v1__facets_request__descriptor, grpc_facets, READ(REACH_PART)),
    METHOD("vectors.sample", VECTORS "Sample", lode__v1__sample_request__descriptor, grpc_sample, READ(REACH_PART)),
    STREAM("import", VECTORS "Import", grpc_import, .role = ROLE_WRITE, .is_mutation = true, .reach = REACH_PART),
    STREAM("export", VECTORS "Export", grpc_export, .role = ROLE_READ, .reach = REACH_PART),

    METHOD("indices.list", INDICES "List", lode__v1__list_indices_request__descriptor, grpc_indices_list, READ(REACH_NONE)),
    METHOD("indices.get", INDICES "Get", lode__v1__get_index_request__descriptor, grpc_indices_get, READ(REACH_NAME)),
    METHOD("indices.create", INDICES "Create", lode__v1__create_index_request__descriptor, grpc_indices_create, ADMIN(REACH_WHOLE)),
    METHOD("indices.update", INDICES "Update", lode__v1__update_index_request__descriptor, grpc_indices_update, ADMIN(REACH_WHOLE)),
    METHOD("indices.delete", INDICES "Delete", lode__v1__delete_index_request__descriptor, grpc_indices_delete, ADMIN(REACH_WHOLE)),
    METHOD("aliases.list", INDICES "ListAliases", lode__v1__list_aliases_request__descriptor, grpc_aliases_list, READ(REACH_NONE)),
    METHOD("aliases.set", INDICES "SetAlias", lode__v1__alias__descriptor, grpc_aliases_set, ADMIN(REACH_WHOLE)),
    METHOD("aliases.delete", INDICES "DeleteAlias", lode__v1__delete_alias_request__descriptor, grpc_aliases_delete, ADMIN(REACH_WHOLE)),
    METHOD("indices.stats", INDICES "Stats", lode__v1__stats_request__descriptor, grpc_stats, READ(REACH_WHOLE)),
    METHOD("indices.flush", INDICES "Flush", lode__v1__flush_request__descriptor, grpc_flush, ADMIN(REACH_WHOLE)),
    METHOD("indices.compact", INDICES "Compact", lode__v1__compact_request__descriptor, grpc_compact, ADMIN(REACH_WHOLE)),

    METHOD("namespaces.list", NAMESPACES "List", lode__v1__list_namespaces_request__descriptor, grpc_namespaces_list, READ(REACH_NAME)),
    METHOD("namespaces.get", NAMESPACES "Get", lode__v1__get_namespace_request__descriptor, grpc_namespaces_get, READ(REACH_PART)),
    METHOD("namespaces.delete", NAMESPACES "Delete", lode__v1__delete_namespace_request__descriptor, grpc_namespaces_delete, WRITE),
    METHOD("snapshots.list", SNAPSHOTS "List", lode__v1__list_snapshots_request__descriptor, grpc_snapshots_list, READ(REACH_WHOLE)),
    METHOD("snapshots.create", SNAPSHOTS "Create", lode__v1__create_snapshot_request__descriptor, grpc_snapshots_create, ADMIN(REACH_WHOLE)),
    METHOD("snapshots.delete", SNAPSHOTS "Delete", lode__v1__delete_snapshot_request__descriptor, grpc_snapshots_delete, ADMIN(REACH_WHOLE)),

    METHOD("healthz", HEALTH "Check", grpc__health__v1__health_check_request__descriptor, grpc_health_check, .role = ROLE_NONE, .lane = NET_LANE_WATCH),
    METHOD("healthz", HEALTH "Watch", grpc__health__v1__health_check_request__descriptor, grpc_health_watch, .role = ROLE_NONE, .lane = NET_LANE_WATCH),
    STREAM("openapi", REFLECTION("v1"), grpc_reflection, .role = ROLE_READ),
    STREAM("openapi", REFLECTION("v1alpha"), grpc_reflection, .role = ROLE_READ),
};
/* clang-format on */

static const size_t method_count = sizeof methods / sizeof *methods;

const struct route *grpc_method_find(const char *path)
{
    for (size_t i = 0; i < method_count; i++)
        if (strcmp(methods[i].route.pattern, path) == 0)
            return &methods[i].route;
    return NULL;
}

size_t grpc_route_count(void)
{
    return method_count;
}

const struct route *grpc_route(size_t i)
{
    return &methods[i].route;
}
