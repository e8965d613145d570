# Read by CMake in every project that it configures: llama.cpp's own programs are not
# built, so neither is the library that they share, half of all there is to compile.
set(LLAMA_BUILD_COMMON OFF)
