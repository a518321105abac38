// map
//   exp
//   multiply
//   add
SF_KERNEL(k0, 64)
(const f32* t1, f32* t0) {
    const i32 thread = sf_thread();
    const i32 block = sf_block();
    const i32 d0_tile = block;
    // phase 1: d0 by 64 threads, 4 lanes
    {
        const i32 d0 = 256 * d0_tile + thread * 4;
        f32 t1_0[4];
        f32 add0[4];
        sf_read<4>(t1_0, t1 + d0, 1003 - d0);
        SF_UNROLL
        for (i32 d0_l = 0; d0_l < 4; ++d0_l) {
            add0[d0_l] = (sf_exp(t1_0[d0_l]) * 2.0f) + t1_0[d0_l];
        }
        sf_write<4>(t0 + d0, add0, 1003 - d0);
    }
}
SF_EXPORT(k0, const f32*, f32*);
