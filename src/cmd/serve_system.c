/* serve_system.c: see serve_system.h. */
#include "cmd/serve_system.h"

#include "base/number.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FIRST_SOCKET 3 /* behind standard input, output and error */

static int read_variable(const char *name, uint64_t *ret_number)
{
    const char *text = getenv(name);
    return text && number_parse_u64(text, strlen(text), ret_number);
}

static int has_option(int fd, int option, int wanted)
{
    int value = 0;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

static lode_status take_socket(int fd, lode_error *error)
{
    if (!has_option(fd, SO_TYPE, SOCK_STREAM) || !has_option(fd, SO_ACCEPTCONN, 1))
        return error_set(error, LODE_INVALID,
                         "LISTEN_FDS passes on file %d, which is no stream socket that listens",
                         fd);
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0)
        return error_set(error, LODE_INVALID, "LISTEN_FDS passes on file %d, which is not open",
                         fd);
    return LODE_OK;
}

lode_status serve_sockets(int sockets[SERVE_SOCKETS_MAX], size_t *ret_count, lode_error *error)
{
    uint64_t pid = 0, count = 0;
    lode_status status = LODE_OK;
    int is_ours = read_variable("LISTEN_PID", &pid) && pid == (uint64_t)getpid();
    int is_read = read_variable("LISTEN_FDS", &count);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    *ret_count = 0;
    if (!is_ours || !is_read)
        return LODE_OK;
    if (count > SERVE_SOCKETS_MAX)
        return error_set(error, LODE_INVALID, "LISTEN_FDS is %llu; at most %d",
                         (unsigned long long)count, SERVE_SOCKETS_MAX);
    for (int i = 0; !status && i < (int)count; i++) {
        sockets[i] = FIRST_SOCKET + i;
        status = take_socket(sockets[i], error);
    }
    if (!status)
        *ret_count = (size_t)count;
    return status;
}

void serve_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = path ? strlen(path) : 0;
    if (size < 2 || size >= sizeof address.sun_path || (*path != '/' && *path != '@'))
        return;
    memcpy(address.sun_path, path, size);
    if (*path == '@') /* Linux's abstract names begin with NUL */
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                          address_size);
    (void)sent;
    close(fd);
}

void serve_notify_reloading(void)
{
    char state[64];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)now.tv_sec * 1000000ull + (unsigned long long)now.tv_nsec / 1000);
    serve_notify(state);
}

uint64_t serve_raise_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return UINT64_MAX;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}
