// contraction
//   contract
//   add
//   tanh
SF_KERNEL(k0, 128)
(const sf_f16* __restrict__ t0, const sf_f16* __restrict__ t1, const sf_f16* __restrict__ t3, sf_f16* __restrict__ t2) {
    SF_SHARED(sf_f16, d0_block_slots, 2560);
    SF_SHARED(sf_f16, d1_block_slots, 2560);
    const i32 thread = sf_thread();
    const i32 block = sf_block();
    const i32 d1_tile = block;
    f32 product[2][2][2];
    f32 product_0[2][2][2];
    SF_UNROLL
    for (i32 d0_c = 0; d0_c < 2; ++d0_c) {
        SF_UNROLL
        for (i32 d1_c = 0; d1_c < 2; ++d1_c) {
            SF_UNROLL
            for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
                product_0[d0_c][d1_c][d1_l] = 0.0f;
            }
        }
    }
    i32 slot = 1;
    for (i32 k0_start = -32; k0_start < 24; k0_start += 32) {
        if (k0_start >= 0) {
            sf_copy_wait<0>();
            sf_barrier();
        }
        const i32 k0_start_ahead = k0_start + 32;
        if (k0_start_ahead < 24) {
            sf_f16* const d0_block = d0_block_slots + (slot + 1) % 2 * 1280;
            sf_f16* const d1_block = d1_block_slots + (slot + 1) % 2 * 1280;
            // phase 1: d0 by 32 threads; k0 by 4 threads, 8 lanes
            {
                const i32 d0 = thread / 4;
                const i32 k0_1_in = thread % 4 * 8;
                const i32 k0_1 = k0_start_ahead + k0_1_in;
                sf_copy_async<16>(d0_block + 40 * d0 + k0_1_in, t0 + 24 * d0 + k0_1, d0 < 30 && k0_1 < 24 ? 16 : 0);
            }
            // phase 2: k0 by 32 threads; d1 by 4 threads, 8 lanes
            {
                const i32 k0_1_in = thread / 4;
                const i32 k0_1 = k0_start_ahead + k0_1_in;
                const i32 d1_in = thread % 4 * 8;
                const i32 d1 = 32 * d1_tile + d1_in;
                sf_copy_async<16>(d1_block + d1_in + 40 * k0_1_in, t1 + d1 + 40 * k0_1, k0_1 < 24 && d1 < 40 ? 16 : 0);
            }
        }
        sf_copy_commit();
        if (k0_start >= 0) {
            sf_f16* const d0_block = d0_block_slots + slot * 1280;
            sf_f16* const d1_block = d1_block_slots + slot * 1280;
            // phase 3: k0 by 16 lanes; d0 by 2 copies, 2 warps, 16 threads; d1 by 2 copies, 2 warps, 8 threads, 2 lanes; fragments of f16
            {
                if (k0_start + 32 > 24) {
                    const i32 left0 = 24 - k0_start;
                    sf_clear_behind<32, 32, 40, true, 128>(d0_block, left0);
                    sf_clear_behind<32, 32, 40, false, 128>(d1_block, left0);
                    sf_barrier();
                }
                SF_UNROLL
                for (i32 down0 = 0; down0 < 32; down0 += 16) {
                    u32 rows0[4];
                    u32 columns0[4];
                    sf_load_rows<2, 16, 40, true>(rows0, d0_block + thread / 64 * 320 + down0);
                    sf_load_columns<2, 16, 40, false>(columns0, d1_block + thread / 32 % 2 * 8 + down0 * 40);
                    sf_multiply<sf_f16, 2, 2>((f32*)product_0, rows0, columns0);
                }
            }
        }
        slot = (slot + 1) % 2;
    }
    {
        SF_UNROLL
        for (i32 d0_c = 0; d0_c < 2; ++d0_c) {
            SF_UNROLL
            for (i32 d1_c = 0; d1_c < 2; ++d1_c) {
                SF_UNROLL
                for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
                    product[d0_c][d1_c][d1_l] = product_0[d0_c][d1_c][d1_l];
                }
            }
        }
    }
    // phase 4: d0 by 2 copies, 2 warps, 16 threads; d1 by 2 copies, 2 warps, 8 threads, 2 lanes
    {
        const i32 d0 = (thread / 64 * 8 + thread / 4 % 8);
        const i32 d1_in = (thread / 32 % 2 * 4 + thread % 4) * 2;
        const i32 d1 = 32 * d1_tile + d1_in;
        sf_f16 t3_0[2][2];
        SF_UNROLL
        for (i32 d1_c = 0; d1_c < 2; ++d1_c) {
            if (d1 + 16 * d1_c < 40) sf_read<2>(t3_0[d1_c], t3 + d1 + 16 * d1_c);
        }
        f32 convert0[2][2];
        SF_UNROLL
        for (i32 d1_c = 0; d1_c < 2; ++d1_c) {
            SF_UNROLL
            for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
                convert0[d1_c][d1_l] = sf_convert<f32>(t3_0[d1_c][d1_l]);
            }
        }
        SF_UNROLL
        for (i32 d0_c = 0; d0_c < 2; ++d0_c) {
            SF_UNROLL
            for (i32 d1_c = 0; d1_c < 2; ++d1_c) {
                sf_f16 convert1[2];
                SF_UNROLL
                for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
                    const f32 convert2 = sf_convert<f32>(sf_convert<sf_f16>(product[d0_c][d1_c][d1_l]));
                    const f32 convert3 = sf_convert<f32>(sf_convert<sf_f16>(convert2 + convert0[d1_c][d1_l]));
                    convert1[d1_l] = sf_convert<sf_f16>(sf_tanh(convert3));
                }
                if (d0 + 16 * d0_c < 30 && d1 + 16 * d1_c < 40) sf_write<2>(t2 + 40 * d0 + 640 * d0_c + d1 + 16 * d1_c, convert1);
            }
        }
    }
}
SF_EXPORT(k0, const sf_f16*, const sf_f16*, const sf_f16*, sf_f16*);
