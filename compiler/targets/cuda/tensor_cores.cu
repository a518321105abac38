// Products of fragments: what warps fold by matrices of 8 rows of 16 bytes in shared memory.
//
// A factor lies in rows STRIDE elements apart. ALONG: a row runs along what is summed; else it runs
// along the rows or columns of the result, and elements of 2 bytes are turned on their way. COUNT
// groups of 8 rows or columns, GAP apart, belong to a warp; two groups of rows make a fragment.

// The number of the matrix, of four, that a lane gives an address for: its group and its half of
// what is summed. For rows the group changes faster, for columns the half.
template <bool ROWS>
SF_FUNCTION i32 sf_matrix_group(i32 matrix) { return ROWS ? matrix % 2 : matrix / 2; }
template <bool ROWS>
SF_FUNCTION i32 sf_matrix_half(i32 matrix) { return ROWS ? matrix / 2 : matrix % 2; }

// The registers of all groups, two for each; where there is no second group, the first once more.
template <bool ROWS, i32 COUNT, i32 GAP, i32 STRIDE, bool ALONG, class T>
SF_FUNCTION void sf_load_groups(u32* registers, const T* from) {
    constexpr i32 HALF = 16 / sizeof(T);
    const i32 lane = sf_thread() % 32, half = sf_matrix_half<ROWS>(lane / 8);
    SF_UNROLL
    for (i32 first = 0; first < COUNT; first += 2) {
        u32* to = registers + 2 * first;
        const i32 second = first + 1 < COUNT ? GAP : 0;
        const i32 place = first * GAP + sf_matrix_group<ROWS>(lane / 8) * second;
        if constexpr (ALONG) {
            sf_load_matrix_x4(to, from + (place + lane % 8) * STRIDE + half * HALF);
        } else if constexpr (sizeof(T) == 2) {
            sf_load_matrix_x4_transposed(to, from + place + (half * 8 + lane % 8) * STRIDE);
        } else {
            SF_UNROLL
            for (i32 i = 0; i < 4; ++i) {
                const i32 at = first * GAP + sf_matrix_group<ROWS>(i) * second + lane / 4;
                const i32 down = sf_matrix_half<ROWS>(i) * HALF + lane % 4;
                to[i] = sf_bits_as<u32>(from[at + down * STRIDE]);
            }
        }
        if constexpr (sizeof(T) == 4) {
            SF_UNROLL
            for (i32 i = 0; i < 4; ++i) to[i] = sf_tf32_bits(sf_bits_as<f32>(to[i]));
        }
    }
}
template <i32 COUNT, i32 GAP, i32 STRIDE, bool ALONG, class T>
SF_FUNCTION void sf_load_rows(u32* registers, const T* from) {
    sf_load_groups<true, COUNT, GAP, STRIDE, ALONG>(registers, from);
}
template <i32 COUNT, i32 GAP, i32 STRIDE, bool ALONG, class T>
SF_FUNCTION void sf_load_columns(u32* registers, const T* from) {
    sf_load_groups<false, COUNT, GAP, STRIDE, ALONG>(registers, from);
}

SF_FUNCTION void sf_mma(f32* d, const u32* a, const u32* b, sf_f16) { sf_mma_f16(d, a, b); }
SF_FUNCTION void sf_mma(f32* d, const u32* a, const u32* b, sf_bf16) { sf_mma_bf16(d, a, b); }
SF_FUNCTION void sf_mma(f32* d, const u32* a, const u32* b, f32) { sf_mma_tf32(d, a, b); }

// Adds the products of fragments of T to the sums of a lane: two neighbours for each group of
// columns, these for each group of rows.
template <class T, i32 ROWS, i32 COLUMNS>
SF_FUNCTION void sf_multiply(f32* sums, const u32* rows, const u32* columns) {
    SF_UNROLL
    for (i32 row = 0; row < ROWS; row += 2) {
        SF_UNROLL
        for (i32 column = 0; column < COLUMNS; ++column) {
            f32* upper = sums + (row * COLUMNS + column) * 2;
            f32* lower = upper + COLUMNS * 2;
            f32 d[4] = {upper[0], upper[1], 0, 0};
            if (row + 1 < ROWS) d[2] = lower[0], d[3] = lower[1];
            sf_mma(d, rows + 2 * row, columns + 2 * column, T());
            upper[0] = d[0], upper[1] = d[1];
            if (row + 1 < ROWS) lower[0] = d[2], lower[1] = d[3];
        }
    }
}

// Zeros behind the first `left` of DEPTH elements along what is summed, in COUNT rows or columns.
template <i32 DEPTH, i32 COUNT, i32 STRIDE, bool ALONG, i32 THREADS, class T>
SF_FUNCTION void sf_clear_behind(T* to, i32 left) {
    for (i32 i = sf_thread(); i < DEPTH * COUNT; i += THREADS) {
        const i32 down = ALONG ? i % DEPTH : i / COUNT;
        const i32 beside = ALONG ? i / DEPTH : i % COUNT;
        if (down >= left) to[ALONG ? beside * STRIDE + down : down * STRIDE + beside] = T();
    }
}
