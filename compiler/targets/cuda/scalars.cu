// What scalar instructions mean, with NumPy's results: whole numbers wrap around, shifts and divisions
// have no undefined cases, and NaN goes through minima and maxima.

template <bool WIDE> struct sf_bits { typedef u32 type; };
template <> struct sf_bits<true> { typedef u64 type; };

// Unsigned numbers wide enough to compute with; narrow ones would be promoted to signed.
template <class T>
using sf_unsigned = typename sf_bits<(sizeof(T) > 4)>::type;

template <class T>
SF_FUNCTION T sf_add(T x, T y) { return T(sf_unsigned<T>(x) + sf_unsigned<T>(y)); }
template <class T>
SF_FUNCTION T sf_subtract(T x, T y) { return T(sf_unsigned<T>(x) - sf_unsigned<T>(y)); }
template <class T>
SF_FUNCTION T sf_multiply(T x, T y) { return T(sf_unsigned<T>(x) * sf_unsigned<T>(y)); }
template <class T>
SF_FUNCTION T sf_negative(T x) { return T(sf_unsigned<T>(0) - sf_unsigned<T>(x)); }
SF_FUNCTION f32 sf_add(f32 x, f32 y) { return x + y; }
SF_FUNCTION f64 sf_add(f64 x, f64 y) { return x + y; }
SF_FUNCTION bool sf_add(bool x, bool y) { return x || y; }
SF_FUNCTION sf_f16 sf_add(sf_f16 x, sf_f16 y) {
    return sf_from_f32<sf_f16>(sf_to_f32(x) + sf_to_f32(y));
}
SF_FUNCTION sf_bf16 sf_add(sf_bf16 x, sf_bf16 y) {
    return sf_from_f32<sf_bf16>(sf_to_f32(x) + sf_to_f32(y));
}

template <class T>
SF_FUNCTION T sf_abs(T x) { return x < 0 ? sf_negative(x) : x; }
SF_FUNCTION f32 sf_abs(f32 x) { return fabsf(x); }
SF_FUNCTION f64 sf_abs(f64 x) { return fabs(x); }

template <class T>
SF_FUNCTION T sf_fma(T x, T y, T z) { return sf_add(sf_multiply(x, y), z); }
SF_FUNCTION f32 sf_fma(f32 x, f32 y, f32 z) { return fmaf(x, y, z); }
SF_FUNCTION f64 sf_fma(f64 x, f64 y, f64 z) { return fma(x, y, z); }

template <class T>
SF_FUNCTION bool sf_is_nan(T x) { return x != x; }
template <class T>
SF_FUNCTION T sf_infinity();
template <> SF_FUNCTION f32 sf_infinity<f32>() { return sf_bits_as<f32>(0x7f800000u); }
template <> SF_FUNCTION f64 sf_infinity<f64>() { return sf_bits_as<f64>(0x7ff0000000000000ull); }
template <class T>
SF_FUNCTION T sf_nan();
template <> SF_FUNCTION f32 sf_nan<f32>() { return sf_bits_as<f32>(0x7fc00000u); }
template <> SF_FUNCTION f64 sf_nan<f64>() { return sf_bits_as<f64>(0x7ff8000000000000ull); }
template <class T>
SF_FUNCTION bool sf_is_infinite(T x) { return sf_abs(x) == sf_infinity<T>(); }
template <class T>
SF_FUNCTION bool sf_is_finite(T x) { return sf_abs(x) < sf_infinity<T>(); }
SF_FUNCTION bool sf_sign_bit(f32 x) { return sf_bits_as<i32>(x) < 0; }
SF_FUNCTION bool sf_sign_bit(f64 x) { return sf_bits_as<i64>(x) < 0; }

template <class T>
SF_FUNCTION T sf_min(T x, T y) { return x < y || x != x ? x : y; }
template <class T>
SF_FUNCTION T sf_max(T x, T y) { return x > y || x != x ? x : y; }

