// contraction
//   contract
//   add
//   tanh
SF_KERNEL(k0, 32)
(const f32* __restrict__ t0, const f32* __restrict__ t1, const f32* __restrict__ t3, f32* __restrict__ t2) {
    SF_SHARED(f32, d0_block_slots, 640);
    SF_SHARED(f32, d1_block_slots, 512);
    const i32 thread = sf_thread();
    const i32 block = sf_block();
    const i32 d1_tile = block % 3;
    const i32 rest0 = block / 3;
    const i32 d0_tile = rest0;
    f32 product[4][2];
    f32 product_0[4][2];
    SF_UNROLL
    for (i32 d0_l = 0; d0_l < 4; ++d0_l) {
        SF_UNROLL
        for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
            product_0[d0_l][d1_l] = 0.0f;
        }
    }
    i32 slot = 1;
    for (i32 k0_start = -16; k0_start < 16; k0_start += 16) {
        if (k0_start >= 0) {
            sf_copy_wait<0>();
            sf_barrier();
        }
        const i32 k0_start_ahead = k0_start + 16;
        if (k0_start_ahead < 16) {
            f32* const d0_block = d0_block_slots + (slot + 1) % 2 * 320;
            f32* const d1_block = d1_block_slots + (slot + 1) % 2 * 256;
            // phase 1: d0 by 2 copies, 8 threads; k0 by 4 threads, 4 lanes
            {
                const i32 d0_in = thread / 4;
                const i32 d0 = 16 * d0_tile + d0_in;
                const i32 k0_1_in = thread % 4 * 4;
                const i32 k0_1 = k0_start_ahead + k0_1_in;
                SF_UNROLL
                for (i32 d0_c = 0; d0_c < 2; ++d0_c) {
                    SF_UNROLL
                    for (i32 k0_1_l = 0; k0_1_l < 4; ++k0_1_l) {
                        sf_copy_async<4>(d0_block + 8 * d0_c + d0_in + 20 * k0_1_in + 20 * k0_1_l, t0 + 16 * d0 + 128 * d0_c + k0_1 + k0_1_l, d0 + 8 * d0_c < 30 ? 4 : 0);
                    }
                }
            }
            // phase 2: k0 by 2 copies, 8 threads; d1 by 4 threads, 4 lanes
            {
                const i32 k0_1_in = thread / 4;
                const i32 k0_1 = k0_start_ahead + k0_1_in;
                const i32 d1_in = thread % 4 * 4;
                const i32 d1 = 16 * d1_tile + d1_in;
                SF_UNROLL
                for (i32 k0_1_c = 0; k0_1_c < 2; ++k0_1_c) {
                    sf_copy_async<16>(d1_block + d1_in + 128 * k0_1_c + 16 * k0_1_in, t1 + d1 + 40 * k0_1 + 320 * k0_1_c, d1 < 40 ? 16 : 0);
                }
            }
        }
        sf_copy_commit();
        if (k0_start >= 0) {
            f32* const d0_block = d0_block_slots + slot * 320;
            f32* const d1_block = d1_block_slots + slot * 256;
            // phase 3: k0; d0 by 4 threads, 4 lanes; d1 by 8 threads, 2 lanes
            {
                const i32 d0_in = thread / 8 * 4;
                const i32 d0 = 16 * d0_tile + d0_in;
                const i32 d1_in = thread % 8 * 2;
                const i32 d1 = 16 * d1_tile + d1_in;
                for (i32 k0_1_at = 0; k0_1_at < 16; k0_1_at += 1) {
                    const i32 k0_1_in = k0_1_at;
                    const i32 k0_1 = k0_start + k0_1_in;
                    f32 get0[2];
                    f32 get1[4];
                    sf_read<2>(get0, d1_block + d1_in + 16 * k0_1_in);
                    sf_read<4>(get1, d0_block + d0_in + 20 * k0_1_in);
                    SF_UNROLL
                    for (i32 d0_l = 0; d0_l < 4; ++d0_l) {
                        SF_UNROLL
                        for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
                            product_0[d0_l][d1_l] = sf_fma(get1[d0_l], get0[d1_l], product_0[d0_l][d1_l]);
                        }
                    }
                }
            }
        }
        slot = (slot + 1) % 2;
    }
    {
        SF_UNROLL
        for (i32 d0_l = 0; d0_l < 4; ++d0_l) {
            SF_UNROLL
            for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
                product[d0_l][d1_l] = product_0[d0_l][d1_l];
            }
        }
    }
    // phase 4: d0 by 4 threads, 4 lanes; d1 by 8 threads, 2 lanes
    {
        const i32 d0_in = thread / 8 * 4;
        const i32 d0 = 16 * d0_tile + d0_in;
        const i32 d1_in = thread % 8 * 2;
        const i32 d1 = 16 * d1_tile + d1_in;
        f32 t3_0[2];
        f32 tanh0[4][2];
        if (d1 < 40) sf_read<2>(t3_0, t3 + d1);
        SF_UNROLL
        for (i32 d0_l = 0; d0_l < 4; ++d0_l) {
            SF_UNROLL
            for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
                tanh0[d0_l][d1_l] = sf_tanh(product[d0_l][d1_l] + t3_0[d1_l]);
            }
        }
        SF_UNROLL
        for (i32 d0_l = 0; d0_l < 4; ++d0_l) {
            if (d0 + d0_l < 30 && d1 < 40) sf_write<2>(t2 + 40 * d0 + 40 * d0_l + d1, tanh0[d0_l]);
        }
    }
}
SF_EXPORT(k0, const f32*, const f32*, const f32*, f32*);
