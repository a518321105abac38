// Descriptors of the stand-in for cuDNN: which attributes each kind has, and what makes it sound.
//
// Numbers and rules are those of cudnn_graph.h. An attribute of another kind, type or count, one
// that is missing, a reference to what is not finalised, a change after the end: all are errors, and
// the last one is kept as words.

#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

enum Status {
  OK = 0, NOT_INITIALIZED = 1001, BAD = 2000, NOT_FINALIZED = 2004, WRONG_SHAPE = 2008, WRONG_TYPE = 2010,
  WRONG_KIND = 2012, UNSUPPORTED = 3000, FAILED = 5000
};
enum DataType { FLOAT = 0, DOUBLE = 1, HALF = 2, INT32 = 4, BFLOAT16 = 9, TRUTH = 11 };
enum Type { HANDLE = 0, DATA_TYPE = 1, BOOLEAN = 2, INT64 = 3, REAL32 = 4, REAL64 = 5, POINTER = 6, CONV_MODE = 7, HEUR_MODE = 8, NOTE = 11, POINTWISE_MODE = 14, DESCRIPTOR = 15, REDUCTION_MODE = 18 };
enum Kind {
  POINTWISE = 0, CONVOLUTION = 1, ENGINE = 2, ENGINE_CONFIG = 3, HEURISTICS = 4, PLAN = 5, FORWARD = 10, BACKWARD_FILTER = 11,
  BACKWARD_DATA = 12, POINTWISE_OPERATION = 13, GRAPH = 15, PACK = 16, TENSOR = 17, MATMUL = 18, MATMUL_OPERATION = 19,
  REDUCTION = 21, REDUCTION_OPERATION = 22
};
enum Mode { ADD = 0, MUL = 1, DIV = 6, SUB = 9, EXP = 13, LOG = 15, RELU = 100, CMP_GE = 303, GEN_INDEX = 501, SELECT = 601 };
constexpr int64_t MOST = 8, ANY = 1 << 20;

std::string& words() {
  static thread_local std::string told;
  return told;
}

int fail(int status, const std::string& why) {
  words() = why;
  return status;
}

struct Descriptor;

struct Value {
  int type;
  int64_t count;
  std::vector<char> bytes;
  template <class T>
  T at(int64_t n) const {
    T found;
    memcpy(&found, bytes.data() + n * sizeof(T), sizeof(T));
    return found;
  }
};

struct Attribute { std::set<int> types; int64_t least, most; bool required; int of = -1; };

size_t size_of(int type) {
  switch (type) {
    case BOOLEAN: return 1;
    case INT64: case REAL64: case HANDLE: case POINTER: case DESCRIPTOR: return 8;
    default: return 4;
  }
}

std::map<int, Attribute> of_convolution(int alpha, int beta, int how, int w, int x, int y) {
  std::map<int, Attribute> found = {{alpha, {{REAL32, REAL64}, 1, 1, true}}, {beta, {{REAL32, REAL64}, 1, 1, true}}, {how, {{DESCRIPTOR}, 1, 1, true, CONVOLUTION}}};
  for (int tensor : {w, x, y}) found[tensor] = {{DESCRIPTOR}, 1, 1, true, TENSOR};
  return found;
}