// By the width or more, counted as unsigned: nothing is left but the sign.
template <class T>
SF_FUNCTION T sf_shift_left(T x, T by) {
    bool inside = sf_unsigned<T>(by) < 8 * sizeof(T);
    return inside ? T(sf_unsigned<T>(x) << by) : T(0);
}
template <class T>
SF_FUNCTION T sf_shift_right(T x, T by) {
    bool inside = sf_unsigned<T>(by) < 8 * sizeof(T);
    return inside ? T(x >> by) : T(x < 0 ? -1 : 0);
}

// The quotient towards zero, 0 where the divisor is 0; the least number divided by -1 is itself.
template <class T>
SF_FUNCTION T sf_quotient(T x, T y) {
    if (y == 0) return T(0);
    return T(-1) < T(0) && y == T(-1) ? sf_negative(x) : T(x / y);
}
template <class T>
SF_FUNCTION T sf_rest(T x, T y) {
    return y == 0 ? T(0) : sf_subtract(x, sf_multiply(sf_quotient(x, y), y));
}
template <class T>
SF_FUNCTION bool sf_rounds_down(T rest, T y) { return rest != 0 && (rest < 0) != (y < 0); }

template <class T>
SF_FUNCTION T sf_floor_divide(T x, T y) {
    T quotient = sf_quotient(x, y);
    return sf_rounds_down(sf_rest(x, y), y) ? sf_subtract(quotient, T(1)) : quotient;
}
template <class T>
SF_FUNCTION T sf_remainder(T x, T y) {
    T rest = sf_rest(x, y);
    return sf_rounds_down(rest, y) ? sf_add(rest, y) : rest;
}
template <class T>
SF_FUNCTION T sf_truncated_remainder(T x, T y) { return sf_rest(x, y); }

// Powers of whole numbers by squaring; a negative exponent truncates 1 / x**-y.
template <class T>
SF_FUNCTION T sf_pow(T x, T y) {
    if (y < 0) return x == 1 || x == T(-1) ? (y % 2 ? x : T(1)) : T(0);
    T result = 1;
    for (; y != 0; y = T(y / 2)) {
        if (y % 2) result = sf_multiply(result, x);
        x = sf_multiply(x, x);
    }
    return result;
}

SF_FUNCTION f32 sf_truncated_remainder(f32 x, f32 y) { return fmodf(x, y); }
SF_FUNCTION f64 sf_truncated_remainder(f64 x, f64 y) { return fmod(x, y); }
SF_FUNCTION f32 sf_copysign(f32 x, f32 y) { return copysignf(x, y); }
SF_FUNCTION f64 sf_copysign(f64 x, f64 y) { return copysign(x, y); }
SF_FUNCTION f32 sf_floor(f32 x) { return floorf(x); }
SF_FUNCTION f64 sf_floor(f64 x) { return floor(x); }

#define SF_DIVISIONS(T)                                                                          \
    SF_FUNCTION T sf_remainder(T x, T y) {                                                       \
        T rest = sf_truncated_remainder(x, y);                                                   \
        if (rest == 0) return y == 0 ? rest : sf_copysign(rest, y);                              \
        return sf_rounds_down(rest, y) ? rest + y : rest;                                        \
    }                                                                                            \
    SF_FUNCTION T sf_floor_divide(T x, T y) {                                                    \
        if (y == 0) return x / y;                                                                \
        T rest = sf_truncated_remainder(x, y);                                                   \
        T quotient = (x - rest) / y;                                                             \
        if (sf_rounds_down(rest, y)) quotient -= 1;                                              \
        if (quotient == 0) return sf_copysign(quotient, x / y);                                  \
        T below = sf_floor(quotient);                                                            \
        return quotient - below > T(0.5) ? below + 1 : below;                                    \
    }
SF_DIVISIONS(f32)
SF_DIVISIONS(f64)
#undef SF_DIVISIONS

