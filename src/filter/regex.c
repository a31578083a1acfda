/* regex.c: the program, and running it.
 *
 * A program is a list of steps. Running it keeps the set of steps that the text so far can have reached;
 * each character leads from one set to the next. Sets are sparse (Briggs & Torczon 1993): adding, asking
 * and clearing take constant time, without initialising. */
#include "filter/regex_program.h"

#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"

#define NOTHING UINT32_MAX /* no character: before the first, behind the last */
/* Nodes visited while writing out repeats of what is empty, which adds no steps. */
#define WORK_MAX 100000

enum op { OP_SET, OP_SPLIT, OP_JUMP, OP_BEGIN, OP_END, OP_WORD, OP_NOT_WORD, OP_MATCH };

struct step {
    enum op op;
    uint32_t next;
    uint32_t other; /* OP_SPLIT */
    struct regex_set set;
};

struct regex {
    struct step *steps;
    uint32_t count;
    int fold;
};

/* --- Compiling ---------------------------------------------------------------------------------- */

struct compiler {
    struct step steps[REGEX_STEPS_MAX];
    uint32_t count;
    uint32_t work;
    lode_status status;
    lode_error *error;
};

static void emit_node(struct compiler *compiler, const struct regex_node *node);

static void too_large(struct compiler *compiler)
{
    if (!compiler->status)
        compiler->status =
            error_set(compiler->error, LODE_LIMIT,
                      "regex: more than %d steps with its repeats written out", REGEX_STEPS_MAX);
}

/* Steps lead to the one behind them unless told otherwise. Returns its number. */
static uint32_t emit(struct compiler *compiler, enum op op)
{
    if (compiler->count == REGEX_STEPS_MAX) {
        too_large(compiler);
        return 0;
    }
    uint32_t at = compiler->count++;
    compiler->steps[at] = (struct step){.op = op, .next = at + 1, .other = at + 1};
    return at;
}

static void emit_alternatives(struct compiler *compiler, const struct regex_node *node)
{
    uint32_t split = emit(compiler, OP_SPLIT);
    emit_node(compiler, node->left);
    uint32_t jump = emit(compiler, OP_JUMP);
    compiler->steps[split].other = compiler->count;
    emit_node(compiler, node->right);
    compiler->steps[jump].next = compiler->count;
}

static void emit_star(struct compiler *compiler, const struct regex_node *node)
{
    uint32_t split = emit(compiler, OP_SPLIT);
    emit_node(compiler, node);
    uint32_t jump = emit(compiler, OP_JUMP);
    compiler->steps[jump].next = split;
    compiler->steps[split].other = compiler->count;
}

/* x{2,4} is xx(x(x)?)?: here each optional one may skip itself alone, which is the same set of texts. */
static void emit_repeat(struct compiler *compiler, const struct regex_node *node)
{
    for (uint32_t i = 0; !compiler->status && i < node->least; i++)
        emit_node(compiler, node->left);
    if (node->most == REGEX_NO_END) {
        emit_star(compiler, node->left);
        return;
    }
    for (uint32_t i = node->least; !compiler->status && i < node->most; i++) {
        uint32_t split = emit(compiler, OP_SPLIT);
        emit_node(compiler, node->left);
        compiler->steps[split].other = compiler->count;
    }
}

static void emit_node(struct compiler *compiler, const struct regex_node *node)
{
    if (++compiler->work > WORK_MAX)
        too_large(compiler);
    if (compiler->status)
        return;
    switch (node->kind) {
    case REGEX_EMPTY: break;
    case REGEX_SET: compiler->steps[emit(compiler, OP_SET)].set = node->set; break;
    case REGEX_BEGIN: emit(compiler, OP_BEGIN); break;
    case REGEX_END: emit(compiler, OP_END); break;
    case REGEX_WORD: emit(compiler, OP_WORD); break;
    case REGEX_NOT_WORD: emit(compiler, OP_NOT_WORD); break;
    case REGEX_CAT:
        emit_node(compiler, node->left);
        emit_node(compiler, node->right);
        break;
    case REGEX_ALT: emit_alternatives(compiler, node); break;
    case REGEX_REPEAT: emit_repeat(compiler, node); break;
    }
}

static lode_status keep(struct arena *arena, const struct compiler *compiler, int fold,
                        const struct regex **ret_regex)
{
    size_t size = compiler->count * sizeof *compiler->steps;
    struct regex *regex = arena_alloc(arena, sizeof *regex);
    struct step *steps = arena_alloc(arena, size);
    if (!regex || !steps)
        return error_nomem(compiler->error, "a regex", size);
    memcpy(steps, compiler->steps, size);
    *regex = (struct regex){.steps = steps, .count = compiler->count, .fold = fold};
    *ret_regex = regex;
    return LODE_OK;
}

