// A stand-in for libcudnn.so.9: the entry points that symfuse calls, computed on the host.
//
// Its engines are there to show what is made of the library's advice: one is slow, one rounds as
// tensor cores do, one is wrong by what a transform loses, one gives other results each time, one
// needs more memory than there is. Those that need a workspace overwrite all of it.

#include <unistd.h>

#include <atomic>
#include <memory>

#include "cudnn_descriptors.h"
#include "elements.h"

namespace {

double get(const void* at, int type, int64_t n) {
  switch (type) {
    case FLOAT: return static_cast<const float*>(at)[n];
    case DOUBLE: return static_cast<const double*>(at)[n];
    case HALF: return from_half(static_cast<const uint16_t*>(at)[n]);
    default: return widened(uint32_t{static_cast<const uint16_t*>(at)[n]} << 16);
  }
}

void put(void* at, int type, int64_t n, double x) {
  switch (type) {
    case FLOAT: static_cast<float*>(at)[n] = static_cast<float>(x); break;
    case DOUBLE: static_cast<double*>(at)[n] = x; break;
    case HALF: static_cast<uint16_t*>(at)[n] = to_half(x); break;
    default: static_cast<uint16_t*>(at)[n] = to_bfloat(static_cast<float>(x));
  }
}

struct Engine { int64_t number; std::vector<int> notes; int64_t workspace; };
enum Notes { TENSOR_CORE = 0, NONDETERMINISTIC = 4, WINOGRAD = 5 };
const std::vector<Engine> RECOMMENDED = {
    {10, {}, 0}, {11, {TENSOR_CORE}, 0}, {12, {NONDETERMINISTIC}, 0}, {13, {WINOGRAD}, 0}, {14, {}, int64_t{1} << 40}, {15, {}, 4096}, {16, {}, 0}};
const std::vector<Engine> FALLBACK = {{0, {}, 0}};

const Engine& engine_of(int64_t number) {
  for (const auto* list : {&RECOMMENDED, &FALLBACK})
    for (const Engine& one : *list)
      if (one.number == number) return one;
  return FALLBACK[0];
}

// one execution

struct View {
  std::vector<int64_t> extents, strides;
  int type;
  char* data = nullptr;
  int64_t place(const std::vector<int64_t>& index) const {
    int64_t found = 0;
    for (size_t n = 0; n < index.size(); n++) found += extents[n] == 1 ? 0 : index[n] * strides[n];
    return found;
  }
  double value(const std::vector<int64_t>& index) const { return get(data, type, place(index)); }
  void store(const std::vector<int64_t>& index, double x) const { put(data, type, place(index), x); }
};

template <class F>
void each(const std::vector<int64_t>& extents, F f) {
  int64_t total = 1;
  for (int64_t n : extents) total *= n;
  std::vector<int64_t> index(extents.size(), 0);
  for (int64_t n = 0; n < total; n++) {
    f(index);
    for (size_t k = extents.size(); k-- > 0;) {
      if (++index[k] < extents[k]) break;
      index[k] = 0;
    }
  }
}

struct Step { int kind, mode = 0; int64_t axis = 0; std::vector<int64_t> padding, strides, dilation; View w, x, y, t; };

struct Work {
  Engine engine;
  std::vector<Step> steps;
  std::vector<std::unique_ptr<std::vector<char>>> own;  // memory of what is never stored
  char* workspace;

  double in(double x) const { return engine.number == 11 ? to_tf32(x) : x; }

  // All three convolutions are one loop: over results, kernels and channels.
  void convolve(const Step& s) const {
    int64_t groups = s.x.extents[1] / s.w.extents[1], own = s.w.extents[0] / groups;
    const View& out = s.kind == FORWARD ? s.y : s.kind == BACKWARD_DATA ? s.x : s.w;
    int64_t count = 1;
    for (int64_t n : out.extents) count *= n;
    std::vector<double> sums(count, 0);
    auto at = [&](const std::vector<int64_t>& index) {
      int64_t found = 0;
      for (size_t n = 0; n < index.size(); n++) found = found * out.extents[n] + index[n];
      return found;
    };
    std::vector<int64_t> source(s.x.extents.size());
    each(s.y.extents, [&](const std::vector<int64_t>& y) {
      each(s.w.extents, [&](const std::vector<int64_t>& w) {
        if (w[0] != y[1]) return;
        source[0] = y[0], source[1] = w[0] / own * s.w.extents[1] + w[1];
        for (size_t n = 2; n < y.size(); n++) {
          source[n] = y[n] * s.strides[n - 2] + w[n] * s.dilation[n - 2] - s.padding[n - 2];
          if (source[n] < 0 || source[n] >= s.x.extents[n]) return;
        }
        if (s.kind == FORWARD) sums[at(y)] += in(s.x.value(source)) * in(s.w.value(w));
        if (s.kind == BACKWARD_DATA) sums[at(source)] += in(s.y.value(y)) * in(s.w.value(w));
        if (s.kind == BACKWARD_FILTER) sums[at(w)] += in(s.y.value(y)) * in(s.x.value(source));
      });
    });
    each(out.extents, [&](const std::vector<int64_t>& index) { out.store(index, spoilt(sums[at(index)])); });
  }

