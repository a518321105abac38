// What the stand-ins for the vendor's libraries share: the driver beside them, and elements.

#pragma once

#include <dlfcn.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

namespace {

// the driver beside this file, if it is the one in use

void* beside() {
  static void* found = [] {
    Dl_info self;
    dladdr(reinterpret_cast<void*>(&beside), &self);
    std::string path(self.dli_fname);
    return dlopen((path.substr(0, path.rfind('/') + 1) + "libcuda.so.1").c_str(), RTLD_NOW | RTLD_NOLOAD);
  }();
  return found;
}

template <class F>
F* entry(const char* name) {
  return beside() ? reinterpret_cast<F*>(dlsym(beside(), name)) : nullptr;
}

// elements

double widened(uint32_t bits) { float x; memcpy(&x, &bits, 4); return x; }

double from_half(uint16_t h) {
  int exponent = h >> 10 & 31, fraction = h & 1023;
  double size = exponent == 31 ? (fraction ? NAN : INFINITY)
                : exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
  return h >> 15 ? -size : size;
}

uint16_t to_bfloat(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if (std::isnan(x)) return 0x7fc0;
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

uint16_t to_half(double x) {
  uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  if (std::isnan(x)) return 0x7e00;
  x = std::fabs(x);
  if (x == 0) return sign;
  if (x >= 65520) return sign | 0x7c00;
  int exponent;
  std::frexp(x, &exponent);
  int place = exponent < -13 ? -24 : exponent - 11;
  auto digits = static_cast<int>(std::nearbyint(std::ldexp(x, -place)));
  if (exponent < -13) return sign | static_cast<uint16_t>(digits);
  return sign | static_cast<uint16_t>(((place + 24) << 10) + digits);
}

double to_tf32(double x) {
  auto f = static_cast<float>(x);
  uint32_t bits;
  memcpy(&bits, &f, 4);
  return widened((bits + 0x1000) & 0xffffe000);
}

}  // namespace
