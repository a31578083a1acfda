# The library, the service parts above it, and the command.

# lode_glob(<variable> <folder>...): the C files of src/<folder>, with the flags their names ask for.
# A file for another processor is left out; a folder that does not exist yet gives nothing.
function(lode_glob variable)
  set(x86 FALSE)
  set(arm FALSE)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    set(x86 TRUE)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(arm TRUE)
  endif()
  set(avx2 -mavx2 -mfma -mf16c)
  set(avx512 ${avx2} -mavx512f -mavx512bw -mavx512vl -mavx512dq)

  set(files)
  foreach(folder IN LISTS ARGN)
    file(GLOB found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${folder}/*.c")
    foreach(file IN LISTS found)
      set(flags)
      if(file MATCHES "_avx[0-9a-z]*\\.c$")
        if(NOT x86)
          continue()
        elseif(file MATCHES "_avx2\\.c$")
          set(flags ${avx2})
        elseif(file MATCHES "_avx512\\.c$")
          set(flags ${avx512})
        elseif(file MATCHES "_avx512vnni\\.c$")
          set(flags ${avx512} -mavx512vnni)
        elseif(file MATCHES "_avx512bf16\\.c$")
          set(flags ${avx512} -mavx512bf16)
        else()
          message(FATAL_ERROR "cmake/sources.cmake does not know the instruction set of ${file}")
        endif()
      elseif(file MATCHES "_neon\\.c$" AND NOT arm)
        continue()
      endif()
      set_source_files_properties("${file}" PROPERTIES COMPILE_OPTIONS "${flags}")
      list(APPEND files "${file}")
    endforeach()
  endforeach()
  set(${variable} "${files}" PARENT_SCOPE)
endfunction()

# --- liblode: one set of objects, three libraries -------------------------------------------------
lode_glob(LODE_SOURCES base filter os crypt simd linalg quant index column text storage query engine embed)
if(NOT LODE_SOURCES)
  file(WRITE "${PROJECT_BINARY_DIR}/empty.c" "typedef int lode_nothing_yet;\n")
  set(LODE_SOURCES "${PROJECT_BINARY_DIR}/empty.c")
endif()

add_library(lode_objects OBJECT ${LODE_SOURCES})
target_link_libraries(lode_objects PRIVATE lode_flags PkgConfig::UTF8PROC)

# For our own programs and tests, which may use what is not public.
add_library(lode_internal STATIC $<TARGET_OBJECTS:lode_objects>)

# For users. Hidden names are no protection in an archive, where a program's own `buf_init` would meet
# ours; so the static library is a single object in which only what is exported has a global name.
set(whole "${PROJECT_BINARY_DIR}/lode.o")
add_custom_command(OUTPUT "${whole}"
  COMMAND "${CMAKE_C_COMPILER}" -r -nostdlib -o "${whole}" $<TARGET_OBJECTS:lode_objects>
  COMMAND "${CMAKE_OBJCOPY}" --localize-hidden "${whole}"
  DEPENDS lode_objects $<TARGET_OBJECTS:lode_objects> COMMAND_EXPAND_LISTS VERBATIM
  COMMENT "Hiding internal names in lode.o")
set_source_files_properties("${whole}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
add_library(lode_static STATIC "${whole}")
add_library(lode_shared SHARED $<TARGET_OBJECTS:lode_objects>)
set_target_properties(lode_static lode_shared PROPERTIES OUTPUT_NAME lode LINKER_LANGUAGE C)
set_target_properties(lode_shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)

foreach(library lode_internal lode_static lode_shared)
  # By name, not by path, so that the installed package also works on another machine.
  target_link_libraries(${library} PRIVATE utf8proc stemmer roaring crypto m Threads::Threads)
  target_include_directories(${library} INTERFACE
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:include>")
endforeach()
if(LODE_SANITIZE)
  target_link_options(lode_shared PRIVATE -fsanitize=${sanitizers})
else()
  target_link_options(lode_shared PRIVATE -Wl,--no-undefined)
endif()

# --- What the command adds to the library: network, cluster, server --------------------------------
lode_glob(LODE_SERVICE_SOURCES net cluster server)
# api/openapi.yaml is part of the server: openapi.c takes it in.
set(openapi "${PROJECT_SOURCE_DIR}/api/openapi.yaml")
set_source_files_properties("${PROJECT_SOURCE_DIR}/src/server/openapi.c" PROPERTIES
  COMPILE_DEFINITIONS "LODE_OPENAPI_FILE=\"${openapi}\"" OBJECT_DEPENDS "${openapi}")
if(LODE_SERVICE_SOURCES)
  add_library(lode_service STATIC ${LODE_SERVICE_SOURCES})
  target_link_libraries(lode_service PRIVATE lode_flags PUBLIC lode_internal PkgConfig::SERVICE)
  include("${PROJECT_SOURCE_DIR}/cmake/proto.cmake")
  target_link_libraries(lode_service PUBLIC lode_proto)
endif()

# --- The command `lode`: a library for its tests, and main.c ---------------------------------------
lode_glob(LODE_CMD_SOURCES cmd)
list(FILTER LODE_CMD_SOURCES EXCLUDE REGEX "/src/cmd/main\\.c$")
if(LODE_CMD_SOURCES)
  if(NOT HDF5_FOUND)
    message(FATAL_ERROR "the command lode needs the HDF5 C library (Debian: libhdf5-dev)")
  endif()
  add_library(lode_cmd STATIC ${LODE_CMD_SOURCES})
  target_link_libraries(lode_cmd PRIVATE lode_flags PUBLIC $<TARGET_NAME_IF_EXISTS:lode_service>
    lode_internal PkgConfig::HDF5)
  if(EXISTS "${PROJECT_SOURCE_DIR}/src/cmd/main.c")
    add_executable(lode src/cmd/main.c)
    target_link_libraries(lode PRIVATE lode_flags lode_cmd)
  endif()
endif()
