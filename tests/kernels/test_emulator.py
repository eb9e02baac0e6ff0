"""The emulator of PTX by hand: what texts of a few lines compute, and what it refuses to run."""

from fractions import Fraction

import numpy as np
import pytest

from .emulated.arithmetic import REAL, WHOLE, fused, to_brain
from .emulated.program import Program

THREAD = np.arange(64)
LANE = THREAD % 32
WARP = THREAD - LANE


def run(body, number=3, real=1.5, grid=1):
    """%r1 of every thread at the end; %r0 is its number, and %rd1 an array of 64 zeros."""
    program = Program(
        f"""
        .extern .shared .align 16 .b8 global_smem[];
        .visible .entry k(.param .u64 p0, .param .u64 p1, .param .u32 p2, .param .f32 p3)
        .reqntid 64
        {{
            .reg .pred %p<9>; .reg .b16 %rs<9>; .reg .b32 %r<9>; .reg .b64 %rd<9>;
            ld.param.b64 %rd1, [p0]; ld.param.b64 %rd2, [p1];
            mov.u32 %r0, %tid.x;
            mad.wide.u32 %rd3, %r0, 4, %rd2; // where %r1 of this thread is left
            {body}
            st.global.b32 [ %rd3 + 0 ], {{ %r1 }};
            ret;
        }}
        .section .debug_abbrev {{ .b8 1 }}
        """
    )
    zeros, out = np.zeros(64, np.float32), np.full(64, -7, np.int32)
    program.run(grid, [zeros, out, number, real], 1024)
    return out


# a loop as often as lane % 8 says, with a choice in it
PARTING = """
    mov.b32 %r1, 0; mov.b32 %r2, 0; and.b32 %r3, %r0, 7;
    $AGAIN: setp.ge.s32 %p1, %r2, %r3; @%p1 bra $DONE;
    and.b32 %r4, %r2, 1; setp.eq.s32 %p2, %r4, 0; @!%p2 bra $ODD;
    add.s32 %r1, %r1, %r2; bra.uni $NEXT;
    $ODD: sub.s32 %r1, %r1, 100;
    $NEXT: add.s32 %r2, %r2, 1; bra.uni $AGAIN;
    $DONE: bar.sync 0;
"""
# those who part meet above the place where they did, five times
MEETING = """
    mov.b32 %r1, 0; mov.b32 %r3, 0; bra.uni $START;
    $MEET: {} add.s32 %r3, %r3, 1; setp.ge.s32 %p3, %r3, 5; @%p3 bra $DONE;
    $START: and.b32 %r2, %r0, 3; setp.eq.s32 %p1, %r2, 0; @%p1 bra $MEET;
    add.s32 %r1, %r1, 50; bra.uni $MEET;
    $DONE:
"""
SHUFFLE = "shfl.sync.idx.b32 %r5, %r0, 0, 31, -1;"
FEW = "mov.b32 %r1, 7; setp.lt.u32 %p1, %r0, {};"  # threads of a number less than this


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (PARTING, [sum(-100 if j % 2 else j for j in range(t % 8)) for t in THREAD]),
        (MEETING.format("bar.sync 0;"), np.where(THREAD % 4, 250, 0)),
        (MEETING.format(SHUFFLE), np.where(THREAD % 4, 250, 0)),
        (FEW.format(10) + "@%p1 ret; bar.sync 0;", np.where(THREAD < 10, -7, 7)),
        (
            FEW.format(10) + "@%p1 bra $OUT; bar.sync 0; bra.uni $ON;\n$OUT: ret;\n$ON:",
            np.where(THREAD < 10, -7, 7),
        ),
        (
            FEW.format(32) + f"@%p1 bra $ON; {SHUFFLE} mov.b32 %r1, %r5;\n$ON: bar.sync 0;",
            np.where(THREAD < 32, 7, 32),
        ),
    ],
    ids=["loop", "barrier", "shuffle", "ret", "ret while others wait", "a warp alone"],
)
def test_threads_part_and_meet(body, expected):
    assert run(body).tolist() == list(expected)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (FEW.format(10) + "@%p1 bra $ON; bar.sync 0;\n$ON: bar.sync 0;", "wait for others at"),
        (FEW.format(5) + f"@%p1 bra $ON; {SHUFFLE}\n$ON: bar.sync 0;", "wait for others at"),
        (FEW.format(5) + f"@%p1 {SHUFFLE}", "'@%p1 shfl.* of some threads of a warp"),
        (FEW.format(5) + "@%p1 redux.sync.max.s32 %r1, %r0, -1;", "of some threads of a warp"),
        (FEW.format(5) + "@%p1 bar.sync 0;", "'@%p1 bar.sync 0' of 5 of 64 threads"),
    ],
    ids=["barriers", "a barrier and a shuffle", "shuffle", "redux", "barrier"],
)
def test_threads_that_miss_each_other_are_an_error(body, said):
    with pytest.raises(RuntimeError, match=said):
        run(body)


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        ("shfl.sync.bfly.b32 %r1, %r0, 4, 31, -1;", THREAD ^ 4),
        ("shfl.sync.idx.b32 %r1, %r0, 5, 31, -1;", WARP + 5),
        ("redux.sync.max.s32 %r1, %r0, -1;", WARP + 31),
    ],
)
def test_numbers_change_hands_within_a_warp(exchange, expected):
    assert run(exchange).tolist() == expected.tolist()


