# Every tests/<folder>/test_*.c is an executable of its own; test_*.py and test_*.sh are run as they are.
#
# Labels: the folder's name; and `concurrent` or `slow` when that word is part of the file's name.
# tests/fuzz/fuzz_*.c are executables too, which replay their corpora; tests/golden has programs that its script runs.
# Exit code 77 means skipped. Tests run with LODE_BIN (the command), LODE_SOURCE, LODE_BUILD and
# LODE_SANITIZE (empty, address or thread) in their environment.
enable_testing()

function(lode_register test file timeout)
  get_filename_component(folder "${file}" DIRECTORY)
  get_filename_component(labels "${folder}" NAME)
  get_filename_component(name "${file}" NAME_WE)
  foreach(word concurrent slow)
    if(name MATCHES "(^|_)${word}(_|$)")
      list(APPEND labels ${word})
    endif()
  endforeach()
  set_tests_properties(${test} PROPERTIES LABELS "${labels}" TIMEOUT ${timeout} SKIP_RETURN_CODE 77
    ENVIRONMENT "LODE_BIN=${PROJECT_BINARY_DIR}/lode;LODE_SOURCE=${PROJECT_SOURCE_DIR};LODE_BUILD=${PROJECT_BINARY_DIR};LODE_SANITIZE=${LODE_SANITIZE}")
endfunction()

# `tests-concurrent` builds what the tests labelled `concurrent` need, for the ThreadSanitizer run.
add_custom_target(tests-concurrent)
if(TARGET lode)
  add_dependencies(tests-concurrent lode)
endif()

