/* api.h: what each route runs (routes.c has the table). Handlers read call->body, answer into call->out or by
 * call_fail; docs/api.md and api/openapi.yaml say what they mean. */
#ifndef SERVER_API_H
#define SERVER_API_H

#include "server/call.h"
#include "server/handles.h"

/* api_indices.c, api_state.c, api_stream.c */
void api_indices_create(struct call *call);
void api_indices_list(struct call *call);
void api_indices_get(struct call *call);
void api_indices_update(struct call *call);
void api_indices_delete(struct call *call);
void api_aliases_list(struct call *call);
void api_aliases_set(struct call *call);
void api_aliases_delete(struct call *call);
void api_indices_stats(struct call *call);
void api_indices_flush(struct call *call);
void api_indices_compact(struct call *call);
void api_namespaces_list(struct call *call);
void api_namespaces_get(struct call *call);
void api_namespaces_delete(struct call *call);
void api_snapshots_list(struct call *call);
void api_snapshots_create(struct call *call);
void api_snapshots_delete(struct call *call);
void api_metrics(struct call *call); /* api_metrics.c */
void api_import(struct call *call);
void api_export(struct call *call);
/* api_vectors.c, api_query.c, api_lists.c */
void api_vectors_upsert(struct call *call);
void api_vectors_get_one(struct call *call);
void api_vectors_delete_one(struct call *call);
void api_vectors_get(struct call *call);
void api_vectors_delete(struct call *call);
void api_vectors_patch(struct call *call);
void api_vectors_scroll(struct call *call);
void api_vectors_count(struct call *call);
void api_vectors_facets(struct call *call);
void api_vectors_sample(struct call *call);
void api_query(struct call *call);

/* --- Shared by handlers ------------------------------------------------------------------------- */

struct handles *server_handles(struct server *server);
lode_db *server_db(struct server *server);

/* The collection of parameter 0 in this namespace as call->who sees it, checked by principal_may; else NULL, and the call
 * has failed. Remembers both names in the call. */
const struct handle *api_take(struct call *call, const char *namespace_);
/* The same of the collection as a whole: not for who is narrowed to a part of it. */
const struct handle *api_take_whole(struct call *call);
/* The same as such, for whoever sees anything of it: for its schema. */
const struct handle *api_take_name(struct call *call);
/* The same for what the engine tells of namespaces through its own handle alone: of this one, which he may do that to; or
 * of all, NULL, of which he is to be told those that he sees. Not for who has a filter. */
const struct handle *api_take_namespaces(struct call *call, const char *namespace_);
void api_give(struct call *call, const struct handle *handle); /* NULL is allowed */
/* Refuses (403) what call->who may not, for a reason that principal_may does not know of; counted and audited as denied. */
void api_deny(struct call *call, const char *code, const char *message);
/* Whether call->who still may: false when the key was revoked, or it or the token has expired, since the call began; the call has
 * failed then. For imports and exports, which may take hours. */
bool api_may_go_on(struct call *call);
/* Whether call->who may do that (principal_may); false, and the call has failed. */
bool api_may(struct call *call, enum role needed, const char *collection, const char *namespace_);

#endif