const std::map<int, std::map<int, Attribute>>& attributes() {
  static const std::map<int, std::map<int, Attribute>> table = {
      {TENSOR, {{900, {{INT64}, 1, 1, true}}, {901, {{DATA_TYPE}, 1, 1, true}}, {902, {{INT64}, 1, MOST, true}}, {903, {{INT64}, 1, MOST, true}},
                {906, {{INT64}, 1, 1, true}}, {907, {{BOOLEAN}, 1, 1, false}}, {908, {{BOOLEAN}, 1, 1, false}}}},
      {CONVOLUTION, {{100, {{DATA_TYPE}, 1, 1, true}}, {101, {{CONV_MODE}, 1, 1, true}}, {102, {{INT64}, 1, MOST, true}}, {103, {{INT64}, 1, MOST, true}},
                     {104, {{INT64}, 1, MOST, true}}, {105, {{INT64}, 1, MOST, true}}, {106, {{INT64}, 1, 1, true}}}},
      {POINTWISE, {{0, {{POINTWISE_MODE}, 1, 1, true}}, {1, {{DATA_TYPE}, 1, 1, true}}, {9, {{INT64}, 1, 1, false}}}},
      {MATMUL, {{1500, {{DATA_TYPE}, 1, 1, true}}}},
      {MATMUL_OPERATION, {{1520, {{DESCRIPTOR}, 1, 1, true, TENSOR}}, {1521, {{DESCRIPTOR}, 1, 1, true, TENSOR}}, {1522, {{DESCRIPTOR}, 1, 1, true, TENSOR}}, {1523, {{DESCRIPTOR}, 1, 1, true, MATMUL}}}},
      {REDUCTION, {{1600, {{REDUCTION_MODE}, 1, 1, true}}, {1601, {{DATA_TYPE}, 1, 1, true}}}},
      {REDUCTION_OPERATION, {{1610, {{DESCRIPTOR}, 1, 1, true, TENSOR}}, {1611, {{DESCRIPTOR}, 1, 1, true, TENSOR}}, {1612, {{DESCRIPTOR}, 1, 1, true, REDUCTION}}}},
      {FORWARD, of_convolution(700, 701, 702, 703, 704, 705)},
      {BACKWARD_DATA, of_convolution(706, 707, 708, 709, 710, 711)},
      {BACKWARD_FILTER, of_convolution(712, 713, 714, 715, 716, 717)},
      {POINTWISE_OPERATION, {{750, {{DESCRIPTOR}, 1, 1, true, POINTWISE}}, {751, {{DESCRIPTOR}, 1, 1, true, TENSOR}}, {752, {{DESCRIPTOR}, 1, 1, false, TENSOR}}, {753, {{DESCRIPTOR}, 1, 1, true, TENSOR}}, {758, {{DESCRIPTOR}, 1, 1, false, TENSOR}}}},
      {GRAPH, {{800, {{HANDLE}, 1, 1, false}}, {801, {{DESCRIPTOR}, 1, ANY, true}}}},
      {HEURISTICS, {{200, {{HEUR_MODE}, 1, 1, true}}, {201, {{DESCRIPTOR}, 1, 1, true, GRAPH}}}},
      {ENGINE, {}}, {ENGINE_CONFIG, {}},
      {PLAN, {{400, {{HANDLE}, 1, 1, true}}, {401, {{DESCRIPTOR}, 1, 1, true, ENGINE_CONFIG}}}},
      {PACK, {{1000, {{INT64}, 0, ANY, true}}, {1001, {{POINTER}, 0, ANY, true}}, {1003, {{POINTER}, 1, 1, true}}}},
  };
  return table;
}

struct Descriptor {
  int kind = -1;
  bool finalised = false;
  std::map<int, Value> set;
  // what the library fills in: the graph and the number of an engine
  const Descriptor* graph = nullptr;
  int64_t engine = -1;

  bool has(int which) const { return set.count(which) != 0; }
  int64_t number(int which, int64_t otherwise = 0) const { return has(which) ? set.at(which).at<int64_t>(0) : otherwise; }
  int choice(int which) const { return set.at(which).at<int>(0); }
  bool flag(int which) const { return has(which) && set.at(which).at<bool>(0); }
  double real(int which) const { const Value& v = set.at(which); return v.type == REAL64 ? v.at<double>(0) : v.at<float>(0); }
  const Descriptor* other(int which, int64_t n = 0) const { return has(which) ? set.at(which).at<const Descriptor*>(n) : nullptr; }
  std::vector<int64_t> numbers(int which) const {
    std::vector<int64_t> found;
    for (int64_t n = 0; n < set.at(which).count; n++) found.push_back(set.at(which).at<int64_t>(n));
    return found;
  }

  int put(int which, int type, int64_t count, const void* values) {
    auto known = attributes().at(kind).find(which);
    std::string name = "attribute " + std::to_string(which) + " of descriptor " + std::to_string(kind);
    if (finalised) return fail(BAD, name + ": the descriptor is finalised");
    if (known == attributes().at(kind).end()) return fail(UNSUPPORTED, name + " does not exist");
    const Attribute& rule = known->second;
    if (!rule.types.count(type)) return fail(WRONG_TYPE, name + " is of another type");
    if (count < rule.least || count > rule.most || (count && !values)) return fail(BAD, name + " has another count");
    if (type == DESCRIPTOR)
      for (int64_t n = 0; n < count; n++) {
        auto* one = static_cast<Descriptor* const*>(values)[n];
        if (!one || !one->finalised) return fail(NOT_FINALIZED, name + " refers to what is not finalised");
        if (rule.of >= 0 && one->kind != rule.of) return fail(WRONG_KIND, name + " refers to another kind");
      }
    auto* bytes = static_cast<const char*>(values);
    set[which] = Value{type, count, std::vector<char>(bytes, bytes + count * size_of(type))};
    return OK;
  }

