#include "net/connection.h"
bool protocol_http2_open(struct connection *connection)
{
    (void)connection;
    return false;
}
