/* source_csv.c: comma-separated values (RFC 4180) with a header row. Columns:
 *     id                     as on the command line; without it rows are numbered from --id-start
 *     vector                 a JSON array in one cell, or
 *     v0, v1, ... v<dim-1>   one component each
 *     text
 *     expires_at             milliseconds since 1970; refused when a field of that name is declared
 *     any other              metadata under the column's name: a declared field's type; otherwise an
 *                            integer, number, true or false if it looks like one, else a string.
 * An empty cell is absent. A record is parsed where it lies in the input buffer; quoted cells are
 * unquoted in place. */
#include "cmd/source.h"

#include "base/array.h"
#include "base/number.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX (LODE_DIM_MAX + 4096) /* bounds memory */

enum role { ROLE_ID, ROLE_VECTOR, ROLE_COMPONENT, ROLE_TEXT, ROLE_EXPIRY, ROLE_METADATA };

struct column {
    enum role role;
    uint32_t component;   /* ROLE_COMPONENT */
    lode_field_type type; /* ROLE_METADATA: 0 when not declared */
    char *name;
    size_t name_size;
};

struct cell {
    char *text;
    size_t size;
};

struct csv_state {
    struct column *columns;
    size_t column_count;
    struct cell *cells;
    size_t cell_count, cell_capacity;
    uint32_t components; /* columns of ROLE_COMPONENT */
    int has_id, has_vector;
    struct buf metadata;
    float *first_vector; /* LODE_DIM_MAX floats while the dimension is not known */
};

/* --- Records -------------------------------------------------------------------------------------- */

enum scan { AT_CELL, IN_PLAIN, IN_QUOTES, AFTER_QUOTE, AFTER_RETURN };

/* How far the scan of a record has come. */
struct scanner {
    size_t offset;
    uint64_t lines; /* line ends seen inside */
    enum scan state;
};

/* Inside quotes: to the next quote, counting line ends, or to the end of the data. */
static void scan_quoted(struct scanner *scanner, const char *data, size_t size)
{
    const char *at = data + scanner->offset, *end = data + size;
    const char *quote = memchr(at, '"', size - scanner->offset);
    const char *stop = quote ? quote : end;
    while ((at = memchr(at, '\n', (size_t)(stop - at))) != NULL) {
        scanner->lines++;
        at++;
    }
    scanner->offset = (size_t)(stop - data) + (quote != NULL);
    if (quote)
        scanner->state = AFTER_QUOTE;
}

/* What c does to the state outside of quotes; returns a fault, or NULL. */
static const char *scan_plain(struct scanner *scanner, char c)
{
    enum scan before = scanner->state;
    if (c == ',' && before != AFTER_RETURN) {
        scanner->state = AT_CELL;
    } else if (c == '"' && (before == AT_CELL || before == AFTER_QUOTE)) {
        scanner->state = IN_QUOTES; /* opening, or the second one of a doubled quote */
    } else if (c == '"' && before == IN_PLAIN) {
        return "a quote inside a cell that does not begin with one: quote the whole cell and write "
               "the quote twice";
    } else if (c == '\r' && before == AFTER_QUOTE) {
        scanner->state = AFTER_RETURN;
    } else if (before == AFTER_QUOTE || before == AFTER_RETURN) {
        return "text behind a cell's closing quote";
    } else {
        scanner->state = IN_PLAIN;
    }
    return NULL;
}

/* Go on to the record's line end; 1 when found (at scanner->offset), 0 for more data, -1 with a fault. */
static int scan_record(struct scanner *scanner, const char *data, size_t size, const char **fault)
{
    while (scanner->offset < size) {
        if (scanner->state == IN_QUOTES) {
            scan_quoted(scanner, data, size);
            continue;
        }
        char c = data[scanner->offset];
        if (c == '\n')
            return 1;
        *fault = scan_plain(scanner, c);
        if (*fault)
            return -1;
        scanner->offset++;
    }
    return 0;
}

