/* openapi.c: see openapi.h. The assembler takes the file in; cmake/sources.cmake says where it is. */
#include "server/openapi.h"

__asm__(".section .rodata\n"
        ".global openapi_text\n"
        ".hidden openapi_text\n"
        "openapi_text:\n"
        ".incbin \"" LODE_OPENAPI_FILE "\"\n"
        ".global openapi_end\n"
        ".hidden openapi_end\n"
        "openapi_end:\n"
        ".byte 0\n"
        ".previous\n");
