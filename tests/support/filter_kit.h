/* filter_kit.h: what tests of filters need: fields and documents of films, filters read or drawn at random. */
#ifndef TESTS_SUPPORT_FILTER_KIT_H
#define TESTS_SUPPORT_FILTER_KIT_H

#include "base/random.h"
#include "filter/bind.h"
#include "filter/syntax.h"
#include "filter/matches.h"

/* Declared: title text, released datetime, place geo, uid uuid; learnt from kit_document: genre keyword,
 * year integer, rating float, seen boolean, tags (keywords, in arrays), scores (integers, in arrays), cast (objects, in
 * arrays: name, role, age), studio (object: name), note (keyword). Free with fields_free. */
struct fields *kit_fields(void);

/* Append a document drawn at random: few different values, some fields missing, some null, some arrays where
 * there is mostly one value (genre and year stay single, so that lists and ranges of them are merged). */
void kit_document(struct rng *rng, struct buf *out);
/* The id of the document drawn as number i: numbers, strings and UUIDs in turn. text: room for 24 bytes. */
lode_id kit_point_id(unsigned i, char text[24]);

/* A tree drawn at random over those fields, at most `depth` levels. */
const struct filter *kit_tree(struct rng *rng, struct arena *arena, unsigned depth);

/* Reads text when it does not begin with '{', JSON otherwise; fails the test on an error. */
const struct filter *kit_parse(struct arena *arena, const char *text);
const struct filter *kit_bind(struct arena *arena, const struct fields *fields,
                              const struct filter *filter);
int kit_matches(const struct filter *bound, const char *metadata, size_t size, const lode_id *id);

#endif
