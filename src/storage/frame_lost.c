/* frame_lost.c: what the bytes of a damaged block were, from the section table and the number of rows alone.
 * Sections are those of docs/format/: their types are repeated here, since a message must not depend on
 * decoders that the damage may mislead. */
#include "storage/frame_blocks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct section_text {
    enum frame_kind kind;
    uint32_t type;
    int by_row; /* entries of one size, one a row */
    const char *what;
};

static const struct section_text texts[] = {
    {FRAME_VECTORS, 1, 0, "what the vectors are"},
    {FRAME_VECTORS, 2, 1, "the vectors"},
    {FRAME_IDS, 1, 0, "what the ids are"},
    {FRAME_IDS, 2, 0, "the bytes of ids"},
    {FRAME_IDS, 3, 1, "where the ids are"},
    {FRAME_IDS, 4, 0, "part of the table that finds ids (it can be made again)"},
    {FRAME_DOCS, 1, 0, "how many documents there are"},
    {FRAME_DOCS, 2, 0, "metadata and texts"},
    {FRAME_DOCS, 3, 1, "where metadata and texts are"},
    {FRAME_DOCS, 4, 1, "the versions"},
    {FRAME_DOCS, 5, 1, "the expiries"},
    {FRAME_DOCS, 6, 0, "the order of expiry (it can be made again)"},
    {FRAME_GRAPH, 1, 0, "part of the graph (it can be built again)"},
    {FRAME_COLUMNS, 0, 0, "part of the columns (documents answer in their place)"},
    {FRAME_LIVE, 1, 0, "which rows are deleted"},
    {FRAME_LIVE, 2, 0, "which rows are deleted"},
    {FRAME_MANIFEST, 0, 0, "which segments there are"},
    {FRAME_TEXT_MODEL, 0, 0, "the text model"},
    {FRAME_CATALOG, 0, 0, "the names of collections"},
    {FRAME_SNAPSHOT, 0, 0, "the snapshot"},
};

static const struct section_text *text_of(enum frame_kind kind, uint32_t type)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].kind == kind && (texts[i].type == type || texts[i].type == 0))
            return &texts[i];
    return NULL;
}

/* Append to text[0, size), cut off where it does not fit. */
static void append(char *text, size_t size, const char *more)
{
    size_t used = strlen(text);
    if (used + 1 < size)
        snprintf(text + used, size - used, "%s%s", used ? ", " : "", more);
}

/* Bytes [begin, end) of a section with one entry a row. */
static void append_rows(char *text, size_t size, const struct section_text *section,
                        uint64_t section_size, uint32_t row_count, uint64_t begin, uint64_t end)
{
    char rows[96];
    uint64_t entry = section_size / row_count;
    uint64_t first = begin / entry, last = (end - 1) / entry;
    if (first >= row_count) /* an entry more than rows: where the last one ends */
        first = row_count - 1;
    if (last >= row_count)
        last = row_count - 1;
    snprintf(rows, sizeof rows, "%s of rows %" PRIu64 " to %" PRIu64, section->what, first, last);
    append(text, size, rows);
}

void frame_lost(const struct frame_blocks *blocks, uint64_t begin, uint64_t end, char *text,
                size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < blocks->section_count; i++) {
        const struct frame_section_view *view = &blocks->sections[i];
        uint64_t at = (uint64_t)(view->data - blocks->guard.base), stop = at + view->size;
        const struct section_text *section = text_of(blocks->kind, view->type);
        if (!section || stop <= begin || at >= end)
            continue;
        if (section->by_row && blocks->row_count && view->size >= blocks->row_count)
            append_rows(text, size, section, view->size, blocks->row_count,
                        begin > at ? begin - at : 0, (end < stop ? end : stop) - at);
        else
            append(text, size, section->what);
    }
    if (!text[0])
        append(text, size, "nothing that is used");
}

const char *frame_lost_all(enum frame_kind kind)
{
    switch (kind) {
    case FRAME_VECTORS: return "all vectors of the segment";
    case FRAME_IDS: return "all ids of the segment";
    case FRAME_DOCS: return "all metadata, texts, versions and expiries of the segment";
    case FRAME_GRAPH: return "the graph of the segment (it can be built again)";
    case FRAME_COLUMNS: return "the columns of the segment (documents answer in their place)";
    case FRAME_LIVE: return "which rows of the segment are deleted";
    case FRAME_MANIFEST: return "which segments there are";
    case FRAME_TEXT_MODEL: return "the text model";
    case FRAME_CATALOG: return "the names of collections";
    case FRAME_SNAPSHOT: return "the snapshot";
    }
    return "all of it";
}
