// scatter
//   scatter_add
SF_KERNEL(k0, 256)
(const f32* __restrict__ t1, const i64* __restrict__ t2, const f32* __restrict__ t3, f32* __restrict__ t0) {
    const i32 thread = sf_thread();
    const i32 block = sf_block();
    // phase 1: d0 by 4 copies, 16 threads; a0 by 16 threads
    {
        const i32 d0 = thread / 16;
        const i32 a0 = thread % 16;
        const f32 t1_0 = d0 < 5 && a0 < 12 ? t1[a0 + 12 * d0] : f32();
        if (d0 < 5 && a0 < 12) t0[a0 + 12 * d0] = t1_0;
    }
    sf_barrier();
    // phase 2: u0; a0 by 16 threads
    {
        const i32 a0 = thread % 16;
        for (i32 u0_at = 0; u0_at < 9; u0_at += 1) {
            const i32 u0 = u0_at;
            const i64 t2_0 = t2[u0];
            const i64 max0 = sf_max(sf_min(t2_0, 4ll), 0ll);
            const bool bitand0 = (max0 >= (i64)0) && (max0 < (i64)16);
            const f32 t3_0 = a0 < 12 && bitand0 ? t3[a0 + 12 * u0] : 0.0f;
            if (thread < 16 && a0 < 12 && bitand0) t0[a0 + max0 * 12] = sf_add(t0[a0 + max0 * 12], t3_0);
        }
    }
}
SF_EXPORT(k0, const f32*, const i64*, const f32*, f32*);