def test_matrices_of_16_bits_go_through_shared_memory():
    # rows of 16 bytes: the second of two matrices begins at the 32nd number after [128]
    loads = """
        shl.b32 %r2, %r0, 2; st.shared.b32 [%r2], %r0; bar.sync 0;
        and.b32 %r3, %r0, 15; shl.b32 %r3, %r3, 4;
        ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r4, %r1}, [%r3];
    """
    assert run(loads).tolist() == (32 + LANE).tolist()
    stores = """
        and.b32 %r4, %r0, 31; shl.b32 %r3, %r4, 4; add.s32 %r5, %r4, 32;
        add.s32 %r6, %r4, 64; add.s32 %r7, %r4, 96;
        stmatrix.sync.aligned.m8n8.x4.shared.b16 [%r3], {%r4, %r5, %r6, %r7}; bar.sync 0;
        shl.b32 %r2, %r0, 2; ld.shared.b32 %r1, [%r2+64];
    """
    assert run(stores).tolist() == (16 + THREAD).tolist()


def test_an_inner_scope_has_registers_of_its_own():
    found = run(
        """
        mov.b32 %r1, 5;
        { .reg .b32 t, %r1; .reg .pred q; mov.b32 %r1, 9; add.s32 t, %r1, 1;
          setp.eq.u32 q, t, 10; @q mov.b32 %r2, t; }
        { .reg .b32 t; mov.b32 t, 1; { .reg .b32 t; mov.b32 t, 100; add.s32 %r1, %r1, t; }
          add.s32 %r1, %r1, t; }
        add.s32 %r1, %r1, %r2;
        """
    )
    assert set(found) == {5 + 100 + 1 + 10}


@pytest.mark.parametrize(
    "access",
    [
        "ld.global.b32 { %r1 }, [ %rd1 + 256 ];",
        "st.global.b32 [ %rd1 + -4 ], { %r0 };",
        "ld.global.v2.b32 { %r1, %r2 }, [ %rd1 + 4 ];",
        "ld.global.b32 { %r1 }, [ %rd1 + 2 ];",
        "ld.shared.b32 %r1, [global_smem+1024];",
    ],
    ids=["behind", "before", "a pair of 4 bytes", "2 bytes", "shared"],
)
def test_memory_that_is_not_there_or_not_aligned_is_an_error(access):
    with pytest.raises(IndexError, match=r"b32 .*: 64 threads, one at 0x"):
        run("mov.b32 %r1, 0;" + access)


