/* json_input.h: how bodies of requests are read: one pass of base/json.h, members found by tables of names, values copied
 * nowhere unless they are escaped. What is wrong is told once, as a fault: a status, a message that says what was found and
 * what was wanted, the member's path in the body, and the byte at which it stands.
 *
 * Objects are strict: a member that is not known is a fault that names the nearest one, a member given twice too. null
 * stands for a member that is left out, but where a table says otherwise. Nothing is believed of the body: strings,
 * counts and depths have bounds. */
#ifndef SERVER_JSON_INPUT_H
#define SERVER_JSON_INPUT_H

#include "base/arena.h"
#include "base/json.h"

#include <stdbool.h>

#define JSON_FIELD_SIZE 160 /* of a fault's path, with NUL: longer ones are cut */
#define JSON_STEPS_MAX  6   /* how deep members of our own nest */

struct json_fault {
    lode_error error;
    char field[JSON_FIELD_SIZE]; /* "vectors[3].id"; "": the body as a whole */
    long position;               /* byte of the body, from 0; -1: not known */
};

struct json_step {
    const char *name; /* static, or in the body */
    size_t name_size;
    long index; /* in the array of that name; -1: it is none */
};

struct json_input {
    struct json json;
    struct arena *arena; /* of unescaped strings and of what readers make */
    unsigned step_count;
    struct json_step steps[JSON_STEPS_MAX];
    struct json_fault fault;
};

struct json_member {
    const char *name;
    /* The value comes next; target is the caller's. */
    lode_status (*read)(struct json_input *input, void *target);
    bool takes_null; /* null is given to read as any other value */
};
#define JSON_MEMBERS_MAX 64

struct json_members {
    const struct json_member *items;
    size_t count;
    const char *what; /* "a query": in messages */
};

/* text is borrowed as long as what was read of it. */
void json_input_init(struct json_input *input, const char *text, size_t size, struct arena *arena);

/* Read the object that comes next. ret_given (may be NULL): the bits of members that were given and not null. */
NODISCARD lode_status json_input_object(struct json_input *input,
                                        const struct json_members *members, void *target,
                                        uint64_t *ret_given);
/* The same of an object whose brace has been read. */
NODISCARD lode_status json_input_members(struct json_input *input,
                                         const struct json_members *members, void *target,
                                         uint64_t *ret_given);
/* Read the array that comes next: `read` for each item, at most count_max; what: "points". */
NODISCARD lode_status json_input_array(struct json_input *input, size_t count_max, const char *what,
                                       lode_status (*read)(struct json_input *input, void *target),
                                       void *target);
/* Nothing may follow. */
NODISCARD lode_status json_input_end(struct json_input *input);

/* Single values. Strings are valid UTF-8, in the body or, if they were escaped, in the arena, without a NUL behind them. */
NODISCARD lode_status json_input_string(struct json_input *input, size_t size_max,
                                        const char **ret_text, size_t *ret_size);
/* The same with a NUL behind it and none in it, in the arena. */
NODISCARD lode_status json_input_name(struct json_input *input, size_t size_max,
                                      const char **ret_text);
NODISCARD lode_status json_input_u64(struct json_input *input, uint64_t min, uint64_t max,
                                     uint64_t *ret_value);
NODISCARD lode_status json_input_bool(struct json_input *input, int *ret_value);
/* An object, as it stands. */
NODISCARD lode_status json_input_raw_object(struct json_input *input, size_t size_max,
                                            const char **ret_text, size_t *ret_size);
/* The last token, a string or key, unescaped; in the arena if it was escaped. */
NODISCARD lode_status json_input_unescaped(struct json_input *input, const char **ret_text,
                                           size_t *ret_size);

/* Faults; each returns the status. The first one stays. */
lode_status json_input_malformed(struct json_input *input); /* json_next gave JSON_ERROR */
/* The last token is of another kind than wanted; JSON_ERROR: malformed. */
lode_status json_input_wrong(struct json_input *input, enum json_token found, const char *wanted);
lode_status json_input_fail(struct json_input *input, lode_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
lode_status json_input_nomem(struct json_input *input, const char *what, size_t size);

#ifdef __clang_analyzer__
/* As in base/error.h: these never return LODE_OK. */
#define json_input_malformed(input) ((void)json_input_malformed(input), LODE_INVALID)
#define json_input_wrong(input, found, wanted)                                                     \
    ((void)json_input_wrong(input, found, wanted), LODE_INVALID)
#define json_input_fail(input, status, ...)                                                        \
    ((void)json_input_fail(input, status, __VA_ARGS__), (status))
#define json_input_nomem(input, what, size) ((void)json_input_nomem(input, what, size), LODE_NOMEM)
#endif

#endif
