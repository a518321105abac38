// partial product
//   contract
SF_KERNEL(k0_partial, 32)
(const f32* __restrict__ t0, const f32* __restrict__ t1, f32* __restrict__ product_part1) {
    SF_SHARED(f32, d0_block_slots, 640);
    SF_SHARED(f32, d1_block_slots, 512);
    const i32 thread = sf_thread();
    const i32 block = sf_block();
    const i32 k0_piece_tile = block;
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
    for (i32 k0_start = 256 * k0_piece_tile - 16; k0_start < 256 * k0_piece_tile + 256; k0_start += 16) {
        if (k0_start >= 256 * k0_piece_tile) {
            sf_copy_wait<0>();
            sf_barrier();
        }
        const i32 k0_start_ahead = k0_start + 16;
        if (k0_start_ahead < 256 * k0_piece_tile + 256) {
            f32* const d0_block = d0_block_slots + (slot + 1) % 2 * 320;
            f32* const d1_block = d1_block_slots + (slot + 1) % 2 * 256;
            // phase 1: d0 by 2 copies, 8 threads; k0 by 4 threads, 4 lanes
            {
                const i32 d0 = thread / 4;
                const i32 k0_in = thread % 4 * 4;
                const i32 k0 = k0_start_ahead + k0_in;
                SF_UNROLL
                for (i32 d0_c = 0; d0_c < 2; ++d0_c) {
                    SF_UNROLL
                    for (i32 k0_l = 0; k0_l < 4; ++k0_l) {
                        sf_copy_async<4>(d0_block + 8 * d0_c + d0 + 20 * k0_in + 20 * k0_l, t0 + 512 * d0 + 4096 * d0_c + k0 + k0_l);
                    }
                }
            }
            // phase 2: k0 by 2 copies, 8 threads; d1 by 4 threads, 4 lanes
            {
                const i32 k0_in = thread / 4;
                const i32 k0 = k0_start_ahead + k0_in;
                const i32 d1 = thread % 4 * 4;
                SF_UNROLL
                for (i32 k0_c = 0; k0_c < 2; ++k0_c) {
                    sf_copy_async<16>(d1_block + d1 + 128 * k0_c + 16 * k0_in, t1 + d1 + 16 * k0 + 128 * k0_c);
                }
            }
        }
        sf_copy_commit();
        if (k0_start >= 256 * k0_piece_tile) {
            f32* const d0_block = d0_block_slots + slot * 320;
            f32* const d1_block = d1_block_slots + slot * 256;
            // phase 3: k0; d0 by 4 threads, 4 lanes; d1 by 8 threads, 2 lanes
            {
                const i32 d0 = thread / 8 * 4;
                const i32 d1 = thread % 8 * 2;
                for (i32 k0_at = 0; k0_at < 16; k0_at += 1) {
                    const i32 k0_in = k0_at;
                    const i32 k0 = k0_start + k0_in;
                    f32 get0[2];
                    f32 get1[4];
                    sf_read<2>(get0, d1_block + d1 + 16 * k0_in);
                    sf_read<4>(get1, d0_block + d0 + 20 * k0_in);
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
        const i32 d0 = thread / 8 * 4;
        const i32 d1 = thread % 8 * 2;
        SF_UNROLL
        for (i32 d0_l = 0; d0_l < 4; ++d0_l) {
            sf_write<2>(product_part1 + 16 * d0 + 16 * d0_l + d1 + 256 * k0_piece_tile, product[d0_l]);
        }
    }
}
SF_EXPORT(k0_partial, const f32*, const f32*, f32*);

// reduce
//   contract
SF_KERNEL(k0_sum, 64)
(const f32* __restrict__ product_part1, f32* __restrict__ t2) {
    const i32 thread = sf_thread();
    const i32 block = sf_block();
    // phase 1: k0_piece by 2 copies; d1 by 64 threads, 4 lanes
    f32 product[4];
    {
        const i32 k0_piece = 0;
        const i32 d1 = thread * 4;
        f32 product_0[4][2];
        SF_UNROLL
        for (i32 d1_l = 0; d1_l < 4; ++d1_l) {
            SF_UNROLL
            for (i32 k0_piece_c = 0; k0_piece_c < 2; ++k0_piece_c) {
                product_0[d1_l][k0_piece_c] = 0.0f;
            }
        }
        f32 product_part1_0[2][4];
        SF_UNROLL
        for (i32 k0_piece_c = 0; k0_piece_c < 2; ++k0_piece_c) {
            sf_read<4>(product_part1_0[k0_piece_c], product_part1 + d1 + 256 * k0_piece + 256 * k0_piece_c);
        }
        SF_UNROLL
        for (i32 k0_piece_c = 0; k0_piece_c < 2; ++k0_piece_c) {
            SF_UNROLL
            for (i32 d1_l = 0; d1_l < 4; ++d1_l) {
                product_0[d1_l][k0_piece_c] = product_0[d1_l][k0_piece_c] + product_part1_0[k0_piece_c][d1_l];
            }
        }
        SF_UNROLL
        for (i32 d1_l = 0; d1_l < 4; ++d1_l) {
            SF_UNROLL
            for (i32 k0_piece_c = 1; k0_piece_c < 2; ++k0_piece_c) {
                product_0[d1_l][0] = product_0[d1_l][0] + product_0[d1_l][k0_piece_c];
            }
        }
        SF_UNROLL
        for (i32 d1_l = 0; d1_l < 4; ++d1_l) {
            product[d1_l] = product_0[d1_l][0];
        }
    }
    // phase 2: d1 by 64 threads, 4 lanes
    {
        const i32 d1 = thread * 4;
        sf_write<4>(t2 + d1, product);
    }
}
SF_EXPORT(k0_sum, const f32*, f32*);