def test_equal_numbers_may_be_stored_at_one_place_and_different_ones_are_an_error():
    store = "mov.b32 %r1, 0; mov.b32 %r2, 7; st.shared.b32 [global_smem+4], {}; "
    assert (run(store.format("%r2") + "ld.shared.b32 %r1, [global_smem+4];") == 7).all()
    with pytest.raises(RuntimeError, match=r"r0' of different numbers at one place"):
        run(store.format("%r0"))


# what a thread leaves at its own place of shared memory, and one of another, by its number
PLACES = """
    shl.b32 %r2, %r0, 2; xor.b32 %r3, %r2, {}; cvt.u64.u32 %rd4, %r2; cvt.u64.u32 %rd5, %r3;
    add.s64 %rd4, %rd4, %rd1; add.s64 %rd5, %rd5, %rd1; mov.b32 %r1, 0;
"""
LEAVE, FETCH = "st.shared.b32 [%r2], %r0;", "ld.shared.b32 %r1, [%r3];"
OF_OTHERS = PLACES.format(128)  # of the other warp


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            LEAVE + FETCH,
            r"ld\.shared.* by 64 threads, of what another warp has stored since",
        ),
        (
            FETCH + LEAVE,
            r"st\.shared.* by 64 threads, of what another warp has read since",
        ),
        (LEAVE + "st.shared.b32 [%r3], %r0;", r"st\.shared.* another warp has stored"),
        (
            LEAVE + "bar.sync 0;" + FETCH + LEAVE + "st.shared.b32 [%r2], 5;",
            "another warp has read",
        ),
        (
            LEAVE + "setp.lt.s32 %p1, %r0, 0; @%p1 bar.sync 0;" + FETCH,
            "another warp has stored",
        ),
        ("st.global.b32 [%rd4], %r0; ld.global.b32 %r1, [%rd5];", r"ld\.global.* has stored"),
        ("stmatrix.sync.aligned.m8n8.x1.shared.b16 [0], {%r0}; ld.shared.b32 %r1, [4];", "st"),
    ],
    ids=["read", "changed", "twice", "after a barrier", "nobody waits", "global", "matrices"],
)
def test_a_barrier_that_is_missing_between_two_warps_is_an_error(body, said):
    with pytest.raises(RuntimeError, match=said):
        run(OF_OTHERS + body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (OF_OTHERS + LEAVE + "bar.sync 0;" + FETCH, THREAD ^ 32),
        (OF_OTHERS + FETCH + "bar.sync 0;" + LEAVE + "mov.b32 %r1, %r0;", THREAD),
        # a warp is in step with itself
        (PLACES.format(4) + LEAVE + FETCH, THREAD ^ 1),
        # what stays as it is is not changed
        (OF_OTHERS + LEAVE + "bar.sync 0;" + FETCH + LEAVE, THREAD ^ 32),
    ],
    ids=["stored", "read", "within a warp", "the same again"],
)
def test_with_a_barrier_or_without_need_of_one_it_is_none(body, expected):
    assert run(body).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # an access that is masked is none
        ("mov.b32 %r1, 3; setp.lt.s32 %p1, %r0, 0; @%p1 ld.global.b32 %r1, [%rd1+99];", 3),
        ("mov.b32 {%rs1, %rs2}, 0x12345678; mov.b32 %r1, {%rs2, %rs1};", 0x56781234),
        ("mov.b32 %r2, 7; mov.b64 %rd5, {%r2, %r2}; add.s64 %rd5, %rd5, 1;"
         "mov.b64 {%r3, %r4}, %rd5; mad.lo.s32 %r1, %r3, 100, %r4;", 807),
        ("mov.b16 %rs1, 0x1F0; st.shared.b8 [global_smem+4], %rs1;"
         "ld.shared.b8 %rs2, [global_smem+4]; cvt.u32.u16 %r1, %rs2;", 0xF0),
        ("mov.b16 %rs1, 0xFFF0; cvt.s32.s16 %r1, %rs1;", -16),
        ("mov.b32 %r3, -5; shr.s32 %r4, %r3, 40; shr.u32 %r5, %r3, 28;"
         "shl.b32 %r2, %r3, 40; add.s32 %r1, %r4, %r5; add.s32 %r1, %r1, %r2;", 14),
        ("mov.b32 %r2, 0x4240B5A6; mov.b32 %r3, 0x5410; prmt.b32 %r1, %r2, 1, %r3;", 0x1B5A6),
        ("mul.wide.s32 %rd5, -3, 5; cvt.u32.u64 %r1, %rd5;", -15),
    ],
    ids=["masked", "halves", "a pair", "bytes", "a sign", "shifts", "bytes permuted", "wide"],
)  # fmt: skip
def test_whole_numbers(body, expected):
    assert set(run(body)) == {expected}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("mov.b32 %r2, 0f00000001; add.f32 %r1, %r2, %r2;", 2.0**-148),
        ("mov.b32 %r2, 0f00000001; fma.rn.ftz.f32 %r1, %r2, %r2, %r2;", 0.0),
        ("rcp.approx.ftz.f32 %r1, 0f00000001;", np.inf),
        ("cvt.rn.bf16.f32 %rs1, 0f3F80FFFF; cvt.f32.bf16 %r1, %rs1;", 1.0078125),
        ("cvt.rn.f32.s32 %r1, -3;", -3.0),
        ("ld.param.f32 %r2, [p3]; add.f32 %r1, %r2, 0f3F800000;", 2.5),
    ],
    ids=["subnormal", "ftz", "rcp", "bf16", "a whole number", "a parameter"],
)
def test_numbers(body, expected):
    assert set(run(body).view(np.float32)) == {np.float32(expected)}


