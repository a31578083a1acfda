/* exposition.h: writing the Prometheus text format 0.0.4: a family's HELP and TYPE, then its samples; label values
 * escaped. The first failure stays; later calls do nothing. */
#ifndef SERVER_EXPOSITION_H
#define SERVER_EXPOSITION_H

#include "base/buf.h"

#define EXPOSITION_LABELS_MAX 4

struct exposition {
    struct buf *out;
    lode_error *error;
    lode_status status;
    const char *family; /* of the samples that follow */
    struct {
        const char *name, *value;
    } labels[EXPOSITION_LABELS_MAX]; /* of the samples that follow; borrowed */
    size_t label_count;
};

void exposition_init(struct exposition *text, struct buf *out, lode_error *error);
/* type: "counter", "gauge", "histogram". All static texts. */
void exposition_family(struct exposition *text, const char *name, const char *type,
                       const char *help);
/* The labels of what follows: label 0, 1 ... in turn; keep: only the first `count` of them. */
void exposition_label(struct exposition *text, size_t index, const char *name, const char *value);
void exposition_labels_keep(struct exposition *text, size_t count);

void exposition_u64(struct exposition *text, uint64_t value);
void exposition_f64(struct exposition *text, double value); /* NaN and infinities too */
/* The same of family + suffix: "_bucket", "_sum", "_count". */
void exposition_part_u64(struct exposition *text, const char *suffix, uint64_t value);
void exposition_part_f64(struct exposition *text, const char *suffix, double value);

/* A family of one sample without labels. */
void exposition_one_u64(struct exposition *text, const char *name, const char *type,
                        const char *help, uint64_t value);
void exposition_one_f64(struct exposition *text, const char *name, const char *type,
                        const char *help, double value);

#endif
