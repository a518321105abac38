// map
//   transpose
SF_KERNEL(k0, 256)
(const f32* __restrict__ t1, f32* __restrict__ t0) {
    SF_SHARED(f32, turned0, 272);
    const i32 thread = sf_thread();
    const i32 block = sf_block();
    const i32 d1_tile = block % 3;
    const i32 rest0 = block / 3;
    const i32 d0_tile = rest0;
    // phase 1: d1 by 16 threads; d0 by 16 threads
    {
        const i32 d1_in = thread / 16;
        const i32 d1 = 16 * d1_tile + d1_in;
        const i32 d0_in = thread % 16;
        const i32 d0 = 16 * d0_tile + d0_in;
        const f32 t1_0 = d1 < 37 && d0 < 23 ? t1[d0 + 23 * d1] : f32();
        if (d1 < 37 && d0 < 23) turned0[d0_in + 17 * d1_in] = t1_0;
    }
    sf_barrier();
    // phase 2: d0 by 16 threads; d1 by 16 threads
    {
        const i32 d0_in = thread / 16;
        const i32 d0 = 16 * d0_tile + d0_in;
        const i32 d1_in = thread % 16;
        const i32 d1 = 16 * d1_tile + d1_in;
        if (d0 < 23 && d1 < 37) t0[37 * d0 + d1] = turned0[d0_in + 17 * d1_in];
    }
}
SF_EXPORT(k0, const f32*, f32*);
