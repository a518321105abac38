// scan
//   cumsum
SF_KERNEL(k0, 64)
(const i64* t0, i64* t1) {
    SF_SHARED(char, scratch, 512);
    const i32 thread = sf_thread();
    const i32 block = sf_block();
    const i32 d0_tile = block;
    // phase 1: d1 by 64 threads, 2 lanes
    {
        const i32 d1 = thread * 2;
        i64 running_0 = 0ll;
        i64 t0_0[2];
        if (d1 < 70) sf_read<2>(t0_0, t0 + 70 * d0_tile + d1);
        i64 scan0[2];
        {
            i64 total0 = 0ll;
            i64 before0 = 0ll;
            i64 part0[2];
            SF_UNROLL
            for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
                if (d1 < 70) {
                    total0 = sf_add(total0, t0_0[d1_l]);
                }
                part0[d1_l] = total0;
            }
            const i32 row = thread % 32;
            SF_UNROLL
            for (i32 n = 1; n < 32; n *= 2) {
                const i64 below0 = sf_shuffle_up(total0, n);
                if (row >= n) {
                    total0 = sf_add(below0, total0);
                }
            }
            const i64 below1 = sf_shuffle_up(total0, 1);
            if (row > 0) {
                before0 = below1;
            }
            const i64 below2 = sf_shuffle(total0, thread % 32 + (31 - row));
            total0 = below2;
            sf_barrier();
            i64* totals0 = (i64*)(scratch + 0);
            totals0[thread] = total0;
            sf_barrier();
            i64 earlier0 = 0ll;
            i64 every0 = 0ll;
            for (i32 i = 0; i < 2; ++i) {
                const i32 from = thread + (i - thread / 32) * 32;
                const i64 there0 = totals0[from];
                if (i < thread / 32) {
                    earlier0 = sf_add(earlier0, there0);
                }
                every0 = sf_add(every0, there0);
            }
            before0 = sf_add(earlier0, before0);
            total0 = every0;
            before0 = sf_add(running_0, before0);
            SF_UNROLL
            for (i32 d1_l = 0; d1_l < 2; ++d1_l) {
                scan0[d1_l] = sf_add(before0, part0[d1_l]);
            }
            running_0 = sf_add(running_0, total0);
        }
        if (d1 < 70) sf_write<2>(t1 + 70 * d0_tile + d1, scan0);
    }
}
SF_EXPORT(k0, const i64*, i64*);
