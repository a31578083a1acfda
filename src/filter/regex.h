/* regex.h: regular expressions that take time linear in the text, whatever they are.
 *
 * Thompson's construction, all states at once ("Regular Expression Matching Can Be Simple And Fast", Russ
 * Cox 2007): a text of n bytes takes at most n times REGEX_STEPS_MAX steps, and no expression is
 * "catastrophic". The price: no back references and no looking around, which are refused by name.
 *
 * Syntax: literals, . (any character but a newline), [sets] with ranges, negation and \d \w \s, (groups),
 * (?:groups), |, * + ? {m} {m,} {m,n}, each perhaps followed by a ? that changes nothing here, ^ and $ (begin and end
 * of the value), \b \B, \d \D \w \W \s \S (ASCII, as in RE2), \t \n \r \f \v \xhh \x{h...}, and (?i) (?s) at the
 * beginning: letters of either case; . is any character. Characters are code points. */
#ifndef FILTER_REGEX_H
#define FILTER_REGEX_H

#include "base/arena.h"
#include "base/error.h"

#define REGEX_SIZE_MAX   1024 /* bytes */
#define REGEX_STEPS_MAX  2000 /* steps of the program, repeats written out */
#define REGEX_DEPTH_MAX  50   /* groups in groups: bounds the compiler's stack */
#define REGEX_REPEAT_MAX 1000 /* m and n of {m,n} */

struct regex; /* immutable, in the arena it was compiled into */

/* LODE_INVALID and LODE_LIMIT name the fault and the byte of the expression. */
NODISCARD lode_status regex_compile(struct arena *arena, const char *text, size_t size,
                                    const struct regex **ret_regex, lode_error *error);
/* Bytes that regex_matches needs for itself, aligned for uint32_t. */
size_t regex_scratch_size(const struct regex *regex);
/* Whether the expression matches some part of the text. */
int regex_matches(const struct regex *regex, const char *text, size_t size, void *scratch);

#endif
