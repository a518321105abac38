// Neighbouring elements between memory and registers, BY at a time; of those beyond `count` none is
// touched.

template <i32 BY, i32 N, class T>
SF_FUNCTION void sf_read(T (&to)[N], const T* from) {
    SF_UNROLL
    for (i32 i = 0; i < N; i += BY) {
        sf_vector<T, BY> part = sf_load<T, BY>(from + i);
        SF_UNROLL
        for (i32 j = 0; j < BY; ++j) to[i + j] = part.at[j];
    }
}
template <i32 BY, i32 N, class T>
SF_FUNCTION void sf_write(T* to, const T (&from)[N]) {
    SF_UNROLL
    for (i32 i = 0; i < N; i += BY) {
        sf_vector<T, BY> part;
        SF_UNROLL
        for (i32 j = 0; j < BY; ++j) part.at[j] = from[i + j];
        sf_store<T, BY>(to + i, part);
    }
}

template <i32 BY, i32 N, class T>
SF_FUNCTION void sf_read(T (&to)[N], const T* from, i64 count) {
    if (count >= N) return sf_read<BY>(to, from);
    SF_UNROLL
    for (i32 i = 0; i < N; ++i)
        if (i < count) to[i] = from[i];
}
template <i32 BY, i32 N, class T>
SF_FUNCTION void sf_write(T* to, const T (&from)[N], i64 count) {
    if (count >= N) return sf_write<BY>(to, from);
    SF_UNROLL
    for (i32 i = 0; i < N; ++i)
        if (i < count) to[i] = from[i];
}

// Indices divide by sizes that may be zero only where nothing asks for the result.
SF_FUNCTION i64 sf_index_quotient(i64 x, i64 y) { return y == 0 ? 0 : x / y; }
SF_FUNCTION i64 sf_index_rest(i64 x, i64 y) { return y == 0 ? 0 : x % y; }

template <i32 BY, i32 N, class T>
SF_FUNCTION void sf_accumulate(T* to, const T (&more)[N], i64 count = N) {
    T sum[N];
    sf_read<BY>(sum, to, count);
    SF_UNROLL
    for (i32 i = 0; i < N; ++i) sum[i] = sf_add(sum[i], more[i]);
    sf_write<BY>(to, sum, count);
}
