/* salvage.h: what can be saved of damaged segments: rows that can be read whole, each id once. */
#ifndef STORAGE_SALVAGE_H
#define STORAGE_SALVAGE_H

#include "storage/sealed.h"

/* A row that is lost; id NULL: not even its id can be read. */
typedef void salvage_lost_fn(void *context, const uint8_t *id, size_t id_size);

/* Clear the bits of living rows that cannot be read whole: vector, id, document and stamp. view->live is the
 * caller's alone and not NULL; live_count is brought up to date. LODE_NOMEM. */
NODISCARD lode_status salvage_rows(struct segment_view *view, salvage_lost_fn *lost, void *context,
                                   lode_error *error);
/* Where an id lives in several of the views, clear all of its bits but that of the highest sequence. Each live
 * set is the caller's alone and not NULL, and all living rows can be read. */
NODISCARD lode_status salvage_ids_once(struct segment_view *views, size_t view_count,
                                       lode_error *error);

#endif