  double spoilt(double x) const {
    static std::atomic<int> turn{0};
    if (engine.number == 12) return x + 1 + turn++ % 7;
    return engine.number == 13 ? x * 1.001 : x;
  }

  void pointwise(const Step& s) const {
    each(s.y.extents, [&](const std::vector<int64_t>& index) {
      double x = s.x.value(index), b = s.w.data ? s.w.value(index) : 0;
      switch (s.mode) {
        case ADD: x += b; break;
        case MUL: x *= b; break;
        case DIV: x /= b; break;
        case SUB: x -= b; break;
        case EXP: x = std::exp(x); break;
        case LOG: x = std::log(x); break;
        case RELU: x = x > 0 ? x : 0; break;  // NaN does not go through, so that nobody relies on it
        case CMP_GE: x = x >= b; break;
        case GEN_INDEX: x = static_cast<double>(index[s.axis]); break;
        default: x = s.t.value(index) != 0 ? x : b;
      }
      s.y.store(index, x);
    });
  }

  void multiply(const Step& s) const {
    size_t last = s.y.extents.size() - 1;
    each(s.y.extents, [&](std::vector<int64_t> index) {
      auto left = index, right = index;
      double total = 0;
      for (int64_t k = 0; k < s.x.extents[last]; k++) {
        left[last] = right[last - 1] = k;
        total += s.x.value(left) * s.w.value(right);
      }
      s.y.store(index, total);
    });
  }

  void reduce(const Step& s) const {
    each(s.y.extents, [&](const std::vector<int64_t>& index) { s.y.store(index, s.mode == 3 ? -INFINITY : 0); });
    each(s.x.extents, [&](std::vector<int64_t> index) {
      double x = s.x.value(index), old = s.y.value(index);
      s.y.store(index, s.mode == 3 ? std::fmax(old, x) : old + x);
    });
  }

