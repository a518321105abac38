"""Programs on a device: results, memory, captured graphs, donation, errors."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from cuda.programs import vectors

from symfuse.runtime import artifact, options
from symfuse.runtime.artifact import Artifact
from symfuse.runtime.cuda import captures
from symfuse.runtime.cuda.arrays import DeviceArray, to_device
from symfuse.runtime.cuda.driver import OutOfMemory
from symfuse.runtime.cuda.executable import CudaExecutable
from symfuse.runtime.cuda.launches import PackedKernel
from symfuse.runtime.cuda.profile import time_launches
from symfuse.runtime.errors import (
    ArgumentError,
    ArtifactError,
    DeviceError,
    DTypeError,
    GuardError,
    VerifyError,
)
from symfuse.runtime.executable import load

ONE, TWO, THREE = vectors(3)


def equal(found, expected):
    np.testing.assert_array_equal(np.asarray(found), expected)


class TestCalls:
    def test_arrays_of_the_host_give_an_array_on_the_device(self, programs, place):
        found = load(programs.addition())(ONE, TWO)
        assert isinstance(found, DeviceArray)
        assert found.device is place
        equal(found, THREE)

    def test_numbers_and_lists_are_taken_as_on_the_processor(self, programs):
        equal(load(programs.addition())([1, 2, 3, 4], TWO.tolist()), [3, 4, 5, 6])

    def test_results_are_arguments_of_the_next_call(self, programs):
        run = load(programs.addition())
        total = to_device(np.zeros(4, np.float32))
        for _ in range(10):
            total = run(total, ONE)
        equal(total, 10 * ONE)

    def test_host_arrays_may_change_as_soon_as_the_call_returns(self, programs):
        run, x, kept = load(programs.addition()), ONE.copy(), []
        for step in range(20):
            x[:] = step
            kept.append(run(x, ONE))
        equal([float(np.asarray(each)[0]) for each in kept], np.arange(20) + 1)

    def test_intermediates_live_in_the_arena(self, programs):
        equal(load(programs.quadruple())(THREE), 4 * THREE)

    def test_hidden_inputs_and_constants_are_on_the_device(self, programs):
        p, q = load(programs.with_constants())(ONE)
        equal(p, 11 * ONE)
        equal(q, 21 * ONE)

    def test_more_shared_memory_is_asked_for(self, programs):
        equal(load(programs.large_shared())(ONE), ONE)

    def test_threads_are_taken_and_mean_nothing(self, programs):
        run = load(programs.addition(), threads=3)
        assert run.threads == 3
        equal(run(ONE, TWO), THREE)

    def test_an_executable_tells_what_it_is(self, programs, place):
        run = load(programs.addition())
        assert (run.name, run.symbols, run.is_native) == ("add", (), False)
        assert "add(x: f32[4], y: f32[4]) -> f32[4] on cuda:0" in repr(run)
        assert (run.placement.target, run.placement.device) == ("cuda", "cuda:0")
        assert run.placement.name == place.facts.name
        assert run.entry(ONE, TWO).shape == (4,)

    def test_threads_of_python_may_call_at_the_same_time(self, programs):
        run, failures = load(programs.quadruple()), []

        def work(number):
            for step in range(20):
                x = np.full(4, number * 100 + step, np.float32)
                if not np.array_equal(np.asarray(run(x)), 4 * x):
                    failures.append((number, step))

        workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert not failures


class TestOut:
    def test_a_device_array_is_written(self, programs):
        target = to_device(np.zeros(4, np.float32))
        assert load(programs.addition())(ONE, TWO, out=target) is target
        equal(target, THREE)

    def test_an_array_of_the_host_is_written_too(self, programs):
        target = np.zeros(4, np.float32)
        assert load(programs.addition())(ONE, TWO, out=target) is target
        equal(target, THREE)

    def test_an_argument_may_be_the_result(self, programs):
        run, x = load(programs.quadruple()), to_device(THREE)
        run(x, out=x)
        equal(x, 4 * THREE)
        assert run.counters.copies == 1

    @pytest.mark.parametrize("shape, dtype", [((3,), "f4"), ((4,), "f8")])
    def test_a_target_of_another_type_is_refused(self, programs, shape, dtype):
        with pytest.raises((GuardError, DTypeError), match=r"out for 'sum' has to be .* f32\[4\]"):
            load(programs.addition())(ONE, TWO, out=to_device(np.zeros(shape, dtype)))

    def test_two_targets_in_one_memory_of_the_host_are_refused(self, programs):
        memory = np.zeros(4, np.float32)
        with pytest.raises(GuardError, match="two arrays of out share memory"):
            load(programs.with_constants())(ONE, out=(memory, memory[:]))

    def test_too_few_targets_are_refused(self, programs):
        with pytest.raises(ArgumentError, match="out has 1 arrays for 2 results"):
            load(programs.update())(ONE, TWO, out=to_device(ONE))

    def test_a_donated_result_is_copied_to_its_target(self, programs):
        targets = (to_device(ONE), np.zeros(4, np.float32))
        found = load(programs.update())(to_device(ONE), TWO, out=targets)
        assert found[0] is targets[0]
        equal(found[0], THREE)
        equal(found[1], 4 * ONE)


class TestDonation:
    def test_donated_memory_stays_in_place(self, programs):
        run, state = load(programs.update()), to_device(np.zeros(4, np.float32))
        address = state.address
        for step in range(5):
            found, twice = run(state, ONE)
            assert found is state
            assert found.address == address
            equal(twice, 2 * ONE)
            equal(found, (step + 1) * ONE)
        assert run.counters.copies == 0

    def test_a_donated_array_of_the_host_moves_to_the_device(self, programs):
        run, mine = load(programs.update()), ONE.copy()
        state, _ = run(mine, TWO)
        equal(mine, ONE)
        equal(run(state, TWO)[0], 5 * ONE)

    def test_a_donated_array_that_is_passed_twice_is_copied(self, programs):
        run, x = load(programs.update()), to_device(ONE)
        state, twice = run(x, x)
        equal(state, 2 * ONE)
        equal(twice, 2 * ONE)
        equal(x, ONE)
        assert run.counters.copies == 1

    def test_a_donated_array_that_is_read_only_is_copied(self, programs):
        run, x = load(programs.update()), to_device(ONE)
        x.is_read_only = True
        equal(run(x, ONE)[0], TWO)
        equal(x, ONE)


class TestSizes:
    @pytest.mark.parametrize("order", [(1, 64, 65, 1000, 65, 1, 5000)])
    def test_one_program_serves_every_size(self, programs, order):
        run = load(programs.symbolic())
        for n in order:
            x, y = np.arange(n, dtype=np.float32), np.ones(n, np.float32)
            triple, total = run(x, y)
            equal(triple, 3 * x)
            equal(total, x + y)

    def test_no_elements_launch_nothing(self, programs):
        empty = np.zeros(0, np.float32)
        assert [found.shape for found in load(programs.symbolic())(empty, empty)] == [(0,), (0,)]

    def test_a_broken_guard_is_told_before_anything_runs(self, programs):
        x = np.ones(5001, np.float32)
        with pytest.raises(GuardError, match=r"valid for N ≤ 5000; it got x \(5001,\)"):
            load(programs.symbolic())(x, x)

    def test_sizes_of_one_name_have_to_agree(self, programs):
        with pytest.raises(GuardError, match=r"N is 3 in argument 'x'.* but 4 in argument 'y'"):
            load(programs.symbolic())(np.ones(3, np.float32), np.ones(4, np.float32))

    def test_what_is_captured_is_kept_for_each_size(self, programs, monkeypatch):
        made = []
        replay = captures.Replay
        monkeypatch.setattr(captures, "Replay", lambda *x: made.append(1) or replay(*x))
        run = load(programs.symbolic())
        sizes = (700, 500, 600, 500, 600, 700)  # the largest first: its arena does for all
        for n in sizes:
            run(np.ones(n, np.float32), np.ones(n, np.float32))
        assert len(made) == 3

    def test_nothing_is_kept_of_the_sizes_of_programs_without_products(self, programs):
        run = load(programs.symbolic())
        for size in range(1, 40):
            run(*vectors(2, size))
        assert len(run._captures) <= 16
        assert not run._captures._counts

    def test_addresses_that_change_are_patched_and_not_captured_again(self, programs, monkeypatch):
        made, kept = [], []
        replay = captures.Replay
        monkeypatch.setattr(captures, "Replay", lambda *x: made.append(1) or replay(*x))
        run = load(programs.addition())
        for step in range(10):
            x = to_device(np.full(4, step, np.float32))
            kept.append((x, run(x, ONE)))
        assert len(made) == 1
        for step, (_, found) in enumerate(kept):
            equal(found, np.full(4, step + 1))


class TestBound:
    def test_a_bound_call_reads_the_same_arrays_anew(self, programs):
        x, y = ONE.copy(), to_device(TWO)
        bound = load(programs.addition()).bind(x, y)
        first = bound()
        equal(first, THREE)
        x[:] = 5
        assert bound() is first
        equal(first, np.full(4, 7))

    def test_donated_arrays_go_on_from_call_to_call(self, programs):
        state = to_device(np.zeros(4, np.float32))
        bound = load(programs.update()).bind(state, ONE)
        for _ in range(3):
            found, _ = bound()
        assert found is state
        equal(state, 3 * ONE)

    def test_results_may_go_to_the_host(self, programs):
        target = np.zeros(4, np.float32)
        assert load(programs.addition()).bind(ONE, TWO, out=target)() is target
        equal(target, THREE)

    def test_calls_of_other_threads_do_not_come_between_its_launches(self, programs, monkeypatch):
        run = load(programs.quadruple(), verify=True)
        bound, others, enqueue = run.bind(ONE), [], PackedKernel.enqueue

        def meanwhile(kernel, stream):
            enqueue(kernel, stream)
            if not others:
                others.append(threading.Thread(target=run, args=(THREE,)))
                others[0].start()
                others[0].join(timeout=1)

        monkeypatch.setattr(PackedKernel, "enqueue", meanwhile)
        equal(bound(), 4 * ONE)
        others[0].join()

    def test_other_calls_do_not_disturb_it(self, programs):
        run = load(programs.symbolic())
        x = np.arange(10, dtype=np.float32)
        bound = run.bind(x, x)
        run(np.ones(4000, np.float32), np.ones(4000, np.float32))
        triple, _ = bound()
        equal(triple, 3 * x)

    @pytest.mark.parametrize(
        "values, message",
        [
            (([0, 1, 2, 3], ONE), "'x' would be converted once"),
            ((np.arange(8, dtype=np.float32)[::2], ONE), "'x' would be converted once"),
        ],
    )
    def test_what_has_to_be_converted_is_refused(self, programs, values, message):
        with pytest.raises(GuardError, match=message):
            load(programs.addition()).bind(*values)

    def test_donated_arrays_have_to_be_on_the_device(self, programs):
        with pytest.raises(GuardError, match="'state' is donated and not on cuda:0"):
            load(programs.update()).bind(ONE, TWO)

    def test_memory_that_is_read_and_written_is_refused(self, programs):
        x = to_device(ONE)
        with pytest.raises(GuardError, match="would have to be copied"):
            load(programs.update()).bind(x, x)


class TestErrors:
    def test_too_few_arguments(self, programs):
        with pytest.raises(ArgumentError, match=r"takes 2 arguments \(x, y\) and got 1"):
            load(programs.addition())(ONE)

    @pytest.mark.parametrize("where", [np.asarray, to_device])
    def test_a_wrong_dtype_is_told_as_on_the_processor(self, programs, where):
        with pytest.raises(DTypeError, match=r"'y' is of .*64, but the program takes f32\[4\]"):
            load(programs.addition())(ONE, where(TWO.astype("f8")))

    @pytest.mark.parametrize("where", [np.asarray, to_device])
    def test_a_wrong_shape_is_told_as_on_the_processor(self, programs, where):
        with pytest.raises(GuardError, match=r"'y' has shape \(3,\), but .* f32\[4\]"):
            load(programs.addition())(ONE, where(TWO[:3]))

    def test_code_for_another_device_is_refused(self, programs):
        other = replace(
            programs.addition(), device=replace(programs.addition().device, arch="sm_20")
        )
        with pytest.raises(ArtifactError, match=r"compiled for sm_20, and cuda:0 .* runs code for"):
            load(other)

    def test_code_that_is_none_is_refused(self, programs):
        code = programs.addition().device
        broken = replace(programs.addition(), device=replace(code, modules=(b"\x7fELF nothing",)))
        with pytest.raises(DeviceError, match=r"code for sm_.* cannot be loaded: cuModuleLoadData"):
            load(broken)

    def test_a_kernel_that_is_not_there_is_named(self, programs):
        code = programs.addition().device
        other = replace(code.launches[0], entry="nowhere")
        broken = replace(programs.addition(), device=replace(code, launches=(other,)))
        with pytest.raises(DeviceError, match="kernel nowhere: cuModuleGetFunction failed"):
            load(broken)

    def test_a_kernel_that_needs_more_shared_memory_than_there_is_is_refused(self, programs):
        with pytest.raises(
            ArtifactError, match=r"large_shared takes 300000 bytes of shared memory, and cuda:0"
        ) as caught:
            load(programs.large_shared(shared=300_000))
        assert "recompile=True" in caught.value.fix

    def test_a_grid_that_no_device_has_is_refused(self, programs):
        code = programs.addition().device
        wide = replace(code.launches[0], blocks=(1 << 32) + 1)
        broken = replace(programs.addition(), device=replace(code, launches=(wide,)))
        with pytest.raises(
            DeviceError, match=r"kernel combine4 \(model.py:10\): 4294967297 blocks are more than"
        ):
            load(broken)(ONE, TWO)

    def test_a_launch_that_fails_names_the_kernel_and_the_users_lines(self, programs):
        code = programs.addition().device
        wide = replace(code.launches[0], threads=5000)
        broken = replace(programs.addition(), device=replace(code, launches=(wide,)))
        with pytest.raises(
            DeviceError,
            match=r"kernel combine4 \(model.py:10\): cuLaunchKernel failed: .*CUDA_ERROR",
        ):
            load(broken)(ONE, TWO)

    def test_too_little_memory_names_what_the_plan_has_alive(self, programs):
        run = load(programs.huge())
        run.live_set = lambda: "h: f32[64,512]"
        with pytest.raises(
            OutOfMemory, match=r"largest intermediates are h: f32\[64,512\]"
        ) as info:
            run(ONE)
        assert "has no 1048576.0 GiB left" in info.value.what
        assert "make the sizes smaller" in info.value.fix

    def test_a_failed_call_leaves_the_executable_usable(self, programs):
        run = load(programs.addition())
        with pytest.raises(GuardError):
            run(ONE, TWO[:2])
        equal(run(ONE, TWO), THREE)


class TestVerified:
    def test_results_are_the_same(self, programs):
        equal(load(programs.quadruple(), verify=True)(THREE), 4 * THREE)

    def test_the_highest_byte_written_is_found(self, programs):
        run = load(programs.scratch_user(100), verify=True)
        run(ONE)
        assert run.last_high_water == 100

    def test_writing_beyond_the_plan_is_told(self, programs):
        with pytest.raises(VerifyError, match="wrote 100 bytes of an arena of 50"):
            load(programs.scratch_user(50), verify=True)(ONE)

    def test_the_option_asks_for_it(self, programs):
        with options.using(verify=True):
            assert load(programs.addition()).verify


class TestFiles:
    @pytest.mark.parametrize("name", ["addition", "symbolic", "update", "with_constants"])
    def test_a_saved_program_is_the_same(self, programs, tmp_path, name):
        before = getattr(programs, name)()
        path = tmp_path / "program.sfz"
        artifact.save(path, Artifact(before))
        after = artifact.load(path).program
        assert after.device == before.device
        assert (after.image is None) == (before.image is None)
        assert after.signature == before.signature

    def test_it_runs(self, programs, tmp_path):
        artifact.save(tmp_path / "add.sfz", Artifact(programs.addition()))
        equal(load(artifact.load(tmp_path / "add.sfz").program)(ONE, TWO), THREE)

    def test_the_same_program_gives_the_same_bytes(self, programs):
        one, two = (artifact.to_bytes(Artifact(programs.symbolic())) for _ in range(2))
        assert one == two


def test_launches_are_timed_one_by_one(programs):
    found = time_launches(programs.quadruple(), [THREE])
    assert found.parts == found.turns == (1, 1)
    assert len(found.launches) == 2
    assert len(found.whole) == len(found.launches[0])


def test_memory_comes_back_when_arrays_go(programs, place):
    run = load(programs.quadruple())
    run(ONE)
    before = place.memory.usage.live
    kept = [run(ONE) for _ in range(10)]
    assert place.memory.usage.live > before
    del kept
    assert place.memory.usage.live == before


def test_executables_that_go_give_their_modules_back(programs, place):
    run = load(programs.quadruple())
    run(ONE)
    del run
    discarded = [name for name, _ in place._discarded]
    assert {"cuModuleUnload", "cuGraphExecDestroy", "cuGraphDestroy"} <= set(discarded)
    place.sweep()
    assert not place._discarded
    assert isinstance(load(programs.addition()), CudaExecutable)
