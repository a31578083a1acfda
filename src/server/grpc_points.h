/* grpc_points.h: points between messages of lode.proto and the engine. What a message holds is borrowed from it. */
#ifndef SERVER_GRPC_POINTS_H
#define SERVER_GRPC_POINTS_H

#include "server/grpc_call.h"
#include "server/json_asked.h"

#include <proto/lode.pb-c.h>

/* Functions that return bool: false, and the call has failed; `field` is the name of what they read. */
bool grpc_id(struct call *call, const char *field, const Lode__V1__Id *id, lode_id *ret_id);
bool grpc_ids(struct call *call, Lode__V1__Id *const *ids, size_t count, lode_id **ret_ids);

/* A vector as bytes or as values, one of them at most; *ret_vector NULL: neither is there. Its size is checked. */
struct grpc_floats {
    const ProtobufCBinaryData *bytes;
    const float *values;
    size_t value_count;
};
bool grpc_vector(struct call *call, const char *field, const struct grpc_floats *floats,
                 uint32_t dim, const float **ret_vector);

/* "points[3].id" and so on. */
#define GRPC_FIELD_SIZE 64
struct grpc_field {
    char text[GRPC_FIELD_SIZE];
};
struct grpc_field grpc_field(const char *list, size_t i, const char *member);

/* NULL for "": what is left out. */
const char *grpc_text(const char *text);
lode_filter grpc_filter(const char *text);

/* --- Asking -------------------------------------------------------------------------------------- */

/* What every message that asks for points or changes them begins with. */
struct grpc_target {
    const char *index, *namespace_, *snapshot;
    const Lode__V1__With *with;
    const char *filter;
};
/* Take the collection, pin the snapshot. Then, either way, asked_close. */
bool grpc_open(struct call *call, const struct grpc_target *target, struct asked *ret_asked);
unsigned grpc_with(const Lode__V1__With *with);

/* --- Answering ----------------------------------------------------------------------------------- */

/* How points are written: Hit messages as field `number` of the message that is being written. */
struct grpc_form {
    const Lode__V1__With *with; /* NULL: ids alone */
    uint32_t dim;
    bool has_score;
    struct buf scratch; /* for metadata of which members are left out */
};
void grpc_form_init(struct grpc_form *form, const Lode__V1__With *with, uint32_t dim);
void grpc_form_release(struct grpc_form *form);
void grpc_put_hit(struct put *put, unsigned number, const lode_hit *hit, struct grpc_form *form);
/* All hits, then the other fields of the answer; fails the call when that cannot be. */
void grpc_reply_hits(struct call *call, const struct asked *asked, const Lode__V1__With *with,
                     const lode_hit *hits, size_t hit_count, const ProtobufCMessage *rest);

#endif