  void run() const {
    if (engine.number == 10) usleep(500);
    if (engine.workspace) memset(workspace, 0xFF, engine.workspace);
    for (const Step& s : steps) {
      if (s.kind == POINTWISE_OPERATION) pointwise(s);
      else if (s.kind == MATMUL_OPERATION) multiply(s);
      else if (s.kind == REDUCTION_OPERATION) reduce(s);
      else convolve(s);
    }
  }
};

void run_work(void* work) { static_cast<Work*>(work)->run(); }

int described(const Descriptor& plan, const Descriptor& pack, Work& work) {
  const Descriptor& config = *plan.other(401);
  work.engine = engine_of(config.engine);
  work.workspace = reinterpret_cast<char*>(pack.number(1003));
  if (work.engine.workspace && !work.workspace) return fail(BAD, "the plan needs a workspace");
  std::map<int64_t, char*> data;
  auto names = pack.numbers(1000), places = pack.numbers(1001);
  for (size_t n = 0; n < names.size(); n++)
    if (!data.emplace(names[n], reinterpret_cast<char*>(places[n])).second) return fail(BAD, "an identifier is there twice");
  std::set<int64_t> used;
  std::map<int64_t, char*> made;
  int status = OK;
  auto view = [&](const Descriptor* t) {
    int type = t->choice(901);
    View found{t->numbers(902), t->numbers(903), type == INT32 || type == TRUTH ? int{DOUBLE} : type, nullptr};
    int64_t name = t->number(906);
    if (t->flag(907)) {
      if (!made.count(name)) {
        int64_t room = 8;
        for (size_t n = 0; n < found.extents.size(); n++) room += (found.extents[n] - 1) * found.strides[n] * 8;
        work.own.push_back(std::make_unique<std::vector<char>>(room, char(0xFF)));
        made[name] = work.own.back()->data();
      }
      found.data = made[name];
    } else {
      used.insert(name);
      found.data = data.count(name) ? data[name] : nullptr;
      if (!found.data) status = fail(BAD, "a tensor has no address");
      else if (reinterpret_cast<uint64_t>(found.data) % t->number(900)) status = fail(2003, "an address is not aligned as the tensor says");
    }
    return found;
  };
  for (const Descriptor* op : operations(*config.graph)) {
    Step step;
    step.kind = op->kind;
    if (op->kind == POINTWISE_OPERATION) {
      const Descriptor* how = op->other(750);
      step.mode = how->choice(0), step.axis = how->number(9), step.x = view(op->other(751)), step.y = view(op->other(753));
      if (op->has(752)) step.w = view(op->other(752));
      if (op->has(758)) step.t = view(op->other(758));
    } else if (op->kind == MATMUL_OPERATION) {
      step.x = view(op->other(1520)), step.w = view(op->other(1521)), step.y = view(op->other(1522));
    } else if (op->kind == REDUCTION_OPERATION) {
      step.mode = op->other(1612)->choice(1600), step.x = view(op->other(1610)), step.y = view(op->other(1611));
    } else {
      Tensors t = tensors_of(*op);
      step.w = view(t.w), step.x = view(t.x), step.y = view(t.y);
      step.padding = t.how->numbers(105), step.strides = t.how->numbers(103), step.dilation = t.how->numbers(102);
    }
    work.steps.push_back(step);
  }
  if (used.size() != data.size()) return fail(BAD, "an address belongs to no tensor");
  return status;
}

const std::vector<Engine>& advice(const Descriptor& heuristics) { return heuristics.choice(200) == 3 ? RECOMMENDED : FALLBACK; }

int copy_out(int64_t wanted, int64_t* found, void* into, const void* from, int64_t count, size_t size) {
  *found = count;
  if (into && wanted < count) count = wanted;
  if (into) memcpy(into, from, count * size);
  return OK;
}

struct Handle { void* stream = nullptr; };

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT size_t cudnnGetVersion() { return 92800; }
EXPORT const char* cudnnGetErrorString(int status) {
  return status == UNSUPPORTED ? "CUDNN_STATUS_NOT_SUPPORTED" : status < 2000 ? "CUDNN_STATUS_NOT_INITIALIZED" : status < 3000 ? "CUDNN_STATUS_BAD_PARAM" : "CUDNN_STATUS_EXECUTION_FAILED";
}
EXPORT void cudnnGetLastErrorString(char* message, size_t room) {
  strncpy(message, words().c_str(), room - 1);
  message[room - 1] = 0;
}

EXPORT int cudnnCreate(void** handle) {
  auto* current = entry<int(void**)>("cuCtxGetCurrent");
  void* context = nullptr;
  if (current && (current(&context) || !context)) return fail(NOT_INITIALIZED, "there is no context");
  *handle = new Handle;
  return OK;
}
EXPORT int cudnnDestroy(void* handle) { delete static_cast<Handle*>(handle); return OK; }
EXPORT int cudnnSetStream(void* handle, void* stream) { static_cast<Handle*>(handle)->stream = stream; return OK; }

EXPORT int cudnnBackendCreateDescriptor(int kind, Descriptor** made) {
  if (!attributes().count(kind)) return fail(UNSUPPORTED, "descriptor " + std::to_string(kind) + " is unknown");
  *made = new Descriptor;
  (*made)->kind = kind;
  return OK;
}
EXPORT int cudnnBackendDestroyDescriptor(Descriptor* it) { delete it; return OK; }
EXPORT int cudnnBackendSetAttribute(Descriptor* it, int which, int type, int64_t count, const void* values) { return it->put(which, type, count, values); }
EXPORT int cudnnBackendFinalize(Descriptor* it) { return it->finish(); }

EXPORT int cudnnBackendGetAttribute(Descriptor* it, int which, int type, int64_t wanted, int64_t* found, void* values) {
  if (it->kind != ENGINE && !it->finalised) return fail(NOT_FINALIZED, "it is not finalised");
  if (it->kind == HEURISTICS && which == 202 && type == DESCRIPTOR) {
    const auto& list = advice(*it);
    *found = static_cast<int64_t>(list.size());
    for (int64_t n = 0; values && n < wanted && n < *found; n++) {
      Descriptor* config = static_cast<Descriptor**>(values)[n];
      if (config->kind != ENGINE_CONFIG) return fail(WRONG_KIND, "results are engine configurations");
      config->finalised = true, config->graph = it->other(201), config->engine = list[n].number;
    }
    return OK;
  }
  if (it->kind == ENGINE_CONFIG && which == 300 && type == DESCRIPTOR && values && wanted == 1) {
    Descriptor* engine = static_cast<Descriptor**>(values)[0];
    if (engine->kind != ENGINE) return fail(WRONG_KIND, "the engine of a configuration is an engine");
    engine->finalised = true, engine->graph = it->graph, engine->engine = it->engine;
    *found = 1;
    return OK;
  }
  if (it->kind == ENGINE && which == 1301 && type == INT64) return copy_out(wanted, found, values, &it->engine, 1, 8);
  if (it->kind == ENGINE && which == 1303 && type == NOTE) {
    const auto& notes = engine_of(it->engine).notes;
    return copy_out(wanted, found, values, notes.data(), static_cast<int64_t>(notes.size()), 4);
  }
  if (it->kind == PLAN && which == 402 && type == INT64) return copy_out(wanted, found, values, &engine_of(it->other(401)->engine).workspace, 1, 8);
  return fail(UNSUPPORTED, "attribute " + std::to_string(which) + " cannot be read");
}

EXPORT int cudnnBackendExecute(void* handle, Descriptor* plan, Descriptor* pack) {
  if (!handle) return NOT_INITIALIZED;
  if (plan->kind != PLAN || pack->kind != PACK || !plan->finalised || !pack->finalised) return fail(NOT_FINALIZED, "a plan and a variant pack, both finalised");
  auto* work = new Work;  // a captured plan runs many times
  if (int status = described(*plan, *pack, *work)) {
    delete work;
    return status;
  }
  if (auto* enqueue = entry<int(void*, void (*)(void*), void*)>("cuLaunchHostFunc")) return enqueue(static_cast<Handle*>(handle)->stream, run_work, work) ? FAILED : OK;
  work->run();
  delete work;
  return OK;
}
