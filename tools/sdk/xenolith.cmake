# SPDX-License-Identifier: MIT
#
# CMake's toolchain file for images of Xenolith:
#   cmake -DCMAKE_TOOLCHAIN_FILE=PREFIX/share/xenolith/xenolith.cmake ...
# The executable NAME is then an image NAME.elf for kernel= of xl.

set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_CROSSCOMPILING TRUE)
set(XENOLITH TRUE)

get_filename_component(XENOLITH_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../.."
    ABSOLUTE)
set(CMAKE_C_COMPILER "${XENOLITH_PREFIX}/bin/xenolith-cc")
set(CMAKE_ASM_COMPILER "${CMAKE_C_COMPILER}")
set(CMAKE_EXECUTABLE_SUFFIX .elf)
set(CMAKE_EXECUTABLE_SUFFIX_C .elf)

# Programs come from the host; headers and libraries never.
set(CMAKE_FIND_ROOT_PATH "${XENOLITH_PREFIX}/lib/xenolith/sysroot")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
