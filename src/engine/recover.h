/* recover.h: from the files of a collection to the state in memory. */
#ifndef ENGINE_RECOVER_H
#define ENGINE_RECOVER_H

#include "engine/collection.h"

/* Map the sealed segments of the manifest: the first version. */
NODISCARD lode_status recover_sealed(struct collection *collection, lode_error *error);
/* What the schema declares and sealed segments hold becomes known, before logs are replayed. */
NODISCARD lode_status recover_fields(struct collection *collection, lode_error *error);
/* Replay the logs behind it; each becomes a frozen segment. */
NODISCARD lode_status recover_logs(struct collection *collection, lode_error *error);

#endif
