/* grpc_descriptors.h: looking things up in descriptors of .proto files, as protoc writes them (a FileDescriptorSet). */
#ifndef SERVER_GRPC_DESCRIPTORS_H
#define SERVER_GRPC_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of a descriptor; data NULL: there is none. */
struct descriptor {
    const uint8_t *data;
    size_t size;
};

/* The set of the files that this server has. */
struct descriptor descriptors_own(void);
/* The file of this name ("lode.proto"), as a FileDescriptorProto. */
struct descriptor descriptors_file(struct descriptor set, const char *name);
/* The file that declares a message, enum, service, method or field by its full name ("lode.v1.Vectors.Query"). */
struct descriptor descriptors_symbol(struct descriptor set, const char *symbol);
/* Full name of service i into text; 0: there are not so many, or no room. */
int descriptors_service(struct descriptor set, size_t i, char *text, size_t text_size);

#endif