  int finish();
};

int rank(const Descriptor* tensor) { return static_cast<int>(tensor->set.at(902).count); }

int check_tensor(const Descriptor& t) {
  static const std::map<int, int> sizes = {{FLOAT, 4}, {DOUBLE, 8}, {HALF, 2}, {BFLOAT16, 2}, {INT32, 4}, {TRUTH, 1}};
  auto size = sizes.find(t.choice(901));
  if (size == sizes.end()) return fail(UNSUPPORTED, "a tensor of another data type");
  if (t.set.at(902).count != t.set.at(903).count) return fail(WRONG_SHAPE, "a tensor has as many strides as dimensions");
  for (int which : {902, 903})
    for (int64_t n : t.numbers(which))
      if (n < 1) return fail(BAD, "dimensions and strides are positive");
  int64_t alignment = t.number(900);
  if (alignment < 1 || alignment % size->second || (alignment & (alignment - 1))) return fail(BAD, "the alignment does not fit the data type");
  if (t.flag(907) && t.flag(908)) return fail(BAD, "a value is not virtual");
  if ((t.choice(901) == INT32 || t.choice(901) == TRUTH) && !t.flag(907)) return fail(UNSUPPORTED, "whole numbers are on their way only");
  return OK;
}

int check_window(const Descriptor& c) {
  int64_t axes = c.number(106);
  for (int which : {102, 103, 104, 105})
    if (c.set.at(which).count != axes) return fail(WRONG_SHAPE, "as many numbers as spatial dimensions");
  if (axes < 2) return fail(UNSUPPORTED, "there are two spatial dimensions at least");
  if (c.choice(101) != 1) return fail(UNSUPPORTED, "only cross-correlation");
  for (int64_t n = 0; n < axes; n++)
    if (c.numbers(102)[n] < 1 || c.numbers(103)[n] < 1 || c.numbers(104)[n] < 0 || c.numbers(105)[n] < 0) return fail(BAD, "dilations, strides or paddings");
  return OK;
}

// Where the tensors of the three convolutions are: w, x, y; how; alpha and beta stand before.
int first_of(int kind) { return kind == FORWARD ? 700 : kind == BACKWARD_DATA ? 706 : 712; }
struct Tensors { const Descriptor *w, *x, *y, *how; };
Tensors tensors_of(const Descriptor& op) {
  int first = first_of(op.kind);
  return {op.other(first + 3), op.other(first + 4), op.other(first + 5), op.other(first + 2)};
}

int check_convolution(const Descriptor& op) {
  Tensors t = tensors_of(op);
  int axes = static_cast<int>(t.how->number(106));
  for (const Descriptor* one : {t.w, t.x, t.y})
    if (rank(one) != axes + 2) return fail(WRONG_SHAPE, "a tensor has two dimensions more than space");
  auto w = t.w->numbers(902), x = t.x->numbers(902), y = t.y->numbers(902);
  if (x[0] != y[0] || w[0] != y[1] || x[1] % w[1] || w[0] % (x[1] / w[1])) return fail(WRONG_SHAPE, "batches or channels differ");
  for (int n = 0; n < axes; n++) {
    int64_t span = (w[2 + n] - 1) * t.how->numbers(102)[n] + 1;
    int64_t room = x[2 + n] + t.how->numbers(105)[n] + t.how->numbers(104)[n] - span;
    if (room < 0 || room / t.how->numbers(103)[n] + 1 != y[2 + n]) return fail(WRONG_SHAPE, "is_valid_convolution(xDesc, wDesc, cDesc, yDesc)");
  }
  if (op.real(first_of(op.kind)) != 1 || op.real(first_of(op.kind) + 1) != 0) return fail(UNSUPPORTED, "alpha is 1 and beta 0");
  bool wide = t.how->choice(100) == DOUBLE;
  for (const Descriptor* one : {t.w, t.x, t.y})
    if ((one->choice(901) == DOUBLE) != wide) return fail(BAD, "the data type is not that of the computation");
  return OK;
}