file(GLOB support CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/support/*.c")
list(REMOVE_ITEM support "${PROJECT_SOURCE_DIR}/tests/support/refusing.c")
file(GLOB test_programs CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*/test_*.c")
file(GLOB test_scripts CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/tests/*/test_*.py" "${PROJECT_SOURCE_DIR}/tests/*/test_*.sh")

if(NOT CMOCKA_FOUND)
  if(test_programs)
    message(STATUS "no cmocka (Debian: libcmocka-dev): the C tests are not built")
  endif()
  set(support)
  set(test_programs)
endif()

if(support)
  add_library(lode_test_support STATIC ${support})
  target_include_directories(lode_test_support PUBLIC "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(lode_test_support PRIVATE lode_flags PUBLIC lode_internal PkgConfig::CMOCKA)
  # Of tests named *refused_memory: it holds __wrap_malloc and so on.
  add_library(lode_test_refusing STATIC "${PROJECT_SOURCE_DIR}/tests/support/refusing.c")
  target_include_directories(lode_test_refusing PUBLIC "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(lode_test_refusing PRIVATE lode_flags)
  target_link_options(lode_test_refusing INTERFACE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
    -Wl,--wrap=strdup,--wrap=posix_memalign)
endif()

foreach(file IN LISTS test_programs)
  get_filename_component(name "${file}" NAME_WE)
  get_filename_component(folder "${file}" DIRECTORY)
  get_filename_component(folder "${folder}" NAME)
  add_executable(${folder}.${name} "${file}")
  set_target_properties(${folder}.${name} PROPERTIES OUTPUT_NAME ${name}
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/${folder}")
  target_include_directories(${folder}.${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(${folder}.${name} PRIVATE lode_flags
    $<TARGET_NAME_IF_EXISTS:lode_test_support> $<TARGET_NAME_IF_EXISTS:lode_service>
    $<$<STREQUAL:${folder},cmd>:lode_cmd> lode_internal PkgConfig::CMOCKA)
  if(name MATCHES "(^|_)refused_memory$")
    target_link_libraries(${folder}.${name} PRIVATE lode_test_refusing)
  endif()
  add_test(NAME ${folder}/${name} COMMAND ${folder}.${name})
  lode_register(${folder}/${name} "${file}" 300)
  if(name MATCHES "(^|_)concurrent(_|$)")
    add_dependencies(tests-concurrent ${folder}.${name})
  endif()
endforeach()

# Once more on a disk that allocates otherwise (tests/support/small_disk.h).
if(TARGET engine.test_full_disk_concurrent)
  add_test(NAME engine/test_full_disk_ext4 COMMAND engine.test_full_disk_concurrent)
  lode_register(engine/test_full_disk_ext4
    "${PROJECT_SOURCE_DIR}/tests/engine/test_full_disk_concurrent.c" 300)
  set_property(TEST engine/test_full_disk_ext4 APPEND PROPERTY ENVIRONMENT LODE_TEST_DISK=ext4)
endif()

# Once more with databases that are encrypted (tests/support/key_kit.h); fewer rounds of what takes long.
set(encrypted_faults LODE_FAULT_LIVES=1 LODE_CRASH_ROUNDS=40)
set(encrypted_lies LODE_CRASH_ROUNDS=100)
foreach(name crash repair model named point_in_time kept_states expiry_concurrent
    read_only requests text search scroll groups damage damage_concurrent faults lies failed_sync ack full_disk
    backup backup_place)
  if(TARGET engine.test_${name})
    set(test engine/test_${name}_encrypted)
    add_test(NAME ${test} COMMAND engine.test_${name})
    lode_register(${test} "${PROJECT_SOURCE_DIR}/tests/engine/test_${name}.c" 300)
    set_property(TEST ${test} APPEND PROPERTY ENVIRONMENT LODE_TEST_KEY=1 ${encrypted_${name}})
    set_property(TEST ${test} APPEND PROPERTY LABELS encrypted)
    if(name MATCHES "^(crash|faults|kept_states|backup)$") # minutes under a sanitizer; those without a key run there
      set_property(TEST ${test} APPEND PROPERTY LABELS slow)
    endif()
  endif()
endforeach()
# A server that scripts of tests/net run.
if(TARGET lode_service)
  add_executable(net.net_echo "${PROJECT_SOURCE_DIR}/tests/net/net_echo.c")
  set_target_properties(net.net_echo PROPERTIES OUTPUT_NAME net_echo
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/net")
  target_link_libraries(net.net_echo PRIVATE lode_flags lode_service lode_internal)
  add_dependencies(tests-concurrent net.net_echo)
endif()

# Programs that scripts of tests/golden run.
if(support)
  foreach(name generate check)
    add_executable(golden.${name} "${PROJECT_SOURCE_DIR}/tests/golden/${name}.c")
    set_target_properties(golden.${name} PROPERTIES OUTPUT_NAME ${name}
      RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/golden")
    target_link_libraries(golden.${name} PRIVATE lode_flags lode_test_support lode_internal PkgConfig::CMOCKA)
  endforeach()
endif()

# Every harness of tests/fuzz, on what its corpus holds and on changed copies of that.
file(GLOB harnesses CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_*.c")
if(support AND TARGET lode_cmd)
  foreach(file IN LISTS harnesses)
    get_filename_component(name "${file}" NAME_WE)
    string(REPLACE "fuzz_" "" name ${name})
    add_executable(fuzz.${name} "${file}" "${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c")
    set_target_properties(fuzz.${name} PROPERTIES OUTPUT_NAME replay_${name}
      RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/fuzz")
    target_include_directories(fuzz.${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
    target_link_libraries(fuzz.${name} PRIVATE lode_flags lode_test_support lode_cmd lode_internal
      PkgConfig::CMOCKA)
    add_test(NAME fuzz/${name} COMMAND fuzz.${name} "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}")
    lode_register(fuzz/${name} "${file}" 120)
  endforeach()
endif()

foreach(file IN LISTS test_scripts)
  get_filename_component(name "${file}" NAME)
  get_filename_component(folder "${file}" DIRECTORY)
  get_filename_component(folder "${folder}" NAME)
  if(name MATCHES "\\.py$")
    add_test(NAME ${folder}/${name} COMMAND python3 "${file}")
  else()
    add_test(NAME ${folder}/${name} COMMAND bash "${file}")
  endif()
  lode_register(${folder}/${name} "${file}" 300)
endforeach()
