/* target.c: request targets. Only characters that a URI may show are let through, so that no log and no header made of
 * a target can be broken by it; what percent-encoding means is the service's business. */
#include "net/target.h"

#include <string.h>
#include <strings.h>

static bool is_visible(const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte <= 0x20 || byte >= 0x7f || byte == '#')
            return false;
    }
    return true;
}

bool host_is_valid(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= '0' && byte <= '9');
        if (!is_plain && (!byte || !strchr("-._~%!$&'()*+;=:[]", byte)))
            return false;
    }
    return true;
}

/* Where the authority of an absolute-form target begins, or NULL. */
static char *authority_of(char *text)
{
    if (!strncasecmp(text, "http://", 7))
        return text + 7;
    if (!strncasecmp(text, "https://", 8))
        return text + 8;
    return NULL;
}

/* "host/path" becomes "host", a NUL and "/path": the host moves over the slash before it. */
static struct fault split_absolute(char *host, struct target *ret_target)
{
    size_t size = strcspn(host, "/?");
    if (size == 0 || !host_is_valid(host, size))
        return (struct fault){400, "the target's host is malformed"};
    memmove(host - 1, host, size);
    host[size - 1] = '\0';
    ret_target->authority = host - 1;
    ret_target->path = host[size] == '/' ? host + size : "/";
    ret_target->query = "";
    char *mark = strchr(host + size, '?');
    if (mark) {
        *mark = '\0';
        ret_target->query = mark + 1;
    }
    return (struct fault){0};
}

struct fault target_split(char *text, const char *method, struct target *ret_target)
{
    *ret_target = (struct target){0};
    if (!is_visible(text))
        return (struct fault){400, "the target holds a character that no URI has"};
    if (!strcmp(method, "CONNECT"))
        return (struct fault){501, "CONNECT: this is no proxy"};
    if (!strcmp(text, "*"))
        return (struct fault){strcmp(method, "OPTIONS") ? 400 : 501, "the target * is not served"};
    char *host = authority_of(text);
    if (host)
        return split_absolute(host, ret_target);
    if (text[0] != '/')
        return (struct fault){400, "the target is neither a path nor an http URI"};
    ret_target->path = text;
    ret_target->query = "";
    char *mark = strchr(text, '?');
    if (mark) {
        *mark = '\0';
        ret_target->query = mark + 1;
    }
    return (struct fault){0};
}
