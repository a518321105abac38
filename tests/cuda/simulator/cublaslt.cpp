// A stand-in for libcublasLt.so.13: the entry points that symfuse calls, computed on the host.
//
// It is strict where the library's manual is: sizes, leading dimensions, the addresses of an
// epilogue, workspace and alignment must be what was described. Of the recommended algorithms the
// first is the slowest, so that choosing by time shows.

#include <unistd.h>

#include <map>
#include <vector>

#include "elements.h"

namespace {

enum Status { OK = 0, NOT_INITIALIZED = 1, INVALID = 7, NOT_SUPPORTED = 15 };
enum Type { F32 = 0, F64 = 1, F16 = 2, BF16 = 14 };
enum Compute { FULL32 = 68, PEDANTIC32 = 69, FULL64 = 70, PEDANTIC64 = 71, TF32 = 77 };
enum Epilogue {
  RELU = 2, BIAS = 4, DRELU_ONLY = 8, BGRAD = 16, GELU = 32, DGELU_ONLY = 64, AUX = 128,
  BGRAD_A = 256, BGRAD_B = 512
};

struct Description { int compute, scale; std::map<int, uint64_t> set; };
struct Layout { int type; uint64_t rows, columns; int64_t leading; std::map<int, uint64_t> set; };
struct Preference { std::map<int, uint64_t> set; };

struct Algorithm { uint64_t magic, number, workspace, alignment[4], unused; };
struct Heuristic { Algorithm algorithm; size_t workspace; int state; float waves; int reserved[4]; };
static_assert(sizeof(Algorithm) == 64 && sizeof(Heuristic) == 96, "as in the library");

constexpr uint64_t MAGIC = 0x73796d66757365;

// elements

double get(const void* at, int type, int64_t n) {
  switch (type) {
    case F32: return static_cast<const float*>(at)[n];
    case F64: return static_cast<const double*>(at)[n];
    case F16: return from_half(static_cast<const uint16_t*>(at)[n]);
    default: return widened(uint32_t{static_cast<const uint16_t*>(at)[n]} << 16);
  }
}

void put(void* at, int type, int64_t n, double x) {
  switch (type) {
    case F32: static_cast<float*>(at)[n] = static_cast<float>(x); break;
    case F64: static_cast<double*>(at)[n] = x; break;
    case F16: static_cast<uint16_t*>(at)[n] = to_half(x); break;
    default: static_cast<uint16_t*>(at)[n] = to_bfloat(static_cast<float>(x));
  }
}

double cut(double x, int compute) { return compute == TF32 ? to_tf32(x) : x; }

double gelu(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }

double gelu_slope(double x) {
  double t = std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
}

// one product

struct Matrix {
  Layout layout;
  char* data;
  int batches() const { auto found = layout.set.find(5); return found == layout.set.end() ? 1 : static_cast<int>(found->second); }
  int64_t apart() const { auto found = layout.set.find(6); return found == layout.set.end() ? 0 : static_cast<int64_t>(found->second); }
  int64_t at(int batch, int64_t row, int64_t column) const { return batch * apart() + row + column * layout.leading; }
  double value(int b, int64_t r, int64_t c) const { return get(data, layout.type, at(b, r, c)); }
};

struct Work {
  Description how;
  Matrix a, b, c, d;
  double alpha, beta;
  uint64_t number;

  uint64_t option(int attribute, uint64_t otherwise = 0) const {
    auto found = how.set.find(attribute);
    return found == how.set.end() ? otherwise : found->second;
  }
  bool flip_a() const { return option(3); }
  bool flip_b() const { return option(4); }
  uint64_t epilogue() const { return option(7, 1); }
  void* bias() const { return reinterpret_cast<void*>(option(8)); }
  void* aux() const { return reinterpret_cast<void*>(option(11)); }
  int64_t depth() const { return flip_a() ? a.layout.rows : a.layout.columns; }
  double left(int n, int64_t row, int64_t k) const { return cut(flip_a() ? a.value(n, k, row) : a.value(n, row, k), how.compute); }
  double right(int n, int64_t k, int64_t column) const { return cut(flip_b() ? b.value(n, column, k) : b.value(n, k, column), how.compute); }

  double sum(int n, int64_t row, int64_t column) const {
    double total = 0;
    for (int64_t k = 0; k < depth(); k++) total += left(n, row, k) * right(n, k, column);
    return alpha * total + (beta == 0 ? 0 : beta * c.value(n, row, column));
  }