/* The next record without its line end, NULL at the end of the file. */
static lode_status next_record(struct source *source, char **ret_text, size_t *ret_size,
                               lode_error *error)
{
    struct input *input = &source->input;
    struct scanner scanner = {.state = AT_CELL};
    size_t available = 0, wanted = 1;
    *ret_text = NULL;
    for (;;) {
        lode_status status = input_peek(input, wanted, &available, error);
        if (status)
            return status;
        source->position = input->line + 1;
        const char *fault = NULL;
        int found = scan_record(&scanner, input_data(input), available, &fault);
        if (found < 0)
            return error_set(error, LODE_INVALID, "%s", fault);
        if (found || (input->ended && available < wanted))
            break;
        wanted = available + 1;
        if (wanted > INPUT_LINE_MAX)
            return error_set(error, LODE_LIMIT, "the record is longer than %zu MiB%s",
                             INPUT_LINE_MAX >> 20,
                             scanner.state == IN_QUOTES ? ": a quote is not closed" : "");
    }
    if (available == 0)
        return LODE_OK;
    if (scanner.offset == available && scanner.state == IN_QUOTES)
        return error_set(error, LODE_INVALID, "the file ends within a quoted cell");
    char *text = input_data(input);
    size_t size = scanner.offset;
    input->begin += size + (size < available);
    input->offset += size + (size < available);
    input->line += 1 + scanner.lines;
    *ret_size = size > 0 && text[size - 1] == '\r' ? size - 1 : size;
    *ret_text = text;
    return LODE_OK;
}

/* Unquote in place; returns what follows the cell. */
static char *unquote(char *text, const char *end, struct cell *cell)
{
    char *out = text;
    const char *in = text + 1;
    for (; in < end && !(in[0] == '"' && (in + 1 == end || in[1] != '"')); in++) {
        in += in[0] == '"';
        *out++ = *in;
    }
    cell->text = text;
    cell->size = (size_t)(out - text);
    return text + (in + 1 - text);
}

static lode_status add_cell(struct csv_state *state, struct cell **ret_cell, lode_error *error)
{
    if (state->cell_count == COLUMNS_MAX)
        return error_set(error, LODE_LIMIT, "more than %d columns", COLUMNS_MAX);
    struct cell *cells = array_grow(state->cells, state->cell_count, &state->cell_capacity,
                                    sizeof *cells, "the cells of a record", error);
    if (!cells)
        return LODE_NOMEM;
    state->cells = cells;
    *ret_cell = &state->cells[state->cell_count++];
    return LODE_OK;
}

static lode_status split_record(struct csv_state *state, char *text, size_t size, lode_error *error)
{
    char *end = text + size;
    size_t valid = utf8_valid_prefix(text, size);
    if (valid != size)
        return error_set(error, LODE_INVALID, "byte %zu of the record is not valid UTF-8",
                         valid + 1);
    state->cell_count = 0;
    for (;;) {
        struct cell *cell = NULL;
        lode_status status = add_cell(state, &cell, error);
        if (status)
            return status;
        if (text < end && *text == '"') {
            text = unquote(text, end, cell);
        } else {
            char *comma = text < end ? memchr(text, ',', (size_t)(end - text)) : NULL;
            cell->text = text;
            cell->size = (size_t)((comma ? comma : end) - text);
            text += cell->size;
        }
        if (text >= end)
            return LODE_OK;
        text++; /* the comma */
    }
}

/* --- Header --------------------------------------------------------------------------------------- */

/* "v12" → 12. */
static int component_number(const char *name, size_t size, uint32_t *ret_number)
{
    uint64_t number = 0;
    if (size < 2 || name[0] != 'v' || !number_parse_u64(name + 1, size - 1, &number) ||
        number >= LODE_DIM_MAX)
        return 0;
    *ret_number = (uint32_t)number;
    return 1;
}

static int name_is(const struct column *column, const char *name)
{
    return strlen(name) == column->name_size && memcmp(name, column->name, column->name_size) == 0;
}

static void set_role(const struct source *source, struct column *column, int components)
{
    if (name_is(column, "id"))
        column->role = ROLE_ID;
    else if (name_is(column, "vector"))
        column->role = ROLE_VECTOR;
    else if (name_is(column, "text"))
        column->role = ROLE_TEXT;
    else if (name_is(column, "expires_at"))
        column->role = ROLE_EXPIRY;
    else if (components && component_number(column->name, column->name_size, &column->component))
        column->role = ROLE_COMPONENT;
    else
        column->role = ROLE_METADATA;
    for (size_t i = 0; i < source->options.field_count; i++)
        if (name_is(column, source->options.fields[i].name))
            column->type = source->options.fields[i].type;
}

