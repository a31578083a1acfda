/* merge.h: which sealed segments to merge, and the compaction a caller asks for. */
#ifndef ENGINE_MERGE_H
#define ENGINE_MERGE_H

#include "engine/collection.h"
#include "storage/compaction.h"

/* The sealed segments of a version, none busy; inputs: room for version->view_count. */
size_t merge_inputs(const struct store *store, const struct version *version,
                    struct compaction_input *inputs);
/* compaction_plan with the collection's options. *ret_reason is set when something is due. */
size_t merge_choose(const struct collection *collection, const struct compaction_input *inputs,
                    size_t count, size_t *chosen, lode_job_reason *ret_reason);

/* compaction_debt with them, of a version; segments that are being merged count until that is done. */
size_t merge_debt(const struct collection *collection, const struct version *version);

#endif
