/* grpc_methods.h: the handlers of lode.proto's methods (grpc_methods.c has the table). Those of one message take it as the
 * struct that protoc-c made of the method's request. */
#ifndef SERVER_GRPC_METHODS_H
#define SERVER_GRPC_METHODS_H

#include "server/call.h"

const struct route *grpc_method_find(const char *path); /* NULL: there is none */

/* grpc_indices.c */
void grpc_indices_create(struct call *call, const void *message);
void grpc_indices_list(struct call *call, const void *message);
void grpc_indices_get(struct call *call, const void *message);
void grpc_indices_update(struct call *call, const void *message);
void grpc_indices_delete(struct call *call, const void *message);
void grpc_aliases_list(struct call *call, const void *message);
void grpc_aliases_set(struct call *call, const void *message);
void grpc_aliases_delete(struct call *call, const void *message);
/* grpc_state.c */
void grpc_stats(struct call *call, const void *message);
void grpc_flush(struct call *call, const void *message);
void grpc_compact(struct call *call, const void *message);
void grpc_namespaces_list(struct call *call, const void *message);
void grpc_namespaces_get(struct call *call, const void *message);
void grpc_namespaces_delete(struct call *call, const void *message);
void grpc_snapshots_list(struct call *call, const void *message);
void grpc_snapshots_create(struct call *call, const void *message);
void grpc_snapshots_delete(struct call *call, const void *message);
/* grpc_write.c */
void grpc_upsert(struct call *call, const void *message);
void grpc_delete(struct call *call, const void *message);
void grpc_patch(struct call *call, const void *message);
/* grpc_lists.c */
void grpc_get(struct call *call, const void *message);
void grpc_scroll(struct call *call, const void *message);
void grpc_count(struct call *call, const void *message);
void grpc_facets(struct call *call, const void *message);
void grpc_sample(struct call *call, const void *message);
/* grpc_query.c */
void grpc_query(struct call *call, const void *message);
void grpc_query_batch(struct call *call, const void *message);
/* grpc_stream.c: streamed */
void grpc_import(struct call *call);
void grpc_export(struct call *call);
/* grpc_health.c */
void grpc_health_check(struct call *call, const void *message);
void grpc_health_watch(struct call *call, const void *message);
/* grpc_reflection.c: streamed */
void grpc_reflection(struct call *call);

#endif