static int column_order(const void *a_void, const void *b_void)
{
    const struct column *a = a_void, *b = b_void;
    size_t size = a->name_size < b->name_size ? a->name_size : b->name_size;
    int order = memcmp(a->name, b->name, size);
    return order ? order : (a->name_size > b->name_size) - (a->name_size < b->name_size);
}

static lode_status check_unique(const struct csv_state *state, lode_error *error)
{
    size_t size = state->column_count * sizeof *state->columns;
    struct column *sorted = malloc(size);
    if (!sorted)
        return error_nomem(error, "the columns", size);
    memcpy(sorted, state->columns, size);
    qsort(sorted, state->column_count, sizeof *sorted, column_order);
    lode_status status = LODE_OK;
    for (size_t i = 1; i < state->column_count && status == LODE_OK; i++)
        if (column_order(&sorted[i - 1], &sorted[i]) == 0)
            status =
                error_set(error, LODE_INVALID, "two columns are named \"%.64s\"", sorted[i].name);
    free(sorted);
    return status;
}

/* Unique names make v0 .. v<n-1> complete when none is out of range. */
static lode_status check_components(struct source *source, lode_error *error)
{
    struct csv_state *state = source->state;
    for (size_t i = 0; i < state->column_count; i++)
        if (state->columns[i].role == ROLE_COMPONENT &&
            state->columns[i].component >= state->components)
            return error_set(error, LODE_INVALID,
                             "the vector's columns have a gap: there are %lu, one of them v%lu",
                             (unsigned long)state->components,
                             (unsigned long)state->columns[i].component);
    if (state->components && state->has_vector)
        return error_set(error, LODE_INVALID,
                         "the vector is there twice: as \"vector\" and as v0 "
                         "and so on");
    return state->components ? source_set_dim(source, state->components, error) : LODE_OK;
}

static lode_status name_columns(struct source *source, lode_error *error)
{
    struct csv_state *state = source->state;
    int components = 0;
    for (size_t i = 0; i < state->cell_count; i++)
        components |= state->cells[i].size == 2 && memcmp(state->cells[i].text, "v0", 2) == 0;
    state->columns = calloc(state->cell_count + 1, sizeof *state->columns);
    if (!state->columns)
        return error_nomem(error, "the columns", state->cell_count * sizeof *state->columns);
    for (; state->column_count < state->cell_count; state->column_count++) {
        const struct cell *cell = &state->cells[state->column_count];
        struct column *column = &state->columns[state->column_count];
        if (cell->size == 0 || memchr(cell->text, '\0', cell->size))
            return error_set(error, LODE_INVALID, "column %zu has no name",
                             state->column_count + 1);
        column->name = strndup(cell->text, cell->size);
        if (!column->name)
            return error_nomem(error, "a column's name", cell->size);
        column->name_size = cell->size;
        set_role(source, column, components);
        state->components += column->role == ROLE_COMPONENT;
        state->has_id |= column->role == ROLE_ID;
        state->has_vector |= column->role == ROLE_VECTOR;
    }
    return LODE_OK;
}

static lode_status check_ids(const struct source *source, lode_error *error)
{
    const struct csv_state *state = source->state;
    int numbered = source->options.id_start_given || source->has_ids_file;
    if (!state->has_id && !numbered)
        return error_set(error, LODE_INVALID,
                         "there is no column \"id\"; --id-start 0 numbers the rows, or --ids FILE "
                         "says them");
    if (state->has_id && numbered)
        return error_set(error, LODE_INVALID,
                         "there is a column \"id\": leave out --id-start and --ids");
    return LODE_OK;
}

/* The column that says when points end would not become the field: points could end unasked for. */
static lode_status check_expiry(const struct source *source, lode_error *error)
{
    const struct csv_state *state = source->state;
    for (size_t i = 0; i < state->column_count; i++)
        if (state->columns[i].role == ROLE_EXPIRY && state->columns[i].type)
            return error_set(error, LODE_INVALID,
                             "the column \"expires_at\" says when points expire, and the "
                             "collection has a field of that name: rename the column, or import "
                             "jsonl, which tells them apart");
    return LODE_OK;
}

