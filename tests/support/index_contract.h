/* index_contract.h: what index.h promises of every index with a graph, tested of any of them. */
#ifndef TESTS_INDEX_CONTRACT_H
#define TESTS_INDEX_CONTRACT_H

#include "support/index_kit.h"

#include "base/buf.h"

extern struct index_params contract_params;

/* An index of all rows, built on this thread and checked. */
struct index *contract_built(const struct index_ops *ops, const struct data *data);
void contract_serialized(const struct index *index, struct buf *buf);

/* Odd data under every metric, whole and with half of the rows deleted, at the default ef. */
void contract_hard_data(const struct index_ops *ops);
void contract_deletes(const struct index_ops *ops, enum data_kind kind, lode_metric metric);
/* Sets of every density, drawn at random, around a centre and far from it, by every plan: k hits whenever there
 * are k, all allowed; a recall floor for what the index chooses by itself, a lower one for walks asked for. */
void contract_filtered(const struct index_ops *ops, enum data_kind kind, lode_metric metric);
void contract_same_bytes_twice(const struct index_ops *ops, size_t dim);
void contract_opened_answers_the_same(const struct index_ops *ops, enum data_kind kind,
                                      lode_metric metric, size_t dim);
void contract_damaged_bytes(const struct index_ops *ops, enum data_kind kind, lode_metric metric,
                            size_t dim);

#endif