lode_status regex_compile(struct arena *arena, const char *text, size_t size,
                          const struct regex **ret_regex, lode_error *error)
{
    struct regex_tree tree;
    lode_status status = regex_parse(arena, text, size, &tree, error);
    if (status)
        return status;
    struct arena scratch;
    arena_init(&scratch);
    struct compiler *compiler = arena_alloc(&scratch, sizeof *compiler);
    if (!compiler) {
        status = error_nomem(error, "compiling a regex", sizeof *compiler);
    } else {
        compiler->count = compiler->work = 0;
        compiler->status = LODE_OK;
        compiler->error = error;
        emit_node(compiler, tree.root);
        emit(compiler, OP_MATCH);
        status = compiler->status ? compiler->status : keep(arena, compiler, tree.fold, ret_regex);
    }
    arena_release(&scratch);
    return status;
}

/* --- Running ------------------------------------------------------------------------------------ */

struct steps_set {
    uint32_t *dense;  /* count members */
    uint32_t *sparse; /* where in dense a step would be */
    uint32_t count;
};

struct run {
    const struct regex *regex;
    struct steps_set now, next;
    uint32_t *stack;
};

size_t regex_scratch_size(const struct regex *regex)
{
    return (size_t)regex->count * 6 * sizeof(uint32_t);
}

static int is_word(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int steps_have(const struct steps_set *set, uint32_t step)
{
    uint32_t at = set->sparse[step];
    return at < set->count && set->dense[at] == step;
}

static void steps_add(struct steps_set *set, uint32_t step)
{
    set->sparse[step] = set->count;
    set->dense[set->count++] = step;
}

/* Whether a step that takes no character lets through between two of them. */
static int passes(enum op op, uint32_t before, uint32_t after)
{
    switch (op) {
    case OP_BEGIN: return before == NOTHING;
    case OP_END: return after == NOTHING;
    case OP_WORD: return is_word(before) != is_word(after);
    case OP_NOT_WORD: return is_word(before) == is_word(after);
    default: return 1;
    }
}

/* Add a step and all that it leads to without taking a character. 1: the match is among them. */
static int reach(struct run *run, struct steps_set *set, uint32_t step, uint32_t before,
                 uint32_t after)
{
    uint32_t *top = run->stack;
    *top++ = step;
    while (top > run->stack) {
        step = *--top;
        if (steps_have(set, step))
            continue;
        steps_add(set, step);
        const struct step *at = &run->regex->steps[step];
        if (at->op == OP_MATCH)
            return 1;
        if (at->op == OP_SET || !passes(at->op, before, after))
            continue;
        *top++ = at->next;
        if (at->op == OP_SPLIT)
            *top++ = at->other;
    }
    return 0;
}

static int in_ranges(const struct regex_set *set, uint32_t c)
{
    for (size_t i = 0; i < set->count; i++)
        if (c >= set->ranges[i].low && c <= set->ranges[i].high)
            return 1;
    return 0;
}

static int in_set(const struct regex_set *set, uint32_t c, int fold)
{
    int in = in_ranges(set, c);
    if (!in && fold)
        in = in_ranges(set, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c)) ||
             in_ranges(set, (uint32_t)utf8proc_toupper((utf8proc_int32_t)c));
    return in != set->negated;
}

/* From the set now to the set next, over c. 1: a match. */
static int advance(struct run *run, uint32_t c, uint32_t after)
{
    run->next.count = 0;
    for (uint32_t i = 0; i < run->now.count; i++) {
        const struct step *step = &run->regex->steps[run->now.dense[i]];
        if (step->op == OP_SET && in_set(&step->set, c, run->regex->fold) &&
            reach(run, &run->next, step->next, c, after))
            return 1;
    }
    struct steps_set swap = run->now;
    run->now = run->next;
    run->next = swap;
    return 0;
}

static void run_init(struct run *run, const struct regex *regex, void *scratch)
{
    uint32_t *memory = scratch;
    size_t count = regex->count;
    memset(memory, 0, regex_scratch_size(regex)); /* for the tools that watch uninitialised reads */
    run->regex = regex;
    run->now = (struct steps_set){memory, memory + count, 0};
    run->next = (struct steps_set){memory + 2 * count, memory + 3 * count, 0};
    run->stack = memory + 4 * count; /* each step once, and its other way */
}

int regex_matches(const struct regex *regex, const char *text, size_t size, void *scratch)
{
    struct run run;
    run_init(&run, regex, scratch);
    const char *p = text, *end = text + size;
    uint32_t before = NOTHING, c = NOTHING, after;
    if (p < end)
        p += utf8_step(p, end, &c);
    for (;;) {
        if (reach(&run, &run.now, 0, before, c))
            return 1;
        if (c == NOTHING)
            return 0;
        after = NOTHING;
        if (p < end)
            p += utf8_step(p, end, &after);
        if (advance(&run, c, after))
            return 1;
        before = c;
        c = after;
    }
}