static lode_status read_header(struct source *source, lode_error *error)
{
    char *text = NULL;
    size_t size = 0;
    struct csv_state *state = source->state;
    lode_status status = next_record(source, &text, &size, error);
    if (status == LODE_OK && !text)
        status = error_set(error, LODE_INVALID,
                           "the file is empty: a row that names the columns "
                           "must come first");
    if (status == LODE_OK)
        status = split_record(state, text, size, error);
    if (status == LODE_OK)
        status = name_columns(source, error);
    if (status == LODE_OK)
        status = check_unique(state, error);
    if (status == LODE_OK)
        status = check_components(source, error);
    if (status == LODE_OK)
        status = check_expiry(source, error);
    return status ? status : check_ids(source, error);
}

/* --- Rows ----------------------------------------------------------------------------------------- */

static lode_status bad_cell(const struct column *column, const struct cell *cell,
                            const char *wanted, lode_error *error)
{
    return error_set(error, LODE_INVALID, "column \"%.64s\": '%.*s' is not %s", column->name,
                     (int)(cell->size < 64 ? cell->size : 64), cell->text, wanted);
}

static lode_status read_component(const struct column *column, const struct cell *cell,
                                  float *vector, lode_error *error)
{
    float value = 0;
    size_t used = number_parse_f32(cell->text, cell->size, &value);
    if (used == 0 || used != cell->size || !isfinite(value))
        return bad_cell(column, cell, "a finite number", error);
    vector[column->component] = value;
    return LODE_OK;
}

static lode_status read_vector_cell(struct source *source, struct batch *batch,
                                    const struct cell *cell, float **ret_vector, lode_error *error)
{
    struct csv_state *state = source->state;
    uint32_t dim = source->dim;
    if (!dim && !state->first_vector)
        state->first_vector = malloc(LODE_DIM_MAX * sizeof(float));
    if (!dim && !state->first_vector)
        return error_nomem(error, "a vector", LODE_DIM_MAX * sizeof(float));
    float *vector = state->first_vector;
    lode_status status = dim ? batch_vector(batch, dim, &vector, error) : LODE_OK;
    if (status)
        return status;
    struct json json;
    json_init(&json, cell->text, cell->size);
    long count = json_next(&json) == JSON_ARRAY
                     ? json_read_f32s(&json, vector, dim ? dim : LODE_DIM_MAX)
                     : -1;
    if (count < 0 || json_next(&json) != JSON_END)
        return error_set(error, LODE_INVALID, "column \"vector\", byte %zu of the cell: %s",
                         json.offset + 1, json.error ? json.error : "expected an array");
    status = source_set_dim(source, (uint64_t)count, error);
    if (status == LODE_OK && !dim) {
        status = batch_vector(batch, source->dim, ret_vector, error);
        if (status == LODE_OK)
            memcpy(*ret_vector, vector, (size_t)count * sizeof *vector);
        return status;
    }
    *ret_vector = vector;
    return status;
}

static int number_all(const struct cell *cell, double *ret_value)
{
    size_t used = number_parse_f64(cell->text, cell->size, ret_value);
    return used > 0 && used == cell->size && isfinite(*ret_value);
}

static int cell_is(const struct cell *cell, const char *word)
{
    return strlen(word) == cell->size && memcmp(word, cell->text, cell->size) == 0;
}

static int is_integer(const struct cell *cell)
{
    int64_t integer;
    return number_parse_i64(cell->text, cell->size, &integer);
}

/* Whether it looks like a whole number, of any size: beyond int64 it stays a text, digit by digit. */
static int is_digits(const struct cell *cell)
{
    size_t begin = cell->size > 0 && cell->text[0] == '-';
    for (size_t i = begin; i < cell->size; i++)
        if (cell->text[i] < '0' || cell->text[i] > '9')
            return 0;
    return cell->size > begin;
}

