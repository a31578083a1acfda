# Benchmarks, and the drivers of the libraries we compare against. Nothing here is built by default:
# `cmake --build <dir> --target bench`, or `bench-programs` for our own alone.
add_custom_target(bench-programs)
add_custom_target(bench DEPENDS bench-programs)
if(TARGET lode)
  add_dependencies(bench lode)
endif()

# What the drivers share.
file(GLOB bench_common CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/common/*.c")
add_library(bench_common STATIC EXCLUDE_FROM_ALL ${bench_common})
target_link_libraries(bench_common PRIVATE lode_flags)
target_include_directories(bench_common PUBLIC "${PROJECT_SOURCE_DIR}/bench" PRIVATE "${PROJECT_SOURCE_DIR}/src")

file(GLOB bench_programs CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.c")
foreach(file IN LISTS bench_programs)
  get_filename_component(name "${file}" NAME_WE)
  add_executable(bench.${name} EXCLUDE_FROM_ALL "${file}")
  set_target_properties(bench.${name} PROPERTIES OUTPUT_NAME ${name}
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
  target_link_libraries(bench.${name} PRIVATE lode_flags bench_common lode_internal)
  if(HDF5_FOUND)
    target_link_libraries(bench.${name} PRIVATE PkgConfig::HDF5)
  endif()
  add_dependencies(bench-programs bench.${name})
endforeach()

# The race against other libraries needs C++. A library that is not installed is left out of it, with a
# line that says so.
include(CheckLanguage)
check_language(CXX)
if(NOT CMAKE_CXX_COMPILER)
  message(STATUS "no C++ compiler: the peers in bench/peers are not built")
  return()
endif()
enable_language(CXX)
find_path(HNSWLIB_INCLUDE hnswlib/hnswlib.h)
find_library(FAISS_LIBRARY faiss)
find_package(OpenMP COMPONENTS CXX QUIET)
find_package(LAPACK QUIET)

# What the programs have in common, and which peers there are.
add_library(bench_peers INTERFACE)
target_compile_options(bench_peers INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-O3 -march=native>)
target_include_directories(bench_peers INTERFACE "${PROJECT_SOURCE_DIR}/include"
  "${PROJECT_SOURCE_DIR}/bench/peers")
target_link_libraries(bench_peers INTERFACE lode_internal Threads::Threads)
if(HDF5_FOUND)
  target_link_libraries(bench_peers INTERFACE PkgConfig::HDF5)
endif()
if(HNSWLIB_INCLUDE)
  target_compile_definitions(bench_peers INTERFACE BENCH_HNSWLIB)
else()
  message(STATUS "no hnswlib (Debian: libhnswlib-dev): the benchmarks do without")
endif()
if(FAISS_LIBRARY AND OpenMP_CXX_FOUND AND LAPACK_FOUND)
  target_compile_definitions(bench_peers INTERFACE BENCH_FAISS)
  target_link_libraries(bench_peers INTERFACE ${FAISS_LIBRARY} LAPACK::LAPACK OpenMP::OpenMP_CXX)
else()
  message(STATUS "no faiss (Debian: libfaiss-dev libopenblas-dev): the benchmarks do without")
endif()
add_library(bench_lode_index STATIC EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/bench/peers/lode_index.c")
target_link_libraries(bench_lode_index PRIVATE lode_flags)

# peer(NAME FILE...): a program of bench/peers.
function(peer name)
  list(TRANSFORM ARGN PREPEND "${PROJECT_SOURCE_DIR}/bench/peers/")
  add_executable(peer.${name} EXCLUDE_FROM_ALL ${ARGN})
  set_target_properties(peer.${name} PROPERTIES OUTPUT_NAME ${name} CXX_STANDARD 17
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench/peers")
  target_link_libraries(peer.${name} PRIVATE bench_lode_index bench_peers)
  add_dependencies(bench peer.${name})
endfunction()
peer(speed speed.cc measure.cc)
peer(filters filters.cc)
if(HNSWLIB_INCLUDE)
  peer(layers layers.cc measure.cc)
endif()