int check_pointwise(const Descriptor& op) {
  const Descriptor *x = op.other(751), *b = op.other(752), *y = op.other(753), *t = op.other(758);
  int mode = op.other(750)->choice(0);
  static const std::set<int> alone = {EXP, LOG, RELU, GEN_INDEX}, pairs = {ADD, MUL, DIV, SUB, CMP_GE, SELECT};
  if (!alone.count(mode) && !pairs.count(mode)) return fail(UNSUPPORTED, "another pointwise mode");
  if (pairs.count(mode) != (b != nullptr)) return fail(BAD, "a second operand belongs to modes of two");
  if ((mode == SELECT) != (t != nullptr) || (t && t->choice(901) != TRUTH)) return fail(BAD, "a mask of truth values belongs to a selection");
  if ((mode == GEN_INDEX) != op.other(750)->has(9)) return fail(BAD, "an axis belongs to an index");
  if ((mode == CMP_GE) != (y->choice(901) == TRUTH) || (mode == GEN_INDEX) != (y->choice(901) == INT32)) return fail(BAD, "another data type of the result");
  if (x->numbers(902) != y->numbers(902)) return fail(WRONG_SHAPE, "operand and result differ");
  if (b) {
    if (rank(b) != rank(y)) return fail(WRONG_SHAPE, "the operands have different ranks");
    for (int n = 0; n < rank(b); n++)
      if (b->numbers(902)[n] != 1 && b->numbers(902)[n] != y->numbers(902)[n]) return fail(WRONG_SHAPE, "the second operand cannot be broadcast");
  }
  return OK;
}

int check_matmul(const Descriptor& op) {
  auto a = op.other(1520)->numbers(902), b = op.other(1521)->numbers(902), c = op.other(1522)->numbers(902);
  if (a.size() != b.size() || a.size() != c.size() || a.size() < 3) return fail(WRONG_SHAPE, "matrices of one rank");
  size_t n = a.size();
  for (size_t k = 0; k + 2 < n; k++)
    if (a[k] != c[k] || b[k] != c[k]) return fail(WRONG_SHAPE, "matrices of other batches");
  if (a[n - 1] != b[n - 2] || a[n - 2] != c[n - 2] || b[n - 1] != c[n - 1]) return fail(WRONG_SHAPE, "matrices of other sizes");
  return OK;
}

int check_reduction(const Descriptor& op) {
  auto x = op.other(1610)->numbers(902), y = op.other(1611)->numbers(902);
  int mode = op.other(1612)->choice(1600);
  if (mode != 0 && mode != 3) return fail(UNSUPPORTED, "another reduction");
  if (x.size() != y.size()) return fail(WRONG_SHAPE, "a reduction keeps the rank");
  for (size_t n = 0; n < x.size(); n++)
    if (y[n] != 1 && y[n] != x[n]) return fail(WRONG_SHAPE, "a reduction keeps an axis or leaves one element");
  return OK;
}

std::vector<const Descriptor*> given(const Descriptor& op, std::initializer_list<int> which) {
  std::vector<const Descriptor*> found;
  for (int n : which)
    if (op.has(n)) found.push_back(op.other(n));
  return found;
}

std::vector<const Descriptor*> read_by(const Descriptor& op) {
  if (op.kind == POINTWISE_OPERATION) return given(op, {751, 752, 758});
  if (op.kind == MATMUL_OPERATION) return given(op, {1520, 1521});
  if (op.kind == REDUCTION_OPERATION) return given(op, {1610});
  Tensors t = tensors_of(op);
  return op.kind == FORWARD ? std::vector{t.x, t.w} : op.kind == BACKWARD_DATA ? std::vector{t.w, t.y} : std::vector{t.x, t.y};
}

const Descriptor* written_by(const Descriptor& op) {
  if (op.kind == POINTWISE_OPERATION) return op.other(753);
  if (op.kind == MATMUL_OPERATION) return op.other(1522);
  if (op.kind == REDUCTION_OPERATION) return op.other(1611);
  Tensors t = tensors_of(op);
  return op.kind == FORWARD ? t.y : op.kind == BACKWARD_DATA ? t.x : t.w;
}