def test_every_program_has_its_number_and_fresh_shared_memory():
    # the last program writes last: 2, of 3, and what no program wrote has all bits set
    body = """
        ld.shared.b32 %r2, [global_smem]; bar.sync 0; st.shared.b32 [global_smem], 0;
        mov.u32 %r1, %ctaid.x; mad.lo.s32 %r1, %r1, 10, %r2; ld.param.u32 %r3, [p2];
        mad.lo.s32 %r1, %r3, 1000, %r1; mov.u32 %r4, %nctaid.x; mad.lo.s32 %r1, %r4, 100, %r1;
    """
    assert set(run(body, number=-3, grid=3)) == {-3000 + 300 + 20 - 1}


# (1, 2), (NaN, 2) and (2, 2)
COMPARISONS = {
    "eq": (0, 0, 1), "ne": (1, 0, 0), "neu": (1, 1, 0), "lt": (1, 0, 0), "ltu": (1, 1, 0),
    "leu": (1, 1, 1), "gt": (0, 0, 0), "gtu": (0, 1, 0), "num": (1, 0, 1), "nan": (0, 1, 0),
}  # fmt: skip


@pytest.mark.parametrize(("comparison", "expected"), COMPARISONS.items())
def test_comparisons_with_nan(comparison, expected):
    for kind, ones, two in (
        ("f32", ("0f3F800000", "0f7FC00000", "0f40000000"), "0f40000000"),
        ("bf16", ("0x3F80", "0x7FC0", "0x4000"), "0x4000"),
    ):
        body = "setp.{}.{} %p1, {}, {}; selp.b32 %r1, 1, 0, %p1;"
        found = [set(run(body.format(comparison, kind, one, two))) for one in ones]
        assert found == [{one} for one in expected]


