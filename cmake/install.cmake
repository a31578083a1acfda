# What `make install` puts in place: the header, both libraries, the command, and what pkg-config and
# find_package() need. tests/install proves each of them with a small program.
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/lode")

set_target_properties(lode_shared PROPERTIES EXPORT_NAME lode)
set_target_properties(lode_static PROPERTIES EXPORT_NAME static)
install(TARGETS lode_shared lode_static EXPORT lode-targets)
install(EXPORT lode-targets NAMESPACE lode:: DESTINATION "${package_dir}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/lode" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h")
if(TARGET lode)
  install(TARGETS lode)
endif()

configure_package_config_file(cmake/lode-config.cmake.in "${PROJECT_BINARY_DIR}/lode-config.cmake"
  INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/lode-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/lode-config.cmake" "${PROJECT_BINARY_DIR}/lode-config-version.cmake"
  DESTINATION "${package_dir}")

# ${pcfiledir} makes the file relocatable: it works wherever the tree is moved to.
file(RELATIVE_PATH LODE_PC_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" LODE_PC_PREFIX "${LODE_PC_PREFIX}")
configure_file(cmake/lode.pc.in "${PROJECT_BINARY_DIR}/lode.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/lode.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
