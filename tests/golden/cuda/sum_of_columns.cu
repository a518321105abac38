// reduce
//   reduce_sum
SF_KERNEL(k0, 512)
(const f32* __restrict__ t0, f32* __restrict__ t1) {
    SF_SHARED(char, scratch, 2048);
    const i32 thread = sf_thread();
    const i32 block = sf_block();
    // phase 1: d0 by 3 copies, 32 threads; d1 by 16 threads
    f32 fold0_reduce_sum;
    {
        const i32 d0 = thread / 16;
        const i32 d1 = thread % 16;
        f32 fold0_reduce_sum_0[3];
        SF_UNROLL
        for (i32 d0_c = 0; d0_c < 3; ++d0_c) {
            fold0_reduce_sum_0[d0_c] = 0.0f;
        }
        f32 t0_0[3];
        SF_UNROLL
        for (i32 d0_c = 0; d0_c < 3; ++d0_c) {
            t0_0[d0_c] = d0 + 32 * d0_c < 70 && d1 < 9 ? t0[9 * d0 + 288 * d0_c + d1] : f32();
        }
        SF_UNROLL
        for (i32 d0_c = 0; d0_c < 3; ++d0_c) {
            if (d0 + 32 * d0_c < 70) {
                fold0_reduce_sum_0[d0_c] = fold0_reduce_sum_0[d0_c] + t0_0[d0_c];
            }
        }
        SF_UNROLL
        for (i32 d0_c = 1; d0_c < 3; ++d0_c) {
            fold0_reduce_sum_0[0] = fold0_reduce_sum_0[0] + fold0_reduce_sum_0[d0_c];
        }
        SF_UNROLL
        for (i32 mask = 16; mask >= 16; mask /= 2) {
            const f32 other0 = sf_shuffle_xor(fold0_reduce_sum_0[0], mask);
            fold0_reduce_sum_0[0] = fold0_reduce_sum_0[0] + other0;
        }
        f32* fold0_reduce_sum_0_parts0 = (f32*)(scratch + 0);
        fold0_reduce_sum_0_parts0[thread] = fold0_reduce_sum_0[0];
        sf_barrier();
        {
            const i32 from = thread - thread / 32 % 16 * 32;
            fold0_reduce_sum_0[0] = 0.0f;
            for (i32 fellow0 = 0; fellow0 < 16; ++fellow0) {
                const f32 other1 = fold0_reduce_sum_0_parts0[from + fellow0 * 32];
                fold0_reduce_sum_0[0] = fold0_reduce_sum_0[0] + other1;
            }
        }
        fold0_reduce_sum = fold0_reduce_sum_0[0];
    }
    // phase 2: d1 by 16 threads
    {
        const i32 d1 = thread % 16;
        if (thread < 16 && d1 < 9) t1[d1] = fold0_reduce_sum;
    }
}
SF_EXPORT(k0, const f32*, f32*);
