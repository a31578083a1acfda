/* query_show.h: points, and the answer to one query, as a table or as members of a JSON object. */
#ifndef CMD_QUERY_SHOW_H
#define CMD_QUERY_SHOW_H

#include "cmd/output.h"

#define SHOWN_MAX 32

/* --show: which metadata members, and whether the text. */
struct shown {
    char names[SHOWN_MAX][LODE_NAME_SIZE_MAX + 1];
    size_t count;
    int text;
};
/* "title,year,text"; 0 when there are too many, or a name is too long. */
int shown_parse(struct shown *shown, const char *list);

struct hits {
    const lode_hit *items;
    size_t count;
    int scored;
};
/* A table; nothing when there are none. shown NULL: all there is. */
void hits_print(const struct hits *hits, const struct shown *shown);
/* The array alone. */
void hits_write_json(struct document *document, const struct hits *hits, const struct shown *shown,
                     uint32_t dim);
void info_write_json(struct document *document, const char *key, const lode_search_info *info);

struct answer {
    lode_result *result;
    double ms;
    lode_result *truth; /* the exact one; NULL without --recall */
    double exact_ms, recall;
    size_t k;
};
void query_answer_release(struct answer *answer);

/* shown NULL: all there is. */
void answer_print(const struct answer *answer, const struct shown *shown);
void answer_write_json(struct document *document, const struct answer *answer,
                       const struct shown *shown, uint32_t dim);

#endif