/* Write the cell as a JSON value of its column's type. */
static lode_status write_value(struct json_writer *json, const struct column *column,
                               const struct cell *cell, lode_error *error)
{
    double number = 0;
    int raw = 0;
    switch (column->type) {
    case LODE_FIELD_KEYWORD:
    case LODE_FIELD_TEXT:
    case LODE_FIELD_DATETIME:
    case LODE_FIELD_UUID: break;
    case LODE_FIELD_GEO:
        raw = json_validate(cell->text, cell->size, JSON_END, NULL) == LODE_OK;
        break;
    case LODE_FIELD_INTEGER:
        if (!is_integer(cell))
            return bad_cell(column, cell, "an integer, as the field is declared", error);
        raw = 1;
        break;
    case LODE_FIELD_FLOAT:
        if (!number_all(cell, &number))
            return bad_cell(column, cell, "a number, as the field is declared", error);
        raw = 1;
        break;
    case LODE_FIELD_BOOLEAN:
        if (!cell_is(cell, "true") && !cell_is(cell, "false"))
            return bad_cell(column, cell, "true or false, as the field is declared", error);
        raw = 1;
        break;
    default:
        raw = is_integer(cell) || (!is_digits(cell) && number_all(cell, &number)) ||
              cell_is(cell, "true") || cell_is(cell, "false");
    }
    json_write_key(json, column->name);
    if (raw)
        json_write_raw(json, cell->text, cell->size);
    else
        json_write_string(json, cell->text, cell->size);
    return json->status;
}

static lode_status read_metadata(struct csv_state *state, lode_error *error)
{
    struct json_writer json;
    buf_clear(&state->metadata);
    json_writer_init(&json, &state->metadata, error);
    json_write_object(&json);
    lode_status status = json.status;
    size_t written = 0;
    for (size_t i = 0; i < state->column_count && status == LODE_OK; i++) {
        if (state->columns[i].role != ROLE_METADATA || state->cells[i].size == 0)
            continue;
        status = write_value(&json, &state->columns[i], &state->cells[i], error);
        written++;
    }
    json_write_object_end(&json);
    if (written == 0)
        buf_clear(&state->metadata);
    if (status == LODE_OK && state->metadata.size > LODE_METADATA_SIZE_MAX)
        status = error_set(error, LODE_LIMIT, "the metadata has %zu bytes as JSON; at most %d",
                           state->metadata.size, LODE_METADATA_SIZE_MAX);
    return status ? status : json.status;
}

static lode_status read_id(struct source *source, struct batch *batch, const struct cell *cell,
                           lode_id *ret_id, lode_error *error)
{
    lode_id id;
    lode_status status = id_parse(cell->text, cell->size, source->options.id_rule, &id, error);
    if (status) {
        error_prefix(error, "column \"id\": ");
        return status;
    }
    return source_keep_id(batch, &id, ret_id, error);
}

static lode_status read_text(struct batch *batch, const struct cell *cell, lode_point *point,
                             lode_error *error)
{
    if (cell->size == 0)
        return LODE_OK;
    if (cell->size > LODE_TEXT_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "column \"text\" has %zu bytes; at most %d", cell->size,
                         LODE_TEXT_SIZE_MAX);
    point->text_size = cell->size;
    return batch_copy(batch, cell->text, cell->size, &point->text, error);
}

static lode_status read_expiry(const struct column *column, const struct cell *cell,
                               lode_point *point, lode_error *error)
{
    if (cell->size == 0 || number_parse_u64(cell->text, cell->size, &point->expires_at_ms))
        return LODE_OK;
    return bad_cell(column, cell, "milliseconds since 1970, a whole number", error);
}

static lode_status read_components(struct source *source, struct batch *batch, float **ret_vector,
                                   lode_error *error)
{
    const struct csv_state *state = source->state;
    size_t empty = 0;
    float *vector = NULL;
    lode_status status = batch_vector(batch, source->dim, &vector, error);
    for (size_t i = 0; i < state->column_count && status == LODE_OK; i++) {
        if (state->columns[i].role != ROLE_COMPONENT)
            continue;
        if (state->cells[i].size == 0)
            empty++;
        else
            status = read_component(&state->columns[i], &state->cells[i], vector, error);
    }
    if (status == LODE_OK && empty > 0 && empty < state->components)
        status = error_set(error, LODE_INVALID, "%zu of the vector's %lu cells are empty", empty,
                           (unsigned long)state->components);
    if (status == LODE_OK && empty == 0)
        *ret_vector = vector;
    return status;
}

