/* limits.h: every bound of the system, with its reason. Bounds that callers meet stand in lode.h. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#define SEGMENT_ROWS_MAX      0x7fffffffu /* rows are uint32_t; the top bit is free for marks */
#define GROWING_ROWS_MAX      (1u << 18)  /* rows of one growing segment: bounds what is replayed */
#define GROWING_BYTES_DEFAULT (64ull << 20)
#define GROWING_BYTES_MIN     (1ull << 20)
#define GROWING_BYTES_MAX     (4ull << 30)
#define OVERLAY_ROWS_MIN      4096u /* below this a growing segment is scanned without a graph */
#define INDEX_ROWS_MIN        4096u /* below this a sealed segment is scanned without a graph */
#define JSON_DEPTH_MAX        64    /* nesting of metadata: bounds the parser's stack */
#define PATH_SIZE_MAX         4096
#define THREADS_MAX           256
#define REQUEST_IDS_MAX       16384u /* request ids remembered of a collection: 1.6 MB when used */
#define COLLECTIONS_MAX       65536  /* collections and aliases of one database */

#endif
