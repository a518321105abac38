// row
//   reduce_max
//   subtract
//   exp
//   reduce_sum
//   divide
SF_KERNEL(k0, 32)
(const f32* t0, f32* t1) {
    const i32 thread = sf_thread();
    const i32 block = sf_block();
    const i32 d0_tile = block;
    // phase 1: d1 by 32 threads, 2 lanes
    f32 fold0_reduce_max;
    f32 row0[2];
    {
        const i32 d1 = thread * 2;
        f32 fold0_reduce_max_0[2];
        SF_UNROLL
        for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
            fold0_reduce_max_0[d1_l] = -sf_infinity<f32>();
        }
        f32 t0_0[2];
        if (d1 < 50) sf_read<2>(t0_0, t0 + 50 * d0_tile + d1);
        SF_UNROLL
        for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
            if (d1 < 50) {
                fold0_reduce_max_0[d1_l] = sf_max(fold0_reduce_max_0[d1_l], t0_0[d1_l]);
            }
            row0[d1_l] = t0_0[d1_l];
        }
        SF_UNROLL
        for (i32 d1_l = 1; d1_l < 2; ++d1_l) {
            fold0_reduce_max_0[0] = sf_max(fold0_reduce_max_0[0], fold0_reduce_max_0[d1_l]);
        }
        SF_UNROLL
        for (i32 mask = 16; mask >= 1; mask /= 2) {
            const f32 other0 = sf_shuffle_xor(fold0_reduce_max_0[0], mask);
            fold0_reduce_max_0[0] = sf_max(fold0_reduce_max_0[0], other0);
        }
        fold0_reduce_max = fold0_reduce_max_0[0];
    }
    // phase 2: d1 by 32 threads, 2 lanes
    f32 keep_1_exp[2];
    f32 fold1_reduce_sum;
    {
        const i32 d1 = thread * 2;
        f32 fold1_reduce_sum_0[2];
        SF_UNROLL
        for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
            fold1_reduce_sum_0[d1_l] = 0.0f;
        }
        SF_UNROLL
        for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
            const f32 exp0 = sf_exp(row0[d1_l] - fold0_reduce_max);
            keep_1_exp[d1_l] = exp0;
            if (d1 < 50) {
                fold1_reduce_sum_0[d1_l] = fold1_reduce_sum_0[d1_l] + exp0;
            }
        }
        SF_UNROLL
        for (i32 d1_l = 1; d1_l < 2; ++d1_l) {
            fold1_reduce_sum_0[0] = fold1_reduce_sum_0[0] + fold1_reduce_sum_0[d1_l];
        }
        SF_UNROLL
        for (i32 mask = 16; mask >= 1; mask /= 2) {
            const f32 other1 = sf_shuffle_xor(fold1_reduce_sum_0[0], mask);
            fold1_reduce_sum_0[0] = fold1_reduce_sum_0[0] + other1;
        }
        fold1_reduce_sum = fold1_reduce_sum_0[0];
    }
    // phase 3: d1 by 32 threads, 2 lanes
    {
        const i32 d1 = thread * 2;
        f32 div0[2];
        SF_UNROLL
        for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
            div0[d1_l] = keep_1_exp[d1_l] / fold1_reduce_sum;
        }
        if (d1 < 50) sf_write<2>(t1 + 50 * d0_tile + d1, div0);
    }
}
SF_EXPORT(k0, const f32*, f32*);