std::vector<const Descriptor*> operations(const Descriptor& graph) {
  std::vector<const Descriptor*> found;
  for (int64_t n = 0; n < graph.set.at(801).count; n++) found.push_back(graph.other(801, n));
  return found;
}

// What the library recognises as attention: two products of halves with a softmax between, whose
// logarithms are stored, and heads of a width that 8 divides.
int check_attention(const Descriptor& graph) {
  int products = 0, reductions = 0, stored = 0;
  for (const Descriptor* op : operations(graph)) {
    products += op->kind == MATMUL_OPERATION, reductions += op->kind == REDUCTION_OPERATION;
    if (op->kind >= FORWARD && op->kind <= BACKWARD_DATA) return fail(UNSUPPORTED, "a convolution among products");
    stored += !written_by(*op)->flag(907);
  }
  auto ops = operations(graph);
  if (products != 2 || reductions != 2 || ops[0]->kind != MATMUL_OPERATION || ops.back()->kind != MATMUL_OPERATION) return fail(UNSUPPORTED, "no attention");
  if (stored != 2) return fail(UNSUPPORTED, "an attention whose statistics are not stored");
  for (const Descriptor* t : {ops[0]->other(1520), ops[0]->other(1521), ops.back()->other(1520), ops.back()->other(1521), ops.back()->other(1522)})
    if (t->choice(901) != HALF && t->choice(901) != BFLOAT16) return fail(UNSUPPORTED, "an attention of other types");
  if (ops[0]->other(1520)->numbers(902)[3] % 8 || ops.back()->other(1522)->numbers(902)[3] % 8) return fail(UNSUPPORTED, "heads of another width");
  return OK;
}

int check_graph(const Descriptor& graph) {
  bool of_products = operations(graph)[0]->kind == MATMUL_OPERATION;
  std::map<int64_t, const Descriptor*> known;
  std::set<int64_t> made;
  for (const Descriptor* op : operations(graph)) {
    static const std::set<int> kinds = {FORWARD, BACKWARD_FILTER, BACKWARD_DATA, POINTWISE_OPERATION, MATMUL_OPERATION, REDUCTION_OPERATION};
    if (!kinds.count(op->kind)) return fail(WRONG_KIND, "an operation graph consists of operations");
    if (!of_products && (op->kind == POINTWISE_OPERATION) == made.empty()) return fail(UNSUPPORTED, "a convolution, and pointwise operations behind it");
    auto all = read_by(*op);
    for (const Descriptor* t : all)
      if (t->flag(907) && !made.count(t->number(906))) return fail(BAD, "a virtual tensor is read that nothing has made");
    all.push_back(written_by(*op));
    for (const Descriptor* t : all)
      if (!known.emplace(t->number(906), t).second && known[t->number(906)] != t) return fail(BAD, "two tensors have one identifier");
    if (!made.insert(all.back()->number(906)).second) return fail(BAD, "a tensor is made twice");
  }
  if (written_by(*operations(graph).back())->flag(907)) return fail(BAD, "nothing is stored");
  return of_products ? check_attention(graph) : OK;
}

int Descriptor::finish() {
  if (finalised) return fail(BAD, "it is finalised already");
  for (const auto& [which, rule] : attributes().at(kind))
    if (rule.required && !has(which)) return fail(BAD, "attribute " + std::to_string(which) + " of descriptor " + std::to_string(kind) + " is missing");
  int status = OK;
  if (kind == TENSOR) status = check_tensor(*this);
  if (kind == CONVOLUTION) status = check_window(*this);
  if (kind == FORWARD || kind == BACKWARD_DATA || kind == BACKWARD_FILTER) status = check_convolution(*this);
  if (kind == POINTWISE_OPERATION) status = check_pointwise(*this);
  if (kind == MATMUL_OPERATION) status = check_matmul(*this);
  if (kind == REDUCTION_OPERATION) status = check_reduction(*this);
  if (kind == GRAPH) status = check_graph(*this);
  if (kind == ENGINE || kind == ENGINE_CONFIG) status = fail(UNSUPPORTED, "engines come from heuristics");
  if (kind == PACK && set.at(1000).count != set.at(1001).count) status = fail(BAD, "as many pointers as identifiers");
  finalised = status == OK;
  return status;
}

}  // namespace