  double finished(int n, int64_t row, int64_t column, double x) const {
    uint64_t e = epilogue(), place = option(13) * n + row + column * option(12);
    auto* bits = static_cast<uint8_t*>(aux());
    if (e & BIAS) x += get(bias(), d.layout.type, row);
    if (e & DRELU_ONLY) return bits[place / 8] >> (place % 8) & 1 ? x : 0;
    if (e & DGELU_ONLY) return x * gelu_slope(get(aux(), d.layout.type, place));
    if ((e & RELU) && (e & AUX)) {
      auto bit = static_cast<uint8_t>(1 << (place % 8));
      bits[place / 8] = x > 0 ? bits[place / 8] | bit : bits[place / 8] & ~bit;
    }
    if (e & RELU) return x > 0 ? x : 0;  // NaN does not go through, so that nobody relies on it
    if ((e & GELU) && (e & AUX)) put(aux(), d.layout.type, place, x);
    return e & GELU ? gelu(x) : x;
  }

  void run() const {
    if (number == 0) usleep(500);
    int64_t rows = d.layout.rows, columns = d.layout.columns;
    uint64_t e = epilogue();
    if (e == BGRAD_A || e == BGRAD_B) gradients(e == BGRAD_A);
    std::vector<double> sums(rows);
    for (int n = 0; n < d.batches(); n++)
      for (int64_t column = 0; column < columns; column++)
        for (int64_t row = 0; row < rows; row++) {
          double x = finished(n, row, column, sum(n, row, column));
          sums[row] += x;
          put(d.data, d.layout.type, d.at(n, row, column), x);
        }
    if (e & BGRAD)
      for (int64_t row = 0; row < rows; row++) put(bias(), d.layout.type, row, sums[row]);
  }

  void gradients(bool of_a) const {
    int64_t count = of_a ? d.layout.rows : d.layout.columns;
    for (int64_t n = 0; n < count; n++) {
      double total = 0;
      for (int64_t k = 0; k < depth(); k++) total += of_a ? left(0, n, k) : right(0, k, n);
      put(bias(), d.layout.type, n, total);
    }
  }

  bool is_sound() const {
    uint64_t m = d.layout.rows, n = d.layout.columns, k = depth(), e = epilogue();
    auto fits = [](const Layout& l, uint64_t r, uint64_t q) { return l.rows == r && l.columns == q && l.leading >= static_cast<int64_t>(r); };
    bool sizes = fits(a.layout, flip_a() ? k : m, flip_a() ? m : k) && fits(b.layout, flip_b() ? n : k, flip_b() ? k : n) &&
                 fits(c.layout, m, n) && fits(d.layout, m, n) && m && n && k;
    bool one_type = a.layout.type == d.layout.type && b.layout.type == d.layout.type && c.layout.type == d.layout.type;
    bool wide = d.layout.type == F64;
    bool computes = wide ? how.scale == F64 && (how.compute == FULL64 || how.compute == PEDANTIC64) : how.scale == F32;
    bool batched = a.batches() == d.batches() && b.batches() == d.batches() && c.batches() == d.batches();
    bool beside = (!(e & (BIAS | BGRAD | BGRAD_A | BGRAD_B)) || bias()) &&
                  (!(e & AUX) || (aux() && option(12) >= m && option(12) % (e & (RELU | DRELU_ONLY) ? 128 : 8) == 0));
    bool alone = !(e & (BGRAD | BGRAD_A | BGRAD_B)) || d.batches() == 1;
    return sizes && one_type && computes && batched && beside && alone;
  }