#define SF_UNARY(name)                                                                           \
    SF_FUNCTION f32 sf_##name(f32 x) { return name##f(x); }                                      \
    SF_FUNCTION f64 sf_##name(f64 x) { return name(x); }
#define SF_BINARY(name)                                                                          \
    SF_FUNCTION f32 sf_##name(f32 x, f32 y) { return name##f(x, y); }                            \
    SF_FUNCTION f64 sf_##name(f64 x, f64 y) { return name(x, y); }
SF_UNARY(ceil) SF_UNARY(trunc) SF_UNARY(rint) SF_UNARY(sqrt) SF_UNARY(cbrt)
SF_UNARY(exp) SF_UNARY(exp2) SF_UNARY(expm1) SF_UNARY(log) SF_UNARY(log2) SF_UNARY(log10) SF_UNARY(log1p)
SF_UNARY(sin) SF_UNARY(cos) SF_UNARY(tan) SF_UNARY(asin) SF_UNARY(acos) SF_UNARY(atan)
SF_UNARY(sinh) SF_UNARY(cosh) SF_UNARY(tanh) SF_UNARY(asinh) SF_UNARY(acosh) SF_UNARY(atanh)
SF_UNARY(erf) SF_UNARY(erfc)
SF_BINARY(pow) SF_BINARY(atan2) SF_BINARY(hypot) SF_BINARY(nextafter)
#undef SF_UNARY
#undef SF_BINARY
template <class T>
SF_FUNCTION T sf_rsqrt(T x) { return 1 / sf_sqrt(x); }

// Conversions as NumPy's on x86-64: out of range and for NaN, the least i32 or i64; narrower whole
// numbers keep the low bits of that.
template <class To, class From>
SF_FUNCTION To sf_truncated(From x) {
    const From limit = sizeof(To) == 8 ? From(9223372036854775808.0) : From(2147483648.0);
    bool fits = x >= -limit && x < limit;
    return fits ? To(x) : To(sf_unsigned<To>(1) << (8 * sizeof(To) - 1));
}

// An f64 goes to f16 by way of an f32 whose last digit says that there was more behind it, so that
// it is rounded only once.
SF_FUNCTION f32 sf_towards_odd(f64 x) {
    f32 near = f32(x);
    i32 bits = sf_bits_as<i32>(near);
    if (f64(near) == x || !sf_is_finite(near) || bits & 1) return near;
    return sf_bits_as<f32>(bits + (fabs(x) > fabs(f64(near)) ? 1 : -1));
}

template <class A, class B> constexpr bool sf_same = false;
template <class A> constexpr bool sf_same<A, A> = true;
template <class T> constexpr bool sf_is_half = sf_same<T, sf_f16> || sf_same<T, sf_bf16>;
template <class T> constexpr bool sf_is_float = sf_same<T, f32> || sf_same<T, f64>;

template <class To, class From>
SF_FUNCTION To sf_convert(From x) {
    if constexpr (sf_is_half<From>)
        return sf_convert<To>(sf_to_f32(x));
    else if constexpr (sf_same<To, bool>)
        return x != 0;
    else if constexpr (sf_same<To, sf_f16> && sf_same<From, f64>)
        return sf_from_f32<To>(sf_towards_odd(x));
    else if constexpr (sf_is_half<To>)
        return sf_from_f32<To>(sf_convert<f32>(x));
    else if constexpr (sf_is_float<To> || !sf_is_float<From>)
        return To(x);
    else if constexpr (sf_same<To, u64>) {
        const From top = From(9223372036854775808.0);
        if (!(x >= top)) return u64(sf_truncated<i64>(x));
        return u64(sf_truncated<i64>(x - top)) ^ 0x8000000000000000ull;
    } else if constexpr (sf_same<To, u32> || sizeof(To) == 8)
        return To(sf_truncated<i64>(x));
    else
        return To(sf_truncated<i32>(x));
}
