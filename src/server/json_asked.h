/* json_asked.h: what every operation on points is asked alike: of which namespace and named snapshot, until when, with
 * what of the points. Handlers embed a struct asked in what they read their body into. */
#ifndef SERVER_JSON_ASKED_H
#define SERVER_JSON_ASKED_H

#include "server/api.h"
#include "server/json_input.h"
#include "server/json_values.h"

struct asked {
    struct call *call;
    const char *namespace_;    /* NULL: the default one */
    const char *snapshot_name; /* NULL: the newest state */
    uint64_t deadline_ms;      /* 0: not said */
    int is_compact;
    lode_filter filter;
    unsigned with; /* LODE_WITH_... */
    struct json_names fields;
    /* Since asked_open: */
    const struct handle *handle;
    lode_snapshot *snapshot;
    lode_stop stop; /* at the deadline, or when nobody waits any more */
};

/* Read the body, one object, by its members; an empty body is {}. False: the call has failed. */
bool asked_read(struct call *call, const struct json_members *members, void *target,
                uint64_t *ret_given);
/* Neither parameters nor members: an empty body, or {}. False: the call has failed. */
bool asked_nothing(struct call *call);
/* Take the collection, pin the snapshot and set the deadline. False: the call has failed. Then, either way, asked_close. */
bool asked_open(struct asked *asked);
void asked_close(struct asked *asked);

/* Members of a body, for tables whose target begins with a struct asked. */
lode_status asked_read_namespace(struct json_input *input, void *target);
lode_status asked_read_snapshot(struct json_input *input, void *target);
lode_status asked_read_deadline(struct json_input *input, void *target);
lode_status asked_read_compact(struct json_input *input, void *target);
lode_status asked_read_filter(struct json_input *input, void *target);
lode_status asked_read_with(struct json_input *input, void *target);
lode_status asked_read_fields(struct json_input *input, void *target); /* metadata too */

/* The same from the query string: namespace, snapshot, deadline_ms, compact, filter, with, fields. */
bool asked_of_query(struct asked *asked);
/* A value of the query string that is true or false; ret_value stays when it is not there. */
bool asked_query_bool(struct call *call, const char *name, int *ret_value);

/* What who may ask for, of at most `most`. 0: no limit of his own. */
uint64_t asked_limit(uint64_t own, uint64_t most);

/* The engine has failed: with the status of HTTP that is right (504 where the deadline has passed while it was cancelled). items: what the body
 * calls the array that the engine was given, or NULL; first: the position there of the first that the engine was given. */
void asked_fail_at(struct call *call, const lode_error *error, const char *items, uint64_t first);
void asked_fail(struct call *call, const lode_error *error); /* without items */
/* What the engine says, without where it is in an array that the client knows nothing of. Borrowed. */
const char *asked_message(const lode_error *error);
/* A vector of the body has so many numbers. False: these are not as many as the collection's, and the call has failed. */
bool asked_check_dim(const struct asked *asked, uint32_t dim, const char *field);

#endif