  bool is_supported() const {  // some kinds of code have fewer epilogues than others
    return !(how.compute == PEDANTIC32 && (epilogue() & GELU));
  }
};

Work described(void* how, void* a, void* b, void* c, void* d) {
  auto matrix = [](void* layout) { return Matrix{*static_cast<Layout*>(layout), nullptr}; };
  return Work{*static_cast<Description*>(how), matrix(a), matrix(b), matrix(c), matrix(d), 1, 0, 0};
}

void run_work(void* work) {
  static_cast<Work*>(work)->run();
}

template <class T>
int store(T& where, int attribute, const void* value, size_t bytes) {
  uint64_t read = 0;
  if (bytes != 4 && bytes != 8) return INVALID;
  memcpy(&read, value, bytes);
  where.set[attribute] = read;
  return OK;
}

template <class T>
int load(T& where, int attribute, void* value, size_t bytes, size_t* written) {
  if (!where.set.count(attribute)) return INVALID;
  memcpy(value, &where.set[attribute], bytes);
  if (written) *written = bytes;
  return OK;
}

uint64_t alignment(const void* at) { return at ? reinterpret_cast<uint64_t>(at) & -reinterpret_cast<uint64_t>(at) : 256; }

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT size_t cublasLtGetVersion() { return 139900; }

EXPORT int cublasLtCreate(void** handle) {
  auto* current = entry<int(void**)>("cuCtxGetCurrent");
  void* context = nullptr;
  if (current && (current(&context) || !context)) return NOT_INITIALIZED;
  *handle = new int(7);
  return OK;
}
EXPORT int cublasLtDestroy(void* handle) { delete static_cast<int*>(handle); return OK; }

EXPORT int cublasLtMatmulDescCreate(void** made, int compute, int scale) { *made = new Description{compute, scale, {}}; return OK; }
EXPORT int cublasLtMatmulDescDestroy(void* it) { delete static_cast<Description*>(it); return OK; }
EXPORT int cublasLtMatmulDescSetAttribute(void* it, int which, const void* value, size_t bytes) { return store(*static_cast<Description*>(it), which, value, bytes); }
EXPORT int cublasLtMatmulDescGetAttribute(void* it, int which, void* value, size_t bytes, size_t* written) { return load(*static_cast<Description*>(it), which, value, bytes, written); }

EXPORT int cublasLtMatrixLayoutCreate(void** made, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  *made = new Layout{type, rows, columns, leading, {}};
  return OK;
}
EXPORT int cublasLtMatrixLayoutDestroy(void* it) { delete static_cast<Layout*>(it); return OK; }
EXPORT int cublasLtMatrixLayoutSetAttribute(void* it, int which, const void* value, size_t bytes) { return store(*static_cast<Layout*>(it), which, value, bytes); }
EXPORT int cublasLtMatrixLayoutGetAttribute(void* it, int which, void* value, size_t bytes, size_t* written) { return load(*static_cast<Layout*>(it), which, value, bytes, written); }

EXPORT int cublasLtMatmulPreferenceCreate(void** made) { *made = new Preference; return OK; }
EXPORT int cublasLtMatmulPreferenceDestroy(void* it) { delete static_cast<Preference*>(it); return OK; }
EXPORT int cublasLtMatmulPreferenceSetAttribute(void* it, int which, const void* value, size_t bytes) { return store(*static_cast<Preference*>(it), which, value, bytes); }

EXPORT int cublasLtMatmulAlgoGetHeuristic(void* handle, void* how, void* a, void* b, void* c, void* d, void* preference, int wanted, Heuristic* found, int* count) {
  *count = 0;
  if (!handle) return NOT_INITIALIZED;
  Work work = described(how, a, b, c, d);
  if (!work.is_sound()) return INVALID;
  if (!work.is_supported()) return NOT_SUPPORTED;
  auto& asked = static_cast<Preference*>(preference)->set;
  auto option = [&](int which, uint64_t otherwise) { return asked.count(which) ? asked[which] : otherwise; };
  for (uint64_t number = 0; number < 3 && *count < wanted; number++) {
    Algorithm one{MAGIC, number, number == 2 ? uint64_t{4096} : 0, {}, 0};
    for (int k = 0; k < 4; k++) one.alignment[k] = option(5 + k, 256);
    if (one.workspace <= option(1, 0)) found[(*count)++] = Heuristic{one, one.workspace, OK, 1, {}};
  }
  return OK;
}

EXPORT int cublasLtMatmulAlgoCheck(void* handle, void* how, void* a, void* b, void* c, void* d, const Algorithm* algorithm, Heuristic* found) {
  if (!handle) return NOT_INITIALIZED;
  Work work = described(how, a, b, c, d);
  if (!work.is_sound() || algorithm->magic != MAGIC) return INVALID;
  *found = Heuristic{*algorithm, algorithm->workspace, OK, 1, {}};
  return work.is_supported() ? OK : NOT_SUPPORTED;
}

EXPORT int cublasLtMatmul(void* handle, void* how, const void* alpha, const void* a, void* al, const void* b, void* bl, const void* beta, const void* c, void* cl, void* d, void* dl,
                          const Algorithm* algorithm, void* workspace, size_t bytes, void* stream) {
  if (!handle) return NOT_INITIALIZED;
  auto* work = new Work(described(how, al, bl, cl, dl));  // a captured product runs many times
  auto at = [](const void* data) { return const_cast<char*>(static_cast<const char*>(data)); };
  work->a.data = at(a), work->b.data = at(b), work->c.data = at(c), work->d.data = at(d);
  work->alpha = get(alpha, work->how.scale, 0), work->beta = get(beta, work->how.scale, 0);
  work->number = algorithm->number;
  const void* places[] = {a, b, work->beta ? c : nullptr, d};
  bool aligned = true;
  for (int k = 0; k < 4; k++) aligned = aligned && alignment(places[k]) >= algorithm->alignment[k];
  bool in_place = c != d || (cl == dl || (work->c.layout.leading == work->d.layout.leading && work->c.apart() == work->d.apart()));
  bool apart = a != d && b != d;
  bool room = bytes >= algorithm->workspace && (!algorithm->workspace || workspace);
  if (!work->is_sound() || algorithm->magic != MAGIC || !aligned || !in_place || !apart || !room || !a || !b || !d) return INVALID;
  if (!work->is_supported()) return NOT_SUPPORTED;
  if (auto* enqueue = entry<int(void*, void (*)(void*), void*)>("cuLaunchHostFunc")) return enqueue(stream, run_work, work) ? 13 : OK;
  work->run();
  delete work;
  return OK;
}