static lode_status read_cells(struct source *source, struct batch *batch, lode_point *point,
                              lode_error *error)
{
    const struct csv_state *state = source->state;
    lode_status status = LODE_OK;
    float *vector = NULL;
    if (!state->has_id)
        status = source_next_id(source, batch, &point->id, error);
    for (size_t i = 0; i < state->column_count && status == LODE_OK; i++) {
        const struct cell *cell = &state->cells[i];
        if (state->columns[i].role == ROLE_ID)
            status = read_id(source, batch, cell, &point->id, error);
        else if (state->columns[i].role == ROLE_TEXT)
            status = read_text(batch, cell, point, error);
        else if (state->columns[i].role == ROLE_EXPIRY)
            status = read_expiry(&state->columns[i], cell, point, error);
        else if (state->columns[i].role == ROLE_VECTOR && cell->size > 0)
            status = read_vector_cell(source, batch, cell, &vector, error);
    }
    if (status == LODE_OK && state->components)
        status = read_components(source, batch, &vector, error);
    point->vector = vector;
    return status;
}

/* The next record that is not an empty line. A file of one column may have empty cells. */
static lode_status next_row(struct source *source, char **ret_text, size_t *ret_size,
                            lode_error *error)
{
    lode_status status;
    do {
        status = next_record(source, ret_text, ret_size, error);
    } while (status == LODE_OK && *ret_text && *ret_size == 0);
    if (status == LODE_OK && !*ret_text)
        source->ended = 1;
    return status;
}

static lode_status read_row(struct source *source, struct batch *batch, lode_point *point,
                            lode_error *error)
{
    struct csv_state *state = source->state;
    if (state->cell_count != state->column_count)
        return error_set(error, LODE_INVALID, "the row has %zu cells; the header names %zu columns",
                         state->cell_count, state->column_count);
    lode_status status = read_cells(source, batch, point, error);
    if (status == LODE_OK)
        status = read_metadata(state, error);
    if (status == LODE_OK && state->metadata.size > 0)
        status =
            batch_copy(batch, state->metadata.data, state->metadata.size, &point->metadata, error);
    point->metadata_size = state->metadata.size;
    if (status == LODE_OK && !point->vector && !point->text)
        status = error_set(error, LODE_INVALID,
                           "the row has neither a vector nor a text to make one from");
    return status;
}

static lode_status csv_read(struct source *source, struct batch *batch, lode_error *error)
{
    char *text = NULL;
    size_t size = 0;
    lode_point point = {.vector = NULL};
    lode_status status = next_row(source, &text, &size, error);
    if (status || !text)
        return status;
    status = split_record(source->state, text, size, error);
    if (status == LODE_OK)
        status = read_row(source, batch, &point, error);
    if (status == LODE_OK)
        batch_add(batch, &point);
    return status;
}

static lode_status csv_skip(struct source *source, uint64_t count, uint64_t *ret_skipped,
                            lode_error *error)
{
    lode_status status = LODE_OK;
    for (*ret_skipped = 0; *ret_skipped < count; ++*ret_skipped) {
        char *text = NULL;
        size_t size = 0;
        status = next_row(source, &text, &size, error);
        if (status || !text)
            break;
    }
    return status;
}

static lode_status csv_open(struct source *source, lode_error *error)
{
    struct csv_state *state = calloc(1, sizeof *state);
    if (!state)
        return error_nomem(error, "a reader", sizeof *state);
    buf_init(&state->metadata, 8 * INPUT_LINE_MAX); /* escapes may take six bytes */
    source->state = state;
    source->dim = source->options.dim;
    lode_status status = input_skip_mark(&source->input, error);
    return status ? status : read_header(source, error);
}

static void csv_close(struct source *source)
{
    struct csv_state *state = source->state;
    if (!state)
        return;
    for (size_t i = 0; i < state->column_count; i++)
        free(state->columns[i].name);
    free(state->columns);
    free(state->cells);
    free(state->first_vector);
    buf_release(&state->metadata);
    free(state);
}

const struct source_ops source_csv = {
    .unit = "line", .open = csv_open, .read = csv_read, .skip = csv_skip, .close = csv_close};