@pytest.mark.parametrize(
    "text",
    [
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%r1}, {%r1}, {%r1}, {%r1};",
        "wgmma.fence.sync.aligned;",
        "vote.sync.any.pred %p1, %p1, -1;",
        "shfl.sync.up.b32 %r1, %r0, 1, 0, -1;",
        "shfl.sync.bfly.b32 %r1, %r0, 1, 7199, -1;",
        "redux.sync.add.s32 %r1, %r0, -1;",
        "add.rz.f32 %r1, %r1, %r1;",
        "add.sat.f32 %r1, %r1, %r1;",
        "add.f64 %rd1, %rd1, %rd1;",
        "add.bf16 %rs1, %rs1, %rs1;",
        "div.s32 %r1, %r1, %r1;",
        "cvt.rzi.s32.f32 %r1, %r1;",
        "setp.foo.s32 %p1, %r1, %r1;",
        "setp.lt.and.s32 %p1, %r1, %r1, %p2;",
        "mov.b32 %r1, %unknown;",
        "call f, (%r1);",
    ],
)
def test_an_instruction_that_is_not_known_is_named(text):
    with pytest.raises(NotImplementedError) as error:
        run(text)
    assert str(error.value) == text.rstrip(";")


def floats(*numbers):
    return np.array(numbers, np.float32)


def test_a_product_and_a_sum_are_rounded_once():
    # (1 + 2⁻¹²)² lies halfway between two numbers, so that the least of a sum decides
    a, c = floats(1 + 2**-12).repeat(4), floats(2**-60, -(2**-60), 0, 2**-30)
    up, down = 1 + 2**-11 + 2**-23, 1 + 2**-11
    assert fused(a, a, c).tolist() == [up, down, down, up]
    assert fused(-a, a, -c).tolist() == [-up, -down, -down, -up]
    twice = (a.astype(np.float64) * a + c).astype(np.float32)
    assert twice.tolist() != [up, down, down, up]


def test_products_and_sums_against_exact_fractions():
    rng = np.random.default_rng(0)
    a, b, c = (rng.normal(size=2000) * 2.0 ** rng.integers(-30, 30, 2000) for _ in range(3))
    a, b, c = (x.astype(np.float32) for x in (a, b, c))
    for x, y, z, found in zip(a, b, c, fused(a, b, c), strict=True):
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        wrong = abs(Fraction(float(found)) - exact)
        for other in (np.nextafter(found, -np.inf), np.nextafter(found, np.inf)):
            assert wrong <= abs(Fraction(float(other)) - exact)


def test_the_larger_of_two():
    a, b = floats(-0.0, np.nan, 1, np.nan), floats(0.0, 1, np.nan, np.nan)
    np.testing.assert_array_equal(REAL["max"](a, b), floats(0, 1, 1, np.nan))
    np.testing.assert_array_equal(REAL["max.NaN"](a, b), floats(0, np.nan, np.nan, np.nan))
    # −0 is below 0
    assert not np.signbit(REAL["max"](a, b)[0])
    assert np.signbit(REAL["min"](a, b)[0])


def test_a_field_of_bits():
    # of 0b1011_0110
    x = np.array([0b1011_0110], np.uint32)
    for kind, start, length, expected in (
        (np.uint32, 1, 3, 0b011), (np.uint32, 4, 4, 0b1011), (np.uint32, 0, 0, 0),
        (np.int32, 4, 4, 0b0011 - 8), (np.int32, 1, 3, 0b011), (np.uint32, 0, 32, 0b1011_0110),
    ):  # fmt: skip
        start, length = np.array([start], np.uint32), np.array([length], np.uint32)
        assert WHOLE["bfe"](x.view(kind), start, length) == expected


def test_bfloat16_is_rounded_to_even():
    x = floats(1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-23, -np.inf, 3.4e38, np.nan)
    assert list(map(hex, to_brain(x))) == [
        "0x3f80",
        "0x3f82",
        "0x3f81",
        "0xff80",
        "0x7f80",
        "0x7fff",
    ]
