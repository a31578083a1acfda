# What protoc-c makes of api/*.proto, in the build tree: messages as <proto/lode.pb-c.h> and so on, compiled without our
# warnings; and the descriptors of all files, for gRPC's reflection, as an array of bytes.
find_program(PROTOC protoc REQUIRED)
find_program(PROTOC_C protoc-c REQUIRED)

set(proto_source "${PROJECT_SOURCE_DIR}/api")
set(proto_build "${PROJECT_BINARY_DIR}/generated")
file(MAKE_DIRECTORY "${proto_build}/proto")
# v1alpha of the reflection service has the messages of v1 under another name: described, not compiled.
set(proto_compiled lode.proto grpc/health/v1/health.proto grpc/reflection/v1/reflection.proto)
set(proto_described ${proto_compiled} grpc/reflection/v1alpha/reflection.proto)

set(proto_generated)
set(proto_headers)
foreach(file IN LISTS proto_compiled)
  string(REGEX REPLACE "\\.proto$" ".pb-c" base "${proto_build}/proto/${file}")
  add_custom_command(OUTPUT "${base}.c" "${base}.h"
    COMMAND "${PROTOC_C}" "--c_out=${proto_build}/proto" "-I${proto_source}" "${file}"
    DEPENDS "${proto_source}/${file}" VERBATIM COMMENT "Compiling api/${file}")
  list(APPEND proto_generated "${base}.c")
  list(APPEND proto_headers "${base}.h")
endforeach()

list(TRANSFORM proto_described PREPEND "${proto_source}/" OUTPUT_VARIABLE proto_files)
set(proto_descriptors "${proto_build}/descriptors")
add_custom_command(OUTPUT "${proto_descriptors}.c"
  COMMAND "${PROTOC}" "--descriptor_set_out=${proto_descriptors}" "-I${proto_source}" ${proto_described}
  COMMAND "${CMAKE_COMMAND}" "-DINPUT=${proto_descriptors}" "-DOUTPUT=${proto_descriptors}.c" -DNAME=grpc_descriptors
    -P "${PROJECT_SOURCE_DIR}/cmake/embed.cmake"
  DEPENDS ${proto_files} "${PROJECT_SOURCE_DIR}/cmake/embed.cmake" VERBATIM COMMENT "Describing api/*.proto")

add_library(lode_proto STATIC ${proto_generated} ${proto_headers} "${proto_descriptors}.c")
target_compile_options(lode_proto PRIVATE -w)
# Generated code includes its own header without a folder, the one of lode.proto its neighbours by theirs.
target_include_directories(lode_proto PRIVATE "${proto_build}/proto")
target_include_directories(lode_proto SYSTEM PUBLIC "${proto_build}")
target_link_libraries(lode_proto PUBLIC PkgConfig::SERVICE)
if(LODE_SANITIZE)
  target_compile_options(lode_proto PRIVATE -fsanitize=${sanitizers} -fno-sanitize-recover=all)
endif()
